//! Streams of bytes that a process keeps for others: pipes and files of a shell.
//!
//! Who starts a program tells it in its environment which stream of which service its input and output are, and lets that process, and no other, use it.

use alloc::vec::Vec;
use flounder::interface;

/// Streams of bytes, by number.
#[interface]
pub trait Streams {
    /// At most so many bytes, at least one unless it is the end. Waits until there are some.
    #[later]
    fn read(&mut self, stream: u32, most: u32) -> Result<Vec<u8>, errors::Error>;
    /// Writes all of it; answered when it has been taken. Fails when nobody reads any more.
    #[later]
    fn write(&mut self, stream: u32, bytes: &[u8]) -> Result<(), errors::Error>;
}
