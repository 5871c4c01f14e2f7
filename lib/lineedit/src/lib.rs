//! The line editor of prompts.
//!
//! Pure: [`Editor`] takes one byte at a time and writes what the terminal must show to a [`core::fmt::Write`]; it never
//! reads, waits or panics, whatever the bytes are. Memory is the only bound on a line, and running into it is an outcome
//! ([`Outcome::TooLong`]), not an accident.
//!
//! | Module | What |
//! |---|---|
//! | `keys` | bytes to keys |
//! | `buffer` | the line, its cursor, and the text that was cut last |
//! | [`History`] | lines entered before, bounded |
//! | `search` | Ctrl-R |
//! | `view` | the row of the terminal, redrawn by differences |
//! | [`Editor`] | what each key does with these |
//!
//! Barrelfish counterpart: none; its `fish` uses libreadline.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod buffer;
mod editor;
mod history;
mod keys;
mod search;
mod utf8;
mod view;

pub use editor::{Editor, Outcome};
pub use history::History;
