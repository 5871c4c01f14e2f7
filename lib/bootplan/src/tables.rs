//! Building translation tables: four levels, 4 KiB granule, the largest blocks that fit.
//!
//! The builder only adds: an entry that is there is never changed, so it may extend tables that are in use (an invalid entry
//! is never cached in a TLB), and mapping a page twice is an error, not an alias with other attributes.

use core::fmt;

use hal::descriptor::{ADDRESS_MASK, TABLE_OR_PAGE, VALID, block, page, table};
use kpi::addr::{PhysAddr, VirtAddr};
use kpi::layout::{BASE_PAGE_SIZE, PTABLE_ENTRIES};

/// The memory that tables are built in.
pub trait TableMemory {
    /// A fresh table: a page of zeros that nothing else uses. `None` when there is no more.
    fn allocate(&mut self) -> Option<PhysAddr>;
    /// Entry `index` (below 512) of a table that `allocate` gave.
    fn read(&self, table: PhysAddr, index: usize) -> u64;
    /// Writes entry `index` (below 512) of a table that `allocate` gave.
    fn write(&mut self, table: PhysAddr, index: usize, entry: u64);
}

/// Why a range was not (wholly) mapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MapError {
    /// There is no memory for a further table.
    OutOfTables,
    /// Addresses or size are not multiples of a page, or leave the 48-bit space.
    BadRange,
    /// Something is mapped there already.
    AlreadyMapped(VirtAddr),
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfTables => write!(f, "no memory for page tables"),
            Self::BadRange => write!(f, "a mapping is not page-aligned or beyond 48 bits"),
            Self::AlreadyMapped(address) => write!(f, "{address} would be mapped twice"),
        }
    }
}

/// Builds one tree of tables.
#[derive(Debug)]
pub struct TableBuilder<M> {
    memory: M,
    root: PhysAddr,
}

/// A part of a range, with the same offset into both spaces.
#[derive(Clone, Copy)]
struct Range {
    virtual_base: u64,
    physical_base: u64,
    bytes: u64,
}

/// Bytes that an entry of `level` maps.
const fn entry_bytes(level: u32) -> u64 {
    1 << (39 - 9 * level)
}

/// The most tables that mapping a range of `bytes` bytes can need, besides the root, if its two addresses differ by a multiple
/// of 1 GiB (so that blocks fit): one of each level at each end, and a level 1 table for each 512 GiB between.
pub const fn most_tables(bytes: u64) -> u64 {
    6 + (bytes >> 39)
}

impl<M: TableMemory> TableBuilder<M> {
    /// A builder with an empty root.
    ///
    /// # Errors
    /// [`MapError::OutOfTables`].
    pub fn new(mut memory: M) -> Result<Self, MapError> {
        let root = memory.allocate().ok_or(MapError::OutOfTables)?;
        Ok(Self { memory, root })
    }

    /// The level 0 table.
    pub fn root(&self) -> PhysAddr {
        self.root
    }

    /// Maps `bytes` bytes at `physical` to `virtual_base` (its lower 48 bits count), with what
    /// [`hal::descriptor::attributes`] gives.
    ///
    /// # Errors
    /// Every [`MapError`]. What lies before the place of the error is mapped then.
    pub fn map(
        &mut self,
        virtual_base: VirtAddr,
        physical: PhysAddr,
        bytes: u64,
        attributes: u64,
    ) -> Result<(), MapError> {
        const SPACE: u64 = 1 << 48;
        let range = Range {
            virtual_base: virtual_base.0 % SPACE,
            physical_base: physical.0,
            bytes,
        };
        let together = range.virtual_base | range.physical_base | bytes;
        let unaligned = !together.is_multiple_of(BASE_PAGE_SIZE);
        if unaligned
            || bytes > SPACE - range.virtual_base
            || range.physical_base >= SPACE
            || bytes > SPACE - range.physical_base
        {
            return Err(MapError::BadRange);
        }
        self.map_level(self.root, 0, range, attributes)
    }

    /// Recurses to level 3 at most.
    fn map_level(
        &mut self,
        at: PhysAddr,
        level: u32,
        mut range: Range,
        attributes: u64,
    ) -> Result<(), MapError> {
        let size = entry_bytes(level);
        while range.bytes != 0 {
            let index = (range.virtual_base / size % PTABLE_ENTRIES) as usize;
            let chunk = range.bytes.min(size - range.virtual_base % size);
            let entry = self.memory.read(at, index);
            // A whole chunk has an aligned virtual address; levels 1 and 2 have blocks, level 3 pages.
            let whole = level > 0 && chunk == size && range.physical_base.is_multiple_of(size);
            if whole && entry == 0 {
                let make = if level == 3 { page } else { block };
                self.memory
                    .write(at, index, make(range.physical_base, attributes));
            } else {
                let next = match entry {
                    0 => {
                        let next = self.memory.allocate().ok_or(MapError::OutOfTables)?;
                        self.memory.write(at, index, table(next.0));
                        next
                    }
                    entry if level < 3 && entry & TABLE_OR_PAGE != 0 => {
                        PhysAddr(entry & ADDRESS_MASK)
                    }
                    _ => return Err(MapError::AlreadyMapped(VirtAddr(range.virtual_base))),
                };
                let part = Range {
                    bytes: chunk,
                    ..range
                };
                self.map_level(next, level + 1, part, attributes)?;
            }
            range.virtual_base += chunk;
            range.physical_base += chunk;
            range.bytes -= chunk;
        }
        Ok(())
    }

    /// Where `address` leads and with which entry: a software table walk.
    pub fn walk(&self, address: VirtAddr) -> Option<(PhysAddr, u64)> {
        let mut at = self.root;
        for level in 0..4 {
            let size = entry_bytes(level);
            let index = (address.0 / size % PTABLE_ENTRIES) as usize;
            let entry = self.memory.read(at, index);
            if entry & VALID == 0 {
                return None;
            }
            let next = entry & ADDRESS_MASK;
            if level == 3 || entry & TABLE_OR_PAGE == 0 {
                return Some((PhysAddr(next + address.0 % size), entry));
            }
            at = PhysAddr(next);
        }
        None
    }
}

#[cfg(test)]
mod tests;
