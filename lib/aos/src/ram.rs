//! Physical memory, and objects made of it.
//!
//! The allocator keeps the RAM capability of each region (its root). Of large regions it cuts chunks of 64 MiB when it needs them; every
//! object is retyped straight from a chunk, or if it is larger from a root, at the offset that the books (`mm::chunks`) name. So an
//! object's memory comes back by deleting the object and telling the books. The slots for chunks are taken when a region is
//! added: where a chunk is cut, the slot allocator may itself be waiting for memory.
//!
//! init adds the machine's memory, a trusted domain what it finds in its SYSMEM slot. Any other domain begins with nothing, and asks its
//! monitor for RAM when it needs some ([`crate::monitor`]); how much it may have is the monitor's to decide.
//!
//! Barrelfish counterpart: `lib/mm` with `mm_alloc` and friends, `ram_alloc`, `frame_alloc`.

use crate::cap::{self, CNodeRef, CapRef, cap_delete, cap_direct_identify, cap_retype};
use crate::error::{Error, ErrorCode, ResultExt, from_mm};
use crate::monitor;
use crate::nodes::{self, Nodes};
use crate::slot::{slot_alloc, slot_free};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU8, Ordering};
use kpi::addr::PhysAddr;
use kpi::cap::ObjType;
use kpi::layout::{BASE_PAGE_SIZE, L2CNODE_BYTES, LARGE_PAGE_SIZE};
use mm::chunks::{Chunks, Found, NODES_TO_CUT};
use mm::ram::{Grant, NODES_TO_ADD, NODES_TO_CHANGE, Node, Usage};
use mm::{MmError, Span};
use spin::Mutex;

/// Slots of the task CNode for RAM from the monitor: not from the slot allocator, which may itself be waiting for memory.
const FIRST_REFILL: u8 = 192;
const LAST_REFILL: u8 = 254;
/// Least bytes that are asked for.
const REFILL_BYTES: u64 = 256 << 10;

static REFILLS: AtomicU8 = AtomicU8::new(0);

/// Nodes of the regions' books that an allocation takes at most: a cut or a grant, and joining a chunk.
const REGION_NODES: usize = NODES_TO_CUT.0 + NODES_TO_CHANGE;
/// Nodes of the chunks' books.
const CHUNK_NODES: usize = NODES_TO_CUT.1 + NODES_TO_CHANGE;

struct Memory {
    books: Chunks<CapRef, Nodes<Node<CapRef>>>,
    /// Empty slots for chunks: as many as can still be cut.
    chunk_slots: Vec<CapRef>,
}

static RAM: Mutex<Memory> = Mutex::new(Memory {
    books: Chunks::new(Nodes::new(), Nodes::new()),
    chunk_slots: Vec::new(),
});

impl Memory {
    fn keep_nodes(&mut self, regions: usize, chunks: usize) -> Result<(), Error> {
        let free = self.books.free_nodes();
        let stores = self.books.stores();
        nodes::keep(stores.0, free.0, regions)?;
        nodes::keep(stores.1, free.1, chunks)
    }

    fn add(&mut self, ram: CapRef, base: u64, bytes: u64) -> Result<(), Error> {
        self.keep_nodes(NODES_TO_ADD, NODES_TO_ADD)?;
        self.books.add(ram, base, bytes).map_err(from_mm)
    }

    fn free(&mut self, base: u64, bytes: u64) -> Result<(), Error> {
        self.keep_nodes(NODES_TO_CHANGE, NODES_TO_CHANGE)?;
        self.books.free(base, bytes).map_err(from_mm)
    }

    /// Takes memory; cuts a chunk for it or joins chunks, if that helps.
    fn take(&mut self, bytes: u64, alignment: u64, within: Span) -> Result<Grant<CapRef>, MmError> {
        loop {
            let kept = self.keep_nodes(REGION_NODES, CHUNK_NODES);
            kept.map_err(|_| MmError::NoMemory)?;
            match self.books.alloc(bytes, alignment, within)? {
                Found::Grant(grant) => return Ok(grant),
                Found::Cut(cell) => {
                    if !self.cut(cell)? {
                        return self.books.alloc_uncut(bytes, alignment, within);
                    }
                }
                Found::Join(chunk) => {
                    cap_delete(chunk.root).map_err(|_| MmError::Exhausted)?;
                    self.books.joined(chunk)?;
                    self.chunk_slots.push(chunk.root);
                }
            }
        }
    }

    /// Makes a chunk. The kernel may refuse: what somebody kept of a freed object may still live there.
    fn cut(&mut self, cell: Grant<CapRef>) -> Result<bool, MmError> {
        let Some(slot) = self.chunk_slots.pop() else {
            return self.books.not_cut(cell).map(|()| false);
        };
        let made = cap_retype(slot, cell.root, cell.offset, ObjType::Ram, cell.bytes, 1);
        if made.is_err() {
            self.chunk_slots.push(slot);
            return self.books.not_cut(cell).map(|()| false);
        }
        self.books.cut(cell, slot).map(|()| true)
    }
}

/// Takes the slots for the chunks of a region.
fn take_chunk_slots(count: u64) -> Result<Vec<CapRef>, Error> {
    let mut slots = Vec::new();
    let reserved = slots.try_reserve(count as usize);
    reserved.map_err(|_| Error::new(ErrorCode::LibMallocFail))?;
    for _ in 0..count {
        match slot_alloc() {
            Ok(slot) => slots.push(slot),
            Err(error) => {
                give_back_slots(&slots);
                return Err(error);
            }
        }
    }
    Ok(slots)
}

fn give_back_slots(slots: &[CapRef]) {
    for slot in slots {
        // It came from the allocator and is empty.
        let _ = slot_free(*slot);
    }
}

/// Adds the region of a RAM capability, which stays where it is and is not used otherwise from now on.
///
/// # Errors
/// `MM_ERR_MM_ADD` on top of: no RAM capability (`SYS_ERR_INVALID_SOURCE_TYPE`), a region known already, no memory.
pub fn mm_add(ram: CapRef) -> Result<(), Error> {
    let code = ErrorCode::MmMmAdd;
    let capability = cap_direct_identify(ram).push_err(code)?;
    if capability.objtype() != ObjType::Ram {
        return Err(Error::new(ErrorCode::SysInvalidSourceType).push(code));
    }
    let (base, bytes) = (capability.address(), capability.size());
    let cuts = Chunks::<CapRef, Nodes<Node<CapRef>>>::cuts(base, bytes);
    let slots = take_chunk_slots(cuts).push_err(code)?;
    let mut memory = RAM.lock();
    let reserved = memory.chunk_slots.try_reserve(slots.len());
    let added = reserved
        .map_err(|_| Error::new(ErrorCode::LibMallocFail))
        .and_then(|()| memory.add(ram, base, bytes));
    match added {
        Ok(()) => memory.chunk_slots.extend(slots),
        Err(_) => {
            drop(memory);
            give_back_slots(&slots);
        }
    }
    added.push_err(code)
}

/// A RAM capability of `bytes` bytes (rounded up to pages), aligned to a page.
///
/// # Errors
/// As [`object_alloc`].
pub fn mm_alloc(bytes: u64) -> Result<CapRef, Error> {
    mm_alloc_aligned(bytes, BASE_PAGE_SIZE)
}

/// As [`mm_alloc`], at a multiple of `alignment`, a power of two.
///
/// # Errors
/// As [`object_alloc`].
pub fn mm_alloc_aligned(bytes: u64, alignment: u64) -> Result<CapRef, Error> {
    make_in_slot(ObjType::Ram, bytes, alignment, Span::ALL)
}

/// As [`mm_alloc_aligned`], between two physical addresses.
///
/// # Errors
/// As [`object_alloc`].
pub fn mm_alloc_from_range_aligned(
    base: PhysAddr,
    limit: PhysAddr,
    bytes: u64,
    alignment: u64,
) -> Result<CapRef, Error> {
    let within = Span {
        base: base.0,
        end: limit.0,
    };
    make_in_slot(ObjType::Ram, bytes, alignment, within)
}

/// Gives back what [`mm_alloc`] or [`object_alloc`] made: deletes the capability, frees the slot and the memory. Copies
/// elsewhere keep their object alive; then a later allocation of this memory is refused by the kernel, never shared.
///
/// # Errors
/// `MM_ERR_MM_FREE` on top of what failed. Nothing is freed when the capability could not be deleted.
pub fn mm_free(cap: CapRef) -> Result<(), Error> {
    let code = ErrorCode::MmMmFree;
    let capability = cap_direct_identify(cap).push_err(code)?;
    cap_delete(cap).push_err(code)?;
    slot_free(cap).push_err(code)?;
    RAM.lock()
        .free(capability.address(), capability.size())
        .push_err(code)
}

/// Gives back the memory of an object that [`object_alloc`] made and that is deleted.
///
/// # Errors
/// `MM_ERR_MM_FREE`: it is free already, or was never granted.
pub(crate) fn memory_free(base: u64, bytes: u64) -> Result<(), Error> {
    RAM.lock().free(base, bytes).push_err(ErrorCode::MmMmFree)
}

/// How much memory there is.
pub fn mm_usage() -> Usage {
    RAM.lock().books.usage()
}

/// Takes a grant back whose object was not made or is gone.
fn give_back(base: u64, bytes: u64) {
    // The range comes from the books, so they know it and it is not free.
    let _ = RAM.lock().free(base, bytes);
}

/// Alignment of an object of this type.
pub(crate) const fn alignment_of(objtype: ObjType) -> u64 {
    match objtype {
        ObjType::L1CNode | ObjType::L2CNode => L2CNODE_BYTES,
        _ => BASE_PAGE_SIZE,
    }
}

/// Most ranges that one allocation passes over because the kernel finds them in use.
const MAX_PASSED_OVER: usize = 64;

/// Makes an object in an empty slot of any CSpace, in a range that `alloc` finds and `give_back` takes back.
///
/// The kernel refuses a range in which an object still lives (a copy of a freed capability elsewhere). Such a range stays
/// out of the books for good, and the next one is tried.
pub(crate) fn make(
    slot: CapRef,
    objtype: ObjType,
    bytes: u64,
    alloc: impl Fn(u64) -> Result<Grant<CapRef>, Error>,
    give_back: impl Fn(u64, u64),
) -> Result<(), Error> {
    let bytes = objtype.fixed_size().unwrap_or(bytes);
    let mut passed_over = 0;
    loop {
        let grant = alloc(bytes).push_err(ErrorCode::LibRamAlloc)?;
        let objsize = objtype.fixed_size().unwrap_or(grant.bytes);
        match cap_retype(slot, grant.root, grant.offset, objtype, objsize, 1) {
            Err(error)
                if error.contains(ErrorCode::SysRevokeFirst) && passed_over < MAX_PASSED_OVER =>
            {
                passed_over += 1;
            }
            Err(error) => {
                give_back(grant.base, grant.bytes);
                return Err(error);
            }
            Ok(()) => return Ok(()),
        }
    }
}

/// Makes an object of this domain's own memory; a domain that has none left asks its monitor for more.
fn make_own(
    slot: CapRef,
    objtype: ObjType,
    bytes: u64,
    alignment: u64,
    within: Span,
) -> Result<(), Error> {
    let take = |bytes| RAM.lock().take(bytes, alignment, within);
    let alloc = |bytes| match take(bytes) {
        Err(MmError::Exhausted) if monitor::is_there() => {
            refill(bytes, alignment)?;
            take(bytes).map_err(from_mm)
        }
        found => found.map_err(from_mm),
    };
    make(slot, objtype, bytes, alloc, give_back)
}

/// Takes RAM from the monitor into the allocator. It stays there until the domain ends.
fn refill(bytes: u64, alignment: u64) -> Result<(), Error> {
    let used = REFILLS.fetch_add(1, Ordering::Relaxed);
    let slot = FIRST_REFILL
        .checked_add(used)
        .filter(|slot| *slot <= LAST_REFILL);
    let slot = CapRef::task(slot.ok_or(Error::new(ErrorCode::LibSlotAllocNoSpace))?);
    let result =
        monitor::ram_alloc_at(slot, bytes.max(REFILL_BYTES), alignment).and_then(|()| mm_add(slot));
    if result.is_err() {
        REFILLS.fetch_sub(1, Ordering::Relaxed);
    }
    result
}

/// Makes an object in a new slot.
fn make_in_slot(
    objtype: ObjType,
    bytes: u64,
    alignment: u64,
    within: Span,
) -> Result<CapRef, Error> {
    let slot = slot_alloc()?;
    let made = match make_own(slot, objtype, bytes, alignment, within) {
        // Dropped capabilities may hold what is missing.
        Err(error) if error.contains(ErrorCode::LibRamAlloc) && cap::reap().freed > 0 => {
            make_own(slot, objtype, bytes, alignment, within)
        }
        made => made,
    };
    match made {
        Ok(()) => Ok(slot),
        Err(error) => {
            // The slot came from the allocator and is still empty.
            let _ = slot_free(slot);
            Err(error)
        }
    }
}

/// A new object of the type in a new slot. `bytes` counts for types of no fixed size; frames are rounded up to pages.
///
/// # Errors
/// `LIB_ERR_RAM_ALLOC` (no memory), `LIB_ERR_SLOT_ALLOC`, `LIB_ERR_CAP_RETYPE`.
pub fn object_alloc(objtype: ObjType, bytes: u64) -> Result<CapRef, Error> {
    make_in_slot(objtype, bytes, alignment_of(objtype), Span::ALL)
}

/// As [`object_alloc`], in a given empty slot of any CSpace.
///
/// # Errors
/// As [`object_alloc`].
pub fn object_alloc_at(slot: CapRef, objtype: ObjType, bytes: u64) -> Result<(), Error> {
    make_own(slot, objtype, bytes, alignment_of(objtype), Span::ALL)
}

/// A zeroed frame of `bytes` bytes, rounded up to pages. One of 2 MiB or more can be mapped by blocks, where memory allows.
///
/// # Errors
/// `LIB_ERR_FRAME_ALLOC` on top of those of [`object_alloc`].
pub fn frame_alloc(bytes: u64) -> Result<CapRef, Error> {
    let aligned = match bytes {
        0..LARGE_PAGE_SIZE => None,
        _ => make_in_slot(ObjType::Frame, bytes, LARGE_PAGE_SIZE, Span::ALL).ok(),
    };
    aligned
        .map_or_else(|| object_alloc(ObjType::Frame, bytes), Ok)
        .push_err(ErrorCode::LibFrameAlloc)
}

/// A zeroed frame of `bytes` bytes, rounded up to pages, in a given empty slot of any CSpace. Answers its size.
///
/// # Errors
/// `LIB_ERR_FRAME_CREATE` on top of those of [`object_alloc`].
pub fn frame_create(dest: CapRef, bytes: u64) -> Result<u64, Error> {
    object_alloc_at(dest, ObjType::Frame, bytes).push_err(ErrorCode::LibFrameCreate)?;
    Ok(bytes.next_multiple_of(BASE_PAGE_SIZE))
}

/// A dispatcher that has no CSpace, VSpace and frame yet.
///
/// # Errors
/// As [`object_alloc`].
pub fn dispatcher_create() -> Result<CapRef, Error> {
    object_alloc(ObjType::Dispatcher, 0)
}

/// A page table of a level, 0 to 3.
///
/// # Errors
/// `LIB_ERR_VNODE_CREATE` on top of those of [`object_alloc`].
pub fn vnode_create(level: u8) -> Result<CapRef, Error> {
    object_alloc(crate::cap::vnode::table_type(level), BASE_PAGE_SIZE)
        .push_err(ErrorCode::LibVnodeCreate)
}

/// A root CNode of 256 slots.
///
/// # Errors
/// `LIB_ERR_CNODE_CREATE` on top of those of [`object_alloc`].
pub fn cnode_create_l1() -> Result<CapRef, Error> {
    object_alloc(ObjType::L1CNode, L2CNODE_BYTES).push_err(ErrorCode::LibCnodeCreate)
}

/// An L2CNode in the next free slot of the own root CNode.
///
/// # Errors
/// `LIB_ERR_CNODE_CREATE` on top of those of [`object_alloc`].
pub fn cnode_create_l2() -> Result<CNodeRef, Error> {
    crate::slot::l2_cnode().push_err(ErrorCode::LibCnodeCreate)
}

/// An L2CNode in root slot `l1` of the CSpace whose root CNode is `root`.
///
/// # Errors
/// `LIB_ERR_CNODE_CREATE_FOREIGN_L2` on top of those of [`object_alloc`].
pub fn cnode_create_foreign_l2(root: CapRef, l1: u32) -> Result<CNodeRef, Error> {
    let slot = CNodeRef::root_of(root.addr()).slot(l1);
    object_alloc_at(slot, ObjType::L2CNode, L2CNODE_BYTES)
        .push_err(ErrorCode::LibCnodeCreateForeignL2)?;
    Ok(CNodeRef::foreign(root.addr(), l1))
}

/// A RAM capability of `bytes` bytes at a multiple of `alignment`: straight from the monitor in a domain that has one, else from the own
/// allocator. [`ram_free`] gives it back.
///
/// # Errors
/// `LIB_ERR_RAM_ALLOC` on top of the monitor's answer; as [`object_alloc`].
pub fn ram_alloc(bytes: u64, alignment: u64) -> Result<CapRef, Error> {
    if !monitor::is_there() {
        return mm_alloc_aligned(bytes, alignment);
    }
    let slot = slot_alloc()?;
    let result = monitor::ram_alloc_at(slot, bytes, alignment);
    if result.is_err() {
        let _ = slot_free(slot);
    }
    result.map(|()| slot).push_err(ErrorCode::LibRamAlloc)
}

/// Gives back what [`ram_alloc`] answered with: deletes the capability, frees the slot and the memory. Nothing that was made of it may be
/// left.
///
/// # Errors
/// `MM_ERR_MM_FREE` on top of why; `SYS_ERR_REVOKE_FIRST`: something made of it is left, the memory stays charged.
pub fn ram_free(ram: CapRef) -> Result<(), Error> {
    if !monitor::is_there() {
        return mm_free(ram);
    }
    let code = ErrorCode::MmMmFree;
    let capability = cap_direct_identify(ram).push_err(code)?;
    cap_delete(ram).push_err(code)?;
    slot_free(ram).push_err(code)?;
    monitor::ram_free(capability.address(), capability.size()).push_err(code)
}

/// Adds the memory that a trusted domain was given in its SYSMEM slot.
///
/// # Errors
/// As [`mm_add`].
pub fn add_system_memory() -> Result<(), Error> {
    mm_add(CapRef::task(kpi::slots::task::SYSMEM))
}
