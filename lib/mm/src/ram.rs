//! RAM regions. Each keeps its root capability, of whatever type the caller uses to name one.

use crate::MmError;
use crate::ranges::{Ranges, Span};
use alloc::vec::Vec;

/// Smallest unit that is handed out.
pub const PAGE: u64 = 4096;

#[derive(Debug)]
struct Region<C> {
    root: C,
    span: Span,
    free: Ranges,
}

/// Memory that was granted: retype `root` at `offset`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Grant<C> {
    /// Root capability of the region.
    pub root: C,
    /// Bytes from the region's start.
    pub offset: u64,
    /// Physical address.
    pub base: u64,
    /// Bytes, a multiple of [`PAGE`].
    pub bytes: u64,
}

/// How much there is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// Bytes of all regions.
    pub total: u64,
    /// Bytes not granted.
    pub free: u64,
    /// Bytes of the largest free range.
    pub largest: u64,
}

/// The RAM allocator.
#[derive(Debug)]
pub struct Ram<C> {
    regions: Vec<Region<C>>,
}

impl<C: Copy> Ram<C> {
    /// No regions yet.
    pub const fn new() -> Self {
        Self {
            regions: Vec::new(),
        }
    }

    /// Adds the region that `root` stands for. `base` must be a multiple of [`PAGE`]; a partial last page is left out.
    ///
    /// # Errors
    /// [`MmError::Invalid`] (unaligned or under a page), [`MmError::Overlap`] with a region that is there,
    /// [`MmError::NoMemory`].
    pub fn add(&mut self, root: C, base: u64, bytes: u64) -> Result<(), MmError> {
        if !base.is_multiple_of(PAGE) {
            return Err(MmError::Invalid);
        }
        let span = Span::new(base, bytes - bytes % PAGE)?;
        if self.regions.iter().any(|region| region.span.overlaps(span)) {
            return Err(MmError::Overlap);
        }
        let mut free = Ranges::new();
        free.add(span)?;
        self.regions.try_reserve(1).map_err(|_| MmError::NoMemory)?;
        self.regions.push(Region { root, span, free });
        Ok(())
    }

    /// Takes `bytes` (rounded up to pages) at a multiple of `alignment`.
    ///
    /// # Errors
    /// As [`Ram::alloc_within`].
    pub fn alloc(&mut self, bytes: u64, alignment: u64) -> Result<Grant<C>, MmError> {
        let everywhere = Span {
            base: 0,
            end: u64::MAX,
        };
        self.alloc_within(bytes, alignment, everywhere)
    }

    /// As [`Ram::alloc`], inside a range of physical addresses.
    ///
    /// # Errors
    /// [`MmError::Invalid`], [`MmError::Exhausted`], [`MmError::NoMemory`].
    pub fn alloc_within(
        &mut self,
        bytes: u64,
        alignment: u64,
        within: Span,
    ) -> Result<Grant<C>, MmError> {
        self.find(bytes, alignment, within, true)
    }

    /// As [`Ram::alloc_within`], but never a whole region: for what is to be of the root's own type. The kernel makes a *copy* of the root
    /// of all of it, and who revokes a copy takes the root away.
    ///
    /// # Errors
    /// As [`Ram::alloc_within`].
    pub fn alloc_part(
        &mut self,
        bytes: u64,
        alignment: u64,
        within: Span,
    ) -> Result<Grant<C>, MmError> {
        self.find(bytes, alignment, within, false)
    }

    fn find(
        &mut self,
        bytes: u64,
        alignment: u64,
        within: Span,
        may_be_whole: bool,
    ) -> Result<Grant<C>, MmError> {
        let bytes = bytes
            .checked_next_multiple_of(PAGE)
            .ok_or(MmError::Invalid)?;
        let mut refusal = MmError::Exhausted;
        for region in &mut self.regions {
            if !may_be_whole && region.span.bytes() == bytes {
                continue;
            }
            match region.free.take(bytes, alignment.max(PAGE), within) {
                Ok(base) => {
                    return Ok(Grant {
                        root: region.root,
                        offset: base - region.span.base,
                        base,
                        bytes,
                    });
                }
                Err(error) => refusal = error,
            }
        }
        Err(refusal)
    }

    /// Gives a granted range back. The caller has deleted every capability to it.
    ///
    /// # Errors
    /// [`MmError::NotFound`] when no region holds it, [`MmError::Overlap`] when it is free already.
    pub fn free(&mut self, base: u64, bytes: u64) -> Result<(), MmError> {
        let bytes = bytes
            .checked_next_multiple_of(PAGE)
            .ok_or(MmError::Invalid)?;
        let span = Span::new(base, bytes)?;
        self.regions
            .iter_mut()
            .find(|region| region.span.contains(span))
            .ok_or(MmError::NotFound)?
            .free
            .add(span)
    }

    /// How much there is.
    pub fn usage(&self) -> Usage {
        self.regions
            .iter()
            .fold(Usage::default(), |sum, region| Usage {
                total: sum.total + region.span.bytes(),
                free: sum.free + region.free.free_bytes(),
                largest: sum.largest.max(region.free.largest()),
            })
    }
}

impl<C: Copy> Default for Ram<C> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_name_root_and_offset() {
        let mut ram = Ram::new();
        ram.add('a', 0x4000_1000, 0x3000).unwrap();
        ram.add('b', 0x8000_0000, 0x10000).unwrap();
        let small = ram.alloc(100, 1).unwrap();
        assert_eq!((small.root, small.offset, small.bytes), ('a', 0, PAGE));
        let large = ram.alloc(0x4000, 0x4000).unwrap();
        assert_eq!((large.root, large.offset), ('b', 0));
        assert_eq!(ram.usage().free, 0x2000 + 0xc000);
        ram.free(small.base, small.bytes).unwrap();
        ram.free(large.base, large.bytes).unwrap();
        let usage = ram.usage();
        assert_eq!(
            (usage.total, usage.free, usage.largest),
            (0x13000, 0x13000, 0x10000)
        );
    }

    #[test]
    fn what_may_not_be_a_copy_of_the_root_is_smaller() {
        let all = Span {
            base: 0,
            end: u64::MAX,
        };
        let mut ram = Ram::new();
        ram.add('a', 0x4000_0000, 0x4000).unwrap();
        assert_eq!(ram.alloc_part(0x4000, 1, all), Err(MmError::Exhausted));
        ram.add('b', 0x8000_0000, 0x8000).unwrap();
        assert_eq!(ram.alloc_part(0x4000, 1, all).unwrap().root, 'b');
        assert_eq!(ram.alloc_part(0x3000, 1, all).unwrap().root, 'a');
        assert_eq!(ram.alloc(0x4000, 1).unwrap().root, 'b');
    }

    #[test]
    fn wrong_regions_and_frees_are_refused() {
        let mut ram = Ram::new();
        ram.add(0, 0x1000, 0x1fff).unwrap();
        assert_eq!(ram.usage().total, 0x1000);
        assert_eq!(ram.add(1, 0x1000, 0x1000), Err(MmError::Overlap));
        assert_eq!(ram.add(1, 0x800, 0x1000), Err(MmError::Invalid));
        assert_eq!(ram.add(1, 0x8000, 0x10), Err(MmError::Invalid));
        assert_eq!(ram.free(0x1000, 0x1000), Err(MmError::Overlap));
        assert_eq!(ram.free(0x5000, 0x1000), Err(MmError::NotFound));
        assert_eq!(ram.alloc(u64::MAX, 1), Err(MmError::Invalid));
        assert_eq!(ram.alloc(0x2000, 1), Err(MmError::Exhausted));
    }
}
