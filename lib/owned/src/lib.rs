//! Owned, typed capabilities.
//!
//! A [`Cap<T, S>`](Cap) is the one value that owns the capability in a slot: moving it moves the capability, what needs it
//! whole consumes it, and when it is dropped the slot is emptied later by the reaper. `T` is the type from
//! `capabilities.hl`, so that an impossible retype does not compile. `S` is the capability space: the library OS puts its
//! own there, tests a model.
//!
//! | Module | What |
//! |---|---|
//! | [`space`] | what a capability space must be able to do |
//! | [`ledger`] | which slots are owned, which are dead: the books behind drop and reaper |
//! | [`cap`] | [`Cap`]: alloc, adopt, retype, split, delete, revoke |
//! | [`derived`] | [`Derived`]: copies and parts, which cannot outlive what they come from |
//! | [`mapped`] | [`Mapped`]: access to memory, as long as it is mapped |
//! | [`owner`] | [`Owner`]: what can be mapped or given away, and [`give`] |
//! | [`reap()`] | deletes what was dropped |
//!
//! What types cannot know, the kernel answers at run time: whether a range is in use, whether a capability was revoked,
//! whether a slot is free. Every such call has a `Result`, and one that consumes gives the capability back in [`Refused`].
//!
//! Errors: the space's own (the kernel's, with the library's code on top), `LIB_ERR_CAP_OWNED` and `LIB_ERR_CAP_TYPE`.
//!
//! Barrelfish counterpart: none. `struct capref` names a slot and owns nothing.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod cap;
pub mod derived;
pub mod ledger;
pub mod mapped;
pub mod owner;
mod reap;
mod refused;
pub mod space;

pub use cap::Cap;
pub use derived::Derived;
pub use ledger::Ledger;
pub use mapped::Mapped;
pub use owner::{Owner, give};
pub use reap::{Reaped, Which, reap, reap_locked};
pub use refused::Refused;
pub use space::Space;
