//! New domains: from an ELF file and arguments to a dispatcher that only has to be started.
//!
//! The child gets a CSpace (root CNode, task, page, segment, slot-allocator and mapping CNodes), an address space holding the
//! segments, its arguments and its dispatcher frame at the addresses of `kpi::layout`, a dispatcher, a self endpoint, the
//! endpoint to report to, and what else the caller grants. All of it is made in an [`Account`] of its own, out of the caller's memory.
//!
//! The ELF file is checked as a whole before anything is allocated. When a later step fails, or when the domain is destroyed, the account is
//! released: with it goes all that the domain is made of, and all that it or others made of that, wherever the capabilities are. A spawner
//! without the Kernel capability has its monitor do part of that; one that has no monitor either cannot take a domain apart.
//!
//! Barrelfish counterpart: `lib/spawndomain`, the course's `lib/spawn`.

mod build;
mod by_name;
mod cspace;
mod image;

use crate::account::Account;
use crate::cap::CapRef;
use crate::cap::dispatcher::{dispatcher_resume, dispatcher_stop};
use crate::error::{Error, ErrorCode};
use crate::exit::DomainName;
use crate::paging::PagingState;
use core::fmt;
use elfload::ElfError;

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
#[derive(Clone, Debug)]
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
    /// Whether the caller answers the child's requests ([`crate::monitor`]), which come to the same endpoint.
    pub served: bool,
    /// More capabilities.
    pub grants: &'a [Grant],
    /// What the domain is made in: a new account, or one with what the child is granted. It is released with the domain, and when that
    /// cannot be made.
    pub account: &'a Account,
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
    /// The frame of the dispatcher and the L0 table.
    vital: [CapRef; 2],
    /// Endpoint for answers to its requests.
    answers: Option<CapRef>,
    paging: PagingState,
    account: Account,
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

    /// Its dispatcher frame and its L0 table.
    pub const fn vital_objects(&self) -> &[CapRef] {
        &self.vital
    }

    /// Where its monitor sends answers; `None` when the caller serves no requests.
    pub const fn answers(&self) -> Option<CapRef> {
        self.answers
    }

    /// Its address space.
    pub const fn paging(&mut self) -> &mut PagingState {
        &mut self.paging
    }

    /// What it is made of.
    pub const fn account(&self) -> &Account {
        &self.account
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

    /// Stops it for good and takes back all that it was made of.
    ///
    /// # Errors
    /// As [`Account::release`].
    pub fn destroy(self) -> Result<(), Error> {
        // It may be stopped for good already, or may have taken its dispatcher from us. What follows ends it in any case.
        let _ = self.stop();
        self.account.release()
    }
}
