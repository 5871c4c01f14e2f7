//! A pipe: bytes go in at one side and come out at the other, in order.
//!
//! Who writes more than there is room for waits until it has been taken, who reads an empty pipe waits until something comes; both by turns. When the
//! last writer is gone, what is in the pipe can still be read, then comes the end. When the last reader is gone, writing fails.
//!
//! Invariant behind [`Pipe::settle`]: a read waits only if the pipe is empty and has a writer, a write only if it is full and has a reader.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use errors::{Error, ErrorCode};
use flounder::{Answer, Caller, Finished};

/// A read that waits.
#[derive(Debug)]
struct Read {
    end: u32,
    most: usize,
    answer: Answer<Vec<u8>>,
}

/// A write of which a part was not taken yet.
#[derive(Debug)]
struct Write {
    end: u32,
    bytes: Vec<u8>,
    /// So many of them were taken.
    taken: usize,
    answer: Answer<()>,
}

/// A pipe.
#[derive(Debug)]
pub(super) struct Pipe {
    bytes: VecDeque<u8>,
    most: usize,
    pub(super) readers: usize,
    pub(super) writers: usize,
    reads: VecDeque<Read>,
    writes: VecDeque<Write>,
}

impl Pipe {
    /// An empty one with an end on each side.
    pub(super) fn new(most: usize) -> Self {
        Self {
            bytes: VecDeque::new(),
            most,
            readers: 1,
            writers: 1,
            reads: VecDeque::new(),
            writes: VecDeque::new(),
        }
    }

    /// Whether nobody can use it any more.
    pub(super) const fn is_over(&self) -> bool {
        self.readers == 0 && self.writers == 0
    }

    /// A read of a client.
    pub(super) fn read(&mut self, end: u32, most: usize, answer: Answer<Vec<u8>>) {
        self.reads.push_back(Read { end, most, answer });
    }

    /// A write of a client.
    pub(super) fn write(&mut self, end: u32, bytes: &[u8], answer: Answer<()>) {
        self.writes.push_back(Write {
            end,
            bytes: bytes.to_vec(),
            taken: 0,
            answer,
        });
    }

    /// What the owner reads: `None` when it has to wait; nothing is the end.
    pub(super) fn take(&mut self, most: usize) -> Option<Vec<u8>> {
        if self.bytes.is_empty() {
            let is_end = self.writers == 0 && self.writes.is_empty();
            return is_end.then(Vec::new);
        }
        if !self.reads.is_empty() {
            return None;
        }
        Some(take_front(&mut self.bytes, most))
    }

    /// What the owner writes; answers how much was taken.
    ///
    /// # Errors
    /// `STREAM_ERR_BROKEN_PIPE`.
    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        if self.readers == 0 {
            return Err(ErrorCode::StreamBrokenPipe.into());
        }
        if !self.writes.is_empty() {
            return Ok(0);
        }
        let room = self.most.saturating_sub(self.bytes.len());
        let taken = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        self.bytes.extend(taken);
        Ok(taken.len())
    }

    /// The ends at which writes wait.
    pub(super) fn writing(&self) -> impl Iterator<Item = u32> {
        self.writes.iter().map(|write| write.end)
    }

    /// An end is closed: calls that wait at it have nobody to hear the answer.
    pub(super) fn forget_end(&mut self, end: u32, finished: &mut Vec<Finished>) {
        let gone = || Error::new(ErrorCode::StreamUnknown);
        for _ in 0..self.reads.len() {
            match self.reads.pop_front() {
                Some(read) if read.end == end => finished.push(read.answer.finish(Err(gone()))),
                read => self.reads.extend(read),
            }
        }
        for _ in 0..self.writes.len() {
            match self.writes.pop_front() {
                Some(write) if write.end == end => finished.push(write.answer.finish(Err(gone()))),
                write => self.writes.extend(write),
            }
        }
    }

    /// Calls that nobody waits for any more are dropped; of a write, what was taken stays.
    pub(super) fn forget(&mut self, is_gone: impl Fn(Caller) -> bool) {
        self.reads.retain(|read| !is_gone(read.answer.caller()));
        self.writes.retain(|write| !is_gone(write.answer.caller()));
    }

    /// Does all that can be done now.
    pub(super) fn settle(&mut self, finished: &mut Vec<Finished>) {
        if self.readers == 0 {
            self.bytes = VecDeque::new();
            for write in self.writes.drain(..) {
                let error = Err(ErrorCode::StreamBrokenPipe.into());
                finished.push(write.answer.finish(error));
            }
        }
        loop {
            self.fill(finished);
            if self.bytes.is_empty() {
                break;
            }
            let Some(read) = self.reads.pop_front() else {
                break;
            };
            let bytes = take_front(&mut self.bytes, read.most);
            finished.push(read.answer.finish(Ok(bytes)));
        }
        if self.writers == 0 && self.bytes.is_empty() && self.writes.is_empty() {
            for read in self.reads.drain(..) {
                finished.push(read.answer.finish(Ok(Vec::new())));
            }
        }
    }

    /// Takes of the writes what there is room for.
    fn fill(&mut self, finished: &mut Vec<Finished>) {
        while let Some(write) = self.writes.front_mut() {
            let room = self.most.saturating_sub(self.bytes.len());
            let rest = write.bytes.get(write.taken..).unwrap_or_default();
            let part = rest.get(..room).unwrap_or(rest);
            // A slice is copied at once; what iterates is copied byte by byte.
            self.bytes.extend(part);
            write.taken += part.len();
            if part.len() < rest.len() {
                return;
            }
            if let Some(write) = self.writes.pop_front() {
                finished.push(write.answer.finish(Ok(())));
            }
        }
    }
}

/// At most so many bytes from the front.
fn take_front(bytes: &mut VecDeque<u8>, most: usize) -> Vec<u8> {
    let count = most.min(bytes.len());
    let (first, second) = bytes.as_slices();
    let part = first.get(..count).unwrap_or(first);
    let rest = second.get(..count - part.len()).unwrap_or_default();
    let taken = [part, rest].concat();
    bytes.drain(..count);
    taken
}
