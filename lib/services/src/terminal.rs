//! The terminal: what is typed goes to whom it is for, and what many print comes out in whole lines.
//!
//! A client is a process, however many connections it has. The engine is the crate `terminal`, the service around it [`TerminalService`].

mod service;

pub use service::TerminalService;

use alloc::vec::Vec;
use errors::Error;
use flounder::{Limits, interface};
use serde::{Deserialize, Serialize};

/// What it is registered as.
pub const NAME: &str = "service/terminal";

/// Most bytes that one call writes; longer writes are refused.
pub const WRITE_MAX: usize = 4 << 10;
/// Most bytes that one call reads; who asks for more gets so many.
pub const READ_MAX: usize = 4 << 10;
/// What a connection may use, on both sides: so all that 64 clients can have waiting fits a small domain.
pub const LIMITS: Limits = Limits {
    message_bytes: WRITE_MAX + 64,
    caps: 0,
    queued_bytes: 8 << 10,
    calls: 16,
};

/// How a client reads and writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Mode {
    /// Lines, echoed and edited; in output, a line feed gets its carriage return.
    Cooked,
    /// Bytes as they are, both ways, without echo.
    Raw,
}

/// What was typed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Typed {
    /// The bytes; none only at the end.
    pub bytes: Vec<u8>,
    /// The user has ended the input (Ctrl-D); the next read reads on nevertheless.
    pub end: bool,
}

/// What a key has happen to the program that has the foreground.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Signal {
    /// Ctrl-Z: it is to stand still.
    Stop,
    /// Ctrl-C: it is to end.
    Interrupt,
}

/// A terminal.
#[interface]
pub trait Terminal {
    /// At most so many bytes, at least one unless it is the end; with `line`, up to the end of a line. Waits until there are some and the caller has the
    /// foreground.
    #[later]
    fn read(&mut self, most: u32, line: bool) -> Result<Typed, Error>;
    /// Prints all of it, at most [`WRITE_MAX`] bytes; answered when it is on the line, so that who prints faster than that waits.
    #[later]
    fn write(&mut self, bytes: &[u8]) -> Result<(), Error>;
    /// Changes how the caller reads and writes.
    #[caller]
    fn set_mode(&mut self, mode: Mode) -> Result<(), Error>;
    /// Takes the foreground if nobody has it.
    #[caller]
    fn claim(&mut self) -> Result<(), Error>;
    /// Lends the foreground, which the caller has, to a process, which need not have opened the terminal yet.
    #[caller]
    fn lend(&mut self, to: u32) -> Result<(), Error>;
    /// Takes back what the caller lent, also from those whom it was lent on to.
    #[caller]
    fn take_back(&mut self) -> Result<(), Error>;
    /// Gives back what was lent to the caller.
    #[caller]
    fn give_back(&mut self) -> Result<(), Error>;
    /// Answered when Ctrl-C or Ctrl-Z is typed while the caller, or whom it lent the foreground to, has it. Who calls this decides what becomes of both:
    /// until it gives such a call up. What is typed between an answer and the next call is not lost; of both keys, Ctrl-C counts.
    #[later]
    fn interrupted(&mut self) -> Result<Signal, Error>;
    /// Forgets what was typed and not read. For whom has the foreground.
    #[caller]
    fn discard_input(&mut self) -> Result<(), Error>;
}
