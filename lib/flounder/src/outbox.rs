//! Messages on their way out, one after the other, in fragments if they are long.
//!
//! A short message is sent as it is: header, words. A long one is sent in fragments, and no other message comes between them:
//!
//! | Fragment | Word 0 | Word 1 | Then |
//! |---|---|---|---|
//! | first | header with the mark "first of several" | bytes (bits 0 to 47), capabilities (48 to 62), packed (63) | data |
//! | others | header of kind `Part`, same call | data | data |
//!
//! Each fragment but the last is full of data, and the nth carries the nth capability; if capabilities are left when the
//! data is out, fragments without data follow.
//!
//! **Packed**: from [`Transport::FRAME_BYTES`] on, the transport is asked to put the data into memory that both can reach. The first
//! fragment then carries the capability to it, before the message's own ones, and no fragment has data. This is done when the
//! message's turn comes, so that at most one such memory is waiting for room.
//!
//! **Slices**: once the first fragment is out, and all capabilities are, [`Transport::send_slice`] may take much of what is left at once.
//!
//! Invariant: only the first message of the queue may have begun. The queue is empty most of the time: who has a short message
//! then sends it from where it lies.

use crate::body::{Block, Body, Long, WORD};
use crate::header::{CallId, Header, Kind, Sizes};
use crate::transport::{MESSAGE_WORDS, Message, SendError, Transport};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use errors::Error;

/// What became of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Left {
    Sent,
    Queued,
    Refused(Error),
}

/// How far a message is out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Progress {
    /// Nothing is.
    Waiting,
    /// Nothing is, but its data, of so many bytes, lies in memory whose capability is the first now.
    Packed(usize),
    /// So many words of data are out.
    Begun(usize),
}

#[derive(Debug)]
struct Entry<C> {
    header: Header,
    body: Body<C>,
    progress: Progress,
    /// What it counts for in the queue.
    size: usize,
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

    /// Sends a short message if nothing else waits and the transport takes it, or else keeps it for [`flush`](Self::flush).
    #[inline]
    pub(crate) fn send_short<T: Transport<Cap = C>>(
        &mut self,
        transport: &mut T,
        header: Header,
        message: &mut Message<C>,
    ) -> Result<Left, Error> {
        if self.queue.is_empty() && message.words().len() <= T::WORDS {
            message.set_header(header);
            let cap = message.cap.take();
            let sent = match header.kind {
                Kind::Reply | Kind::Failed | Kind::Bind | Kind::Call => {
                    transport.send_and_wait(message.words(), cap)
                }
                _ => transport.send(message.words(), cap),
            };
            match sent {
                Ok(()) => return Ok(Left::Sent),
                Err(SendError::Full(cap)) => message.cap = cap,
                Err(SendError::Lost(error)) => return Err(error),
                Err(SendError::Refused(error)) => return Ok(Left::Refused(error)),
            }
        }
        self.push(header, Body::Short(message.take()));
        Ok(Left::Queued)
    }

    /// Keeps a message for [`flush`](Self::flush).
    #[inline(never)]
    pub(crate) fn push(&mut self, header: Header, body: Body<C>) {
        let size = ENTRY_BYTES + body.len();
        self.bytes += size;
        self.queue.push_back(Entry {
            header,
            body,
            progress: Progress::Waiting,
            size,
        });
    }

    fn pop(&mut self) -> Option<Header> {
        let entry = self.queue.pop_front()?;
        self.bytes -= entry.size;
        Some(entry.header)
    }

    /// Takes back the message of this call, or what is left of it. False if all of it is out.
    pub(crate) fn recall(&mut self, call: CallId) -> bool {
        let index = (self.queue.iter()).position(|entry| entry.header.call == call);
        let Some(index) = index else {
            return false;
        };
        match self.queue.get_mut(index) {
            Some(entry) if entry.has_begun() => self.bytes -= entry.abort(),
            _ => {
                if let Some(entry) = self.queue.remove(index) {
                    self.bytes -= entry.size;
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
                    if entry.has_begun() {
                        self.bytes -= entry.abort();
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

impl<C> Entry<C> {
    fn has_begun(&self) -> bool {
        matches!(self.progress, Progress::Begun(_))
    }

    /// Becomes the message that the rest will not come; returns by how much the queue is smaller.
    fn abort(&mut self) -> usize {
        let less = self.size - ENTRY_BYTES;
        *self = Self {
            header: Header::new(Kind::Abort, 0, self.header.call),
            body: Body::words([], None),
            progress: Progress::Waiting,
            size: ENTRY_BYTES,
        };
        less
    }
}

/// Sends the next message of the transport for this entry. True: it was the last.
fn step<T: Transport>(
    transport: &mut T,
    entry: &mut Entry<T::Cap>,
) -> Result<bool, SendError<T::Cap>> {
    let Entry {
        header,
        body,
        progress,
        ..
    } = entry;
    match body {
        Body::Short(message) if message.words().len() <= T::WORDS => {
            message.set_header(*header);
            let cap = message.cap.take();
            let sent = transport.send(message.words(), cap);
            sent.map_err(|error| keep(error, |cap| message.cap = Some(cap)))?;
            Ok(true)
        }
        Body::Short(message) => {
            *body = Body::Long(Long::from(message.take()));
            Ok(false)
        }
        Body::Long(long) => step_long(transport, *header, long, progress),
    }
}

/// Sends the next fragment. True: it was the last.
fn step_long<T: Transport>(
    transport: &mut T,
    header: Header,
    long: &mut Long<T::Cap>,
    progress: &mut Progress,
) -> Result<bool, SendError<T::Cap>> {
    if *progress == Progress::Waiting
        && long.bytes.len() >= T::FRAME_BYTES
        && let Some(cap) = transport.pack(&long.bytes)
    {
        *progress = Progress::Packed(long.bytes.len());
        long.bytes = Vec::new();
        long.caps.push_front(cap);
    }
    if let Progress::Begun(before) = *progress
        && long.caps.is_empty()
        && let Some(rest) = long.bytes.get(before * WORD..)
        && rest.len() >= T::SLICE_BYTES
    {
        let slice = Header::new(Kind::Slice, 0, header.call);
        let sent = transport.send_slice(slice.to_word(), rest)?;
        if sent > 0 {
            *progress = Progress::Begun(before + sent.div_ceil(WORD));
            return Ok(sent >= rest.len());
        }
    }
    let mut words = [0; MESSAGE_WORDS];
    let (head, before) = match *progress {
        Progress::Begun(before) => {
            words[0] = Header::new(Kind::Part, 0, header.call).to_word();
            (1, before)
        }
        Progress::Waiting | Progress::Packed(_) => {
            let (bytes, packed) = match *progress {
                Progress::Packed(bytes) => (bytes, 1),
                _ => (long.bytes.len(), 0),
            };
            let sizes = Sizes {
                bytes: bytes as u64,
                caps: (long.caps.len() - packed) as u16,
                packed: packed != 0,
            };
            let first = Header {
                fragmented: true,
                ..header
            };
            words[0] = first.to_word();
            words[1] = sizes.to_word();
            (2, 0)
        }
    };
    let total = long.bytes.len().div_ceil(WORD);
    let count = (T::WORDS - head).min(total - before);
    let data = Block::of_bytes(long.bytes.get(before * WORD..).unwrap_or(&[]));
    for (to, from) in words.iter_mut().skip(head).zip(data.words()) {
        *to = from;
    }
    let message = words.get(..head + count).unwrap_or(&words);
    let cap = long.caps.pop_front();
    let is_last = before + count == total && long.caps.is_empty();
    let sent = match is_last {
        true => transport.send(message, cap),
        false => transport.send_part(message, cap),
    };
    sent.map_err(|error| keep(error, |cap| long.caps.push_front(cap)))?;
    *progress = Progress::Begun(before + count);
    Ok(is_last)
}

/// Keeps the capability that a full transport returned.
fn keep<C>(error: SendError<C>, put_back: impl FnOnce(C)) -> SendError<C> {
    match error {
        SendError::Full(Some(cap)) => {
            put_back(cap);
            SendError::Full(None)
        }
        other => other,
    }
}
