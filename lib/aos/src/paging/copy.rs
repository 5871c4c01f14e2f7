//! Copy on write: a frame that is read where it is, and whose pages are copied when they are written.
//!
//! The frame is mapped as any other, without the right to write. A write faults; the page is copied into a frame of the region's own, which
//! takes the place of the original. To take a page out of a long Mapping the rest is mapped again, so it is cut into chunks first. The copy is made at a *scratch* page, under the lock of the core: nobody sees it before it is whole, and who
//! faults at the page meanwhile waits for the lock and tries again. The page is not there for a moment, and then with the new contents.
//!
//! Barrelfish counterpart: none in the library; upstream's `vspace_mmu_aware` only grows.

use super::kind::Kind;
use super::own::{Request, map_own};
use super::{Backing, Choice, Name, PageSize, Part, Place, Span, error_of, reserve_error};
use crate::arch::memory::copy_page as copy_words;
use crate::cap::CapRef;
use crate::error::{Error, ErrorCode};
use crate::memory::{Core, step};
use kpi::addr::{PhysAddr, VirtAddr};
use kpi::layout::BASE_PAGE_SIZE;
use kpi::rights::PageFlags;
use vspace::Found;

/// What pages permit at most that were not copied.
const ORIGINAL: PageFlags = PageFlags::READ_EXECUTE;

/// Maps `bytes` bytes of a frame from byte `offset` on somewhere in the own address space. What is written there is seen there only: the first
/// write to a page copies it. The copies go when it is unmapped; the frame stays as it was.
///
/// A write for whose copy there is no memory ends the domain, as with all memory that comes by being touched.
///
/// # Errors
/// As [`paging_map_part`](super::paging_map_part); `LIB_ERR_RAM_ALLOC`: no memory for what copying needs.
pub fn paging_map_copy_on_write(frame: CapRef, offset: u64, bytes: u64) -> Result<VirtAddr, Error> {
    let part = Part {
        offset,
        bytes,
        flags: PageFlags::READ_WRITE,
        pages: Choice::Auto,
    };
    let request = Request {
        attributes: Kind::CopyOnWrite.attributes(part.flags),
        limit: ORIGINAL,
        ..Request::of(frame, &part)?
    };
    step(make_scratch)?;
    map_own(None, &request).map(|span| VirtAddr(span.start))
}

/// Takes addresses for two pages. The first is there for good, so that the other always has its page tables.
fn make_scratch(core: &mut Core) -> Result<(), Error> {
    if core.scratch.is_some() {
        return Ok(());
    }
    let attributes = Kind::Library.attributes(PageFlags::READ_WRITE);
    let place = Place::Anywhere(PageSize::Large);
    let taken = core.space.reserve(place, 2 * BASE_PAGE_SIZE, attributes);
    let taken = taken.map_err(reserve_error)?;
    let made = super::fault::back(core, taken.start);
    match made {
        Ok(()) => core.scratch = Some(VirtAddr(taken.start + BASE_PAGE_SIZE)),
        Err(_) => {
            let (space, mut env) = core.parts();
            // Nothing is there.
            let _ = space.unmap(&mut env, taken);
            env.settle();
        }
    }
    made
}

/// Pages that are cut from a long Mapping when one of them is written. The next of them to be written is cut from these only.
const CHUNK: u64 = 16;

/// Cuts the pages around one from their Mapping, if that is much longer.
///
/// Once they are unmapped, mapping them again fails only if the kernel refuses the frame itself, because somebody has revoked it: the slot is that of the
/// Mapping that was cut, the table is still there, since it has what is left on one side at least, and the nodes are part of a step.
///
/// # Errors
/// `LIB_ERR_PMAP_DO_MAP`: what cutting takes could not be had, and nothing has changed. `LIB_ERR_PMAP_NOT_MAPPED` on top: the frame was revoked.
fn cut_chunk(core: &mut Core, address: u64, found: &Found<Name>) -> Result<(), Error> {
    let Some(page) = found.page else {
        return Ok(());
    };
    let bytes = CHUNK * BASE_PAGE_SIZE;
    if page.run.bytes() <= 2 * bytes {
        return Ok(());
    }
    let start = address - address % bytes;
    let part = found.region.span;
    let chunk = Span {
        start: start.max(page.run.start).max(part.start),
        end: (start + bytes).min(page.run.end).min(part.end),
    };
    let ahead = address - address % BASE_PAGE_SIZE - chunk.start;
    let original = Backing {
        frame: page.frame,
        offset: page.offset - ahead,
        address: PhysAddr(0),
    };
    let (space, mut env) = core.parts();
    let choice = Choice::Exactly(PageSize::Base);
    let failed = |error| error_of(error, ErrorCode::LibPmapDoMap);
    let cut = space
        .unback(&mut env, chunk)
        .map_err(failed)
        .and_then(|()| {
            let again = space.back_first(&mut env, chunk, original, ORIGINAL, choice);
            again
                .map(|_| ())
                .map_err(|error| failed(error).push(ErrorCode::LibPmapNotMapped))
        });
    env.settle();
    cut
}

/// Puts a copy in the place of a page of the original.
pub(super) fn copy_page(core: &mut Core, address: u64, found: &Found<Name>) -> Result<(), Error> {
    let (Some(scratch), Some(original)) = (core.scratch, found.page) else {
        return Err(Error::new(ErrorCode::LibVspaceCurrentInit));
    };
    cut_chunk(core, address, found)?;
    let page = page_at(address);
    let frame = core.memory.page()?;
    let copy = Backing {
        frame: Name::owned(frame, 1),
        offset: 0,
        address: PhysAddr(0),
    };
    let original = (
        Backing {
            frame: original.frame,
            offset: original.offset,
            address: PhysAddr(0),
        },
        ORIGINAL,
    );
    let written = write_copy(core, page, page_at(scratch.0), copy);
    let (space, mut env) = core.parts();
    let gone = written.and_then(|()| {
        let gone = space.unback(&mut env, page);
        gone.map_err(|error| error_of(error, ErrorCode::LibPmapUnmap))
    });
    let choice = Choice::Exactly(PageSize::Base);
    let placed = gone.and_then(|()| {
        let placed = space.back_first(&mut env, page, copy, PageFlags::MASK, choice);
        if placed.is_err() {
            // As in `cut_chunk`: it fails only if the original was revoked, and then the fault ends the domain.
            let _ = space.back_first(&mut env, page, original.0, original.1, choice);
        }
        placed.map_err(|error| error_of(error, ErrorCode::LibPmapDoMap))
    });
    env.settle();
    if placed.is_err() {
        // It may have been written to.
        core.memory.drop_object(frame);
    }
    placed.map(|_| ())
}

/// Copies a page that is there into a frame, at the scratch page.
fn write_copy(
    core: &mut Core,
    page: Span,
    scratch: Span,
    copy: Backing<Name>,
) -> Result<(), Error> {
    let (space, mut env) = core.parts();
    let choice = Choice::Exactly(PageSize::Base);
    let there = space.back_first(&mut env, scratch, copy, PageFlags::MASK, choice);
    let copied = there
        .map_err(|error| error_of(error, ErrorCode::LibPmapDoMap))
        .and_then(|_| {
            copy_words(VirtAddr(page.start), VirtAddr(scratch.start));
            let gone = space.unback(env.that_keeps(), scratch);
            gone.map_err(|error| error_of(error, ErrorCode::LibPmapUnmap))
        });
    env.settle();
    copied
}

const fn page_at(address: u64) -> Span {
    let start = address - address % BASE_PAGE_SIZE;
    Span {
        start,
        end: start + BASE_PAGE_SIZE,
    }
}
