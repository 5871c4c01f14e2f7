//! Two user pagers for programs, and examples of how such are made.
//!
//! | Pager | What it does |
//! |---|---|
//! | [`Squeeze`] | a region that is larger than its memory: cold pages lie compressed on the heap |
//! | [`Counted`] | how often a program comes to each page of a region |
//!
//! What they decide is in [`pagers`], which is tested on the host; here is what is done about it: pages of the region are mapped, and taken away, by
//! [`Pages`](aos::paging::pager::Pages). Both have the memory behind their region, and give it back by `free`.
//!
//! Errors: a pager that cannot do what it must refuses the fault, which then is the program's.
//!
//! Barrelfish counterpart: none.
#![no_std]
#![deny(unsafe_code)]

mod count;
mod squeeze;

pub use count::Counted;
pub use pagers::count::Count;
pub use pagers::squeeze::Statistics;
pub use squeeze::Squeeze;
