//! Reading texts: the error that all parsers here give, and the words and signs of which properties and queries are made.
//!
//! A token is a word (letters, digits, `.`, `_`, `-`), a text between quotes, or a sign of the grammars of
//! [properties](crate::properties) and [queries](crate::query).
//!
//! White space (blank, tab, new line) may stand between tokens. No input makes a reader panic, and each looks at a character at most twice.

use alloc::format;
use alloc::string::String;
use core::fmt;
use core::iter::Peekable;
use core::str::CharIndices;

/// Why a text is no name, no query and so on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParseError {
    /// The character where it goes wrong, counted from 1.
    pub column: usize,
    /// What is there.
    pub what: String,
    /// What to do about it.
    pub hint: &'static str,
}

impl ParseError {
    /// An error at a place of `text`, which is given in bytes.
    pub(crate) fn at(text: &str, byte: usize, what: impl Into<String>, hint: &'static str) -> Self {
        let before = text.char_indices().take_while(|(place, _)| *place < byte);
        Self {
            column: before.count().saturating_add(1),
            what: what.into(),
            hint,
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: {}; {}", self.column, self.what, self.hint)
    }
}

impl core::error::Error for ParseError {}

/// A character as it can be shown, whatever it is.
pub(crate) fn shown(char: char) -> String {
    format!("`{}`", char.escape_debug())
}

/// What a text is made of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Token {
    /// A key, a number, or a word of the language.
    Word(String),
    /// A text between quotes, without them, escapes resolved.
    Text(String),
    /// One of the signs.
    Sign(&'static str),
    /// Nothing more comes.
    End,
}

impl Token {
    /// In words, for messages.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Word(word) => format!("`{word}`"),
            Self::Text(_) => "a text".into(),
            Self::Sign(sign) => format!("`{sign}`"),
            Self::End => "the end".into(),
        }
    }
}

/// Reads token after token; sees the next one.
#[derive(Debug)]
pub(crate) struct Tokens<'a> {
    text: &'a str,
    chars: Peekable<CharIndices<'a>>,
    next: Token,
    /// Where that one begins.
    at: usize,
}

impl<'a> Tokens<'a> {
    /// Begins at a byte of `text`, which is a border of characters.
    pub(crate) fn new(text: &'a str, from: usize) -> Result<Self, ParseError> {
        let mut chars = text.char_indices().peekable();
        while chars.next_if(|(place, _)| *place < from).is_some() {}
        let mut tokens = Self {
            text,
            chars,
            next: Token::End,
            at: from,
        };
        tokens.advance()?;
        Ok(tokens)
    }

    /// The next token.
    pub(crate) const fn peek(&self) -> &Token {
        &self.next
    }

    /// Where the next token begins.
    pub(crate) const fn place(&self) -> usize {
        self.at
    }

    /// Takes the next token.
    pub(crate) fn take(&mut self) -> Result<Token, ParseError> {
        let taken = core::mem::replace(&mut self.next, Token::End);
        self.advance()?;
        Ok(taken)
    }

    /// Takes the next token if it is this sign.
    pub(crate) fn take_sign(&mut self, sign: &str) -> Result<bool, ParseError> {
        let is = matches!(&self.next, Token::Sign(next) if *next == sign);
        if is {
            self.take()?;
        }
        Ok(is)
    }

    /// Takes the next token if it is this word.
    pub(crate) fn take_word(&mut self, word: &str) -> Result<bool, ParseError> {
        let is = matches!(&self.next, Token::Word(next) if next == word);
        if is {
            self.take()?;
        }
        Ok(is)
    }

    /// The next token is not what should be here.
    pub(crate) fn unexpected(&self, hint: &'static str) -> ParseError {
        self.error(self.at, self.next.describe(), hint)
    }

    /// An error at a byte.
    pub(crate) fn error(&self, at: usize, what: String, hint: &'static str) -> ParseError {
        ParseError::at(self.text, at, what, hint)
    }

    fn advance(&mut self) -> Result<(), ParseError> {
        while self
            .chars
            .next_if(|(_, char)| matches!(char, ' ' | '\t' | '\n' | '\r'))
            .is_some()
        {}
        let Some((at, first)) = self.chars.next() else {
            self.at = self.text.len();
            self.next = Token::End;
            return Ok(());
        };
        self.at = at;
        self.next = match first {
            '{' => Token::Sign("{"),
            '}' => Token::Sign("}"),
            '(' => Token::Sign("("),
            ')' => Token::Sign(")"),
            ',' => Token::Sign(","),
            ':' => Token::Sign(":"),
            '~' => Token::Sign("~"),
            '<' => Token::Sign(self.with_equals("<", "<=")),
            '>' => Token::Sign(self.with_equals(">", ">=")),
            '=' | '!' => {
                let sign = self.with_equals("", if first == '=' { "==" } else { "!=" });
                if sign.is_empty() {
                    let hint = "comparisons are `==` (or `:`), `!=`, `<`, `<=`, `>`, `>=` and `~`; for `!` write `not`";
                    return Err(self.error(at, format!("`{first}` alone"), hint));
                }
                Token::Sign(sign)
            }
            '\'' | '"' => Token::Text(self.quoted(at, first)?),
            _ if is_word(first) => {
                let mut word = String::from(first);
                while let Some((_, char)) = self.chars.next_if(|(_, char)| is_word(*char)) {
                    word.push(char);
                }
                Token::Word(word)
            }
            _ => {
                let hint = "put texts between quotes";
                return Err(self.error(at, shown(first), hint));
            }
        };
        Ok(())
    }

    fn with_equals(&mut self, without: &'static str, with: &'static str) -> &'static str {
        match self.chars.next_if(|(_, char)| *char == '=') {
            Some(_) => with,
            None => without,
        }
    }

    /// The rest of a text that began at `start` with `quote`.
    fn quoted(&mut self, start: usize, quote: char) -> Result<String, ParseError> {
        let mut text = String::new();
        while let Some((at, char)) = self.chars.next() {
            match char {
                _ if char == quote => return Ok(text),
                '\\' => text.push(self.escape(at)?),
                _ => text.push(char),
            }
        }
        Err(self.error(start, "this text does not end".into(), "close the quote"))
    }

    /// What stands behind a backslash at `start`.
    fn escape(&mut self, start: usize) -> Result<char, ParseError> {
        const HINT: &str = "escapes are \\\\, \\', \\\", \\n, \\t and \\u{HEX}";
        let found = match self.chars.next().map(|(_, char)| char) {
            Some(char @ ('\\' | '\'' | '"')) => Some(char),
            Some('n') => Some('\n'),
            Some('t') => Some('\t'),
            Some('u') => self.hexadecimal(),
            _ => None,
        };
        found.ok_or_else(|| self.error(start, "no escape that is known".into(), HINT))
    }

    /// `{HEX}`: one to six digits that are the number of a character.
    fn hexadecimal(&mut self) -> Option<char> {
        self.chars.next_if(|(_, char)| *char == '{')?;
        let mut number = 0_u32;
        for digits in 0..=6 {
            let (_, char) = self.chars.next()?;
            match char.to_digit(16) {
                Some(digit) if digits < 6 => number = (number << 4) | digit,
                None if char == '}' && digits > 0 => return char::from_u32(number),
                _ => return None,
            }
        }
        None
    }
}

/// Whether a word may have it.
const fn is_word(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '.' | '_' | '-')
}

/// Writes a text between quotes so that it is read back as it was; what a terminal could take for a command is escaped.
pub(crate) fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    use fmt::Write as _;
    f.write_char('\'')?;
    for char in text.chars() {
        match char {
            '\\' | '\'' => write!(f, "\\{char}")?,
            '\n' => f.write_str("\\n")?,
            '\t' => f.write_str("\\t")?,
            _ if char.is_control() => write!(f, "\\u{{{:x}}}", u32::from(char))?,
            _ => f.write_char(char)?,
        }
    }
    f.write_char('\'')
}
