//! What a domain tells the one that started it: how it ended, which fault ended it, records; and what it asks of it.
//!
//! Pure: messages are words to values and back, and a fault is put into words for people. init gives each child an endpoint
//! of its own, so the endpoint says who speaks and a message carries no identity that could be forged.
//!
//! Flow control: an endpoint buffer that is full is transient; the sender yields and sends again. Nothing is dropped.
//!
//! | Module | What |
//! |---|---|
//! | [`message`] | the messages |
//! | [`request`] | capabilities to delete or revoke, memory; the answers |
//! | [`broker`] | what those hear who offer services or want to be connected |
//! | [`process`] | processes: orders, what is known of them, how they ended |
//! | [`fault`] | a fault in words |
//!
//! Barrelfish counterpart: the course's `aos_rpc` numbers; upstream's `proc_mgmt` exit message.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod broker;
pub mod fault;
pub mod message;
pub mod process;
pub mod request;

pub use broker::{NAME_SERVER, Told, Why};
pub use fault::{Fault, FaultCause};
pub use message::{Message, RECORD_CHUNK, RecordAssembler, record_chunks, text_chunks};
pub use process::{About, Address, CAPS_MAX, End, Head, ORDER_MAX, Order, State};
pub use request::{Answer, Request, Values, Wish};

/// Status of a program that returned an error.
pub const STATUS_ERROR: u8 = 1;
/// Status of a program that panicked.
pub const STATUS_PANIC: u8 = 101;
/// Status of a program that could not be started.
pub const STATUS_NOT_STARTED: u8 = 126;
/// Status of a command that is not there.
pub const STATUS_NOT_FOUND: u8 = 127;
/// Status of a program that was killed.
pub const STATUS_KILLED: u8 = 128;
/// Status of a program that a fault ended.
pub const STATUS_FAULT: u8 = 129;
