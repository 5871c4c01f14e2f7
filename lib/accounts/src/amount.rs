//! How much: bytes, and in how many allocations, as each costs its holder's memory server a record.

use crate::error::Error;

/// Bytes and allocations.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Amount {
    /// Bytes.
    pub bytes: u64,
    /// Allocations.
    pub allocations: u64,
}

impl Amount {
    /// Nothing.
    pub const NONE: Self = Self {
        bytes: 0,
        allocations: 0,
    };

    /// One allocation of so many bytes.
    #[must_use]
    pub const fn one(bytes: u64) -> Self {
        Self {
            bytes,
            allocations: 1,
        }
    }

    /// Both; as much as can be counted if it is more than that.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            allocations: self.allocations.saturating_add(other.allocations),
        }
    }

    /// The rest; nothing where it is more than there is.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_sub(other.bytes),
            allocations: self.allocations.saturating_sub(other.allocations),
        }
    }

    /// Whether it is within that.
    ///
    /// # Errors
    /// `LimitBytes`, `LimitAllocations`: of what there is not enough.
    pub const fn within(self, limit: Self) -> Result<(), Error> {
        if self.bytes > limit.bytes {
            return Err(Error::LimitBytes);
        }
        if self.allocations > limit.allocations {
            return Err(Error::LimitAllocations);
        }
        Ok(())
    }
}
