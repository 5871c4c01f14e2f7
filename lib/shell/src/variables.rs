//! The shell's variables.

use crate::limits;
use crate::name::is_name;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use core::fmt;

/// Names and values, at most [`limits::VARIABLES`] of them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Variables {
    values: BTreeMap<String, Value>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Value {
    text: String,
    exported: bool,
}

/// Why a variable cannot be set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VariableError {
    /// The name is none.
    BadName,
    /// The value is too long.
    ValueTooLong,
    /// There are too many variables.
    TooMany,
}

impl fmt::Display for VariableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadName => write!(
                f,
                "the name of a variable has letters, digits and _, does not begin with a digit and is at most {} characters long",
                limits::NAME_BYTES
            ),
            Self::ValueTooLong => write!(
                f,
                "the value of a variable has at most {} bytes",
                limits::VALUE_BYTES
            ),
            Self::TooMany => write!(
                f,
                "there are {} variables already: unset one",
                limits::VARIABLES
            ),
        }
    }
}

impl core::error::Error for VariableError {}

impl Variables {
    /// No variables.
    pub const fn new() -> Self {
        Self {
            values: BTreeMap::new(),
        }
    }

    /// The value, if the variable is set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|value| value.text.as_str())
    }

    /// Sets a variable. Whether it is exported stays as it was.
    ///
    /// # Errors
    /// See [`VariableError`]; nothing has changed then.
    pub fn set(&mut self, name: &str, text: &str) -> Result<(), VariableError> {
        if !is_name(name) || name.len() > limits::NAME_BYTES {
            return Err(VariableError::BadName);
        }
        if text.len() > limits::VALUE_BYTES {
            return Err(VariableError::ValueTooLong);
        }
        if let Some(value) = self.values.get_mut(name) {
            value.text = text.to_string();
            return Ok(());
        }
        if self.values.len() >= limits::VARIABLES {
            return Err(VariableError::TooMany);
        }
        let value = Value {
            text: text.to_string(),
            exported: false,
        };
        self.values.insert(name.to_string(), value);
        Ok(())
    }

    /// Makes a variable part of the environment of programs; one that is not set becomes empty.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn export(&mut self, name: &str) -> Result<(), VariableError> {
        if !self.values.contains_key(name) {
            self.set(name, "")?;
        }
        if let Some(value) = self.values.get_mut(name) {
            value.exported = true;
        }
        Ok(())
    }

    /// Forgets a variable; answers whether it was set.
    pub fn unset(&mut self, name: &str) -> bool {
        self.values.remove(name).is_some()
    }

    /// All variables by name: name, value, whether it is exported.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, bool)> {
        self.values
            .iter()
            .map(|(name, value)| (name.as_str(), value.text.as_str(), value.exported))
    }
}
