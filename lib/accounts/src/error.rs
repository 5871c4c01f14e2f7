//! Why an operation is refused, one fugu code for each reason.

use core::fmt;
use errors::ErrorCode;

/// Why an operation was refused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Error {
    /// There is no such account.
    UnknownAccount,
    /// There is an account of this number.
    AccountExists,
    /// There are as many accounts as there may be.
    TooManyAccounts,
    /// Accounts are nested as deep as they may be.
    TooDeep,
    /// The limit of bytes does not allow it.
    LimitBytes,
    /// The limit of allocations does not allow it.
    LimitAllocations,
    /// The account holds, or has given away, more than the new limit.
    InUse,
    /// The range is empty, or ends beyond the last address.
    BadRange,
    /// Another allocation has some of the range.
    Overlap,
    /// No allocation begins there.
    NoAllocation,
    /// Another account holds it.
    NotHolder,
    /// The account, or one that it is in, is being closed.
    Closing,
    /// The first account cannot be closed.
    Root,
}

impl Error {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::UnknownAccount,
        Self::AccountExists,
        Self::TooManyAccounts,
        Self::TooDeep,
        Self::LimitBytes,
        Self::LimitAllocations,
        Self::InUse,
        Self::BadRange,
        Self::Overlap,
        Self::NoAllocation,
        Self::NotHolder,
        Self::Closing,
        Self::Root,
    ];

    /// The code that says the same to the client.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::UnknownAccount => ErrorCode::AccountUnknown,
            Self::AccountExists => ErrorCode::AccountExists,
            Self::TooManyAccounts => ErrorCode::AccountTooMany,
            Self::TooDeep => ErrorCode::AccountTooDeep,
            Self::LimitBytes => ErrorCode::AccountLimitBytes,
            Self::LimitAllocations => ErrorCode::AccountLimitAllocations,
            Self::InUse => ErrorCode::AccountInUse,
            Self::BadRange => ErrorCode::AccountBadRange,
            Self::Overlap => ErrorCode::AccountOverlap,
            Self::NoAllocation => ErrorCode::AccountNoAllocation,
            Self::NotHolder => ErrorCode::AccountNotHolder,
            Self::Closing => ErrorCode::AccountClosing,
            Self::Root => ErrorCode::AccountRoot,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code().text())
    }
}

impl core::error::Error for Error {}
