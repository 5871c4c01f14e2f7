//! User-level threads without the processor: who runs, who is ready, who waits for what and until when; and locks over that.
//!
//! [`Threads`] is the book that a domain keeps of its threads, in a fixed number of places that the caller supplies as memory of its
//! own choice: it must be memory that never faults, because the book is used while the dispatcher is disabled. Nothing here looks at
//! anything but the book; the caller switches stacks.
//!
//! | Module | What |
//! |---|---|
//! | [`place`] | what is known of one thread: state, name, links |
//! | [`list`] | lists of places, by index |
//! | [`table`] | making, running, ending, joining threads |
//! | [`wait`] | waiting for a key or a time, waking |
//! | [`mutex`], [`semaphore`], [`once`], [`rwlock`] | locks: a word in the user's memory and waiting in the book |
//!
//! **Waiting** is in three steps, so that a lock's word may lie in memory that faults. A thread that found the word locked
//! *prepares*: it is in the queue of a key (the word's address) from now on, but runs. It looks at the word once more. Then it
//! *commits*, which blocks it unless it was woken since, or it *cancels*. So the book never touches the word, and no wake-up between
//! the look and the wait is lost.
//!
//! Invariants ([`Threads::check`]): each thread is in at most one queue of waiters; it is in the ready queue if and only if it is
//! ready; a blocked thread is in a queue, has a deadline, or joins another; who is first in a queue is
//! woken first.
//!
//! Errors: a full table and joins that make no sense are answers, never panics. Costs: O(1) for switching, making, waking
//! (beside keys that share a bucket), O(n) in the number of sleepers for going to sleep with a deadline.
//!
//! Barrelfish counterpart: `lib/barrelfish/threads.c`, `thread_sync.c`. There, a queue's head lies in the lock itself and is
//! written while the dispatcher is disabled.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod list;
pub mod mutex;
pub mod once;
pub mod place;
pub mod rwlock;
pub mod semaphore;
pub mod table;
pub mod wait;

pub use place::{Handle, Id, Key, Name, State, Wake};
pub use table::{Ended, Full, Join, JoinError, Threads};
pub use wait::{Committed, Interrupted};

/// How a lock waits: the steps of [`wait`], by the calling thread.
pub trait Waits {
    /// Joins the queue of `key`; the caller still runs.
    fn prepare(&self, key: Key);

    /// Blocks until woken, or until `deadline`; returns at once when the caller was woken since it prepared.
    fn commit(&self, deadline: Option<u64>) -> Wake;

    /// Leaves the queue. [`Wake::Granted`]: the caller had been woken already.
    fn cancel(&self) -> Wake;

    /// Wakes who waits longest for `key`; answers whether there was anybody.
    fn wake(&self, key: Key) -> bool;

    /// Wakes all who wait for `key` now, in one step: not those who come back meanwhile.
    fn wake_all(&self, key: Key);

    /// Whether anybody is in the queue of `key`.
    fn has_waiter(&self, key: Key) -> bool;
}

/// A lock's word: an atomic number in the user's memory.
pub trait Word {
    /// What it is.
    fn load(&self) -> u32;

    /// Makes it `to` if it is `from`; answers whether it was.
    fn replace(&self, from: u32, to: u32) -> bool;

    /// Makes it `to`; answers what it was.
    fn swap(&self, to: u32) -> u32;
}

impl Word for core::sync::atomic::AtomicU32 {
    #[inline]
    fn load(&self) -> u32 {
        self.load(core::sync::atomic::Ordering::Acquire)
    }

    #[inline]
    fn replace(&self, from: u32, to: u32) -> bool {
        use core::sync::atomic::Ordering::{AcqRel, Acquire};
        self.compare_exchange(from, to, AcqRel, Acquire).is_ok()
    }

    #[inline]
    fn swap(&self, to: u32) -> u32 {
        self.swap(to, core::sync::atomic::Ordering::AcqRel)
    }
}
