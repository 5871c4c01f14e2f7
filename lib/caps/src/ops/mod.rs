//! The operations on capabilities, one file each. All are methods of [`Database`].
//!
//! An operation that returns an error changed nothing, except where it says otherwise (those that work in steps).

mod copy;
mod create;
mod create_raw;
mod delete;
mod delete_steps;
mod dump;
mod forget;
mod identify;
mod insert_original;
mod list;
mod map;
mod map_page;
mod mappings;
mod mint;
mod modify;
mod pending;
mod reach;
mod relatives;
mod resize;
mod retained;
mod retype;
mod revoke;
mod revoke_mark;
mod revoke_mark_relations;
mod unmap;
mod visit;

pub use dump::{PageDump, PageRun, next_run};
pub use list::{Listed, next_in_cspace};
pub use map::MapArgs;
pub(crate) use pending::Pending;
pub use reach::Reach;
pub(crate) use reach::Reached;
pub use resize::ResizeArgs;
pub(crate) use resize::Resizing;
pub use retype::RetypeArgs;

use errors::ErrorCode;
use kpi::cap::Capability;

use crate::budget::Budget;
use crate::cte::{Cte, CteRef, Flags, SharedState};
use crate::env::{Env, Store};
use crate::mdb::{Database, MEMORY_ROOT, Spot};

impl Database {
    /// Fills an empty slot and puts it into the database. If copies exist, `state` is dropped for theirs.
    #[inline]
    pub(crate) fn fill<S: Store>(
        &mut self,
        store: &mut S,
        slot: CteRef,
        cap: Capability,
        own: Flags,
        state: SharedState,
    ) -> Result<(), ErrorCode> {
        write(store, slot, cap, own, state);
        let inserted = self.insert(store, slot);
        if inserted.is_err() {
            *store.cte_mut(slot) = Cte::EMPTY;
        }
        inserted
    }

    /// Fills an empty slot with a copy of the capability in `source`.
    #[inline(never)]
    pub(crate) fn fill_copy<S: Store>(
        &mut self,
        store: &mut S,
        slot: CteRef,
        source: CteRef,
        cap: Capability,
        own: Flags,
    ) {
        self.fill_follower(store, slot, source, cap, own);
    }

    /// Fills an empty slot with a capability that has an address and no copies, ends at `end` and belongs at the spot. Who calls
    /// it counts it ([`Self::count_new`]).
    #[inline]
    pub(crate) fn fill_counted<S: Store>(
        &mut self,
        store: &mut S,
        slot: CteRef,
        spot: Spot,
        cap: Capability,
        end: u64,
        own: Flags,
    ) {
        write(store, slot, cap, own, self.local());
        self.attach_counted(store, slot, spot, MEMORY_ROOT, end);
    }

    /// What one call may do.
    #[inline]
    pub(crate) fn budget<E: Env>(&self, env: &E) -> Budget {
        Budget::new(self.height_bound(env), env.work_per_call())
    }

    /// Shared state of something new that belongs to this core.
    #[inline]
    pub(crate) fn local(&self) -> SharedState {
        SharedState {
            owner: self.core(),
            flags: Flags::NONE,
        }
    }
}

/// Writes what an empty slot is to hold; it is not in the database yet.
#[inline]
fn write<S: Store>(store: &mut S, slot: CteRef, cap: Capability, own: Flags, state: SharedState) {
    let entry = store.cte_mut(slot);
    entry.cap = cap;
    entry.flags = own.with(state.flags);
    entry.owner = state.owner;
    entry.link = 0;
    entry.page = 0;
}
