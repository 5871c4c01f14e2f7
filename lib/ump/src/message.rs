//! Messages of any length, as several lines.
//!
//! A message's lines follow each other; all but the last are full and say that more follows. A token goes with the first. There is no
//! length ahead of them: memory at the receiver grows with what has come, and what is longer than it allows ends the channel.

use crate::channel::Channel;
use crate::control::LINE_BYTES;
use crate::line::Line;
use crate::memory::Memory;
use crate::wake::Bell;
use crate::{Fault, SendError};
use alloc::vec::Vec;

/// Lines that are published together: enough to make one publication cheap, few enough that the receiver begins soon.
const BATCH: u32 = 8;

/// A message on its way out.
#[derive(Debug)]
pub struct Outgoing<'a> {
    rest: &'a [u8],
    token: Option<u32>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    New,
    Begun,
    Done,
}

impl<'a> Outgoing<'a> {
    /// A message of these bytes, to be sent by [`Channel::send_message`].
    #[must_use]
    pub const fn new(bytes: &'a [u8], token: Option<u32>) -> Self {
        Self {
            rest: bytes,
            token,
            state: State::New,
        }
    }

    /// Bytes that are not sent yet.
    #[must_use]
    pub const fn rest(&self) -> usize {
        self.rest.len()
    }

    /// Whether all is sent.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }
}

impl<B: Bell, M: Memory> Channel<'_, B, M> {
    /// Sends as much of a message as there is room for, a whole ring at most; whether that was all. If not, try again when there is room. Nothing else can be
    /// sent until it is finished.
    ///
    /// # Errors
    /// See [`SendError`]; it is never full.
    pub fn send_message(&mut self, message: &mut Outgoing<'_>) -> Result<bool, SendError> {
        match message.state {
            State::New if self.is_open() => return Err(SendError::Unfinished),
            State::New | State::Begun => {}
            State::Done => return Ok(true),
        }
        let sent = self.send_lines(message);
        self.publish();
        match sent {
            Ok(()) => {
                message.state = State::Done;
                self.set_open(false);
                Ok(true)
            }
            Err(SendError::Full) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn send_lines(&mut self, message: &mut Outgoing<'_>) -> Result<(), SendError> {
        // The other side may free lines while these are written, and so keep us here: hence the bound.
        for _ in 0..self.tx.capacity() {
            let (line, rest) = match message.rest.split_first_chunk::<LINE_BYTES>() {
                Some((part, rest)) if !rest.is_empty() => (Line::part(part, message.token), rest),
                _ => match Line::of_bytes(message.rest, message.token) {
                    Some(line) => (line, &[] as &[u8]),
                    None => break,
                },
            };
            self.stage_any(&line)?;
            message.token = None;
            message.rest = rest;
            if !line.more() {
                return Ok(());
            }
            message.state = State::Begun;
            self.set_open(true);
            if self.tx.staged() >= BATCH {
                self.publish();
            }
        }
        Err(SendError::Full)
    }

    /// Receives more of a message, a ring full of lines at most; whether it is complete. When it is, [take it](Assembly::take) before the next one.
    ///
    /// # Errors
    /// The [`Fault`] that ended the channel, now or before; [`Fault::TooLong`] among them.
    pub fn receive_message<S: Buffer>(&mut self, message: &mut Assembly<S>) -> Result<bool, Fault> {
        if message.complete {
            return Ok(true);
        }
        for _ in 0..self.tx.capacity() {
            let Some(line) = self.receive()? else {
                return Ok(false);
            };
            if !message.begun {
                message.token = line.token();
                message.begun = true;
            }
            let (bytes, count) = line.bytes();
            let added = bytes
                .get(..count)
                .is_some_and(|bytes| message.buffer.append(bytes));
            if !added {
                return Err(self.fail(Fault::TooLong));
            }
            if !line.more() {
                message.complete = true;
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Where a message is put together.
pub trait Buffer {
    /// Adds these bytes, or none of them and returns false: then the message is too long.
    fn append(&mut self, bytes: &[u8]) -> bool;
    /// What is there.
    fn bytes(&self) -> &[u8];
    /// Makes it empty.
    fn clear(&mut self);
}

/// A message on its way in.
#[derive(Debug)]
pub struct Assembly<S> {
    buffer: S,
    token: Option<u32>,
    begun: bool,
    complete: bool,
}

impl<S: Buffer> Assembly<S> {
    /// Puts messages together there.
    #[must_use]
    pub const fn new(buffer: S) -> Self {
        Self {
            buffer,
            token: None,
            begun: false,
            complete: false,
        }
    }

    /// Gives a complete message and its token to `use_it`, and is ready for the next one. `None` if it is not complete.
    pub fn take<R>(&mut self, use_it: impl FnOnce(&[u8], Option<u32>) -> R) -> Option<R> {
        if !self.complete {
            return None;
        }
        let result = use_it(self.buffer.bytes(), self.token.take());
        self.buffer.clear();
        self.begun = false;
        self.complete = false;
        Some(result)
    }
}

/// Memory of the caller: a message may be as long as that.
#[derive(Debug)]
pub struct Fixed<'a> {
    memory: &'a mut [u8],
    length: usize,
}

impl<'a> Fixed<'a> {
    /// This memory.
    pub const fn new(memory: &'a mut [u8]) -> Self {
        Self { memory, length: 0 }
    }
}

impl Buffer for Fixed<'_> {
    fn append(&mut self, bytes: &[u8]) -> bool {
        let free = self.memory.get_mut(self.length..).unwrap_or_default();
        match free.get_mut(..bytes.len()) {
            Some(to) => {
                to.copy_from_slice(bytes);
                self.length += bytes.len();
                true
            }
            None => false,
        }
    }

    fn bytes(&self) -> &[u8] {
        self.memory.get(..self.length).unwrap_or_default()
    }

    fn clear(&mut self) {
        self.length = 0;
    }
}

/// Memory of the heap, up to a limit. It grows with what comes.
#[derive(Debug)]
pub struct Growing {
    bytes: Vec<u8>,
    limit: usize,
}

impl Growing {
    /// Up to so many bytes.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self {
            bytes: Vec::new(),
            limit,
        }
    }
}

impl Buffer for Growing {
    fn append(&mut self, bytes: &[u8]) -> bool {
        if bytes.len() > self.limit - self.bytes.len()
            || self.bytes.try_reserve(bytes.len()).is_err()
        {
            return false;
        }
        self.bytes.extend_from_slice(bytes);
        true
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn clear(&mut self) {
        self.bytes.clear();
    }
}
