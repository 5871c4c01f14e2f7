//! Blocks: frames mapped by entries of level 2.

use super::{AREA, Tables, load, mapped, one, own_root};
use crate::harness::{Outcome, equal, refused};
use alloc::vec::Vec;
use aos::cap::vnode::{Entries, mapping_modify, vnode_map, vnode_unmap};
use aos::cap::{cap_destroy, cap_direct_identify, cap_mint};
use aos::error::ErrorCode;
use aos::kpi::layout::{BASE_PAGE_SIZE, LARGE_PAGE_SIZE};
use aos::kpi::rights::{CapRights, PageFlags};
use aos::paging::MappedFrame;
use aos::ram::{frame_alloc, mm_free, vnode_create};
use aos::slot::{slot_alloc, slot_free};

pub fn large() -> Outcome {
    const BYTES: u64 = 2 * LARGE_PAGE_SIZE + 3 * BASE_PAGE_SIZE;
    let cap = frame_alloc(BYTES)?;
    let physical = cap_direct_identify(cap)?.address();
    let by_blocks = MappedFrame::new(cap, PageFlags::READ_WRITE)?;
    let address = by_blocks.view().address().0;
    let runs = mapped(address, BYTES)?;
    let levels: Vec<_> = runs.iter().map(|run| run.how.level()).collect();
    equal(levels, alloc::vec![2, 3])?;
    equal(
        runs.first()
            .map(|run| (run.base.0, run.bytes, run.physical.0, run.how.flags())),
        Some((
            address,
            2 * LARGE_PAGE_SIZE,
            physical,
            PageFlags::READ_WRITE,
        )),
    )?;
    let last = BYTES as usize - 8;
    let middle = LARGE_PAGE_SIZE as usize + 4096;
    by_blocks.view().store(middle, 0x1234);
    by_blocks.view().store(last, 0x5678);
    by_blocks.unmap()?;
    equal(mapped(address, BYTES)?.len(), 0)?;
    let tables = Tables::new()?;
    // The same bytes by pages, elsewhere.
    let slot = slot_alloc()?;
    let offset = LARGE_PAGE_SIZE + 4096;
    vnode_map(tables.l3, cap, PageFlags::READ, offset, one(0), slot)?;
    equal(load(AREA), 0x1234)?;
    cap_destroy(slot)?;
    tables.free()?;
    mm_free(cap)?;
    Ok(())
}

pub fn turns() -> Outcome {
    let tables = Tables::new()?;
    let frame = frame_alloc(2 * LARGE_PAGE_SIZE)?;
    let page = frame_alloc(BASE_PAGE_SIZE)?;
    let view = MappedFrame::new(page, PageFlags::READ_WRITE)?;
    view.view().store(0, 77);
    let table = vnode_create(3)?;
    let slots = [slot_alloc()?, slot_alloc()?];
    let [slot, page_slot] = slots;
    let rw = PageFlags::READ_WRITE;
    let at = AREA + 8 * LARGE_PAGE_SIZE;
    for _ in 0..3 {
        let both = Entries { entry: 8, count: 2 };
        vnode_map(tables.l2, frame, rw, 0, both, slot)?;
        equal(load(at), 0)?;
        equal(load(at + LARGE_PAGE_SIZE), 0)?;
        refused(
            vnode_map(tables.l2, table, rw, 0, one(9), page_slot),
            ErrorCode::SysVnodeSlotInuse,
        )?;
        vnode_unmap(tables.l2, slot)?;
        // A table in the block's place, and a page in it.
        vnode_map(tables.l2, table, rw, 0, one(8), slot)?;
        vnode_map(table, page, rw, 0, one(0), page_slot)?;
        equal(load(at), 77)?;
        refused(
            vnode_map(tables.l2, frame, rw, 0, one(8), slot_alloc()?),
            ErrorCode::SysVnodeSlotInuse,
        )?;
        vnode_unmap(table, page_slot)?;
        vnode_unmap(tables.l2, slot)?;
    }
    for slot in slots {
        slot_free(slot)?;
    }
    view.unmap()?;
    mm_free(table)?;
    mm_free(page)?;
    tables.free()?;
    mm_free(frame)?;
    Ok(())
}

pub fn refusals() -> Outcome {
    let tables = Tables::new()?;
    let frame = frame_alloc(2 * LARGE_PAGE_SIZE)?;
    let small = frame_alloc(BASE_PAGE_SIZE)?;
    let slot = slot_alloc()?;
    let rw = PageFlags::READ_WRITE;
    let try_it = |table, source, offset, entry, count, flags| {
        vnode_map(table, source, flags, offset, Entries { entry, count }, slot)
    };
    let (l1, l2) = (tables.l1, tables.l2);
    // refuses VNode.Map: FRAME_OFFSET_INVALID, WRONG_MAPPING, VM_MAP_SIZE, VNODE_SLOT_INVALID, VM_MAP_RIGHTS, VNODE_SLOT_INUSE
    for (result, code) in [
        (
            try_it(l2, small, 0, 8, 1, rw),
            ErrorCode::SysFrameOffsetInvalid,
        ),
        (
            try_it(l2, frame, 4096, 8, 1, rw),
            ErrorCode::SysFrameOffsetInvalid,
        ),
        (
            try_it(l2, frame, 2 * LARGE_PAGE_SIZE, 8, 1, rw),
            ErrorCode::SysFrameOffsetInvalid,
        ),
        (
            try_it(l1, frame, 0, 8, 1, rw),
            ErrorCode::SysFrameOffsetInvalid,
        ),
        (
            try_it(own_root(), frame, 0, 8, 1, rw),
            ErrorCode::SysWrongMapping,
        ),
        (try_it(l2, frame, 0, 8, 0, rw), ErrorCode::SysVmMapSize),
        (try_it(l2, frame, 0, 8, 3, rw), ErrorCode::SysVmMapSize),
        (
            try_it(l2, frame, LARGE_PAGE_SIZE, 8, 2, rw),
            ErrorCode::SysVmMapSize,
        ),
        (try_it(l2, frame, 0, 511, 2, rw), ErrorCode::SysVmMapSize),
        (
            try_it(l2, frame, 0, 512, 1, rw),
            ErrorCode::SysVnodeSlotInvalid,
        ),
        (
            try_it(l2, frame, 0, 8, 1, PageFlags(7)),
            ErrorCode::SysVmMapRights,
        ),
        (
            try_it(l2, frame, 0, 8, 1, PageFlags(2)),
            ErrorCode::SysVmMapRights,
        ),
        // Too much to clean from the cache at once.
        (
            try_it(l2, frame, 0, 8, 1, PageFlags(9)),
            ErrorCode::SysVmMapSize,
        ),
        (
            try_it(tables.l3, frame, 0, 0, 65, PageFlags(9)),
            ErrorCode::SysVmMapSize,
        ),
        (try_it(l2, frame, 0, 0, 1, rw), ErrorCode::SysVnodeSlotInuse),
    ] {
        refused(result, code)?;
    }
    try_it(l2, frame, 0, 8, 1, rw)?;
    refused(
        mapping_modify(slot, 0, 1, PageFlags(9)),
        ErrorCode::SysVmMapSize,
    )?;
    cap_destroy(slot)?;
    // refuses VNode.Map: DEST_CAP_RIGHTS
    let read_only = slot_alloc()?;
    cap_mint(read_only, l2, u64::from(CapRights::READ.0), 0)?;
    refused(
        vnode_map(read_only, frame, rw, 0, one(8), slot),
        ErrorCode::SysDestCapRights,
    )?;
    cap_destroy(read_only)?;
    mm_free(small)?;
    tables.free()?;
    mm_free(frame)?;
    Ok(())
}
