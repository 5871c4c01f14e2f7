//! The prompt's line editor.
//!
//! Pure: the editor takes one byte at a time and writes what the terminal must show to a [`core::fmt::Write`]; it never
//! reads, waits or panics, whatever the bytes are. Memory is the only bound on a line, and running into it is an outcome
//! ([`Outcome::TooLong`]), not an accident. Splitting a line into words is `menu::words`, which hake uses too.
//!
//! Barrelfish counterpart: none; its `fish` uses libreadline.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod editor;
mod utf8;

pub use editor::{Editor, Outcome};
