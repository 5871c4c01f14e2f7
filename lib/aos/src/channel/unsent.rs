//! Messages that were to go out with a wait, when there was no room for them: one of each connection at most. They are tried again, so that the next ones
//! can go out.

use crate::arch::scheduler::{self, Held};
use crate::error::is_transient;
use crate::sync::Mutex;
use crate::{event, lmp};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};
use kpi::syscall::SendFlags;

/// All of them.
static UNSENT: Mutex<Vec<Held>> = Mutex::new(Vec::new());
/// How many.
static UNSENT_COUNT: AtomicUsize = AtomicUsize::new(0);

/// Keeps the message that could not go out with a wait, so that others can. Answers whether there was one.
pub(crate) fn set_stuck_aside() -> bool {
    let Some(held) = scheduler::take_held(None) else {
        return false;
    };
    let mut unsent = UNSENT.lock();
    unsent.push(held);
    UNSENT_COUNT.store(unsent.len(), Ordering::Relaxed);
    true
}

/// Whether messages wait for room.
#[inline]
pub(crate) fn has_unsent() -> bool {
    UNSENT_COUNT.load(Ordering::Relaxed) > 0
}

/// Sends those that there is room for now.
pub(crate) fn send_unsent() {
    if has_unsent() {
        send_unsent_but(|held| {
            let words = held.words.get(..held.count.into()).unwrap_or_default();
            let sent = lmp::send(held.to, words, None, SendFlags::DEFAULT);
            sent.is_err_and(is_transient)
        });
    }
}

/// Whether one of this endpoint's does.
#[inline]
pub(super) fn is_unsent(own: u32) -> bool {
    has_unsent() && UNSENT.lock().iter().any(|held| held.owner == own)
}

/// Those of this endpoint are not sent any more.
pub(super) fn forget_unsent(own: u32) {
    if has_unsent() {
        send_unsent_but(|held| held.owner != own);
    }
}

/// Drops all but those.
fn send_unsent_but(stays: impl FnMut(&Held) -> bool) {
    let mut unsent = UNSENT.lock();
    let before = unsent.len();
    unsent.retain(stays);
    if unsent.len() < before {
        event::sent();
    }
    UNSENT_COUNT.store(unsent.len(), Ordering::Relaxed);
}
