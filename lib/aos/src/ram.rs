//! Physical memory, and objects made of it.
//!
//! The allocator keeps the RAM capability of each region (its root); every object is retyped straight from a root, at the
//! offset that the books (`mm::ram`) name. So an object's memory comes back by deleting the object and telling the books.
//!
//! Barrelfish counterpart: `lib/mm` with `mm_alloc` and friends, `ram_alloc`, `frame_alloc`.

use crate::cap::{CNodeRef, CapRef, cap_delete, cap_direct_identify, cap_retype};
use crate::error::{Context, Error, ErrorCode, from_mm};
use crate::slot::{slot_alloc, slot_free};
use kpi::addr::PhysAddr;
use kpi::cap::ObjType;
use kpi::layout::BASE_PAGE_SIZE;
use mm::ram::{Grant, Ram, Usage};
use mm::ranges::Span;
use spin::Mutex;

static RAM: Mutex<Ram<CapRef>> = Mutex::new(Ram::new());

/// Adds the region of a RAM capability, which stays where it is and is not used otherwise from now on.
///
/// # Errors
/// `MM_ERR_MM_ADD` on top of: no RAM capability (`SYS_ERR_INVALID_SOURCE_TYPE`), a region known already, no memory.
pub fn mm_add(ram: CapRef) -> Result<(), Error> {
    let code = ErrorCode::MM_ERR_MM_ADD;
    let capability = cap_direct_identify(ram).context(code)?;
    if capability.objtype() != ObjType::Ram {
        return Err(Error::new(ErrorCode::SYS_ERR_INVALID_SOURCE_TYPE).push(code));
    }
    RAM.lock()
        .add(ram, capability.address(), capability.size())
        .map_err(from_mm)
        .context(code)
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
    let grant = grant(bytes, alignment)?;
    place(grant, ObjType::Ram, grant.bytes)
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
    let grant = RAM
        .lock()
        .alloc_within(bytes, alignment, within)
        .map_err(from_mm)?;
    place(grant, ObjType::Ram, grant.bytes)
}

/// Gives back what [`mm_alloc`] or [`object_alloc`] made: deletes the capability, frees the slot and the memory. Copies
/// elsewhere keep their object alive; then a later allocation of this memory is refused by the kernel, never shared.
///
/// # Errors
/// `MM_ERR_MM_FREE` on top of what failed. Nothing is freed when the capability could not be deleted.
pub fn mm_free(cap: CapRef) -> Result<(), Error> {
    let code = ErrorCode::MM_ERR_MM_FREE;
    let capability = cap_direct_identify(cap).context(code)?;
    cap_delete(cap).context(code)?;
    slot_free(cap).context(code)?;
    RAM.lock()
        .free(capability.address(), capability.size())
        .map_err(from_mm)
        .context(code)
}

/// How much memory there is.
pub fn mm_usage() -> Usage {
    RAM.lock().usage()
}

/// Memory without a capability yet: retype `root` at `offset`.
pub(crate) fn grant(bytes: u64, alignment: u64) -> Result<Grant<CapRef>, Error> {
    RAM.lock()
        .alloc(bytes, alignment)
        .map_err(from_mm)
        .context(ErrorCode::LIB_ERR_RAM_ALLOC)
}

/// Takes a grant back whose object was not made or is gone.
pub(crate) fn give_back(base: u64, bytes: u64) {
    // The range comes from the books, so they know it and it is not free.
    let _ = RAM.lock().free(base, bytes);
}

/// Bytes to ask for and their alignment, for an object of this type.
fn needs(objtype: ObjType, bytes: u64) -> (u64, u64) {
    let bytes = objtype.fixed_size().unwrap_or(bytes);
    let alignment = match objtype {
        ObjType::L1CNode | ObjType::L2CNode => kpi::layout::L2CNODE_BYTES,
        _ => BASE_PAGE_SIZE,
    };
    (bytes, alignment)
}

/// Makes the object of a grant in a new slot.
fn place(grant: Grant<CapRef>, objtype: ObjType, objsize: u64) -> Result<CapRef, Error> {
    let slot = match slot_alloc() {
        Ok(slot) => slot,
        Err(error) => {
            give_back(grant.base, grant.bytes);
            return Err(error);
        }
    };
    let made = place_at(slot, grant, objtype, objsize);
    if made.is_err() {
        // The slot came from the allocator and is still empty.
        let _ = slot_free(slot);
    }
    made.map(|()| slot)
}

fn place_at(
    slot: CapRef,
    grant: Grant<CapRef>,
    objtype: ObjType,
    objsize: u64,
) -> Result<(), Error> {
    let made = cap_retype(slot, grant.root, grant.offset, objtype, objsize, 1);
    if made.is_err() {
        give_back(grant.base, grant.bytes);
    }
    made
}

/// A new object of the type in a new slot. `bytes` counts for types of no fixed size; frames are rounded up to pages.
///
/// # Errors
/// `LIB_ERR_RAM_ALLOC` (no memory), `LIB_ERR_SLOT_ALLOC`, `LIB_ERR_CAP_RETYPE`.
pub fn object_alloc(objtype: ObjType, bytes: u64) -> Result<CapRef, Error> {
    let (bytes, alignment) = needs(objtype, bytes);
    let grant = grant(bytes, alignment)?;
    place(grant, objtype, object_size(objtype, bytes, grant))
}

/// As [`object_alloc`], in a given empty slot of any CSpace.
///
/// # Errors
/// As [`object_alloc`].
pub fn object_alloc_at(slot: CapRef, objtype: ObjType, bytes: u64) -> Result<(), Error> {
    let (bytes, alignment) = needs(objtype, bytes);
    let grant = grant(bytes, alignment)?;
    place_at(slot, grant, objtype, object_size(objtype, bytes, grant))
}

fn object_size(objtype: ObjType, bytes: u64, grant: Grant<CapRef>) -> u64 {
    match objtype.fixed_size() {
        Some(_) => bytes,
        None => grant.bytes,
    }
}

/// A zeroed frame of `bytes` bytes, rounded up to pages.
///
/// # Errors
/// `LIB_ERR_FRAME_ALLOC` on top of those of [`object_alloc`].
pub fn frame_alloc(bytes: u64) -> Result<CapRef, Error> {
    object_alloc(ObjType::Frame, bytes).context(ErrorCode::LIB_ERR_FRAME_ALLOC)
}

/// A page table of a level, 0 to 3.
///
/// # Errors
/// `LIB_ERR_VNODE_CREATE` on top of those of [`object_alloc`].
pub fn vnode_create(level: u8) -> Result<CapRef, Error> {
    object_alloc(crate::cap::vnode::table_type(level), BASE_PAGE_SIZE)
        .context(ErrorCode::LIB_ERR_VNODE_CREATE)
}

/// A root CNode of 256 slots.
///
/// # Errors
/// `LIB_ERR_CNODE_CREATE` on top of those of [`object_alloc`].
pub fn cnode_create_l1() -> Result<CapRef, Error> {
    object_alloc(ObjType::L1CNode, kpi::layout::L2CNODE_BYTES)
        .context(ErrorCode::LIB_ERR_CNODE_CREATE)
}

/// An L2CNode in root slot `l1` of the CSpace whose root CNode is `root`.
///
/// # Errors
/// `LIB_ERR_CNODE_CREATE_FOREIGN_L2` on top of those of [`object_alloc`].
pub fn cnode_create_foreign_l2(root: CapRef, l1: u32) -> Result<CNodeRef, Error> {
    let slot = CNodeRef::root_of(root.addr()).slot(l1);
    object_alloc_at(slot, ObjType::L2CNode, kpi::layout::L2CNODE_BYTES)
        .context(ErrorCode::LIB_ERR_CNODE_CREATE_FOREIGN_L2)?;
    Ok(CNodeRef::foreign(root.addr(), l1))
}
