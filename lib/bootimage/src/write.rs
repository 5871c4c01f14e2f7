//! Writing an archive, for hake and for tests.

extern crate alloc;

use crate::{
    ENTRY_BYTES, HEADER_BYTES, Kind, MAGIC, MAX_CMDLINE, MAX_ENTRIES, PAGE, VERSION, name_of,
};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// One file to be packed.
#[derive(Clone, Copy, Debug)]
pub struct NewEntry<'a> {
    /// What it is.
    pub kind: Kind,
    /// Path and arguments.
    pub cmdline: &'a str,
    /// Its bytes.
    pub data: &'a [u8],
}

/// Why entries do not make an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// More than [`MAX_ENTRIES`].
    TooManyEntries(usize),
    /// A command line longer than [`MAX_CMDLINE`], or without a name; here it is.
    Cmdline(String),
    /// There is not exactly one CPU driver, but so many.
    CpuDrivers(usize),
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyEntries(n) => write!(
                f,
                "{n} entries are more than a boot archive holds ({MAX_ENTRIES})"
            ),
            Self::Cmdline(line) => {
                write!(
                    f,
                    "the command line {line:?} names no file or is longer than {MAX_CMDLINE} bytes"
                )
            }
            Self::CpuDrivers(n) => write!(f, "a boot archive holds one CPU driver, not {n}"),
        }
    }
}

impl core::error::Error for WriteError {}

/// Packs `entries`, in their order.
///
/// # Errors
///
/// Whatever [`Archive::parse`](crate::Archive::parse) would refuse.
pub fn write(entries: &[NewEntry<'_>]) -> Result<Vec<u8>, WriteError> {
    if entries.len() > MAX_ENTRIES {
        return Err(WriteError::TooManyEntries(entries.len()));
    }
    if let Some(bad) = entries
        .iter()
        .find(|e| name_of(e.cmdline).is_empty() || e.cmdline.len() > MAX_CMDLINE)
    {
        return Err(WriteError::Cmdline(bad.cmdline.into()));
    }
    let cpu_drivers = entries.iter().filter(|e| e.kind == Kind::CpuDriver).count();
    if cpu_drivers != 1 {
        return Err(WriteError::CpuDrivers(cpu_drivers));
    }

    let mut cmdline_offset = HEADER_BYTES + entries.len() * ENTRY_BYTES;
    let cmdline_bytes: usize = entries.iter().map(|e| e.cmdline.len()).sum();
    let mut data_offset = (cmdline_offset + cmdline_bytes).next_multiple_of(PAGE);
    let total = entries.iter().fold(data_offset, |end, e| {
        (end + e.data.len()).next_multiple_of(PAGE)
    });

    let mut out = Vec::with_capacity(total);
    out.extend(MAGIC);
    out.extend(VERSION.to_le_bytes());
    out.extend((entries.len() as u32).to_le_bytes());
    out.extend((total as u64).to_le_bytes());
    for entry in entries {
        out.extend((entry.kind as u32).to_le_bytes());
        out.extend(0_u32.to_le_bytes());
        out.extend((data_offset as u64).to_le_bytes());
        out.extend((entry.data.len() as u64).to_le_bytes());
        out.extend((cmdline_offset as u32).to_le_bytes());
        out.extend((entry.cmdline.len() as u32).to_le_bytes());
        cmdline_offset += entry.cmdline.len();
        data_offset = (data_offset + entry.data.len()).next_multiple_of(PAGE);
    }
    for entry in entries {
        out.extend(entry.cmdline.as_bytes());
    }
    for entry in entries {
        out.resize(out.len().next_multiple_of(PAGE), 0);
        out.extend(entry.data);
    }
    out.resize(total, 0);
    Ok(out)
}
