//! Copy-on-write, and boot modules as slices.

use super::{SUITE, balanced, plus, read, write};
use crate::harness::{Failure, Harness, Outcome, at_most, equal, refused, that};
use crate::world::World;
use aos::Error;
use aos::boot::Boot;
use aos::error::ErrorCode;
use aos::initproto::Message;
use aos::kpi::addr::VirtAddr;
use aos::kpi::layout::{BASE_PAGE_SIZE as PAGE, LARGE_PAGE_SIZE as LARGE};
use aos::kpi::rights::PageFlags;
use aos::paging::{
    Kind, MappedFrame, PageSize, paging_lookup, paging_map_copy_on_write, paging_map_frame_attr,
    paging_protect, paging_unmap, paging_unmap_part,
};
use aos::ram::{frame_alloc, mm_free, mm_usage};
use aos::thread;

pub(super) fn run(harness: &mut Harness, world: &World) {
    let mut test = |name, work: fn() -> Outcome| harness.test(SUITE, name, work);
    test("a page is copied when it is written", || balanced(copied));
    test("copies of 2 MiB pages", || balanced(large));
    test("copy-on-write pages change their flags", || balanced(flags));
    test("readers see old or new contents", || balanced(readers));
    test("a boot module as a slice", || balanced(modules));
    harness.test(SUITE, "a copy for which there is no memory", || {
        no_memory(world)
    });
}

fn unmap(address: VirtAddr) -> Result<(), Error> {
    // SAFETY: the tests keep no references to what they map.
    unsafe { paging_unmap(address) }
}

fn copied() -> Outcome {
    let frame = frame_alloc(16 * PAGE)?;
    let original = paging_map_frame_attr(frame, 16 * PAGE, PageFlags::READ_WRITE)?;
    for page in 0..16 {
        write(plus(original, page * PAGE), page);
        write(plus(original, page * PAGE + PAGE - 8), !page);
    }
    let one = paging_map_copy_on_write(frame, 0, 16 * PAGE)?;
    let two = paging_map_copy_on_write(frame, 4 * PAGE, 8 * PAGE)?;
    let before = mm_usage().free;
    for page in [3, 4, 15, 0, 5] {
        equal(read(plus(one, page * PAGE)), page)?;
        write(plus(one, page * PAGE + 16), 77 + page);
        // All else of the page is as it was, and nobody else sees what was written.
        equal(read(plus(one, page * PAGE)), page)?;
        equal(read(plus(one, page * PAGE + PAGE - 8)), !page)?;
        equal(read(plus(one, page * PAGE + 16)), 77 + page)?;
        equal(read(plus(original, page * PAGE + 16)), 0)?;
    }
    equal(read(plus(two, 16)), 0)?;
    write(two, 100);
    equal(
        (
            read(two),
            read(plus(one, 4 * PAGE)),
            read(plus(original, 4 * PAGE)),
        ),
        (100, 4, 4),
    )?;
    // What is not copied yet follows the frame.
    write(plus(original, 7 * PAGE), 700);
    equal(read(plus(one, 7 * PAGE)), 700)?;
    write(plus(original, 3 * PAGE), 300);
    equal(read(plus(one, 3 * PAGE)), 3)?;
    let used = before - mm_usage().free;
    at_most(used, 12 * PAGE, "a page for each copy")?;
    let page = paging_lookup(plus(one, 3 * PAGE)).map(|found| found.kind);
    equal(page, Some(Kind::CopyOnWrite))?;
    // In parts: the first has a copy, the second none.
    // SAFETY: nothing refers to it.
    unsafe { paging_unmap_part(plus(one, 5 * PAGE), 2 * PAGE) }?;
    equal(read(plus(one, 15 * PAGE + 16)), 92)?;
    unmap(one)?;
    unmap(plus(one, 7 * PAGE))?;
    unmap(two)?;
    for page in 0..16 {
        equal(read(plus(original, page * PAGE + PAGE - 8)), !page)?;
    }
    unmap(original)?;
    mm_free(frame)?;
    refused(
        paging_map_copy_on_write(frame, 8, PAGE),
        ErrorCode::LibVregionBadAlignment,
    )
}

fn large() -> Outcome {
    let frame = frame_alloc(4 * LARGE)?;
    let original = paging_map_frame_attr(frame, 4 * LARGE, PageFlags::READ_WRITE)?;
    for page in 0..2048 {
        write(plus(original, page * PAGE), page);
    }
    let copy = paging_map_copy_on_write(frame, 0, 4 * LARGE)?;
    let size_at = |page| Some(paging_lookup(plus(copy, page * PAGE))?.page?.size);
    equal(size_at(600), Some(PageSize::Large))?;
    for page in [600, 0, 2047, 601, 1023, 1024] {
        write(plus(copy, page * PAGE + 8), page);
        equal(size_at(page), Some(PageSize::Base))?;
    }
    for page in 0..2048 {
        equal(read(plus(copy, page * PAGE)), page)?;
        equal(read(plus(original, page * PAGE + 8)), 0)?;
    }
    unmap(copy)?;
    unmap(original)?;
    mm_free(frame)?;
    Ok(())
}

fn flags() -> Outcome {
    let frame = frame_alloc(4 * PAGE)?;
    let copy = paging_map_copy_on_write(frame, 0, 4 * PAGE)?;
    let at = |page| plus(copy, page * PAGE);
    use super::parts::faults_in as faults;
    write(at(0), 1);
    paging_protect(copy, 4 * PAGE, PageFlags::READ)?;
    equal(faults(|| write(at(0), 2)), 1)?;
    equal(faults(|| write(at(1), 2)), 1)?;
    paging_protect(copy, 4 * PAGE, PageFlags::READ_WRITE)?;
    equal(faults(|| write(at(0), 3)), 0)?;
    equal(faults(|| write(at(1), 3)), 0)?;
    equal((read(at(0)), read(at(1)), read(at(2))), (3, 3, 0))?;
    let original = MappedFrame::new(frame, PageFlags::READ)?;
    that(
        (0..4 * PAGE as usize)
            .step_by(8)
            .all(|at| original.view().load(at) == Some(0)),
        "as it was",
    )?;
    original.unmap()?;
    unmap(copy)?;
    mm_free(frame)?;
    Ok(())
}

/// Threads read words of which each page has the same, while others write.
fn readers() -> Outcome {
    const PAGES: u64 = 24;
    let frame = frame_alloc(PAGES * PAGE)?;
    let original = paging_map_frame_attr(frame, PAGES * PAGE, PageFlags::READ_WRITE)?;
    for word in 0..PAGES * PAGE / 8 {
        write(plus(original, word * 8), 5);
    }
    let copy = paging_map_copy_on_write(frame, 0, PAGES * PAGE)?;
    let reading: Result<alloc::vec::Vec<_>, Error> = (0..3u64)
        .map(|number| {
            thread::spawn("reader", move || {
                let mut random = random::Random::new(0x1234 + number);
                (0..1500).all(|round| {
                    if round % 16 == 0 {
                        thread::yield_now();
                    }
                    // A writer changes word 0 only.
                    let word = 1 + random.below(PAGE / 8 - 1);
                    let page = random.below(PAGES);
                    read(plus(copy, page * PAGE + word * 8)) == 5
                })
            })
        })
        .collect();
    let reading = reading?;
    for page in 0..PAGES {
        thread::yield_now();
        write(plus(copy, page * PAGE), 6);
    }
    for reader in reading {
        that(reader.join()?, "what is in the frame")?;
    }
    unmap(copy)?;
    unmap(original)?;
    mm_free(frame)?;
    Ok(())
}

fn modules() -> Outcome {
    let boot = Boot::of_trusted()?;
    // ANCHOR: module
    let file = boot.open("hello")?;
    that(file.starts_with(b"\x7fELF"), "an ELF file")?;
    let mut copy = boot.open_private("hello")?;
    if let Some(word) = copy.get_mut(1..4) {
        word.copy_from_slice(b"elf");
    }
    // ANCHOR_END: module
    that(copy.starts_with(b"\x7felf"), "what was written")?;
    that(file.starts_with(b"\x7fELF"), "as it was")?;
    equal(copy.len(), file.len())?;
    that(copy.get(4..) == file.get(4..), "the same otherwise")?;
    equal(file.len() as u64, boot.module("hello")?.file_bytes())?;
    copy.close()?;
    file.close()?;
    refused(boot.open("no-such").map(|_| ()), ErrorCode::SpawnFindModule)
}

fn no_memory(world: &World) -> Outcome {
    let cap = frame_alloc(PAGE)?;
    let child = world.child("paging-copy-full", Some(cap))?;
    child.domain.start()?;
    let message = child.wait();
    child.domain.destroy()?;
    mm_free(cap)?;
    match message {
        Some(Message::Fault(fault)) => equal(fault.name(), "write"),
        other => Err(Failure::new("a fault", alloc::format!("{other:?}"))),
    }
}

/// A child that has no memory left for a copy.
pub(super) fn full() -> Result<(), Error> {
    let frame = frame_alloc(8 * PAGE)?;
    let copy = paging_map_copy_on_write(frame, 0, 8 * PAGE)?;
    write(copy, 1);
    while frame_alloc(PAGE).is_ok() {}
    // Some pages are at hand.
    loop {
        let more = paging_map_copy_on_write(frame, 0, 8 * PAGE)?;
        for page in 0..8 {
            write(plus(more, page * PAGE), 1);
        }
    }
}
