//! RBED, rate-based earliest deadline: who has the core next, and until when.
//!
//! Two questions are kept apart. *How much* time a task gets is a rate: a real-time task is promised so much in each of its
//! periods, and what is not promised is shared by the best-effort tasks, by weight. *When* it gets it follows from deadlines:
//! the earliest goes first. Because a task may use no more than its rate says, and the rates never add up to more than the core
//! has, no deadline is missed, whatever the other tasks do.
//!
//! | Module | What it is |
//! |---|---|
//! | [`task`] | what the scheduler keeps of a task |
//! | [`promise`] | what a real-time task asks for, checked |
//! | [`rbed`] | the scheduler |
//!
//! Pure: no clock, no memory of its own, no unsafe code. Tasks are [`Handle`]s to where the user keeps them (a kernel: inside
//! its dispatcher control blocks), the queues are the user's too ([`Queue`]); time is a number of ticks that goes up. With
//! balanced trees as queues every call is O(log n), and none loops over more than [`RELEASES`] tasks.
//!
//! Barrelfish counterpart: `kernel/schedule_rbed.c`, after Brandt, Banachowski, Lin and Bisson, *Dynamic integrated scheduling
//! of hard real-time, soft real-time and non-real-time processes* (RTSS 2003). Different here:
//!
//! * One list sorted by deadline, searched for the first entry that is released, is three trees: promises by deadline, promises by
//!   next release, best effort by how much each has had.
//! * The best-effort tasks have one rate and one deadline in common, and divide it among them by virtual time (start-time fair
//!   queueing, Goyal, Vin and Chen 1997). Upstream gives each a deadline of its own and a new budget at once when the old one is
//!   used up, so that one that spins is always ahead of a promise with a long period, which then misses its deadline.
//! * What cannot be promised is an error for who asks, and a late job is late; upstream's kernel panics in both cases.
//! * Soft real time exists: a promise like a hard one, and a share of best effort for what goes beyond.
//! * A task that blocks with time left may use it later only as far as its rate allows then (the wake-up rule of constant-bandwidth
//!   servers, Abeni and Buttazzo 1998).
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod promise;
pub mod rbed;
pub mod task;

pub use promise::{Promise, Refused};
pub use rbed::{Decision, Rbed};
pub use task::{Class, Handle, Queue, Task};

/// All of a core's time, as a rate: millionths.
pub const SPECTRUM: u32 = 1_000_000;
/// What is never promised, so that best effort always goes on: a tenth.
pub const BETA: u32 = SPECTRUM / 10;
/// Part of [`BETA`] that best effort does not get by a deadline: it covers what switching costs, and timers that fire late.
pub const RESERVE: u32 = SPECTRUM / 50;
/// Largest weight of a best-effort task.
pub const MAX_WEIGHT: u16 = 16;
/// Tasks that one decision releases at most; if more are due, the next decision is due at once.
pub const RELEASES: usize = 8;
