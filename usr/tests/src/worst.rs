//! What takes the kernel longest of all that an unprivileged domain can prepare: trees in which searches compare by all keys, copies
//! that lie in what they are copies of, tables whose every entry changes its memory type. After each test the longest kernel entry so
//! far is looked at, which only means something under a clock that counts instructions.
//!
//! `module /sbin/tests kernel worst` in the boot menu: that authority is only for looking.

use crate::harness::Outcome;
use crate::longest::{self, bounded};
use alloc::vec::Vec;
use aos::cap::vnode::{Entries, vnode_map, vnode_modify_flags};
use aos::cap::{
    CNodeRef, CapRef, cap_copy, cap_delete, cap_destroy, cap_retype, cap_revoke, invoke,
};
use aos::kpi::cap::ObjType;
use aos::kpi::invocation::CNodeCommand;
use aos::kpi::layout::{BASE_PAGE_SIZE, L2CNODE_BYTES, PTABLE_ENTRIES, SLOT_BYTES};
use aos::kpi::rights::PageFlags;
use aos::ram::{frame_alloc, mm_alloc_aligned, mm_free, vnode_create};
use aos::slot::{slot_alloc, slot_free};
use aos::{Error, Status, ram};

const SUITE: &str = "worst";
/// Slots of an L2CNode.
const SLOTS: u32 = (L2CNODE_BYTES / SLOT_BYTES) as u32;
/// Tables that are filled with mappings of one page.
const TABLES: u32 = 16;
/// CNodes for the Mappings.
const CNODES: u32 = TABLES * PTABLE_ENTRIES as u32 / SLOTS;

/// Runs the suite.
pub fn run() -> Status {
    longest::run(
        SUITE,
        &[
            ("so far", || Ok(())),
            ("a table's memory becomes cached again", cached),
            ("a CNode that holds itself 255 times", held_by_itself),
            ("8,192 mappings of a page go with it", page),
            ("8,192 mappings of a part are passed over", part),
            ("8,192 mappings of a page are revoked with a CNode", revoked),
            ("copies of one name among 8,192", names),
        ],
    )
}

/// A root that nobody runs in, as small as can be.
fn space() -> Result<CapRef, Error> {
    longest::space(u64::from(SLOTS))
}

/// Mapped uncached a piece at a time, a table of pages is made cached by one call: every entry has to be broken first.
fn cached() -> Outcome {
    let table = vnode_create(3)?;
    let frame = frame_alloc(PTABLE_ENTRIES * BASE_PAGE_SIZE)?;
    let uncached = PageFlags::READ_WRITE.union(PageFlags::NOCACHE);
    let piece = 64;
    let mut mappings = Vec::new();
    for entry in (0..PTABLE_ENTRIES as u16).step_by(piece) {
        let mapping = slot_alloc()?;
        let entries = Entries {
            entry,
            count: piece as u16,
        };
        let offset = u64::from(entry) * BASE_PAGE_SIZE;
        vnode_map(table, frame, uncached, offset, entries, mapping)?;
        mappings.push(mapping);
    }
    let all = Entries {
        entry: 0,
        count: PTABLE_ENTRIES as u16,
    };
    vnode_modify_flags(table, all, PageFlags::READ_WRITE)?;
    vnode_modify_flags(table, all, PageFlags::READ)?;
    mm_free(table)?;
    mm_free(frame)?;
    for mapping in mappings {
        slot_free(mapping)?;
    }
    Ok(())
}

/// An L2CNode at a root slot of a space.
fn cnode(space: CapRef, l1: u32) -> Result<CNodeRef, Error> {
    let slot = CNodeRef::root_of(space.addr()).slot(l1);
    ram::object_alloc_at(slot, ObjType::L2CNode, L2CNODE_BYTES)?;
    Ok(CNodeRef::foreign(space.addr(), l1))
}

/// The copies in `outer` are deleted first to last, and behind each all 255 that lie inside come in the ring of copies.
fn held_by_itself() -> Outcome {
    let space = space()?;
    let outer = cnode(space, 0)?;
    let inner = cnode(space, 1)?;
    let mut last = CNodeRef::root_of(space.addr()).slot(1);
    for slot in (0..SLOTS).rev() {
        let copy = outer.slot(slot);
        cap_copy(copy, last)?;
        last = copy;
    }
    for slot in 0..SLOTS - 1 {
        let copy = inner.slot(slot);
        cap_copy(copy, last)?;
        last = copy;
    }
    cap_delete(CNodeRef::root_of(space.addr()).slot(0))?;
    mm_free(space)?;
    Ok(())
}

/// Mappings of a frame's first page in many tables.
struct Fan {
    space: CapRef,
    tables: Vec<CapRef>,
}

impl Fan {
    fn new(frame: CapRef) -> Result<Self, Error> {
        let space = space()?;
        for l1 in 0..CNODES {
            cnode(space, l1)?;
        }
        let mut tables = Vec::new();
        let mut made = 0;
        for _ in 0..TABLES {
            let table = vnode_create(3)?;
            for entry in 0..PTABLE_ENTRIES as u16 {
                let slot = CNodeRef::foreign(space.addr(), made / SLOTS).slot(made % SLOTS);
                let entries = Entries { entry, count: 1 };
                vnode_map(table, frame, PageFlags::READ, 0, entries, slot)?;
                made += 1;
            }
            tables.push(table);
        }
        Ok(Self { space, tables })
    }

    fn free(self) -> Result<(), Error> {
        for table in self.tables {
            mm_free(table)?;
        }
        mm_free(self.space)
    }
}

fn page() -> Outcome {
    let frame = frame_alloc(BASE_PAGE_SIZE)?;
    let fan = Fan::new(frame)?;
    mm_free(frame)?;
    fan.free()?;
    Ok(())
}

fn part() -> Outcome {
    let frame = frame_alloc(4 * BASE_PAGE_SIZE)?;
    let part = slot_alloc()?;
    cap_retype(part, frame, 0, ObjType::Frame, BASE_PAGE_SIZE, 1)?;
    let fan = Fan::new(part)?;
    // Its own mappings, of which there are none, are looked for among those of the part.
    cap_delete(frame)?;
    bounded(SUITE)?;
    cap_destroy(part)?;
    slot_free(frame)?;
    fan.free()?;
    Ok(())
}

fn revoked() -> Outcome {
    let memory = mm_alloc_aligned(2 * L2CNODE_BYTES, L2CNODE_BYTES)?;
    let (frame, holder) = (slot_alloc()?, slot_alloc()?);
    cap_retype(frame, memory, 0, ObjType::Frame, BASE_PAGE_SIZE, 1)?;
    let fan = Fan::new(frame)?;
    let bytes = L2CNODE_BYTES;
    cap_retype(holder, memory, bytes, ObjType::L2CNode, bytes, 1)?;
    cap_revoke(memory)?;
    slot_free(frame)?;
    slot_free(holder)?;
    mm_free(memory)?;
    fan.free()?;
    Ok(())
}

/// Makes an ID.
fn name(space: CapRef, l1: u32, slot: u32) -> Result<(), Error> {
    let command = CNodeCommand::Create;
    let args = [
        ObjType::Id as u64,
        0,
        u64::from(CNodeRef::foreign(space.addr(), l1).cnode.0),
        1,
        u64::from(slot),
    ];
    invoke(space, command as u8, command.argc(), &args).map(|_| ())
}

/// The search for the first copy compares by all keys.
fn names() -> Outcome {
    let space = space()?;
    for l1 in 0..CNODES {
        cnode(space, l1)?;
        for slot in 0..SLOTS {
            name(space, l1, slot)?;
        }
    }
    let copies = cnode(space, CNODES)?;
    let mut last = CNodeRef::foreign(space.addr(), CNODES / 2).slot(77);
    for slot in (0..SLOTS).rev() {
        let copy = copies.slot(slot);
        cap_copy(copy, last)?;
        last = copy;
    }
    cap_delete(CNodeRef::root_of(space.addr()).slot(CNODES))?;
    bounded(SUITE)?;
    mm_free(space)?;
    Ok(())
}
