//! A refusal that gives back what the call would have consumed.

use core::fmt;
use errors::Error;

/// The operation did not happen: here is the capability again, and why.
///
/// With `?` in a function that returns [`Error`] the capability is dropped, hence reaped later.
pub struct Refused<C> {
    /// What the call was to consume, unchanged.
    pub cap: C,
    /// Why.
    pub error: Error,
}

impl<C> Refused<C> {
    pub(crate) const fn new(cap: C, error: Error) -> Self {
        Self { cap, error }
    }
}

impl<C> From<Refused<C>> for Error {
    fn from(refused: Refused<C>) -> Self {
        refused.error
    }
}

impl<C> fmt::Display for Refused<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<C> fmt::Debug for Refused<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.error, f)
    }
}
