//! Capabilities from user space: what works, and every refusal that a program can run into.

use crate::harness::{Harness, Outcome, equal, refused, that};
use aos::cap::{
    CNodeRef, CapRef, cap_copy, cap_delete, cap_destroy, cap_direct_identify, cap_mint, cap_retype,
    invoke,
};
use aos::error::ErrorCode;
use aos::kpi::cap::ObjType;
use aos::kpi::layout::{BASE_PAGE_SIZE, L2CNODE_BYTES};
use aos::kpi::rights::{CapRights, PageFlags};
use aos::kpi::slots::task;
use aos::paging::MappedFrame;
use aos::ram::{
    cnode_create_l2, dispatcher_create, frame_alloc, frame_create, mm_alloc, mm_free, ram_alloc,
    ram_free,
};
use aos::slot::{self, slot_alloc, slot_free};

const SUITE: &str = "caps";

/// Runs the suite.
pub fn run(harness: &mut Harness) {
    harness.test(SUITE, "identify tells type, base and size", identify);
    harness.test(SUITE, "a copy is a copy", copy);
    harness.test(SUITE, "copying is refused where it must be", copy_refused);
    harness.test(SUITE, "minting narrows rights and never widens", mint);
    harness.test(SUITE, "retype makes objects side by side", retype);
    harness.test(SUITE, "retype is refused where it must be", retype_refused);
    harness.test(SUITE, "a large frame is zeroed, in steps", zeroed);
    harness.test(SUITE, "deleted memory can be used again", reuse);
    harness.test(SUITE, "CNodes without a used slot go back", cnodes_go_back);
    harness.test(SUITE, "objects by Barrelfish's names", objects);
    harness.test(SUITE, "delete of an empty slot", delete_empty);
    harness.test(SUITE, "an unknown command is refused", unknown_command);
    harness.test(SUITE, "lookups name what is wrong", lookups);
}

fn identify() -> Outcome {
    let ram = mm_alloc(3 * BASE_PAGE_SIZE)?;
    let capability = cap_direct_identify(ram)?;
    equal(capability.objtype(), ObjType::Ram)?;
    equal(capability.size(), 3 * BASE_PAGE_SIZE)?;
    equal(capability.rights(), CapRights::ALL)?;
    that(
        capability.address().is_multiple_of(BASE_PAGE_SIZE),
        "an aligned base",
    )?;
    mm_free(ram)?;
    refused(cap_direct_identify(ram), ErrorCode::SysCapNotFound)
}

fn copy() -> Outcome {
    let frame = frame_alloc(BASE_PAGE_SIZE)?;
    let slot = slot_alloc()?;
    cap_copy(slot, frame)?;
    equal(cap_direct_identify(slot)?, cap_direct_identify(frame)?)?;
    cap_destroy(slot)?;
    equal(cap_direct_identify(frame)?.objtype(), ObjType::Frame)?;
    mm_free(frame)?;
    Ok(())
}

fn copy_refused() -> Outcome {
    let frame = frame_alloc(BASE_PAGE_SIZE)?;
    let slot = slot_alloc()?;
    refused(cap_copy(frame, frame), ErrorCode::SysSlotInUse)?;
    refused(cap_copy(frame, slot), ErrorCode::SysCapNotFound)?;
    // Only CNodes may lie in the root CNode.
    refused(
        cap_copy(CNodeRef::ROOT.slot(200), frame),
        ErrorCode::SysDestTypeInvalid,
    )?;
    refused(
        cap_copy(CNodeRef::own(200).slot(0), frame),
        ErrorCode::SysDestCnodeLookup,
    )?;
    // refuses CNode.Copy: SOURCE_ROOTCN_LOOKUP, SOURCE_CAP_LOOKUP, DEST_ROOTCN_LOOKUP, CNODE_NOT_ROOT, DEST_CNODE_LOOKUP
    refused(cap_copy(slot, slot), ErrorCode::SysSourceCapLookup)?;
    let in_nothing = CNodeRef::foreign(slot.addr(), 0).slot(0);
    refused(cap_copy(slot, in_nothing), ErrorCode::SysSourceRootcnLookup)?;
    refused(cap_copy(in_nothing, frame), ErrorCode::SysDestRootcnLookup)?;
    let in_frame = CNodeRef::foreign(frame.addr(), 0).slot(0);
    refused(cap_copy(slot, in_frame), ErrorCode::SysCnodeNotRoot)?;
    refused(cap_copy(in_frame, frame), ErrorCode::SysCnodeNotRoot)?;
    slot_free(slot)?;
    mm_free(frame)?;
    Ok(())
}

fn mint() -> Outcome {
    let frame = frame_alloc(BASE_PAGE_SIZE)?;
    let (narrow, wide) = (slot_alloc()?, slot_alloc()?);
    let read = CapRights::READ;
    cap_mint(narrow, frame, u64::from(read.0), 0)?;
    equal(cap_direct_identify(narrow)?.rights(), read)?;
    cap_mint(wide, narrow, u64::from(CapRights::ALL.0), 0)?;
    equal(cap_direct_identify(wide)?.rights(), read)?;
    cap_destroy(wide)?;
    cap_destroy(narrow)?;
    mm_free(frame)?;
    Ok(())
}

fn retype() -> Outcome {
    let ram = mm_alloc(4 * BASE_PAGE_SIZE)?;
    let base = cap_direct_identify(ram)?.address();
    let slots = [slot_alloc()?, slot_alloc()?, slot_alloc()?];
    for (index, slot) in slots.into_iter().enumerate() {
        let offset = index as u64 * BASE_PAGE_SIZE;
        cap_retype(slot, ram, offset, ObjType::Frame, BASE_PAGE_SIZE, 1)?;
        equal(cap_direct_identify(slot)?.address(), base + offset)?;
    }
    for slot in slots {
        cap_destroy(slot)?;
    }
    mm_free(ram)?;
    Ok(())
}

fn retype_refused() -> Outcome {
    let ram = mm_alloc(4 * BASE_PAGE_SIZE)?;
    let (first, second) = (slot_alloc()?, slot_alloc()?);
    let page = BASE_PAGE_SIZE;
    let try_it =
        |offset, objtype, size, count| cap_retype(second, ram, offset, objtype, size, count);
    cap_retype(first, ram, page, ObjType::Frame, page, 1)?;
    refused(
        try_it(0, ObjType::Frame, 2 * page, 1),
        ErrorCode::SysRevokeFirst,
    )?;
    refused(
        try_it(page, ObjType::VNodeAarch64L3, page, 1),
        ErrorCode::SysRevokeFirst,
    )?;
    refused(
        try_it(1, ObjType::Frame, page, 1),
        ErrorCode::SysRetypeInvalidOffset,
    )?;
    refused(
        try_it(4 * page, ObjType::Frame, page, 1),
        ErrorCode::SysRetypeInvalidOffset,
    )?;
    refused(try_it(0, ObjType::Frame, 100, 1), ErrorCode::SysInvalidSize)?;
    refused(
        try_it(0, ObjType::L2CNode, page, 1),
        ErrorCode::SysInvalidSize,
    )?;
    refused(
        try_it(0, ObjType::Frame, page, 0),
        ErrorCode::SysRetypeInvalidCount,
    )?;
    refused(
        try_it(0, ObjType::Kernel, page, 1),
        ErrorCode::SysInvalidRetype,
    )?;
    refused(
        try_it(0, ObjType::FrameMapping, page, 1),
        ErrorCode::SysRetypeMappingExplicit,
    )?;
    refused(
        cap_retype(second, first, 0, ObjType::Ram, page, 1),
        ErrorCode::SysInvalidRetype,
    )?;
    refused(
        cap_retype(first, ram, 2 * page, ObjType::Frame, page, 1),
        ErrorCode::SysSlotsInUse,
    )?;
    refused(
        cap_retype(
            CNodeRef::own(second.cnode.cnode.l1()).slot(255),
            ram,
            2 * page,
            ObjType::Frame,
            page,
            2,
        ),
        ErrorCode::SysSlotsInvalid,
    )?;
    cap_destroy(first)?;
    slot_free(second)?;
    mm_free(ram)?;
    Ok(())
}

/// The kernel zeroes 64 KiB at most per entry; the program sees one call.
fn zeroed() -> Outcome {
    const BYTES: u64 = 1 << 20;
    let ram = mm_alloc(BYTES)?;
    let slot = slot_alloc()?;
    for _ in 0..2 {
        cap_retype(slot, ram, 0, ObjType::Frame, BYTES, 1)?;
        let mut frame = MappedFrame::new(slot, PageFlags::READ_WRITE)?;
        let mut places = (0..BYTES as usize).step_by(8);
        let first = places.find(|at| frame.view().load(*at) != Some(0));
        equal(first, None)?;
        frame.view_mut().fill(0xa5);
        frame.unmap()?;
        cap_delete(slot)?;
    }
    slot_free(slot)?;
    mm_free(ram)?;
    Ok(())
}

fn reuse() -> Outcome {
    let before = aos::ram::mm_usage().free;
    for _ in 0..50 {
        let frame = frame_alloc(1 << 16)?;
        mm_free(frame)?;
    }
    equal(aos::ram::mm_usage().free, before)
}

/// CNodes for two thousand slots, which become empty and go back. The first time the books may grow by what they note about free memory.
fn cnodes_go_back() -> Outcome {
    const SLOTS: usize = 2000;
    let mut taken = alloc::vec::Vec::with_capacity(SLOTS);
    for round in 0..3 {
        slot::trim();
        let (least, _) = slot::slot_usage();
        for _ in 0..SLOTS {
            taken.push(slot_alloc()?);
        }
        let ((many, _), free) = (slot::slot_usage(), aos::ram::mm_usage().free);
        that(many >= least + 1000, "there are more now")?;
        // The first stays, so its CNode does.
        let kept = taken.swap_remove(0);
        taken.drain(..).try_for_each(slot_free)?;
        let given = slot::trim();
        that(given >= 4, "the empty ones go back")?;
        let (left, free_slots) = slot::slot_usage();
        equal(many - left, given as u32 * 256)?;
        that(free_slots >= 256, "what is wanted next is there")?;
        let back = aos::ram::mm_usage().free - free;
        that(
            round == 0 || back == given as u64 * L2CNODE_BYTES,
            "with their memory",
        )?;
        equal(slot::trim(), 0)?;
        slot_free(kept)?;
    }
    Ok(())
}

fn objects() -> Outcome {
    let slot = slot_alloc()?;
    equal(frame_create(slot, BASE_PAGE_SIZE + 1)?, 2 * BASE_PAGE_SIZE)?;
    equal(cap_direct_identify(slot)?.objtype(), ObjType::Frame)?;
    refused(
        frame_create(slot, BASE_PAGE_SIZE),
        ErrorCode::LibFrameCreate,
    )?;
    let ram = ram_alloc(BASE_PAGE_SIZE, BASE_PAGE_SIZE)?;
    equal(cap_direct_identify(ram)?.objtype(), ObjType::Ram)?;
    let dispatcher = dispatcher_create()?;
    let found = cap_direct_identify(dispatcher)?;
    equal(found.objtype(), ObjType::Dispatcher)?;
    let cnode = cnode_create_l2()?;
    that(cnode != cnode_create_l2()?, "another CNode")?;
    cap_copy(cnode.slot(255), ram)?;
    equal(
        cap_direct_identify(cnode.slot(255))?,
        cap_direct_identify(ram)?,
    )?;
    cap_delete(cnode.slot(255))?;
    ram_free(ram)?;
    mm_free(slot)?;
    Ok(())
}

fn delete_empty() -> Outcome {
    let slot = slot_alloc()?;
    refused(cap_delete(slot), ErrorCode::SysCapNotFound)?;
    slot_free(slot)?;
    Ok(())
}

fn unknown_command() -> Outcome {
    let frame = frame_alloc(BASE_PAGE_SIZE)?;
    refused(invoke(frame, 77, 2, &[]), ErrorCode::SysIllegalInvocation)?;
    refused(
        invoke(CapRef::OWN_ROOT, 77, 2, &[]),
        ErrorCode::SysIllegalInvocation,
    )?;
    // Delete takes two arguments.
    refused(
        invoke(CapRef::OWN_ROOT, 3, 3, &[0]),
        ErrorCode::SysInvargsSyscall,
    )?;
    mm_free(frame)?;
    Ok(())
}

fn lookups() -> Outcome {
    let empty = CNodeRef::own(199).slot(1);
    refused(cap_direct_identify(empty), ErrorCode::SysCnodeNotFound)?;
    let outside = CNodeRef::own(100_000).slot(1);
    refused(cap_direct_identify(outside), ErrorCode::SysL1CnodeIndex)?;
    refused(
        invoke(CapRef::task(task::KERNELCAP), 7, 2, &[]),
        ErrorCode::SysCapNotFound,
    )
}
