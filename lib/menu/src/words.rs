//! Command lines: words between blanks, quotes keep blanks.
//!
//! * Blanks and tabs separate words.
//! * Double quotes group: `"two three"` is one word, `a"b c"d` is the word `ab cd`, `""` is an empty word.
//! * Inside quotes a backslash makes the next character ordinary, so `"a\"b"` is `a"b`. Outside it is ordinary itself.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::iter::Peekable;
use core::str::CharIndices;

/// Why a command line does not split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WordError {
    /// Byte offset of the quote that nothing closes.
    pub quote_at: usize,
}

impl fmt::Display for WordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this quote is never closed: add a \" at the end of the word")
    }
}

impl core::error::Error for WordError {}

/// One word as it stands in the line, quotes included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word<'a> {
    /// The raw text.
    pub raw: &'a str,
    /// Byte offset of `raw` in the line.
    pub start: usize,
}

impl<'a> Word<'a> {
    /// The characters that the word means, without an allocation.
    pub fn chars(&self) -> impl Iterator<Item = char> + 'a {
        let mut chars = self.raw.chars();
        let mut quoted = false;
        core::iter::from_fn(move || {
            loop {
                match chars.next()? {
                    '"' => quoted = !quoted,
                    '\\' if quoted => return chars.next(),
                    other => return Some(other),
                }
            }
        })
    }
}

/// The words of a line, in order; the iterator behind [`words()`]. It ends after the first error.
#[derive(Clone, Debug)]
pub struct Words<'a> {
    line: &'a str,
    rest: Peekable<CharIndices<'a>>,
}

/// Splits a line into words, without an allocation.
#[must_use]
pub fn words(line: &str) -> Words<'_> {
    Words {
        line,
        rest: line.char_indices().peekable(),
    }
}

/// Splits a line into words with their quotes resolved.
///
/// # Errors
///
/// A quote that is never closed.
pub fn split(line: &str) -> Result<Vec<String>, WordError> {
    words(line)
        .map(|word| word.map(|word| word.chars().collect()))
        .collect()
}

impl<'a> Iterator for Words<'a> {
    type Item = Result<Word<'a>, WordError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.rest.next_if(|(_, c)| is_blank(*c)).is_some() {}
        let start = self.rest.peek()?.0;
        let mut quote = None;
        while let Some((at, c)) = self.rest.next_if(|(_, c)| quote.is_some() || !is_blank(*c)) {
            match (c, quote) {
                ('"', None) => quote = Some(at),
                ('"', Some(_)) => quote = None,
                ('\\', Some(_)) => drop(self.rest.next()),
                _ => {}
            }
        }
        if let Some(quote_at) = quote {
            return Some(Err(WordError { quote_at }));
        }
        let end = self.rest.peek().map_or(self.line.len(), |(at, _)| *at);
        self.line.get(start..end).map(|raw| Ok(Word { raw, start }))
    }
}

fn is_blank(c: char) -> bool {
    c == ' ' || c == '\t'
}
