//! The memory server: RAM capabilities, charged to the client that asks. The books are the crate `accounts`.
//!
//! [`service`] is what does the work; where memory is, is its [`Backend`]'s affair.

pub mod service;

pub use service::{Backend, Limit, MemoryService, Wanted};

use errors::Error;
use flounder::interface;

/// Physical memory. `C` is the capability type. A client is a process; when it ends, all that it has comes back.
#[interface]
pub trait Memory<C> {
    /// A RAM capability of so many bytes, rounded up to pages, at a multiple of a power of two; and its size.
    #[caller]
    fn alloc(&mut self, bytes: u64, alignment: u64) -> Result<(C, u64), Error>;
    /// The same, all of it between two physical addresses.
    #[caller]
    fn alloc_between(
        &mut self,
        bytes: u64,
        alignment: u64,
        base: u64,
        limit: u64,
    ) -> Result<(C, u64), Error>;
    /// Gives back what begins at that physical address. The capability, and all that was made of it, is gone when this is answered.
    #[caller]
    fn free(&mut self, base: u64) -> Result<(), Error>;
    /// Passes what begins there on to another process, which has to be a client; its account needs room.
    #[caller]
    fn transfer(&mut self, base: u64, to: u32) -> Result<(), Error>;
    /// The caller's account: limit and use in bytes, limit and use in allocations.
    #[caller]
    fn account(&mut self) -> Result<(u64, u64, u64, u64), Error>;
    /// The server's memory in all, and what is free of it, in bytes; clients.
    fn total(&mut self) -> Result<(u64, u64, u64), Error>;
}
