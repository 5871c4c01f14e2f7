//! Waiting for messages and for time.
//!
//! The pattern that cannot lose a wake-up: take a [`snapshot`], look at every endpoint, and only when nothing was there
//! [`wait_until`] with that snapshot. Whatever arrived after the snapshot ends the wait at once (`arch::entry` has the
//! argument).

use crate::arch::{dispatcher, entry};

/// How much was delivered to this domain at some moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Snapshot(u32);

/// The moment to compare with; take it before looking for messages.
pub fn snapshot() -> Snapshot {
    Snapshot(dispatcher::lmp_delivered())
}

/// Gives the core away until a message arrives that is newer than `snapshot`, or until the counter reaches `deadline`
/// (`None` = never). May return early; look again. Before it waits, a few of the capabilities that were dropped are deleted.
pub fn wait_until(snapshot: Snapshot, deadline: Option<u64>) {
    crate::console::flush();
    crate::cap::owned::reap_some();
    // Word 0 means "no wake-up", so a deadline of 0 becomes the next tick. A refused yield is a return that is early.
    let _ = entry::block(snapshot.0, deadline.map_or(0, |ticks| ticks.max(1)));
}

/// Gives the core away and stays runnable.
pub fn yield_now() {
    let _ = entry::yield_now();
}
