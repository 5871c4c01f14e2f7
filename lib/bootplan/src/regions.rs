//! Sets of physical memory: sorted, disjoint, never adjacent regions of a fixed largest number.

use core::fmt;

use kpi::coredata::Region;
use kpi::layout::BASE_PAGE_SIZE;

/// A set needs more regions than it can hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooManyRegions {
    /// How many it can hold.
    pub limit: usize,
}

impl fmt::Display for TooManyRegions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {} separate memory regions", self.limit)
    }
}

/// The region from `base` to before `end`; empty when `end` is not behind `base`.
pub const fn between(base: u64, end: u64) -> Region {
    Region {
        base,
        bytes: end.saturating_sub(base),
    }
}

/// The whole pages inside a region.
pub fn inner_pages(region: Region) -> Region {
    match region.base.checked_next_multiple_of(BASE_PAGE_SIZE) {
        Some(base) => between(base, region.end() & !(BASE_PAGE_SIZE - 1)),
        None => between(0, 0),
    }
}

/// The pages that a region touches. The very last page of the address space does not count.
pub fn outer_pages(region: Region) -> Region {
    if region.bytes == 0 {
        return between(0, 0);
    }
    let end = region
        .end()
        .checked_next_multiple_of(BASE_PAGE_SIZE)
        .unwrap_or(!(BASE_PAGE_SIZE - 1));
    between(region.base & !(BASE_PAGE_SIZE - 1), end)
}

/// A set of memory of at most `N` regions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RegionSet<const N: usize> {
    regions: [Region; N],
    length: usize,
}

impl<const N: usize> Default for RegionSet<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> RegionSet<N> {
    /// The empty set.
    pub const fn new() -> Self {
        Self {
            regions: [Region { base: 0, bytes: 0 }; N],
            length: 0,
        }
    }

    /// The regions, ascending.
    pub fn as_slice(&self) -> &[Region] {
        self.regions.get(..self.length).unwrap_or_default()
    }

    /// Bytes of all regions.
    pub fn bytes(&self) -> u64 {
        self.as_slice().iter().map(|region| region.bytes).sum()
    }

    /// Whether any byte of `region` is in the set.
    pub fn intersects(&self, region: Region) -> bool {
        region.bytes != 0
            && self
                .as_slice()
                .iter()
                .any(|part| part.base < region.end() && region.base < part.end())
    }

    /// Whether every byte of `region` is in the set.
    pub fn contains(&self, region: Region) -> bool {
        region.bytes == 0
            || self
                .as_slice()
                .iter()
                .any(|part| part.base <= region.base && region.end() <= part.end())
    }

    fn push(&mut self, region: Region) -> Result<(), TooManyRegions> {
        if region.bytes == 0 {
            return Ok(());
        }
        let place = self
            .regions
            .get_mut(self.length)
            .ok_or(TooManyRegions { limit: N })?;
        *place = region;
        self.length += 1;
        Ok(())
    }

    /// Adds `region`, merging it with what it overlaps or touches.
    ///
    /// # Errors
    /// [`TooManyRegions`]; the set is unchanged.
    pub fn insert(&mut self, region: Region) -> Result<(), TooManyRegions> {
        if region.bytes == 0 {
            return Ok(());
        }
        let mut result = Self::new();
        let mut pending = Some(region);
        for &part in self.as_slice() {
            match pending {
                Some(new) if part.end() < new.base => result.push(part)?,
                Some(new) if new.end() < part.base => {
                    result.push(new)?;
                    result.push(part)?;
                    pending = None;
                }
                Some(new) => {
                    pending = Some(between(new.base.min(part.base), new.end().max(part.end())));
                }
                None => result.push(part)?,
            }
        }
        if let Some(new) = pending {
            result.push(new)?;
        }
        *self = result;
        Ok(())
    }

    /// Takes `region` out.
    ///
    /// # Errors
    /// [`TooManyRegions`] (a hole splits a region in two); the set is unchanged.
    pub fn remove(&mut self, region: Region) -> Result<(), TooManyRegions> {
        if !self.intersects(region) {
            return Ok(());
        }
        let mut result = Self::new();
        for &part in self.as_slice() {
            result.push(between(part.base, part.end().min(region.base)))?;
            result.push(between(part.base.max(region.end()), part.end()))?;
        }
        *self = result;
        Ok(())
    }

    /// The lowest place for `bytes` bytes at a multiple of `alignment` (a power of two), at or above `above`.
    pub fn find(&self, bytes: u64, alignment: u64, above: u64) -> Option<Region> {
        self.as_slice().iter().find_map(|part| {
            let base = part.base.max(above).checked_next_multiple_of(alignment)?;
            let end = base.checked_add(bytes)?;
            (end <= part.end()).then(|| between(base, end))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Bytes of the model's world.
    const WORLD: usize = 64;

    fn model(set: &RegionSet<64>) -> [bool; WORLD] {
        let mut bits = [false; WORLD];
        for region in set.as_slice() {
            for at in region.base..region.end() {
                bits[at as usize] = true;
            }
        }
        bits
    }

    fn region() -> impl Strategy<Value = Region> {
        (0..WORLD as u64, 0..20u64)
            .prop_map(|(base, bytes)| between(base, (base + bytes).min(WORLD as u64)))
    }

    proptest! {
        #[test]
        fn behaves_as_a_set_of_bytes(steps in prop::collection::vec((any::<bool>(), region()), 0..40)) {
            let mut set = RegionSet::<64>::new();
            let mut bits = [false; WORLD];
            for (add, region) in steps {
                if add { set.insert(region) } else { set.remove(region) }.unwrap();
                for at in region.base..region.end() {
                    bits[at as usize] = add;
                }
                prop_assert_eq!(model(&set), bits);
                prop_assert!(set.as_slice().iter().all(|region| region.bytes > 0));
                // Sorted, with a gap between neighbours.
                prop_assert!(set.as_slice().is_sorted_by(|left, right| left.end() < right.base));
            }
        }

        #[test]
        fn what_is_found_is_inside_and_lowest(
            parts in prop::collection::vec(region(), 0..8), bytes in 1..10u64, above in 0..64u64, shift in 0..4u32,
        ) {
            let mut set = RegionSet::<64>::new();
            for part in parts {
                set.insert(part).unwrap();
            }
            let alignment = 1 << shift;
            let fits = |base: u64| base.is_multiple_of(alignment) && set.contains(Region { base, bytes });
            let expected = (above..WORLD as u64).find(|&base| fits(base));
            prop_assert_eq!(set.find(bytes, alignment, above).map(|found| found.base), expected);
        }
    }

    #[test]
    fn a_full_set_says_so_and_stays() {
        let mut set = RegionSet::<1>::new();
        set.insert(between(0, 10)).unwrap();
        assert_eq!(
            set.insert(between(20, 30)),
            Err(TooManyRegions { limit: 1 })
        );
        assert_eq!(set.remove(between(4, 5)), Err(TooManyRegions { limit: 1 }));
        assert_eq!(set.as_slice(), [between(0, 10)]);
        set.insert(between(10, 12)).unwrap();
        assert_eq!(set.as_slice(), [between(0, 12)]);
    }

    #[test]
    fn pages_round_in_and_out_without_wrapping() {
        assert_eq!(inner_pages(between(1, 0x3001)), between(0x1000, 0x3000));
        assert_eq!(inner_pages(between(1, 0xfff)).bytes, 0);
        assert_eq!(outer_pages(between(0xfff, 0x1001)), between(0, 0x2000));
        assert_eq!(outer_pages(between(7, 7)).bytes, 0);
        let top = Region {
            base: u64::MAX - 10,
            bytes: u64::MAX,
        };
        assert_eq!(inner_pages(top).bytes, 0);
        assert_eq!(outer_pages(top).bytes, 0);
    }
}
