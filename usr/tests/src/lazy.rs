//! Memory that comes into being when it is touched: what it costs, that it is zero, that it comes back, and what happens when there is none.

use crate::harness::{Failure, Harness, Outcome, at_most, equal, that};
use crate::world::World;
use alloc::vec::Vec;
use aos::initproto::{FaultCause, Message};
use aos::kpi::addr::VirtAddr;
use aos::kpi::layout::BASE_PAGE_SIZE as PAGE;
use aos::kpi::rights::PageFlags;
use aos::paging::{paging_alloc_lazy, paging_discard, paging_unmap};
use aos::ram::{frame_alloc, mm_free, mm_usage};
use aos::slot::free_slots;
use aos::sync::{Barrier, Mutex};
use aos::thread::exception::{Exception, set_handler};
use aos::{Error, heap, ram, thread};
use core::sync::atomic::{AtomicU64, Ordering};

const SUITE: &str = "lazy";
/// What books, tables and pages at hand may take beyond the pages that are touched.
const BESIDE: u64 = 48 * PAGE;

/// Runs the suite.
pub fn run(harness: &mut Harness, world: &World) {
    harness.test(SUITE, "256 MiB of heap cost what is touched", large_heap);
    harness.test(SUITE, "discarded pages are zero again", discarded);
    harness.test(SUITE, "all of a region comes back", comes_back);
    harness.test(
        SUITE,
        "the heap gives back what is free behind its end",
        trimmed,
    );
    harness.test(SUITE, "threads touch the same pages at once", crowd);
    harness.test(SUITE, "a stack costs what is used of it", deep);
    harness.test(SUITE, "a handler touches new memory", in_handler);
    harness.test(SUITE, "an undefined instruction has no address", || {
        no_address(world)
    });
    harness.test(SUITE, "lazy-exhaust", || exhausted(world));
}

fn used_since(before: u64) -> u64 {
    before.saturating_sub(mm_usage().free)
}

fn word(address: u64) -> *mut u64 {
    core::ptr::with_exposed_provenance_mut(address as usize)
}

fn store(address: u64, value: u64) {
    // SAFETY: in a region of this test, to which there is no reference.
    unsafe { word(address).write_volatile(value) };
}

fn load(address: u64) -> u64 {
    // SAFETY: as above.
    unsafe { word(address).read_volatile() }
}

fn large_heap() -> Outcome {
    let before = mm_usage().free;
    let mut buffer: Vec<u8> = alloc::vec![0; 256 << 20];
    let places = [0, 5 << 20, 100 << 20, (256 << 20) - 1];
    for place in places {
        if let Some(byte) = buffer.get_mut(place) {
            equal(*byte, 0)?;
            *byte = 7;
        }
    }
    let few = places.len() as u64 * PAGE + BESIDE;
    at_most(used_since(before), few, "a few pages and tables")?;
    drop(buffer);
    at_most(used_since(before), BESIDE, "all pages came back")
}

fn discarded() -> Outcome {
    let region = paging_alloc_lazy(16 * PAGE, PageFlags::READ_WRITE)?;
    for page in 0..16 {
        store(region.0 + page * PAGE + 8, page + 1);
    }
    // SAFETY: nothing refers to what is there.
    let freed = unsafe { paging_discard(VirtAddr(region.0 + 4 * PAGE), 8 * PAGE) }?;
    equal(freed, 8 * PAGE)?;
    for page in 0..16 {
        let expected = if (4..12).contains(&page) { 0 } else { page + 1 };
        equal(load(region.0 + page * PAGE + 8), expected)?;
    }
    // SAFETY: as above.
    unsafe { paging_unmap(region) }?;
    Ok(())
}

fn comes_back() -> Outcome {
    let mut before = None;
    for _ in 0..3 {
        let region = paging_alloc_lazy(1000 * PAGE, PageFlags::READ_WRITE)?;
        (0..1000).for_each(|page| store(region.0 + page * PAGE, page));
        // SAFETY: nothing refers to what is there.
        unsafe { paging_unmap(region) }?;
        let after = (mm_usage().free, free_slots());
        equal(*before.get_or_insert(after), after)?;
    }
    Ok(())
}

fn trimmed() -> Outcome {
    let round = || -> Result<u64, Failure> {
        heap::trim();
        let before = mm_usage().free;
        // Small blocks, so that none goes back by itself.
        let blocks: Vec<Vec<u8>> = (0..2000).map(|_| alloc::vec![1; 4000]).collect();
        that(used_since(before) >= 1900 * PAGE, "they are there")?;
        drop(blocks);
        that(heap::trim() >= 1900 * PAGE, "they went")?;
        Ok(used_since(before))
    };
    // The books of so many pages stay for the next ones: a node in three trees for each, and CNodes of 256 slots in 16 KiB.
    let books = round()?;
    at_most(books, 100 * PAGE, "the memory is back")?;
    at_most(round()?, 8 * PAGE, "the books are used again")
}

const THREADS: usize = 8;
const SHARED: u64 = 64;

fn crowd() -> Outcome {
    static START: Barrier = Barrier::new(THREADS);
    static SUM: AtomicU64 = AtomicU64::new(0);
    SUM.store(0, Ordering::Relaxed);
    let region = paging_alloc_lazy(SHARED * PAGE, PageFlags::READ_WRITE)?.0;
    let mut threads = Vec::new();
    for number in 0..THREADS as u64 {
        threads.push(thread::spawn("toucher", move || {
            START.wait();
            for page in 0..SHARED {
                // Each in its own order, and each its own word.
                let page = (page * (2 * number + 1) + 8 * number) % SHARED;
                store(region + page * PAGE + 8 * number, page + number);
                thread::yield_now();
            }
            let sum = (0..SHARED).map(|page| load(region + page * PAGE + 8 * number));
            SUM.fetch_add(sum.sum(), Ordering::Relaxed);
        })?);
    }
    for thread in threads {
        thread.join()?;
    }
    let threads = THREADS as u64;
    let pages = threads * SHARED * (SHARED - 1) / 2;
    let numbers = SHARED * threads * (threads - 1) / 2;
    equal(SUM.load(Ordering::Relaxed), pages + numbers)?;
    // SAFETY: the threads have ended.
    let freed = unsafe { paging_discard(VirtAddr(region), SHARED * PAGE) }?;
    equal(freed, SHARED * PAGE)?;
    // SAFETY: as above.
    unsafe { paging_unmap(VirtAddr(region)) }?;
    Ok(())
}

fn deep() -> Outcome {
    fn go(depth: u64) -> u64 {
        let block = core::hint::black_box([depth; 500]);
        match depth {
            0 => block.iter().sum(),
            _ => block.first().copied().unwrap_or(0) + go(depth - 1),
        }
    }
    thread::trim();
    let before = mm_usage().free;
    let parked = |depth| {
        thread::Builder::new("deep")
            .stack_bytes(1 << 20)
            .spawn(move || go(depth))
    };
    equal(parked(1)?.join()?, 1)?;
    let shallow = used_since(before);
    at_most(shallow, 16 * PAGE + BESIDE, "a shallow stack")?;
    equal(parked(100)?.join()?, 100 * 101 / 2)?;
    let deep = used_since(before);
    that(deep >= shallow + 90 * PAGE, "a deep one is not")?;
    thread::trim();
    at_most(used_since(before), BESIDE, "stacks come back")
}

static LOG: Mutex<Vec<u64>> = Mutex::new(Vec::new());

fn note(exception: &mut Exception<'_>) -> thread::exception::Outcome {
    // Pages that were never there: a fault in the handler.
    let mut log = alloc::vec![0_u64; 100_000];
    if let Some(last) = log.last_mut() {
        *last = exception.pc();
    }
    *LOG.lock() = log;
    // SAFETY: set only around undefined instructions, which do nothing.
    unsafe { exception.skip() };
    thread::exception::Outcome::Resume
}

fn in_handler() -> Outcome {
    set_handler(Some(note));
    for _ in 0..3 {
        // SAFETY: raises an exception; the handler goes on behind it.
        unsafe { core::arch::asm!("udf #0", options(nostack)) };
    }
    set_handler(None);
    let log = core::mem::take(&mut *LOG.lock());
    that(log.last().is_some_and(|pc| *pc != 0), "the handler ran")
}

fn exhausted(world: &World) -> Outcome {
    // With a frame to share, a child gets memory of its own.
    let shared = frame_alloc(PAGE)?;
    let before = mm_usage().free;
    let child = world.child("lazy-exhaust", Some(shared))?;
    child.domain.start()?;
    let message = child.wait();
    let is_fault = matches!(
        message,
        Some(Message::Fault(fault)) if fault.cause == FaultCause::Exception
    );
    that(is_fault, "it ended by a fault")?;
    child.domain.destroy()?;
    equal(mm_usage().free, before)?;
    mm_free(shared)?;
    Ok(())
}

fn no_address(world: &World) -> Outcome {
    let shared = frame_alloc(PAGE)?;
    let child = world.child("lazy-undefined", Some(shared))?;
    child.domain.start()?;
    match child.wait() {
        Some(Message::Fault(fault)) => equal((fault.esr >> 26, fault.far), (0, 0))?,
        other => equal(alloc::format!("{other:?}").as_str(), "a fault")?,
    }
    child.domain.destroy()?;
    mm_free(shared)?;
    Ok(())
}

/// Executes what is no instruction, behind a page fault.
pub fn undefined() -> Result<(), Error> {
    ram::add_system_memory()?;
    let region = paging_alloc_lazy(PAGE, PageFlags::READ_WRITE)?;
    store(region.0, 1);
    // SAFETY: raises an exception, which ends the domain.
    unsafe { core::arch::asm!("udf #0", options(nostack, nomem)) };
    Ok(())
}

/// Touches more than there is.
pub fn exhaust() -> Result<(), Error> {
    ram::add_system_memory()?;
    let region = paging_alloc_lazy(1 << 30, PageFlags::READ_WRITE)?;
    (0..(1 << 30) / PAGE).for_each(|page| store(region.0 + page * PAGE, 1));
    Ok(())
}
