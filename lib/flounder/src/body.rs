//! What a message carries: up to eight words, or bytes, and capabilities.
//!
//! Words are the fast form: they leave and arrive as they are. Methods whose parameters are all numbers use it, see the macro.
//! Everything else is bytes. A body of bytes that came in one message may have up to seven zero bytes behind it.

use crate::transport::{MESSAGE_WORDS, Message};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use errors::{Error, ErrorCode};

/// Words that a body in the fast form can have.
pub const BODY_WORDS: usize = MESSAGE_WORDS - 1;

/// Bytes in a word.
pub(crate) const WORD: usize = size_of::<u64>();

/// Capabilities of a message, in order. One needs no memory from the heap.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caps<C> {
    first: Option<C>,
    rest: VecDeque<C>,
}

impl<C> Caps<C> {
    /// None, or one.
    #[inline]
    pub fn new(first: Option<C>) -> Self {
        Self {
            first,
            rest: VecDeque::new(),
        }
    }

    /// How many.
    #[inline]
    pub fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.len()
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Adds one behind the others.
    pub fn push(&mut self, cap: C) {
        match self.first {
            None => self.first = Some(cap),
            Some(_) => self.rest.push_back(cap),
        }
    }

    /// Puts one before the others.
    pub(crate) fn put_back(&mut self, cap: C) {
        if let Some(first) = self.first.replace(cap) {
            self.rest.push_front(first);
        }
    }

    /// Takes the first.
    #[inline]
    pub fn take(&mut self) -> Option<C> {
        let first = self.first.take();
        if !self.rest.is_empty() {
            self.first = self.rest.pop_front();
        }
        first
    }
}

/// The data of a body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Data {
    /// A message with its words 1 to `length`; word 0 is the header's.
    Words {
        words: [u64; MESSAGE_WORDS],
        length: usize,
    },
    Bytes(Vec<u8>),
}

/// What a message carries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Body<C> {
    pub(crate) data: Data,
    pub(crate) caps: Caps<C>,
}

impl<C> Body<C> {
    /// A body in the fast form.
    #[inline]
    pub fn words<const N: usize>(values: [u64; N], cap: Option<C>) -> Self {
        const { assert!(N <= BODY_WORDS) };
        let mut words = [0; MESSAGE_WORDS];
        for (to, from) in words.iter_mut().skip(1).zip(values) {
            *to = from;
        }
        Self {
            data: Data::Words {
                words,
                length: N + 1,
            },
            caps: Caps::new(cap),
        }
    }

    /// What a message carries behind its header.
    #[inline]
    pub(crate) fn of_message(message: Message<C>) -> Self {
        let (words, length, cap) = message.into_array();
        Self {
            data: Data::Words { words, length },
            caps: Caps::new(cap),
        }
    }

    /// A body of bytes.
    pub fn bytes(bytes: Vec<u8>, caps: Caps<C>) -> Self {
        Self {
            data: Data::Bytes(bytes),
            caps,
        }
    }

    /// Bytes of data.
    #[inline]
    pub fn len(&self) -> usize {
        match &self.data {
            Data::Words { length, .. } => length.saturating_sub(1) * WORD,
            Data::Bytes(bytes) => bytes.len(),
        }
    }

    /// Whether it carries no data.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes a body in the fast form apart: exactly `N` words, exactly one capability or none.
    ///
    /// # Errors
    /// `FLOUNDER_ERR_RX_INVALID_LENGTH`, `FLOUNDER_ERR_RX_CAPS`.
    #[inline]
    pub fn into_words<const N: usize>(
        self,
        with_cap: bool,
    ) -> Result<([u64; N], Option<C>), Error> {
        const { assert!(N <= BODY_WORDS) };
        let mut values = [0; N];
        if self.len() != N * WORD {
            return Err(ErrorCode::FlounderRxInvalidLength.into());
        }
        match self.data {
            Data::Words { words, .. } => {
                for (to, from) in values.iter_mut().zip(words.iter().skip(1)) {
                    *to = *from;
                }
            }
            Data::Bytes(bytes) => {
                for (to, from) in values.iter_mut().zip(words_of(&bytes)) {
                    *to = from;
                }
            }
        }
        if self.caps.len() != usize::from(with_cap) {
            return Err(ErrorCode::FlounderRxCaps.into());
        }
        Ok((values, self.caps.first))
    }

    /// The `index`th word of data, the last one filled up with zeros.
    pub(crate) fn word(&self, index: usize) -> u64 {
        match &self.data {
            Data::Words { words, .. } => words.get(index + 1).copied().unwrap_or(0),
            Data::Bytes(bytes) => {
                let rest = bytes.get(index * WORD..).unwrap_or(&[]);
                words_of(rest).next().unwrap_or(0)
            }
        }
    }
}

/// Bytes as words, the last one filled up with zeros.
pub(crate) fn words_of(bytes: &[u8]) -> impl Iterator<Item = u64> + '_ {
    bytes.chunks(WORD).map(|chunk| match chunk.try_into() {
        Ok(whole) => u64::from_le_bytes(whole),
        Err(_) => {
            let mut whole = [0; WORD];
            for (to, from) in whole.iter_mut().zip(chunk) {
                *to = *from;
            }
            u64::from_le_bytes(whole)
        }
    })
}
