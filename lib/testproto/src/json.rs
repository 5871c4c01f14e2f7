//! The part of JSON that records use: one flat object of strings, integers and booleans. Nothing is allocated.

use core::fmt;

/// A string as it stands in the JSON text, escapes and all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Str<'a>(&'a str);

impl<'a> Str<'a> {
    /// The characters that the string means.
    pub fn chars(self) -> impl Iterator<Item = char> + 'a {
        let mut chars = self.0.chars();
        core::iter::from_fn(move || match chars.next()? {
            '\\' => match chars.next()? {
                'n' => Some('\n'),
                'r' => Some('\r'),
                't' => Some('\t'),
                'b' => Some('\u{8}'),
                'f' => Some('\u{c}'),
                'u' => {
                    let code = (0..4)
                        .try_fold(0, |code, _| Some(code * 16 + chars.next()?.to_digit(16)?))?;
                    Some(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
                }
                other => Some(other),
            },
            other => Some(other),
        })
    }
}

impl PartialEq<&str> for Str<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.chars().eq(other.chars())
    }
}

impl fmt::Display for Str<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.chars().try_for_each(|c| fmt::Write::write_char(f, c))
    }
}

/// A field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A string.
    Str(Str<'a>),
    /// An integer. Addresses and registers are unsigned 64-bit, statuses may be negative; both fit.
    Int(i128),
    /// A truth value.
    Bool(bool),
}

/// Why a text is not one flat JSON object. `at` is a byte offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// Where the text stops making sense.
    pub at: usize,
    /// What was expected there.
    pub expected: &'static str,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no record: {} expected at byte {}",
            self.expected, self.at
        )
    }
}

impl core::error::Error for JsonError {}

/// The fields of an object, in their order; it ends after the first error.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    text: &'a str,
    at: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Start,
    Between,
    Done,
}

impl<'a> Fields<'a> {
    /// The fields of the object that is the whole of `text`.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            state: State::Start,
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn skip_blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_ascii_start().len();
    }

    fn error<T>(&self, expected: &'static str) -> Result<T, JsonError> {
        Err(JsonError {
            at: self.at,
            expected,
        })
    }

    /// Steps over one character, with the blanks before it.
    fn eat(&mut self, c: char) -> bool {
        self.skip_blanks();
        let there = self.rest().starts_with(c);
        self.at += usize::from(there) * c.len_utf8();
        there
    }

    fn end(&mut self) -> Result<(), JsonError> {
        self.state = State::Done;
        self.skip_blanks();
        if self.rest().is_empty() {
            Ok(())
        } else {
            self.error("nothing more")
        }
    }

    fn string(&mut self) -> Result<Str<'a>, JsonError> {
        if !self.eat('"') {
            return self.error("a string");
        }
        let rest = self.rest();
        let mut bytes = rest.bytes().enumerate();
        while let Some((n, byte)) = bytes.next() {
            match byte {
                b'"' => {
                    self.at += n + 1;
                    return rest
                        .get(..n)
                        .map(Str)
                        .map_or_else(|| self.error("a string"), Ok);
                }
                b'\\' => {
                    let escape = bytes.next().map(|(_, b)| b);
                    let good = match escape {
                        Some(b'u') => {
                            (0..4).all(|_| bytes.next().is_some_and(|(_, b)| b.is_ascii_hexdigit()))
                        }
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => true,
                        _ => false,
                    };
                    if !good {
                        self.at += n;
                        return self.error("a valid escape");
                    }
                }
                0..0x20 => {
                    self.at += n;
                    return self.error("an escape in place of a control character");
                }
                _ => {}
            }
        }
        self.error("the string's closing quote")
    }

    fn value(&mut self) -> Result<Value<'a>, JsonError> {
        self.skip_blanks();
        let rest = self.rest();
        if rest.starts_with('"') {
            return self.string().map(Value::Str);
        }
        for (word, value) in [("true", true), ("false", false)] {
            if rest.starts_with(word) {
                self.at += word.len();
                return Ok(Value::Bool(value));
            }
        }
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let sign = usize::from(rest.starts_with('-'));
        let len = sign + rest.get(sign..).map_or(0, digits);
        let number = rest
            .get(..len)
            .filter(|text| !text.trim_start_matches('-').starts_with('0') || len == sign + 1);
        match number.and_then(|text| text.parse().ok()) {
            Some(number) => {
                self.at += len;
                Ok(Value::Int(number))
            }
            None => self.error("a string, an integer, true or false"),
        }
    }

    fn field(&mut self) -> Result<Option<(Str<'a>, Value<'a>)>, JsonError> {
        match self.state {
            State::Done => return Ok(None),
            State::Start => {
                if !self.eat('{') {
                    return self.error("{");
                }
                if self.eat('}') {
                    return self.end().map(|()| None);
                }
            }
            State::Between => {
                if self.eat('}') {
                    return self.end().map(|()| None);
                }
                if !self.eat(',') {
                    return self.error(", or }");
                }
            }
        }
        self.state = State::Between;
        let name = self.string()?;
        if !self.eat(':') {
            return self.error(":");
        }
        let value = self.value()?;
        Ok(Some((name, value)))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(Str<'a>, Value<'a>), JsonError>;

    fn next(&mut self) -> Option<Self::Item> {
        let field = self.field();
        if field.is_err() {
            self.state = State::Done;
        }
        field.transpose()
    }
}
