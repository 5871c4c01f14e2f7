//! Address spaces: what is mapped where, and the page tables for it.
//!
//! The books and all decisions are [`vspace`]'s; this is its environment, and the calls for programs. For the own space it works
//! above [`OWN_START`] only: below lie the program and what its parent mapped, whose tables belong to the parent. For a new
//! domain's space it knows everything from the root on, and keeps the table capabilities in the *parent's* CSpace (a table is
//! invoked there), with copies for the child in its page CNode.
//!
//! Where address, length and the frame's place allow, cached memory is mapped by blocks of 2 MiB or 1 GiB: one entry instead of 512, and no
//! table below. A program may also say which.
//!
//! | Here | |
//! |---|---|
//! | [`paging_map_frame_attr`], [`paging_map_fixed_attr`] | a frame from its beginning |
//! | [`paging_map_part`], [`paging_map_part_at`] | any part of a frame, by pages of a certain size |
//! | [`paging_map_copy_on_write`] | a frame whose pages are copied when they are written |
//! | [`paging_alloc`] | addresses only, to map something there |
//! | [`paging_alloc_lazy`], [`paging_alloc_lazy_large`], [`paging_discard`] | memory that comes when it is touched |
//! | [`pager`] | regions that the program serves itself |
//! | [`paging_unmap`], [`paging_unmap_part`] | the end of all these |
//! | [`paging_protect`], [`paging_join`], [`paging_lookup`] | flags; fewer Mappings; what is there |
//! | [`paging_rest`], [`paging_resting`] | which lazy memory is in use |
//! | [`PagingState`] | the space of a new domain |
//!
//! All may be called by any thread; those that are not `unsafe` do no harm to what Rust values are in. An operation that fails has changed
//! nothing, unless the kernel refuses what it did before.
//!
//! What is below [`OWN_START`] can be looked up, protected and unmapped too, by the books that the parent has written down ([`program_lookup`] and so on).
//!
//! Barrelfish counterpart: the course's `lib/aos/paging.c`; upstream's vspace, vregion, memobj and pmap in one.

mod copy;
pub(crate) mod fault;
mod foreign;
mod frame;
mod kind;
mod lazy;
mod own;
pub mod pager;
mod program;
mod rest;
mod tables;

pub use copy::paging_map_copy_on_write;
pub use foreign::{PagingState, paging_init_state_foreign};
pub use frame::MappedFrame;
pub use kind::Kind;
pub(crate) use lazy::{Stacks, paging_alloc_stacks, paging_free_stacks};
pub use lazy::{paging_alloc_lazy, paging_alloc_lazy_large, paging_discard};
pub use rest::{paging_rest, paging_resting};
pub(crate) use tables::{Name, Own, Spare};
pub use vspace::{Choice, PageSize};

use crate::cap::CapRef;
use crate::cap::vnode::mapping_modify;
use crate::error::{Error, ErrorCode, ResultExt};
use crate::memory::{self, Core, look, step};
use crate::nodes::{self, Nodes};
use kind::check_programs;
use kpi::addr::VirtAddr;
use kpi::layout::{BASE_PAGE_SIZE, LARGE_PAGE_SIZE};
use kpi::rights::PageFlags;
use own::{Request, map_own, unmap_last, unmap_own};
pub use program::{ProgramPage, program_lookup, program_protect, program_unmap};
use vspace::{Backing, Cause, Node, Place, Space, Span, Why};

/// Where a domain's own mappings begin: root entry 1, 512 GiB.
pub const OWN_START: VirtAddr = VirtAddr(1 << 39);
/// Bytes for them.
pub const OWN_BYTES: u64 = 1 << 39;

/// Bytes of the guard before a stack.
pub(crate) const GUARD_BYTES: u64 = 16384;

/// What of a frame is mapped, and how.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// The first byte, a multiple of a page.
    pub offset: u64,
    /// How many (rounded up to pages).
    pub bytes: u64,
    /// What the pages permit.
    pub flags: PageFlags,
    /// Which pages: the largest that are possible, or those of one size only.
    pub pages: Choice,
}

impl Part {
    /// So many bytes from the first one on, by the largest pages.
    #[must_use]
    pub const fn first(bytes: u64, flags: PageFlags) -> Self {
        Self {
            offset: 0,
            bytes,
            flags,
            pages: Choice::Auto,
        }
    }
}

/// Maps the first `bytes` bytes of a frame somewhere in the own address space.
///
/// # Errors
/// `LIB_ERR_OUT_OF_VIRTUAL_ADDR`, `LIB_ERR_FRAME_IDENTIFY`, and those of [`paging_map_fixed_attr`].
pub fn paging_map_frame_attr(
    frame: CapRef,
    bytes: u64,
    flags: PageFlags,
) -> Result<VirtAddr, Error> {
    paging_map_part(frame, &Part::first(bytes, flags))
}

/// Maps a part of a frame somewhere in the own address space.
///
/// # Errors
/// As [`paging_map_frame_attr`]; `LIB_ERR_VREGION_BAD_ALIGNMENT` also if offset, bytes or frame do not suit the size of pages that is asked
/// for.
pub fn paging_map_part(frame: CapRef, part: &Part) -> Result<VirtAddr, Error> {
    let request = Request::of(frame, part)?;
    map_own(None, &request).map(|span| VirtAddr(span.start))
}

/// Maps the first `bytes` bytes of a frame at `address` of the own address space, which must be at or above [`OWN_START`]: where nothing is
/// yet, or inside of what [`paging_alloc`] took.
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
    paging_map_part_at(address, frame, &Part::first(bytes, flags))
}

/// Maps a part of a frame at `address`.
///
/// # Errors
/// As [`paging_map_fixed_attr`] and [`paging_map_part`].
pub fn paging_map_part_at(address: VirtAddr, frame: CapRef, part: &Part) -> Result<(), Error> {
    let span = span(address, part.bytes)?;
    let within = own_span()?;
    if span.start < within.start || span.end > within.end {
        return Err(Error::new(ErrorCode::LibPmapAddrNotFree));
    }
    map_own(Some(address), &Request::of(frame, part)?).map(|_| ())
}

/// Takes addresses for so many bytes (rounded up to pages) that begin at a multiple of `alignment`, at most 1 GiB. An access to them is a fault
/// until something is mapped there by [`paging_map_fixed_attr`], which then is a region of its own, and [`paging_unmap`] makes its addresses
/// free. What is left goes back by [`paging_unmap`], too.
///
/// # Errors
/// `LIB_ERR_OUT_OF_VIRTUAL_ADDR`, `LIB_ERR_VREGION_BAD_ALIGNMENT`.
pub fn paging_alloc(bytes: u64, alignment: u64) -> Result<VirtAddr, Error> {
    let bytes = span(VirtAddr(0), bytes)?.bytes();
    let size = PageSize::ALL
        .into_iter()
        .find(|size| alignment.is_power_of_two() && alignment <= size.bytes())
        .ok_or(Error::new(ErrorCode::LibVregionBadAlignment))?;
    let attributes = Kind::Reserved.attributes(PageFlags::READ);
    step(|core| {
        let taken = core.space.reserve(Place::Anywhere(size), bytes, attributes);
        taken
            .map(|taken| VirtAddr(taken.start))
            .map_err(reserve_error)
    })
}

/// Unmaps what was mapped at `address`. The frame itself stays, what came by being touched goes.
///
/// # Safety
/// Nothing refers to the memory any more.
///
/// # Errors
/// `LIB_ERR_PMAP_NOT_MAPPED`, `LIB_ERR_PMAP_OTHER_KIND`, `LIB_ERR_PMAP_UNMAP` on the kernel's error.
pub unsafe fn paging_unmap(address: VirtAddr) -> Result<(), Error> {
    unmap_regions(address, check_programs)
}

/// Unmaps the region that begins at an address, if it may be.
fn unmap_regions(
    address: VirtAddr,
    check: impl FnOnce(&kind::Books, Span) -> Result<(), Error>,
) -> Result<(), Error> {
    let mapped = look(|core| {
        let mapped = core.space.extent(address);
        let mapped = mapped.filter(|mapped| mapped.start == address.0);
        let mapped = mapped.ok_or(Error::new(ErrorCode::LibPmapNotMapped))?;
        check(&core.space, mapped).map(|()| mapped)
    })??;
    unmap_own(mapped).push_err(ErrorCode::LibPmapUnmap)
}

/// Unmaps any pages of any mappings; what is left of them on both sides are mappings of their own. All of it must be mapped, or be addresses
/// that are taken.
///
/// # Safety
/// As [`paging_unmap`].
///
/// # Errors
/// As [`paging_unmap`], and `LIB_ERR_VREGION_BAD_ALIGNMENT`.
pub unsafe fn paging_unmap_part(address: VirtAddr, bytes: u64) -> Result<(), Error> {
    let span = span(address, bytes)?;
    look(|core| {
        let mut at = span.start;
        while at < span.end {
            let region = core.space.next_region(VirtAddr(at));
            let region = region.filter(|region| region.span.start <= at);
            at = region
                .ok_or(Error::new(ErrorCode::LibPmapNotMapped))?
                .span
                .end;
        }
        check_programs(&core.space, span)
    })??;
    unmap_own(span).push_err(ErrorCode::LibPmapUnmap)
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

/// Gives any pages of any mappings other flags, also those that come into being later. Pages of copy-on-write regions that were not copied
/// yet stay read-only until they are.
///
/// # Errors
/// `LIB_ERR_VREGION_BAD_ALIGNMENT` (also for 2 MiB pages that are to be uncached), `LIB_ERR_PMAP_NOT_MAPPED`, `LIB_ERR_PMAP_ADDR_NOT_FREE`
/// (addresses only), `LIB_ERR_PMAP_OTHER_KIND`, `LIB_ERR_PMAP_MODIFY_FLAGS` on top of the kernel's error.
pub fn paging_protect(address: VirtAddr, bytes: u64, flags: PageFlags) -> Result<(), Error> {
    let span = span(address, bytes)?;
    if look(|core| protect_alone(core, span, flags, Kind::is_programs))?.is_some() {
        return Ok(());
    }
    step(|core| {
        check_programs(&core.space, span)?;
        protect(core, span, flags)
    })
}

/// Gives pages of one Mapping other flags by a call for that, if nothing else has to change. That takes nothing and gives nothing, so it
/// needs no step. `None`: it was not done, and a step will do it or tell why not.
fn protect_alone(
    core: &mut Core,
    span: Span,
    flags: PageFlags,
    may: impl FnOnce(Kind) -> bool,
) -> Option<()> {
    let changed = core.space.protect_alone(span, flags, |_, alone| {
        let mapping = alone.mapping.cap();
        match may(Kind::of(alone.tag)) && mapping.is_own() {
            true => mapping_modify(mapping, alone.first, alone.count, alone.flags).map_err(drop),
            false => Err(()),
        }
    });
    changed?.ok()
}

/// Gives pages other flags, whatever they are for.
fn protect(core: &mut Core, span: Span, flags: PageFlags) -> Result<(), Error> {
    let (space, mut env) = core.parts();
    let changed = space.protect(&mut env, span, flags);
    env.settle();
    changed.map_err(|error| error_of(error, ErrorCode::LibPmapModifyFlags))
}

/// Makes one Mapping of those between two addresses that map one frame in one go, where one table has them; saves slots and nodes after many
/// small operations. The pages are not there for a moment: a thread that touches them waits. Answers how many Mappings were saved.
///
/// # Errors
/// `LIB_ERR_VREGION_BAD_ALIGNMENT`, `LIB_ERR_PMAP_OTHER_KIND`, `LIB_ERR_PMAP_DO_MAP` on top of the kernel's error.
pub fn paging_join(address: VirtAddr, bytes: u64) -> Result<usize, Error> {
    join(span(address, bytes)?, check_programs)
}

/// Joins Mappings, table by table.
fn join(
    span: Span,
    check: impl Fn(&kind::Books, Span) -> Result<(), Error>,
) -> Result<usize, Error> {
    let (mut at, mut saved) = (span.start, 0);
    while at < span.end {
        let end = (at + 1).next_multiple_of(LARGE_PAGE_SIZE).min(span.end);
        saved += step(|core| {
            let here = Span { start: at, end };
            check(&core.space, here)?;
            let (space, mut env) = core.parts();
            let joined = space.join(&mut env, here);
            env.settle();
            joined.map_err(|error| error_of(error, ErrorCode::LibPmapDoMap))
        })?;
        at = end;
    }
    Ok(saved)
}

/// The memory of a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Page {
    /// The frame. If it came by being touched, it belongs to the region.
    pub frame: CapRef,
    /// Which byte of it the address is, rounded down to 4 KiB.
    pub offset: u64,
    /// What the page permits; the region may permit more.
    pub flags: PageFlags,
    /// How large the page is.
    pub size: PageSize,
}

/// What is at an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found {
    /// Where its region begins.
    pub start: VirtAddr,
    /// How many bytes the region has.
    pub bytes: u64,
    /// What the region permits at the address.
    pub flags: PageFlags,
    /// What the region is for.
    pub kind: Kind,
    /// The memory, if there is some.
    pub page: Option<Page>,
}

/// What is at an address; `None`: nothing that this library knows of.
pub fn paging_lookup(address: VirtAddr) -> Option<Found> {
    let found = look(|core| {
        let found = core.space.lookup(address)?;
        Some((found, core.space.extent(address)?))
    });
    let (found, region) = found.ok()??;
    Some(Found {
        start: VirtAddr(region.start),
        bytes: region.bytes(),
        flags: found.region.attributes.flags,
        kind: Kind::of(found.region.attributes.tag),
        page: found.page.map(|page| Page {
            frame: page.frame.cap(),
            offset: page.offset,
            flags: page.flags,
            size: page.size,
        }),
    })
}

/// The addresses of the own space.
pub(crate) fn own_span() -> Result<Span, Error> {
    span(OWN_START, OWN_BYTES)
}

/// Books that lie on the heap.
type HeapBooks = Space<Name, Nodes<Node<Name>>>;

/// Does an operation on books on the heap, which grow when it says that it needs nodes.
fn growing<T>(
    space: &mut HeapBooks,
    code: ErrorCode,
    mut work: impl FnMut(&mut HeapBooks) -> Result<T, vspace::Error<Error>>,
) -> Result<T, Error> {
    loop {
        match work(space) {
            Err(vspace::Error {
                cause: Cause::Space(Why::Nodes(wanted)),
                stopped: None,
            }) => {
                let free = space.free_nodes();
                nodes::keep(space.store(), free, wanted).push_err(code)?;
            }
            done => return done.map_err(|error| error_of(error, code)),
        }
    }
}

/// So many bytes, rounded up to pages, at an address.
fn span(address: VirtAddr, bytes: u64) -> Result<Span, Error> {
    let bytes = bytes.checked_next_multiple_of(BASE_PAGE_SIZE);
    bytes
        .and_then(|bytes| Span::new(address, bytes).ok())
        .ok_or(Error::new(ErrorCode::LibVregionBadAlignment))
}

fn reserve_error(why: Why) -> Error {
    error_of(why.into(), ErrorCode::LibPmapDoMap)
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

/// Makes the books of the own address space, with those of RAM and slots: [`mm_init`](crate::ram::mm_init). Addresses are taken from
/// [`OWN_START`] on; what lies below is the program's as it was loaded.
///
/// # Errors
/// As [`mm_init`](crate::ram::mm_init).
pub fn paging_init_state() -> Result<(), Error> {
    crate::ram::mm_init()
}
