//! Wakers of threads: a flag for each, set by whoever wakes it.
//!
//! A waker's data is the thread's place, not a pointer. So one that outlives its thread does no harm: it sets the flag of whoever has the
//! place then, who looks once for nothing.

use super::scheduler::{self, MAX_THREADS};
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{RawWaker, RawWakerVTable, Waker};

static WOKEN: [AtomicBool; MAX_THREADS] = [const { AtomicBool::new(false) }; MAX_THREADS];

static TABLE: RawWakerVTable = RawWakerVTable::new(
    |data| RawWaker::new(data, &TABLE),
    wake,
    wake,
    // Nothing is owned.
    |_| {},
);

fn wake(place: *const ()) {
    let index = place.addr();
    if let Some(flag) = WOKEN.get(index) {
        flag.store(true, Ordering::Release);
        if index != own_place() {
            crate::event::announce();
        }
    }
}

fn own_place() -> usize {
    let current = scheduler::with(|book| book.threads.current());
    current.map_or(0, |id| id.number().into())
}

/// A waker of the calling thread.
pub(crate) fn own() -> Waker {
    let place = core::ptr::without_provenance(own_place());
    // SAFETY: the functions keep the contract of `RawWakerVTable`: they may be called by any thread, and own nothing.
    unsafe { Waker::new(place, &TABLE) }
}

/// Whether the calling thread was woken since it last asked.
pub(crate) fn take_woken() -> bool {
    let flag = WOKEN.get(own_place());
    flag.is_some_and(|flag| flag.swap(false, Ordering::Acquire))
}
