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
//! What is below [`OWN_START`] can be looked up, protected and unmapped too, by the books that the parent has written down ([`program_lookup`] and so on).
//!
//! Barrelfish counterpart: the course's `lib/aos/paging.c`; upstream's vspace, vregion, memobj and pmap in one.

pub(crate) mod fault;
mod program;
mod tables;

use crate::account::Account;
use crate::arch::memory::Mapped;
use crate::cap::{CapRef, cap_direct_identify};
use crate::error::{Error, ErrorCode, ResultExt};
use crate::memory::{self, Core, step, step_back};
use crate::nodes::{self, Nodes};
use alloc::vec::Vec;
use kpi::addr::{CapAddr, PhysAddr, VirtAddr};
use kpi::args::PagingItem;
use kpi::layout::{BASE_PAGE_SIZE, LARGE_PAGE_SIZE};
use kpi::rights::PageFlags;
pub use program::{ProgramPage, program_lookup, program_protect, program_unmap};
use tables::{Foreign, Kernel};
pub(crate) use tables::{Name, Own, Spare};
use vspace::{Attributes, Backing, Cause, Choice, Node, PageSize, Place, Role, Space, Span, Why};

/// Where a domain's own mappings begin: root entry 1, 512 GiB.
pub const OWN_START: VirtAddr = VirtAddr(1 << 39);
/// Bytes for them.
pub const OWN_BYTES: u64 = 1 << 39;

/// Maps a frame somewhere in the own address space.
///
/// # Errors
/// `LIB_ERR_OUT_OF_VIRTUAL_ADDR`, `LIB_ERR_FRAME_IDENTIFY`, and those of [`paging_map_fixed_attr`].
pub fn paging_map_frame_attr(
    frame: CapRef,
    bytes: u64,
    flags: PageFlags,
) -> Result<VirtAddr, Error> {
    let bytes = span(VirtAddr(0), bytes)?.bytes();
    let mapped = map_own(None, frame, bytes, flags)?;
    Ok(VirtAddr(mapped.start))
}

/// The tag of regions whose pages come into being when they are touched. Their frames belong to the region.
const LAZY: u32 = 1;

/// Takes addresses for so many bytes (rounded up to pages) of memory, each page of which comes into being, zeroed, when it is touched first.
/// [`paging_unmap`] gives it back, [`paging_discard`] only the memory.
///
/// # Errors
/// `LIB_ERR_OUT_OF_VIRTUAL_ADDR`; `LIB_ERR_PMAP_DO_MAP` on top of: flags that no page can have.
pub fn paging_alloc_lazy(bytes: u64, flags: PageFlags) -> Result<VirtAddr, Error> {
    let bytes = span(VirtAddr(0), bytes)?.bytes();
    let attributes = Attributes {
        tag: LAZY,
        ..Attributes::memory(flags)
    };
    let size = match bytes < LARGE_PAGE_SIZE {
        true => PageSize::Base,
        false => PageSize::Large,
    };
    step(|core| {
        let taken = core.space.reserve(Place::Anywhere(size), bytes, attributes);
        taken
            .map(|taken| VirtAddr(taken.start))
            .map_err(reserve_error)
    })
}

fn reserve_error(why: Why) -> Error {
    error_of(why.into(), ErrorCode::LibPmapDoMap)
}

/// Gives the memory of pages of lazy regions back; the addresses stay, and are zero when they are touched again. Answers how many bytes came
/// back.
///
/// # Safety
/// Nothing refers to what is in these pages any more.
///
/// # Errors
/// `LIB_ERR_VREGION_BAD_ALIGNMENT`, `LIB_ERR_PMAP_NOT_MAPPED`: some of it is not of a lazy region; `LIB_ERR_PMAP_UNMAP` on the kernel's
/// error.
pub unsafe fn paging_discard(address: VirtAddr, bytes: u64) -> Result<u64, Error> {
    let span = span(address, bytes)?;
    let mut at = span.start;
    let mut freed = 0;
    while at < span.end {
        let step = step_back(|core| {
            let (space, mut env) = core.parts();
            let region = space.next_region(VirtAddr(at));
            let is_lazy =
                |region: &vspace::Region| region.attributes.tag == LAZY && region.span.start <= at;
            if !region.as_ref().is_some_and(is_lazy) {
                return Err(Error::new(ErrorCode::LibPmapNotMapped));
            }
            let run = space.next_run(VirtAddr(at)).map(|page| page.run);
            let Some(run) = run.filter(|run| run.start < span.end) else {
                return Ok(None);
            };
            let here = Span {
                start: run.start.max(at),
                end: run.end.min(span.end),
            };
            let gone = space.unback(env.that_frees(), here);
            env.settle();
            gone.map_err(|error| error_of(error, ErrorCode::LibPmapUnmap))?;
            Ok(Some(here))
        })?;
        match step {
            Some(gone) => (at, freed) = (gone.end, freed + gone.bytes()),
            None => break,
        }
    }
    Ok(freed)
}

/// Bytes of the guard before a stack.
pub(crate) const GUARD_BYTES: u64 = 16384;

/// Addresses of a thread's stacks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stacks {
    /// The stack, behind a guard; lazy.
    pub(crate) stack: Span,
    /// The exception stack, behind another; all there.
    pub(crate) exception_stack: Span,
}

/// Takes addresses for a stack and an exception stack of so many bytes, whole pages. [`paging_unmap`] of where the first guard begins, which
/// is [`GUARD_BYTES`] before the stack, gives all back.
///
/// # Errors
/// As [`paging_map_frame_attr`]; `LIB_ERR_RAM_ALLOC`.
pub(crate) fn paging_alloc_stacks(bytes: u64, exception_bytes: u64) -> Result<Stacks, Error> {
    let attributes = Attributes {
        tag: LAZY,
        ..Attributes::memory(PageFlags::READ_WRITE)
    };
    let place = Place::Anywhere(PageSize::Base);
    let total = 2 * GUARD_BYTES + bytes + exception_bytes;
    step(|core| {
        let taken = core.space.reserve(place, total, attributes);
        let taken = taken.map_err(reserve_error)?;
        let [guard, stack, second, exception_stack] =
            cut(taken, [GUARD_BYTES, bytes, GUARD_BYTES, exception_bytes]);
        let made = (|| {
            core.space.guard(guard).map_err(reserve_error)?;
            core.space.guard(second).map_err(reserve_error)?;
            let pages = exception_stack.start..exception_stack.end;
            for page in pages.step_by(BASE_PAGE_SIZE as usize) {
                fault::back(core, page)?;
            }
            Ok(())
        })();
        if made.is_err() {
            let (space, mut env) = core.parts();
            // What cannot be unmapped keeps its addresses out of use.
            let _ = space.unmap(env.that_frees(), taken);
            env.settle();
        }
        made.map(|()| Stacks {
            stack,
            exception_stack,
        })
    })
}

/// Cuts a span from its start on.
fn cut<const N: usize>(span: Span, bytes: [u64; N]) -> [Span; N] {
    let mut at = span.start;
    bytes.map(|bytes| {
        let start = at;
        at += bytes;
        Span { start, end: at }
    })
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
    let span = span(address, bytes)?;
    let within = own_span()?;
    if span.start < within.start || span.end > within.end {
        return Err(Error::new(ErrorCode::LibPmapAddrNotFree));
    }
    map_own(Some(address), frame, span.bytes(), flags).map(|_| ())
}

/// Unmaps what was mapped at `address`. The frame itself stays.
///
/// # Safety
/// Nothing refers to the memory any more.
///
/// # Errors
/// `LIB_ERR_PMAP_NOT_MAPPED`, `LIB_ERR_PMAP_UNMAP` on the kernel's error.
pub unsafe fn paging_unmap(address: VirtAddr) -> Result<(), Error> {
    let code = ErrorCode::LibPmapUnmap;
    let mapped = memory::look(|core| core.space.extent(address))?;
    let mapped = mapped.filter(|mapped| mapped.start == address.0);
    unmap_own(mapped.ok_or(Error::new(ErrorCode::LibPmapNotMapped))?).push_err(code)
}

/// As [`paging_unmap`], for the reaper of capabilities: refuses where it would have to wait.
///
/// # Safety
/// As [`paging_unmap`].
///
/// # Errors
/// As [`paging_unmap`]; `LIB_ERR_PMAP_UNMAP` alone when a mapping is being made right now.
pub(crate) unsafe fn paging_try_unmap(address: VirtAddr) -> Result<(), Error> {
    let code = ErrorCode::LibPmapUnmap;
    memory::try_step_back(code, |core| {
        let mapped = core.space.extent(address);
        let mapped = mapped.filter(|mapped| mapped.start == address.0);
        let mapped = mapped.ok_or(Error::new(ErrorCode::LibPmapNotMapped))?;
        let mut rest = Some(mapped);
        while let Some(span) = rest {
            rest = unmap_last(core, span).push_err(code)?;
        }
        Ok(())
    })
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

/// The addresses of the own space.
pub(crate) fn own_span() -> Result<Span, Error> {
    span(OWN_START, OWN_BYTES)
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
pub(crate) fn error_of(error: vspace::Error<Error>, code: ErrorCode) -> Error {
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

/// Maps in the own space: the addresses in the first step, with the first of the memory; the rest in one step for each table.
fn map_own(
    at: Option<VirtAddr>,
    frame: CapRef,
    bytes: u64,
    flags: PageFlags,
) -> Result<Span, Error> {
    let code = ErrorCode::LibPmapDoMap;
    let (backing, choice) = whole(frame, bytes, flags)?;
    let attributes = Attributes::memory(flags);
    let (span, done) = step(|core| {
        let (space, mut env) = core.parts();
        let reserved = space.reserve_for(at, bytes, backing, attributes, choice);
        let span = reserved.map_err(reserve_error)?;
        let backed = space.back_first(&mut env, span, backing, PageFlags::MASK, choice);
        if backed.is_err() {
            // Nothing is there, so nothing can go wrong.
            let _ = space.unmap(&mut env, span);
        }
        env.settle();
        let done = backed.map_err(|error| error_of(error, code))?;
        Ok((span, done))
    })?;
    let rest = Span {
        start: done.end,
        ..span
    };
    let backing = Backing {
        offset: done.bytes(),
        ..backing
    };
    let backed = back_own(rest, backing, PageFlags::MASK, choice);
    if backed.is_err() {
        // The error that counts is the first; what cannot be unmapped keeps its addresses out of use.
        let _ = unmap_own(span);
    }
    backed.map(|()| span)
}

/// Puts memory behind pages of the own space, in one step for each table.
fn back_own(
    span: Span,
    backing: Backing<Name>,
    limit: PageFlags,
    choice: Choice,
) -> Result<(), Error> {
    let mut rest = span;
    while rest.bytes() > 0 {
        let backing = Backing {
            offset: backing.offset + (rest.start - span.start),
            ..backing
        };
        let done = step(|core| {
            let (space, mut env) = core.parts();
            let backed = space.back_first(&mut env, rest, backing, limit, choice);
            env.settle();
            backed.map_err(|error| error_of(error, ErrorCode::LibPmapDoMap))
        })?;
        rest.start = done.end;
    }
    Ok(())
}

/// Unmaps pages of the own space, in one step for each Mapping.
fn unmap_own(span: Span) -> Result<(), Error> {
    let mut rest = Some(span);
    while let Some(span) = rest {
        rest = step_back(|core| unmap_last(core, span))?;
    }
    Ok(())
}

fn unmap_last(core: &mut Core, span: Span) -> Result<Option<Span>, Error> {
    let (space, mut env) = core.parts();
    let last = space.lookup(VirtAddr(span.end.saturating_sub(1)));
    // All of the last Mapping lies in one region, and a region has one tag.
    if last.is_some_and(|last| last.region.attributes.tag == LAZY) {
        env.that_frees();
    }
    let rest = space.unmap_last(&mut env, span);
    env.settle();
    rest.map_err(|error| error_of(error, ErrorCode::LibPmapUnmap))
}

/// The address space of a domain that is being made here.
#[derive(Debug)]
pub struct PagingState {
    space: Space<Name, Nodes<Node<Name>>>,
    home: Foreign,
    spare: Spare,
}

impl PagingState {
    /// The empty address space of a new domain: `root` is its L0 table in the own CSpace, `croot` its root CNode, which
    /// holds a page CNode (slot 0 the L0 table) and a CNode for mappings. Tables are made in the domain's account.
    ///
    /// # Errors
    /// `LIB_ERR_VREGION_BAD_ALIGNMENT`, never in fact.
    pub fn foreign(root: CapRef, croot: CapAddr, account: Account) -> Result<Self, Error> {
        let within = span(VirtAddr(BASE_PAGE_SIZE), OWN_START.0 - BASE_PAGE_SIZE)?;
        Ok(Self {
            space: Space::new(Name(root), within, Nodes::new()),
            home: Foreign::new(croot, account),
            spare: Spare::default(),
        })
    }

    /// What is in the books, for the domain that is being made: with the names that the capabilities have there. `frames` are the frames that are
    /// mapped, and where the domain finds them.
    ///
    /// # Errors
    /// `SPAWN_ERR_SERIALISE_VSPACE`: a frame has no name there. `LIB_ERR_MALLOC_FAIL`.
    pub(crate) fn export(&self, frames: &[(CapRef, CapAddr)]) -> Result<Vec<PagingItem>, Error> {
        let code = Error::new(ErrorCode::SpawnSerialiseVspace);
        let mut words = Vec::new();
        let reserved = words.try_reserve_exact(self.space.counts().nodes());
        reserved.map_err(|_| Error::new(ErrorCode::LibMallocFail))?;
        for item in self.space.items() {
            let item = item.try_map(|role, Name(cap)| {
                let address = match role {
                    Role::Table => self.home.name_of_table(cap),
                    Role::Mapping => Some(cap.addr()),
                    Role::Frame => {
                        let mut frames = frames.iter();
                        frames
                            .find(|(frame, _)| *frame == cap)
                            .map(|(_, name)| *name)
                    }
                };
                address.map(|address| address.0).ok_or(code)
            })?;
            words.push(item.to_words());
        }
        Ok(words)
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

    /// The books grow when the operation says that it needs nodes.
    fn map_at(
        &mut self,
        address: Option<VirtAddr>,
        frame: CapRef,
        bytes: u64,
        flags: PageFlags,
    ) -> Result<Span, Error> {
        let code = ErrorCode::LibPmapDoMap;
        let (backing, choice) = whole(frame, bytes, flags)?;
        let attributes = Attributes::memory(flags);
        loop {
            let mut env = Kernel::new(&mut self.home, &mut self.spare);
            let space = &mut self.space;
            let mapped = space.map(&mut env, address, bytes, backing, attributes, choice);
            env.settle();
            match mapped {
                Err(vspace::Error {
                    cause: Cause::Space(Why::Nodes(wanted)),
                    stopped: None,
                }) => {
                    let free = self.space.free_nodes();
                    nodes::keep(self.space.store(), free, wanted).push_err(code)?;
                }
                mapped => return mapped.map_err(|error| error_of(error, code)),
            }
        }
    }
}
