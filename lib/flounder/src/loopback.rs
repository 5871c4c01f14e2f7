//! A connection within one domain: two bounded queues.
//!
//! Who has service and client in one program, as init has, connects them by this; nothing of either changes. Dropping one end
//! loses the connection for the other, after it has read what was sent.

use crate::lock::{Guarded, Lock, Single};
use crate::transport::{Interest, MESSAGE_WORDS, Message, SendError, Transport};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::fmt;
use core::task::Waker;
use errors::{Error, ErrorCode};

#[derive(Debug)]
struct Side<C> {
    /// What this side has not yet received.
    queue: VecDeque<Message<C>>,
    watch: Option<(Waker, Interest)>,
    gone: bool,
}

impl<C> Side<C> {
    fn new() -> Self {
        Self {
            queue: VecDeque::new(),
            watch: None,
            gone: false,
        }
    }

    /// The waker of this side's task, if it waits for that.
    fn wanted(&mut self, wanted: impl FnOnce(&Interest) -> bool) -> Option<Waker> {
        self.watch
            .take_if(|(_, interest)| wanted(interest))
            .map(|(waker, _)| waker)
    }
}

#[derive(Debug)]
struct Both<C> {
    sides: [Side<C>; 2],
    capacity: usize,
}

impl<C> Both<C> {
    fn split(&mut self, me: bool) -> (&mut Side<C>, &mut Side<C>) {
        let [one, other] = &mut self.sides;
        match me {
            false => (one, other),
            true => (other, one),
        }
    }
}

/// One end.
pub struct Loopback<C, L: Lock = Single, const WORDS: usize = MESSAGE_WORDS> {
    both: Arc<L::Of<Both<C>>>,
    me: bool,
}

impl<C, L: Lock, const WORDS: usize> fmt::Debug for Loopback<C, L, WORDS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Loopback")
    }
}

/// Two ends; each direction holds up to `capacity` messages, at least one.
pub fn loopback<C, L: Lock, const WORDS: usize>(
    capacity: usize,
) -> (Loopback<C, L, WORDS>, Loopback<C, L, WORDS>) {
    let both = Arc::new(L::Of::new(Both {
        sides: [Side::new(), Side::new()],
        capacity: capacity.max(1),
    }));
    let other = Loopback {
        both: both.clone(),
        me: true,
    };
    (Loopback { both, me: false }, other)
}

fn gone() -> Error {
    ErrorCode::SysLmpNoTarget.into()
}

impl<C, L: Lock, const WORDS: usize> Transport for Loopback<C, L, WORDS> {
    type Cap = C;
    const WORDS: usize = WORDS;

    fn send(&mut self, words: &[u64], cap: Option<C>) -> Result<(), SendError<C>> {
        let wake = self.both.with(|both| {
            let capacity = both.capacity;
            let (_, other) = both.split(self.me);
            if other.gone {
                return Err(SendError::Lost(gone()));
            }
            if words.len() > WORDS {
                return Err(SendError::Refused(ErrorCode::FlounderTxMsgSize.into()));
            }
            if other.queue.len() >= capacity {
                return Err(SendError::Full(cap));
            }
            other.queue.push_back(Message::new(words, cap));
            Ok(other.wanted(|interest| interest.receive))
        })?;
        wake.into_iter().for_each(Waker::wake);
        Ok(())
    }

    fn receive(&mut self) -> Result<Option<Message<C>>, Error> {
        let (message, wake) = self.both.with(|both| {
            let (mine, other) = both.split(self.me);
            match mine.queue.pop_front() {
                Some(message) => Ok((Some(message), other.wanted(|interest| interest.send))),
                None if other.gone => Err(gone()),
                None => Ok((None, None)),
            }
        })?;
        wake.into_iter().for_each(Waker::wake);
        Ok(message)
    }

    fn watch(&mut self, waker: &Waker, interest: Interest) {
        let now = self.both.with(|both| {
            let capacity = both.capacity;
            let (mine, other) = both.split(self.me);
            let possible = (interest.receive && !mine.queue.is_empty())
                || (interest.send && other.queue.len() < capacity)
                || other.gone;
            mine.watch = (!possible).then(|| (waker.clone(), interest));
            possible
        });
        if now {
            waker.wake_by_ref();
        }
    }
}

impl<C, L: Lock, const WORDS: usize> Drop for Loopback<C, L, WORDS> {
    fn drop(&mut self) {
        let wake = self.both.with(|both| {
            let (mine, other) = both.split(self.me);
            mine.gone = true;
            mine.watch = None;
            let unread = core::mem::take(&mut mine.queue);
            (unread, other.watch.take())
        });
        wake.1.into_iter().for_each(|(waker, _)| waker.wake());
    }
}
