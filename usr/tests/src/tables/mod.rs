//! Page tables, invoked directly: blocks, views of kernel objects, flags, and every refusal.
//!
//! Here are the suite, what its parts share, and what holds for Map of anything.

mod blocks;
mod flags;
pub mod views;

use crate::harness::{Harness, Outcome, refused};
use crate::world::World;
use alloc::vec::Vec;
use aos::Error;
use aos::cap::dispatcher::{MappedRun, dispatcher_mappings};
use aos::cap::vnode::{Entries, vnode_map};
use aos::cap::{CNodeRef, CapRef, cap_destroy, invoke};
use aos::error::ErrorCode;
use aos::kpi::invocation::{MapWord, VNodeCommand};
use aos::kpi::layout::BASE_PAGE_SIZE;
use aos::kpi::rights::PageFlags;
use aos::kpi::slots::{VROOT, task};
use aos::ram::{frame_alloc, mm_free, vnode_create};
use aos::slot::{slot_alloc, slot_free};

const SUITE: &str = "tables";

/// Root table entry, and the address space that it covers, which nothing else uses.
const ENTRY: u16 = 5;
const AREA: u64 = (ENTRY as u64) << 39;

/// Runs the suite.
pub fn run(harness: &mut Harness, world: &World) {
    harness.test(SUITE, "a large frame is mapped by blocks", blocks::large);
    harness.test(SUITE, "blocks and tables take turns", blocks::turns);
    harness.test(
        SUITE,
        "blocks are refused where they must be",
        blocks::refusals,
    );
    harness.test(SUITE, "mapping names what it does not find", lookups);
    harness.test(SUITE, "page tables and CNodes can be read", views::shown);
    harness.test(
        SUITE,
        "views are refused where they must be",
        views::refusals,
    );
    harness.test(SUITE, "a view goes with what it shows", views::dies);
    harness.test(SUITE, "write-view", || views::write_view(world));
    harness.test(SUITE, "flags, by table and by mapping", flags::changed);
    harness.test(
        SUITE,
        "flags are refused where they must be",
        flags::refusals,
    );
    harness.test(SUITE, "destroying a mapping", flags::destroy);
    harness.test(SUITE, "revoking a part of a frame", flags::part_revoked);
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
