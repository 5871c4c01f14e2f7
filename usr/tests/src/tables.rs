//! Page tables, invoked directly: blocks, views of kernel objects, flags, and every refusal.

use crate::harness::{Failure, Harness, Outcome, equal, refused, that};
use crate::world::World;
use alloc::vec::Vec;
use aos::Error;
use aos::cap::dispatcher::{MappedRun, dispatcher_mappings};
use aos::cap::vnode::{
    Entries, mapping_destroy, mapping_modify, vnode_map, vnode_modify_flags, vnode_unmap,
};
use aos::cap::{
    CNodeRef, CapRef, cap_copy, cap_delete, cap_destroy, cap_direct_identify, cap_mint, cap_retype,
    cap_revoke, invoke,
};
use aos::error::ErrorCode;
use aos::initproto::Message;
use aos::kpi::cap::ObjType;
use aos::kpi::invocation::{MapWord, VNodeCommand};
use aos::kpi::layout::{BASE_PAGE_SIZE, LARGE_PAGE_SIZE};
use aos::kpi::rights::{CapRights, PageFlags};
use aos::kpi::slots::{VROOT, root, task};
use aos::paging::MappedFrame;
use aos::ram::{cnode_create_l2, frame_alloc, mm_alloc, mm_free, vnode_create};
use aos::slot::{slot_alloc, slot_free};

const SUITE: &str = "tables";

/// Root table entry, and the address space that it covers, which nothing else uses.
const ENTRY: u16 = 5;
const AREA: u64 = (ENTRY as u64) << 39;

/// Runs the suite.
pub fn run(harness: &mut Harness, world: &World) {
    harness.test(SUITE, "a large frame is mapped by blocks", large);
    harness.test(SUITE, "blocks and tables take turns", turns);
    harness.test(
        SUITE,
        "blocks are refused where they must be",
        block_refusals,
    );
    harness.test(SUITE, "mapping names what it does not find", lookups);
    harness.test(SUITE, "page tables and CNodes can be read", views);
    harness.test(SUITE, "views are refused where they must be", view_refusals);
    harness.test(SUITE, "a view goes with what it shows", view_dies);
    harness.test(SUITE, "write-view", || write_view(world));
    harness.test(SUITE, "flags, by table and by mapping", flags);
    harness.test(SUITE, "flags are refused where they must be", flag_refusals);
    harness.test(SUITE, "destroying a mapping", destroy);
    harness.test(SUITE, "revoking a part of a frame", part_revoked);
    harness.test(SUITE, "commands that AArch64 has not", no_commands);
}

/// The own root table.
pub const fn own_root() -> CapRef {
    CNodeRef::own(VROOT.l1()).slot(VROOT.l2())
}

/// Reads a word at an address.
fn load(address: u64) -> u64 {
    let word: *const u64 = core::ptr::with_exposed_provenance(address as usize);
    // SAFETY: callers have mapped it; what lies there is written through other mappings or by the kernel.
    unsafe { word.read_volatile() }
}

/// Tables of level 1 to 3 in [`AREA`].
pub struct Tables {
    /// Of level 1.
    pub l1: CapRef,
    /// Of level 2, at its entry 0.
    pub l2: CapRef,
    /// Of level 3, at its entry 0.
    pub l3: CapRef,
}

fn one(entry: u16) -> Entries {
    Entries { entry, count: 1 }
}

/// Hangs a table; the Mapping goes with the table.
pub fn hang(table: CapRef, next: CapRef, entry: u16) -> Result<CapRef, Error> {
    let mapping = slot_alloc()?;
    vnode_map(table, next, PageFlags::READ, 0, one(entry), mapping)?;
    Ok(mapping)
}

impl Tables {
    /// Makes and hangs them.
    pub fn new() -> Result<Self, Error> {
        let (l1, l2, l3) = (vnode_create(1)?, vnode_create(2)?, vnode_create(3)?);
        hang(own_root(), l1, ENTRY)?;
        hang(l1, l2, 0)?;
        hang(l2, l3, 0)?;
        Ok(Self { l1, l2, l3 })
    }

    /// Takes them down, with everything in them.
    pub fn free(self) -> Result<(), Error> {
        for table in [self.l3, self.l2, self.l1] {
            mm_free(table)?;
        }
        Ok(())
    }
}

/// What is mapped from `base` on, below `base + bytes`.
fn mapped(base: u64, bytes: u64) -> Result<Vec<MappedRun>, Error> {
    let runs: Result<Vec<_>, _> = dispatcher_mappings(CapRef::task(task::DISPATCHER)).collect();
    let mut runs = runs?;
    runs.retain(|run| (base..base + bytes).contains(&run.base.0));
    Ok(runs)
}

fn large() -> Outcome {
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

fn turns() -> Outcome {
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

fn block_refusals() -> Outcome {
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

/// Each address of Map in turn is one where nothing is.
fn lookups() -> Outcome {
    let frame = frame_alloc(BASE_PAGE_SIZE)?;
    let table = vnode_create(3)?;
    let [slot, empty] = [slot_alloc()?, slot_alloc()?];
    let own = u64::from(CapRef::OWN_ROOT.addr().0);
    let nothing = u64::from(empty.addr().0);
    let word = MapWord::new(2, 1, slot.slot as u8, 0).0;
    let map = |change: &dyn Fn(&mut [u64; 8])| {
        let mut args = [
            own,
            u64::from(frame.addr().0),
            READ.0,
            0,
            1,
            own,
            u64::from(slot.cnode.cnode.0),
            word,
        ];
        change(&mut args);
        let command = VNodeCommand::Map;
        invoke(table, command as u8, command.argc(), &args).map(|_| ())
    };
    let set = |index: usize, value: u64| {
        map(&|args| {
            if let Some(place) = args.get_mut(index) {
                *place = value;
            }
        })
    };
    let occupied = MapWord::new(2, 1, frame.slot as u8, 0).0;
    let in_root = MapWord::new(2, 0, 200, 0).0;
    // refuses VNode.Map: SOURCE_ROOTCN_LOOKUP, CNODE_NOT_ROOT, SOURCE_CAP_LOOKUP, DEST_ROOTCN_LOOKUP, DEST_CNODE_LOOKUP
    // refuses VNode.Map: DEST_TYPE_INVALID, SLOT_IN_USE
    for (result, code) in [
        (set(0, nothing), ErrorCode::SysSourceRootcnLookup),
        (
            set(0, u64::from(frame.addr().0)),
            ErrorCode::SysCnodeNotRoot,
        ),
        (set(1, nothing), ErrorCode::SysSourceCapLookup),
        (set(5, nothing), ErrorCode::SysDestRootcnLookup),
        (set(6, u64::from(u32::MAX)), ErrorCode::SysDestCnodeLookup),
        (set(7, in_root), ErrorCode::SysDestTypeInvalid),
    ] {
        refused(result, code)?;
    }
    if frame.cnode == slot.cnode {
        refused(set(7, occupied), ErrorCode::SysSlotInUse)?;
    }
    map(&|_| {})?;
    cap_destroy(slot)?;
    slot_free(empty)?;
    mm_free(table)?;
    mm_free(frame)?;
    Ok(())
}

const READ: PageFlags = PageFlags::READ;

fn views() -> Outcome {
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

fn view_refusals() -> Outcome {
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

fn view_dies() -> Outcome {
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
fn write_view(world: &World) -> Outcome {
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

fn flags() -> Outcome {
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

fn flag_refusals() -> Outcome {
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

fn destroy() -> Outcome {
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

fn no_commands() -> Outcome {
    for command in 3..8 {
        refused(
            invoke(own_root(), command, 2, &[]),
            ErrorCode::SysIllegalInvocation,
        )?;
    }
    let modify = VNodeCommand::ModifyFlags;
    refused(
        invoke(own_root(), modify as u8, modify.argc() - 1, &[0, 1]),
        ErrorCode::SysInvargsSyscall,
    )
}

/// Who was given a part of a frame cannot take it from who maps the whole.
fn part_revoked() -> Outcome {
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
