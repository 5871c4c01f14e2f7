//! Copy (Barrelfish `caps_copy_to_cnode`, `caps_copy_to_cte`).

use errors::ErrorCode;

use crate::code;
use crate::cte::{Cte, CteRef, Flags};
use crate::env::Store;
use crate::lookup::{DestSlot, empty_slot};
use crate::mdb::Database;

/// The entry, if its capability may be copied or used.
///
/// # Errors
/// `SYS_ERR_CAP_NOT_FOUND`: empty. `SYS_ERR_CAP_LOCKED`: half made or half deleted.
#[inline]
pub(super) fn usable<S: Store>(store: &S, at: CteRef) -> Result<&Cte, ErrorCode> {
    let entry = store.cte(at);
    if entry.is_empty() {
        return Err(code::CAP_NOT_FOUND);
    }
    if !entry.is_usable() {
        return Err(code::CAP_LOCKED);
    }
    Ok(entry)
}

impl Database {
    /// Copies a capability into an empty slot of a CNode; returns the slot. The copy shares owner, lock and relations with it.
    ///
    /// # Errors
    /// `SYS_ERR_`: `CAP_NOT_FOUND` (source empty), `CAP_LOCKED` (source half made or half deleted, or destination CNode half made),
    /// `CNODE_TYPE` (destination is no CNode), `DEST_TYPE_INVALID` (an L1CNode takes only L2CNodes and KernelControlBlocks),
    /// `CNODE_RIGHTS` (CNode not writable), `SLOTS_INVALID` (slot beyond its end), `SLOT_IN_USE`.
    #[inline(always)]
    pub fn copy<S: Store>(
        &mut self,
        store: &mut S,
        dest: DestSlot,
        source: CteRef,
    ) -> Result<CteRef, ErrorCode> {
        let objtype = usable(store, source)?.cap.objtype();
        let slot = empty_slot(store, dest, objtype)?;
        let cap = store.cte(source).cap;
        self.fill_follower(store, slot, source, cap, Flags::NONE);
        Ok(slot)
    }

    /// Copies a capability into an empty entry inside a kernel object, which from then on depends on it: before somebody takes it
    /// away, [`object_lost`](crate::Machine::object_lost) is called.
    ///
    /// # Errors
    /// `SYS_ERR_CAP_NOT_FOUND`, `SYS_ERR_CAP_LOCKED` (as [`Self::copy`]); `SYS_ERR_SLOT_IN_USE`.
    pub fn copy_into_object<S: Store>(
        &mut self,
        store: &mut S,
        dest: CteRef,
        source: CteRef,
    ) -> Result<(), ErrorCode> {
        let cap = usable(store, source)?.cap;
        if !store.cte(dest).is_empty() {
            return Err(code::SLOT_IN_USE);
        }
        self.fill_copy(store, dest, source, cap, Flags::HELD);
        Ok(())
    }
}
