//! Exit codes, and errors that know theirs.
//!
//! Errors travel as [`anyhow::Error`]. One that a user can do something about is made by [`Failure`]'s constructors; any other
//! error ends as [`Exit::Bug`].

use std::fmt;

/// The exit codes of every command (docs: contracts).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// All went well.
    Ok = 0,
    /// A test or a scripted command failed.
    Failed = 1,
    /// The guest panicked or crashed.
    GuestDied = 2,
    /// Time-out.
    TimeOut = 3,
    /// Wrong use of the command line.
    Usage = 64,
    /// A bad input file.
    BadInput = 65,
    /// A needed tool is missing.
    Missing = 69,
    /// A bug in hake.
    Bug = 70,
    /// Ended by Ctrl-C: 128 and the signal's number, as shells have it.
    Interrupted = 130,
}

/// An error with an exit code of its own and a message that says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What happened and what to do about it.
    pub message: String,
}

impl Failure {
    /// An error with this exit code.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
        }
    }

    /// Wrong use of the command line.
    pub fn usage(message: impl Into<String>) -> anyhow::Error {
        Self::new(Exit::Usage, message).into()
    }

    /// A bad input file; the message starts with `file:line:column: `.
    pub fn bad_input(message: impl Into<String>) -> anyhow::Error {
        Self::new(Exit::BadInput, message).into()
    }

    /// A missing tool; the message names the cure.
    pub fn missing(message: impl Into<String>) -> anyhow::Error {
        Self::new(Exit::Missing, message).into()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// The exit code of an error: that of the [`Failure`] in it, if there is one.
#[must_use]
pub fn exit_code(error: &anyhow::Error) -> Exit {
    error
        .downcast_ref::<Failure>()
        .map_or(Exit::Bug, |failure| failure.exit)
}
