//! Page faults: memory that comes into being when it is touched.
//!
//! The handler of every thread asks [`resolve`] first. Behind an address of a *lazy* region or a stack that has no memory yet it puts a zeroed
//! page, from a few that are kept at hand (or more at a time, where memory is touched in order or the region wants 2 MiB); a page of a copy-on-write region that is written is copied; what
//! rests comes back; a region with a pager is the [`pager`]'s. All other faults are the program's own affair, and end it if it does not care.
//!
//! A page that is there and permits the access was put there meanwhile by another thread: then the access is only tried again.

use super::kind::Kind;
use super::{
    Backing, Choice, Name, OWN_BYTES, OWN_START, PageSize, Span, copy, error_of, pager, rest,
};
use crate::cap::CapRef;
use crate::console;
use crate::error::{Error, ErrorCode};
use crate::exit::DomainName;
use crate::memory::{Core, Wanted, step};
use crate::thread::exception::Access;
use kpi::addr::{PhysAddr, VirtAddr};
use kpi::cap::ObjType;
use kpi::layout::{BASE_PAGE_SIZE, LARGE_PAGE_SIZE};
use kpi::rights::PageFlags;
use vspace::{Hole, Region};

/// Most bytes that come at a time where memory is touched in order.
const AHEAD_BYTES: u64 = 64 << 10;

/// What became of a fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Resolution {
    /// The memory is there now.
    Done,
    /// It was there already.
    Again,
    /// A pager says that it is there now, which is not true.
    Unhelped,
    /// There is none for such an access.
    Not,
}

/// What is to be done about a fault.
enum Next {
    /// Nothing more.
    Is(Resolution),
    /// Asking the pager with this number.
    Ask(u32),
}

/// Whether pages with these flags permit an access.
pub(super) const fn permits(flags: PageFlags, access: Access) -> bool {
    match access {
        Access::Read => flags.contains(PageFlags::READ),
        Access::Write => flags.contains(PageFlags::WRITE),
        Access::Execute => flags.contains(PageFlags::EXECUTE),
    }
}

/// Puts memory where a fault was, if some belongs there. Called enabled, on a stack that is there, by a thread that holds none of the locks
/// of [`memory`](crate::memory).
pub(crate) fn resolve(address: u64, access: Access) -> Resolution {
    if !(OWN_START.0..OWN_START.0 + OWN_BYTES).contains(&address) {
        return Resolution::Not;
    }
    let mut tried_block = false;
    let mut next = step(|core| put(core, address, access, Some(&mut tried_block)));
    if next.is_err() && tried_block {
        // Where there is no memory for a block, there may be for a page.
        next = step(|core| put(core, address, access, None));
    }
    match next {
        Ok(Next::Is(resolution)) => resolution,
        Ok(Next::Ask(number)) => pager::ask(number, address, access),
        Err(error) => {
            report(address, error);
            Resolution::Not
        }
    }
}

/// Says why the memory that belongs at an address is not there.
pub(super) fn report(address: u64, error: Error) {
    let name = DomainName::own();
    console::emergency(format_args!("{name}: no memory at {address:#x}: {error}\n"));
}

/// Puts memory where a fault was. `block` is for telling that it tried 2 MiB, `None` forbids that.
fn put(
    core: &mut Core,
    address: u64,
    access: Access,
    block: Option<&mut bool>,
) -> Result<Next, Error> {
    let mut hole = Hole::new();
    let Some(found) = core.space.lookup_hole(VirtAddr(address), &mut hole) else {
        return Ok(Next::Is(Resolution::Not));
    };
    let region = found.region;
    let kind = Kind::of(region.attributes.tag);
    let may = permits(region.attributes.flags, access) && !region.attributes.is_guard;
    match (kind, found.page) {
        (_, Some(page)) if permits(page.flags, access) => Ok(Next::Is(Resolution::Again)),
        (Kind::Paged(number), _) => Ok(Next::Ask(number)),
        (Kind::CopyOnWrite, Some(_)) if may && access == Access::Write => {
            copy::copy_page(core, address, &found)?;
            Ok(Next::Is(Resolution::Done))
        }
        (Kind::Stack, None) if may => {
            back_hole(core, &mut hole, BASE_PAGE_SIZE)?;
            Ok(Next::Is(Resolution::Done))
        }
        (Kind::Lazy | Kind::LazyLarge, None) if may => {
            if rest::wake(core, address, region.span)? {
                return Ok(Next::Is(Resolution::Done));
            }
            let here = block
                .filter(|_| kind == Kind::LazyLarge)
                .and_then(|tried| Some((tried, free_block(core, address, &region)?)));
            match here {
                Some((tried, block)) => {
                    *tried = true;
                    back_block(core, block)?;
                }
                None => back_ahead(core, &mut hole)?,
            }
            Ok(Next::Is(Resolution::Done))
        }
        _ => Ok(Next::Is(Resolution::Not)),
    }
}

/// The 2 MiB around an address, if all of it is in a region and nothing is there yet.
fn free_block(core: &Core, address: u64, region: &Region) -> Option<Span> {
    let start = address - address % LARGE_PAGE_SIZE;
    let block = Span {
        start,
        end: start + LARGE_PAGE_SIZE,
    };
    let is_inside = region.span.start <= block.start && block.end <= region.span.end;
    let is_cached = !region.attributes.flags.contains(PageFlags::NOCACHE);
    (is_inside && is_cached && is_empty(core, block)).then_some(block)
}

/// Whether nothing is mapped in a span, and nothing of it rests.
fn is_empty(core: &Core, span: Span) -> bool {
    is_empty_at(core, span)
        && rest::twin_if_used(span).is_none_or(|resting| is_empty_at(core, resting))
}

fn is_empty_at(core: &Core, span: Span) -> bool {
    let next = core.space.next_run(VirtAddr(span.start));
    next.is_none_or(|page| page.run.start >= span.end)
}

/// Puts zeroed pages behind the first pages of a hole in a lazy region: as many as suit who touches memory in order, or one.
fn back_ahead(core: &mut Core, hole: &mut Hole) -> Result<(), Error> {
    let span = hole.ahead(AHEAD_BYTES);
    // What rests must come back as it was.
    let rests = rest::twin_if_used(span).is_some_and(|resting| !is_empty_at(core, resting));
    let bytes = if rests { BASE_PAGE_SIZE } else { span.bytes() };
    back_hole(core, hole, bytes)
}

/// Puts zeroed memory behind the first bytes of a hole, or where there is not so much in a row behind the first page.
fn back_hole(core: &mut Core, hole: &mut Hole, bytes: u64) -> Result<(), Error> {
    let several = (bytes > BASE_PAGE_SIZE).then(|| core.memory.object(ObjType::Frame, bytes));
    if let Some(Ok(frame)) = several {
        let backed = back_hole_by(core, hole, bytes, frame);
        if backed.is_err() {
            core.memory.drop_object(frame);
        }
        return backed;
    }
    core.memory.short = None;
    let frame = core.memory.page()?;
    let backed = back_hole_by(core, hole, BASE_PAGE_SIZE, frame);
    if backed.is_err() {
        core.memory.put_page(frame);
    }
    backed
}

fn back_hole_by(core: &mut Core, hole: &mut Hole, bytes: u64, frame: CapRef) -> Result<(), Error> {
    let (space, mut env) = core.parts();
    let backed = space.back_hole(&mut env, hole, bytes, all_of(frame, bytes));
    env.settle();
    backed.map_err(|error| error_of(error, ErrorCode::LibPmapDoMap))
}

/// A frame of so many bytes that belongs to its region.
fn all_of(frame: CapRef, bytes: u64) -> Backing<Name> {
    Backing {
        frame: Name::owned(frame, (bytes / BASE_PAGE_SIZE) as u16),
        offset: 0,
        address: PhysAddr(0),
    }
}

/// Puts a zeroed page behind an address of a region that has none.
pub(super) fn back(core: &mut Core, address: u64) -> Result<(), Error> {
    let start = address - address % BASE_PAGE_SIZE;
    let span = Span {
        start,
        end: start + BASE_PAGE_SIZE,
    };
    let frame = core.memory.page()?;
    let backed = back_by(core, span, frame, PageSize::Base);
    if backed.is_err() {
        core.memory.put_page(frame);
    }
    backed
}

/// The same for 2 MiB.
fn back_block(core: &mut Core, block: Span) -> Result<(), Error> {
    let frame = core.memory.make(&Wanted {
        alignment: LARGE_PAGE_SIZE,
        ..Wanted::object(ObjType::Frame, LARGE_PAGE_SIZE)
    })?;
    let backed = back_by(core, block, frame, PageSize::Large);
    if backed.is_err() {
        core.memory.drop_object(frame);
    }
    backed
}

fn back_by(core: &mut Core, span: Span, frame: CapRef, size: PageSize) -> Result<(), Error> {
    let backing = all_of(frame, span.bytes());
    let (space, mut env) = core.parts();
    let choice = Choice::Exactly(size);
    let backed = space.back_first(&mut env, span, backing, PageFlags::MASK, choice);
    env.settle();
    backed
        .map(|_| ())
        .map_err(|error| error_of(error, ErrorCode::LibPmapDoMap))
}
