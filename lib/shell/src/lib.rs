//! The shell's language, without a shell: what a command line means, but nothing that runs.
//!
//! | Module | What |
//! |---|---|
//! | [`parse()`] | a line becomes a [`List`]; errors carry the column and say what to do |
//! | [`ast`] | that list, and how it is written again: `parse(print(list)) == list` |
//! | [`Variables`] | names and values, bounded |
//! | [`expand`] | words become fields: parameters, quotes, splitting at blanks |
//! | [`plan`] | who gets which stream in a pipeline, and what the shell has itself |
//! | [`table`] | the commands that the shell has itself, with their manual |
//! | [`run`] | what `;`, `&`, `&&`, `||` and `$?` mean, over a [`Host`](run::Host) that starts the programs |
//! | [`jobs`] | the table behind `jobs`, `fg`, `bg`, `kill %1`, `wait` |
//! | [`complete`] | what the word before the cursor is, and what may follow it |
//!
//! The language is the part of POSIX `sh` that fits a prompt; `docs/src/shell.md` has its grammar. Nothing recurses on
//! input, every table has a bound in [`limits`], and no input panics.
//!
//! Barrelfish counterpart: `usr/fish`, which splits a line at blanks and knows one background mark.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod ast;
pub mod complete;
mod error;
pub mod expand;
pub mod jobs;
mod lex;
pub mod limits;
mod name;
mod parse;
pub mod plan;
pub mod run;
pub mod table;
mod variables;

pub use ast::List;
pub use error::{ParseError, Problem};
pub use name::is_name;
pub use parse::parse;
pub use variables::{VariableError, Variables};
