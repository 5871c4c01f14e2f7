//! What pages permit, and what happens when they do not: protecting, and the primitives of Appel and Li.
//!
//! *Virtual memory primitives for user programs* (1991) names them, Cichlid measured them too: `prot1` takes accesses to a page away, `protN` to a
//! hundred, `unprot` permits them again, `trap` is an access that is not permitted, its handler in the program, and the way back. The access
//! taken away is writing. The page that a row is about lies amid a hundred others, and each of them has been protected before: its region is in parts
//! of one page then, as those of a garbage collector or a checkpointer are.

use crate::meter::{Meter, each, one};
use aos::kpi::addr::VirtAddr;
use aos::kpi::layout::{BASE_PAGE_SIZE as PAGE, LARGE_PAGE_SIZE as BLOCK};
use aos::kpi::rights::PageFlags;
use aos::paging::{paging_map_frame_attr, paging_protect, paging_unmap};
use aos::ram::{frame_alloc, mm_free};
use aos::thread::exception::{Exception, Kind, Outcome, set_handler};
use aos::{Error, time};
use core::cell::Cell;
use core::sync::atomic::{AtomicU64, Ordering};

/// Pages of Appel and Li.
const PAGES: u64 = 100;

/// Runs all of them.
///
/// # Errors
/// The first that an operation returns.
pub fn run(meter: &mut Meter) -> Result<(), Error> {
    for count in [1, 16, 512, 32_768] {
        protect(meter, count, PAGE)?;
    }
    for count in [1, 16] {
        protect(meter, count, BLOCK)?;
    }
    primitives(meter)
}

/// All pages of a region by one call.
fn protect(meter: &mut Meter, count: u64, size: u64) -> Result<(), Error> {
    let bytes = count * size;
    let frame = frame_alloc(bytes)?;
    // A frame of so many pages may be mapped by blocks otherwise.
    let base = match size {
        PAGE => small(frame, bytes)?,
        _ => paging_map_frame_attr(frame, bytes, PageFlags::READ_WRITE)?,
    };
    let name = crate::mem::alloc_name(
        "protect",
        count,
        if size == PAGE { "4 KiB" } else { "2 MiB" },
    );
    meter.measure(
        each(
            name,
            count,
            if count == 1 && size == PAGE { 350 } else { 0 },
        ),
        || paging_protect(base, bytes, PageFlags::READ),
        || paging_protect(base, bytes, PageFlags::READ_WRITE),
    )?;
    // SAFETY: nobody uses it.
    unsafe { paging_unmap(base) }?;
    mm_free(frame)
}

/// By pages of 4 KiB only.
fn small(frame: aos::cap::CapRef, bytes: u64) -> Result<VirtAddr, Error> {
    let part = aos::paging::Part {
        offset: 0,
        bytes,
        flags: PageFlags::READ_WRITE,
        pages: aos::paging::Choice::Exactly(aos::paging::PageSize::Base),
    };
    aos::paging::paging_map_part(frame, &part)
}

/// The page that the handler makes accessible, and the one that it protects (0: none).
static PROTECTS: AtomicU64 = AtomicU64::new(0);

fn skips(exception: &mut Exception<'_>) -> Outcome {
    // SAFETY: set only while single words are written whose value nobody reads.
    unsafe { exception.skip() };
    Outcome::Resume
}

fn unprotects(exception: &mut Exception<'_>) -> Outcome {
    let Kind::PageFault { address, .. } = exception.kind() else {
        return Outcome::Unhandled;
    };
    let other = PROTECTS.load(Ordering::Relaxed);
    let page = address - address % PAGE;
    let protected = match other {
        0 => Ok(()),
        other => paging_protect(VirtAddr(other), PAGE, PageFlags::READ),
    };
    match protected.and_then(|()| paging_protect(VirtAddr(page), PAGE, PageFlags::READ_WRITE)) {
        Ok(()) => Outcome::Resume,
        Err(_) => Outcome::Unhandled,
    }
}

fn write(page: VirtAddr) {
    let place: *mut u64 = core::ptr::with_exposed_provenance_mut(page.0 as usize);
    // SAFETY: the frame that is mapped there, to which there are no references.
    unsafe { place.write_volatile(1) };
}

fn primitives(meter: &mut Meter) -> Result<(), Error> {
    let bytes = PAGES * PAGE;
    let frame = frame_alloc(bytes)?;
    let base = small(frame, bytes)?;
    let page = |number: u64| VirtAddr(base.0 + number % PAGES * PAGE);
    let close = |page| paging_protect(page, PAGE, PageFlags::READ);
    let open = |page| paging_protect(page, PAGE, PageFlags::READ_WRITE);
    for number in 0..PAGES {
        close(page(number))?;
        open(page(number))?;
    }
    // In an order without a pattern: 37 has no divisor in common with 100.
    let next = Cell::new(0);
    let current = || page(next.get() * 37);
    let forward = || next.set(next.get() + 1);
    meter.measure(
        one("prot1: protect a page", 350),
        || close(current()),
        || {
            open(current())?;
            forward();
            Ok(())
        },
    )?;
    meter.measure_by(one("unprot: permit a page again", 350), || {
        close(current())?;
        let before = time::cycles();
        open(current())?;
        let took = time::cycles().wrapping_sub(before);
        forward();
        Ok(took)
    })?;
    meter.measure(
        each("protN: 100 pages by one call, each", PAGES, 0),
        || paging_protect(base, bytes, PageFlags::READ),
        || (0..PAGES).try_for_each(|number| open(page(number))),
    )?;
    meter.measure(
        each("protN: 100 pages by as many calls, each", PAGES, 350),
        || (0..PAGES).try_for_each(|number| close(page(number * 37))),
        || (0..PAGES).try_for_each(|number| open(page(number))),
    )?;
    paging_protect(base, bytes, PageFlags::READ)?;
    set_handler(Some(skips));
    meter.measure(
        one("trap: fault in the own space to handler and back", 450),
        || {
            write(current());
            Ok(())
        },
        || {
            forward();
            Ok(())
        },
    )?;
    set_handler(Some(unprotects));
    PROTECTS.store(0, Ordering::Relaxed);
    meter.measure(
        one("trap + unprot", 0),
        || {
            write(current());
            Ok(())
        },
        || {
            close(current())?;
            forward();
            Ok(())
        },
    )?;
    // All are protected but one, which the handler protects when the next is written.
    open(page(next.get() * 37))?;
    forward();
    meter.measure_by(one("prot1 + trap + unprot", 0), || {
        let open = page((next.get() + PAGES - 1) * 37);
        PROTECTS.store(open.0, Ordering::Relaxed);
        let before = time::cycles();
        write(current());
        let took = time::cycles().wrapping_sub(before);
        forward();
        Ok(took)
    })?;
    PROTECTS.store(0, Ordering::Relaxed);
    meter.measure(
        each("protN + trap + unprot, each of 100", PAGES, 0),
        || {
            paging_protect(base, bytes, PageFlags::READ)?;
            (0..PAGES).for_each(|number| write(page(number * 37)));
            Ok(())
        },
        || Ok(()),
    )?;
    set_handler(None);
    // SAFETY: nobody uses it.
    unsafe { paging_unmap(base) }?;
    mm_free(frame)
}
