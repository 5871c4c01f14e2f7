//! One address space: its regions, and a shadow of its page tables. Pure: what really happens is done by an environment.
//!
//! A [`Space`] decides, an environment that implements [`Tables`] does: makes page tables, maps frames into them, unmaps. So the same code
//! runs over the kernel's invocations, over the tables of a domain that is just being made (with capabilities in another CSpace), and
//! over a simulated kernel in the tests.
//!
//! | Type | What it is |
//! |---|---|
//! | [`Region`] | a range of addresses that is taken, with flags and a tag; may have memory behind each of its pages, or not yet; a *guard* never has |
//! | [`Item`] | a region, table or run of mapped pages, to pass a whole space on to whom it belongs to |
//! | [`Node`] | what the books consist of; they lie in an [`arena::Arena`], never on the heap |
//!
//! # Operations
//!
//! [`reserve`](Space::reserve) takes addresses; [`back`](Space::back) puts memory behind pages of a region and
//! [`unback`](Space::unback) takes it away; [`map`](Space::map) is reserve and back, [`unmap`](Space::unmap) is unback and the addresses
//! free again. [`protect`](Space::protect) changes flags, [`guard`](Space::guard) makes pages guards, [`join`](Space::join) saves
//! Mappings. [`lookup`](Space::lookup) is what a fault handler asks, and
//! [`lookup_hole`](Space::lookup_hole) what the one asks that puts memory there: into a [`Hole`]. All but map take any page-aligned range; a region that is cut in
//! two is two regions.
//!
//! All take O(log n) steps for each table that they touch.
//!
//! # What the kernel forces
//!
//! * A Mapping capability is for a run of entries of *one* table and goes as a whole. To unmap a part, the run is unmapped and what is
//!   left of it mapped again, by smaller pages where a block was cut: **break before make**. Meanwhile the rest is not there either, and a
//!   thread that touches it faults. So the space must be behind a lock that the fault handler takes too, and a fault on a page that
//!   [`lookup`](Space::lookup) finds to be there is only tried again.
//! * Mappings cannot be joined, and there is one Mapping (a slot of 64 bytes) and one node for each call of Map. Whoever backs a table
//!   page by page pays for each; backing several pages of one frame at a time, or [`join`](Space::join) from time to time, avoids it.
//! * Uncached memory is mapped by pages, and at most [`UNCACHED_ENTRIES`] at a time. Cached blocks cannot become uncached.
//! * A page that is there can be read. To forbid that, take it away: [`unback`](Space::unback); its frame may stay.
//!
//! # Nodes
//!
//! An operation first counts the nodes it may need ([`Why::Nodes`]: too few free, nothing happened; let the store grow, try again). To
//! back pages in one part of one table takes at most [`BACK_NODES`], to take an address range [`RESERVE_NODES`]: with so many in
//! reserve, the store itself can always be made larger.
//!
//! # Errors
//!
//! An [`Error`] without [`Stopped`] changed nothing. With one, it says from where on something is undone, or lost: after a part
//! was unmapped, the rest could not be mapped again. [`Tables::prepare`] is there so that this only happens when the kernel refuses the
//! frame itself.
//!
//! Barrelfish counterpart: `lib/barrelfish/vspace` and `pmap`, without their memory objects.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod back;
mod check;
mod clear;
mod env;
mod error;
mod gaps;
mod hole;
mod item;
mod join;
mod level;
mod node;
mod piece;
mod protect;
mod region;
mod space;
mod table;

pub use back::{Backing, Choice};
pub use env::{Entries, Tables};
pub use error::{Cause, Error, Stopped, Why};
pub use hole::Hole;
pub use item::{Item, Items, Role, RunItem, TableItem, WORDS};
pub use level::{PageSize, entry_bytes, entry_of};
pub use node::Node;
pub use piece::UNCACHED_ENTRIES;
pub use protect::Alone;
pub use region::{Attributes, Place, Region};
pub use space::{Counts, Found, Page, Space, Span};

/// Most nodes that [`Space::back`] takes for pages of one frame that lie in one table and one region: a run, tables of three levels.
pub const BACK_NODES: usize = 4;
/// Most nodes that [`Space::reserve`] takes.
pub const RESERVE_NODES: usize = 1;
/// Most nodes that a change of regions takes, one at each end of a range that cuts one in two: [`Space::guard`];
/// [`Space::protect`] and [`Space::unmap`] if they cut no run. To unmap whole regions takes none.
pub const SPLIT_NODES: usize = 2;
