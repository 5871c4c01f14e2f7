//! Values to bodies and back.
//!
//! Numbers are words ([`Word`]); other values are bytes in postcard's format, one after the other, byte slices copied in one
//! piece. Reading checks everything and allocates no more than what it has read asks for: a sequence grows as its elements
//! come. (A sequence of elements without any bytes, `Vec<()>`, would be read as often as the sender says: interfaces must
//! not have such a parameter.)

use crate::body::{BODY_WORDS, Body, Caps, Data, WORD};
use alloc::vec::Vec;
use errors::{Error, ErrorCode};
use serde::{Deserialize, Serialize};

/// Numbers that fit a word, and what else the fast form has.
pub trait Word: Sized {
    /// As a word.
    fn to_word(self) -> u64;

    /// From a word.
    ///
    /// # Errors
    /// `FLOUNDER_ERR_DEMARSHALLING`: no value of this type is this word.
    fn from_word(word: u64) -> Result<Self, Error>;
}

macro_rules! words {
    ($($number:ty),*) => {$(
        impl Word for $number {
            #[inline]
            fn to_word(self) -> u64 {
                self as u64
            }

            #[inline]
            fn from_word(word: u64) -> Result<Self, Error> {
                let value = word as $number;
                match value as u64 == word {
                    true => Ok(value),
                    false => Err(unreadable()),
                }
            }
        }
    )*};
}

words!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize);

impl Word for bool {
    #[inline]
    fn to_word(self) -> u64 {
        u64::from(self)
    }

    #[inline]
    fn from_word(word: u64) -> Result<Self, Error> {
        match word {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(unreadable()),
        }
    }
}

impl Word for char {
    #[inline]
    fn to_word(self) -> u64 {
        u64::from(u32::from(self))
    }

    #[inline]
    fn from_word(word: u64) -> Result<Self, Error> {
        u32::try_from(word)
            .ok()
            .and_then(char::from_u32)
            .ok_or_else(unreadable)
    }
}

#[cold]
fn unreadable() -> Error {
    ErrorCode::FlounderDemarshalling.into()
}

#[cold]
fn unwritable() -> Error {
    ErrorCode::FlounderMarshalling.into()
}

/// Makes a body of bytes.
#[derive(Debug)]
pub struct Writer<C> {
    bytes: Vec<u8>,
    caps: Caps<C>,
}

impl<C> Default for Writer<C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<C> Writer<C> {
    /// An empty body.
    pub fn new() -> Self {
        Self {
            bytes: Vec::new(),
            caps: Caps::new(None),
        }
    }

    /// Adds a value.
    ///
    /// # Errors
    /// `FLOUNDER_ERR_MARSHALLING`: its `Serialize` refused.
    pub fn put<V: Serialize + ?Sized>(&mut self, value: &V) -> Result<(), Error> {
        let bytes = core::mem::take(&mut self.bytes);
        self.bytes = postcard::to_extend(value, bytes).map_err(|_| unwritable())?;
        Ok(())
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// `FLOUNDER_ERR_MARSHALLING`: there is no memory for them.
    pub fn put_bytes(&mut self, value: &[u8]) -> Result<(), Error> {
        self.put(&(value.len() as u64))?;
        self.bytes
            .try_reserve(value.len())
            .map_err(|_| unwritable())?;
        self.bytes.extend_from_slice(value);
        Ok(())
    }

    /// Adds a capability.
    pub fn put_cap(&mut self, cap: C) {
        self.caps.push(cap);
    }

    /// Adds a capability that may be missing.
    ///
    /// # Errors
    /// `FLOUNDER_ERR_MARSHALLING`.
    pub fn put_cap_option(&mut self, cap: Option<C>) -> Result<(), Error> {
        self.put(&cap.is_some())?;
        cap.into_iter().for_each(|cap| self.put_cap(cap));
        Ok(())
    }

    /// Adds several capabilities.
    ///
    /// # Errors
    /// `FLOUNDER_ERR_MARSHALLING`.
    pub fn put_caps(&mut self, caps: Vec<C>) -> Result<(), Error> {
        self.put(&(caps.len() as u64))?;
        caps.into_iter().for_each(|cap| self.put_cap(cap));
        Ok(())
    }

    /// The body.
    pub fn finish(self) -> Body<C> {
        Body::bytes(self.bytes, self.caps)
    }
}

/// Where the bytes of a body are read from: the words of a short one are put in order here.
#[derive(Debug)]
pub struct Buffer<C> {
    short: [u8; BODY_WORDS * WORD],
    length: usize,
    long: Option<Vec<u8>>,
    caps: Caps<C>,
}

impl<C> Buffer<C> {
    /// Holds a body.
    pub fn new(body: Body<C>) -> Self {
        let mut short = [0; BODY_WORDS * WORD];
        let length = body.len();
        let long = match body.data {
            Data::Words { words, .. } => {
                for (to, from) in short.chunks_exact_mut(WORD).zip(words.iter().skip(1)) {
                    to.copy_from_slice(&from.to_le_bytes());
                }
                None
            }
            Data::Bytes(bytes) => Some(bytes),
        };
        Self {
            short,
            length,
            long,
            caps: body.caps,
        }
    }

    /// Begins to read.
    pub fn read(&mut self) -> Reader<'_, C> {
        let rest = match &self.long {
            Some(bytes) => bytes.as_slice(),
            None => self.short.get(..self.length).unwrap_or(&self.short),
        };
        Reader {
            rest,
            caps: &mut self.caps,
        }
    }
}

/// Reads a body of bytes.
#[derive(Debug)]
pub struct Reader<'a, C> {
    rest: &'a [u8],
    caps: &'a mut Caps<C>,
}

impl<'a, C> Reader<'a, C> {
    /// The next value.
    ///
    /// # Errors
    /// `FLOUNDER_ERR_DEMARSHALLING`: the bytes are no such value, or there are too few.
    pub fn get<V: Deserialize<'a>>(&mut self) -> Result<V, Error> {
        let (value, rest) = postcard::take_from_bytes(self.rest).map_err(|_| unreadable())?;
        self.rest = rest;
        Ok(value)
    }

    /// The next bytes.
    ///
    /// # Errors
    /// `FLOUNDER_ERR_DEMARSHALLING`.
    pub fn get_bytes(&mut self) -> Result<&'a [u8], Error> {
        let length: u64 = self.get()?;
        let (bytes, rest) = usize::try_from(length)
            .ok()
            .and_then(|length| self.rest.split_at_checked(length))
            .ok_or_else(unreadable)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// The next bytes, copied.
    ///
    /// # Errors
    /// `FLOUNDER_ERR_DEMARSHALLING`: also if there is no memory for the copy.
    pub fn get_vec(&mut self) -> Result<Vec<u8>, Error> {
        let bytes = self.get_bytes()?;
        let mut copy = Vec::new();
        copy.try_reserve_exact(bytes.len())
            .map_err(|_| unreadable())?;
        copy.extend_from_slice(bytes);
        Ok(copy)
    }

    /// The next capability.
    ///
    /// # Errors
    /// `FLOUNDER_ERR_RX_CAPS`: there are too few.
    pub fn get_cap(&mut self) -> Result<C, Error> {
        self.caps
            .take()
            .ok_or_else(|| ErrorCode::FlounderRxCaps.into())
    }

    /// The next capability that may be missing.
    ///
    /// # Errors
    /// `FLOUNDER_ERR_DEMARSHALLING`, `FLOUNDER_ERR_RX_CAPS`.
    pub fn get_cap_option(&mut self) -> Result<Option<C>, Error> {
        match self.get()? {
            true => self.get_cap().map(Some),
            false => Ok(None),
        }
    }

    /// The next capabilities.
    ///
    /// # Errors
    /// `FLOUNDER_ERR_DEMARSHALLING`, `FLOUNDER_ERR_RX_CAPS`.
    pub fn get_caps(&mut self) -> Result<Vec<C>, Error> {
        let count: u64 = self.get()?;
        if count > self.caps.len() as u64 {
            return Err(ErrorCode::FlounderRxCaps.into());
        }
        (0..count).map(|_| self.get_cap()).collect()
    }

    /// Checks that nothing is left.
    ///
    /// # Errors
    /// `FLOUNDER_ERR_RX_INVALID_LENGTH`, `FLOUNDER_ERR_RX_CAPS`.
    pub fn end(&self) -> Result<(), Error> {
        if self.rest.len() >= WORD || self.rest.iter().any(|byte| *byte != 0) {
            return Err(ErrorCode::FlounderRxInvalidLength.into());
        }
        match self.caps.is_empty() {
            true => Ok(()),
            false => Err(ErrorCode::FlounderRxCaps.into()),
        }
    }
}
