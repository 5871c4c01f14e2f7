//! Mapping and unmapping in the own space, step by step.

use super::kind::Kind;
use super::{
    Backing, Choice, Name, PageSize, Part, Place, Span, error_of, lazy, reserve_error, rest, span,
};
use crate::cap::{CapRef, cap_direct_identify};
use crate::error::{Error, ErrorCode, ResultExt};
use crate::memory::{Core, step, step_back};
use kpi::addr::{PhysAddr, VirtAddr};
use kpi::layout::{BASE_PAGE_SIZE, LARGE_PAGE_SIZE};
use kpi::rights::PageFlags;
use vspace::Attributes;

/// What is to be mapped.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) bytes: u64,
    pub(super) backing: Backing<Name>,
    pub(super) attributes: Attributes,
    /// Flags that the pages have at most.
    pub(super) limit: PageFlags,
    pub(super) choice: Choice,
}

impl Request {
    pub(super) fn of(frame: CapRef, part: &Part) -> Result<Self, Error> {
        let bytes = span(VirtAddr(0), part.bytes)?.bytes();
        let fits = part.offset.checked_add(bytes).is_some();
        if !fits || !part.offset.is_multiple_of(BASE_PAGE_SIZE) {
            return Err(Error::new(ErrorCode::LibVregionBadAlignment));
        }
        let small = bytes < LARGE_PAGE_SIZE || part.flags.contains(PageFlags::NOCACHE);
        let base = Choice::Exactly(PageSize::Base);
        let choice = match part.pages {
            Choice::Auto if small => base,
            choice => choice,
        };
        // Where it is does not matter if no block is possible.
        let address = match choice == base {
            true => 0,
            false => cap_direct_identify(frame)
                .push_err(ErrorCode::LibFrameIdentify)?
                .address(),
        };
        Ok(Self {
            bytes,
            backing: Backing {
                frame: Name::of(frame),
                offset: part.offset,
                address: PhysAddr(address),
            },
            attributes: Attributes::memory(part.flags),
            limit: PageFlags::MASK,
            choice,
        })
    }
}

/// Maps in the own space: the addresses in the first step, with the first of the memory; the rest in one step for each table.
pub(super) fn map_own(at: Option<VirtAddr>, request: &Request) -> Result<Span, Error> {
    // On the stack, which is there.
    let request = *request;
    let (span, done, was_reserved) = step(|core| map_first(core, at, &request))?;
    let rest = Span {
        start: done.end,
        ..span
    };
    let backing = Backing {
        offset: request.backing.offset + done.bytes(),
        ..request.backing
    };
    let backed = back_own(rest, backing, request.limit, request.choice);
    if backed.is_err() {
        // The error that counts is the first; what cannot be unmapped keeps its addresses out of use.
        let _ = unmap_own(span);
        if was_reserved {
            let _ = step(|core| reserve_again(core, span));
        }
    }
    backed.map(|()| span)
}

/// The first step: answers the addresses, those that have memory now, and whether they were reserved.
fn map_first(
    core: &mut Core,
    at: Option<VirtAddr>,
    request: &Request,
) -> Result<(Span, Span, bool), Error> {
    let Request {
        bytes,
        backing,
        attributes,
        limit,
        choice,
    } = *request;
    let code = ErrorCode::LibPmapDoMap;
    let reserved = at.and_then(|at| reserved_at(core, at, bytes));
    let (space, mut env) = core.parts();
    if let Some(span) = reserved {
        // Nothing is there, so only the addresses become free.
        let free = space.unmap(&mut env, span);
        free.map_err(|error| error_of(error, code))?;
    }
    let mapped = space
        .reserve_for(at, bytes, backing, attributes, choice)
        .map_err(reserve_error)
        .and_then(|span| {
            let backed = space.back_first(&mut env, span, backing, limit, choice);
            if backed.is_err() {
                // As above.
                let _ = space.unmap(&mut env, span);
            }
            let done = backed.map_err(|error| error_of(error, code))?;
            Ok((span, done, reserved.is_some()))
        });
    env.settle();
    if let (Err(_), Some(span)) = (&mapped, reserved) {
        // They were taken just now.
        let _ = reserve_again(core, span);
    }
    mapped
}

/// The addresses, if they are only reserved.
fn reserved_at(core: &Core, at: VirtAddr, bytes: u64) -> Option<Span> {
    let region = core.space.next_region(at)?;
    let span = Span::new(at, bytes).ok()?;
    let is_inside = region.span.start <= span.start && span.end <= region.span.end;
    (is_inside && Kind::of(region.attributes.tag) == Kind::Reserved).then_some(span)
}

fn reserve_again(core: &mut Core, span: Span) -> Result<(), Error> {
    let attributes = Kind::Reserved.attributes(PageFlags::READ);
    let place = Place::At(VirtAddr(span.start));
    let taken = core.space.reserve(place, span.bytes(), attributes);
    taken.map(|_| ()).map_err(reserve_error)
}

/// Puts memory behind pages of the own space, in one step for each table.
pub(super) fn back_own(
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

/// Unmaps pages of the own space, and what rests of them, in one step for each Mapping.
pub(super) fn unmap_own(span: Span) -> Result<(), Error> {
    let mut rest = Some(span);
    while let Some(span) = rest {
        rest = step_back(|core| unmap_last(core, span))?;
    }
    Ok(())
}

/// Unmaps the last Mapping of a span and frees the addresses from there on, or takes away what rests of the span. Answers what is left to unmap. Pages
/// may come to rest between two steps, so addresses become free in one that finds none resting.
pub(super) fn unmap_last(core: &mut Core, span: Span) -> Result<Option<Span>, Error> {
    if let Some(resting) = rest::twin_if_used(span)
        && lazy::empty_next(core, resting)?.is_some()
    {
        return Ok(Some(span));
    }
    let (space, mut env) = core.parts();
    let rest = space.unmap_last(&mut env, span);
    let cut = env.take_cut();
    env.settle();
    if let Ok(rest) = &rest {
        let start = rest.map_or(span.start, |rest| rest.end);
        lazy::finish_cut(core, cut, start);
    }
    rest.map_err(|error| error_of(error, ErrorCode::LibPmapUnmap))
}
