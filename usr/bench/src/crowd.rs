//! Capabilities that only make the database larger: RAM of a page each, a frame made of it, two copies of the frame.
//!
//! They lie in a CSpace of their own, in which nobody runs: one of this domain would have too few slots.

use aos::cap::{CNodeRef, CapRef, cap_copy, cap_retype};
use aos::kpi::cap::ObjType;
use aos::kpi::layout::{L2CNODE_BYTES, SLOT_BYTES};
use aos::{Error, ram};

const PAGE: u64 = 4096;
/// Slots of an L2CNode.
const SLOTS: u64 = L2CNODE_BYTES / SLOT_BYTES;
/// Capabilities for each page: RAM, frame, two copies; and CNodes for that many.
const EACH: u64 = 4;
/// Slots of the root CNode.
const ROOT_SLOTS: u64 = 512;

/// The crowd.
pub struct Crowd {
    root: CapRef,
    next_cnode: u32,
    /// Live capabilities in it.
    pub live: u64,
}

impl Crowd {
    /// Nobody yet.
    ///
    /// # Errors
    /// Those of the allocation.
    pub fn new() -> Result<Self, Error> {
        let root = ram::object_alloc(ObjType::L1CNode, ROOT_SLOTS * SLOT_BYTES)?;
        Ok(Self {
            root,
            next_cnode: 0,
            live: 0,
        })
    }

    /// Makes it as large as that, to within a few.
    ///
    /// # Errors
    /// Those of the operations.
    pub fn grow(&mut self, wanted: u64) -> Result<(), Error> {
        while self.live + EACH <= wanted {
            let pages = ((wanted - self.live) / EACH).min(SLOTS);
            self.add(pages)?;
            self.live += EACH * pages;
        }
        Ok(())
    }

    fn add(&mut self, pages: u64) -> Result<(), Error> {
        let memory = ram::mm_alloc(pages * PAGE)?;
        let (rams, frames) = (self.cnode()?, self.cnode()?);
        cap_retype(rams.slot(0), memory, 0, ObjType::Ram, PAGE, pages)?;
        let slots = 0..pages as u32;
        for slot in slots.clone() {
            let (from, to) = (rams.slot(slot), frames.slot(slot));
            cap_retype(to, from, 0, ObjType::Frame, PAGE, 1)?;
        }
        for _ in 0..2 {
            let copies = self.cnode()?;
            for slot in slots.clone() {
                cap_copy(copies.slot(slot), frames.slot(slot))?;
            }
        }
        Ok(())
    }

    fn cnode(&mut self) -> Result<CNodeRef, Error> {
        self.next_cnode += 1;
        ram::cnode_create_foreign_l2(self.root, self.next_cnode - 1)
    }
}
