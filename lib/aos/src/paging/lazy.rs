//! Memory that comes into being when it is touched: lazy regions, and stacks.
//!
//! The frames belong to the region: each is mapped at one place, and goes when it is unmapped there.
//!
//! What is touched at random comes a page at a time. What is touched in order comes [ahead](super::fault): twice as many pages
//! as the Mapping has that ends at the address, up to 64 KiB, of which up to 60 KiB may never be touched. A *large* lazy region takes 2 MiB at a time, if it
//! has not yet touched any of them and so much memory is to be had in a row. When part of such a frame is unmapped, its memory stays
//! until all of it is.

use super::kind::Kind;
use super::tables::Cut;
use super::{
    GUARD_BYTES, PageSize, Place, Span, error_of, fault, reserve_error, rest, span, unmap_regions,
};
use crate::error::{Error, ErrorCode};
use crate::memory::{Core, step, step_back};
use kpi::addr::VirtAddr;
use kpi::layout::{BASE_PAGE_SIZE, LARGE_PAGE_SIZE};
use kpi::rights::PageFlags;

/// Takes addresses for so many bytes (rounded up to pages) of memory, each page of which comes into being, zeroed, when it is touched first.
/// [`paging_unmap`](super::paging_unmap) gives it back, [`paging_discard`] only the memory.
///
/// # Errors
/// `LIB_ERR_OUT_OF_VIRTUAL_ADDR`; `LIB_ERR_PMAP_DO_MAP` on top of: flags that no page can have.
pub fn paging_alloc_lazy(bytes: u64, flags: PageFlags) -> Result<VirtAddr, Error> {
    alloc(bytes, flags, Kind::Lazy)
}

/// As [`paging_alloc_lazy`], but 2 MiB come into being at a time where memory allows. Less page faults and page tables, for who uses nearly all
/// of it.
///
/// # Errors
/// As [`paging_alloc_lazy`].
pub fn paging_alloc_lazy_large(bytes: u64, flags: PageFlags) -> Result<VirtAddr, Error> {
    alloc(bytes, flags, Kind::LazyLarge)
}

fn alloc(bytes: u64, flags: PageFlags, kind: Kind) -> Result<VirtAddr, Error> {
    let bytes = span(VirtAddr(0), bytes)?.bytes();
    let size = match bytes < LARGE_PAGE_SIZE {
        true => PageSize::Base,
        false => PageSize::Large,
    };
    step(|core| {
        let attributes = kind.attributes(flags);
        let taken = core.space.reserve(Place::Anywhere(size), bytes, attributes);
        taken
            .map(|taken| VirtAddr(taken.start))
            .map_err(reserve_error)
    })
}

/// Gives the memory of pages of lazy regions back; the addresses stay, and are zero when they are touched again. Answers how many bytes came
/// back, counting a part of memory that came as a whole, up to 64 KiB (2 MiB in large regions), as its part.
///
/// # Safety
/// Nothing refers to what is in these pages any more.
///
/// # Errors
/// `LIB_ERR_VREGION_BAD_ALIGNMENT`, `LIB_ERR_PMAP_NOT_MAPPED`: some of it is not of a lazy region; `LIB_ERR_PMAP_UNMAP` on the kernel's
/// error.
pub unsafe fn paging_discard(address: VirtAddr, bytes: u64) -> Result<u64, Error> {
    let span = span(address, bytes)?;
    let freed = empty(span, Kind::is_lazy)?;
    // What comes to rest meanwhile, too.
    let resting = rest::twin_if_used(span);
    let rested = resting.map(|resting| empty(resting, |kind| kind == Kind::Resting));
    Ok(freed + rested.transpose()?.unwrap_or(0))
}

/// Takes the memory of a span away, in one step for each Mapping, if all of it is of a certain kind.
fn empty(span: Span, is_meant: impl Fn(Kind) -> bool) -> Result<u64, Error> {
    let mut at = span.start;
    let mut freed = 0;
    while at < span.end {
        let step = step_back(|core| {
            let region = core.space.next_region(VirtAddr(at));
            let is_meant = |region: &vspace::Region| {
                region.span.start <= at && is_meant(Kind::of(region.attributes.tag))
            };
            let Some(region) = region.filter(is_meant) else {
                return Err(Error::new(ErrorCode::LibPmapNotMapped));
            };
            let end = region.span.end.min(span.end);
            let here = empty_next(core, Span { start: at, end })?;
            Ok(here.map_or((region.span.end, 0), |here| (here.end, here.bytes())))
        })?;
        (at, freed) = (step.0, freed + step.1);
    }
    Ok(freed)
}

/// Takes away the first memory that is in a span, as much as one Mapping has of it; answers which.
pub(super) fn empty_next(core: &mut Core, span: Span) -> Result<Option<Span>, Error> {
    let run = core.space.next_run(VirtAddr(span.start));
    let run = run.map(|page| page.run).filter(|run| run.start < span.end);
    let Some(run) = run else {
        return Ok(None);
    };
    let here = Span {
        start: run.start.max(span.start),
        end: run.end.min(span.end),
    };
    let (space, mut env) = core.parts();
    let gone = space.unback(&mut env, here);
    let cut = env.take_cut();
    env.settle();
    finish_cut(core, cut, here.start);
    gone.map_err(|error| error_of(error, ErrorCode::LibPmapUnmap))?;
    Ok(Some(here))
}

/// Gives a frame back, of which a part was just unmapped at an address, unless more of it is mapped.
pub(super) fn finish_cut(core: &mut Core, cut: Option<Cut>, address: u64) {
    let Some(Cut { frame, bytes }) = cut else {
        return;
    };
    let start = address - address % bytes;
    for all in [Some(start), rest::twin_of(start)].into_iter().flatten() {
        let mut at = all;
        while let Some(page) = core.space.next_run(VirtAddr(at))
            && page.run.start < all + bytes
        {
            if page.frame.cap() == frame {
                return;
            }
            at = page.run.end;
        }
    }
    core.memory.drop_object(frame);
}

/// Addresses of a thread's stacks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stacks {
    /// The stack, behind a guard; lazy.
    pub(crate) stack: Span,
    /// The exception stack, behind another; all there.
    pub(crate) exception_stack: Span,
}

/// Takes addresses for a stack and an exception stack of so many bytes, whole pages and at most [`OWN_BYTES`](super::OWN_BYTES) each. [`paging_free_stacks`] of where the first guard begins,
/// which is [`GUARD_BYTES`] before the stack, gives all back.
///
/// # Errors
/// As [`paging_map_frame_attr`](super::paging_map_frame_attr); `LIB_ERR_RAM_ALLOC`.
pub(crate) fn paging_alloc_stacks(bytes: u64, exception_bytes: u64) -> Result<Stacks, Error> {
    let attributes = Kind::Stack.attributes(PageFlags::READ_WRITE);
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
            let _ = space.unmap(&mut env, taken);
            env.settle();
        }
        made.map(|()| Stacks {
            stack,
            exception_stack,
        })
    })
}

/// Gives back what [`paging_alloc_stacks`] made.
///
/// # Safety
/// No thread uses it.
///
/// # Errors
/// As [`paging_unmap`](super::paging_unmap).
pub(crate) unsafe fn paging_free_stacks(address: VirtAddr) -> Result<(), Error> {
    unmap_regions(address, |_, _| Ok(()))
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
