//! Mappings: in which page table, and at which virtual addresses.

use alloc::vec::Vec;

use kpi::cap::{Capability, ObjType};
use kpi::layout::{BASE_PAGE_SIZE, PTABLE_ENTRIES};

use crate::{Graph, NodeId};

/// Bytes of a page-table entry.
const ENTRY_BYTES: u64 = 8;
/// Levels of page tables.
const LEVELS: u8 = 4;

/// Where a mapping is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Table {
    /// The page table (its first copy).
    pub table: NodeId,
    /// Its level, 0 to 3.
    pub level: u8,
    /// First entry.
    pub entry: u16,
    /// Number of entries.
    pub count: u16,
}

impl Table {
    /// Bytes that one entry maps.
    #[must_use]
    pub const fn entry_bytes(self) -> u64 {
        entry_bytes(self.level)
    }

    /// Bytes that the mapping maps.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.count as u64 * self.entry_bytes()
    }
}

/// Where a mapping appears.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MappedAt {
    /// The root page table (its first copy).
    pub root: NodeId,
    /// Virtual address.
    pub address: u64,
}

/// Bytes that an entry of a table of this level maps.
const fn entry_bytes(level: u8) -> u64 {
    BASE_PAGE_SIZE << (9 * (LEVELS - 1 - level) as u64)
}

fn level_of(objtype: ObjType) -> Option<u8> {
    match objtype {
        ObjType::VNodeAarch64L0 => Some(0),
        ObjType::VNodeAarch64L1 => Some(1),
        ObjType::VNodeAarch64L2 => Some(2),
        ObjType::VNodeAarch64L3 => Some(3),
        _ => None,
    }
}

impl Graph {
    /// The page table at a physical address (its first copy).
    fn table_at(&self, base: u64) -> Option<(NodeId, u8)> {
        let root = ObjType::PhysAddr.type_root();
        let before = |cap: &Capability| {
            let own = cap.objtype().type_root();
            own < root || own == root && cap.address() < base
        };
        let from = self.entries.partition_point(|entry| before(&entry.cap));
        // Larger ones come first: at most the ranges around it, then the table.
        let at = self.entries.get(from..)?.iter().zip(from as u32..);
        at.take_while(|(entry, _)| entry.cap.address() == base && entry.cap.size() > 1)
            .find_map(|(entry, id)| Some((NodeId(id), level_of(entry.cap.objtype())?)))
    }

    /// Where a Mapping is. `None` for other capabilities, and when the kernel did not tell.
    #[must_use]
    pub fn table(&self, id: NodeId) -> Option<Table> {
        let mapping = self.cap(id)?.as_mapping()?;
        let (table, level) = self.table_at(mapping.pte - mapping.pte % BASE_PAGE_SIZE)?;
        Some(Table {
            table,
            level,
            entry: (mapping.pte % BASE_PAGE_SIZE / ENTRY_BYTES) as u16,
            count: mapping.pte_count,
        })
    }

    /// The virtual addresses at which a Mapping appears: one for each way from its table up to a root table, at most `limit`.
    #[must_use]
    pub fn mapped_at(&self, id: NodeId, limit: usize) -> Vec<MappedAt> {
        let mut found = Vec::new();
        if let Some(table) = self.table(id) {
            let address = u64::from(table.entry) * table.entry_bytes();
            self.climb(table.table, table.level, address, limit, &mut found);
        }
        found
    }

    /// The ways from a table up; not deeper than there are levels.
    fn climb(
        &self,
        table: NodeId,
        level: u8,
        address: u64,
        limit: usize,
        found: &mut Vec<MappedAt>,
    ) {
        if level == 0 {
            found.push(MappedAt {
                root: table,
                address,
            });
            return;
        }
        for link in self.children(table) {
            if found.len() >= limit {
                return;
            }
            // A table may also be mapped as a page, to be looked at.
            if let Some(up) = self.table(*link).filter(|up| up.level + 1 == level) {
                let above = u64::from(up.entry) * up.entry_bytes();
                self.climb(up.table, up.level, address | above, limit, found);
            }
        }
    }

    /// Bytes of virtual address space that a table of the level of `id` spans. `None`: no table.
    #[must_use]
    pub fn table_span(&self, id: NodeId) -> Option<u64> {
        let level = level_of(self.cap(id)?.objtype())?;
        Some(entry_bytes(level) * PTABLE_ENTRIES)
    }
}
