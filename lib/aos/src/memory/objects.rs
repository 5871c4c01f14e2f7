//! RAM and slots, and objects made of them.

use super::{Places, delete_object, plan};
use crate::cap::objects::root_cnode_bytes;
use crate::cap::{
    CNodeRef, CapRef, cap_delete, cap_direct_identify, cap_retype, root_cnode_resize,
};
use crate::error::{Error, ErrorCode, ResultExt, from_mm};
use crate::ram::alignment_of;
use arrayvec::ArrayVec;
use kpi::addr::L2_SLOTS;
use kpi::cap::{Capability, ObjType};
use kpi::layout::{BASE_PAGE_SIZE, L2CNODE_BYTES, SLOT_BYTES};
use kpi::slots::root;
use mm::chunks::{Chunks, Found};
use mm::ram::Grant;
use mm::slots::Slots;
use mm::{MmError, Span};

/// What was missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Short {
    /// Nothing: something was changed that makes another try worthwhile.
    Again,
    /// RAM.
    Ram {
        /// How much.
        bytes: u64,
        /// At a multiple of that.
        alignment: u64,
    },
    /// Slots, or RAM in a range.
    Else,
}

/// Most pages that are kept at hand.
pub(super) const PAGES: usize = 16;

/// The books of RAM and of slots.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) ram: Chunks<CapRef, Places<mm::ram::Node<CapRef>>>,
    pub(crate) slots: Slots<Places<mm::slots::Node>>,
    /// Zeroed frames of a page each, at hand for page faults.
    pages: ArrayVec<CapRef, PAGES>,
    root_bytes: u64,
    /// The root CNode before the last resize, still to be deleted.
    pub(super) old_root: Option<CapRef>,
    /// What a work failed for want of.
    pub(crate) short: Option<Short>,
}

/// What is wanted of RAM.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) objtype: ObjType,
    /// Of no account for types of a fixed size.
    pub(crate) bytes: u64,
    pub(crate) alignment: u64,
    pub(crate) within: Span,
}

impl Wanted {
    /// An object anywhere.
    pub(crate) const fn object(objtype: ObjType, bytes: u64) -> Self {
        Self {
            objtype,
            bytes,
            alignment: alignment_of(objtype),
            within: Span::ALL,
        }
    }

    /// Whether any page will do of those that are kept at hand.
    fn is_page(&self) -> bool {
        self.objtype == ObjType::Frame
            && (1..=BASE_PAGE_SIZE).contains(&self.bytes)
            && self.alignment == BASE_PAGE_SIZE
            && self.within == Span::ALL
    }
}

impl Memory {
    pub(super) fn new() -> Result<Self, Error> {
        let (regions, chunks) = Places::of_ram()?;
        let root_bytes = root_cnode_bytes()?;
        let mut slots = Slots::new(Places::of_slots()?);
        let root_slots = (root_bytes / SLOT_BYTES) as u32;
        slots
            .add_root(root_slots, root::FIRST_FREE)
            .map_err(from_mm)?;
        for l1 in [root::SLOT_ALLOC0, root::SLOT_ALLOC1, root::SLOT_ALLOC2] {
            slots.add_fixed(l1).map_err(from_mm)?;
        }
        Ok(Self {
            ram: Chunks::new(regions, chunks),
            slots,
            pages: ArrayVec::new_const(),
            root_bytes,
            old_root: None,
            short: None,
        })
    }

    /// An empty slot.
    pub(crate) fn slot(&mut self) -> Result<CapRef, Error> {
        let taken = self.slots.take(1);
        if taken == Err(MmError::Exhausted) {
            self.short = Some(Short::Else);
        }
        let (l1, slot) = taken.map_err(from_mm)?;
        Ok(CNodeRef::own(l1).slot(u32::from(slot)))
    }

    /// So many empty slots in a row, if there are more than the reserve needs. Answers the first.
    pub(crate) fn surplus_slots(&mut self, count: u32) -> Option<CapRef> {
        if self.slots.free_slots() < plan::SLOTS_IN_RESERVE + count {
            return None;
        }
        let (l1, slot) = self.slots.take(count).ok()?;
        Some(CNodeRef::own(l1).slot(u32::from(slot)))
    }

    /// Gives back a slot that [`Memory::slot`] gave and that is empty.
    pub(crate) fn put_slot(&mut self, slot: CapRef) {
        if let Ok(index) = u8::try_from(slot.slot) {
            let _ = self.slots.free(slot.cnode.cnode.l1(), index, 1);
        }
    }

    /// A new object in a new slot.
    pub(crate) fn object(&mut self, objtype: ObjType, bytes: u64) -> Result<CapRef, Error> {
        self.make(&Wanted::object(objtype, bytes))
    }

    /// The same, as it is wanted.
    pub(crate) fn make(&mut self, wanted: &Wanted) -> Result<CapRef, Error> {
        match wanted.is_page() {
            true => self.page(),
            false => self.make_anew(wanted),
        }
    }

    fn make_anew(&mut self, wanted: &Wanted) -> Result<CapRef, Error> {
        let slot = self.slot()?;
        match self.make_at(slot, wanted) {
            Ok(()) => Ok(slot),
            Err(error) => {
                self.put_slot(slot);
                Err(error)
            }
        }
    }

    /// A new object in an empty slot of any CSpace.
    ///
    /// The kernel refuses a range in which an object still lives (a copy of a freed capability elsewhere). Such a range stays out of the
    /// books for good, and another try finds the next one.
    pub(crate) fn make_at(&mut self, slot: CapRef, wanted: &Wanted) -> Result<(), Error> {
        let bytes = wanted.objtype.fixed_size().unwrap_or(wanted.bytes);
        let grant = self.take(wanted, bytes).push_err(ErrorCode::LibRamAlloc)?;
        let objsize = wanted.objtype.fixed_size().unwrap_or(grant.bytes);
        let made = cap_retype(slot, grant.root, grant.offset, wanted.objtype, objsize, 1);
        match &made {
            Err(error) if error.contains(ErrorCode::SysRevokeFirst) => {
                self.short = Some(Short::Again);
            }
            Err(_) => {
                // The range comes from the books, so they know it and it is not free.
                let _ = self.ram.free(grant.base, grant.bytes);
            }
            Ok(()) => {}
        }
        made
    }

    /// Takes RAM; cuts a chunk for it, or joins one, if that helps.
    fn take(&mut self, wanted: &Wanted, bytes: u64) -> Result<Grant<CapRef>, Error> {
        let (alignment, within) = (wanted.alignment, wanted.within);
        // RAM that is all of a region would be a copy of its root.
        let is_ram = wanted.objtype == ObjType::Ram;
        let alloc = |ram: &mut Chunks<_, _>| match is_ram {
            true => ram.alloc_part(bytes, alignment, within),
            false => ram.alloc(bytes, alignment, within),
        };
        let mut found = alloc(&mut self.ram);
        if let Ok(Found::Cut(cell)) = found {
            found = match self.cut(cell)? {
                true => alloc(&mut self.ram),
                false => {
                    let uncut = self.ram.alloc_uncut(bytes, alignment, within);
                    uncut.map(Found::Grant)
                }
            };
        }
        match found {
            Ok(Found::Grant(grant)) => return Ok(grant),
            Ok(Found::Join(chunk)) if cap_delete(chunk.root).is_ok() => {
                self.ram.joined(chunk).map_err(from_mm)?;
                self.put_slot(chunk.root);
                self.short = Some(Short::Again);
            }
            // A second cut cannot help.
            Ok(Found::Cut(cell)) => self.ram.not_cut(cell).map_err(from_mm)?,
            Ok(Found::Join(_)) | Err(MmError::Exhausted) => {
                self.short = Some(match within {
                    Span::ALL => Short::Ram {
                        bytes: bytes.saturating_add(u64::from(is_ram) * mm::ram::PAGE),
                        alignment,
                    },
                    _ => Short::Else,
                });
            }
            Err(error) => return Err(from_mm(error)),
        }
        Err(from_mm(MmError::Exhausted))
    }

    /// Makes a chunk. The kernel may refuse: what somebody kept of a freed object may still live there.
    fn cut(&mut self, cell: Grant<CapRef>) -> Result<bool, Error> {
        let slot = self.slot()?;
        let made = cap_retype(slot, cell.root, cell.offset, ObjType::Ram, cell.bytes, 1);
        if made.is_err() {
            self.put_slot(slot);
            self.ram.not_cut(cell).map_err(from_mm)?;
            return Ok(false);
        }
        self.ram.cut(cell, slot).map_err(from_mm)?;
        Ok(true)
    }

    /// A zeroed frame of one page.
    pub(crate) fn page(&mut self) -> Result<CapRef, Error> {
        if self.pages.is_empty() {
            // If there is not so much in a row, one will do.
            let _ = self.add_pages();
            self.short = None;
        }
        match self.pages.pop() {
            Some(page) => Ok(page),
            None => self.make_anew(&Wanted::object(ObjType::Frame, BASE_PAGE_SIZE)),
        }
    }

    /// Takes back a page that was not used.
    pub(crate) fn put_page(&mut self, page: CapRef) {
        if self.pages.try_push(page).is_err() {
            self.drop_object(page);
        }
    }

    /// How many pages are at hand.
    pub(crate) const fn pages(&self) -> usize {
        self.pages.len()
    }

    /// Makes pages, all of them by one call.
    fn add_pages(&mut self) -> Result<(), Error> {
        let count = PAGES as u32;
        let (l1, slot) = self.slots.take(count).map_err(from_mm)?;
        let made = self.make_pages(CNodeRef::own(l1).slot(u32::from(slot)));
        if made.is_err() {
            // They were taken just now, and are still empty.
            let _ = self.slots.free(l1, slot, count);
        }
        made
    }

    fn make_pages(&mut self, first: CapRef) -> Result<(), Error> {
        let bytes = PAGES as u64 * BASE_PAGE_SIZE;
        let grant = self.take(&Wanted::object(ObjType::Frame, bytes), bytes)?;
        let (root, offset) = (grant.root, grant.offset);
        let made = cap_retype(
            first,
            root,
            offset,
            ObjType::Frame,
            BASE_PAGE_SIZE,
            PAGES as u64,
        );
        match &made {
            Ok(()) => {
                let slots = (first.slot..).map(|slot| first.cnode.slot(slot));
                self.pages.extend(slots.take(PAGES));
            }
            // Then the range stays out of the books.
            Err(error) if error.contains(ErrorCode::SysRevokeFirst) => {}
            Err(_) => {
                // The range comes from the books, so they know it and it is not free.
                let _ = self.ram.free(grant.base, grant.bytes);
            }
        }
        made
    }

    /// Deletes an object of which nobody has a copy. What cannot be deleted is lost.
    pub(crate) fn drop_object(&mut self, cap: CapRef) {
        let _ = delete_object(self, cap);
    }

    /// An L2CNode in a root slot.
    pub(crate) fn l2_cnode(&mut self) -> Result<u32, Error> {
        let l1 = self.slots.take_root().map_err(from_mm)?;
        let wanted = Wanted::object(ObjType::L2CNode, L2CNODE_BYTES);
        let made = self.make_at(CNodeRef::ROOT.slot(l1), &wanted);
        if made.is_err() {
            // It was taken just now, and is still empty.
            let _ = self.slots.free_root(l1);
        }
        made.map(|()| l1)
    }

    /// Adds a new L2CNode for slots.
    pub(super) fn add_cnode(&mut self) -> Result<(), Error> {
        let l1 = self.l2_cnode()?;
        self.slots.add(l1).map_err(from_mm)
    }

    /// Takes an L2CNode without a used slot, the first from a root slot on, out of the books, if there are more free slots than the reserve needs
    /// and those of another CNode.
    pub(super) fn take_spare_cnode(&mut self, from: u32) -> Option<u32> {
        if self.slots.free_slots() < plan::SLOTS_IN_RESERVE + 2 * L2_SLOTS {
            return None;
        }
        let l1 = self.slots.spare(from)?;
        self.slots.remove(l1).ok().map(|()| l1)
    }

    /// It was deleted, and what it was; or it could not be.
    pub(super) fn put_spare_cnode(
        &mut self,
        l1: u32,
        deleted: Option<Capability>,
    ) -> Result<(), Error> {
        let Some(capability) = deleted else {
            return self.slots.add(l1).map_err(from_mm);
        };
        self.slots.free_root(l1).map_err(from_mm)?;
        let freed = self.ram.free(capability.address(), capability.size());
        freed.map_err(from_mm)
    }

    /// Replaces the root CNode by a larger one.
    pub(super) fn grow_root(&mut self) -> Result<(), Error> {
        if self.old_root.is_some() {
            return Err(Error::new(ErrorCode::LibSlotAllocNoSpace));
        }
        let old = self.slot()?;
        let bytes = self.root_bytes.saturating_mul(2);
        let new = match self.object(ObjType::L1CNode, bytes) {
            Ok(new) => new,
            Err(error) => {
                self.put_slot(old);
                return Err(error);
            }
        };
        let capability = cap_direct_identify(new);
        let resized = root_cnode_resize(new, old);
        if resized.is_ok() {
            self.root_bytes = bytes;
            // Larger than before, so nothing can be wrong with it.
            let _ = self.slots.resize_root((bytes / SLOT_BYTES) as u32);
            self.old_root = Some(old);
        } else {
            self.put_slot(old);
        }
        // The new root has another capability in slot ROOTCN, if it is the root now. If not, it may have to stay.
        if cap_delete(new).is_ok() {
            self.put_slot(new);
            if resized.is_err()
                && let Ok(capability) = capability
            {
                // It was the last.
                let _ = self.ram.free(capability.address(), capability.size());
            }
        }
        resized
    }
}
