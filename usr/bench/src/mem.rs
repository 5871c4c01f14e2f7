//! Memory: pages that come into being, mapping and protecting through the library's books, RAM by request.

use crate::meter::{Meter, each, one};
use crate::{protect, spawn};
use aos::cap::CapRef;
use aos::kpi::addr::VirtAddr;
use aos::kpi::layout::{BASE_PAGE_SIZE as PAGE, LARGE_PAGE_SIZE as BLOCK};
use aos::kpi::rights::PageFlags;
use aos::paging::{
    paging_alloc_lazy, paging_discard, paging_map_fixed_attr, paging_map_frame_attr, paging_unmap,
};
use aos::ram::{frame_alloc, mm_alloc, mm_free};
use aos::slot::{slot_alloc, slot_free};
use aos::{Error, time};
use core::cell::Cell;

/// Pages that are touched for the average.
const TOUCHED: u64 = 10_000;
/// Numbers of pages that are mapped at a time.
const COUNTS: [u64; 4] = [1, 16, 512, 32_768];

/// Runs all of them.
///
/// # Errors
/// The first that an operation returns.
pub fn run(meter: &mut Meter) -> Result<(), Error> {
    meter.suite = "mem";
    meter.caps = 0;
    objects(meter)?;
    faults(meter)?;
    for count in COUNTS {
        mappings(meter, count, PAGE)?;
    }
    for count in [1, 16] {
        mappings(meter, count, BLOCK)?;
    }
    protect::run(meter)?;
    heap(meter)?;
    spawn::run(meter)
}

fn objects(meter: &mut Meter) -> Result<(), Error> {
    meter.measure(
        one("slot_alloc + slot_free", 0),
        || slot_free(slot_alloc()?),
        || Ok(()),
    )?;
    let made: Cell<Option<CapRef>> = Cell::new(None);
    let free = || made.take().map_or(Ok(()), mm_free);
    meter.measure(
        one("frame_alloc 4 KiB", 0),
        || {
            made.set(Some(frame_alloc(PAGE)?));
            Ok(())
        },
        free,
    )?;
    meter.measure(
        one("frame_alloc + mm_free 4 KiB", 0),
        || mm_free(frame_alloc(PAGE)?),
        || Ok(()),
    )?;
    meter.measure(
        one("mm_alloc + mm_free 64 KiB", 0),
        || mm_free(mm_alloc(16 * PAGE)?),
        || Ok(()),
    )
}

fn touch(address: u64) {
    let place: *mut u64 = core::ptr::with_exposed_provenance_mut(address as usize);
    // SAFETY: the callers' lazy regions, which nothing refers to.
    unsafe { place.write_volatile(address) };
}

fn faults(meter: &mut Meter) -> Result<(), Error> {
    let bytes = TOUCHED * PAGE;
    let region = paging_alloc_lazy(bytes, PageFlags::READ_WRITE)?;
    let next = Cell::new(region.0);
    // The tables of the first pages are there, and pages are at hand, mostly: the median.
    meter.measure(
        one("page fault: allocate from the reserve, map, back", 1000),
        || {
            touch(next.get());
            Ok(())
        },
        || {
            // Every other page, so that none comes ahead.
            next.set(next.get() + 2 * PAGE);
            Ok(())
        },
    )?;
    // SAFETY: nothing refers to what is there.
    unsafe { paging_discard(region, bytes) }?;
    // All of them in both cases; in the second no two neighbours one after the other.
    for (name, stride) in [
        ("first touch of 10,000 pages, each", 1),
        ("the same out of order, each", 3_989),
    ] {
        meter.measure_few(each(name, TOUCHED, 3000), || {
            let before = time::cycles();
            (0..TOUCHED).for_each(|page| touch(region.0 + page * stride % TOUCHED * PAGE));
            let took = time::cycles().wrapping_sub(before);
            // SAFETY: as above.
            unsafe { paging_discard(region, bytes) }?;
            Ok(took)
        })?;
    }
    meter.measure_few(each("discard 10,000 pages, each", TOUCHED, 0), || {
        (0..TOUCHED).for_each(|page| touch(region.0 + page * PAGE));
        let before = time::cycles();
        // SAFETY: as above.
        unsafe { paging_discard(region, bytes) }?;
        Ok(time::cycles().wrapping_sub(before))
    })?;
    // SAFETY: as above.
    unsafe { paging_unmap(region) }
}

fn mappings(meter: &mut Meter, count: u64, size: u64) -> Result<(), Error> {
    let bytes = count * size;
    let frame = frame_alloc(bytes)?;
    // Pages when the addresses do not suit blocks.
    let shift = if size == PAGE { PAGE } else { 0 };
    let kind = if size == PAGE { "4 KiB" } else { "2 MiB" };
    let base = paging_map_frame_attr(frame, bytes.max(BLOCK), PageFlags::READ_WRITE);
    let at = match base {
        Ok(base) => {
            // SAFETY: nobody used it.
            unsafe { paging_unmap(base) }?;
            base
        }
        Err(_) => VirtAddr(aos::paging::OWN_START.0 + (64 << 30)),
    };
    let at = VirtAddr(at.0 + (1 << 30) + shift);
    let map = alloc_name("map", count, kind);
    let unmap = alloc_name("unmap", count, kind);
    let sample = |unmapping: bool| {
        let before = time::cycles();
        paging_map_fixed_attr(at, frame, bytes, PageFlags::READ_WRITE)?;
        let mapped = time::cycles();
        // SAFETY: nothing refers to it.
        unsafe { paging_unmap(at) }?;
        let unmapped = time::cycles();
        Ok(match unmapping {
            false => mapped.wrapping_sub(before),
            true => unmapped.wrapping_sub(mapped),
        })
    };
    meter.measure_by(each(map, count, 0), || sample(false))?;
    meter.measure_by(each(unmap, count, 0), || sample(true))?;
    mm_free(frame)
}

/// The names of rows: they outlive the run.
pub fn alloc_name(what: &str, count: u64, kind: &str) -> &'static str {
    let plural = if count == 1 { "" } else { ", each" };
    alloc::boxed::Box::leak(alloc::format!("aos {what} {count} x {kind}{plural}").into_boxed_str())
}

fn heap(meter: &mut Meter) -> Result<(), Error> {
    let sizes = [16, 100, 1000];
    for (size, name) in sizes.into_iter().zip([
        "heap: 16 bytes and back",
        "heap: 100 bytes and back",
        "heap: 1,000 bytes and back",
    ]) {
        meter.measure(
            one(name, 0),
            || {
                drop(core::hint::black_box(alloc::vec::Vec::<u8>::with_capacity(
                    size,
                )));
                Ok(())
            },
            || Ok(()),
        )?;
    }
    Ok(())
}
