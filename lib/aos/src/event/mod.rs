//! Waiting for messages and for time.
//!
//! Two ways. **Futures**: [`block_on`] runs one, and whatever it awaits (calls of a connection, [`sleep_until`], [`ready`]) wakes it when
//! there is something to do. **Polling** by hand, for who has one endpoint and nothing else:
//!
//! The pattern that cannot lose a wake-up: take a [`snapshot`], look at every endpoint, and only when nothing was there
//! [`wait_until`] with that snapshot. Whatever arrived after the snapshot ends the wait at once (`arch::scheduler` has the
//! argument).

mod run;
mod watch;

pub(crate) use run::next_message;
pub use run::{Sleep, block_on, call, ready, sleep_until};
pub(crate) use watch::{arrived, keep_trying, sent, unwatch, watch};

use crate::arch::scheduler::{self, Parked};
use crate::arch::{dispatcher, entry};
use core::sync::atomic::{AtomicU32, Ordering};

/// How often a thread has said what others may wait for as for a message.
static ANNOUNCED: AtomicU32 = AtomicU32::new(0);

/// How much was delivered to this domain, and announced in it, at some moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Snapshot(u32);

/// The moment to compare with; take it before looking for messages.
pub fn snapshot() -> Snapshot {
    // Both only grow, so that the sum changes with either.
    let announced = ANNOUNCED.load(Ordering::Relaxed);
    Snapshot(dispatcher::lmp_delivered().wrapping_add(announced))
}

/// Wakes all threads that wait as if a message had come; they look again.
pub(crate) fn announce() {
    // First, so that who took a snapshot before and does not wait yet will not.
    ANNOUNCED.fetch_add(1, Ordering::Relaxed);
    scheduler::wake_outside();
}

/// Lets other threads run, and others use the core when there are none, until a message arrives that is newer than `snapshot`, or until
/// the counter reaches `deadline` (`None` = never). May return early; look again. Before it waits, a few of the capabilities that were
/// dropped are deleted.
pub fn wait_until(snapshot: Snapshot, deadline: Option<u64>) {
    crate::console::flush_before_wait();
    crate::cap::owned::reap_some();
    crate::channel::settle_some();
    wait_only(snapshot, deadline);
}

/// Waits by ReplyWait, if that is possible and nothing is to be done before.
fn park(snapshot: Snapshot, deadline: Option<u64>) -> Parked {
    let is_tidy = crate::console::is_flushed()
        && !crate::cap::owned::is_any_dead()
        && crate::channel::closing() == 0;
    if !is_tidy {
        return Parked::NotNow;
    }
    let announce = || {
        ANNOUNCED.fetch_add(1, Ordering::Relaxed);
    };
    scheduler::park(|| self::snapshot() == snapshot, announce, deadline)
}

/// As [`wait_until`], and nothing else is done before: for who holds a lock.
pub(crate) fn wait_only(snapshot: Snapshot, deadline: Option<u64>) {
    scheduler::wait_outside(|| self::snapshot() == snapshot, deadline);
}

/// Gives the core to another domain and stays runnable; all threads of this domain wait for its next turn.
/// [`thread::yield_now`](crate::thread::yield_now) only lets the next thread run.
pub fn yield_now() {
    entry::yield_core();
}
