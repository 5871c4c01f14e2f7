//! Nodes in memory that the caller gives, and balanced trees of them.
//!
//! What keeps the books of memory cannot take its own memory from the heap: the heap is what it serves. So the nodes live in an
//! [`Arena`], whose memory is a [`Store`] that the caller lets grow when *he* can, never in the middle of an operation; and an
//! operation that needs `n` nodes succeeds whenever [`Arena::free`] is at least `n`.
//!
//! | Type | What it is |
//! |---|---|
//! | [`Arena`] | nodes of one type, named by [`Id`] |
//! | [`Tree`] | an order on nodes of an arena, by a key in the node, with sums over subtrees; a node can be in several |
//!
//! Every operation of a tree takes O(log n) steps, and no recursion: the nodes on the way down, at most [`MAX_DEPTH`], are kept for the way back.
//!
//! Barrelfish counterpart: `lib/slab` (slab.c), with free lists only.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod store;
mod tree;
mod way;

pub use store::{Arena, Id, Slot, Store};
pub use tree::{Link, Order, Tree};
pub use way::{MAX_DEPTH, Way};
