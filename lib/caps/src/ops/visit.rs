//! Visit: the capabilities of this core one after the other, for whoever may see them all.
//!
//! A walk is a sequence of calls with the database free to change in between. Its cursor is the address of a slot, which comes
//! from user space and is believed only after it was found again: the innermost object around it must be one that holds
//! entries, and the entry must be in the database. A slot that was emptied and filled again in the meantime passes; a walk is a true
//! picture only while nobody changes anything.
//!
//! Barrelfish counterpart: none (`debug_print_caps` dumps one CSpace).

use kpi::addr::PhysAddr;
use kpi::layout::SLOT_BYTES;

use crate::cte::{CteRef, Flags};
use crate::env::Store;
use crate::mdb::{Database, Range, first_word};
use crate::objects::inner_entries;

impl Database {
    /// The entry at a physical address that somebody alleges, if an object of this core holds one there and it is in the database.
    ///
    /// Entries outside of all objects (the kernel's own) are not found.
    pub fn entry_at<S: Store>(&self, store: &S, address: PhysAddr) -> Option<CteRef> {
        if !address.0.is_multiple_of(SLOT_BYTES) {
            return None;
        }
        // What is smaller than an entry (an endpoint at its dispatcher, a mapping) hides no object here.
        let (relation, holder) = self.find_range(store, address, SLOT_BYTES, Range::NotFound);
        let holder = store.cte(holder.filter(|_| relation == Range::Surrounding)?);
        // The memory of a half-made object is not zeroed yet: any bytes.
        if holder.flags.has(Flags::CREATING) {
            return None;
        }
        let base = first_word(&holder.cap);
        let index = u32::try_from(address.0.checked_sub(base)? / SLOT_BYTES).ok()?;
        if index >= inner_entries(&holder.cap) {
            return None;
        }
        self.live_entry(store, store.slot(PhysAddr(base), index))
    }

    /// The entry, if it is in the database.
    pub fn live_entry<S: Store>(&self, store: &S, at: CteRef) -> Option<CteRef> {
        store.cte(at).shape.in_tree().then_some(at)
    }
}
