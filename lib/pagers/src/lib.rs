//! What two user pagers decide. Pure: what really happens to pages is done by who has them.
//!
//! | Module | What it decides |
//! |---|---|
//! | [`squeeze`] | a region that is larger than the memory behind it: which pages are there, and which lie compressed |
//! | [`clock`] | which page to put away: one that was not used for a while |
//! | [`count`] | which pages are open to be used, such that the accesses of each can be counted |
//!
//! A page is known by its number in its region, a place in the memory behind it, a *slot*, by its number there.
//!
//! Barrelfish counterpart: none. The second is what Appel and Li, "Virtual memory primitives for user programs" (1991), measured.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod clock;
pub mod count;
pub mod squeeze;

/// Bytes of a page.
pub const PAGE: usize = 4096;
