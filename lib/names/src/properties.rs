//! Properties of a service: a small set of keys with values.
//!
#![doc = "```text"]
#![doc = include_str!("../grammar/properties.ebnf")]
#![doc = "```"]
//!
//! A key has at most [`KEY_MAX`] characters, a text [`TEXT_MAX`] bytes, a set [`KEYS_MAX`] keys.
//! No key comes twice. Printed properties are a query too, which finds what has them.
//!
//! Barrelfish counterpart: the attributes of Octopus' records; those have floating-point numbers too.

use crate::text::{ParseError, Token, Tokens, write_quoted};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize, Serializer};

/// The most characters of a key.
pub const KEY_MAX: usize = 32;
/// The most bytes of a text.
pub const TEXT_MAX: usize = 128;
/// The most keys of a set.
pub const KEYS_MAX: usize = 16;

const KEY_HINT: &str = "a key begins with a letter a to z, and has these, digits, `.`, `_` and `-`";

/// What a key stands for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Value {
    /// Yes or no.
    Bool(bool),
    /// A number.
    Integer(i64),
    /// A text.
    Text(String),
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.into())
    }
}

impl Value {
    /// Reads the value that comes next.
    pub(crate) fn read(tokens: &mut Tokens<'_>) -> Result<Self, ParseError> {
        const HINT: &str =
            "a value is `true`, `false`, a whole number of 64 bits, or a text between quotes";
        let at = tokens.place();
        let value = match tokens.peek() {
            Token::Word(word) if word == "true" => Self::Bool(true),
            Token::Word(word) if word == "false" => Self::Bool(false),
            Token::Word(word) => match word.parse() {
                Ok(number) => Self::Integer(number),
                Err(_) => return Err(tokens.unexpected(HINT)),
            },
            Token::Text(text) if text.len() > TEXT_MAX => {
                let what = format!("a text of more than {TEXT_MAX} bytes");
                return Err(tokens.error(at, what, "shorten it"));
            }
            Token::Text(text) => Self::Text(text.clone()),
            _ => return Err(tokens.unexpected(HINT)),
        };
        tokens.take()?;
        Ok(value)
    }

    /// The bytes that it is charged with.
    const fn bytes(&self) -> usize {
        match self {
            Self::Bool(_) | Self::Integer(_) => size_of::<i64>(),
            Self::Text(text) => text.len(),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Text(text) => write_quoted(f, text),
        }
    }
}

/// Why a pair does not go into a set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PropertyError {
    /// This is no key.
    Key,
    /// The text is longer than [`TEXT_MAX`].
    Text,
    /// The set has [`KEYS_MAX`] others.
    Full,
    /// The key is there already.
    Twice,
}

impl fmt::Display for PropertyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key => f.write_str(KEY_HINT),
            Self::Text => write!(f, "a text has at most {TEXT_MAX} bytes"),
            Self::Full => write!(f, "a service has at most {KEYS_MAX} properties"),
            Self::Twice => f.write_str("a key comes twice"),
        }
    }
}

impl core::error::Error for PropertyError {}

/// A set of properties, by key.
#[derive(Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "Vec<(String, Value)>")]
pub struct Properties(BTreeMap<String, Value>);

impl Properties {
    /// No properties.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Reads a set.
    ///
    /// # Errors
    /// Where it breaks which rule.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let mut tokens = Tokens::new(text, 0)?;
        let mut set = Self::new();
        if !tokens.take_sign("{")? {
            return Err(tokens.unexpected("properties begin with `{`"));
        }
        while !tokens.take_sign("}")? {
            let (at, key) = (tokens.place(), key(&mut tokens)?);
            if !tokens.take_sign(":")? && !tokens.take_sign("==")? {
                return Err(tokens.unexpected("write `:` and a value behind a key"));
            }
            let value = Value::read(&mut tokens)?;
            if let Err(error) = set.add(&key, value) {
                let hint = match error {
                    PropertyError::Full => "leave some out",
                    _ => "name each key once",
                };
                return Err(tokens.error(at, format!("{error}"), hint));
            }
            if !tokens.take_sign(",")? && *tokens.peek() != Token::Sign("}") {
                return Err(tokens.unexpected("write `,` or `}` behind a value"));
            }
        }
        match tokens.peek() {
            Token::End => Ok(set),
            _ => Err(tokens.unexpected("nothing comes behind the `}`")),
        }
    }

    /// With a pair more, or another value for a key.
    ///
    /// # Errors
    /// [`PropertyError`], but for a key that is there already.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) -> Result<(), PropertyError> {
        let value = value.into();
        if !is_key(key) {
            return Err(PropertyError::Key);
        }
        if matches!(&value, Value::Text(text) if text.len() > TEXT_MAX) {
            return Err(PropertyError::Text);
        }
        if self.0.len() >= KEYS_MAX && !self.0.contains_key(key) {
            return Err(PropertyError::Full);
        }
        self.0.insert(key.into(), value);
        Ok(())
    }

    /// Without that key; answers with its value.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        self.0.remove(key)
    }

    /// What a key stands for.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// All pairs, by key.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes of all keys and values.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let pairs = self.0.iter();
        pairs
            .map(|(key, value)| key.len().saturating_add(value.bytes()))
            .fold(0, usize::saturating_add)
    }

    fn add(&mut self, key: &str, value: Value) -> Result<(), PropertyError> {
        match self.0.contains_key(key) {
            true => Err(PropertyError::Twice),
            false => self.set(key, value),
        }
    }
}

/// Reads the key that comes next.
pub(crate) fn key(tokens: &mut Tokens<'_>) -> Result<String, ParseError> {
    match tokens.peek() {
        Token::Word(word) if is_key(word) => {}
        _ => return Err(tokens.unexpected(KEY_HINT)),
    }
    match tokens.take()? {
        Token::Word(word) => Ok(word),
        _ => Err(tokens.unexpected(KEY_HINT)),
    }
}

fn is_key(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|first| first.is_ascii_lowercase())
        && chars.all(crate::name::is_label)
        && text.len() <= KEY_MAX
        && !matches!(text, "and" | "or" | "not" | "true" | "false")
}

impl FromStr for Properties {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::parse(text)
    }
}

impl TryFrom<Vec<(String, Value)>> for Properties {
    type Error = PropertyError;

    fn try_from(pairs: Vec<(String, Value)>) -> Result<Self, PropertyError> {
        let mut set = Self::new();
        for (key, value) in pairs {
            set.add(&key, value)?;
        }
        Ok(set)
    }
}

impl fmt::Display for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, (key, value)) in self.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma} {key}: {value}")?;
        }
        f.write_str(if self.is_empty() { "}" } else { " }" })
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for Properties {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.0)
    }
}
