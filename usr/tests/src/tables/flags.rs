//! Flags of what is mapped, changed by table and by Mapping; Mappings that go.

use super::{AREA, READ, Tables, load, mapped, one};
use crate::harness::{Outcome, equal, refused};
use alloc::vec::Vec;
use aos::Error;
use aos::cap::vnode::{
    Entries, mapping_destroy, mapping_modify, vnode_map, vnode_modify_flags, vnode_unmap,
};
use aos::cap::{
    CNodeRef, CapRef, cap_copy, cap_delete, cap_destroy, cap_direct_identify, cap_mint, cap_retype,
    cap_revoke,
};
use aos::error::ErrorCode;
use aos::kpi::cap::ObjType;
use aos::kpi::layout::{BASE_PAGE_SIZE, LARGE_PAGE_SIZE};
use aos::kpi::rights::{CapRights, PageFlags};
use aos::paging::MappedFrame;
use aos::ram::{cnode_create_l2, frame_alloc, mm_free};
use aos::slot::{slot_alloc, slot_free};

pub fn changed() -> Outcome {
    let tables = Tables::new()?;
    let (one_frame, other) = (
        frame_alloc(2 * BASE_PAGE_SIZE)?,
        frame_alloc(BASE_PAGE_SIZE)?,
    );
    let [slot, other_slot] = [slot_alloc()?, slot_alloc()?];
    let rw = PageFlags::READ_WRITE;
    let two = Entries { entry: 0, count: 2 };
    vnode_map(tables.l3, one_frame, rw, 0, two, slot)?;
    vnode_map(tables.l3, other, READ, 0, one(2), other_slot)?;
    let seen = || -> Result<Vec<u64>, Error> {
        let runs = mapped(AREA, LARGE_PAGE_SIZE)?;
        let pages = runs.iter().flat_map(|run| {
            let pages = (run.bytes / BASE_PAGE_SIZE) as usize;
            core::iter::repeat_n(run.how.flags().0, pages)
        });
        Ok(pages.collect())
    };
    equal(seen()?, alloc::vec![3, 3, 1])?;
    // Entries of two mappings at once.
    vnode_modify_flags(
        tables.l3,
        Entries { entry: 1, count: 2 },
        PageFlags::READ_EXECUTE,
    )?;
    equal(seen()?, alloc::vec![3, 5, 5])?;
    mapping_modify(slot, 0, 2, READ)?;
    equal(seen()?, alloc::vec![1, 1, 5])?;
    // Not cached, and back: the entry is broken before it is made anew.
    vnode_modify_flags(tables.l3, Entries { entry: 0, count: 3 }, PageFlags(11))?;
    equal(seen()?, alloc::vec![11, 11, 11])?;
    equal(load(AREA), 0)?;
    mapping_modify(other_slot, 0, 1, rw)?;
    equal(seen()?, alloc::vec![11, 11, 3])?;
    cap_destroy(slot)?;
    cap_destroy(other_slot)?;
    tables.free()?;
    mm_free(one_frame)?;
    mm_free(other)?;
    Ok(())
}

pub fn refusals() -> Outcome {
    let tables = Tables::new()?;
    let frame = frame_alloc(2 * BASE_PAGE_SIZE)?;
    let [slot, weak, weak_table] = [slot_alloc()?, slot_alloc()?, slot_alloc()?];
    cap_mint(weak, frame, u64::from(CapRights::READ.0), 0)?;
    vnode_map(
        tables.l3,
        weak,
        READ,
        0,
        Entries { entry: 0, count: 2 },
        slot,
    )?;
    let by_table = |entry, count, flags| {
        vnode_modify_flags(tables.l3, Entries { entry, count }, PageFlags(flags))
    };
    let by_mapping = |first, count, flags| mapping_modify(slot, first, count, PageFlags(flags));
    // refuses VNode.ModifyFlags: VNODE_SLOT_INVALID, VM_MAP_SIZE, WRONG_MAPPING, VM_MAP_RIGHTS
    // refuses Mapping.Modify: VM_MAP_OFFSET, VM_MAP_SIZE, VM_MAP_RIGHTS
    for (result, code) in [
        (by_table(512, 1, 1), ErrorCode::SysVnodeSlotInvalid),
        (by_table(0, 0, 1), ErrorCode::SysVmMapSize),
        (by_table(0, 513, 1), ErrorCode::SysVmMapSize),
        // Of nothing, nothing is too much uncached.
        (by_table(2, 65, 9), ErrorCode::SysWrongMapping),
        (by_table(1, 2, 1), ErrorCode::SysWrongMapping),
        // More than the mapped capability allows.
        (by_table(0, 2, 3), ErrorCode::SysVmMapRights),
        (by_table(0, 1, 5), ErrorCode::SysVmMapRights),
        (by_table(0, 1, 0), ErrorCode::SysVmMapRights),
        (by_table(0, 1, 17), ErrorCode::SysVmMapRights),
        (by_mapping(2, 1, 1), ErrorCode::SysVmMapOffset),
        (by_mapping(u64::MAX, 1, 1), ErrorCode::SysVmMapOffset),
        (by_mapping(0, 0, 1), ErrorCode::SysVmMapSize),
        (by_mapping(1, 2, 1), ErrorCode::SysVmMapSize),
        (by_mapping(0, u64::MAX, 1), ErrorCode::SysVmMapSize),
        (by_mapping(0, 65, 9), ErrorCode::SysVmMapSize),
        (by_mapping(0, 1, 3), ErrorCode::SysVmMapRights),
        (
            vnode_modify_flags(tables.l2, one(0), READ),
            ErrorCode::SysWrongMapping,
        ),
    ] {
        refused(result, code)?;
    }
    // refuses VNode.ModifyFlags: DEST_CAP_RIGHTS
    // refuses VNode.Unmap: DEST_CAP_RIGHTS, WRONG_MAPPING
    cap_mint(weak_table, tables.l3, u64::from(CapRights::READ.0), 0)?;
    refused(
        vnode_modify_flags(weak_table, one(0), READ),
        ErrorCode::SysDestCapRights,
    )?;
    refused(vnode_unmap(weak_table, slot), ErrorCode::SysDestCapRights)?;
    refused(vnode_unmap(tables.l2, slot), ErrorCode::SysWrongMapping)?;
    refused(vnode_unmap(tables.l3, frame), ErrorCode::SysWrongMapping)?;
    by_reading(tables.l3, slot)?;
    for cap in [slot, weak, weak_table] {
        cap_destroy(cap)?;
    }
    tables.free()?;
    mm_free(frame)?;
    Ok(())
}

/// Through a CNode that may only be read, a Mapping can be changed, and not deleted.
fn by_reading(table: CapRef, mapping: CapRef) -> Outcome {
    let [writable, read_only] = [cnode_create_l2()?, cnode_create_l2()?];
    let whole = |cnode: CNodeRef| CNodeRef::ROOT.slot(cnode.cnode.l1());
    cap_copy(writable.slot(0), mapping)?;
    cap_delete(whole(read_only))?;
    let rights = u64::from(CapRights::READ.0);
    cap_mint(whole(read_only), whole(writable), rights, 0)?;
    let seen = read_only.slot(0);
    mapping_modify(seen, 0, 1, READ)?;
    // refuses Mapping.Destroy: CNODE_RIGHTS
    // refuses VNode.Unmap: CNODE_RIGHTS
    refused(mapping_destroy(seen), ErrorCode::SysCnodeRights)?;
    refused(vnode_unmap(table, seen), ErrorCode::SysCnodeRights)?;
    equal(cap_direct_identify(seen)?.objtype(), ObjType::FrameMapping)?;
    cap_delete(whole(read_only))?;
    cap_delete(whole(writable))?;
    Ok(())
}

pub fn destroy() -> Outcome {
    let tables = Tables::new()?;
    let frame = frame_alloc(BASE_PAGE_SIZE)?;
    let [slot, copy] = [slot_alloc()?, slot_alloc()?];
    vnode_map(tables.l3, frame, READ, 0, one(0), slot)?;
    cap_copy(copy, slot)?;
    mapping_destroy(copy)?;
    for cap in [slot, copy] {
        refused(cap_direct_identify(cap), ErrorCode::SysCapNotFound)?;
    }
    equal(mapped(AREA, LARGE_PAGE_SIZE)?.len(), 0)?;
    refused(mapping_destroy(slot), ErrorCode::SysCapNotFound)?;
    // A frame has no such command.
    refused(mapping_destroy(frame), ErrorCode::SysIllegalInvocation)?;
    slot_free(slot)?;
    slot_free(copy)?;
    tables.free()?;
    mm_free(frame)?;
    Ok(())
}

/// Who was given a part of a frame cannot take it from who maps the whole.
pub fn part_revoked() -> Outcome {
    let whole = frame_alloc(4 * BASE_PAGE_SIZE)?;
    let mapped = MappedFrame::new(whole, PageFlags::READ_WRITE)?;
    mapped.view().store(0, 0x77);
    // Splitting where a mapping begins is refused, so the part is the third page, mapped once more.
    let (part, alone, view) = (slot_alloc()?, slot_alloc()?, slot_alloc()?);
    cap_retype(
        part,
        whole,
        2 * BASE_PAGE_SIZE,
        ObjType::Frame,
        BASE_PAGE_SIZE,
        1,
    )?;
    let tables = Tables::new()?;
    let offset = 2 * BASE_PAGE_SIZE;
    vnode_map(tables.l3, whole, READ, offset, one(0), view)?;
    vnode_map(tables.l3, part, READ, 0, one(1), alone)?;
    mapped.view().store(2 * BASE_PAGE_SIZE as usize, 0x88);
    equal(load(AREA), 0x88)?;
    equal(load(AREA + BASE_PAGE_SIZE), 0x88)?;
    cap_revoke(part)?;
    refused(cap_direct_identify(alone), ErrorCode::SysCapNotFound)?;
    equal(load(AREA), 0x88)?;
    equal(mapped.view().load(0), Some(0x77))?;
    cap_delete(part)?;
    equal(load(AREA), 0x88)?;
    cap_delete(view)?;
    for slot in [part, alone, view] {
        slot_free(slot)?;
    }
    tables.free()?;
    mapped.unmap()?;
    mm_free(whole)?;
    Ok(())
}
