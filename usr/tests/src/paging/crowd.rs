//! Eight threads that fault, map, protect and unmap at once, each in mappings of its own and in shared ones.

use super::{SUITE, balanced, plus, read, write};
use crate::harness::{Harness, Outcome, equal, that};
use alloc::vec::Vec;
use aos::kpi::addr::VirtAddr;
use aos::kpi::layout::{BASE_PAGE_SIZE as PAGE, LARGE_PAGE_SIZE as LARGE};
use aos::kpi::rights::PageFlags;
use aos::paging::{
    Part, paging_alloc_lazy, paging_alloc_lazy_large, paging_discard, paging_map_copy_on_write,
    paging_map_frame_attr, paging_map_part, paging_protect, paging_unmap, paging_unmap_part,
};
use aos::ram::{frame_alloc, mm_free};
use aos::{Error, thread};
use random::Random;

const RW: PageFlags = PageFlags::READ_WRITE;
/// Pages of what they share.
const SHARED: u64 = 48;

pub(super) fn run(harness: &mut Harness) {
    harness.test(SUITE, "eight threads fault and map at once", || {
        balanced(crowd)
    });
}

fn unmap(address: VirtAddr) -> Result<(), Error> {
    // SAFETY: the thread mapped it, and keeps no references.
    unsafe { paging_unmap(address) }
}

/// What all threads use: a lazy region, a copy of a frame; each has a word of its own in each page.
#[derive(Clone, Copy)]
struct All {
    lazy: VirtAddr,
    copy: VirtAddr,
    frame: aos::cap::CapRef,
}

/// Rounds of one thread. Answers whether all was as it should be.
fn rounds(number: u64, all: All) -> Result<bool, Error> {
    let mut random = Random::new(0x8_7001 + 977 * number);
    let mut counts = [[0u64; SHARED as usize]; 2];
    for _ in 0..120 {
        let page = random.below(SHARED);
        let shared = [all.lazy, all.copy];
        for (base, counts) in shared.iter().zip(&mut counts) {
            let place = plus(*base, page * PAGE + 64 + 8 * number);
            let Some(count) = counts.get_mut(page as usize) else {
                return Ok(false);
            };
            if read(place) != *count {
                return Ok(false);
            }
            *count += 1;
            write(place, *count);
        }
        let is_well = match random.below(6) {
            0 => own_lazy(&mut random)?,
            1 => own_frame(&mut random)?,
            2 => {
                let part = Part {
                    offset: page * PAGE,
                    ..Part::first((SHARED - page) * PAGE, PageFlags::READ)
                };
                let view = paging_map_part(all.frame, &part)?;
                // The frame itself is never written.
                let is_well = read(plus(view, 64 + 8 * number)) == 0;
                unmap(view)?;
                is_well
            }
            3 => own_copy(all.frame, &mut random)?,
            4 => own_block(&mut random)?,
            _ => true,
        };
        if !is_well {
            return Ok(false);
        }
        if random.below(4) == 0 {
            thread::yield_now();
        }
    }
    Ok(true)
}

fn own_lazy(random: &mut Random) -> Result<bool, Error> {
    let pages = 1 + random.below(40);
    let lazy = paging_alloc_lazy(pages * PAGE, RW)?;
    for page in 0..pages {
        write(plus(lazy, page * PAGE), page + 1);
    }
    let gone = random.below(pages);
    // SAFETY: no references.
    unsafe { paging_discard(plus(lazy, gone * PAGE), PAGE) }?;
    let is_well = (0..pages).all(|page| {
        let expected = if page == gone { 0 } else { page + 1 };
        read(plus(lazy, page * PAGE)) == expected
    });
    unmap(lazy)?;
    Ok(is_well)
}

fn own_frame(random: &mut Random) -> Result<bool, Error> {
    let pages = 3 + random.below(30);
    let frame = frame_alloc(pages * PAGE)?;
    let view = paging_map_frame_attr(frame, pages * PAGE, RW)?;
    let page = 1 + random.below(pages - 2);
    write(plus(view, page * PAGE), 5);
    paging_protect(plus(view, page * PAGE), PAGE, PageFlags::READ)?;
    let is_well = read(plus(view, page * PAGE)) == 5;
    // SAFETY: no references.
    unsafe {
        paging_unmap_part(plus(view, page * PAGE), PAGE)?;
        paging_unmap_part(view, page * PAGE)?;
        paging_unmap_part(plus(view, (page + 1) * PAGE), (pages - page - 1) * PAGE)?;
    }
    mm_free(frame)?;
    Ok(is_well)
}

fn own_copy(frame: aos::cap::CapRef, random: &mut Random) -> Result<bool, Error> {
    let copy = paging_map_copy_on_write(frame, 0, SHARED * PAGE)?;
    let page = random.below(SHARED);
    write(plus(copy, page * PAGE), 1);
    let is_well = read(plus(copy, page * PAGE)) == 1 && read(plus(copy, page * PAGE + 8)) == 0;
    unmap(copy)?;
    Ok(is_well)
}

fn own_block(random: &mut Random) -> Result<bool, Error> {
    let lazy = paging_alloc_lazy_large(LARGE, RW)?;
    let place = plus(lazy, random.below(512) * PAGE);
    write(place, 9);
    let is_well = read(place) == 9;
    unmap(lazy)?;
    Ok(is_well)
}

fn crowd() -> Outcome {
    let frame = frame_alloc(SHARED * PAGE)?;
    let all = All {
        lazy: paging_alloc_lazy(SHARED * PAGE, RW)?,
        copy: paging_map_copy_on_write(frame, 0, SHARED * PAGE)?,
        frame,
    };
    let threads: Result<Vec<_>, Error> = (0..8)
        .map(|number| thread::spawn("one of eight", move || rounds(number, all)))
        .collect();
    for thread in threads? {
        equal(thread.join()??, true)?;
    }
    unmap(all.lazy)?;
    unmap(all.copy)?;
    mm_free(frame)?;
    thread::trim();
    that(thread::count() == 1, "all have ended")
}
