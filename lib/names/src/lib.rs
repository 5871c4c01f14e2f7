//! The name server's engine: services by name and by what they say of themselves, who waits for them, and who is still there.
//!
//! Pure: it knows no capabilities and no messages. A service is a handle `H`, whatever the server keeps; a [`Client`] is a number; time is an
//! input. An [`Engine`] takes requests, deaths and [`Ticks`], and gives answers and [`Action`]s; the server is a thin loop around it.
//!
//! | Module | What |
//! |---|---|
//! | [`name`] | names with a hierarchy, prefixes: grammar, limits |
//! | [`properties`] | keys with values: grammar, limits |
//! | [`pattern`], [`query`] | which services are meant: grammar, meaning |
//! | [`registry`] | records by name, enumeration in parts |
//! | [`watch`], [`events`] | who is told what; what happens when nobody listens |
//! | [`liveness`] | who is asked for signs of life, and when |
//! | [`engine`] | all of it together |
//! | [`error`] | why not, and the fugu code for it |
//!
//! # Invariants
//!
//! Texts are checked once, where they come in, also when they come in by serde: a [`Name`], [`Properties`] or [`Query`] is always valid. No input
//! panics. Everything is bounded by [`Limits`] and by the limits of the grammars; what is full refuses, or says that something was lost.
//!
//! # Barrelfish
//!
//! The counterpart is Octopus on the SKB, and the course's name server (`nameservice_*`). docs/src/names.md lists the differences.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod client;
pub mod engine;
pub mod error;
pub mod events;
pub mod liveness;
pub mod name;
pub mod pattern;
pub mod properties;
pub mod query;
pub mod registry;
mod text;
pub mod watch;

pub use client::{Client, Limits, Pid, Role};
pub use engine::{Action, Engine, Refused, RegisterOptions, Waited};
pub use error::{Error, codes};
pub use events::{Change, Event, Reason, Registration};
pub use liveness::Pulse;
pub use name::{Name, Prefix};
pub use pattern::Pattern;
pub use properties::{Properties, PropertyError, Value};
pub use query::Query;
pub use registry::{Page, Record};
pub use text::ParseError;
pub use watch::{LookupId, WatchId, WatchOptions};

/// A time, or a duration, in whatever unit the server counts.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    Default,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct Ticks(pub u64);

impl Ticks {
    /// So much later; the end of time if that is earlier.
    #[must_use]
    pub const fn after(self, duration: Self) -> Self {
        Self(self.0.saturating_add(duration.0))
    }
}
