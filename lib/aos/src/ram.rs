//! Physical memory, and objects made of it.
//!
//! The allocator keeps the RAM capability of each region (its root). Of large regions it cuts chunks of 64 MiB when it needs them; every
//! object is retyped straight from a chunk, or if it is larger from a root, at the offset that the books (`mm::chunks`) name. So an
//! object's memory comes back by deleting the object and telling the books, which are part of the library's core of memory.
//!
//! init adds the machine's memory, a trusted domain what it finds in its SYSMEM slot. Any other domain begins with nothing, and asks its
//! monitor for RAM when it needs some ([`crate::monitor`]); how much it may have is the monitor's to decide.
//!
//! Barrelfish counterpart: `lib/mm` with `mm_alloc` and friends, `ram_alloc`, `frame_alloc`.

use crate::cap::{CNodeRef, CapRef, cap_delete, cap_direct_identify};
use crate::error::{Error, ErrorCode, ResultExt, from_mm};
use crate::memory::{Wanted, look, step, step_back};
use crate::monitor;
use crate::slot::{put_slot, slot_alloc, slot_free, slot_of};
use core::sync::atomic::{AtomicU64, Ordering};
use kpi::addr::PhysAddr;
use kpi::cap::ObjType;
use kpi::layout::{BASE_PAGE_SIZE, L2CNODE_BYTES, LARGE_PAGE_SIZE};
use mm::Span;
use mm::ram::Usage;

/// Slots of the task CNode for RAM from the monitor: not from the slot allocator, which may itself be waiting for memory.
const FIRST_REFILL: u8 = 192;
/// How many there are.
const REFILL_SLOTS: u32 = 63;
/// Least bytes that are asked for.
const REFILL_BYTES: u64 = 256 << 10;

/// A bit for each of these slots that is in use. Several threads may be asking at once.
static REFILLS: AtomicU64 = AtomicU64::new(0);

/// Makes the domain's books of RAM, slots and its own address space, which the first operation that needs them does otherwise.
///
/// # Errors
/// `LIB_ERR_VSPACE_CURRENT_INIT`, the kernel's: this domain was not given what it starts with.
pub fn mm_init() -> Result<(), Error> {
    look(|_| ())
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
    step_back(|core| core.memory.ram.add(ram, base, bytes).map_err(from_mm)).push_err(code)
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
    let slot = slot_of(cap).push_err(code)?;
    step_back(|core| {
        put_slot(core, slot)?;
        let freed = core
            .memory
            .ram
            .free(capability.address(), capability.size());
        freed.map_err(from_mm)
    })
    .push_err(code)
}

/// Gives back the memory of an object that [`object_alloc`] made and that is deleted.
///
/// # Errors
/// `MM_ERR_MM_FREE`: it is free already, or was never granted.
pub(crate) fn memory_free(base: u64, bytes: u64) -> Result<(), Error> {
    step_back(|core| core.memory.ram.free(base, bytes).map_err(from_mm))
        .push_err(ErrorCode::MmMmFree)
}

/// How much memory there is. Pages and tables that are at hand for page faults and mappings count as free.
pub fn mm_usage() -> Usage {
    look(|core| {
        let mut usage = core.memory.ram.usage();
        let at_hand = core.memory.pages() + core.spare.tables();
        usage.free += at_hand as u64 * BASE_PAGE_SIZE;
        usage
    })
    .unwrap_or_default()
}

/// Alignment of an object of this type.
pub(crate) const fn alignment_of(objtype: ObjType) -> u64 {
    match objtype {
        ObjType::L1CNode | ObjType::L2CNode => L2CNODE_BYTES,
        _ => BASE_PAGE_SIZE,
    }
}

/// Takes RAM from the monitor into the allocator, the more the more there is already. It stays there until the domain ends.
///
/// # Errors
/// The monitor's answer; `LIB_ERR_SLOT_ALLOC_NO_SPACE`: this was done too often.
pub(crate) fn refill(bytes: u64, alignment: u64) -> Result<(), Error> {
    let order = Ordering::Relaxed;
    let taken = REFILLS.fetch_update(order, order, |used| Some(used | used.wrapping_add(1)));
    let index = taken.unwrap_or_else(|used| used).trailing_ones();
    if index >= REFILL_SLOTS {
        return Err(Error::new(ErrorCode::LibSlotAllocNoSpace));
    }
    let slot = CapRef::task(FIRST_REFILL + index as u8);
    let added = |()| {
        mm_add(slot).inspect_err(|_| {
            // Another one comes into the same slot.
            let _ = cap_delete(slot);
        })
    };
    let more = (mm_usage().total / 4).next_multiple_of(BASE_PAGE_SIZE);
    let wanted = bytes.max(REFILL_BYTES);
    let result = monitor::ram_alloc_at(slot, wanted.max(more), alignment)
        .or_else(|error| match more > wanted {
            true => monitor::ram_alloc_at(slot, wanted, alignment),
            false => Err(error),
        })
        .and_then(added);
    if result.is_err() {
        REFILLS.fetch_and(!(1 << index), order);
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
    let wanted = Wanted {
        objtype,
        bytes,
        alignment,
        within,
    };
    step(|core| core.memory.make(&wanted))
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
    let wanted = Wanted::object(objtype, bytes);
    step(|core| core.memory.make_at(slot, &wanted))
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
