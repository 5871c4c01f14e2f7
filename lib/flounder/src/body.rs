//! What a message carries behind its header.
//!
//! * A **short** body is one message of the transport, at most: up to eight words and one capability. Methods whose parameters are
//!   all numbers have these as they are, see the macro; in other methods the words are up to 64 bytes. Nothing short is ever on
//!   the heap.
//! * A **long** body is bytes and any number of capabilities.
//!
//! [`Incoming`] is a body where it has arrived, from which the arguments or results are read. A service's short answer is written
//! over the call, in the same place, and sent from there.

use crate::codec::{Buffer, Reader};
use crate::promise::{Broken, Promise, Promised};
use crate::server::Outcome;
use crate::transport::{MESSAGE_WORDS, Message};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use errors::{Error, ErrorCode};

/// Words that a short body can have.
pub const BODY_WORDS: usize = MESSAGE_WORDS - 1;

/// Bytes in a word.
pub(crate) const WORD: usize = size_of::<u64>();

/// Bytes that fit a short body.
pub(crate) const SHORT_BYTES: usize = BODY_WORDS * WORD;

/// A long body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Long<C> {
    pub(crate) bytes: Vec<u8>,
    pub(crate) caps: VecDeque<C>,
}

/// What a message carries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body<C> {
    /// The words behind the place of the header.
    Short(Message<C>),
    /// More than that.
    Long(Long<C>),
}

impl<C> Body<C> {
    /// A body of these words.
    #[inline]
    pub fn words<const N: usize>(values: [u64; N], cap: Option<C>) -> Self {
        Self::Short(Message::with_data(values, cap))
    }

    /// Bytes of data.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Self::Short(message) => message.data_bytes(),
            Self::Long(long) => long.bytes.len(),
        }
    }

    /// Whether it carries no data.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Has `read` read it.
    #[inline]
    pub(crate) fn read<V>(self, read: impl FnOnce(&mut Incoming<'_, C>) -> V) -> V {
        match self {
            Self::Short(mut message) => read(&mut Incoming::new(&mut message, None)),
            Self::Long(mut long) => read(&mut Incoming::new(
                &mut Message::new(&[], None),
                Some(&mut long),
            )),
        }
    }
}

impl<C> From<Message<C>> for Long<C> {
    /// For a transport whose messages are too short for this one.
    fn from(message: Message<C>) -> Self {
        let block = Block::of_words(message.data());
        Self {
            bytes: block.bytes(message.data_bytes()).to_vec(),
            caps: message.cap.into_iter().collect(),
        }
    }
}

/// A body where it has arrived.
#[derive(Debug)]
pub struct Incoming<'a, C> {
    /// The body if it is short; in any case where a short answer is put.
    message: &'a mut Message<C>,
    long: Option<&'a mut Long<C>>,
    /// Where broken promises are counted, if answers may come later.
    broken: Option<&'a Broken>,
    promised: Option<Promised>,
}

impl<'a, C> Incoming<'a, C> {
    #[inline]
    pub(crate) fn new(message: &'a mut Message<C>, long: Option<&'a mut Long<C>>) -> Self {
        Self {
            message,
            long,
            broken: None,
            promised: None,
        }
    }

    /// Of a server.
    #[inline]
    pub(crate) fn of_call(
        message: &'a mut Message<C>,
        long: Option<&'a mut Long<C>>,
        broken: &'a Broken,
    ) -> Self {
        Self {
            broken: Some(broken),
            ..Self::new(message, long)
        }
    }

    /// For an answer that comes later. For generated code.
    pub fn promise(&mut self) -> Promise {
        let nobody = Broken::default();
        let (promise, promised) = Promise::new(self.broken.unwrap_or(&nobody));
        self.promised = Some(promised);
        promise
    }

    /// What was promised.
    pub(crate) fn promised(&mut self) -> Option<Promised> {
        self.promised.take()
    }

    /// Exactly `N` words, exactly one capability or none.
    ///
    /// # Errors
    /// `FLOUNDER_ERR_RX_INVALID_LENGTH`, `FLOUNDER_ERR_RX_CAPS`.
    #[inline]
    pub fn words<const N: usize>(
        &mut self,
        with_cap: bool,
    ) -> Result<([u64; N], Option<C>), Error> {
        if let Some(long) = &mut self.long {
            return long.words(with_cap);
        }
        let values = self.message.exactly();
        let values = values.ok_or(ErrorCode::FlounderRxInvalidLength)?;
        match self.message.cap.is_some() == with_cap {
            true => Ok((values, self.message.cap.take())),
            false => Err(ErrorCode::FlounderRxCaps.into()),
        }
    }

    /// Begins to read it as bytes.
    pub fn read<'b>(&'b mut self, buffer: &'b mut Buffer) -> Reader<'b, C> {
        let bytes = match self.long {
            Some(_) => &[],
            None => buffer.fill(self.message),
        };
        let first = &mut self.message.cap;
        match &mut self.long {
            Some(long) => Reader::new(&long.bytes, first, Some(&mut long.caps)),
            None => Reader::new(bytes, first, None),
        }
    }

    /// Answers with these words, in place.
    #[inline]
    pub fn reply<const N: usize>(&mut self, values: [u64; N], cap: Option<C>) -> Outcome<C> {
        self.message.set_data(values, cap);
        Outcome::InPlace
    }
}

impl<C> Long<C> {
    /// Moves it out.
    pub(crate) fn take(&mut self) -> Self {
        Self {
            bytes: core::mem::take(&mut self.bytes),
            caps: core::mem::take(&mut self.caps),
        }
    }

    /// As [`Incoming::words`], after a transport with shorter messages.
    #[cold]
    fn words<const N: usize>(&mut self, with_cap: bool) -> Result<([u64; N], Option<C>), Error> {
        if self.bytes.len() != N * WORD {
            return Err(ErrorCode::FlounderRxInvalidLength.into());
        }
        if self.caps.len() != usize::from(with_cap) {
            return Err(ErrorCode::FlounderRxCaps.into());
        }
        let mut values = [0; N];
        for (to, from) in values.iter_mut().zip(Block::of_bytes(&self.bytes).words()) {
            *to = from;
        }
        Ok((values, self.caps.pop_front()))
    }
}

/// The bytes of a short body, or of one fragment, where they become words and words become bytes. Aligned, so that this is
/// done a word at a time; the bytes of a message lie anywhere.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub(crate) struct Block([u8; SHORT_BYTES]);

impl Block {
    #[inline]
    pub(crate) fn new() -> Self {
        Self([0; SHORT_BYTES])
    }

    /// The first of these bytes; zeros follow if they are fewer.
    #[inline]
    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        let mut block = Self::new();
        let count = bytes.len().min(SHORT_BYTES);
        if let (Some(to), Some(from)) = (block.0.get_mut(..count), bytes.get(..count)) {
            to.copy_from_slice(from);
        }
        block
    }

    /// These words, at most [`BODY_WORDS`].
    #[inline]
    pub(crate) fn of_words(words: &[u64]) -> Self {
        let mut block = Self::new();
        for (to, from) in block.0.as_chunks_mut::<WORD>().0.iter_mut().zip(words) {
            *to = from.to_le_bytes();
        }
        block
    }

    #[inline]
    pub(crate) fn words(&self) -> impl Iterator<Item = u64> + '_ {
        let words = self.0.as_chunks::<WORD>().0.iter();
        words.map(|word| u64::from_le_bytes(*word))
    }

    /// The first `count` bytes, or all.
    #[inline]
    pub(crate) fn bytes(&self, count: usize) -> &[u8] {
        self.0.get(..count).unwrap_or(&self.0)
    }
}
