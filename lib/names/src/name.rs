//! Names of services, and prefixes of names.
//!
#![doc = "```text"]
#![doc = include_str!("../grammar/name.ebnf")]
#![doc = "```"]
//!
//! A label has at most [`LABEL_MAX`] characters, a name at most [`DEPTH_MAX`] labels and [`NAME_MAX`] characters. The slash at the beginning
//! is for those who are used to it and is dropped: `/fs/sdcard` and `fs/sdcard` are the same name. Names have an order, that of their characters.
//!
//! A [`Prefix`] selects names by how they begin, as the course's `nameservice_enumerate` does: `fs/sd` selects `fs/sdcard`, `fs/sd0/raw` and
//! `fs/sd`; `fs/` all below `fs`; the empty one all. In the order of names they lie side by side.
//!
//! Both types are made by their parsers only, also where they come out of a message: who has one need not check again.
//!
//! Barrelfish counterpart: the record names of Octopus, which are flat (an identifier that may have dots).

use crate::text::{ParseError, shown};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::borrow::Borrow;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize, Serializer};

/// The most characters of a label.
pub const LABEL_MAX: usize = 63;
/// The most labels of a name.
pub const DEPTH_MAX: usize = 8;
/// The most characters of a name, slashes included.
pub const NAME_MAX: usize = 255;

/// A name of a service. Copies share the text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Name(Arc<str>);

/// How names begin.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Prefix(Arc<str>);

impl Name {
    /// Reads a name.
    ///
    /// # Errors
    /// Where it breaks which rule.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        check(text, false).map(|name| Self(name.into()))
    }

    /// The name, without a slash at its beginning.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its labels, outermost first.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// The names that it lies below, outermost first, and itself: `a`, `a/b` and `a/b/c`.
    pub fn path(&self) -> impl Iterator<Item = &str> {
        let slashes = self.0.match_indices('/');
        let above = slashes.filter_map(|(at, _)| self.0.get(..at));
        above.chain(core::iter::once(self.as_str()))
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Prefix {
    /// Reads a prefix.
    ///
    /// # Errors
    /// Where no name could begin so.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        check(text, true).map(|prefix| Self(prefix.into()))
    }

    /// The prefix, without a slash at its beginning.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a name begins so.
    #[must_use]
    pub fn matches(&self, name: &Name) -> bool {
        name.as_str().starts_with(self.as_str())
    }
}

/// Whether it may stand in a label, behind its first character.
pub(crate) const fn is_label(char: char) -> bool {
    is_first(char) || matches!(char, '.' | '_' | '-')
}

/// Whether a label may begin with it.
pub(crate) const fn is_first(char: char) -> bool {
    char.is_ascii_lowercase() || char.is_ascii_digit()
}

/// Why a character has no place in a label.
pub(crate) fn wrong(text: &str, at: usize, char: char) -> ParseError {
    let hint = match char {
        'A'..='Z' => "names are in lower case",
        '.' | '_' | '-' => "a label begins with a letter or a digit",
        '/' => "a label stands between slashes",
        _ => "labels have letters a to z, digits, `.`, `_` and `-`, with `/` between them",
    };
    ParseError::at(text, at, shown(char), hint)
}

/// The name or prefix in a text, without the slash at its beginning.
fn check(text: &str, prefix: bool) -> Result<&str, ParseError> {
    let rest = text.strip_prefix('/').unwrap_or(text);
    let skipped = text.len().saturating_sub(rest.len());
    let (mut length, mut depth) = (0, 1);
    for (place, char) in rest.char_indices() {
        let at = place.saturating_add(skipped);
        if place >= NAME_MAX {
            let what = format!("more than {NAME_MAX} characters");
            return Err(ParseError::at(text, at, what, "choose a shorter name"));
        }
        match char {
            '/' if length > 0 => {
                (length, depth) = (0, depth + 1);
                if depth > DEPTH_MAX {
                    let what = format!("more than {DEPTH_MAX} labels");
                    let hint = "choose a name with fewer slashes";
                    return Err(ParseError::at(text, at, what, hint));
                }
            }
            _ if is_first(char) || (length > 0 && is_label(char)) => length += 1,
            _ => return Err(wrong(text, at, char)),
        }
        if length > LABEL_MAX {
            return Err(label_too_long(text, at));
        }
    }
    if length == 0 && !prefix {
        let hint = "a name is labels with `/` between them, such as `service/serial0`";
        let what = match rest.is_empty() {
            true => "nothing",
            false => "the end, behind a slash",
        };
        return Err(ParseError::at(text, text.len(), what, hint));
    }
    Ok(rest)
}

/// More characters than [`LABEL_MAX`].
pub(crate) fn label_too_long(text: &str, at: usize) -> ParseError {
    let what = format!("more than {LABEL_MAX} characters in a label");
    ParseError::at(text, at, what, "choose a shorter label")
}

/// What both types have in common: text in, text out.
macro_rules! text {
    ($type:ident) => {
        impl FromStr for $type {
            type Err = ParseError;

            fn from_str(text: &str) -> Result<Self, ParseError> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $type {
            type Error = ParseError;

            fn try_from(text: String) -> Result<Self, ParseError> {
                Self::parse(&text)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
    };
}

text!(Name);
text!(Prefix);
