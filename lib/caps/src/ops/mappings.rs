//! Mapping capabilities and the page-table entries they stand for.
//!
//! A Mapping lies in the database behind what it maps: its base is the first mapped byte, `pte` its first page-table entry and
//! `source_pages` the size of the capability it was made from. Capabilities that share a byte are nested, so base and size
//! say which one that was. It has an entry in the table exactly as long as it is in the database: who removes the last copy
//! of a Mapping clears the entries, and a frame, table or CNode goes only after its Mappings went. So no entry outlives the
//! memory it points to, and no Mapping outlives its table.
//!
//! In a table of which level a Mapping lies is not in it: the entry itself tells, as it tells of what type the Mapping is.

use kpi::addr::PhysAddr;
use kpi::cap::{Capability, Mapping, ObjType};
use kpi::layout::{BASE_PAGE_SIZE, PTABLE_ENTRIES};
use kpi::rights::CapRights;

use crate::budget::{Budget, Work};
use crate::cte::CteRef;
use crate::env::{Env, Store};
use crate::mdb::{Database, Key};
use crate::objects::table_level;
use crate::vnode::aarch64::{self, ENTRY_BYTES};

/// In a table being deleted, [`page`](crate::Cte) counts from here once its own Mappings are gone.
const TABLE_PHASE: u32 = 1;

/// The table that the Mapping lies in.
#[inline]
pub(super) fn table_of(mapping: &Mapping) -> PhysAddr {
    PhysAddr(mapping.pte).align_down(BASE_PAGE_SIZE)
}

/// Where in its table the Mapping begins.
#[inline]
pub(super) fn first_entry(mapping: &Mapping) -> u16 {
    (mapping.pte % BASE_PAGE_SIZE / ENTRY_BYTES) as u16
}

/// Entry `index` of a table.
#[inline]
pub(super) fn entry_at(table: PhysAddr, index: u64) -> PhysAddr {
    PhysAddr(table.0.wrapping_add(index * ENTRY_BYTES))
}

/// A Mapping to search with.
fn probe(objtype: ObjType, base: u64, pte: u64) -> Option<Capability> {
    let mapping = Mapping {
        base,
        pte,
        source_pages: 0,
        pte_count: 0,
    };
    Capability::new_mapping(objtype, mapping, CapRights::default())
}

/// Whether `cap`, which has its place inside `target`, is a Mapping of something larger that encloses the target: it was not made
/// from the target.
#[inline]
pub(super) fn maps_more_than(cap: &Capability, target: &Capability) -> bool {
    let mapping = cap.as_mapping();
    mapping.is_some_and(|mapping| u64::from(mapping.source_pages) > target.size() / BASE_PAGE_SIZE)
}

impl Database {
    /// Makes the entries of a Mapping invalid.
    pub(super) fn clear_entries<E: Env>(&mut self, env: &mut E, cap: &Capability) {
        let Some(mapping) = cap.as_mapping() else {
            return;
        };
        let (table, first) = (table_of(&mapping), first_entry(&mapping));
        let value = env.read_entry(PhysAddr(mapping.pte));
        for index in 0..u64::from(mapping.pte_count) {
            env.write_entry(entry_at(PhysAddr(mapping.pte), index), 0);
        }
        if aarch64::is_leaf(value) {
            let level = aarch64::level_of_leaf(value);
            self.announce_leaves(env, table, level, first, mapping.pte_count);
        } else {
            let level = match cap.objtype() {
                ObjType::VNodeAarch64L1Mapping => 0,
                ObjType::VNodeAarch64L2Mapping => 1,
                _ => 2,
            };
            self.announce_table(env, table, level, first);
        }
    }

    /// What [`Self::clear_entries`] costs.
    pub(super) fn cost_to_clear(&self, mapping: &Mapping, budget: &Budget) -> u32 {
        budget.cost(Work::ClearEntries(u32::from(mapping.pte_count)))
            + self.cost_to_announce(table_of(mapping), budget)
    }

    /// The first copy of the Mapping of that type that leads from `pte` to `base`.
    fn find_mapping<S: Store>(
        &self,
        store: &S,
        objtype: ObjType,
        base: PhysAddr,
        pte: PhysAddr,
    ) -> Option<CteRef> {
        let wanted = probe(objtype, base.0, pte.0)?;
        self.find_equal(store, &wanted)
    }

    /// The first Mapping of that type behind entry `pte` (0: any) with base `base`, and nothing further on.
    pub(super) fn next_mapping<S: Store>(
        &self,
        store: &S,
        objtype: ObjType,
        base: PhysAddr,
        pte: u64,
    ) -> Option<(CteRef, Mapping)> {
        let key = probe(objtype, base.0, pte)?;
        let at = self.upper_bound(store, &key).first?;
        let cap = &store.cte(at).cap;
        let mapping = cap.as_mapping()?;
        (cap.objtype() == objtype && mapping.base == base.0).then_some((at, mapping))
    }

    /// Removes a Mapping with all its copies and clears its entries. `false`: more to do, and it still maps.
    pub(super) fn drop_mapping<E: Env>(
        &mut self,
        env: &mut E,
        at: CteRef,
        budget: &mut Budget,
    ) -> bool {
        while let Some(other) = self.other_copy(env, at) {
            if !budget.spend(Work::Remove) {
                return false;
            }
            self.take_out(env, other);
        }
        let cap = env.cte(at).cap;
        let cost = cap
            .as_mapping()
            .map_or(0, |mapping| self.cost_to_clear(&mapping, budget));
        if !budget.spend_on_mapping(budget.cost(Work::Remove) + cost) {
            return false;
        }
        self.clear_entries(env, &cap);
        self.take_out(env, at);
        true
    }

    /// Removes all Mappings that show the CNode in `at`, a last copy that cannot be mapped any more. `false`: more to do.
    #[cfg_attr(feature = "small", optimize(size))]
    pub(super) fn drop_views<E: Env>(
        &mut self,
        env: &mut E,
        at: CteRef,
        budget: &mut Budget,
    ) -> bool {
        let cap = env.cte(at).cap;
        let Some(objtype) = cap.objtype().mapping() else {
            return true;
        };
        let end = cap.end();
        // Nothing else has its place in a CNode's memory, so the next in order is one of them, or there is none.
        while let Some(next) = self.upper_bound(env, &cap).first
            && env.cte(next).cap.objtype() == objtype
            && env.cte(next).cap.address() < end
        {
            if !budget.spend(Work::Search) || !self.drop_mapping(env, next, budget) {
                return false;
            }
        }
        true
    }

    /// Removes all Mappings made from the capability in `at`, which is a last copy. `false`: more to do; progress is kept in the
    /// entry.
    pub(super) fn drop_mappings_of<E: Env>(
        &mut self,
        env: &mut E,
        at: CteRef,
        budget: &mut Budget,
    ) -> bool {
        let entry = env.cte(at);
        let cap = entry.cap;
        let (mut page, mut pte) = (u64::from(entry.page), entry.link);
        let Some(objtype) = cap.objtype().mapping() else {
            return true;
        };
        let (base, end) = (cap.address(), cap.end());
        let pages = cap.size() / BASE_PAGE_SIZE;
        let done = loop {
            // Everything up to this place is known to hold none.
            let Some(passed) = probe(objtype, base.saturating_add(page * BASE_PAGE_SIZE), pte)
            else {
                break true;
            };
            let next = self.upper_bound(env, &passed).first;
            let Some(next) = next.filter(|next| Key::of(&env.cte(*next).cap).is_memory_before(end))
            else {
                break true;
            };
            if !budget.spend(Work::Search) {
                break false;
            }
            let found = &env.cte(next).cap;
            let address = found.address();
            match found.as_mapping().filter(|_| found.objtype() == objtype) {
                Some(mapping) if u64::from(mapping.source_pages) == pages => {
                    if !self.drop_mapping(env, next, budget) {
                        break false;
                    }
                }
                // Of something nested inside, or such a thing itself: go behind.
                other => {
                    page = address.saturating_sub(base) / BASE_PAGE_SIZE;
                    pte = other.map_or(0, |mapping| mapping.pte);
                }
            }
        };
        let entry = env.cte_mut(at);
        // A source has at most u32::MAX pages, or it could not have been mapped.
        entry.page = u32::try_from(page).unwrap_or(0);
        entry.link = pte;
        done
    }

    /// Makes all entries of the table in `at`, a last copy, invalid, with the Mappings they belong to. `false`: more to do.
    pub(super) fn clear_table<E: Env>(
        &mut self,
        env: &mut E,
        at: CteRef,
        budget: &mut Budget,
    ) -> bool {
        let cap = env.cte(at).cap;
        let Some(level) = table_level(cap.objtype()) else {
            return true;
        };
        let entry = env.cte_mut(at);
        if entry.page < TABLE_PHASE {
            entry.page = TABLE_PHASE;
        }
        let table = PhysAddr(cap.address());
        let mut index = u64::from(entry.page - TABLE_PHASE);
        let mut done = true;
        while index < PTABLE_ENTRIES {
            if !budget.spend(Work::TableEntries(1)) {
                done = false;
                break;
            }
            let pte = entry_at(table, index);
            let value = env.read_entry(pte);
            if aarch64::is_valid(value) && !self.drop_entry(env, level, pte, value, budget) {
                done = false;
                break;
            }
            index += 1;
        }
        env.cte_mut(at).page = TABLE_PHASE + index as u32;
        done
    }

    /// Removes the Mapping that begins at an entry.
    fn drop_entry<E: Env>(
        &mut self,
        env: &mut E,
        level: u8,
        pte: PhysAddr,
        value: u64,
        budget: &mut Budget,
    ) -> bool {
        if !budget.spend(Work::Search) {
            return false;
        }
        let objtype = if aarch64::is_leaf(value) {
            aarch64::mapping_of(value)
        } else {
            Some(match level {
                0 => ObjType::VNodeAarch64L1Mapping,
                1 => ObjType::VNodeAarch64L2Mapping,
                _ => ObjType::VNodeAarch64L3Mapping,
            })
        };
        let base = aarch64::output(value);
        match objtype.and_then(|objtype| self.find_mapping(env, objtype, base, pte)) {
            Some(mapping) => self.drop_mapping(env, mapping, budget),
            None => {
                // No entry is without a Mapping; were there one, it must not stay.
                env.write_entry(pte, 0);
                self.announce_table(env, pte.align_down(BASE_PAGE_SIZE), level, 0);
                true
            }
        }
    }
}
