//! Slots for capabilities: three L2CNodes to begin with (SLOT_ALLOC0 to 2). When they are full, the reaper empties those of
//! dropped capabilities, and when that does not help, a CNode is added.
//!
//! The new L2CNodes lie in the root CNode. When that has only two slots left, it is replaced by one of twice its size. The old one is
//! deleted, which only a domain with the Kernel capability can do by itself: in others it stays, unused.

use crate::cap::objects::root_cnode_bytes;
use crate::cap::{
    self, CNodeRef, CapRef, cap_delete, cap_destroy, cap_direct_identify, root_cnode_resize,
};
use crate::error::{Error, ErrorCode, ResultExt, from_mm};
use crate::nodes::{self, Nodes};
use crate::ram;
use kpi::cap::ObjType;
use kpi::layout::{L2CNODE_BYTES, SLOT_BYTES};
use kpi::slots::root;
use mm::slots::{Node, Slots};
use spin::Mutex;

struct State {
    slots: Slots<Nodes<Node>>,
    /// Bytes of the root CNode; 0 before the first use.
    root_bytes: u64,
    /// The root CNode before the last resize.
    old_root: Option<CapRef>,
}

/// Free slots of the root CNode at which it grows.
const ROOT_RESERVE: u32 = 2;
/// Nodes for the root CNode and the CNodes of the beginning.
const FIRST_NODES: usize = 4;
/// Nodes that another CNode takes: its own, and that of 256 more root slots.
const CNODE_NODES: usize = 2;

static STATE: Mutex<State> = Mutex::new(State {
    slots: Slots::new(Nodes::new()),
    root_bytes: 0,
    old_root: None,
});

impl State {
    fn start(&mut self) -> Result<(), Error> {
        if self.root_bytes == 0 {
            let bytes = root_cnode_bytes()?;
            self.keep_nodes(FIRST_NODES)?;
            let slots = (bytes / SLOT_BYTES) as u32;
            let added = self.slots.add_root(slots, root::FIRST_FREE);
            added.map_err(from_mm)?;
            self.root_bytes = bytes;
            for l1 in [root::SLOT_ALLOC0, root::SLOT_ALLOC1, root::SLOT_ALLOC2] {
                self.slots.add_fixed(l1).map_err(from_mm)?;
            }
        }
        Ok(())
    }

    fn keep_nodes(&mut self, wanted: usize) -> Result<(), Error> {
        let free = self.slots.free_nodes();
        nodes::keep(self.slots.store(), free, wanted)
    }

    /// Makes an L2CNode in the next root slot, so it needs no slot of an L2CNode.
    fn l2_cnode(&mut self) -> Result<u32, Error> {
        self.keep_nodes(CNODE_NODES)?;
        let l1 = self.slots.take_root().map_err(from_mm)?;
        let slot = CNodeRef::ROOT.slot(l1);
        let made = ram::object_alloc_at(slot, ObjType::L2CNode, L2CNODE_BYTES);
        if made.is_err() {
            // It was taken just now, and is still empty.
            let _ = self.slots.free_root(l1);
        }
        made.map(|()| l1)
    }

    /// Adds a new L2CNode.
    fn grow(&mut self) -> Result<(), Error> {
        let l1 = self.l2_cnode()?;
        self.slots.add(l1).map_err(from_mm)?;
        self.keep_root_slots();
        Ok(())
    }

    /// Makes the root CNode larger before its last slots are used.
    fn keep_root_slots(&mut self) {
        if self.slots.free_root_slots() <= ROOT_RESERVE {
            // What fails now is tried again with the next CNode; the error that counts is that there is no room for one.
            let _ = self.grow_root();
        }
    }

    /// Replaces the root CNode by a larger one. This takes two slots.
    fn grow_root(&mut self) -> Result<(), Error> {
        if self.old_root.is_some() {
            return Ok(());
        }
        let new = self.take()?;
        let old = match self.take() {
            Ok(slot) => slot,
            Err(error) => {
                self.put_back(new);
                return Err(error);
            }
        };
        let bytes = self.root_bytes.saturating_mul(2);
        if let Err(error) = ram::object_alloc_at(new, ObjType::L1CNode, bytes) {
            self.put_back(new);
            self.put_back(old);
            return Err(error);
        }
        let resized = root_cnode_resize(new, old);
        if resized.is_ok() {
            self.root_bytes = bytes;
            // Larger than before, so nothing can be wrong with it.
            let _ = self.slots.resize_root((bytes / SLOT_BYTES) as u32);
            self.old_root = Some(old);
        } else {
            self.put_back(old);
        }
        // The new root has another capability in slot ROOTCN, if it is the root now. If not, it may have to stay.
        if cap_delete(new).is_ok() {
            self.put_back(new);
        }
        resized
    }

    fn take(&mut self) -> Result<CapRef, Error> {
        let (l1, slot) = self.slots.take(1).map_err(from_mm)?;
        Ok(CNodeRef::own(l1).slot(u32::from(slot)))
    }

    /// Gives back a slot that was taken and is empty.
    fn put_back(&mut self, slot: CapRef) {
        if let Ok(index) = u8::try_from(slot.slot) {
            let _ = self.slots.free(slot.cnode.cnode.l1(), index, 1);
        }
    }
}

/// An L2CNode in a root slot that nobody uses, for the caller alone.
pub(crate) fn l2_cnode() -> Result<CNodeRef, Error> {
    let mut state = STATE.lock();
    state.start()?;
    let l1 = state.l2_cnode()?;
    state.keep_root_slots();
    Ok(CNodeRef::own(l1))
}

/// An empty slot of the own CSpace.
///
/// # Errors
/// `LIB_ERR_SLOT_ALLOC` on top of why no CNode could be added.
pub fn slot_alloc() -> Result<CapRef, Error> {
    let code = ErrorCode::LibSlotAlloc;
    let mut state = STATE.lock();
    state.start().push_err(code)?;
    let mut taken = state.slots.take(1);
    if taken == Err(mm::MmError::Exhausted) {
        // The reaper frees slots, so the books must not be locked.
        drop(state);
        cap::reap();
        state = STATE.lock();
        taken = state.slots.take(1);
    }
    if taken == Err(mm::MmError::Exhausted) {
        state.grow().push_err(code)?;
        taken = state.slots.take(1);
    }
    let old_root = state.old_root.take();
    drop(state);
    if let Some(old) = old_root {
        delete_old_root(old);
    }
    let (l1, slot) = taken.map_err(from_mm).push_err(code)?;
    Ok(CNodeRef::own(l1).slot(u32::from(slot)))
}

/// How many slots there are, and how many of them are free.
pub fn slot_usage() -> (u32, u32) {
    let state = STATE.lock();
    (state.slots.slots(), state.slots.free_slots())
}

/// Free slots in the CNodes that are there.
pub fn free_slots() -> u32 {
    STATE.lock().slots.free_slots()
}

/// Deletes the former root CNode. Where this domain cannot, it stays in its slot.
fn delete_old_root(old: CapRef) {
    if let Ok(capability) = cap_direct_identify(old)
        && cap_destroy(old).is_ok()
    {
        // The first root's memory is the spawner's, not in the books here.
        let _ = ram::memory_free(capability.address(), capability.size());
    }
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
        .free(cap.cnode.cnode.l1(), slot, 1)
        .map_err(from_mm)
        .push_err(code)
}
