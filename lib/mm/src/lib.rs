//! Bookkeeping of memory, addresses and capability slots.
//!
//! Pure: nothing here touches a capability. The library OS asks *where* an object fits, then makes it there by retyping
//! the region's root capability; so the same code serves RAM, virtual addresses and slots, and is tested on the host.
//!
//! | Module | What it keeps |
//! |---|---|
//! | [`ranges`] | a set of free byte ranges with aligned first fit and coalescing |
//! | [`ram`] | RAM regions, each with its root capability |
//! | [`slots`] | free slots of L2CNodes |
//!
//! Barrelfish counterpart: `lib/mm` (a buddy or list allocator over capabilities), `lib/barrelfish/slot_alloc`. Different
//! here: capabilities are not split into a tree; a region keeps its root capability for good and every object is retyped
//! straight from it, which the kernel permits as long as the ranges do not overlap.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod ram;
pub mod ranges;
pub mod slots;

/// Why bookkeeping refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MmError {
    /// Nothing free that is large enough.
    Exhausted,
    /// Size 0, an alignment that is no power of two, or an address computation that leaves 64 bits.
    Invalid,
    /// The range overlaps what is there already (adding) or what is free already (freeing twice).
    Overlap,
    /// The range belongs to no known region.
    NotFound,
    /// No memory for the bookkeeping itself.
    NoMemory,
}
