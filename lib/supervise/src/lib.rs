//! The supervisor of services: what is started when, what is started again after a crash, and when that is given up.
//!
//! Pure: starts, ends, readiness and time go in; what to spawn and to kill comes out. The process server is a thin loop around a
//! [`Supervisor`]: it tells it what happened, does what [`next_action`](Supervisor::next_action) says until there is nothing left, and calls
//! [`tick`](Supervisor::tick) at [`next_deadline`](Supervisor::next_deadline).
//!
//! | Module | What |
//! |---|---|
//! | `policy` | whether a service is restarted, how often and how soon |
//! | `plan` | what services need, and the order that follows from it |
//! | `state` | what a service does; what the server is to do |
//! | [`lines`] | services as the boot menu lists them |
//! | [`supervisor`] | all events, and what follows from them |
//! | `error` | why not, and the fugu code for it |
//!
//! # Invariants
//!
//! * A service has at most one run at a time: the next one begins after the end of the one before was told.
//! * A run begins when everything that the service needs is running, or has ended well if it was only to be before it.
//! * In each window of time a service is restarted at most as often as its policy says, and never sooner than it says; unless it failed too
//!   often, it is restarted.
//! * Nothing is killed before those that need it and have to go too, but for what does not work. Each run is killed at most once.
//!
//! **Bounds.** At most [`MAX_SERVICES`] services with [`MAX_NEEDS`] needs each: more are refused. Every call looks at every service once or twice, and
//! makes at most four actions for each.
//!
//! # Barrelfish
//!
//! The counterparts are `usr/startd`, which starts what the menu lists and never again, and the course's spawn server, which does not restart either.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod error;
pub mod lines;
mod plan;
mod policy;
mod state;
pub mod supervisor;

pub use error::Error;
pub use plan::{Definition, MAX_NEEDS, MAX_SERVICES, Need, NeedKind, Service};
pub use policy::{Policy, Restart};
pub use state::{Action, End, Reason, Run, State};
pub use supervisor::Supervisor;

/// A time, or a duration, in whatever unit the server counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Ticks(pub u64);

impl Ticks {
    /// So much later; the end of time if that is earlier.
    #[must_use]
    pub const fn after(self, duration: Self) -> Self {
        Self(self.0.saturating_add(duration.0))
    }
}
