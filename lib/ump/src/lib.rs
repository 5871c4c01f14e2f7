//! User-level message passing between cores (UMP): two rings of cache lines in shared memory, without the kernel.
//!
//! A [`Channel`] is one end. It sends and receives [`Line`]s of up to seven words, each with at most one *token*: a number that
//! stands for a capability, which travels another way. Longer messages go as several lines ([`Outgoing`], [`Assembly`]). When
//! nothing comes, a [`Backoff`] says how long to look again before [`Channel::ask_wake`] asks for a wake-up.
//!
//! | Module | What is in it |
//! |---|---|
//! | `control` | the word that makes a line valid: its bits |
//! | `memory` | what shared memory is; the orderings, each with its reason |
//! | `flaw` | deliberate mistakes, so that tests can show that they would be found |
//! | `sender`, `receiver` | one direction of a channel, seen from its two sides |
//! | `channel` | both directions together: acknowledgements, waking |
//!
//! **Invariants** (with an honest other side)
//!
//! * Lines arrive once each, in order, unchanged, or the channel is broken and says so.
//! * A line's words are written only while the line is the sender's, and read only while it is the receiver's. It becomes the receiver's by
//!   its control word, the sender's by an acknowledgement.
//! * Who may sleep, by the word of [`Channel::ask_wake`], is woken by the next line or the next room.
//!
//! **The other side is not trusted.** It may write anything anywhere in the shared memory at any time. Every word is read once, then
//! checked; one that cannot be is a [`Fault`], which ends the channel. No call loops more often than the ring has lines.
//!
//! Nothing here allocates, but for [`Growing`], and nothing waits.
//!
//! Barrelfish counterpart: `ump_chan` and `ump_impl.h`. Differences: acknowledgements by number instead of cleared lines, orderings
//! (there are none in the original), and a receiver that sleeps.
#![no_std]
#![deny(unsafe_code)]

extern crate alloc;

mod backoff;
mod channel;
mod control;
mod flaw;
mod line;
mod memory;
mod message;
mod receiver;
mod sender;
mod wake;

pub use backoff::{Backoff, Step};
pub use channel::{Channel, Side};
pub use control::{LINE_BYTES, LINE_WORDS};
pub use flaw::Flaw;
pub use line::Line;
pub use memory::{Control, Data, Memory, Real, SLOT_BYTES, Slot, slots};
pub use message::{Assembly, Buffer, Fixed, Growing, Outgoing};
pub use wake::{Bell, Interest};

use errors::ErrorCode;

/// How the other side broke the rules. The channel is of no use any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// A line's number is neither the next one's nor that of the line which was there before.
    Sequence,
    /// More is acknowledged than was sent.
    Acknowledgement,
    /// A message is longer than its receiver allows.
    TooLong,
}

impl core::fmt::Display for Fault {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Sequence => "a line came out of order",
            Self::Acknowledgement => "lines were acknowledged that were never sent",
            Self::TooLong => "a message is longer than allowed",
        })
    }
}

impl core::error::Error for Fault {}

impl From<Fault> for errors::Error {
    fn from(_: Fault) -> Self {
        ErrorCode::LibUmpChanRecv.into()
    }
}

/// Why a line was not sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SendError {
    /// The other side has not read enough yet.
    Full,
    /// A message that takes several lines has begun, and must be finished first.
    Unfinished,
    /// The channel is broken.
    Broken(Fault),
}

impl core::fmt::Display for SendError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Full => f.write_str("the channel is full"),
            Self::Unfinished => f.write_str("another message is not finished"),
            Self::Broken(fault) => fault.fmt(f),
        }
    }
}

impl core::error::Error for SendError {}

impl From<SendError> for errors::Error {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Full | SendError::Unfinished => ErrorCode::LibUmpChanFull.into(),
            SendError::Broken(fault) => fault.into(),
        }
    }
}
