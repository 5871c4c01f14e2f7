//! Checks a program's ELF file and plans how it is loaded.
//!
//! Pure: [`plan`] reads bytes that anybody may have written, and answers with a [`Plan`] or an [`ElfError`] that says what is
//! wrong; it never panics. Nothing is allocated or mapped before the whole file has been found good, so a bad file costs
//! nothing.
//!
//! A good file is: little-endian AArch64, ELF64, type EXEC (programs are linked at a fixed address), with an ABI note of
//! our version; its PT_LOAD segments lie inside `[PROGRAM_BASE, PROGRAM_LIMIT)`, share no page, are not both writeable and
//! executable, and one that is executable holds the entry point.
//!
//! goblin parses the headers; every offset and size that it hands over is checked here.
//!
//! Barrelfish counterpart: `lib/elf` (`elf_load`), which trusts the sizes of the file.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod error;
mod plan;
#[cfg(test)]
mod tests;

pub use error::ElfError;
pub use plan::{MAX_SEGMENTS, Plan, Segment, plan};
