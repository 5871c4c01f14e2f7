//! Putting memory behind addresses.

use crate::env::Tables;
use crate::error::{Cause, Error, Stopped, Why};
use crate::level::{PageSize, entry_bytes};
use crate::node::{Content, Node, Run};
use crate::piece::{Piece, Rule};
use crate::region::{Attributes, Place, permitted};
use crate::space::{Space, Span};
use crate::{BACK_NODES, RESERVE_NODES};
use arena::{Id, Store, Way};
use kpi::addr::{PhysAddr, VirtAddr};
use kpi::layout::BASE_PAGE_SIZE;
use kpi::rights::PageFlags;

/// Memory of a frame.
#[derive(Clone, Copy, Debug)]
pub struct Backing<C> {
    /// The frame.
    pub frame: C,
    /// From which byte on.
    pub offset: u64,
    /// Where the frame itself begins, which decides what large pages are possible.
    pub address: PhysAddr,
}

/// Which pages memory is mapped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The largest that suit address, bytes, frame and flags, at each place.
    Auto,
    /// These only.
    Exactly(PageSize),
}

impl<C: Copy> Backing<C> {
    /// The physical address of the first byte.
    ///
    /// # Errors
    /// [`Why::Range`].
    fn physical(&self) -> Result<PhysAddr, Why> {
        let address = self.address.checked_add(self.offset).ok_or(Why::Range)?;
        let aligned =
            address.is_aligned(BASE_PAGE_SIZE) && self.offset.is_multiple_of(BASE_PAGE_SIZE);
        if aligned {
            Ok(address)
        } else {
            Err(Why::Range)
        }
    }
}

impl Choice {
    /// The least level of tables that may map memory at `physical` to `address`.
    ///
    /// # Errors
    /// [`Why::PageSize`].
    fn level(self, address: u64, physical: PhysAddr) -> Result<u8, Why> {
        let apart = address ^ physical.0;
        match self {
            Self::Auto => Ok((1..3)
                .find(|level| apart.is_multiple_of(entry_bytes(*level)))
                .unwrap_or(3)),
            Self::Exactly(size) => (address | physical.0)
                .is_multiple_of(size.bytes())
                .then_some(size.level())
                .ok_or(Why::PageSize),
        }
    }

    fn exactly(self) -> Option<u8> {
        match self {
            Self::Auto => None,
            Self::Exactly(size) => Some(size.level()),
        }
    }
}

impl<C: Copy + Default, S: Store<Node<C>>> Space<C, S> {
    /// Maps memory of a frame into pages of regions that have none yet. They get the flags of the region, without those of WRITE and EXECUTE
    /// that `limit` does not have (as copy-on-write wants it; [`PageFlags::MASK`] takes none away).
    ///
    /// # Errors
    /// [`Why`]: `Range`, `NotReserved`, `Guard`, `Backed`, `PageSize`, `Nodes`; the environment's. If it then cannot be undone,
    /// [`Stopped`](crate::Stopped).
    pub fn back<T: Tables<Cap = C>>(
        &mut self,
        env: &mut T,
        span: Span,
        backing: Backing<C>,
        limit: PageFlags,
        choice: Choice,
    ) -> Result<(), Error<T::Error>> {
        let rule = self.rule(env, span, backing, limit, choice)?;
        self.unbacked(span)?;
        let needs = self.needs(span, rule, choice.exactly());
        self.need(needs.ok_or(Why::PageSize)?.nodes())?;
        self.fill(env, span, backing, rule)
    }

    /// As [`Space::back`], for the first pages of the span only: what one call of Map can do. Takes at most
    /// [`BACK_NODES`](crate::BACK_NODES) nodes. Answers which pages they are.
    ///
    /// # Errors
    /// As [`Space::back`], never [`Stopped`].
    pub fn back_first<T: Tables<Cap = C>>(
        &mut self,
        env: &mut T,
        span: Span,
        backing: Backing<C>,
        limit: PageFlags,
        choice: Choice,
    ) -> Result<Span, Error<T::Error>> {
        let rule = self.rule(env, span, backing, limit, choice)?;
        let part = self.part_at(span.start).ok_or(Why::NotReserved)?;
        let piece = part.piece(span, rule);
        if part.is_guard {
            return Err(Why::Guard.into());
        }
        let mut way = Way::new();
        self.find_way(piece.span(), &mut way)?;
        if choice.exactly().is_some_and(|level| level != piece.level) {
            return Err(Why::PageSize.into());
        }
        self.need(BACK_NODES)?;
        let (frame, offset) = (backing.frame, backing.offset);
        self.map_piece_by(env, piece, frame, offset, rule.limit, &mut way)?;
        Ok(piece.span())
    }

    /// The way to where the run of a span goes in the tree.
    ///
    /// # Errors
    /// [`Why::Backed`].
    fn find_way(&self, span: Span, way: &mut Way) -> Result<(), Why> {
        let is_new = self.runs.way(&self.arena, &span.start, way).is_none();
        let before = way.before().and_then(|id| self.run(id));
        let behind = way.behind().and_then(|id| self.run(id));
        let is_free = is_new
            && before.is_none_or(|run| run.end() <= span.start)
            && behind.is_none_or(|run| run.start >= span.end);
        is_free.then_some(()).ok_or(Why::Backed)
    }

    fn rule<T: Tables<Cap = C>>(
        &mut self,
        env: &mut T,
        span: Span,
        backing: Backing<C>,
        limit: PageFlags,
        choice: Choice,
    ) -> Result<Rule, Why> {
        self.trim(env);
        self.inside(span)?;
        let level = match choice.level(span.start, backing.physical()?)? {
            // A table that could not be taken away may be where a block would be.
            _ if self.has_empty && choice == Choice::Auto => 3,
            level => level,
        };
        let limit = (limit.0 & PageFlags::MASK.0) as u8;
        Ok(Rule { level, limit })
    }

    /// # Errors
    /// [`Why`]: `NotReserved`, `Guard`, `Backed`.
    fn unbacked(&self, span: Span) -> Result<(), Why> {
        self.reserved(span, false)?;
        match self.last_run(span) {
            Some(_) => Err(Why::Backed),
            None => Ok(()),
        }
    }

    /// Takes addresses that suit memory of a frame, as [`Space::map`] does.
    ///
    /// # Errors
    /// As [`Space::reserve`].
    pub fn reserve_for(
        &mut self,
        at: Option<VirtAddr>,
        bytes: u64,
        backing: Backing<C>,
        attributes: Attributes,
        choice: Choice,
    ) -> Result<Span, Why> {
        let physical = backing.physical()?;
        let suits = |size: &PageSize| {
            let is_cached = !attributes.flags.contains(PageFlags::NOCACHE);
            *size == PageSize::Base
                || is_cached && bytes >= size.bytes() && physical.is_aligned(size.bytes())
        };
        match (at, choice) {
            (Some(at), _) => self.reserve(Place::At(at), bytes, attributes),
            (None, Choice::Exactly(size)) => self.reserve(Place::Anywhere(size), bytes, attributes),
            (None, Choice::Auto) => {
                let mut reserved = Err(Why::NoSpace);
                for size in PageSize::ALL.into_iter().rev().filter(suits) {
                    reserved = self.reserve(Place::Anywhere(size), bytes, attributes);
                    if reserved != Err(Why::NoSpace) {
                        break;
                    }
                }
                reserved
            }
        }
    }

    /// Maps memory of a frame at addresses that are free, as a new region.
    ///
    /// Where any addresses will do (`at` is `None`) they are chosen so that the largest pages suit that bytes and frame allow.
    ///
    /// # Errors
    /// As [`Space::reserve`] and [`Space::back`].
    pub fn map<T: Tables<Cap = C>>(
        &mut self,
        env: &mut T,
        at: Option<VirtAddr>,
        bytes: u64,
        backing: Backing<C>,
        attributes: Attributes,
        choice: Choice,
    ) -> Result<Span, Error<T::Error>> {
        permitted(attributes.flags)?;
        let span = self.reserve_for(at, bytes, backing, attributes, choice)?;
        let backed = self.back(env, span, backing, PageFlags::MASK, choice);
        match backed {
            Ok(()) => Ok(span),
            Err(error) if error.stopped.is_some() => Err(error),
            Err(mut error) => {
                self.remove_parts(span)?;
                if let Cause::Space(Why::Nodes(nodes)) = &mut error.cause {
                    *nodes += RESERVE_NODES;
                }
                Err(error)
            }
        }
    }

    /// Unmaps pages: their memory goes, and their addresses are free. It may be any part of regions, also several, but all of it must
    /// belong to some. Whether there is memory behind it does not matter.
    ///
    /// # Errors
    /// [`Why`]: `Range`, `NotReserved`, `Nodes`; the environment's, also [`Stopped`](crate::Stopped).
    pub fn unmap<T: Tables<Cap = C>>(
        &mut self,
        env: &mut T,
        span: Span,
    ) -> Result<(), Error<T::Error>> {
        self.inside(span)?;
        self.reserved(span, true)?;
        self.need(self.split_needs(span) + self.clear_needs(span))?;
        let cleared = self.clear(env, span, true);
        let at = |stopped: Stopped| stopped.at;
        match &cleared {
            Err(error) if error.stopped.map(at) != Some(span.start) => {}
            _ => self.remove_parts(span)?,
        }
        cleared
    }

    /// As [`Space::unmap`], for the last Mapping in the span only, and all addresses from there on. Answers what is left to unmap.
    ///
    /// # Errors
    /// As [`Space::unmap`].
    pub fn unmap_last<T: Tables<Cap = C>>(
        &mut self,
        env: &mut T,
        span: Span,
    ) -> Result<Option<Span>, Error<T::Error>> {
        self.inside(span)?;
        self.reserved(span, true)?;
        let last = self.last_run(span);
        let start = last.map_or(span.start, |run| run.start.max(span.start));
        self.unmap(env, Span { start, ..span })?;
        let rest = Span { end: start, ..span };
        Ok((rest.bytes() > 0).then_some(rest))
    }

    /// Maps the pieces of a span; undoes that when one cannot be.
    fn fill<T: Tables<Cap = C>>(
        &mut self,
        env: &mut T,
        span: Span,
        backing: Backing<C>,
        rule: Rule,
    ) -> Result<(), Error<T::Error>> {
        let mut rest = span;
        while let Some(piece) = self.next_piece(rest, rule) {
            let offset = backing.offset + (piece.at - span.start);
            if let Err(cause) = self.map_piece(env, piece, backing.frame, offset, rule.limit) {
                let done = Span {
                    end: piece.at,
                    ..span
                };
                let undone = self.clear(env, done, false);
                let stopped = undone.err().map(|error| {
                    let stopped = error.stopped;
                    // Nothing could be undone: everything that was mapped is.
                    let at = stopped.map_or(done.end, |stopped| stopped.at);
                    Stopped {
                        span,
                        at,
                        lost: None,
                    }
                });
                return Err(Error { cause, stopped });
            }
            rest.start = piece.span().end;
        }
        Ok(())
    }

    /// Maps one piece.
    ///
    /// # Errors
    /// The environment's, [`Why::Nodes`]. Nothing changed.
    pub(crate) fn map_piece<T: Tables<Cap = C>>(
        &mut self,
        env: &mut T,
        piece: Piece,
        frame: C,
        offset: u64,
        limit: u8,
    ) -> Result<(), Cause<T::Error>> {
        let mut way = Way::new();
        self.find_way(piece.span(), &mut way)?;
        self.map_piece_by(env, piece, frame, offset, limit, &mut way)
    }

    /// The same, for who knows the way to it in the tree of runs.
    pub(crate) fn map_piece_by<T: Tables<Cap = C>>(
        &mut self,
        env: &mut T,
        piece: Piece,
        frame: C,
        offset: u64,
        limit: u8,
        way: &mut Way,
    ) -> Result<(), Cause<T::Error>> {
        let table = self.make_table(env, piece.level, piece.at)?;
        let cap = self.table_cap(table);
        let mapped = match self.need(1) {
            Ok(()) => env
                .map(cap, piece.entries(), frame, offset, piece.flags)
                .map_err(Cause::Environment),
            Err(why) => Err(why.into()),
        };
        match mapped {
            Ok(mapping) => {
                let run = Run {
                    start: piece.at,
                    offset,
                    frame,
                    mapping,
                    table,
                    count: piece.count,
                    level: piece.level,
                    limit,
                };
                self.add_run_by(run, way)?;
                Ok(())
            }
            Err(cause) => {
                self.release_table(env, piece.level, piece.at);
                Err(cause)
            }
        }
    }

    /// # Errors
    /// [`Why::Nodes`].
    pub(crate) fn add_run(&mut self, run: Run<C>) -> Result<Id, Why> {
        let mut way = Way::new();
        self.find_way(run.span(), &mut way)?;
        self.add_run_by(run, &mut way)
    }

    fn add_run_by(&mut self, run: Run<C>, way: &mut Way) -> Result<Id, Why> {
        let (table, count) = (run.table, run.count);
        let node = Node::new(Content::Run(run));
        let id = self.arena.insert(node).ok_or(Why::Nodes(1))?;
        if !self.runs.insert_by(&mut self.arena, way, id) {
            self.arena.remove(id);
            return Err(Why::Backed);
        }
        self.counts.runs += 1;
        self.add_used(table, count);
        Ok(id)
    }
}
