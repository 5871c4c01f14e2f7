//! What can be wrong with a program file.

use core::fmt;
use kpi::addr::VirtAddr;
use kpi::layout::{PROGRAM_BASE, PROGRAM_LIMIT};

/// Why a file is not loaded. `segment` counts the program headers from 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ElfError {
    /// No ELF header.
    NotElf,
    /// ELF, but not 64-bit little-endian for AArch64; the machine number is given.
    WrongMachine(u16),
    /// Not of type EXEC; the type is given.
    NotExecutable(u16),
    /// The program headers are cut off or of an unknown size.
    ProgramHeaders,
    /// More PT_LOAD segments than [`MAX_SEGMENTS`](crate::MAX_SEGMENTS), or none.
    SegmentCount(usize),
    /// Its bytes are not all in the file.
    SegmentFile {
        /// Which program header.
        segment: usize,
    },
    /// It needs less memory than it has bytes in the file.
    SegmentSize {
        /// Which program header.
        segment: usize,
    },
    /// It leaves the area for programs.
    SegmentAddress {
        /// Which program header.
        segment: usize,
        /// Where it starts.
        address: VirtAddr,
    },
    /// It shares a page with another one.
    SegmentOverlap {
        /// Which program header.
        segment: usize,
    },
    /// It is writeable and executable.
    WriteAndExecute {
        /// Which program header.
        segment: usize,
    },
    /// The entry point lies in no executable segment.
    Entry(VirtAddr),
    /// The file carries no ABI note.
    NoAbiNote,
    /// The file was built for another ABI version than this system.
    AbiVersion {
        /// The file's version.
        found: u32,
        /// This system's version.
        expected: u32,
    },
    /// No memory for the plan itself.
    NoMemory,
}

impl fmt::Display for ElfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotElf => write!(f, "not an ELF file"),
            Self::WrongMachine(machine) => write!(
                f,
                "not a 64-bit little-endian AArch64 program (machine {machine})"
            ),
            Self::NotExecutable(kind) => write!(
                f,
                "not a program linked at a fixed address (ELF type {kind}, wanted 2)"
            ),
            Self::ProgramHeaders => write!(f, "the program headers are damaged"),
            Self::SegmentCount(count) => write!(f, "{count} segments to load"),
            Self::SegmentFile { segment } => {
                write!(f, "segment {segment} is not wholly in the file")
            }
            Self::SegmentSize { segment } => {
                write!(
                    f,
                    "segment {segment} has more bytes in the file than in memory"
                )
            }
            Self::SegmentAddress { segment, address } => write!(
                f,
                "segment {segment} at {address} is not between {PROGRAM_BASE} and {PROGRAM_LIMIT}"
            ),
            Self::SegmentOverlap { segment } => {
                write!(f, "segment {segment} shares a page with another one")
            }
            Self::WriteAndExecute { segment } => {
                write!(f, "segment {segment} is both writeable and executable")
            }
            Self::Entry(entry) => write!(f, "the entry point {entry} is not in executable memory"),
            Self::NoAbiNote => write!(
                f,
                "no Barreleye ABI note: build the program with `#[aos::main]` and program.ld"
            ),
            Self::AbiVersion { found, expected } => write!(
                f,
                "built for ABI version {found}, this system has version {expected}: build it again"
            ),
            Self::NoMemory => write!(f, "not enough memory to plan the loading"),
        }
    }
}

impl core::error::Error for ElfError {}
