//! Words to fields.
//!
//! As in POSIX `sh`: a parameter's value takes its place; outside quotes the value is split at blanks (space, tab, line
//! feed) and an empty one leaves nothing. Inside double quotes it stays whole, and an empty one is an empty field. An unset
//! variable is empty. The value of an assignment and the name of a redirection's file are not split.
//!
//! `*`, `?` and `[` mean nothing to the shell. The names that a pattern could stand for are not only files: modules,
//! services and processes are named on a command line too, and commands take patterns over them (`nslist 'a*'`). So a pattern reaches the
//! command as it is typed.

use crate::ast::{Assignment, Command, Mode, Parameter, Piece, Word};
use crate::limits;
use crate::variables::Variables;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

/// What parameters stand for.
#[derive(Clone, Debug, Default)]
pub struct Values {
    /// The variables.
    pub variables: Variables,
    /// `$?`.
    pub status: u8,
    /// `$!`; empty while nothing was started in the background.
    pub background: Option<u64>,
    /// `$$`.
    pub own: u64,
}

/// A command ready to be run.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Expanded {
    /// Variables for this command alone, in order.
    pub assignments: Vec<(String, String)>,
    /// The command and its arguments; empty if there is no command.
    pub words: Vec<String>,
    /// Files to redirect to and from, in order.
    pub redirections: Vec<(Mode, String)>,
}

/// Why a command cannot be expanded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExpandError {
    /// More fields than [`limits::WORDS`].
    TooManyFields,
    /// More bytes than [`limits::EXPANDED_BYTES`].
    TooLong,
    /// The name of a redirection's file is empty.
    EmptyFile,
}

impl fmt::Display for ExpandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyFields => write!(
                f,
                "the command's words expand to more than {} arguments: put \"\" around a variable that is meant as one",
                limits::WORDS
            ),
            Self::TooLong => write!(
                f,
                "the command's words expand to more than {} bytes",
                limits::EXPANDED_BYTES
            ),
            Self::EmptyFile => f.write_str(
                "the name of the file to redirect to is empty: check the variable that it comes from",
            ),
        }
    }
}

impl core::error::Error for ExpandError {}

impl Values {
    /// The value of a parameter.
    pub fn value(&self, parameter: &Parameter) -> String {
        match parameter {
            Parameter::Variable(name) => self.variables.get(name).unwrap_or_default().to_string(),
            Parameter::Status => self.status.to_string(),
            Parameter::Background => self
                .background
                .map(|pid| pid.to_string())
                .unwrap_or_default(),
            Parameter::Own => self.own.to_string(),
        }
    }

    /// A word as one text, without splitting.
    ///
    /// # Errors
    /// [`ExpandError::TooLong`].
    pub fn text(&self, word: &Word) -> Result<String, ExpandError> {
        let mut text = String::new();
        for piece in &word.pieces {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Parameter { parameter, .. } => text.push_str(&self.value(parameter)),
            }
            if text.len() > limits::EXPANDED_BYTES {
                return Err(ExpandError::TooLong);
            }
        }
        Ok(text)
    }

    /// The fields of some words.
    ///
    /// # Errors
    /// [`ExpandError::TooManyFields`], [`ExpandError::TooLong`].
    pub fn fields(&self, words: &[Word]) -> Result<Vec<String>, ExpandError> {
        let mut fields = Fields::default();
        for word in words {
            for piece in &word.pieces {
                match piece {
                    Piece::Literal(literal) => fields.join(literal),
                    Piece::Parameter { parameter, quoted } => {
                        let value = self.value(parameter);
                        if *quoted {
                            fields.join(&value);
                        } else {
                            fields.split(&value);
                        }
                    }
                }
                fields.check()?;
            }
            fields.end();
        }
        fields.check()?;
        Ok(fields.done)
    }

    /// A command's words and redirections; its assignments are expanded by [`assignments`](Self::assignments).
    ///
    /// # Errors
    /// See [`ExpandError`].
    pub fn command(&self, command: &Command) -> Result<Expanded, ExpandError> {
        let words = self.fields(&command.words)?;
        let mut redirections = Vec::new();
        for redirection in &command.redirections {
            let file = self.text(&redirection.file)?;
            if file.is_empty() {
                return Err(ExpandError::EmptyFile);
            }
            redirections.push((redirection.mode, file));
        }
        Ok(Expanded {
            assignments: self.assignments(&command.assignments)?,
            words,
            redirections,
        })
    }

    /// Assignments, from left to right; a later one sees the earlier ones.
    ///
    /// # Errors
    /// [`ExpandError::TooLong`].
    pub fn assignments(
        &self,
        assignments: &[Assignment],
    ) -> Result<Vec<(String, String)>, ExpandError> {
        let mut done: Vec<(String, String)> = Vec::new();
        let mut bytes = 0;
        for assignment in assignments {
            let mut text = String::new();
            for piece in &assignment.value.pieces {
                match piece {
                    Piece::Literal(literal) => text.push_str(literal),
                    Piece::Parameter { parameter, .. } => {
                        let earlier = match parameter {
                            Parameter::Variable(name) => {
                                done.iter().rev().find(|(earlier, _)| earlier == name)
                            }
                            _ => None,
                        };
                        match earlier {
                            Some((_, value)) => text.push_str(value),
                            None => text.push_str(&self.value(parameter)),
                        }
                    }
                }
                if bytes + text.len() > limits::EXPANDED_BYTES {
                    return Err(ExpandError::TooLong);
                }
            }
            bytes += text.len();
            done.push((assignment.name.clone(), text));
        }
        Ok(done)
    }
}

/// Fields in the making.
#[derive(Default)]
struct Fields {
    done: Vec<String>,
    /// The field that the next piece goes on with; `None` if it would begin one.
    open: Option<String>,
    bytes: usize,
}

impl Fields {
    /// Adds text that is not split; it begins a field even if it is empty.
    fn join(&mut self, text: &str) {
        self.bytes += text.len();
        self.open.get_or_insert_default().push_str(text);
    }

    /// Adds text that is split at blanks.
    fn split(&mut self, text: &str) {
        for (index, part) in text.split([' ', '\t', '\n']).enumerate() {
            // Between two parts stands a blank.
            if index > 0 {
                self.end();
            }
            if !part.is_empty() {
                self.join(part);
            }
            // Each field may cost more than its bytes: stop early, the caller's check tells.
            if self.check().is_err() {
                return;
            }
        }
    }

    fn end(&mut self) {
        self.done.extend(self.open.take());
    }

    fn check(&self) -> Result<(), ExpandError> {
        if self.bytes > limits::EXPANDED_BYTES {
            return Err(ExpandError::TooLong);
        }
        if self.done.len() > limits::WORDS {
            return Err(ExpandError::TooManyFields);
        }
        Ok(())
    }
}
