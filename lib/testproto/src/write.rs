//! Building a record without an allocator.

use crate::record::Kind;
use crate::{MAX_JSON, MAX_LINE};
use core::fmt::{self, Write as _};

/// The longest value of a string field, in bytes of JSON; what is longer is cut and ends in `...`. Six such fields, as a
/// failed test has, fit into one record.
const MAX_STR: usize = 64;

/// The fields do not fit into one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the record is longer than {MAX_LINE} bytes: shorten its fields"
        )
    }
}

impl core::error::Error for TooLong {}

/// Builds the JSON of one record, field by field:
///
/// ```
/// use testproto::{Kind, Writer};
/// let mut record = Writer::new(Kind::Cmd);
/// record.str("line", "hello \"one\"").int("status", 0);
/// assert_eq!(record.finish(), Ok(r#"{"t":"cmd","line":"hello \"one\"","status":0}"#));
/// ```
#[derive(Clone)]
pub struct Writer {
    text: [u8; MAX_JSON],
    len: usize,
    overflow: bool,
}

impl Writer {
    /// Starts a record.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        let mut writer = Self {
            text: [0; MAX_JSON],
            len: 0,
            overflow: false,
        };
        writer.push("{\"t\":\"");
        writer.push(kind.name());
        writer.push("\"");
        writer
    }

    /// Adds a string. Quotes and control characters are escaped; a long string is cut.
    pub fn str(&mut self, name: &str, value: &str) -> &mut Self {
        self.display(name, value)
    }

    /// Adds a string that is not cut: one that does not fit makes the record too long. It must need no escapes.
    pub fn plain(&mut self, name: &str, value: &str) -> &mut Self {
        let escapes = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
        self.overflow |= value.bytes().any(escapes);
        self.name(name);
        self.push("\"");
        self.push(value);
        self.push("\"");
        self
    }

    /// Adds a string made by `Display`, with the same rules.
    pub fn display(&mut self, name: &str, value: impl fmt::Display) -> &mut Self {
        self.name(name);
        self.push("\"");
        let start = self.len;
        let mut cutter = Cutter {
            writer: self,
            start,
            dots: start,
            cut: false,
        };
        // The error only says that the rest was cut off.
        let _ = write!(cutter, "{value}");
        let (dots, cut) = (cutter.dots, cutter.cut);
        if cut {
            self.len = dots;
            self.push("...");
        }
        self.push("\"");
        self
    }

    /// Adds an integer.
    pub fn int(&mut self, name: &str, value: impl Into<i128>) -> &mut Self {
        self.name(name);
        let value: i128 = value.into();
        if write!(Raw(self), "{value}").is_err() {
            self.overflow = true;
        }
        self
    }

    /// Adds a truth value.
    pub fn bool(&mut self, name: &str, value: bool) -> &mut Self {
        self.name(name);
        self.push(if value { "true" } else { "false" });
        self
    }

    /// Closes the object and gives its text. Call it once, as the last thing.
    ///
    /// # Errors
    ///
    /// [`TooLong`] if not all fields fitted.
    pub fn finish(&mut self) -> Result<&str, TooLong> {
        self.push("}");
        let text = self
            .text
            .get(..self.len)
            .and_then(|text| core::str::from_utf8(text).ok());
        if self.overflow {
            Err(TooLong)
        } else {
            text.ok_or(TooLong)
        }
    }

    fn name(&mut self, name: &str) {
        self.push(",\"");
        self.push(name);
        self.push("\":");
    }

    fn push(&mut self, text: &str) {
        let slot = self
            .len
            .checked_add(text.len())
            .and_then(|end| self.text.get_mut(self.len..end));
        match slot {
            Some(slot) if !self.overflow => {
                slot.copy_from_slice(text.as_bytes());
                self.len += text.len();
            }
            _ => self.overflow = true,
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self
            .text
            .get(..self.len)
            .and_then(|text| core::str::from_utf8(text).ok());
        f.debug_tuple("Writer").field(&text.unwrap_or("")).finish()
    }
}

/// Numbers go in as they are.
struct Raw<'w>(&'w mut Writer);

impl fmt::Write for Raw<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.push(text);
        Ok(())
    }
}

/// Strings are escaped and cut to [`MAX_STR`].
struct Cutter<'w> {
    writer: &'w mut Writer,
    start: usize,
    /// Where `...` goes if the string must be cut: the last character boundary that leaves room for it.
    dots: usize,
    cut: bool,
}

impl fmt::Write for Cutter<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            let before = self.writer.len;
            match c {
                '"' => self.writer.push("\\\""),
                '\\' => self.writer.push("\\\\"),
                '\n' => self.writer.push("\\n"),
                '\r' => self.writer.push("\\r"),
                '\t' => self.writer.push("\\t"),
                '\0'..='\x1f' => {
                    let code = u32::from(c);
                    write!(Raw(self.writer), "\\u{code:04x}")?;
                }
                other => self.writer.push(other.encode_utf8(&mut [0; 4])),
            }
            if before - self.start <= MAX_STR - 3 {
                self.dots = before;
            }
            if self.writer.len - self.start > MAX_STR {
                self.cut = true;
                return Err(fmt::Error);
            }
        }
        Ok(())
    }
}
