//! Messages on their way out, one after the other, in fragments if they are long.
//!
//! A message that fits one message of the transport is sent as it is: header, words. A longer one, or one with several
//! capabilities, is sent in fragments, and no other message comes between them:
//!
//! | Fragment | Word 0 | Word 1 | Then |
//! |---|---|---|---|
//! | first | header with the mark "first of several" | bytes (bits 0 to 47), capabilities (48 to 63) | data |
//! | others | header of kind `Part`, same call | data | data |
//!
//! Each fragment but the last is full of data, and the nth carries the nth capability; if capabilities are left when the
//! data is out, fragments without data follow.
//!
//! Invariant: only the first message of the queue may have begun.

use crate::body::{Body, Data, WORD};
use crate::header::{CallId, Header, Kind};
use crate::transport::{MESSAGE_WORDS, SendError, Transport};
use alloc::collections::VecDeque;
use errors::Error;

/// How a message left the queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Left {
    Sent,
    Refused(Error),
}

#[derive(Debug)]
struct Entry<C> {
    header: Header,
    body: Body<C>,
    /// Words of data that are out; none if the message has not begun.
    done: Option<usize>,
}

#[derive(Debug)]
pub(crate) struct Outbox<C> {
    queue: VecDeque<Entry<C>>,
    bytes: usize,
}

/// What each entry counts for beside its data.
const ENTRY_BYTES: usize = 64;

impl<C> Outbox<C> {
    pub(crate) fn new() -> Self {
        Self {
            queue: VecDeque::new(),
            bytes: 0,
        }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Bytes of memory that the queue holds.
    #[inline]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn push(&mut self, header: Header, body: Body<C>) {
        self.bytes += ENTRY_BYTES + body.len();
        self.queue.push_back(Entry {
            header,
            body,
            done: None,
        });
    }

    fn pop(&mut self) -> Option<Header> {
        let entry = self.queue.pop_front()?;
        self.bytes -= ENTRY_BYTES + entry.body.len();
        Some(entry.header)
    }

    /// Takes back the message of this call, or what is left of it. False if all of it is out.
    pub(crate) fn recall(&mut self, call: CallId) -> bool {
        let Some(index) = self
            .queue
            .iter()
            .position(|entry| entry.header.call == call)
        else {
            return false;
        };
        match self.queue.get_mut(index) {
            Some(entry) if entry.done.is_some() => {
                self.bytes -= entry.body.len();
                *entry = Entry {
                    header: Header::new(Kind::Abort, 0, call),
                    body: Body::words([], None),
                    done: None,
                };
            }
            _ => {
                if let Some(entry) = self.queue.remove(index) {
                    self.bytes -= ENTRY_BYTES + entry.body.len();
                }
            }
        }
        true
    }

    /// Sends as much as the transport takes; `left` hears of each message that is out or was refused.
    pub(crate) fn flush<T: Transport<Cap = C>>(
        &mut self,
        transport: &mut T,
        mut left: impl FnMut(Header, Left),
    ) -> Result<(), Error> {
        while let Some(entry) = self.queue.front_mut() {
            let bytes = entry.body.len();
            match step(transport, entry) {
                Ok(true) => {
                    if let Some(header) = self.pop() {
                        left(header, Left::Sent);
                    }
                }
                Ok(false) => {}
                Err(SendError::Full(_)) => return Ok(()),
                Err(SendError::Lost(error)) => return Err(error),
                Err(SendError::Refused(error)) => {
                    let header = entry.header;
                    if entry.done.is_some() {
                        self.bytes -= bytes;
                        *entry = Entry {
                            header: Header::new(Kind::Abort, 0, header.call),
                            body: Body::words([], None),
                            done: None,
                        };
                    } else {
                        self.pop();
                    }
                    left(header, Left::Refused(error));
                }
            }
        }
        Ok(())
    }
}

/// Whether the body goes out in one message of the transport.
#[inline]
pub(crate) fn fits<T: Transport>(body: &Body<T::Cap>) -> bool {
    body.len() <= (T::WORDS - 1) * WORD && body.caps.len() <= 1
}

/// Sends a body that [`fits`]; a full transport gives it back its capability.
#[inline]
pub(crate) fn send_whole<T: Transport>(
    transport: &mut T,
    header: Header,
    body: &mut Body<T::Cap>,
) -> Result<(), SendError<T::Cap>> {
    let cap = body.caps.take();
    let sent = with_words(header, body, |words| transport.send(words, cap));
    restore(sent, &mut body.caps)
}

/// Calls `f` with the one message of a body that fits.
#[inline]
pub(crate) fn with_words<C, R>(
    header: Header,
    body: &mut Body<C>,
    f: impl FnOnce(&[u64]) -> R,
) -> R {
    match &mut body.data {
        Data::Words { words, length } => {
            if let Some(first) = words.first_mut() {
                *first = header.to_word();
            }
            f(words.get(..*length).unwrap_or(words))
        }
        Data::Bytes(bytes) => {
            let mut words = [0; MESSAGE_WORDS];
            let length = bytes.len().div_ceil(WORD) + 1;
            let data = core::iter::once(header.to_word()).chain(crate::body::words_of(bytes));
            for (to, from) in words.iter_mut().zip(data) {
                *to = from;
            }
            f(words.get(..length).unwrap_or(&words))
        }
    }
}

/// Puts a capability back that a full transport returned.
#[inline]
pub(crate) fn restore<C, V>(
    sent: Result<V, SendError<C>>,
    caps: &mut crate::body::Caps<C>,
) -> Result<V, SendError<C>> {
    match sent {
        Err(SendError::Full(Some(cap))) => {
            caps.put_back(cap);
            Err(SendError::Full(None))
        }
        other => other,
    }
}

/// Sends the next fragment of a message. True: it was the last.
fn step<T: Transport>(
    transport: &mut T,
    entry: &mut Entry<T::Cap>,
) -> Result<bool, SendError<T::Cap>> {
    if entry.done.is_none() && fits::<T>(&entry.body) {
        send_whole(transport, entry.header, &mut entry.body)?;
        return Ok(true);
    }
    let mut words = [0; MESSAGE_WORDS];
    let mut head = [0; 2];
    let head = match entry.done {
        None => {
            let first = Header {
                fragmented: true,
                ..entry.header
            };
            let sizes = entry.body.len() as u64 | (entry.body.caps.len() as u64) << 48;
            head = [first.to_word(), sizes];
            head.as_slice()
        }
        Some(_) => {
            head[0] = Header::new(Kind::Part, 0, entry.header.call).to_word();
            head.get(..1).unwrap_or(&head)
        }
    };
    let before = entry.done.unwrap_or(0);
    let total = entry.body.len().div_ceil(WORD);
    let count = (T::WORDS - head.len()).min(total - before);
    let data = (before..before + count).map(|index| entry.body.word(index));
    for (to, from) in words.iter_mut().zip(head.iter().copied().chain(data)) {
        *to = from;
    }
    let message = words.get(..head.len() + count).unwrap_or(&words);
    let sent = transport.send(message, entry.body.caps.take());
    restore(sent, &mut entry.body.caps)?;
    entry.done = Some(before + count);
    Ok(before + count == total && entry.body.caps.is_empty())
}
