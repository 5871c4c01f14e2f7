//! Waiting for messages and for time.
//!
//! The pattern that cannot lose a wake-up: take a [`snapshot`], look at every endpoint, and only when nothing was there
//! [`wait_until`] with that snapshot. Whatever arrived after the snapshot ends the wait at once (`arch::scheduler` has the
//! argument).

use crate::arch::{dispatcher, entry, scheduler};

/// How much was delivered to this domain at some moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Snapshot(u32);

/// The moment to compare with; take it before looking for messages.
pub fn snapshot() -> Snapshot {
    Snapshot(dispatcher::lmp_delivered())
}

/// Lets other threads run, and others use the core when there are none, until a message arrives that is newer than `snapshot`, or until
/// the counter reaches `deadline` (`None` = never). May return early; look again. Before it waits, a few of the capabilities that were
/// dropped are deleted.
pub fn wait_until(snapshot: Snapshot, deadline: Option<u64>) {
    crate::console::flush();
    crate::cap::owned::reap_some();
    wait_only(snapshot, deadline);
}

/// As [`wait_until`], and nothing else is done before: for who holds a lock.
pub(crate) fn wait_only(snapshot: Snapshot, deadline: Option<u64>) {
    scheduler::wait_outside(snapshot.0, deadline);
}

/// Gives the core to another domain and stays runnable; all threads of this domain wait for its next turn.
/// [`thread::yield_now`](crate::thread::yield_now) only lets the next thread run.
pub fn yield_now() {
    entry::yield_core();
}
