//! Lazy memory that comes 2 MiB at a time.

use super::{SUITE, balanced, plus, read, write};
use crate::harness::{Harness, Outcome, at_most, equal, refused, that};
use crate::world::World;
use aos::Error;
use aos::error::ErrorCode;
use aos::initproto::Message;
use aos::kpi::addr::VirtAddr;
use aos::kpi::layout::{BASE_PAGE_SIZE as PAGE, LARGE_PAGE_SIZE as LARGE};
use aos::kpi::rights::PageFlags;
use aos::paging::{
    Kind, PageSize, paging_alloc_lazy, paging_alloc_lazy_large, paging_discard, paging_lookup,
    paging_protect, paging_rest, paging_resting, paging_unmap, paging_unmap_part,
};
use aos::ram::{frame_alloc, mm_free, mm_usage};
use aos::thread;
use core::sync::atomic::{AtomicBool, Ordering};

const RW: PageFlags = PageFlags::READ_WRITE;

pub(super) fn run(harness: &mut Harness, world: &World) {
    let mut test = |name, work: fn() -> Outcome| harness.test(SUITE, name, work);
    test("lazy memory by 2 MiB", || balanced(blocks));
    test("parts of 2 MiB that came as a whole", || balanced(parts));
    test("pages rest until they are used", resting);
    test(
        "pages come to rest while they are unmapped",
        resting_meanwhile,
    );
    harness.test(SUITE, "pages where no 2 MiB are to be had", || {
        fallback(world)
    });
}

fn size_at(address: VirtAddr) -> Option<PageSize> {
    Some(paging_lookup(address)?.page?.size)
}

fn unmap(address: VirtAddr) -> Result<(), Error> {
    // SAFETY: the tests keep no references to what they map.
    unsafe { paging_unmap(address) }
}

fn discard(address: VirtAddr, bytes: u64) -> Result<u64, Error> {
    // SAFETY: as above.
    unsafe { paging_discard(address, bytes) }
}

fn blocks() -> Outcome {
    let before = mm_usage().free;
    let lazy = paging_alloc_lazy_large(64 * LARGE + 3 * PAGE, RW)?;
    let kind = paging_lookup(lazy).map(|found| (found.kind, found.page));
    equal(kind, Some((Kind::LazyLarge, None)))?;
    for block in [5, 0, 63] {
        let address = plus(lazy, block * LARGE + 12345 * 8);
        equal(read(address), 0)?;
        equal(size_at(address), Some(PageSize::Large))?;
        write(plus(lazy, block * LARGE), block);
        write(plus(lazy, (block + 1) * LARGE - 8), block);
    }
    // The end is no block.
    let end = plus(lazy, 64 * LARGE + 2 * PAGE);
    write(end, 1);
    equal(size_at(end), Some(PageSize::Base))?;
    let used = before - mm_usage().free;
    at_most(used, 3 * LARGE + 32 * PAGE, "three blocks and some pages")?;
    // One comes back, and is zero again.
    equal(discard(plus(lazy, 5 * LARGE), LARGE)?, LARGE)?;
    equal(read(plus(lazy, 5 * LARGE)), 0)?;
    equal(read(plus(lazy, 64 * LARGE - 8)), 63)?;
    unmap(lazy).map_err(Into::into)
}

fn parts() -> Outcome {
    let lazy = paging_alloc_lazy_large(4 * LARGE, RW)?;
    let at = |page| plus(lazy, page * PAGE);
    for page in 0..1536 {
        write(at(page), page);
    }
    equal(discard(at(10), 2 * PAGE)?, 2 * PAGE)?;
    equal((read(at(9)), read(at(12))), (9, 12))?;
    // A page of its own takes the place.
    equal(read(at(10)), 0)?;
    write(at(10), 1);
    equal(size_at(at(10)), Some(PageSize::Base))?;
    paging_protect(at(600), PAGE, PageFlags::READ)?;
    equal(super::parts::faults_in(|| write(at(600), 0)), 1)?;
    equal((read(at(600)), read(at(1023))), (600, 1023))?;
    // All but one page of the first block, then that.
    let before = mm_usage().free;
    discard(lazy, 100 * PAGE)?;
    discard(at(101), 411 * PAGE)?;
    that(mm_usage().free - before < LARGE, "the block stays")?;
    equal(read(at(100)), 100)?;
    discard(at(100), PAGE)?;
    that(mm_usage().free - before >= LARGE, "the block goes")?;
    // SAFETY: nothing refers to it.
    unsafe { paging_unmap_part(at(1024), 256 * PAGE) }?;
    equal(read(at(1280)), 1280)?;
    unmap(at(1280))?;
    unmap(lazy).map_err(Into::into)
}

/// A child that has less than 2 MiB.
pub(super) fn fallback_part() -> Result<(), Error> {
    let lazy = paging_alloc_lazy_large(2 * LARGE, RW)?;
    write(lazy, 7);
    write(plus(lazy, LARGE - 8), 8);
    let seen = (size_at(lazy), read(lazy), read(plus(lazy, LARGE - 8)));
    unmap(lazy)?;
    match seen {
        (Some(PageSize::Base), 7, 8) => Ok(()),
        _ => Err(Error::new(ErrorCode::LibPmapDoMap)),
    }
}

fn fallback(world: &World) -> Outcome {
    let cap = frame_alloc(PAGE)?;
    let child = world.child("paging-fallback", Some(cap))?;
    child.domain.start()?;
    let message = child.wait();
    child.domain.destroy()?;
    mm_free(cap)?;
    let status = crate::parts::DONE;
    equal(message, Some(Message::Exit { status }))
}

/// Pages come to rest while their region is being unmapped: who gets the addresses next finds zeroes there.
fn resting_meanwhile() -> Outcome {
    const PAGES: u64 = 200;
    static STOP: AtomicBool = AtomicBool::new(false);
    STOP.store(false, Ordering::Relaxed);
    let resting = thread::spawn("resting", || {
        let mut rested = Ok(0);
        while !STOP.load(Ordering::Relaxed) {
            rested = rested.and(paging_rest());
            thread::yield_now();
        }
        rested
    })?;
    let rounds = || -> Outcome {
        for _ in 0..60 {
            let lazy = paging_alloc_lazy(PAGES * PAGE, RW)?;
            for page in 0..PAGES {
                equal(read(plus(lazy, page * PAGE)), 0)?;
                write(plus(lazy, page * PAGE), page + 1);
            }
            unmap(lazy)?;
        }
        Ok(())
    };
    let done = rounds();
    STOP.store(true, Ordering::Relaxed);
    resting.join()??;
    done
}

fn resting() -> Outcome {
    let lazy = paging_alloc_lazy_large(2 * LARGE + 8 * PAGE, RW)?;
    let at = |page| plus(lazy, page * PAGE);
    for page in (0..1032).step_by(3) {
        write(at(page), page);
    }
    paging_protect(at(1030), PAGE, PageFlags::READ)?;
    discard(at(6), PAGE)?;
    let rested = paging_rest()?;
    that(rested >= 2 * LARGE, "all of it")?;
    equal(size_at(at(600)), None)?;
    equal(
        (read(at(600)), size_at(at(600))),
        (600, Some(PageSize::Large)),
    )?;
    equal((read(at(1029)), read(at(1030)), read(at(6))), (1029, 0, 0))?;
    that(paging_resting() < rested - LARGE, "some came back")?;
    // What rests goes with the region, or when it is discarded.
    paging_rest()?;
    equal((read(at(3)), read(at(9))), (3, 9))?;
    discard(at(512), 512 * PAGE)?;
    equal(read(at(513)), 0)?;
    paging_rest()?;
    unmap(lazy)?;
    // All else wakes up, when the heap is used.
    let again = paging_alloc_lazy_large(2 * LARGE, RW)?;
    equal(read(again), 0)?;
    unmap(again)?;
    refused(discard(lazy, PAGE), ErrorCode::LibPmapNotMapped)
}
