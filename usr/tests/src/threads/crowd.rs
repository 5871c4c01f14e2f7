//! As many threads as there can be, and 200 that do all kinds of things.

use super::exceptions::{GOOD, load, mend, undefined};
use super::{Random, yields};
use crate::harness::{Outcome, equal, refused, that};
use alloc::sync::Arc;
use alloc::vec::Vec;
use aos::error::ErrorCode;
use aos::sync::{Condvar, Mutex, Semaphore};
use aos::thread::exception::set_handler;
use aos::thread::{self, Builder};
use aos::{Error, ram, slot, time};
use core::cell::Cell;
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;

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
}

fn one_of_crowd(number: u64, shared: &Shared, tickets: &Semaphore) -> u64 {
    let mut random = Random(number * 0x9e37_79b9_7f4a_7c15 + 1);
    set_handler(Some(mend));
    NUMBER.with(|own| own.set(number as u32));
    let mut faults = 0;
    for _ in 0..25 {
        match random.below(8) {
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
            _ => faults += u64::from(undefined() == 1 && load(0x10) == GOOD),
        }
    }
    match NUMBER.with(Cell::get) == number as u32 {
        true => faults,
        false => 1_000_000,
    }
}

const CROWD: u64 = 200;

fn crowd_once() -> Outcome {
    let shared: Arc<Shared> = Arc::default();
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
        (CROWD..1_000_000).contains(&faults),
        "every fault handled, every value its thread's own",
    )?;
    let count = *shared.count.lock();
    equal(count, u64::from(shared.expected.load(Ordering::Relaxed)))?;
    for _ in 0..5 {
        that(tickets.try_wait(), "five tickets")?;
    }
    that(!tickets.try_wait(), "no more")?;
    thread::trim();
    equal(thread::count(), 1)
}

pub(super) fn crowd() -> Outcome {
    // Page tables that the first round makes stay.
    crowd_once()?;
    let before = (ram::mm_usage().free, slot::free_slots());
    for _ in 0..2 {
        crowd_once()?;
        let after = (ram::mm_usage().free, slot::free_slots());
        equal(alloc::format!("{after:?}"), alloc::format!("{before:?}"))?;
    }
    Ok(())
}
