//! Free byte ranges: ascending, never touching, so that freeing coalesces.

use crate::MmError;
use alloc::vec::Vec;

/// A half-open range of addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// First address.
    pub base: u64,
    /// First address behind it.
    pub end: u64,
}

impl Span {
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
        self.end - self.base
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

/// A set of free ranges.
///
/// Invariant: `free` is sorted by address and neighbours do not touch. Its length is the number of holes, so the linear
/// searches are short in practice.
#[derive(Debug, Default)]
pub struct Ranges {
    free: Vec<Span>,
}

impl Ranges {
    /// Nothing free.
    pub const fn new() -> Self {
        Self { free: Vec::new() }
    }

    /// Adds a range, joining it with its neighbours.
    ///
    /// # Errors
    /// [`MmError::Overlap`] when part of it is free already; [`MmError::NoMemory`].
    pub fn add(&mut self, span: Span) -> Result<(), MmError> {
        let at = self.free.partition_point(|free| free.end < span.base);
        // Everything before `at` ends before the span starts. Only `at` and, when both touch, the one behind it matter.
        let mut merged = span;
        let mut absorbed = 0;
        for free in self.free.iter().skip(at) {
            if free.base > span.end {
                break;
            }
            if free.overlaps(span) {
                return Err(MmError::Overlap);
            }
            merged = Span {
                base: merged.base.min(free.base),
                end: merged.end.max(free.end),
            };
            absorbed += 1;
        }
        if absorbed == 0 {
            self.free.try_reserve(1).map_err(|_| MmError::NoMemory)?;
        }
        self.free.splice(at..at + absorbed, [merged]);
        Ok(())
    }

    /// Takes `bytes` bytes at a multiple of `alignment`, from the lowest range where they fit inside `within`.
    ///
    /// # Errors
    /// [`MmError::Invalid`] for a size of 0 or an alignment that is no power of two; [`MmError::Exhausted`];
    /// [`MmError::NoMemory`].
    pub fn take(&mut self, bytes: u64, alignment: u64, within: Span) -> Result<u64, MmError> {
        if bytes == 0 || !alignment.is_power_of_two() {
            return Err(MmError::Invalid);
        }
        let fit = |free: &Span| {
            let start = free
                .base
                .max(within.base)
                .checked_next_multiple_of(alignment)?;
            let span = Span::new(start, bytes).ok()?;
            (free.contains(span) && within.contains(span)).then_some(span)
        };
        let found = self
            .free
            .iter()
            .enumerate()
            .find_map(|(index, free)| Some((index, *free, fit(free)?)));
        let (index, hole, span) = found.ok_or(MmError::Exhausted)?;
        let before = Span {
            base: hole.base,
            end: span.base,
        };
        let behind = Span {
            base: span.end,
            end: hole.end,
        };
        self.free.try_reserve(1).map_err(|_| MmError::NoMemory)?;
        let rest = [before, behind].into_iter().filter(|part| part.bytes() > 0);
        self.free.splice(index..=index, rest);
        Ok(span.base)
    }

    /// Free bytes in all.
    pub fn free_bytes(&self) -> u64 {
        self.free.iter().map(|span| span.bytes()).sum()
    }

    /// Bytes of the largest free range.
    pub fn largest(&self) -> u64 {
        self.free.iter().map(|span| span.bytes()).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Span = Span {
        base: 0,
        end: u64::MAX,
    };

    fn check(ranges: &Ranges) {
        for pair in ranges.free.windows(2) {
            assert!(pair[0].end < pair[1].base, "touching or unsorted: {pair:?}");
        }
    }

    #[test]
    fn what_is_taken_comes_back_as_one_range() {
        let mut ranges = Ranges::new();
        ranges.add(Span::new(0x1000, 0x9000).unwrap()).unwrap();
        let a = ranges.take(0x1000, 0x1000, ALL).unwrap();
        let b = ranges.take(0x4000, 0x4000, ALL).unwrap();
        assert_eq!((a, b), (0x1000, 0x4000));
        assert_eq!(ranges.free_bytes(), 0x4000);
        assert_eq!(ranges.largest(), 0x2000);
        ranges.add(Span::new(a, 0x1000).unwrap()).unwrap();
        ranges.add(Span::new(b, 0x4000).unwrap()).unwrap();
        assert_eq!(ranges.free.len(), 1);
        assert_eq!(ranges.largest(), 0x9000);
    }

    #[test]
    fn freeing_twice_or_across_is_refused() {
        let mut ranges = Ranges::new();
        ranges.add(Span::new(0, 0x4000).unwrap()).unwrap();
        assert_eq!(
            ranges.add(Span::new(0x1000, 0x1000).unwrap()),
            Err(MmError::Overlap)
        );
        assert_eq!(
            ranges.add(Span::new(0x3000, 0x2000).unwrap()),
            Err(MmError::Overlap)
        );
        check(&ranges);
    }

    #[test]
    fn limits_and_nonsense_are_refused() {
        let mut ranges = Ranges::new();
        ranges.add(Span::new(0, 0x10000).unwrap()).unwrap();
        let upper = Span::new(0x8000, 0x8000).unwrap();
        assert_eq!(ranges.take(0x1000, 0x1000, upper), Ok(0x8000));
        assert_eq!(ranges.take(0x8000, 0x1000, upper), Err(MmError::Exhausted));
        assert_eq!(ranges.take(0, 1, ALL), Err(MmError::Invalid));
        assert_eq!(ranges.take(1, 3, ALL), Err(MmError::Invalid));
        assert_eq!(ranges.take(u64::MAX, 1, ALL), Err(MmError::Exhausted));
        assert_eq!(Span::new(u64::MAX, 2), Err(MmError::Invalid));
        assert_eq!(Span::new(1, 0), Err(MmError::Invalid));
    }

    #[test]
    fn a_long_random_life_keeps_the_books() {
        let mut seed = 0x1234_5678_9abc_def1u64;
        let mut random = move || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed
        };
        let total = 1 << 20;
        let mut ranges = Ranges::new();
        ranges.add(Span::new(0x4000_0000, total).unwrap()).unwrap();
        let mut held: Vec<Span> = Vec::new();
        for _ in 0..5000 {
            if random() % 3 != 0 || held.is_empty() {
                let bytes = (random() % 16 + 1) * 4096;
                let align = 4096 << (random() % 4);
                if let Ok(base) = ranges.take(bytes, align, ALL) {
                    assert_eq!(base % align, 0);
                    let span = Span::new(base, bytes).unwrap();
                    assert!(held.iter().all(|other| !other.overlaps(span)));
                    held.push(span);
                }
            } else {
                let index = random() as usize % held.len();
                ranges.add(held.swap_remove(index)).unwrap();
            }
            check(&ranges);
            let used: u64 = held.iter().map(|span| span.bytes()).sum();
            assert_eq!(ranges.free_bytes() + used, total);
        }
    }
}
