//! JSON that may stand inside a page's script element.

use core::fmt::{self, Write as _};

/// A string as JSON; `<` is escaped, so that no text ends the element it stands in.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                '<' | '\0'..='\x1f' | '\u{2028}' | '\u{2029}' => write!(f, "\\u{:04x}", c as u32)?,
                other => f.write_char(other)?,
            }
        }
        f.write_char('"')
    }
}

/// A list of anything.
pub(crate) struct List<I>(pub(crate) I);

impl<I: Iterator<Item = T> + Clone, T: fmt::Display> fmt::Display for List<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('[')?;
        for (index, item) in self.0.clone().enumerate() {
            if index > 0 {
                f.write_char(',')?;
            }
            write!(f, "{item}")?;
        }
        f.write_char(']')
    }
}
