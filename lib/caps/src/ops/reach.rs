//! From a page-table entry to the virtual address it translates (Barrelfish `compile_vaddr`).

use kpi::addr::{PhysAddr, VirtAddr};
use kpi::cap::ObjType;
use kpi::layout::BASE_PAGE_SIZE;

use super::mappings::{first_entry, table_of};
use crate::env::Store;
use crate::mdb::Database;
use crate::vnode::aarch64::index_shift;

/// Where in address spaces an entry takes effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// Nowhere: its table hangs in no root table.
    Nowhere,
    /// At one place.
    Once {
        /// The root table.
        root: PhysAddr,
        /// First virtual address the entry translates.
        address: VirtAddr,
    },
    /// At several: some table above has more than one parent.
    Many,
}

impl Database {
    /// Finds out which virtual address entry `index` of the table of `level` at `table` translates: what to invalidate
    /// after it changed. Costs one search per level above.
    pub fn reach<S: Store>(&self, store: &S, table: PhysAddr, level: u8, index: u16) -> Reach {
        let mut table = table;
        let mut address = u64::from(index) << index_shift(level);
        for level in (1..=level).rev() {
            let objtype = match level {
                1 => ObjType::VNodeAarch64L1Mapping,
                2 => ObjType::VNodeAarch64L2Mapping,
                _ => ObjType::VNodeAarch64L3Mapping,
            };
            let Some((_, mapping)) = self.next_mapping(store, objtype, table, 0) else {
                return Reach::Nowhere;
            };
            if self
                .next_mapping(store, objtype, table, mapping.pte)
                .is_some()
            {
                return Reach::Many;
            }
            address |= u64::from(first_entry(&mapping)) << index_shift(level - 1);
            table = table_of(&mapping);
        }
        debug_assert!(table.is_aligned(BASE_PAGE_SIZE));
        Reach::Once {
            root: table,
            address: VirtAddr(address),
        }
    }
}
