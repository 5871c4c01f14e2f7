//! From a page-table entry to the virtual address it translates (Barrelfish `compile_vaddr`), and what to invalidate when it
//! changes.

use kpi::addr::{PhysAddr, VirtAddr};
use kpi::cap::{Mapping, ObjType};
use kpi::layout::BASE_PAGE_SIZE;

use super::mappings::{first_entry, table_of};
use crate::budget::{Budget, Work};
use crate::env::{Env, Unmapped};
use crate::mdb::Database;
use crate::vnode::aarch64::{index_shift, is_leaf};

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
    /// At several: some table above has more than one parent (or so many Mappings that it was not looked at all of them).
    Many,
}

impl Reach {
    /// The same for an entry further on, so many bytes of address space behind.
    #[inline]
    fn behind(self, bytes: u64) -> Self {
        match self {
            Self::Once { root, address } => Self::Once {
                root,
                address: VirtAddr(address.0 | bytes),
            },
            other => other,
        }
    }
}

/// The answer for one table, kept until some table is hung up or taken down: who unmaps a page often unmaps its neighbour next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reached {
    table: PhysAddr,
    /// Of its first entry.
    reach: Reach,
}

/// Mappings of a table that are looked at to find its parent.
const LOOKS: u32 = 6;

/// Most pages or blocks that are invalidated one by one; what is more is cheaper all at once.
const FLUSHED_SINGLY: u64 = 32;

/// The parents of a table.
enum Parent {
    None,
    One(Mapping),
    Many,
}

impl Database {
    /// Finds out which virtual address entry `index` of the table of `level` at `table` translates: what to invalidate
    /// after it changed. Costs one search for each level above.
    pub fn reach<E: Env>(&self, env: &E, table: PhysAddr, level: u8, index: u16) -> Reach {
        self.reach_of_table(env, table, level)
            .behind(u64::from(index) << index_shift(level))
    }

    #[cfg_attr(feature = "small", optimize(size))]
    #[inline(never)]
    fn reach_of_table<E: Env>(&self, env: &E, table: PhysAddr, level: u8) -> Reach {
        let mut table = table;
        let mut address = 0;
        for level in (1..=level).rev() {
            let objtype = match level {
                1 => ObjType::VNodeAarch64L1Mapping,
                2 => ObjType::VNodeAarch64L2Mapping,
                _ => ObjType::VNodeAarch64L3Mapping,
            };
            let mapping = match self.parent(env, objtype, table) {
                Parent::None => return Reach::Nowhere,
                Parent::One(mapping) => mapping,
                Parent::Many => return Reach::Many,
            };
            address |= u64::from(first_entry(&mapping)) << index_shift(level - 1);
            table = table_of(&mapping);
        }
        debug_assert!(table.is_aligned(BASE_PAGE_SIZE));
        Reach::Once {
            root: table,
            address: VirtAddr(address),
        }
    }

    /// In which table a table hangs. Mappings that only show its memory do not count.
    #[cfg_attr(feature = "small", optimize(size))]
    fn parent<E: Env>(&self, env: &E, objtype: ObjType, table: PhysAddr) -> Parent {
        let mut parent: Option<Mapping> = None;
        let mut next = self.next_mapping(env, objtype, table, 0);
        for _ in 0..LOOKS {
            let Some((at, mapping)) = next else {
                return parent.map_or(Parent::None, Parent::One);
            };
            let is_known = parent.is_some_and(|known| known.pte == mapping.pte);
            if !is_known && !is_leaf(env.read_entry(PhysAddr(mapping.pte))) {
                if parent.is_some() {
                    return Parent::Many;
                }
                parent = Some(mapping);
            }
            next = self.successor(env, at).and_then(|at| {
                let cap = &env.cte(at).cap;
                let mapping = cap.as_mapping()?;
                (cap.objtype() == objtype && mapping.base == table.0).then_some((at, mapping))
            });
        }
        Parent::Many
    }

    /// What [`Self::announce_leaves`] costs.
    #[inline]
    pub(super) fn cost_to_announce(&self, table: PhysAddr, budget: &Budget) -> u32 {
        match self.reached {
            Some(known) if known.table == table => 0,
            _ => 3 * budget.cost(Work::Visit),
        }
    }

    /// [`Self::announce_leaves`] of one page.
    #[inline(always)]
    pub(super) fn announce_page<E: Env>(&mut self, env: &mut E, table: PhysAddr, first: u16) {
        match self.reached {
            Some(known) if known.table == table => env.unmapped(Unmapped {
                table,
                level: 3,
                first,
                count: 1,
                reach: known.reach.behind(u64::from(first) << index_shift(3)),
            }),
            _ => self.announce_leaves(env, table, 3, first, 1),
        }
    }

    /// Tells the machine that leaves (pages, blocks) of a table became invalid or narrower.
    #[cfg_attr(feature = "small", optimize(size))]
    #[inline(never)]
    pub(super) fn announce_leaves<E: Env>(
        &mut self,
        env: &mut E,
        table: PhysAddr,
        level: u8,
        first: u16,
        count: u16,
    ) {
        let reach = if u64::from(count) > FLUSHED_SINGLY {
            Reach::Many
        } else {
            let known = match self.reached {
                Some(known) if known.table == table => known,
                _ => {
                    let reach = self.reach_of_table(env, table, level);
                    *self.reached.insert(Reached { table, reach })
                }
            };
            known.reach.behind(u64::from(first) << index_shift(level))
        };
        env.unmapped(Unmapped {
            table,
            level,
            first,
            count,
            reach,
        });
    }

    /// Tells the machine that a table went out of another: whole subtrees are gone, and with them what was known of places.
    pub(super) fn announce_table<E: Env>(
        &mut self,
        env: &mut E,
        table: PhysAddr,
        level: u8,
        first: u16,
    ) {
        self.forget_places();
        env.unmapped(Unmapped {
            table,
            level,
            first,
            count: 1,
            reach: Reach::Many,
        });
    }

    /// A table was hung up or taken down.
    #[inline]
    pub(super) fn forget_places(&mut self) {
        self.reached = None;
    }
}
