//! The capability operations, with 10^2, 10^3 and 10^5 live capabilities around them. Targets hold for 10^3; how much more it costs
//! among 10^5 than among 10^2 is for hake to say.

use alloc::vec::Vec;
use aos::cap::vnode::{Entries, mapping_modify, vnode_map, vnode_unmap};
use aos::cap::{
    CNodeRef, CapRef, cap_copy, cap_delete, cap_direct_identify, cap_mint, cap_retype, cap_revoke,
};
use aos::kpi::cap::ObjType;
use aos::kpi::rights::{CapRights, PageFlags};
use aos::kpi::slots::VROOT;
use aos::{Error, ram, syscall};
use core::cell::Cell;

use crate::crowd::Crowd;
use crate::interrupt::Driver;
use crate::meter::{Meter, each, one};

/// How many capabilities there are in each round, beside the system's own.
const CROWDS: [u64; 3] = [100, 1_000, 100_000];
const SLOTS: u64 = 256;
/// An entry of the root table that nobody uses.
const FREE_ROOT_ENTRY: u16 = 300;
const PAGE: u64 = 4096;
/// What a retype zeroes in one entry of the kernel.
const STEP: u64 = 64 << 10;
/// Frames of which each is mapped in turn.
const FRAMES: usize = 16;

/// Runs all of them.
///
/// # Errors
/// The first that an operation returns.
pub fn run(meter: &mut Meter) -> Result<(), Error> {
    meter.suite = "caps";
    let mut driver = Driver::start()?;
    let mut crowd = Crowd::new()?;
    for wanted in CROWDS {
        crowd.grow(wanted)?;
        round(meter, crowd.live)?;
        if let Some(driver) = &mut driver {
            meter.measure_by(one("interrupt to its driver", 335), || driver.sample())?;
        }
    }
    driver.map_or(Ok(()), Driver::stop)
}

fn round(meter: &mut Meter, live: u64) -> Result<(), Error> {
    meter.caps = live;
    let (bench, children) = (ram::cnode_create_l2()?, ram::cnode_create_l2()?);

    meter.measure(one("null system call", 120), syscall::nop, || Ok(()))?;
    objects(meter, bench)?;
    retypes(meter, bench, children)?;
    mappings(meter, bench)
}

fn objects(meter: &mut Meter, bench: CNodeRef) -> Result<(), Error> {
    let frame = ram::frame_alloc(PAGE)?;
    let copy = bench.slot(0);
    meter.measure(
        one("identify", 200),
        || cap_direct_identify(frame).map(|_| ()),
        || Ok(()),
    )?;
    meter.measure(
        one("copy", 450),
        || cap_copy(copy, frame),
        || cap_delete(copy),
    )?;
    let rights = u64::from(CapRights::READ.0);
    meter.measure(
        one("mint", 450),
        || cap_mint(copy, frame, rights, 0),
        || cap_delete(copy),
    )?;
    meter.measure(
        one("copy + delete", 800),
        || cap_copy(copy, frame).and_then(|()| cap_delete(copy)),
        || Ok(()),
    )?;
    cap_copy(copy, frame)?;
    meter.measure(
        one("delete a copy", 400),
        || cap_delete(copy),
        || cap_copy(copy, frame),
    )?;
    cap_delete(copy)
}

fn retypes(meter: &mut Meter, bench: CNodeRef, children: CNodeRef) -> Result<(), Error> {
    let memory = ram::mm_alloc(SLOTS * PAGE)?;
    let made = bench.slot(0);
    let retype = |dest, objtype, count| cap_retype(dest, memory, 0, objtype, PAGE, count);
    let clean = || cap_revoke(memory);
    meter.measure(
        one("retype 4 KiB, not zeroed", 700),
        || retype(made, ObjType::Ram, 1),
        clean,
    )?;
    meter.measure(
        one("retype 4 KiB, zeroed", 1500),
        || retype(made, ObjType::Frame, 1),
        clean,
    )?;
    let first = children.slot(0);
    meter.measure(
        each("retype 16 x 4 KiB, each", 16, 200),
        || retype(first, ObjType::Ram, 16),
        clean,
    )?;
    meter.measure(
        each("retype 16 frames, each", 16, 0),
        || retype(first, ObjType::Frame, 16),
        clean,
    )?;
    retype(made, ObjType::Frame, 1)?;
    let again = || retype(made, ObjType::Frame, 1);
    meter.measure(
        one("delete the last, unmapped", 600),
        || cap_delete(made),
        again,
    )?;
    clean()?;
    meter.measure(
        each("retype 1 MiB, each 64 KiB", SLOTS * PAGE / STEP, 0),
        || cap_retype(made, memory, 0, ObjType::Frame, SLOTS * PAGE, 1),
        clean,
    )?;
    meter.measure(
        one("create an address space", 1500),
        || retype(made, ObjType::VNodeAarch64L0, 1),
        clean,
    )?;
    for (name, count, target) in [
        ("revoke 1 child", 1, 600),
        ("revoke 16 children", 16, 3_000),
        ("revoke 256 children", 256, 45_000),
    ] {
        retype(first, ObjType::Ram, count)?;
        meter.measure(one(name, target), clean, || {
            retype(first, ObjType::Ram, count)
        })?;
        clean()?;
    }
    Ok(())
}

fn mappings(meter: &mut Meter, bench: CNodeRef) -> Result<(), Error> {
    let frame = ram::frame_alloc(512 * PAGE)?;
    let (table, hung) = table_of_own(bench)?;
    let mapping = bench.slot(0);
    let entries = |count| Entries { entry: 0, count };
    let map = |count| {
        let flags = PageFlags::READ_WRITE;
        vnode_map(table, frame, flags, 0, entries(count), mapping)
    };
    let unmap = || vnode_unmap(table, mapping);
    meter.measure(one("map 4 KiB", 400), || map(1), unmap)?;
    map(1)?;
    let modify = |flags: PageFlags| mapping_modify(mapping, 0, 1, flags);
    meter.measure(
        one("change protection of a page", 350),
        || modify(PageFlags::READ),
        || modify(PageFlags::READ_WRITE),
    )?;
    meter.measure(one("unmap 4 KiB", 400), unmap, || map(1))?;
    unmap()?;
    meter.measure(each("map 512 pages, each", 512, 12), || map(512), unmap)?;
    vnode_unmap(own_root(), hung)
}

/// Maps frames of a page in turn, among one another: the kernel's tree has to grow below most of them, as it does once below a frame that is
/// mapped again and again. Behind all other rows, whose places in the tree it would change.
///
/// # Errors
/// The first that an operation returns.
pub fn in_turn(meter: &mut Meter) -> Result<(), Error> {
    meter.suite = "caps";
    let bench = ram::cnode_create_l2()?;
    let (table, hung) = table_of_own(bench)?;
    let mut frames = Vec::new();
    for _ in 0..FRAMES {
        frames.push(ram::frame_alloc(PAGE)?);
    }
    let mut turn = frames.iter().copied().cycle();
    let frame = Cell::new(turn.next());
    let mapping = bench.slot(0);
    let (flags, entries) = (PageFlags::READ_WRITE, Entries { entry: 0, count: 1 });
    let map = |frame| vnode_map(table, frame, flags, 0, entries, mapping);
    meter.measure(
        one("map 4 KiB, 16 frames in turn", 400),
        || frame.get().map_or(Ok(()), map),
        || {
            frame.set(turn.next());
            vnode_unmap(table, mapping)
        },
    )?;
    frames.into_iter().try_for_each(ram::mm_free)?;
    vnode_unmap(own_root(), hung)
}

/// The own root table.
fn own_root() -> CapRef {
    CNodeRef::own(VROOT.l1()).slot(VROOT.l2())
}

/// A table of level 3 in the own address space, so that what was unmapped has to be forgotten; and what to unmap it by.
fn table_of_own(bench: CNodeRef) -> Result<(CapRef, CapRef), Error> {
    let (mut parent, mut entry) = (own_root(), FREE_ROOT_ENTRY);
    for level in 1..4 {
        let table = ram::vnode_create(level)?;
        let one = Entries { entry, count: 1 };
        let mapping = bench.slot(u32::from(level));
        vnode_map(parent, table, PageFlags::READ, 0, one, mapping)?;
        (parent, entry) = (table, 0);
    }
    Ok((parent, bench.slot(1)))
}
