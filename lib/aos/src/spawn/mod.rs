//! New domains: from an ELF file and arguments to a dispatcher that only has to be started.
//!
//! The child gets a CSpace (root CNode, task, page, segment, slot-allocator and mapping CNodes), an address space holding the
//! segments, its arguments and its dispatcher frame at the addresses of `kpi::layout`, a dispatcher, a self endpoint, the
//! endpoint to report to, and what else the caller grants. All memory comes from the caller's allocator, and all objects
//! stay in the caller's slots too: the child holds copies. So the caller can take them away.
//!
//! The ELF file is checked as a whole before anything is allocated. When a later step fails, everything made so far is given
//! back, and so it is when the domain is destroyed. Only a spawner with the Kernel capability (init) can delete CNodes and
//! dispatchers yet; of other spawners' domains these stay, with the dispatcher's frame and L0 table.
//!
//! Barrelfish counterpart: `lib/spawndomain`, the course's `lib/spawn`.

mod build;
mod by_name;
mod cspace;
mod image;

use crate::cap::dispatcher::{dispatcher_resume, dispatcher_stop};
use crate::cap::{CapRef, cap_delete, cap_revoke};
use crate::error::{Error, ErrorCode};
use crate::exit::DomainName;
use crate::paging::PagingState;
use crate::ram::{memory_free, mm_free};
use alloc::vec::Vec;
use core::fmt;
use elfload::ElfError;
use kpi::layout::L2CNODE_BYTES;

pub use build::spawn_load_with_caps;
pub use by_name::{spawn_load_argv, spawn_load_by_name};

/// Where a granted capability goes in the child's CSpace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// A slot of the task CNode.
    Task(u8),
    /// A slot of the root CNode; the capability is an L2CNode.
    Root(u32),
    /// A slot of the argument CNode, which is made when it is needed.
    Argument(u8),
}

/// A capability for the child: copied, with its rights.
#[derive(Clone, Copy, Debug)]
pub struct Grant {
    /// What is copied.
    pub cap: CapRef,
    /// Where to.
    pub place: Place,
}

/// What to start.
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    /// Name for messages, cut to 16 bytes.
    pub name: &'a str,
    /// The ELF file.
    pub elf: &'a [u8],
    /// The arguments, the program's name first.
    pub args: &'a [&'a str],
    /// The environment, `NAME=value` each.
    pub env: &'a [&'a str],
    /// The child's number, as the caller counts.
    pub pid: u32,
    /// Endpoint for the child's report, if it is to have one.
    pub report_to: Option<CapRef>,
    /// More capabilities.
    pub grants: &'a [Grant],
}

/// Why a domain could not be made.
#[derive(Clone, Copy, Debug)]
pub struct SpawnError {
    /// The stacked error.
    pub error: Error,
    /// What is wrong with the ELF file, if that is it.
    pub elf: Option<ElfError>,
}

impl SpawnError {
    fn elf(elf: ElfError) -> Self {
        let code = match elf {
            ElfError::NotElf | ElfError::NotExecutable(_) => ErrorCode::ElfHeader,
            ElfError::WrongMachine(_) => ErrorCode::ElfWrongMachine,
            ElfError::ProgramHeaders | ElfError::SegmentCount(_) => ErrorCode::ElfProghdr,
            ElfError::SegmentFile { .. } | ElfError::SegmentSize { .. } => ErrorCode::ElfFilesz,
            ElfError::SegmentAddress { .. } | ElfError::SegmentOverlap { .. } => {
                ErrorCode::ElfBadSegment
            }
            ElfError::WriteAndExecute { .. } => ErrorCode::ElfWriteAndExecute,
            ElfError::Entry(_) => ErrorCode::ElfNoEntry,
            ElfError::NoAbiNote => ErrorCode::ElfAbiNoteMissing,
            ElfError::AbiVersion { .. } => ErrorCode::ElfAbiVersion,
            ElfError::NoMemory => ErrorCode::ElfAllocate,
        };
        Self {
            error: Error::new(code).push(ErrorCode::SpawnLoad),
            elf: Some(elf),
        }
    }
}

impl From<Error> for SpawnError {
    fn from(error: Error) -> Self {
        Self { error, elf: None }
    }
}

impl From<SpawnError> for Error {
    fn from(error: SpawnError) -> Self {
        error.error
    }
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.elf {
            Some(elf) => write!(f, "{elf}: {}", self.error),
            None => self.error.fmt(f),
        }
    }
}

/// A domain that was made here.
#[derive(Debug)]
pub struct Domain {
    name: DomainName,
    pid: u32,
    root: CapRef,
    dispatcher: CapRef,
    /// The frame of the dispatcher and the L0 table: the dispatcher itself keeps copies of both.
    kept: Vec<CapRef>,
    /// Where the L2CNodes of its CSpace lie.
    cnodes: Vec<u64>,
    /// Frames of segments and arguments.
    frames: Vec<CapRef>,
    /// Slots of the child's CSpace with copies of `frames`.
    copies: Vec<CapRef>,
    paging: PagingState,
}

impl Domain {
    /// Its name.
    pub const fn name(&self) -> DomainName {
        self.name
    }

    /// Its number.
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// Its root CNode.
    pub const fn root(&self) -> CapRef {
        self.root
    }

    /// Its dispatcher.
    pub const fn dispatcher(&self) -> CapRef {
        self.dispatcher
    }

    /// Its L0 table and its dispatcher frame.
    pub fn vital_objects(&self) -> &[CapRef] {
        &self.kept
    }

    /// Lets it run.
    ///
    /// # Errors
    /// `SPAWN_ERR_RUN` on the kernel's error.
    pub fn start(&self) -> Result<(), Error> {
        dispatcher_resume(self.dispatcher).map_err(|error| error.push(ErrorCode::SpawnRun))
    }

    /// Stops it; it can be started again.
    ///
    /// # Errors
    /// The kernel's.
    pub fn stop(&self) -> Result<(), Error> {
        dispatcher_stop(self.dispatcher)
    }

    /// Stops it for good and takes back all that it was made of, as far as this domain can delete it.
    ///
    /// # Errors
    /// Of stopping it; then nothing is taken back.
    pub fn destroy(self) -> Result<(), Error> {
        match self.stop() {
            // The kernel stopped it for good already.
            Err(error) if !error.contains(ErrorCode::SysDispNotRunnable) => return Err(error),
            _ => {}
        }
        self.take_apart();
        Ok(())
    }

    /// Gives memory back. What cannot be deleted stays, in use and unreachable for anybody else.
    fn take_apart(self) {
        // Copies of dispatcher and root, and the endpoints of the dispatcher, whoever has them: nobody reaches into it any more.
        let revoked = cap_revoke(self.dispatcher).and_then(|()| cap_revoke(self.root));
        for copy in self.copies {
            let _ = cap_delete(copy);
        }
        for frame in self.frames {
            let _ = mm_free(frame);
        }
        for table in self.paging.into_tables() {
            let _ = mm_free(table);
        }
        let deleted = mm_free(self.dispatcher).and_then(|()| mm_free(self.root));
        if revoked.and(deleted).is_err() {
            return;
        }
        for object in self.kept {
            let _ = mm_free(object);
        }
        for base in self.cnodes {
            // If the child gave a copy away, the kernel refuses later to use this memory for anything else.
            let _ = memory_free(base, L2CNODE_BYTES);
        }
    }
}
