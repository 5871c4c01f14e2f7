//! As many threads as there can be, and 200 that do all kinds of things.

use super::exceptions::{GOOD, load, mend, undefined};
use super::yields;
use crate::harness::{Outcome, equal, refused, that};
use alloc::sync::Arc;
use alloc::vec::Vec;
use aos::error::ErrorCode;
use aos::kpi::addr::VirtAddr;
use aos::kpi::layout::BASE_PAGE_SIZE;
use aos::kpi::rights::PageFlags;
use aos::paging::{paging_alloc_lazy, paging_discard, paging_unmap};
use aos::sync::{Condvar, Mutex, Semaphore};
use aos::thread::exception::set_handler;
use aos::thread::{self, Builder};
use aos::{Error, heap, ram, slot, time};
use core::cell::Cell;
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use random::Random;

aos::thread_local! {
    static NUMBER: Cell<u32> = Cell::new(0);
}

pub(super) fn full() -> Outcome {
    let gate = Arc::new(Semaphore::new(0));
    let small = Builder::new("one of many").stack_bytes(thread::MIN_STACK_BYTES);
    let mut threads = Vec::new();
    let refusal = loop {
        let gate = gate.clone();
        match small.spawn(move || gate.wait()) {
            Ok(thread) => threads.push(thread),
            Err(error) => break error,
        }
    };
    equal(threads.len(), thread::MAX_THREADS - 1)?;
    refused(Err::<(), _>(refusal), ErrorCode::LibThreadCreate)?;
    for _ in &threads {
        gate.post();
    }
    for thread in threads {
        thread.join()?;
    }
    thread::trim();
    equal(thread::count(), 1)
}

#[derive(Default)]
struct Shared {
    /// Guarded, and what it should be.
    count: Mutex<u64>,
    expected: AtomicU32,
    changed: Condvar,
    /// Address of pages that are there when they are touched; each thread has a word in each.
    lazy: u64,
}

/// Pages that all threads touch.
const PAGES: usize = 40;

/// Reads the thread's word in a page, and writes it; answers whether it was what it should be.
fn touch(shared: &Shared, number: u64, page: usize, count: &mut u64) -> bool {
    let address = shared.lazy + page as u64 * BASE_PAGE_SIZE + 8 * number;
    let word: *mut u64 = core::ptr::with_exposed_provenance_mut(address as usize);
    let before = *count;
    *count += 1;
    // SAFETY: in a region that is unmapped when all threads have ended, and the thread's own word.
    unsafe {
        let seen = word.read_volatile();
        word.write_volatile(*count);
        seen == before
    }
}

fn one_of_crowd(number: u64, shared: &Shared, tickets: &Semaphore) -> u64 {
    let mut random = Random::new(number);
    set_handler(Some(mend));
    NUMBER.with(|own| own.set(number as u32));
    let (mut faults, mut counts) = (0, [0; PAGES]);
    for _ in 0..25 {
        match random.below(10) {
            0 => yields(random.below(4) as u32),
            1 => thread::sleep(Duration::from_micros(random.below(300))),
            2 | 3 => {
                let mut count = shared.count.lock();
                let before = *count;
                if random.below(2) == 0 {
                    thread::yield_now();
                }
                *count = before + 1;
                shared.expected.fetch_add(1, Ordering::Relaxed);
                shared.changed.notify_one();
            }
            4 => {
                tickets.wait();
                yields(random.below(2) as u32);
                tickets.post();
            }
            5 => {
                let deadline = time::after(Duration::from_micros(random.below(200)));
                if tickets.wait_until(Some(deadline)) {
                    tickets.post();
                }
            }
            6 => {
                let deadline = time::after(Duration::from_micros(random.below(200)));
                let mut count = shared.count.lock();
                shared.changed.wait_until(&mut count, Some(deadline));
            }
            7 => {
                // Pages of a block this large are given back when it goes.
                let mut block = alloc::vec![0_u8; 80_000];
                block.push(1);
                thread::yield_now();
                drop(block);
            }
            8 => {
                let page = random.below(PAGES as u64) as usize;
                let is_good = |count| touch(shared, number, page, count);
                if !counts.get_mut(page).is_some_and(is_good) {
                    return WRONG;
                }
            }
            _ => faults += u64::from(undefined() == 1 && load(0x10) == GOOD),
        }
    }
    match NUMBER.with(Cell::get) == number as u32 {
        true => faults,
        false => WRONG,
    }
}

const CROWD: u64 = 200;
/// More faults than there are.
const WRONG: u64 = 1_000_000;

fn crowd_once() -> Outcome {
    let lazy = paging_alloc_lazy(PAGES as u64 * BASE_PAGE_SIZE, PageFlags::READ_WRITE)?;
    let shared = Arc::new(Shared {
        lazy: lazy.0,
        ..Shared::default()
    });
    let tickets = Arc::new(Semaphore::new(5));
    let threads: Result<Vec<_>, Error> = (0..CROWD)
        .map(|number| {
            let (shared, tickets) = (shared.clone(), tickets.clone());
            thread::spawn("crowd", move || one_of_crowd(number, &shared, &tickets))
        })
        .collect();
    let mut faults = 0;
    for thread in threads? {
        faults += thread.join()?;
    }
    that(
        (CROWD..WRONG).contains(&faults),
        "every fault handled, every value its thread's own",
    )?;
    let count = *shared.count.lock();
    equal(count, u64::from(shared.expected.load(Ordering::Relaxed)))?;
    for _ in 0..5 {
        that(tickets.try_wait(), "five tickets")?;
    }
    that(!tickets.try_wait(), "no more")?;
    // SAFETY: the threads have ended.
    unsafe { paging_unmap(lazy) }?;
    heap::trim();
    thread::trim();
    equal(thread::count(), 1)
}

/// Makes the books of memory, slots and addresses larger than the crowd will ever need: how much it has at once is a matter of chance.
fn large_books() -> Outcome {
    const MOST: u64 = CROWD * 25;
    // Neither pages nor holes are side by side.
    let lazy = paging_alloc_lazy(2 * MOST * BASE_PAGE_SIZE, PageFlags::READ_WRITE)?;
    let at = |page| VirtAddr(lazy.0 + page * BASE_PAGE_SIZE);
    for page in (0..2 * MOST).step_by(2) {
        let word: *mut u64 = core::ptr::with_exposed_provenance_mut(at(page).0 as usize);
        // SAFETY: in the region, to which there is no reference.
        unsafe { word.write_volatile(1) };
    }
    for page in (0..2 * MOST).step_by(4) {
        // SAFETY: as above.
        unsafe { paging_discard(at(page), BASE_PAGE_SIZE) }?;
    }
    // SAFETY: as above.
    unsafe { paging_unmap(lazy) }.map_err(Into::into)
}

pub(super) fn crowd() -> Outcome {
    large_books()?;
    let free = || (ram::mm_usage().free, slot::free_slots());
    // The first round makes page tables that stay, and a later one may make a book larger; what is lost is lost in each.
    crowd_once()?;
    let mut before = free();
    for _ in 0..4 {
        crowd_once()?;
        let behind = free();
        if behind == before {
            return Ok(());
        }
        before = behind;
    }
    crowd_once()?;
    equal(free(), before)
}
