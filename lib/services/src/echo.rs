//! A service for tests and measurements: it gives back what it gets.

use alloc::string::String;
use alloc::vec::Vec;
use errors::{Error, ErrorCode};
use flounder::interface;

/// Gives back what it gets. `C` is the capability type.
#[interface]
pub trait Echo<C> {
    /// Nothing, there and back.
    fn null(&mut self) -> Result<(), Error>;
    /// The sum, which wraps.
    fn add(&mut self, first: u64, second: u64) -> Result<u64, Error>;
    /// Eight words there; back come four, each of two of them by exclusive or: the first of the first and the fifth, and so on.
    #[expect(clippy::too_many_arguments, reason = "as many as travel in registers")]
    fn words(
        &mut self,
        a: u64,
        b: u64,
        c: u64,
        d: u64,
        e: u64,
        f: u64,
        g: u64,
        h: u64,
    ) -> Result<(u64, u64, u64, u64), Error>;
    /// The same bytes.
    fn bytes(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Error>;
    /// How many bytes came.
    fn count(&mut self, bytes: &[u8]) -> Result<u64, Error>;
    /// The same text.
    fn text(&mut self, text: &str) -> Result<String, Error>;
    /// The same capability.
    fn pass(&mut self, cap: C) -> Result<C, Error>;
    /// One more for [`Echo::heard`]. No answer.
    #[one_way]
    fn tell(&mut self, number: u64);
    /// How many were told, and their sum, which wraps.
    fn heard(&mut self) -> Result<(u64, u64), Error>;
    /// An error, always.
    fn fail(&mut self) -> Result<(), Error>;
    /// The service ends without an answer.
    #[one_way]
    fn end(&mut self);
}

/// The service.
#[derive(Clone, Copy, Default, Debug)]
pub struct EchoService {
    told: u64,
    sum: u64,
    /// Somebody has told it to end.
    pub ends: bool,
}

impl<C> Echo<C> for EchoService {
    fn null(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn add(&mut self, first: u64, second: u64) -> Result<u64, Error> {
        Ok(first.wrapping_add(second))
    }

    fn words(
        &mut self,
        a: u64,
        b: u64,
        c: u64,
        d: u64,
        e: u64,
        f: u64,
        g: u64,
        h: u64,
    ) -> Result<(u64, u64, u64, u64), Error> {
        Ok((a ^ e, b ^ f, c ^ g, d ^ h))
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Error> {
        let mut copy = Vec::new();
        copy.try_reserve_exact(bytes.len())
            .map_err(|_| Error::new(ErrorCode::LibMallocFail))?;
        copy.extend_from_slice(bytes);
        Ok(copy)
    }

    fn count(&mut self, bytes: &[u8]) -> Result<u64, Error> {
        Ok(bytes.len() as u64)
    }

    fn text(&mut self, text: &str) -> Result<String, Error> {
        Ok(text.into())
    }

    fn pass(&mut self, cap: C) -> Result<C, Error> {
        Ok(cap)
    }

    fn tell(&mut self, number: u64) {
        self.told = self.told.wrapping_add(1);
        self.sum = self.sum.wrapping_add(number);
    }

    fn heard(&mut self) -> Result<(u64, u64), Error> {
        Ok((self.told, self.sum))
    }

    fn fail(&mut self) -> Result<(), Error> {
        Err(Error::new(ErrorCode::FlounderInvalidState))
    }

    fn end(&mut self) {
        self.ends = true;
    }
}
