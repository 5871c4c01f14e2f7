//! Wakers of threads: a flag for each, set by whoever wakes it.
//!
//! A waker's data is the thread's place, not a pointer. So one that outlives its thread does no harm: it sets the flag of whoever has the
//! place then, who looks once for nothing.

use super::scheduler::{self, MAX_THREADS};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use core::task::{RawWaker, RawWakerVTable, Waker};

static WOKEN: [AtomicBool; MAX_THREADS] = [const { AtomicBool::new(false) }; MAX_THREADS];
/// How many futures each thread runs, one within the other.
static DEPTH: [AtomicU32; MAX_THREADS] = [const { AtomicU32::new(0) }; MAX_THREADS];

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

/// The calling thread's place, which stays the same.
pub(crate) fn own_place() -> usize {
    let current = scheduler::with(|book| book.threads.current());
    current.map_or(0, |id| id.number().into())
}

/// A waker of the calling thread, which has this place.
pub(crate) fn own(place: usize) -> Waker {
    let place = core::ptr::without_provenance(place);
    // SAFETY: the functions keep the contract of `RawWakerVTable`: they may be called by any thread, and own nothing.
    unsafe { Waker::new(place, &TABLE) }
}

/// Whether the thread of this place was woken since it last asked.
pub(crate) fn take_woken(place: usize) -> bool {
    let flag = WOKEN.get(place);
    flag.is_some_and(|flag| flag.swap(false, Ordering::Acquire))
}

/// Whether it was woken; it is still to be told.
pub(crate) fn is_woken() -> bool {
    let flag = WOKEN.get(own_place());
    flag.is_some_and(|flag| flag.load(Ordering::Acquire))
}

/// The thread of this place runs a future, perhaps from within another one.
pub(crate) fn enter(place: usize) {
    if let Some(depth) = DEPTH.get(place) {
        depth.fetch_add(1, Ordering::Relaxed);
    }
}

/// It has run it. What woke the outer future meanwhile was taken for the inner one: it is to look again.
pub(crate) fn leave(place: usize) {
    if let (Some(depth), Some(flag)) = (DEPTH.get(place), WOKEN.get(place))
        && depth.fetch_sub(1, Ordering::Relaxed) > 1
    {
        flag.store(true, Ordering::Release);
    }
}
