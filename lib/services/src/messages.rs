//! Messages without a type: bytes there, bytes back, as the course's name service has them.

use alloc::vec::Vec;
use errors::Error;
use flounder::{Limits, interface};

/// How much a connection may use.
pub const LIMITS: Limits = Limits {
    message_bytes: 1 << 20,
    caps: 1,
    queued_bytes: 64 << 10,
    calls: 16,
};

/// A service that takes messages.
#[interface]
pub trait Messages {
    /// A message, and the answer to it.
    fn rpc(&mut self, message: &[u8]) -> Result<Vec<u8>, Error>;
}

/// The service: a function of a message that makes its answer.
pub struct MessageService<F>(pub F);

impl<F> core::fmt::Debug for MessageService<F> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("MessageService")
    }
}

impl<F: FnMut(&[u8]) -> Vec<u8>> Messages for MessageService<F> {
    fn rpc(&mut self, message: &[u8]) -> Result<Vec<u8>, Error> {
        Ok((self.0)(message))
    }
}
