//! A user pager that counts accesses, and the primitives of Appel and Li.

use super::{plus, read, write};
use crate::harness::{Outcome, equal, that};
use aos::kpi::layout::BASE_PAGE_SIZE as PAGE;
use aos::kpi::rights::PageFlags;
use aos::paging::pager::{Answer, Fault, Pager, Pages, paging_map_pager};
use aos::ram::{frame_alloc, mm_free};
use aos_pagers::{Count, Counted};
use core::sync::atomic::{AtomicU32, Ordering};

pub(super) fn test() -> Outcome {
    const PAGES: u64 = 16;
    let region = paging_map_pager(Counted::new(PAGES as usize, 1)?, PAGES * PAGE)?;
    let mut random = random::Random::new(0xacce55);
    let mut expected = [Count::default(); PAGES as usize];
    let mut last = (PAGES, false);
    for _ in 0..500 {
        let (page, is_write) = (random.below(PAGES), random.below(3) == 0);
        let address = plus(region.address(), page * PAGE + 8 * random.below(PAGE / 8));
        match is_write {
            true => write(address, page),
            false => _ = read(address),
        }
        let count = expected.get_mut(page as usize);
        if let Some(count) = count.filter(|_| last.0 != page || is_write && !last.1) {
            match is_write {
                true => count.writes += 1,
                false => count.reads += 1,
            }
            last = (page, is_write);
        }
    }
    that(
        region.with(|pager, _| pager.counts() == expected),
        "what was done",
    )?;
    // Closed, all are counted again.
    region.with(Counted::close_all)?;
    read(plus(region.address(), last.0 * PAGE));
    let counted = |pager: &mut Counted, _: &mut Pages| {
        let count = pager.counts().get(last.0 as usize);
        count.map(|count| count.reads)
    };
    let before = expected.get(last.0 as usize).map(|count| count.reads + 1);
    equal(region.with(counted), before)?;
    // SAFETY: no references.
    unsafe { region.unmap() }?.free()?;
    Ok(())
}

static TRAPS: AtomicU32 = AtomicU32::new(0);

/// Makes the page of a fault writeable.
struct Unprotects;

impl Pager for Unprotects {
    fn fault(&mut self, pages: &mut Pages, fault: &Fault) -> Answer {
        TRAPS.fetch_add(1, Ordering::Relaxed);
        match pages.protect(fault.page, PAGE, PageFlags::READ_WRITE) {
            Ok(()) => Answer::Done,
            Err(_) => Answer::Refuse,
        }
    }
}

/// A hundred pages are protected by one call, and unprotected by one trap each.
pub(super) fn traps() -> Outcome {
    const PAGES: u64 = 100;
    let frame = frame_alloc(PAGES * PAGE)?;
    let region = paging_map_pager(Unprotects, PAGES * PAGE)?;
    region.with(|_, pages| pages.map(0, PAGES * PAGE, frame, 0, PageFlags::READ_WRITE))?;
    TRAPS.store(0, Ordering::Relaxed);
    for round in 0..3u64 {
        region.with(|_, pages| pages.protect(0, PAGES * PAGE, PageFlags::READ))?;
        for page in 0..PAGES {
            let address = plus(region.address(), (page * 37 % PAGES) * PAGE);
            read(address);
            write(address, round);
            write(plus(address, 8), round);
        }
        equal(
            u64::from(TRAPS.load(Ordering::Relaxed)),
            PAGES * (round + 1),
        )?;
    }
    // SAFETY: no references.
    unsafe { region.unmap() }?;
    mm_free(frame)?;
    Ok(())
}
