//! Reads values in postcard's format from bytes that nobody vouches for.
//!
//! Why not postcard's own reader: it believes the length of a sequence. Elements may have no bytes (`Vec<()>`), and then a
//! message of ten bytes keeps the reader busy for 2^64 steps; values may contain themselves (`enum Tree { Node(Vec<Tree>) }`), and
//! then a short message overflows the stack. Here:
//!
//! * a sequence or map has no more elements than bytes are left, so one of elements without bytes is refused unless it is empty
//!   or other data follows;
//! * values nest at most [`DEPTH_MAX`] deep.
//!
//! Here are the bytes and the numbers; `read` hands them to serde. Writing is postcard's; a test compares the two readers.

mod read;

use core::fmt;
use serde::de;

/// How deep values may nest.
pub(crate) const DEPTH_MAX: u8 = 64;

/// The bytes are no such value.
#[derive(Debug)]
pub(crate) struct Unreadable;

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bytes are no such value")
    }
}

impl core::error::Error for Unreadable {}

impl de::Error for Unreadable {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

type Read<V> = Result<V, Unreadable>;

/// What is left to read.
#[derive(Debug)]
pub(crate) struct Input<'de> {
    rest: &'de [u8],
    depth: u8,
}

/// Unsigned numbers of so many bits: seven a byte, the lowest first, the highest bit set in all bytes but the last.
macro_rules! varint {
    ($name:ident, $number:ty) => {
        fn $name(&mut self, bits: u32) -> Read<$number> {
            let mut value: $number = 0;
            let mut shift = 0;
            loop {
                let byte = self.byte()?;
                let part = <$number>::from(byte & 0x7f);
                if shift >= bits || part.leading_zeros() < <$number>::BITS - bits + shift {
                    return Err(Unreadable);
                }
                value |= part << shift;
                if byte & 0x80 == 0 {
                    return Ok(value);
                }
                shift += 7;
            }
        }
    };
}

impl<'de> Input<'de> {
    pub(crate) fn new(rest: &'de [u8]) -> Self {
        Self { rest, depth: 0 }
    }

    pub(crate) fn rest(&self) -> &'de [u8] {
        self.rest
    }

    pub(crate) fn take_rest(&mut self) -> &'de [u8] {
        core::mem::take(&mut self.rest)
    }

    fn byte(&mut self) -> Read<u8> {
        let (first, rest) = self.rest.split_first().ok_or(Unreadable)?;
        self.rest = rest;
        Ok(*first)
    }

    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let (first, rest) = self.rest.split_first_chunk().ok_or(Unreadable)?;
        self.rest = rest;
        Ok(*first)
    }

    varint!(varint, u64);
    varint!(varint_128, u128);

    /// A number of this type.
    fn unsigned<N: TryFrom<u64>>(&mut self) -> Read<N> {
        let raw = self.varint(8 * size_of::<N>() as u32)?;
        N::try_from(raw).map_err(|_| Unreadable)
    }

    /// A signed number: 0, -1, 1, -2 ... are 0, 1, 2, 3 ...
    fn signed<N: TryFrom<i64>>(&mut self) -> Read<N> {
        let raw = self.varint(8 * size_of::<N>() as u32)?;
        let value = (raw >> 1) as i64 ^ -((raw & 1) as i64);
        N::try_from(value).map_err(|_| Unreadable)
    }

    /// Bytes, with their number before them.
    pub(crate) fn bytes(&mut self) -> Read<&'de [u8]> {
        let length = self.unsigned()?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(Unreadable)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn text(&mut self) -> Read<&'de str> {
        core::str::from_utf8(self.bytes()?).map_err(|_| Unreadable)
    }

    fn flag(&mut self) -> Read<bool> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Unreadable),
        }
    }

    /// The number of elements that follow.
    fn count(&mut self) -> Read<usize> {
        let count = self.unsigned()?;
        match count <= self.rest.len() {
            true => Ok(count),
            false => Err(Unreadable),
        }
    }

    /// Reads what lies one level deeper.
    fn nested<V>(&mut self, read: impl FnOnce(&mut Self) -> Read<V>) -> Read<V> {
        if self.depth >= DEPTH_MAX {
            return Err(Unreadable);
        }
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }
}

#[cfg(test)]
mod tests;
