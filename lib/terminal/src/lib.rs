//! The serial service's engine: who types what to whom, and whose output comes next.
//!
//! Pure: bytes of the line and requests of clients go in; bytes for the line, answers and events come out. The service is a thin loop around a
//! [`Terminal`]: it feeds what the UART received, calls the method for each request, does what [`next_action`](Terminal::next_action) says
//! until there is nothing left, and sends what [`take_output`](Terminal::take_output) gives.
//!
//! | Module | What |
//! |---|---|
//! | `client` | clients, modes, limits |
//! | `discipline` | what typed bytes become: editing, ends of lines, end of input; unread input |
//! | `foreground` | whom the bytes are for, and who lent that to whom |
//! | `output` | whose output comes next, and who has to wait |
//! | [`terminal`] | all of it together |
//! | `error` | why not, and the fugu code for it |
//!
//! # Invariants
//!
//! * Unread input is never more than its bound; a byte that finds no room rings the bell and is gone. A line that was begun can always be ended.
//! * Only the foreground reads. Each read is answered once, or cancelled, or ends with its client.
//! * A write that is sent as at most a [`piece`](Limits::piece) is sent without anything in between, and is taken whole or not at all.
//! * Every client can have a piece waiting whatever the others do, and gets its turn after at most one piece of each other one.
//! * Who was told to wait is told when there is room.
//! * No input panics.
//!
//! # Barrelfish
//!
//! The counterpart is `usr/drivers/serial`, `lib/term/server` and `usr/angler`, which has the line discipline in the client's library; and the
//! course's terminal driver (`aos_rpc_serial_getchar`, `aos_rpc_serial_putchar`).
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod client;
mod discipline;
mod error;
mod foreground;
mod output;
pub mod terminal;

pub use client::{Client, Limits, Mode};
pub use discipline::{Input, Signal, Until};
pub use error::Error;
pub use output::Written;
pub use terminal::{Action, ReadId, Terminal};
