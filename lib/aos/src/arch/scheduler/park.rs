//! ReplyWait: sending and waiting in one call to the kernel.
//!
//! [`park`] waits for a message to any endpoint, and only when all that was delivered is read (`consumed`): so what comes in registers
//! is older than all that comes into a buffer afterwards, and whoever reads its endpoint takes it first (`stash`). A last message that may wait
//! (`held`) is sent by the same call.

use super::{Held, book};
use crate::arch::call::{self, Swapped};
use crate::arch::dispatcher;
use kpi::lmp::{LMP_WORDS, LmpHeader};
use kpi::syscall::{CallWord, ReplyWaitResult};
use threads::Key;

/// A message to an own endpoint, out of registers.
pub(crate) struct Stash {
    /// The endpoint's place in the frame; 0: there is none.
    pub(crate) endpoint: u32,
    pub(crate) header: LmpHeader,
    pub(crate) words: [u64; LMP_WORDS],
}

impl Stash {
    /// There is none. All zeroes.
    pub(super) const NONE: Self = Self {
        endpoint: 0,
        header: LmpHeader(0),
        words: [0; LMP_WORDS],
    };
}

/// Where [`park`] was left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Parked {
    /// It did not wait: others could run, or not all is read.
    NotNow,
    /// Look whether something has come.
    Look,
    /// This endpoint has a message.
    Message(u32),
}

/// Sends a message, if an endpoint is given, and waits for the next one in one call to the kernel, if nobody else of this domain could run
/// or has to be told of something. `None`: that is not so, and nothing was sent.
#[inline(always)]
pub(crate) fn reply_wait(
    word: CallWord,
    endpoint: u64,
    accepts: u64,
    payload: [u64; LMP_WORDS],
) -> Option<Swapped> {
    dispatcher::disable();
    // SAFETY: disabled.
    let book = unsafe { book() };
    if book.held.is_waiting() {
        book.held.send();
    }
    let is_pending = dispatcher::lmp_delivered() != book.noticed || book.stash.endpoint != 0;
    if book.threads.has_ready() || is_pending || book.slow != 0 {
        dispatcher::set_disabled(false);
        return None;
    }
    let wakeup = book.threads.next_deadline().map_or(0, |first| first.max(1));
    dispatcher::set_parking(book.noticed, false, wakeup);
    let swapped = call::reply_wait(word, endpoint, accepts, payload);
    if swapped.result == ReplyWaitResult::LOOK {
        // SAFETY: disabled.
        let book = unsafe { super::book() };
        book.notice();
        book.expire();
    }
    dispatcher::set_disabled(false);
    Some(swapped)
}

/// Sends what is held, and waits until the counter has reached `deadline` or a message comes, to any endpoint, if nobody else of this domain could
/// run, all that was delivered is read, and `nothing_came`. That is asked disabled; `announce` is called so when a message has come.
#[inline]
pub(crate) fn park(
    nothing_came: impl FnOnce() -> bool,
    announce: impl FnOnce(),
    deadline: Option<u64>,
) -> Parked {
    dispatcher::disable();
    // SAFETY: disabled.
    let book = unsafe { book() };
    let delivered = dispatcher::lmp_delivered();
    let may_wait = delivered == book.noticed
        && delivered == book.consumed
        && book.stash.endpoint == 0
        && !book.held.is_stuck
        && !book.threads.has_ready()
        && book.slow == 0
        && nothing_came();
    if !may_wait {
        dispatcher::set_disabled(false);
        return Parked::NotNow;
    }
    let first = match (book.threads.next_deadline(), deadline) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    dispatcher::set_parking(delivered, false, first.map_or(0, |first| first.max(1)));
    let (endpoint, level, count) = match &book.held {
        Held { owner: 0, .. } => (0, 0, 0),
        held => (held.to.addr().0.into(), held.to.level() as u8, held.count),
    };
    let word = CallWord::reply_wait(level, count);
    let swapped = call::reply_wait(word, endpoint, 0, book.held.words);
    // SAFETY: disabled, and nothing of this domain ran meanwhile.
    let book = unsafe { super::book() };
    let parked = match swapped.result.get() {
        _ if swapped.error != 0 => {
            book.held.refused(swapped.error);
            Parked::NotNow
        }
        None => {
            book.held.owner = 0;
            book.notice();
            book.expire();
            Parked::Look
        }
        Some((endpoint, count)) => {
            book.held.owner = 0;
            book.stash.endpoint = endpoint as u32;
            book.stash.header = LmpHeader::new(count, false);
            book.stash.words = swapped.payload;
            // Who waits for messages in another way looks too.
            announce();
            book.threads.wake_all(Key::OUTSIDE);
            Parked::Message(endpoint as u32)
        }
    };
    dispatcher::set_disabled(false);
    parked
}
