//! Reading an archive: no allocation, and every bound checked once, in [`Archive::parse`].

use crate::{
    ENTRY_BYTES, HEADER_BYTES, Kind, MAGIC, MAX_CMDLINE, MAX_ENTRIES, PAGE, VERSION, name_of,
};
use core::fmt;

/// Why some bytes are not an archive. `entry` counts from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchiveError {
    /// Fewer bytes than the header, the table or the stated size needs.
    Truncated {
        /// How many bytes are needed.
        needed: u64,
        /// How many there are.
        present: u64,
    },
    /// The first eight bytes are not [`MAGIC`].
    Magic,
    /// A version that this crate does not know.
    Version(u32),
    /// More entries than [`MAX_ENTRIES`].
    TooManyEntries(u32),
    /// The stated size is no multiple of [`PAGE`].
    Size(u64),
    /// An entry's kind is unknown, or its reserved word is not zero.
    Kind {
        /// Which entry.
        entry: usize,
        /// The kind word.
        kind: u32,
    },
    /// An entry's data is misaligned, overlaps the table or leaves the archive.
    Data {
        /// Which entry.
        entry: usize,
    },
    /// An entry's command line leaves the archive, is too long, is not UTF-8 or names nothing.
    Cmdline {
        /// Which entry.
        entry: usize,
    },
    /// There is not exactly one CPU driver.
    CpuDrivers(usize),
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { needed, present } => {
                write!(
                    f,
                    "the boot archive is cut off: it needs {needed} bytes and has {present}"
                )
            }
            Self::Magic => write!(f, "no boot archive here: the magic bytes are missing"),
            Self::Version(v) => write!(
                f,
                "the boot archive has version {v}, not {VERSION}: build the image anew"
            ),
            Self::TooManyEntries(n) => write!(
                f,
                "the boot archive has {n} entries, more than {MAX_ENTRIES}"
            ),
            Self::Size(n) => write!(f, "the boot archive's size, {n} bytes, is not whole pages"),
            Self::Kind { entry, kind } => write!(
                f,
                "entry {entry} of the boot archive has the unknown kind {kind}"
            ),
            Self::Data { entry } => write!(
                f,
                "the data of entry {entry} is misplaced in the boot archive"
            ),
            Self::Cmdline { entry } => write!(
                f,
                "the command line of entry {entry} of the boot archive is damaged"
            ),
            Self::CpuDrivers(n) => write!(f, "the boot archive has {n} CPU drivers; it needs one"),
        }
    }
}

impl core::error::Error for ArchiveError {}

/// A checked archive, borrowed from the memory that holds it.
#[derive(Clone, Copy)]
pub struct Archive<'a> {
    bytes: &'a [u8],
    count: usize,
}

impl<'a> Archive<'a> {
    /// The size that an archive's first [`HEADER_BYTES`] state, for a reader that knows only where it starts.
    ///
    /// # Errors
    ///
    /// `Truncated`, `Magic`, `Version` or `Size`; nothing else is looked at.
    pub fn total_bytes_in(header: &[u8]) -> Result<u64, ArchiveError> {
        let cut_off = || ArchiveError::Truncated {
            needed: HEADER_BYTES as u64,
            present: header.len() as u64,
        };
        if array::<8>(header, 0).ok_or_else(cut_off)? != MAGIC {
            return Err(ArchiveError::Magic);
        }
        let version = u32_at(header, 8).ok_or_else(cut_off)?;
        if version != VERSION {
            return Err(ArchiveError::Version(version));
        }
        let total = u64_at(header, 16).ok_or_else(cut_off)?;
        if total % PAGE as u64 != 0 {
            return Err(ArchiveError::Size(total));
        }
        Ok(total)
    }

    /// Checks the whole archive at the start of `bytes`; what follows it is ignored.
    ///
    /// # Errors
    ///
    /// The first [`ArchiveError`] met, in the order: header, table, each entry, the number of CPU drivers.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ArchiveError> {
        let total = Self::total_bytes_in(bytes)?;
        let truncated = |needed| ArchiveError::Truncated {
            needed,
            present: bytes.len() as u64,
        };
        let whole = usize::try_from(total)
            .ok()
            .and_then(|n| bytes.get(..n))
            .ok_or_else(|| truncated(total))?;
        let count = u32_at(whole, 12).ok_or_else(|| truncated(HEADER_BYTES as u64))?;
        if count as usize > MAX_ENTRIES {
            return Err(ArchiveError::TooManyEntries(count));
        }
        let archive = Self {
            bytes: whole,
            count: count as usize,
        };
        if archive.table_end() > whole.len() {
            return Err(truncated(archive.table_end() as u64));
        }
        let mut cpu_drivers = 0;
        for index in 0..archive.count {
            cpu_drivers += usize::from(archive.entry(index)?.kind == Kind::CpuDriver);
        }
        if cpu_drivers != 1 {
            return Err(ArchiveError::CpuDrivers(cpu_drivers));
        }
        Ok(archive)
    }

    /// Bytes of the whole archive, a multiple of [`PAGE`].
    #[must_use]
    pub fn total_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The entries, in the order of `menu.lst`.
    #[must_use]
    pub fn entries(&self) -> Entries<'a> {
        Entries {
            archive: *self,
            next: 0,
        }
    }

    /// The kernel.
    #[must_use]
    pub fn cpu_driver(&self) -> Option<Entry<'a>> {
        self.entries().find(|entry| entry.kind == Kind::CpuDriver)
    }

    /// The first module with this [`Entry::name`].
    #[must_use]
    pub fn module(&self, name: &str) -> Option<Entry<'a>> {
        self.entries()
            .find(|entry| entry.kind == Kind::Module && entry.name() == name)
    }

    fn table_end(&self) -> usize {
        HEADER_BYTES + self.count * ENTRY_BYTES
    }

    /// Decodes and checks row `index` of the table.
    fn entry(&self, index: usize) -> Result<Entry<'a>, ArchiveError> {
        let bad_data = ArchiveError::Data { entry: index };
        let bad_cmdline = ArchiveError::Cmdline { entry: index };
        let row = HEADER_BYTES + index * ENTRY_BYTES;
        let kind = match (u32_at(self.bytes, row), u32_at(self.bytes, row + 4)) {
            (Some(1), Some(0)) => Kind::CpuDriver,
            (Some(2), Some(0)) => Kind::Module,
            (kind, _) => {
                return Err(ArchiveError::Kind {
                    entry: index,
                    kind: kind.unwrap_or(0),
                });
            }
        };
        let data_offset = usize_at(self.bytes, row + 8).ok_or(bad_data)?;
        let data_bytes = usize_at(self.bytes, row + 16).ok_or(bad_data)?;
        if data_offset % PAGE != 0 || data_offset < self.table_end() {
            return Err(bad_data);
        }
        let data = slice(self.bytes, data_offset, data_bytes).ok_or(bad_data)?;
        let cmdline_offset = u32_at(self.bytes, row + 24).ok_or(bad_cmdline)? as usize;
        let cmdline_bytes = u32_at(self.bytes, row + 28).ok_or(bad_cmdline)? as usize;
        if cmdline_offset < self.table_end() || cmdline_bytes > MAX_CMDLINE {
            return Err(bad_cmdline);
        }
        let cmdline = slice(self.bytes, cmdline_offset, cmdline_bytes).ok_or(bad_cmdline)?;
        let cmdline = core::str::from_utf8(cmdline).map_err(|_| bad_cmdline)?;
        if name_of(cmdline).is_empty() {
            return Err(bad_cmdline);
        }
        Ok(Entry {
            kind,
            data,
            data_offset,
            cmdline,
        })
    }
}

impl fmt::Debug for Archive<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries()).finish()
    }
}

/// One file of the archive.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// What it is.
    pub kind: Kind,
    /// Its bytes.
    pub data: &'a [u8],
    /// Where `data` starts, in bytes from the start of the archive; a multiple of [`PAGE`]. The rest of the last page
    /// belongs to this entry alone.
    pub data_offset: usize,
    /// Path and arguments, as in `menu.lst`.
    pub cmdline: &'a str,
}

impl<'a> Entry<'a> {
    /// The last part of the path: `hello` for `/sbin/hello one two`. Never empty.
    #[must_use]
    pub fn name(&self) -> &'a str {
        name_of(self.cmdline)
    }

    /// What follows the path, without the blanks around it.
    #[must_use]
    pub fn args(&self) -> &'a str {
        self.cmdline
            .trim_ascii_start()
            .split_once([' ', '\t'])
            .map_or("", |(_, args)| args.trim_ascii())
    }
}

impl fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.data.len();
        write!(
            f,
            "{:?} {:?}, {bytes} bytes at {:#x}",
            self.kind, self.cmdline, self.data_offset
        )
    }
}

/// The iterator behind [`Archive::entries`].
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    archive: Archive<'a>,
    next: usize,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        if self.next >= self.archive.count {
            return None;
        }
        let entry = self.archive.entry(self.next).ok();
        self.next += 1;
        entry
    }
}

fn slice(bytes: &[u8], offset: usize, len: usize) -> Option<&[u8]> {
    bytes.get(offset..offset.checked_add(len)?)
}

fn array<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    slice(bytes, offset, N)?.try_into().ok()
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    array(bytes, offset).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    array(bytes, offset).map(u64::from_le_bytes)
}

fn usize_at(bytes: &[u8], offset: usize) -> Option<usize> {
    u64_at(bytes, offset).and_then(|n| usize::try_from(n).ok())
}
