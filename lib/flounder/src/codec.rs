//! Values to bodies and back.
//!
//! Numbers are words ([`Word`]); other values are bytes in postcard's format, one after the other, byte slices copied in one
//! piece. Reading checks everything, and ends after at most as many steps as there are bytes, whatever lengths the bytes claim: see
//! `input`. A sequence takes in memory at most one element for each byte, so an element that is large in memory and small in a
//! message (an `Option` of a large array) has no place in one.

use crate::body::{Block, Body, Long, SHORT_BYTES};
use crate::input::Input;
use crate::transport::Message;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use errors::{Error, ErrorCode};
use postcard::ser_flavors::Flavor;
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

/// The bytes of a body as they are written: on the heap only when there are more than a short one holds.
#[derive(Debug)]
struct Bytes {
    short: [u8; SHORT_BYTES],
    length: usize,
    long: Vec<u8>,
}

impl Bytes {
    fn add(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let end = self.length + bytes.len();
        if self.long.is_empty()
            && let Some(place) = self.short.get_mut(self.length..end)
        {
            place.copy_from_slice(bytes);
            self.length = end;
            return Ok(());
        }
        self.spill(bytes.len())?;
        self.long.extend_from_slice(bytes);
        Ok(())
    }

    /// Moves the bytes to the heap, with room for some more.
    fn spill(&mut self, more: usize) -> Result<(), Error> {
        let length = core::mem::take(&mut self.length);
        self.long
            .try_reserve(length + more)
            .map_err(|_| unwritable())?;
        self.long
            .extend_from_slice(self.short.get(..length).unwrap_or(&self.short));
        Ok(())
    }
}

impl Flavor for &mut Bytes {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.add(bytes)
            .map_err(|_| postcard::Error::SerializeBufferFull)
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

fn copy(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len())
        .map_err(|_| unreadable())?;
    copy.extend_from_slice(bytes);
    Ok(copy)
}

/// Makes a body of values.
#[derive(Debug)]
pub struct Writer<C> {
    bytes: Bytes,
    first: Option<C>,
    rest: VecDeque<C>,
}

impl<C> Default for Writer<C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<C> Writer<C> {
    /// An empty body.
    #[inline]
    pub fn new() -> Self {
        Self {
            bytes: Bytes {
                short: [0; SHORT_BYTES],
                length: 0,
                long: Vec::new(),
            },
            first: None,
            rest: VecDeque::new(),
        }
    }

    /// Adds a value.
    ///
    /// # Errors
    /// `FLOUNDER_ERR_MARSHALLING`: its `Serialize` refused, or there is no memory for it.
    pub fn put<V: Serialize + ?Sized>(&mut self, value: &V) -> Result<(), Error> {
        postcard::serialize_with_flavor(value, &mut self.bytes).map_err(|_| unwritable())
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// `FLOUNDER_ERR_MARSHALLING`: there is no memory for them.
    pub fn put_bytes(&mut self, value: &[u8]) -> Result<(), Error> {
        self.put(&(value.len() as u64))?;
        self.bytes.add(value)
    }

    /// Adds bytes behind which no value follows, so that their number need not be told: 64 of them fit a short body.
    ///
    /// # Errors
    /// `FLOUNDER_ERR_MARSHALLING`: there is no memory for them.
    pub fn put_rest(&mut self, value: &[u8]) -> Result<(), Error> {
        self.bytes.add(value)
    }

    /// Adds a capability.
    pub fn put_cap(&mut self, cap: C) {
        match self.first {
            None => self.first = Some(cap),
            Some(_) => self.rest.push_back(cap),
        }
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
    ///
    /// # Errors
    /// `FLOUNDER_ERR_MARSHALLING`: there is no memory for it.
    pub fn finish(mut self) -> Result<Body<C>, Error> {
        if self.bytes.long.is_empty() && self.rest.is_empty() {
            let bytes = self.bytes.short.get(..self.bytes.length).unwrap_or(&[]);
            return Ok(Body::Short(Message::with_bytes(bytes, self.first)));
        }
        if self.bytes.long.is_empty() {
            self.bytes.spill(0)?;
        }
        if let Some(first) = self.first {
            self.rest.push_front(first);
        }
        Ok(Body::Long(Long {
            bytes: self.bytes.long,
            caps: self.rest,
        }))
    }
}

/// Where the words of a short body are put in order to be read as bytes.
#[derive(Debug)]
pub struct Buffer(Block);

impl Default for Buffer {
    fn default() -> Self {
        Self::new()
    }
}

impl Buffer {
    /// An empty one.
    #[inline]
    pub fn new() -> Self {
        Self(Block::new())
    }

    pub(crate) fn fill<C>(&mut self, message: &Message<C>) -> &[u8] {
        self.0 = Block::of_words(message.data());
        self.0.bytes(message.data_bytes())
    }
}

/// Reads values from a body.
#[derive(Debug)]
pub struct Reader<'a, C> {
    input: Input<'a>,
    first: &'a mut Option<C>,
    rest: Option<&'a mut VecDeque<C>>,
}

impl<'a, C> Reader<'a, C> {
    pub(crate) fn new(
        bytes: &'a [u8],
        first: &'a mut Option<C>,
        rest: Option<&'a mut VecDeque<C>>,
    ) -> Self {
        Self {
            input: Input::new(bytes),
            first,
            rest,
        }
    }

    fn caps(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.as_ref().map_or(0, |rest| rest.len())
    }

    /// The next value.
    ///
    /// # Errors
    /// `FLOUNDER_ERR_DEMARSHALLING`: the bytes are no such value, or there are too few.
    pub fn get<V: Deserialize<'a>>(&mut self) -> Result<V, Error> {
        V::deserialize(&mut self.input).map_err(|_| unreadable())
    }

    /// The next bytes.
    ///
    /// # Errors
    /// `FLOUNDER_ERR_DEMARSHALLING`.
    pub fn get_bytes(&mut self) -> Result<&'a [u8], Error> {
        self.input.bytes().map_err(|_| unreadable())
    }

    /// The next bytes, copied.
    ///
    /// # Errors
    /// `FLOUNDER_ERR_DEMARSHALLING`: also if there is no memory for the copy.
    pub fn get_vec(&mut self) -> Result<Vec<u8>, Error> {
        copy(self.get_bytes()?)
    }

    /// All bytes that are left.
    pub fn get_rest(&mut self) -> &'a [u8] {
        self.input.take_rest()
    }

    /// All bytes that are left, copied.
    ///
    /// # Errors
    /// `FLOUNDER_ERR_DEMARSHALLING`: there is no memory for the copy.
    pub fn get_rest_vec(&mut self) -> Result<Vec<u8>, Error> {
        copy(self.get_rest())
    }

    /// All bytes that are left, as text.
    ///
    /// # Errors
    /// `FLOUNDER_ERR_DEMARSHALLING`: they are none.
    pub fn get_rest_text(&mut self) -> Result<&'a str, Error> {
        core::str::from_utf8(self.get_rest()).map_err(|_| unreadable())
    }

    /// All bytes that are left, as text, copied.
    ///
    /// # Errors
    /// `FLOUNDER_ERR_DEMARSHALLING`: they are none, or there is no memory for the copy.
    pub fn get_rest_string(&mut self) -> Result<String, Error> {
        String::from_utf8(self.get_rest_vec()?).map_err(|_| unreadable())
    }

    /// The next capability.
    ///
    /// # Errors
    /// `FLOUNDER_ERR_RX_CAPS`: there are too few.
    pub fn get_cap(&mut self) -> Result<C, Error> {
        let rest = &mut self.rest;
        let next = self.first.take();
        next.or_else(|| rest.as_mut()?.pop_front())
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
        if count > self.caps() as u64 {
            return Err(ErrorCode::FlounderRxCaps.into());
        }
        (0..count).map(|_| self.get_cap()).collect()
    }

    /// Checks that nothing is left.
    ///
    /// # Errors
    /// `FLOUNDER_ERR_RX_INVALID_LENGTH`, `FLOUNDER_ERR_RX_CAPS`.
    pub fn end(&self) -> Result<(), Error> {
        if !self.input.rest().is_empty() {
            return Err(ErrorCode::FlounderRxInvalidLength.into());
        }
        match self.caps() {
            0 => Ok(()),
            _ => Err(ErrorCode::FlounderRxCaps.into()),
        }
    }
}
