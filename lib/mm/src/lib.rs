//! Bookkeeping of memory, addresses and capability slots.
//!
//! Pure: nothing here touches a capability, and nothing allocates. The library OS asks *where* an object fits, then makes it there by
//! retyping the capability that the books name; so the same code serves RAM, virtual addresses and slots, and is tested on the host.
//! The books themselves are nodes of an [`arena`], whose memory the caller lets grow when *he* can: each operation says how many
//! nodes it takes at most, a small constant.
//!
//! | Module | What it keeps |
//! |---|---|
//! | [`ram`] | regions, each with its root capability, and what is free in them: best fit, coalescing, O(log n) |
//! | [`chunks`] | the same in two levels: chunks are cut from regions when they are needed, objects come from chunks |
//! | [`slots`] | free slots of L2CNodes and of the root CNode |
//! | [`reserve`] | when nodes, slots and root slots are refilled, such that a refill never needs one that is not there |
//!
//! Barrelfish counterpart: `lib/mm` (a buddy or list allocator over capabilities), `lib/barrelfish/slot_alloc`, `lib/slab`. Different
//! here: capabilities are not split into a tree; a region keeps its root capability for good and every object is retyped
//! straight from it or from its chunk, which the kernel permits as long as the ranges do not overlap.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod chunks;
pub mod ram;
pub mod reserve;
pub mod slots;
mod span;

pub use span::Span;

/// Why bookkeeping refused. Whatever is refused changes nothing.
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
    /// Something in it is still in use.
    InUse,
    /// No memory for the bookkeeping itself: the arena needs more nodes.
    NoMemory,
}
