//! What commands print that list something: columns for people, and for scripts (`--json`) an object on a line of its own for each row.
//!
//! | Module | What |
//! |---|---|
//! | [`table`] | rows and columns |
//! | [`caps`] | capability spaces, in which what is alike is one row for people |
//! | [`json`] | texts as JSON has them |
//!
//! The keys of the objects are the titles of the columns in lower case. Texts are cut nowhere: a long one moves what is behind it.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod caps;
pub mod json;
pub mod table;

pub use table::{Column, Listing, Value};
