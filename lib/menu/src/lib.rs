//! `menu.lst`, the boot menu, and the splitting of a command line into words.
//!
//! A menu says what goes into a boot image, one file a line:
//!
//! ```text
//! # what            path              arguments
//! bootdriver        /sbin/boot_driver
//! cpudriver         /sbin/cpu_driver  loglevel=3
//! module            /sbin/hello       one "two three"
//! ```
//!
//! [`Menu::parse`] gives [`Item`]s with their positions, so that whoever looks the paths up can report `file:line:column`
//! too. [`words()`] is the one tokenizer for command lines: hake, init and the shell split arguments by the same rules. [`command_line`] is
//! what a prompt makes of a line.
//!
//! # Invariants
//!
//! A [`Menu`] has exactly one boot driver and one CPU driver, and each item's arguments split without error. No input
//! makes this crate panic.
//!
//! # Barrelfish
//!
//! The keywords are those of Barrelfish's `menu.lst` for ARMv8. `title`, `timeout`, `root`, `kernel`, `mmap`, `image` and
//! `modulenounzip` are left out: they belong to other loaders.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod line;
mod parse;
mod words;

pub use line::{CommandLine, address, command_line};
pub use parse::{Item, ItemKind, Menu, MenuError, MenuErrorKind, Position};
pub use words::{Word, WordError, Words, split, words};

#[cfg(test)]
mod tests;
