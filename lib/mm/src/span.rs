//! Ranges of addresses.

use crate::MmError;

/// A half-open range of addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// First address.
    pub base: u64,
    /// First address behind it.
    pub end: u64,
}

impl Span {
    /// All addresses.
    pub const ALL: Self = Self {
        base: 0,
        end: u64::MAX,
    };

    /// The span of `bytes` bytes at `base`.
    ///
    /// # Errors
    /// [`MmError::Invalid`] when it is empty or leaves 64 bits.
    pub fn new(base: u64, bytes: u64) -> Result<Self, MmError> {
        match base.checked_add(bytes) {
            Some(end) if bytes > 0 => Ok(Self { base, end }),
            _ => Err(MmError::Invalid),
        }
    }

    /// Bytes in it.
    pub const fn bytes(self) -> u64 {
        self.end.saturating_sub(self.base)
    }

    /// Whether `other` lies wholly inside.
    pub const fn contains(self, other: Self) -> bool {
        self.base <= other.base && other.end <= self.end
    }

    /// Whether the two share a byte.
    pub const fn overlaps(self, other: Self) -> bool {
        self.base < other.end && other.base < self.end
    }
}
