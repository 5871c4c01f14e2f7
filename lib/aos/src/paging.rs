//! Address spaces: what is mapped where, and the page tables for it.
//!
//! The books and all decisions are [`vspace`]'s; this is its environment, and the calls for programs. For the own space it works
//! above [`OWN_START`] only: below lie the program and what its parent mapped, whose tables belong to the parent. For a new
//! domain's space it knows everything from the root on, and keeps the table capabilities in the *parent's* CSpace (a table is
//! invoked there), with copies for the child in its page CNode.
//!
//! Where address, length and the frame's place allow, cached memory is mapped by blocks of 2 MiB or 1 GiB: one entry instead of 512, and no
//! table below.
//!
//! Barrelfish counterpart: the course's `lib/aos/paging.c`; upstream's vspace, vregion, memobj and pmap in one.

mod tables;

use crate::account::Account;
use crate::arch::memory::Mapped;
use crate::cap::{CNodeRef, CapRef, cap_direct_identify};
use crate::error::{Error, ErrorCode, ResultExt};
use crate::sync::Mutex;
use kpi::addr::{CapAddr, PhysAddr, VirtAddr};
use kpi::layout::{BASE_PAGE_SIZE, LARGE_PAGE_SIZE};
use kpi::rights::PageFlags;
use kpi::slots::VROOT;
use tables::{Kernel, Name, Nodes};
use vspace::{Attributes, Backing, Cause, Choice, PageSize, Place, Space, Span, Why};

/// Where a domain's own mappings begin: root entry 1, 512 GiB.
pub const OWN_START: VirtAddr = VirtAddr(1 << 39);
/// Bytes for them.
pub const OWN_BYTES: u64 = 1 << 39;

/// An address space.
#[derive(Debug)]
pub struct PagingState {
    space: Space<Name, Nodes>,
    kernel: Kernel,
}

static OWN: Mutex<Option<PagingState>> = Mutex::new(None);

fn with_own<T>(work: impl FnOnce(&mut PagingState) -> Result<T, Error>) -> Result<T, Error> {
    let mut own = OWN.lock();
    if own.is_none() {
        *own = Some(PagingState::own()?);
    }
    match own.as_mut() {
        Some(state) => work(state),
        None => Err(Error::new(ErrorCode::LibVspaceCurrentInit)),
    }
}

/// Maps a frame somewhere in the own address space.
///
/// # Errors
/// `LIB_ERR_OUT_OF_VIRTUAL_ADDR`, `LIB_ERR_FRAME_IDENTIFY`, and those of [`paging_map_fixed_attr`].
pub fn paging_map_frame_attr(
    frame: CapRef,
    bytes: u64,
    flags: PageFlags,
) -> Result<VirtAddr, Error> {
    with_own(|state| state.map(frame, bytes, flags))
}

/// Bytes of the guard before each piece of a guarded mapping.
pub(crate) const GUARD_BYTES: u64 = 16384;

/// Maps a frame in pieces of so many bytes, each behind a guard, to be read and written. Answers where the first guard begins;
/// [`paging_unmap`] of that address unmaps all of it.
///
/// # Errors
/// As [`paging_map_frame_attr`].
pub(crate) fn paging_map_guarded(frame: CapRef, pieces: &[u64]) -> Result<VirtAddr, Error> {
    with_own(|state| state.map_guarded(frame, pieces))
}

/// Maps the first `bytes` bytes of a frame at `address` of the own address space, which must be at or above [`OWN_START`].
///
/// # Errors
/// `LIB_ERR_VREGION_BAD_ALIGNMENT`, `LIB_ERR_PMAP_ADDR_NOT_FREE` (below [`OWN_START`], or in use), `LIB_ERR_PMAP_DO_MAP` on top of
/// why a table or a slot could not be had, or of the kernel's error.
pub fn paging_map_fixed_attr(
    address: VirtAddr,
    frame: CapRef,
    bytes: u64,
    flags: PageFlags,
) -> Result<(), Error> {
    with_own(|state| state.map_fixed(address, frame, bytes, flags))
}

/// Unmaps what was mapped at `address`. The frame itself stays.
///
/// # Safety
/// Nothing refers to the memory any more.
///
/// # Errors
/// `LIB_ERR_PMAP_NOT_MAPPED`, `LIB_ERR_PMAP_UNMAP` on the kernel's error.
pub unsafe fn paging_unmap(address: VirtAddr) -> Result<(), Error> {
    with_own(|state| state.unmap(address))
}

/// As [`paging_unmap`], for the reaper of capabilities: refuses where it would have to wait.
///
/// # Safety
/// As [`paging_unmap`].
///
/// # Errors
/// As [`paging_unmap`]; `LIB_ERR_PMAP_UNMAP` alone when a mapping is being made right now.
pub(crate) unsafe fn paging_try_unmap(address: VirtAddr) -> Result<(), Error> {
    match OWN.try_lock().as_deref_mut() {
        Some(Some(state)) => state.unmap(address),
        Some(None) => Err(Error::new(ErrorCode::LibPmapNotMapped)),
        None => Err(Error::new(ErrorCode::LibPmapUnmap)),
    }
}

/// A frame mapped in the own address space, as Rust sees it.
#[derive(Debug)]
pub struct MappedFrame {
    view: Mapped,
}

impl MappedFrame {
    /// Maps a whole frame.
    ///
    /// # Errors
    /// As [`paging_map_frame_attr`]; `LIB_ERR_FRAME_IDENTIFY`.
    pub fn new(frame: CapRef, flags: PageFlags) -> Result<Self, Error> {
        let bytes = cap_direct_identify(frame)
            .push_err(ErrorCode::LibFrameIdentify)?
            .size();
        Self::part(frame, bytes, flags)
    }

    /// Maps the first `bytes` bytes of a frame.
    ///
    /// # Errors
    /// As [`paging_map_frame_attr`].
    pub fn part(frame: CapRef, bytes: u64, flags: PageFlags) -> Result<Self, Error> {
        let address = paging_map_frame_attr(frame, bytes, flags)?;
        // SAFETY: just mapped at fresh addresses that only this value knows; unmapped in `unmap`, which takes it.
        let view = unsafe { Mapped::new(address, bytes as usize) };
        Ok(Self { view })
    }

    /// The memory.
    pub const fn view(&self) -> &Mapped {
        &self.view
    }

    /// The memory, to write.
    pub const fn view_mut(&mut self) -> &mut Mapped {
        &mut self.view
    }

    /// Unmaps it. (Dropping keeps it mapped for good.)
    ///
    /// # Errors
    /// As [`paging_unmap`].
    pub fn unmap(self) -> Result<(), Error> {
        // SAFETY: the only view is consumed.
        unsafe { paging_unmap(self.view.address()) }
    }
}

/// So many bytes, rounded up to pages, at an address.
fn span(address: VirtAddr, bytes: u64) -> Result<Span, Error> {
    let bytes = bytes.checked_next_multiple_of(BASE_PAGE_SIZE);
    bytes
        .and_then(|bytes| Span::new(address, bytes).ok())
        .ok_or(Error::new(ErrorCode::LibVregionBadAlignment))
}

/// The first byte of a frame, and what pages it may be mapped by.
fn whole(frame: CapRef, bytes: u64, flags: PageFlags) -> Result<(Backing<Name>, Choice), Error> {
    let backing = |address| Backing {
        frame: Name(frame),
        offset: 0,
        address,
    };
    // Where it is does not matter if no block is possible.
    if bytes < LARGE_PAGE_SIZE || flags.contains(PageFlags::NOCACHE) {
        return Ok((backing(PhysAddr(0)), Choice::Exactly(PageSize::Base)));
    }
    let capability = cap_direct_identify(frame).push_err(ErrorCode::LibFrameIdentify)?;
    Ok((backing(PhysAddr(capability.address())), Choice::Auto))
}

/// The error of an operation, with `code` on top of the kernel's.
fn error_of(error: vspace::Error<Error>, code: ErrorCode) -> Error {
    match error.cause {
        Cause::Environment(error) => error.push(code),
        Cause::Space(why) => match why {
            Why::Range | Why::PageSize => Error::new(ErrorCode::LibVregionBadAlignment),
            // What the kernel would say.
            Why::Flags => Error::new(ErrorCode::SysVmMapRights)
                .push(ErrorCode::LibVnodeMap)
                .push(code),
            Why::NoSpace => Error::new(ErrorCode::LibOutOfVirtualAddr),
            Why::NotFree | Why::Guard | Why::Backed => Error::new(ErrorCode::LibPmapAddrNotFree),
            Why::NotReserved => Error::new(ErrorCode::LibPmapNotMapped),
            Why::Nodes(_) => Error::new(ErrorCode::LibMallocFail).push(code),
        },
    }
}

impl PagingState {
    fn new(root: CapRef, within: Span, kernel: Kernel) -> Result<Self, Error> {
        let mut nodes = Nodes::default();
        nodes.grow(0)?;
        Ok(Self {
            space: Space::new(Name(root), within, nodes),
            kernel,
        })
    }

    fn own() -> Result<Self, Error> {
        let root = CNodeRef::own(VROOT.l1()).slot(VROOT.l2());
        Self::new(root, span(OWN_START, OWN_BYTES)?, Kernel::own())
    }

    /// The empty address space of a new domain: `root` is its L0 table in the own CSpace, `croot` its root CNode, which
    /// holds a page CNode (slot 0 the L0 table) and a CNode for mappings. Tables are made in the domain's account.
    ///
    /// # Errors
    /// `LIB_ERR_MALLOC_FAIL`.
    pub fn foreign(root: CapRef, croot: CapAddr, account: Account) -> Result<Self, Error> {
        let within = span(VirtAddr(BASE_PAGE_SIZE), OWN_START.0 - BASE_PAGE_SIZE)?;
        Self::new(root, within, Kernel::foreign(croot, account))
    }

    /// Runs an operation, and lets the books grow when it says that it needs nodes.
    fn run<T>(
        &mut self,
        code: ErrorCode,
        mut operation: impl FnMut(
            &mut Space<Name, Nodes>,
            &mut Kernel,
        ) -> Result<T, vspace::Error<Error>>,
    ) -> Result<T, Error> {
        loop {
            let result = operation(&mut self.space, &mut self.kernel);
            self.kernel.settle();
            match result {
                Err(vspace::Error {
                    cause: Cause::Space(Why::Nodes(nodes)),
                    stopped: None,
                }) => {
                    let missing = nodes.saturating_sub(self.space.free_nodes());
                    self.space.store().grow(missing).push_err(code)?;
                }
                result => return result.map_err(|error| error_of(error, code)),
            }
        }
    }

    /// Maps a frame somewhere.
    ///
    /// # Errors
    /// As [`paging_map_frame_attr`].
    pub fn map(&mut self, frame: CapRef, bytes: u64, flags: PageFlags) -> Result<VirtAddr, Error> {
        let bytes = span(VirtAddr(0), bytes)?.bytes();
        let mapped = self.map_at(None, frame, bytes, flags)?;
        Ok(VirtAddr(mapped.start))
    }

    /// Maps the first `bytes` bytes of a frame at `address`.
    ///
    /// # Errors
    /// As [`paging_map_fixed_attr`].
    pub fn map_fixed(
        &mut self,
        address: VirtAddr,
        frame: CapRef,
        bytes: u64,
        flags: PageFlags,
    ) -> Result<(), Error> {
        let span = span(address, bytes)?;
        let within = self.space.within();
        if span.start < within.start || span.end > within.end {
            return Err(Error::new(ErrorCode::LibPmapAddrNotFree));
        }
        self.map_at(Some(address), frame, span.bytes(), flags)
            .map(|_| ())
    }

    fn map_at(
        &mut self,
        address: Option<VirtAddr>,
        frame: CapRef,
        bytes: u64,
        flags: PageFlags,
    ) -> Result<Span, Error> {
        let (backing, choice) = whole(frame, bytes, flags)?;
        let attributes = Attributes::memory(flags);
        self.run(ErrorCode::LibPmapDoMap, |space, kernel| {
            space.map(kernel, address, bytes, backing, attributes, choice)
        })
    }

    /// See [`paging_map_guarded`].
    fn map_guarded(&mut self, frame: CapRef, pieces: &[u64]) -> Result<VirtAddr, Error> {
        let bytes = pieces.iter().map(|piece| piece + GUARD_BYTES).sum();
        let attributes = Attributes::memory(PageFlags::READ_WRITE);
        let place = Place::Anywhere(PageSize::Base);
        let taken = self.run(ErrorCode::LibPmapDoMap, |space, _| {
            Ok(space.reserve(place, bytes, attributes)?)
        })?;
        let start = VirtAddr(taken.start);
        let backed = self.back_guarded(start, frame, pieces);
        if backed.is_err() {
            // The error that counts is the first; what cannot be unmapped keeps its addresses out of use.
            let _ = self.unmap(start);
        }
        backed.map(|()| start)
    }

    fn back_guarded(
        &mut self,
        start: VirtAddr,
        frame: CapRef,
        pieces: &[u64],
    ) -> Result<(), Error> {
        let (mut at, mut offset) = (start.0, 0);
        for piece in pieces {
            let guard = span(VirtAddr(at), GUARD_BYTES)?;
            let memory = span(VirtAddr(guard.end), *piece)?;
            let backing = Backing {
                frame: Name(frame),
                offset,
                address: PhysAddr(0),
            };
            self.run(ErrorCode::LibPmapDoMap, |space, kernel| {
                let choice = Choice::Exactly(PageSize::Base);
                space.back(kernel, memory, backing, PageFlags::MASK, choice)
            })?;
            self.run(ErrorCode::LibPmapDoMap, |space, _| Ok(space.guard(guard)?))?;
            (at, offset) = (memory.end, offset + piece);
        }
        Ok(())
    }

    /// Unmaps what was mapped at `address`.
    fn unmap(&mut self, address: VirtAddr) -> Result<(), Error> {
        let mapped = self.space.extent(address);
        let mapped = mapped.filter(|mapped| mapped.start == address.0);
        let mapped = mapped.ok_or(Error::new(ErrorCode::LibPmapNotMapped))?;
        self.run(ErrorCode::LibPmapUnmap, |space, kernel| {
            space.unmap(kernel, mapped)
        })
    }
}
