//! A line of a message, outside of shared memory.

use crate::control::{
    LINE_BYTES, LINE_WORDS, MORE, SEVEN, SHAPE, SPARE_SHIFT, TOKEN, TOKEN_SHIFT, WORDS_SHIFT,
};

/// Up to seven words, or 56 bytes, with at most one token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Line {
    /// Words after the last byte are 0 in lines made here; in received ones they are whatever the other side wrote.
    words: [u64; LINE_WORDS],
    /// As in the control word.
    shape: u64,
}

impl Line {
    /// A line of these words; `None` if there are more than [`LINE_WORDS`].
    #[inline]
    #[must_use]
    pub fn of_words(words: &[u64], token: Option<u32>) -> Option<Self> {
        if words.len() > LINE_WORDS {
            return None;
        }
        let mut all = [0; LINE_WORDS];
        for (to, from) in all.iter_mut().zip(words) {
            *to = *from;
        }
        Some(Self {
            words: all,
            shape: shape(words.len() * 8, token),
        })
    }

    /// A line of all seven words.
    #[inline]
    #[must_use]
    pub const fn full(words: [u64; LINE_WORDS], token: Option<u32>) -> Self {
        Self {
            words,
            shape: shape(LINE_BYTES, token),
        }
    }

    /// A line of these bytes; `None` if there are more than [`LINE_BYTES`].
    #[inline]
    #[must_use]
    pub fn of_bytes(bytes: &[u8], token: Option<u32>) -> Option<Self> {
        if bytes.len() > LINE_BYTES {
            return None;
        }
        let mut words = [0; LINE_WORDS];
        for (to, from) in words.iter_mut().zip(bytes.chunks(8)) {
            let mut word = [0; 8];
            for (to, from) in word.iter_mut().zip(from) {
                *to = *from;
            }
            *to = u64::from_le_bytes(word);
        }
        Some(Self {
            words,
            shape: shape(bytes.len(), token),
        })
    }

    /// A full line of these bytes, with more to follow.
    #[inline]
    pub(crate) fn part(bytes: &[u8; LINE_BYTES], token: Option<u32>) -> Self {
        let mut words = [0; LINE_WORDS];
        let (chunks, _) = bytes.as_chunks::<8>();
        for (to, from) in words.iter_mut().zip(chunks) {
            *to = u64::from_le_bytes(*from);
        }
        Self {
            words,
            shape: shape(LINE_BYTES, token) | MORE,
        }
    }

    /// What came in a slot. Any control word is one.
    #[inline(always)]
    pub(crate) const fn received(words: [u64; LINE_WORDS], control: u64) -> Self {
        Self {
            words,
            shape: control & SHAPE,
        }
    }

    /// As in the control word.
    #[inline(always)]
    pub(crate) const fn shape(&self) -> u64 {
        self.shape
    }

    /// All words; those [that are not part of the line](Self::byte_count) mean nothing.
    #[inline]
    #[must_use]
    pub const fn all_words(&self) -> &[u64; LINE_WORDS] {
        &self.words
    }

    /// Its words; `None` if it has half ones, or is part of a longer message.
    #[inline]
    #[must_use]
    pub fn words(&self) -> Option<&[u64]> {
        if self.more() || !self.byte_count().is_multiple_of(8) {
            return None;
        }
        self.words.get(..self.byte_count() / 8)
    }

    /// Its bytes: an array, and how many of it.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> ([u8; LINE_BYTES], usize) {
        let mut bytes = [0; LINE_BYTES];
        let (chunks, _) = bytes.as_chunks_mut::<8>();
        for (to, from) in chunks.iter_mut().zip(self.words) {
            *to = from.to_le_bytes();
        }
        (bytes, self.byte_count())
    }

    /// How many bytes it has.
    #[inline]
    #[must_use]
    pub const fn byte_count(&self) -> usize {
        if self.more() {
            return LINE_BYTES;
        }
        let words = (self.shape >> WORDS_SHIFT & SEVEN) as usize;
        let spare = (self.shape >> SPARE_SHIFT & SEVEN) as usize;
        (words * 8).saturating_sub(spare)
    }

    /// Whether the message goes on in the next line.
    #[inline]
    #[must_use]
    pub const fn more(&self) -> bool {
        self.shape & MORE != 0
    }

    /// Its token.
    #[inline]
    #[must_use]
    pub const fn token(&self) -> Option<u32> {
        match self.shape & TOKEN {
            0 => None,
            _ => Some((self.shape >> TOKEN_SHIFT) as u32),
        }
    }
}

/// The shape of a line of so many bytes, at most [`LINE_BYTES`].
#[inline(always)]
const fn shape(bytes: usize, token: Option<u32>) -> u64 {
    let token = match token {
        Some(token) => (token as u64) << TOKEN_SHIFT | TOKEN,
        None => 0,
    };
    let words = bytes.div_ceil(8);
    (words as u64) << WORDS_SHIFT | ((words * 8 - bytes) as u64) << SPARE_SHIFT | token
}
