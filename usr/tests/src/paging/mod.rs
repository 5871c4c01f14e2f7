//! Mapping and unmapping, and the faults that follow from them. The faults that end a domain are taken by children.
//!
//! | Module | What |
//! |---|---|
//! | here | whole frames, shared memory |
//! | [`parts`] | parts of frames, page sizes, flags, unmapping of parts |
//! | [`copy`] | copy-on-write, boot modules |
//! | [`large`] | lazy memory by 2 MiB |
//! | [`pagers`], [`squeeze`], [`count`] | user pagers |
//! | [`disabled`] | what runs disabled touches no lazy memory |
//! | [`crowd`] | threads that fault, map and unmap at once |

mod copy;
mod count;
mod crowd;
mod disabled;
mod large;
mod pagers;
mod parts;
mod squeeze;

use crate::harness::{Failure, Harness, Outcome, equal, refused, that};
use crate::world::World;
use alloc::vec::Vec;
use aos::cap::{cap_copy, cap_revoke};
use aos::error::ErrorCode;
use aos::initproto::Message;
use aos::kpi::addr::VirtAddr;
use aos::kpi::layout::{BASE_PAGE_SIZE, LARGE_PAGE_SIZE};
use aos::kpi::rights::PageFlags;
use aos::paging::{
    MappedFrame, OWN_START, paging_lookup, paging_map_fixed_attr, paging_map_frame_attr,
    paging_unmap,
};
use aos::ram::{frame_alloc, mm_free, mm_usage};
use aos::slot::{slot_alloc, slot_free, slot_usage};
use aos::{Error, heap};

const SUITE: &str = "paging";

/// Runs the suite.
pub fn run(harness: &mut Harness, world: &World) {
    harness.test(SUITE, "what is written is read", write_and_read);
    harness.test(SUITE, "one frame mapped twice", aliases);
    harness.test(SUITE, "what was revoked can be unmapped", || {
        balanced(revoked)
    });
    harness.test(SUITE, "a mapping over several tables", across_tables);
    harness.test(SUITE, "mapping is refused where it must be", refusals);
    harness.test(SUITE, "mapping again and again", many_times);
    for (part, kind) in [
        ("touch-unmapped", "read"),
        ("write-readonly", "write"),
        ("execute-data", "execute"),
    ] {
        harness.test(SUITE, part, || fault(world, part, kind));
    }
    harness.test(SUITE, "a child writes, the parent reads", || shared(world));
    parts::run(harness);
    copy::run(harness, world);
    large::run(harness, world);
    pagers::run(harness, world);
    disabled::run(harness);
    crowd::run(harness);
}

/// Parts of children.
pub fn play(part: &str) -> Result<(), Error> {
    aos::ram::add_system_memory()?;
    match part {
        "paging-copy-full" => copy::full(),
        "paging-fallback" => large::fallback_part(),
        "paging-refused" => pagers::refused_part(),
        "paging-itself" => pagers::itself_part(),
        _ => parts::reserved_part(),
    }
}

/// Free memory and free slots.
fn free() -> (u64, u32) {
    heap::trim();
    (mm_usage().free, slot_usage().1)
}

/// Does a work again and again, until as much memory and as many slots are free behind it as before it: books, heap and page tables grow, but not
/// each time.
fn balanced(work: impl Fn() -> Outcome) -> Outcome {
    let mut before = free();
    for _ in 0..4 {
        work()?;
        let behind = free();
        if behind == before {
            return Ok(());
        }
        before = behind;
    }
    work()?;
    equal(free(), before)
}

/// Reads a word.
fn read(address: VirtAddr) -> u64 {
    let place: *const u64 = core::ptr::with_exposed_provenance(address.0 as usize);
    // SAFETY: the tests map what they read; volatile, since it is written by other ways.
    unsafe { place.read_volatile() }
}

/// Writes a word.
fn write(address: VirtAddr, value: u64) {
    let place: *mut u64 = core::ptr::with_exposed_provenance_mut(address.0 as usize);
    // SAFETY: the tests map what they write, and nothing else is there.
    unsafe { place.write_volatile(value) };
}

const fn plus(address: VirtAddr, bytes: u64) -> VirtAddr {
    VirtAddr(address.0 + bytes)
}

fn write_and_read() -> Outcome {
    let cap = frame_alloc(2 * BASE_PAGE_SIZE)?;
    let mut frame = MappedFrame::new(cap, PageFlags::READ_WRITE)?;
    const BYTES: usize = 2 * BASE_PAGE_SIZE as usize;
    let pattern: Vec<u8> = (0..BYTES).map(|index| index as u8).collect();
    // In pieces at odd places, so that bytes and words are copied.
    for (index, piece) in pattern.chunks(1001).enumerate() {
        that(frame.view_mut().write(1001 * index, piece), "it is inside")?;
    }
    let mut seen = alloc::vec![0; BYTES];
    that(frame.view().read(0, &mut seen), "all is there")?;
    that(seen == pattern, "as it was written")?;
    that(frame.view_mut().write(0, &pattern), "all of it")?;
    that(
        frame.view().read(3, seen.get_mut(3..).unwrap_or_default()),
        "from a byte on",
    )?;
    that(seen == pattern, "as it was written")?;
    frame.view_mut().fill(0x5a);
    that(!frame.view_mut().write(BYTES - 1, &[0, 0]), "over its end")?;
    that(!frame.view().read(BYTES - 1, &mut [0, 0]), "over its end")?;
    that(frame.view().read(0, &mut seen), "all is there")?;
    that(seen.iter().all(|byte| *byte == 0x5a), "filled")?;
    frame.unmap()?;
    mm_free(cap)?;
    Ok(())
}

fn aliases() -> Outcome {
    let cap = frame_alloc(BASE_PAGE_SIZE)?;
    let one = MappedFrame::new(cap, PageFlags::READ_WRITE)?;
    let two = MappedFrame::new(cap, PageFlags::READ)?;
    one.view().store(16, 0x1234);
    equal(two.view().load(16), Some(0x1234))?;
    one.unmap()?;
    equal(two.view().load(16), Some(0x1234))?;
    two.unmap()?;
    mm_free(cap)?;
    Ok(())
}

fn revoked() -> Outcome {
    let cap = frame_alloc(2 * BASE_PAGE_SIZE)?;
    let copy = slot_alloc()?;
    cap_copy(copy, cap)?;
    let mapped = MappedFrame::new(copy, PageFlags::READ_WRITE)?;
    cap_revoke(cap)?;
    let address = mapped.view().address();
    mapped.unmap()?;
    equal(paging_lookup(address), None)?;
    slot_free(copy)?;
    mm_free(cap)?;
    Ok(())
}

fn across_tables() -> Outcome {
    // The last page of one L3 table and the first two of the next.
    let address = VirtAddr(OWN_START.0 + (8 << 30) + LARGE_PAGE_SIZE - BASE_PAGE_SIZE);
    let cap = frame_alloc(3 * BASE_PAGE_SIZE)?;
    paging_map_fixed_attr(address, cap, 3 * BASE_PAGE_SIZE, PageFlags::READ_WRITE)?;
    let other = MappedFrame::new(cap, PageFlags::READ_WRITE)?;
    other.view().store(2 * BASE_PAGE_SIZE as usize, 77);
    let far: *const u64 =
        core::ptr::with_exposed_provenance((address.0 + 2 * BASE_PAGE_SIZE) as usize);
    // SAFETY: mapped above; written through the other mapping, so the read is volatile.
    equal(unsafe { far.read_volatile() }, 77)?;
    // SAFETY: nothing refers to it any more.
    unsafe { paging_unmap(address) }?;
    other.unmap()?;
    mm_free(cap)?;
    Ok(())
}

fn refusals() -> Outcome {
    let cap = frame_alloc(BASE_PAGE_SIZE)?;
    let flags = PageFlags::READ_WRITE;
    let page = BASE_PAGE_SIZE;
    let high = VirtAddr(OWN_START.0 + (9 << 30));
    refused(
        paging_map_fixed_attr(VirtAddr(0x40_0000), cap, page, flags),
        ErrorCode::LibPmapAddrNotFree,
    )?;
    refused(
        paging_map_fixed_attr(VirtAddr(high.0 + 1), cap, page, flags),
        ErrorCode::LibVregionBadAlignment,
    )?;
    // The kernel bounds the mapping by the frame.
    refused(
        paging_map_fixed_attr(high, cap, 2 * page, flags),
        ErrorCode::SysVmMapSize,
    )?;
    // What failed left nothing behind.
    paging_map_fixed_attr(high, cap, page, flags)?;
    refused(
        paging_map_fixed_attr(high, cap, page, flags),
        ErrorCode::LibPmapAddrNotFree,
    )?;
    // SAFETY: nothing refers to it.
    unsafe { paging_unmap(high) }?;
    // SAFETY: nothing is mapped there.
    refused(unsafe { paging_unmap(high) }, ErrorCode::LibPmapNotMapped)?;
    mm_free(cap)?;
    Ok(())
}

fn many_times() -> Outcome {
    let cap = frame_alloc(BASE_PAGE_SIZE)?;
    for _ in 0..1000 {
        let address = paging_map_frame_attr(cap, BASE_PAGE_SIZE, PageFlags::READ)?;
        // SAFETY: nothing refers to it.
        unsafe { paging_unmap(address) }?;
    }
    mm_free(cap)?;
    Ok(())
}

fn fault(world: &World, part: &str, kind: &'static str) -> Outcome {
    let cap = frame_alloc(BASE_PAGE_SIZE)?;
    let child = world.child(part, Some(cap))?;
    child.domain.start()?;
    let message = child.wait();
    child.domain.destroy()?;
    match message {
        Some(Message::Fault(fault)) => equal(fault.name(), kind),
        other => Err(Failure::new(kind, alloc::format!("{other:?}"))),
    }
}

fn shared(world: &World) -> Outcome {
    let cap = frame_alloc(4 * BASE_PAGE_SIZE)?;
    let child = world.child("pattern", Some(cap))?;
    child.domain.start()?;
    let message = child.wait();
    equal(
        message,
        Some(Message::Exit {
            status: crate::parts::DONE,
        }),
    )?;
    let frame = MappedFrame::new(cap, PageFlags::READ)?;
    equal(frame.view().load(0), Some(0x5555))?;
    equal(frame.view().load(16376), Some(16376 ^ 0x5555))?;
    frame.unmap()?;
    child.domain.destroy()?;
    Ok(())
}
