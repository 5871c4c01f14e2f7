//! Slots for capabilities: three L2CNodes to begin with (SLOT_ALLOC0 to 2), and more when there are only few free slots left. Of those
//! that become empty some go back when memory is out, or by [`trim`].
//!
//! The new L2CNodes lie in the root CNode. When that is nearly full, it is replaced by one of twice its size. The old one is
//! deleted, which only a domain with the Kernel capability can do by itself: in others it stays, unused.

use crate::cap::{CNodeRef, CapRef};
use crate::error::{Error, ErrorCode, ResultExt, from_mm};
use crate::memory::{self, Core, look, step, step_back};

/// An L2CNode in a root slot that nobody uses, for the caller alone.
pub(crate) fn l2_cnode() -> Result<CNodeRef, Error> {
    step(|core| core.memory.l2_cnode().map(CNodeRef::own))
}

/// An empty slot of the own CSpace.
///
/// # Errors
/// `LIB_ERR_SLOT_ALLOC` on top of why no CNode could be added.
pub fn slot_alloc() -> Result<CapRef, Error> {
    step(|core| core.memory.slot()).push_err(ErrorCode::LibSlotAlloc)
}

/// How many slots there are, and how many of them are free, or at hand for mappings, or hold pages that are at hand for page faults.
pub fn slot_usage() -> (u32, u32) {
    look(|core| {
        let slots = &core.memory.slots;
        let at_hand = core.memory.pages() as u32 + core.spare.slots();
        (slots.slots(), slots.free_slots() + at_hand)
    })
    .unwrap_or_default()
}

/// Free slots in the CNodes that are there.
pub fn free_slots() -> u32 {
    slot_usage().1
}

/// Gives back CNodes of which no slot is used, those apart that the next requests will need; answers how many. Happens by itself when memory is
/// out. Slots are taken from the first CNode that has one, so that the last ones become empty.
pub fn trim() -> usize {
    let mut all = 0;
    loop {
        match memory::trim_cnodes() {
            0 => return all,
            given => all += given,
        }
    }
}

/// Gives a slot back. The capability in it is gone already.
///
/// # Errors
/// `LIB_ERR_SLOT_FREE` when it did not come from [`slot_alloc`] or is free.
pub fn slot_free(cap: CapRef) -> Result<(), Error> {
    let slot = slot_of(cap)?;
    step_back(|core| put_slot(core, slot))
}

/// A slot of the own CSpace: the root slot of its CNode, and which of it.
pub(crate) fn slot_of(cap: CapRef) -> Result<(u32, u8), Error> {
    let slot = u8::try_from(cap.slot).ok().filter(|_| cap.is_own());
    let slot = slot.ok_or(Error::new(ErrorCode::LibSlotFree))?;
    Ok((cap.cnode.cnode.l1(), slot))
}

/// What [`slot_free`] does, as part of a step.
pub(crate) fn put_slot(core: &mut Core, (l1, slot): (u32, u8)) -> Result<(), Error> {
    let freed = core.memory.slots.free(l1, slot, 1);
    freed.map_err(from_mm).push_err(ErrorCode::LibSlotFree)
}
