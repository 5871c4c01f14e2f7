//! Mint: a copy with parameters (Barrelfish `caps_copy_to_cte` with `mint` set).

use errors::ErrorCode;
use kpi::cap::{Capability, ObjType};
use kpi::dispatcher::offsets::SHARED_BYTES;
use kpi::layout::DISPATCHER_FRAME_BYTES;
use kpi::lmp::ENDPOINT_BUFFER_BYTES;
use kpi::rights::CapRights;

use super::copy::usable;
use crate::code;
use crate::cte::{CteRef, Flags};
use crate::env::Store;
use crate::lookup::{DestSlot, empty_slot};
use crate::mdb::Database;

/// Least words of an endpoint buffer: a header, and the word that stays free.
const MIN_BUFFER_WORDS: u64 = 2;

impl Database {
    /// Copies a capability with parameters into an empty slot; returns the slot.
    ///
    /// | Type | `param1` | `param2` |
    /// |---|---|---|
    /// | EndPointLMP | offset of the buffer in the dispatcher's frame | `iftype << 16 \| buffer words` |
    /// | EndPointUMP | iftype | - |
    /// | others | rights to keep | - |
    ///
    /// # Errors
    /// As [`Self::copy`], and for EndPointLMP `SYS_ERR_INVALID_EPLEN` (the buffer is too short, not aligned to 8, overlaps the shared
    /// dispatcher structure or leaves a frame of [`DISPATCHER_FRAME_BYTES`]), `SYS_ERR_INVALID_SOURCE_TYPE` (the
    /// endpoint has a buffer already: only who holds the unminted endpoint chooses buffers) and `SYS_ERR_DEST_CAP_RIGHTS` (it is not
    /// writable: neither was the Dispatcher it was made from, and messages write to that one's frame).
    #[inline(always)]
    pub fn mint<S: Store>(
        &mut self,
        store: &mut S,
        dest: DestSlot,
        source: CteRef,
        param1: u64,
        param2: u64,
    ) -> Result<CteRef, ErrorCode> {
        let cap = &usable(store, source)?.cap;
        if matches!(cap.objtype(), ObjType::EndPointLmp | ObjType::EndPointUmp) {
            return self.mint_endpoint(store, dest, source, param1, param2);
        }
        let slot = empty_slot(store, dest, cap.objtype())?;
        let cap = *cap;
        self.fill_follower(store, slot, source, cap, Flags::NONE);
        let kept = CapRights((param1 & 0xff) as u8);
        let minted = &mut store.cte_mut(slot).cap;
        *minted = minted.with_rights(minted.rights().intersection(kept));
        Ok(slot)
    }

    #[inline(never)]
    fn mint_endpoint<S: Store>(
        &mut self,
        store: &mut S,
        dest: DestSlot,
        source: CteRef,
        param1: u64,
        param2: u64,
    ) -> Result<CteRef, ErrorCode> {
        let cap = store.cte(source).cap;
        let slot = empty_slot(store, dest, cap.objtype())?;
        let mut minted = cap;
        parametrise(&mut minted, param1, param2)?;
        if cap.objtype() == ObjType::EndPointLmp {
            // Not a copy of its source, so it does not find its state among copies.
            let mut state = self.local();
            state.owner = self.state_of(store, source).owner;
            self.fill(store, slot, minted, Flags::NONE, state)?;
        } else {
            self.fill_copy(store, slot, source, minted, Flags::NONE);
        }
        Ok(slot)
    }
}

/// Applies parameters to the capability of an endpoint.
fn parametrise(cap: &mut Capability, param1: u64, param2: u64) -> Result<(), ErrorCode> {
    if let Some(mut endpoint) = cap.as_end_point_lmp() {
        if endpoint.epbuflen != 0 {
            return Err(code::INVALID_SOURCE_TYPE);
        }
        if !cap.rights().contains(CapRights::WRITE) {
            return Err(code::DEST_CAP_RIGHTS);
        }
        let words = param2 & 0xffff;
        let fits = param1
            .checked_add(ENDPOINT_BUFFER_BYTES as u64 + 8 * words)
            .is_some_and(|end| end <= DISPATCHER_FRAME_BYTES);
        let in_place = param1 >= SHARED_BYTES as u64 && param1.is_multiple_of(8);
        if words < MIN_BUFFER_WORDS || param2 >> 32 != 0 || !fits || !in_place {
            return Err(code::INVALID_EPLEN);
        }
        endpoint.epoffset = param1;
        endpoint.epbuflen = words as u32;
        endpoint.iftype = (param2 >> 16) as u16;
        *cap = Capability::new_end_point_lmp(endpoint, cap.rights());
    } else if let Some(mut endpoint) = cap.as_end_point_ump() {
        endpoint.iftype = param1 as u16;
        *cap = Capability::new_end_point_ump(endpoint, cap.rights());
    }
    Ok(())
}
