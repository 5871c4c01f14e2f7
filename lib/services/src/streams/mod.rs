//! Streams of bytes that a process keeps for others: pipes and files of a shell.
//!
//! Who starts a program tells it in its environment which stream of which service its input and output are, and lets that process, and no other, use it.
//!
//! A stream's number names an *end*: the reading or the writing end of a [pipe](self::pipe), a place in a [file](self::files) that is read, or the end of one that is
//! written. [`StreamService`] is what the owner keeps; the owner makes ends, says [who may use](StreamService::allow) them, and closes them when that
//! process has ended. It may read and write itself, too, by [`take`](StreamService::take) and [`put`](StreamService::put), which never wait.
//!
//! | What | Bound | When it is full |
//! |---|---|---|
//! | bytes in a pipe | [`Bounds::pipe_bytes`] | writers wait |
//! | bytes in all files | [`Bounds::file_bytes`] | `STREAM_ERR_NO_ROOM` |
//! | files, ends | [`Bounds::files`], [`Bounds::ends`] | `STREAM_ERR_TOO_MANY_FILES`, `STREAM_ERR_TOO_MANY` |
//! | calls that wait | those of the connection | `FLOUNDER_ERR_TX_BUSY` |

mod files;
mod pipe;
mod service;

pub use service::{Bounds, Content, StreamService};

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
