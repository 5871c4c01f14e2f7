//! Views: page tables and CNodes mapped to be read.

use super::{AREA, READ, Tables, load, mapped, one, own_root};
use crate::harness::{Failure, Outcome, equal, refused, that};
use crate::world::World;
use aos::Error;
use aos::cap::vnode::{Entries, mapping_modify, vnode_map, vnode_modify_flags};
use aos::cap::{
    CNodeRef, CapRef, cap_copy, cap_delete, cap_destroy, cap_direct_identify, cap_mint, cap_retype,
};
use aos::error::ErrorCode;
use aos::initproto::Message;
use aos::kpi::cap::ObjType;
use aos::kpi::layout::{BASE_PAGE_SIZE, LARGE_PAGE_SIZE};
use aos::kpi::rights::{CapRights, PageFlags};
use aos::kpi::slots::{root, task};
use aos::ram::{frame_alloc, mm_alloc, mm_free, vnode_create};
use aos::slot::{slot_alloc, slot_free};

pub fn shown() -> Outcome {
    let tables = Tables::new()?;
    let [table, cnode] = [slot_alloc()?, slot_alloc()?];
    vnode_map(tables.l3, tables.l2, READ, 0, one(0), table)?;
    let l3 = cap_direct_identify(tables.l3)?.address();
    equal(load(AREA), l3 | 3)?;
    let taskcn = CNodeRef::ROOT.slot(root::TASKCN);
    let all = Entries { entry: 1, count: 4 };
    vnode_map(tables.l3, taskcn, READ, 0, all, cnode)?;
    let cap = cap_direct_identify(CapRef::task(task::DISPATCHER))?;
    let slot = AREA + BASE_PAGE_SIZE + 64 * u64::from(task::DISPATCHER);
    let [first, second, third] = cap.to_words();
    equal(
        [0, 8, 16].map(|word| load(slot + word)),
        [first, second, third],
    )?;
    let runs = mapped(AREA, LARGE_PAGE_SIZE)?;
    that(
        runs.iter()
            .all(|run| run.how.is_object() && run.how.flags() == READ),
        "read-only pages of kernel objects",
    )?;
    equal(runs.iter().map(|run| run.bytes).sum(), 5 * BASE_PAGE_SIZE)?;
    // refuses Mapping.Modify: WRONG_MAPPING
    refused(
        mapping_modify(table, 0, 1, PageFlags::READ_WRITE),
        ErrorCode::SysWrongMapping,
    )?;
    refused(
        mapping_modify(cnode, 0, 1, READ),
        ErrorCode::SysWrongMapping,
    )?;
    refused(
        vnode_modify_flags(tables.l3, one(0), READ),
        ErrorCode::SysWrongMapping,
    )?;
    cap_destroy(table)?;
    cap_destroy(cnode)?;
    equal(mapped(AREA, LARGE_PAGE_SIZE)?.len(), 0)?;
    tables.free()?;
    Ok(())
}

pub fn refusals() -> Outcome {
    let tables = Tables::new()?;
    let slot = slot_alloc()?;
    let cnode = CNodeRef::ROOT.slot(root::TASKCN);
    let try_it = |table, source, flags, offset, count| {
        vnode_map(
            table,
            source,
            flags,
            offset,
            Entries { entry: 0, count },
            slot,
        )
    };
    for flags in [0, 2, 3, 5, 7, 9, 17] {
        for source in [cnode, tables.l2, own_root(), CapRef::OWN_ROOT] {
            refused(
                try_it(tables.l3, source, PageFlags(flags), 0, 1),
                ErrorCode::SysVmMapRights,
            )?;
        }
    }
    let (l2, l3) = (tables.l2, tables.l3);
    let dispatcher = CapRef::task(task::DISPATCHER);
    for (result, code) in [
        (
            try_it(l3, l2, READ, 4096, 1),
            ErrorCode::SysFrameOffsetInvalid,
        ),
        (
            try_it(l3, cnode, READ, 64, 1),
            ErrorCode::SysFrameOffsetInvalid,
        ),
        (
            try_it(l3, cnode, READ, 16384, 1),
            ErrorCode::SysFrameOffsetInvalid,
        ),
        (try_it(l3, l2, READ, 0, 2), ErrorCode::SysVmMapSize),
        (try_it(l3, cnode, READ, 0, 5), ErrorCode::SysVmMapSize),
        (try_it(l3, cnode, READ, 0, 0), ErrorCode::SysVmMapSize),
        (
            try_it(l3, dispatcher, READ, 0, 1),
            ErrorCode::SysWrongMapping,
        ),
        (try_it(l2, cnode, READ, 0, 1), ErrorCode::SysWrongMapping),
    ] {
        refused(result, code)?;
    }
    // Looking at memory takes the rights READ and IDENTIFY.
    let weak = slot_alloc()?;
    for missing in [CapRights::READ, CapRights::IDENTIFY] {
        cap_mint(weak, l2, u64::from(CapRights::ALL.0 & !missing.0), 0)?;
        refused(try_it(l3, weak, READ, 0, 1), ErrorCode::SysVmMapRights)?;
        cap_delete(weak)?;
    }
    slot_free(weak)?;
    slot_free(slot)?;
    tables.free()?;
    Ok(())
}

pub fn dies() -> Outcome {
    let tables = Tables::new()?;
    let shown = vnode_create(3)?;
    let [slot, copy] = [slot_alloc()?, slot_alloc()?];
    vnode_map(tables.l3, shown, READ, 0, one(0), slot)?;
    cap_copy(copy, shown)?;
    // One of two copies takes nothing with it.
    cap_destroy(copy)?;
    equal(load(AREA), 0)?;
    mm_free(shown)?;
    refused(cap_direct_identify(slot), ErrorCode::SysCapNotFound)?;
    equal(mapped(AREA, LARGE_PAGE_SIZE)?.len(), 0)?;
    // The same with a CNode: its memory is not free before the view is gone.
    let ram = mm_alloc(4 * BASE_PAGE_SIZE)?;
    let base = cap_direct_identify(ram)?.address();
    if base.is_multiple_of(4 * BASE_PAGE_SIZE) {
        let cnode = slot_alloc()?;
        cap_retype(cnode, ram, 0, ObjType::L2CNode, 4 * BASE_PAGE_SIZE, 1)?;
        vnode_map(tables.l3, cnode, READ, 0, one(0), slot)?;
        refused(
            cap_retype(slot_alloc()?, ram, 0, ObjType::Frame, BASE_PAGE_SIZE, 1),
            ErrorCode::SysRevokeFirst,
        )?;
        cap_delete(slot)?;
    }
    slot_free(slot)?;
    tables.free()?;
    Ok(())
}

/// A child that writes through a view must fault.
pub fn write_view(world: &World) -> Outcome {
    let cap = frame_alloc(BASE_PAGE_SIZE)?;
    let child = world.child("write-view", Some(cap))?;
    child.domain.start()?;
    let message = child.wait();
    child.domain.destroy()?;
    match message {
        Some(Message::Fault(fault)) => equal(fault.name(), "write"),
        other => Err(Failure::new("a write fault", alloc::format!("{other:?}"))),
    }
}

/// The child's part: maps its own root table at its own address space and writes there.
pub fn write_view_part() -> Result<(), Error> {
    aos::ram::add_system_memory()?;
    let tables = Tables::new()?;
    let slot = slot_alloc()?;
    vnode_map(tables.l3, own_root(), READ, 0, one(0), slot)?;
    let entry: *mut u64 = core::ptr::with_exposed_provenance_mut(AREA as usize);
    // SAFETY: the store is expected to fault.
    unsafe { entry.write_volatile(0) };
    Ok(())
}
