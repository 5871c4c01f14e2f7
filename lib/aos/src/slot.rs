//! Slots for capabilities: three L2CNodes to begin with (SLOT_ALLOC0 to 2). When they are full, the reaper empties those of
//! dropped capabilities, and when that does not help, a CNode is added.

use crate::cap::{self, CNodeRef, CapRef};
use crate::error::{Error, ErrorCode, ResultExt, from_mm};
use crate::ram;
use kpi::cap::ObjType;
use kpi::layout::L2CNODE_BYTES;
use kpi::slots::root;
use mm::slots::Slots;
use spin::Mutex;

struct State {
    slots: Slots,
    /// Next root slot for a CNode; 0 before the first use.
    next_root: u32,
}

static STATE: Mutex<State> = Mutex::new(State {
    slots: Slots::new(),
    next_root: 0,
});

impl State {
    fn start(&mut self) -> Result<(), Error> {
        if self.next_root == 0 {
            for l1 in [root::SLOT_ALLOC0, root::SLOT_ALLOC1, root::SLOT_ALLOC2] {
                self.slots.add(l1).map_err(from_mm)?;
            }
            self.next_root = root::FIRST_FREE;
        }
        Ok(())
    }

    /// Makes an L2CNode in the next root slot. So this needs no slot of an L2CNode.
    fn l2_cnode(&mut self) -> Result<u32, Error> {
        let l1 = self.next_root;
        ram::object_alloc_at(CNodeRef::ROOT.slot(l1), ObjType::L2CNode, L2CNODE_BYTES)?;
        self.next_root += 1;
        Ok(l1)
    }

    /// Adds a new L2CNode.
    fn grow(&mut self) -> Result<(), Error> {
        let l1 = self.l2_cnode()?;
        self.slots.add(l1).map_err(from_mm)
    }
}

/// An L2CNode in a root slot that nobody uses, for the caller alone.
pub(crate) fn l2_cnode() -> Result<CNodeRef, Error> {
    let mut state = STATE.lock();
    state.start()?;
    state.l2_cnode().map(CNodeRef::own)
}

/// An empty slot of the own CSpace.
///
/// # Errors
/// `LIB_ERR_SLOT_ALLOC` on top of why no CNode could be added.
pub fn slot_alloc() -> Result<CapRef, Error> {
    let code = ErrorCode::LibSlotAlloc;
    let mut state = STATE.lock();
    state.start().push_err(code)?;
    let mut taken = state.slots.take();
    if taken == Err(mm::MmError::Exhausted) {
        // The reaper frees slots, so the books must not be locked.
        drop(state);
        cap::reap();
        state = STATE.lock();
        taken = state.slots.take();
    }
    if taken == Err(mm::MmError::Exhausted) {
        state.grow().push_err(code)?;
        taken = state.slots.take();
    }
    let (l1, slot) = taken.map_err(from_mm).push_err(code)?;
    Ok(CNodeRef::own(l1).slot(u32::from(slot)))
}

/// Free slots in the CNodes that are there.
pub fn free_slots() -> u32 {
    STATE.lock().slots.free_slots()
}

/// Gives a slot back. The capability in it is gone already.
///
/// # Errors
/// `LIB_ERR_SLOT_FREE` when it did not come from [`slot_alloc`] or is free.
pub fn slot_free(cap: CapRef) -> Result<(), Error> {
    let code = ErrorCode::LibSlotFree;
    let slot = u8::try_from(cap.slot).map_err(|_| Error::new(code))?;
    if !cap.is_own() {
        return Err(Error::new(code));
    }
    STATE
        .lock()
        .slots
        .free(cap.cnode.cnode.l1(), slot)
        .map_err(from_mm)
        .push_err(code)
}
