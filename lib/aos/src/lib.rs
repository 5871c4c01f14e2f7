//! The library OS: what a Barreleye program is linked with.
//!
//! A program is `#![no_std] #![no_main]` and has one function:
//!
//! ```ignore
//! #[aos::main]
//! fn main(args: aos::Args) -> Result<(), aos::Error> {
//!     aos::println!("hello, {}", args.iter().nth(1).unwrap_or("world"));
//!     Ok(())
//! }
//! ```
//!
//! | Module | What |
//! |---|---|
//! | [`cap`] | capability references and the operations on them |
//! | [`slot`] | slots for capabilities |
//! | [`ram`] | physical memory (`mm_*`) and objects made of it |
//! | [`account`] | the memory that a domain costs, and its return |
//! | [`monitor`] | what this domain asks of init |
//! | [`paging`] | mappings in the own and in new address spaces, lazy memory |
//! | [`heap`] | the heap |
//! | [`lmp`], [`event`] | messages on this core, waiting for them |
//! | [`binding`], [`channel`], [`service`] | connections to other domains, being a service |
//! | [`names`] | the name server |
//! | [`thread`], [`sync`] | threads of this domain, locks between them |
//! | [`proc`] | processes: starting programs, waiting for them |
//! | [`rpc`] | the course's calls of the services |
//! | [`spawn`] | new domains, made without init |
//! | [`prelude`] | what most programs use |
//! | [`boot`] | boot information and modules |
//! | [`stdio`], [`console`] | input and output |
//! | [`args`], [`exit`], [`record`], [`time`], [`json`] | the rest of a program's surroundings |
//! | `arch` | all that knows the processor |
//!
//! Policy: errors are stacked fugu codes; nothing here panics on what the kernel or another domain says. Everything here may
//! be called by any thread.
//!
//! Barrelfish counterpart: `lib/barrelfish`, the course's `lib/aos`.
#![no_std]

extern crate alloc;

pub mod account;
mod arch;
pub mod args;
pub mod binding;
pub mod boot;
pub mod cap;
pub mod channel;
pub mod console;
pub mod cores;
pub mod error;
pub mod event;
pub mod exit;
pub mod heap;
pub mod lmp;
mod memory;
pub mod monitor;
pub mod names;
mod nodes;
pub mod paging;
mod panic;
pub mod prelude;
pub mod proc;
pub mod ram;
pub mod record;
mod report;
pub mod rpc;
pub mod service;
pub mod slot;
pub mod spawn;
mod start;
pub mod stdio;
pub mod sync;
pub mod syscall;
pub mod thread;
pub mod time;
pub mod ump;

pub use aos_macros::main;
pub use args::Args;
pub use capops;
pub use error::{Error, ErrorCode};
pub use exit::{Status, Termination};
pub use flounder;
pub use initproto;
pub use intermon;
pub use kpi;
pub use listing;
pub use listing::json;
pub use menu;
pub use testproto;

/// The core that this domain runs on.
pub fn core_id() -> kpi::addr::CoreId {
    kpi::addr::CoreId(arch::dispatcher::core_id())
}
