//! Memory in two levels: objects come from chunks, and chunks are cut from regions when they are needed.
//!
//! The kernel asks every core that knows a capability before it retypes it. So objects are not retyped from the few regions that the
//! machine has, but from *chunks* of them, RAM capabilities of at most [`CHUNK`] bytes: a chunk's relatives are few, and a whole one can
//! move to another core.
//!
//! * A region of at most [`CHUNK`] bytes is a chunk itself.
//! * A larger one is kept whole, and a cell of the grid of [`CHUNK`] bytes is cut from it (as much of the cell as is free around the
//!   place in question) when no chunk has room: [`Found::Cut`]. The caller retypes the cell to one RAM capability and says so
//!   ([`Chunks::cut`]), or that he could not ([`Chunks::not_cut`]).
//! * What is larger than a chunk, or lies across two cells, comes from the region itself, which the kernel permits because no chunk is
//!   cut there.
//! * A chunk that is wholly free stays, for the next object, until the regions have no room for something large: then it is to be
//!   joined with its region again ([`Found::Join`]): the caller deletes its capability and says so ([`Chunks::joined`]).
//!
//! Each answer that is not a grant makes one step, after which the caller asks again: at most one cut, or one join for each unused
//! chunk. Nodes: a cut takes [`NODES_TO_CUT`] before the grant's own [`NODES_TO_CHANGE`]; freeing takes [`NODES_TO_CHANGE`], joining
//! too. A cut also takes one slot, which the caller has at hand *before* he asks.
//!
//! Barrelfish counterpart: none.

use crate::MmError;
use crate::ram::{Grant, NODES_TO_ADD, NODES_TO_CHANGE, Node, Ram, Region, Usage};
use crate::span::Span;
use arena::Store;

/// Most bytes of a chunk.
pub const CHUNK: u64 = 64 << 20;

/// Nodes that cutting a chunk takes: of the regions' books, and of the chunks'.
pub const NODES_TO_CUT: (usize, usize) = (NODES_TO_CHANGE, NODES_TO_ADD);

/// What came of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found<C> {
    /// Here it is.
    Grant(Grant<C>),
    /// A chunk has to be made first, of this memory.
    Cut(Grant<C>),
    /// This chunk has to go first: nothing is in it.
    Join(Region<C>),
}

/// The books: those of regions and those of chunks, each with its own nodes.
#[derive(Debug)]
pub struct Chunks<C, S> {
    regions: Ram<C, S>,
    chunks: Ram<C, S>,
    /// Bytes of the chunks that were cut: the books of regions count them as granted.
    cut: u64,
}

impl<C: Copy, S: Store<Node<C>>> Chunks<C, S> {
    /// No memory yet. The nodes of regions, and those of chunks.
    pub const fn new(regions: S, chunks: S) -> Self {
        Self {
            regions: Ram::new(regions),
            chunks: Ram::new(chunks),
            cut: 0,
        }
    }

    /// The memory of the nodes, to let it grow: of regions, and of chunks.
    pub const fn stores(&mut self) -> (&mut S, &mut S) {
        (self.regions.store(), self.chunks.store())
    }

    /// How many more nodes there is room for: of regions, and of chunks.
    pub fn free_nodes(&self) -> (usize, usize) {
        (self.regions.free_nodes(), self.chunks.free_nodes())
    }

    /// Most chunks that will be cut at a time from a region, so that the caller can have a slot for each.
    #[must_use]
    pub const fn cuts(base: u64, bytes: u64) -> u64 {
        if bytes <= CHUNK {
            return 0;
        }
        let end = base.saturating_add(bytes);
        end.div_ceil(CHUNK) - base / CHUNK
    }

    /// Adds a region, as [`Ram::add`] does.
    ///
    /// # Errors
    /// As [`Ram::add`].
    pub fn add(&mut self, root: C, base: u64, bytes: u64) -> Result<(), MmError> {
        let span = Span::new(base, bytes)?;
        let (other, books) = match bytes <= CHUNK {
            true => (&self.regions, &mut self.chunks),
            false => (&self.chunks, &mut self.regions),
        };
        match other.overlaps(span) {
            true => Err(MmError::Overlap),
            false => books.add(root, base, bytes),
        }
    }

    /// Looks for `bytes` (rounded up to pages) at a multiple of `alignment`: by best fit in the chunks, or within a range of addresses
    /// at the lowest place that a chunk has.
    ///
    /// # Errors
    /// As [`Ram::alloc`].
    pub fn alloc(&mut self, bytes: u64, alignment: u64, within: Span) -> Result<Found<C>, MmError> {
        match self.chunks.alloc_within(bytes, alignment, within) {
            Err(MmError::Exhausted) => {}
            found => return found.map(Found::Grant),
        }
        let place = self.regions.choose(bytes, alignment, within);
        self.found(place, within)
    }

    /// As [`Chunks::alloc`], but never a whole chunk or region: for what is to be of the same type as they, RAM. (See [`Ram::alloc_part`].)
    ///
    /// # Errors
    /// As [`Ram::alloc`].
    pub fn alloc_part(
        &mut self,
        bytes: u64,
        alignment: u64,
        within: Span,
    ) -> Result<Found<C>, MmError> {
        match self.chunks.alloc_part(bytes, alignment, within) {
            Err(MmError::Exhausted) => {}
            found => return found.map(Found::Grant),
        }
        match self.regions.choose_part(bytes, alignment, within) {
            // It would be all of the chunk.
            Ok(place) if self.cell(place) == Some(place) => {
                self.regions.take(place).map(Found::Grant)
            }
            place => self.found(place, within),
        }
    }

    fn found(&mut self, place: Result<Span, MmError>, within: Span) -> Result<Found<C>, MmError> {
        match place {
            Ok(place) => match self.cell(place) {
                Some(cell) => self.regions.take(cell).map(Found::Cut),
                None => self.regions.take(place).map(Found::Grant),
            },
            Err(MmError::Exhausted) => match self.unused_chunk(within) {
                Some(chunk) => Ok(Found::Join(chunk)),
                None => Err(MmError::Exhausted),
            },
            Err(error) => Err(error),
        }
    }

    /// As [`Chunks::alloc`], but from the regions themselves: for when a chunk cannot be cut because something that the books do not know
    /// of is still there.
    ///
    /// # Errors
    /// As [`Ram::alloc`].
    pub fn alloc_uncut(
        &mut self,
        bytes: u64,
        alignment: u64,
        within: Span,
    ) -> Result<Grant<C>, MmError> {
        self.regions.alloc_within(bytes, alignment, within)
    }

    /// The chunk of [`Found::Cut`] is made.
    ///
    /// # Errors
    /// [`MmError::NoMemory`]; the chunk is as if it were not made.
    pub fn cut(&mut self, cell: Grant<C>, chunk: C) -> Result<(), MmError> {
        self.chunks.add(chunk, cell.base, cell.bytes)?;
        self.cut += cell.bytes;
        Ok(())
    }

    /// The chunk of [`Found::Cut`] could not be made.
    ///
    /// # Errors
    /// As [`Ram::free`].
    pub fn not_cut(&mut self, cell: Grant<C>) -> Result<(), MmError> {
        self.regions.free(cell.base, cell.bytes)
    }

    /// The chunk of [`Found::Join`] is deleted.
    ///
    /// # Errors
    /// [`MmError::NotFound`], [`MmError::InUse`], [`MmError::NoMemory`].
    pub fn joined(&mut self, chunk: Region<C>) -> Result<(), MmError> {
        if self.regions.region_of(chunk.span.base).is_none() {
            return Err(MmError::NotFound);
        }
        if self.regions.free_nodes() < NODES_TO_CHANGE {
            return Err(MmError::NoMemory);
        }
        self.chunks.remove(chunk.span.base)?;
        self.cut -= chunk.span.bytes();
        self.regions.free(chunk.span.base, chunk.span.bytes())
    }

    /// Gives a granted range back, or some pages of one: [`Ram::free`].
    ///
    /// # Errors
    /// As [`Ram::free`]; also [`MmError::NotFound`] for a range that is partly a chunk's.
    pub fn free(&mut self, base: u64, bytes: u64) -> Result<(), MmError> {
        let span = Span::new(base, bytes)?;
        match self.chunks.overlaps(span) {
            true => self.chunks.free(base, bytes),
            false => self.regions.free(base, bytes),
        }
    }

    /// How much there is.
    pub fn usage(&self) -> Usage {
        let (regions, chunks) = (self.regions.usage(), self.chunks.usage());
        Usage {
            total: regions.total - self.cut + chunks.total,
            free: regions.free + chunks.free,
            largest: regions.largest.max(chunks.largest),
            holes: regions.holes + chunks.holes,
        }
    }

    /// The regions' books, for [`Ram::map`]: chunks that were cut stand in it as granted.
    pub const fn regions(&self) -> &Ram<C, S> {
        &self.regions
    }

    /// The chunks' books.
    pub const fn chunks(&self) -> &Ram<C, S> {
        &self.chunks
    }

    /// The part of the grid's cell that is free around a place; none if the place lies in two cells.
    fn cell(&self, place: Span) -> Option<Span> {
        let base = place.base - place.base % CHUNK;
        let cell = Span {
            base,
            end: base.saturating_add(CHUNK),
        };
        let hole = self.regions.hole_around(place)?;
        cell.contains(place).then_some(Span {
            base: cell.base.max(hole.base),
            end: cell.end.min(hole.end),
        })
    }

    /// A chunk that was cut, reaches into `within`, and of which nothing is granted.
    fn unused_chunk(&self, within: Span) -> Option<Region<C>> {
        if self.cut == 0 {
            return None;
        }
        let mut from = 0;
        loop {
            let chunk = self.chunks.unused_region(from)?;
            if chunk.span.overlaps(within) && self.regions.region_of(chunk.span.base).is_some() {
                return Some(chunk);
            }
            from = chunk.span.end;
        }
    }
}
