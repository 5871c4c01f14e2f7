//! Which lazy memory is in use: pages that rest until they are touched.
//!
//! The processor keeps no note of which pages are used that this library could read. So it is found out by page faults: [`paging_rest`] takes
//! all pages of lazy regions away, and a page comes back, with what is in it, when it is touched. What came back after a while is what the
//! program uses, its *working set*; what still rests could be compressed, or written to a disk.
//!
//! The pages are mapped elsewhere meanwhile, at the same distance all of them, so the books of the space are all that is needed to find them
//! again. Stacks do not rest: their owners rely on that they stay ([`memory`](crate::memory)).

use super::kind::{Books, Kind};
use super::tables::Own;
use super::{Backing, Choice, Name, OWN_BYTES, OWN_START, Place, Span, error_of, reserve_error};
use crate::error::{Error, ErrorCode};
use crate::memory::{Core, look, step};
use core::sync::atomic::{AtomicBool, Ordering};
use kpi::addr::{PhysAddr, VirtAddr};
use kpi::rights::PageFlags;
use vspace::Page;

/// Bytes of addresses whose pages can rest; those of lazy regions, which are taken from below, are long before that.
const BYTES: u64 = 128 << 30;
/// How far from their place they rest.
const DISTANCE: u64 = OWN_BYTES - BYTES;

/// Where what is at an address rests, or what rests at one belongs.
pub(super) const fn twin_of(address: u64) -> Option<u64> {
    match address.wrapping_sub(OWN_START.0) {
        0..BYTES => Some(address + DISTANCE),
        DISTANCE..OWN_BYTES => Some(address - DISTANCE),
        _ => None,
    }
}

/// Whether any page ever rested.
static USED: AtomicBool = AtomicBool::new(false);

/// Where pages of a span may rest, if any ever did.
pub(super) fn twin_if_used(span: Span) -> Option<Span> {
    USED.load(Ordering::Relaxed).then(|| twin(span)).flatten()
}

fn twin(span: Span) -> Option<Span> {
    let end = span.end.min(OWN_START.0 + BYTES);
    let start = twin_of(span.start).filter(|_| span.start < end)?;
    Some(Span {
        start,
        end: start + (end - span.start),
    })
}

/// Moves a Mapping, or part of one, to other addresses. If they cannot be mapped there, they are mapped again where they were.
///
/// That fails only if the kernel refuses the frame itself, because somebody has revoked it: slots and tables that it takes are those that unmapping has put
/// at hand and that stay there until `settle`; what is left of a Mapping that is cut has its own, which `vspace` prepares before; the nodes are part of a
/// step. Then the pages are lost, with what was in them, and the error says so.
///
/// # Errors
/// `LIB_ERR_PMAP_UNMAP`, `LIB_ERR_PMAP_DO_MAP`: nothing has changed. `LIB_ERR_PMAP_NOT_MAPPED` on top: the pages are mapped nowhere now.
fn move_to(space: &mut Books, env: &mut Own<'_>, page: Page<Name>, to: Span) -> Result<(), Error> {
    let backing = Backing {
        frame: page.frame,
        offset: page.offset,
        address: PhysAddr(0),
    };
    let all = PageFlags::MASK;
    let choice = Choice::Exactly(page.size);
    space
        .unback(env.that_keeps(), page.run)
        .map_err(|error| error_of(error, ErrorCode::LibPmapUnmap))?;
    let Err(error) = space.back_first(env, to, backing, all, choice) else {
        return Ok(());
    };
    let error = error_of(error, ErrorCode::LibPmapDoMap);
    match space.back_first(env, page.run, backing, all, choice) {
        Ok(_) => Err(error),
        Err(_) => Err(error.push(ErrorCode::LibPmapNotMapped)),
    }
}

/// Takes away all pages of lazy regions, the heap's too, until they are touched. Nothing is lost. Answers how many bytes.
///
/// # Errors
/// `LIB_ERR_PMAP_ADDR_NOT_FREE`: the addresses where they would rest, the last 128 GiB, are in use; why pages could not be moved;
/// `LIB_ERR_PMAP_NOT_MAPPED` on top: their frame was revoked, so that they are lost.
pub fn paging_rest() -> Result<u64, Error> {
    step(|core| {
        if USED.load(Ordering::Relaxed) {
            return Ok(());
        }
        let place = Place::At(VirtAddr(OWN_START.0 + DISTANCE));
        let attributes = Kind::Resting.attributes(PageFlags::READ_WRITE);
        let taken = core.space.reserve(place, BYTES, attributes);
        taken.map_err(reserve_error)?;
        USED.store(true, Ordering::Relaxed);
        Ok(())
    })?;
    let (mut at, mut rested) = (OWN_START.0, 0);
    while at < OWN_START.0 + BYTES {
        (at, rested) = step(|core| rest_next(core, at).map(|(at, bytes)| (at, rested + bytes)))?;
    }
    Ok(rested)
}

/// Lets the next pages from an address on rest. Answers where to go on, and how many bytes they are.
fn rest_next(core: &mut Core, at: u64) -> Result<(u64, u64), Error> {
    let end = OWN_START.0 + BYTES;
    let region = core.space.next_region(VirtAddr(at));
    let Some(region) = region.filter(|region| region.span.start < end) else {
        return Ok((end, 0));
    };
    let page = core.space.next_run(VirtAddr(at.max(region.span.start)));
    let page = page.filter(|page| page.run.start < region.span.end);
    let Some(page) = page.filter(|_| Kind::of(region.attributes.tag).is_lazy()) else {
        return Ok((region.span.end, 0));
    };
    let behind = (page.run.end, page.run.bytes());
    let Some(to) = twin(page.run).filter(|to| to.bytes() == page.run.bytes()) else {
        return Ok((behind.0, 0));
    };
    let (space, mut env) = core.parts();
    let moved = move_to(space, &mut env, page, to);
    env.settle();
    moved.map(|()| behind)
}

/// Brings what belongs at an address of a region back, if it rests.
pub(super) fn wake(core: &mut Core, address: u64, region: Span) -> Result<bool, Error> {
    let Some(resting) = twin_of(address).filter(|_| USED.load(Ordering::Relaxed)) else {
        return Ok(false);
    };
    let (space, mut env) = core.parts();
    let Some(page) = space.lookup(VirtAddr(resting)).and_then(|found| found.page) else {
        return Ok(false);
    };
    // What has the same flags now.
    let run = Span {
        start: page.run.start.max(region.start + DISTANCE),
        end: page.run.end.min(region.end + DISTANCE),
    };
    let found = space.next_run(VirtAddr(run.start));
    let Some(first) = found else {
        return Ok(false);
    };
    let offset = first.offset + (run.start - first.run.start);
    let to = Span {
        start: run.start - DISTANCE,
        end: run.end - DISTANCE,
    };
    let page = Page {
        run,
        offset,
        ..page
    };
    let moved = move_to(space, &mut env, page, to);
    env.settle();
    moved.map(|()| true)
}

/// Bytes that rest.
pub fn paging_resting() -> u64 {
    let (mut at, mut bytes) = (OWN_START.0 + DISTANCE, 0);
    loop {
        let found = look(|core| core.space.next_run(VirtAddr(at)));
        match found {
            Ok(Some(page)) => (at, bytes) = (page.run.end, bytes + page.run.bytes()),
            _ => return bytes,
        }
    }
}
