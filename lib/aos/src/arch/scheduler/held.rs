//! The last message that may wait: it goes out with the next wait ([`park`](super::park())), in the same call.
//!
//! It is sent before the core is given away in any other way, to another thread too, after the core was taken away, and before anything else
//! is sent to the same receiver.

use super::with;
use crate::arch::call;
use crate::cap::{CNodeRef, CapRef};
use kpi::addr::CapAddr;
use kpi::lmp::LMP_WORDS;
use kpi::syscall::{CallWord, SendFlags};

/// A message that is not sent yet.
#[derive(Clone, Copy)]
pub(crate) struct Held {
    pub(crate) to: CapRef,
    /// The endpoint of the connection that it belongs to; 0: there is none.
    pub(crate) owner: u32,
    pub(crate) count: u8,
    /// There was no room for it.
    pub(crate) is_stuck: bool,
    pub(crate) words: [u64; LMP_WORDS],
}

/// Keeps a message until the next wait, after what was kept before is sent. `false`: it cannot be kept.
#[inline]
pub(crate) fn hold(owner: u32, to: CapRef, words: &[u64]) -> bool {
    with(|book| {
        book.held.send();
        let keeps_nothing = book.slow != 0 || book.keeps_nothing;
        if keeps_nothing || book.held.owner != 0 || words.len() > LMP_WORDS {
            return false;
        }
        for (place, word) in book.held.words.iter_mut().zip(words) {
            *place = *word;
        }
        book.held.to = to;
        book.held.count = words.len() as u8;
        book.held.owner = owner;
        true
    })
}

/// Sends what is kept of this owner, if something is. `false`: there was no room.
#[inline]
pub(crate) fn send_held(owner: u32) -> bool {
    with(|book| {
        if book.held.owner != owner {
            return true;
        }
        book.held.send();
        book.held.owner != owner
    })
}

/// Takes what is kept out, if it could not be sent, or is of this owner.
pub(crate) fn take_held(of: Option<u32>) -> Option<Held> {
    with(|book| {
        let wanted = match of {
            Some(owner) => book.held.owner == owner,
            None => book.held.owner != 0 && book.held.is_stuck,
        };
        let held = book.held;
        if wanted {
            book.held.owner = 0;
            book.held.is_stuck = false;
        }
        wanted.then_some(held)
    })
}

impl Held {
    /// There is none. All zeroes.
    pub(super) const NONE: Self = Self {
        to: CNodeRef::root_of(CapAddr::NULL).slot(0),
        owner: 0,
        count: 0,
        is_stuck: false,
        words: [0; LMP_WORDS],
    };

    /// Whether there is one that could be sent.
    #[inline]
    pub(crate) fn is_waiting(&self) -> bool {
        self.owner != 0 && !self.is_stuck
    }

    /// Sends it, if there is one; disabled.
    #[inline]
    pub(crate) fn send(&mut self) {
        if self.is_waiting() {
            self.send_now();
        }
    }

    #[cold]
    fn send_now(&mut self) {
        let word = CallWord::send(self.to.level() as u8, 0, SendFlags::DEFAULT, self.count);
        let mut args = [0; LMP_WORDS + 1];
        for (place, word) in args.iter_mut().skip(1).zip(self.words) {
            *place = word;
        }
        match call::call([word.0, self.to.addr().0.into()], &args).error {
            0 => self.owner = 0,
            error => self.refused(error),
        }
    }

    /// It waits on if there was no room. Else it is lost, with the connection that it belongs to.
    #[cold]
    pub(super) fn refused(&mut self, error: u64) {
        let error = crate::error::Error::from_raw(error);
        match error.is_some_and(crate::error::is_transient) {
            true => self.is_stuck = true,
            false => self.owner = 0,
        }
    }
}
