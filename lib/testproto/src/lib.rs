//! Records: the one-line JSON messages by which a guest reports to hake.
//!
//! A record is one console line, emitted whole: `@@BE1 <nonce> <json>`. The nonce is random per run and known only to the
//! kernel and to the test runner in the guest, so a program's ordinary output cannot fake a record. The JSON is one flat
//! object; its field `t` says which [`Kind`] of record it is.
//!
//! * [`Writer`] builds the JSON in a fixed buffer, without an allocator: the guest's side.
//! * [`cut`] finds a record in console output, [`Record::parse`] checks it: hake's side.
//!
//! # Invariants
//!
//! What a [`Writer`] finishes is at most [`MAX_JSON`] bytes, and [`Record::parse`] accepts it if its fields are the ones that
//! [`Kind::fields`] names. Nothing that a guest prints makes this crate panic.
//!
//! # Barrelfish
//!
//! Barrelfish's test harness looks for finish strings in the console. Here every result is data, and a forged or cut-off
//! one is no result.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod json;
mod line;
mod record;
mod write;

pub use json::{Fields, JsonError, Str, Value};
pub use line::{Cut, Nonce, cut, prefix_at};
pub use record::{FieldKind, Kind, Record, RecordError};
pub use write::{TooLong, Writer};

/// What each record starts with; a nonce and a blank follow.
pub const MAGIC: &str = "@@BE1 ";
/// The longest record in bytes: magic, nonce, JSON and the line's end.
pub const MAX_LINE: usize = 512;
/// Characters of a nonce: hexadecimal digits.
pub const NONCE_LEN: usize = 16;
/// The longest JSON text of a record: what [`MAX_LINE`] leaves beside magic, nonce, blank and `\r\n`.
pub const MAX_JSON: usize = MAX_LINE - MAGIC.len() - NONCE_LEN - 1 - 2;

#[cfg(test)]
mod tests;
