//! Copies, ancestors and descendants, and the state that copies share.

use core::cmp::Ordering;

use kpi::addr::{CoreId, PhysAddr};
use kpi::cap::{Capability, Memory, ObjType, compare};
use kpi::rights::CapRights;

use super::{Database, MEMORY_ROOT, Range, first_word, range_end};
use crate::cte::{CteRef, Flags, SharedState};
use crate::env::Store;

/// How many copies are walked to the first one before it is searched from the root.
const COPIES_WALKED: u32 = 3;

impl Database {
    /// The first copy in database order of the capability in this entry (perhaps itself): it holds the shared state.
    #[inline]
    pub(crate) fn first_copy<S: Store>(&self, store: &S, at: CteRef) -> CteRef {
        if store.cte(at).shape.is_follower() {
            self.first_before(store, at)
        } else {
            at
        }
    }

    /// [`Self::first_copy`], if it is another one.
    #[inline(never)]
    fn first_before<S: Store>(&self, store: &S, at: CteRef) -> CteRef {
        let mut first = at;
        for _ in 0..COPIES_WALKED {
            first = store.cte(first).previous_copy().unwrap_or(at);
            if !store.cte(first).shape.is_follower() {
                return first;
            }
        }
        self.lower_bound(store, &store.cte(at).cap)
            .first
            .unwrap_or(at)
    }

    /// State shared by all copies of the capability in this entry.
    pub fn state_of<S: Store>(&self, store: &S, at: CteRef) -> SharedState {
        store.cte(self.first_copy(store, at)).shared()
    }

    /// Changes the state shared by all copies.
    pub(crate) fn set_state<S: Store>(&self, store: &mut S, at: CteRef, state: SharedState) {
        let first = self.first_copy(store, at);
        store.cte_mut(first).set_shared(state);
    }

    /// Sets those relations to other cores that are in `mask` to `relations`, for all copies.
    pub fn set_relations<S: Store>(
        &self,
        store: &mut S,
        at: CteRef,
        relations: Flags,
        mask: Flags,
    ) {
        let mask = mask.only(Flags::REMOTE);
        let mut state = self.state_of(store, at);
        state.flags = state.flags.without(mask).with(relations.only(mask));
        self.set_state(store, at, state);
    }

    /// Sets the owner of all copies.
    pub fn set_owner<S: Store>(&self, store: &mut S, at: CteRef, owner: CoreId) {
        let mut state = self.state_of(store, at);
        state.owner = owner;
        self.set_state(store, at, state);
    }

    /// Locks or unlocks all copies.
    pub fn set_locked<S: Store>(&self, store: &mut S, at: CteRef, locked: bool) {
        let mut state = self.state_of(store, at);
        state.flags = if locked {
            state.flags.with(Flags::LOCKED)
        } else {
            state.flags.without(Flags::LOCKED)
        };
        self.set_state(store, at, state);
    }

    /// Whether the capability belongs to another core.
    pub fn is_foreign<S: Store>(&self, store: &S, at: CteRef) -> bool {
        self.state_of(store, at).owner != self.core()
    }

    /// Whether the database holds another copy of the capability in this entry.
    pub fn has_copies<S: Store>(&self, store: &S, at: CteRef) -> bool {
        store.cte(at).shape.has_copies()
    }

    /// Another copy of the capability in this entry, if there is one.
    #[inline]
    pub(crate) fn other_copy<S: Store>(&self, store: &S, at: CteRef) -> Option<CteRef> {
        store.cte(at).next_copy()
    }

    /// Whether the database holds something made from what `cap` stands for; or a Mapping of what that was split off, beginning inside.
    #[cfg_attr(feature = "small", optimize(size))]
    pub fn has_descendants<S: Store>(&self, store: &S, cap: &Capability) -> bool {
        if cap.objtype().type_root() != MEMORY_ROOT || cap.objtype().is_mapping() {
            return false;
        }
        let end = cap.end();
        self.find_greater(store, cap, false).is_some_and(|at| {
            let next = &store.cte(at).cap;
            next.objtype().type_root() == MEMORY_ROOT && first_word(next) < end
        })
    }

    /// The innermost capability that encloses `cap` and sorts before it.
    #[cfg_attr(feature = "small", optimize(size))]
    pub fn find_ancestor<S: Store>(&self, store: &S, cap: &Capability) -> Option<CteRef> {
        if cap.objtype().type_root() != MEMORY_ROOT {
            return None;
        }
        let encloses = |at: &CteRef| {
            let other = &store.cte(*at).cap;
            other.objtype().type_root() == MEMORY_ROOT
                && other.size() > 0
                && first_word(other) <= first_word(cap)
                && range_end(other) >= range_end(cap)
                && compare(other, cap) != Ordering::Equal
        };
        // What has no size stands behind others of its address that have none, and these behind all that encloses them.
        let nearest = if cap.size() == 0 {
            self.last_sized_up_to(store, first_word(cap))
        } else {
            self.find_less(store, cap, false)
        };
        nearest.filter(encloses).or_else(|| {
            let start = PhysAddr(first_word(cap));
            let (_, found) = self.find_range(store, start, 0, Range::Surrounding);
            found.filter(encloses)
        })
    }

    /// The last entry that begins before the address, or there and is larger than a byte.
    fn last_sized_up_to<S: Store>(&self, store: &S, address: u64) -> Option<CteRef> {
        let byte = Memory {
            base: address,
            bytes: 1,
            pasid: 0,
        };
        let byte = Capability::new_memory(ObjType::PhysAddr, byte, CapRights::default())?;
        self.find_less(store, &byte, false)
    }

    /// Whether [`Self::find_ancestor`] finds one.
    pub fn has_ancestors<S: Store>(&self, store: &S, cap: &Capability) -> bool {
        self.find_ancestor(store, cap).is_some()
    }
}
