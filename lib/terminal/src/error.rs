//! Why the terminal refuses, one fugu code for each reason.

use core::fmt;
use errors::ErrorCode;

/// Why a request was refused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Error {
    /// The client has not opened the terminal.
    UnknownClient,
    /// A client of this number has opened it.
    ClientExists,
    /// As many clients have opened it as there is room for.
    TooManyClients,
    /// The client has as many reads waiting as it may.
    TooManyReads,
    /// A read of no bytes.
    EmptyRead,
    /// The client has no such read that waits; it may have been answered.
    NoRead,
    /// Another client has the foreground.
    NotForeground,
    /// The client has the foreground, or has lent it: it cannot be given it.
    HasForeground,
    /// The client neither has the foreground nor has lent it.
    NotLent,
}

impl Error {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::UnknownClient,
        Self::ClientExists,
        Self::TooManyClients,
        Self::TooManyReads,
        Self::EmptyRead,
        Self::NoRead,
        Self::NotForeground,
        Self::HasForeground,
        Self::NotLent,
    ];

    /// The code that says the same to the client.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::UnknownClient => ErrorCode::TerminalUnknownClient,
            Self::ClientExists => ErrorCode::TerminalClientExists,
            Self::TooManyClients => ErrorCode::TerminalTooManyClients,
            Self::TooManyReads => ErrorCode::TerminalTooManyReads,
            Self::EmptyRead => ErrorCode::TerminalEmptyRead,
            Self::NoRead => ErrorCode::TerminalNoRead,
            Self::NotForeground => ErrorCode::TerminalNotForeground,
            Self::HasForeground => ErrorCode::TerminalHasForeground,
            Self::NotLent => ErrorCode::TerminalNotLent,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code().text())
    }
}

impl core::error::Error for Error {}
