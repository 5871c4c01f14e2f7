//! The boot archive: what stands behind the boot driver in a boot image.
//!
//! `hake image` writes one archive, the boot driver finds it at its `__image_end` and hands it on. It holds the CPU
//! driver's ELF file and the boot modules, each with its command line as in `menu.lst`.
//!
//! # Format
//!
//! All numbers are little-endian, all offsets count bytes from the start of the archive.
//!
//! | Where | What |
//! |---|---|
//! | 0 | magic `BEBOOT01` |
//! | 8 | version, `u32` |
//! | 12 | number of entries, `u32`, at most [`MAX_ENTRIES`] |
//! | 16 | bytes of the whole archive, `u64`, a multiple of [`PAGE`] |
//! | 24 + 32 n | entry n: kind `u32`, reserved `u32` (0), data offset `u64`, data bytes `u64`, command-line offset `u32`, command-line bytes `u32` |
//! | behind the table | the command lines, UTF-8, not terminated |
//! | behind those | the data, each starting on a page of its own, the rest of its last page zero |
//!
//! # Invariants
//!
//! [`Archive::parse`] checks everything before it hands out anything, so an [`Archive`] is proof that each offset lies
//! inside of it, each command line is short UTF-8 with a name in it, data is page-aligned, and there is exactly one CPU
//! driver. The bytes may come from a damaged or hostile file: no input makes this crate panic.
//!
//! # Barrelfish
//!
//! The counterpart is the blob that `armv8_bootimage` packs into an EFI file. Ours holds unrelocated ELF files in place of
//! pre-digested segments, so that one loader, in the boot driver, serves the first core and all later ones.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod read;
#[cfg(any(feature = "writer", test))]
mod write;

pub use read::{Archive, ArchiveError, Entries, Entry};
#[cfg(any(feature = "writer", test))]
pub use write::{NewEntry, WriteError, write};

/// The first eight bytes of an archive.
pub const MAGIC: [u8; 8] = *b"BEBOOT01";
/// The version of the format that this crate reads and writes.
pub const VERSION: u32 = 1;
/// The most entries that one archive holds.
pub const MAX_ENTRIES: usize = 256;
/// The longest command line, in bytes.
pub const MAX_CMDLINE: usize = 4096;
/// Data starts at multiples of this many bytes.
pub const PAGE: usize = 4096;
/// Bytes of the header before the entry table: enough for [`Archive::total_bytes_in`].
pub const HEADER_BYTES: usize = 24;
/// Bytes of one row of the entry table.
pub const ENTRY_BYTES: usize = 32;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// The kernel's ELF file. Each archive has exactly one.
    CpuDriver = 1,
    /// A program or a data file for user space.
    Module = 2,
}

/// The name that a command line gives: what stands behind the last `/` of its first word.
///
/// It is empty if the command line is blank or its first word ends in `/`.
#[must_use]
pub fn name_of(cmdline: &str) -> &str {
    let path = cmdline.split_ascii_whitespace().next().unwrap_or("");
    path.rsplit('/').next().unwrap_or("")
}

#[cfg(test)]
mod tests;
