//! Pages without memory, as a page fault finds them: looked up once, and filled without another search.

use crate::BACK_NODES;
use crate::back::Backing;
use crate::env::Tables;
use crate::error::{Error, Why};
use crate::level::{entry_bytes, table_base};
use crate::node::{Node, Part, limited};
use crate::piece::{Piece, UNCACHED_ENTRIES};
use crate::region::Region;
use crate::space::{Found, Space, Span};
use arena::{Store, Way};
use kpi::addr::VirtAddr;
use kpi::layout::BASE_PAGE_SIZE;
use kpi::rights::PageFlags;

/// Pages that have no memory, from the one that was looked up on: as many as one Mapping may have. None in a guard. Good until the space changes.
/// Large, so it is handed on by reference.
#[derive(Debug)]
pub struct Hole {
    pages: Span,
    /// Bytes of the Mapping that ends where the pages begin; 0: none does.
    before: u64,
    flags: PageFlags,
    way: Way,
}

impl Hole {
    /// None yet.
    #[inline]
    #[must_use]
    pub const fn new() -> Self {
        Self {
            pages: Span { start: 0, end: 0 },
            before: 0,
            flags: PageFlags::MASK,
            way: Way::new(),
        }
    }

    /// All of it.
    #[must_use]
    pub const fn pages(&self) -> Span {
        self.pages
    }

    /// How much of it to fill at a time, so that who touches memory in order has the fewer faults the more it was: twice the Mapping that
    /// ends there, if so much is free, and what suits a multiple of its bytes; at most `most` bytes, at least one page.
    #[must_use]
    pub fn ahead(&self, most: u64) -> Span {
        let start = self.pages.start;
        let room = (2 * self.before).min(most).min(self.pages.bytes());
        let largest = room.checked_ilog2().map_or(0, |log| 1 << log);
        // What a number is a multiple of is its lowest bit.
        let aligned = start & start.wrapping_neg();
        Span {
            start,
            end: start + largest.min(aligned).max(BASE_PAGE_SIZE),
        }
    }
}

impl Default for Hole {
    fn default() -> Self {
        Self::new()
    }
}

impl<C: Copy + Default, S: Store<Node<C>>> Space<C, S> {
    /// As [`Space::lookup`]. Where there is no memory, `hole` is that.
    pub fn lookup_hole(&self, address: VirtAddr, hole: &mut Hole) -> Option<Found<C>> {
        let part = self.part_at(address.0)?;
        let start = address.align_down(BASE_PAGE_SIZE).0;
        let at = self.runs.way(&self.arena, &start, &mut hole.way);
        let last = at.or_else(|| hole.way.before());
        let last = last.and_then(|id| self.run(id));
        let page = last.and_then(|run| Self::page_of(part, run, address));
        if page.is_none() {
            let next = hole.way.behind().and_then(|id| self.run(id));
            hole.pages = Span {
                start,
                end: Self::end_of_hole(part, start, next.map(|run| run.start)),
            };
            let before = last.filter(|run| run.end() == start);
            hole.before = before.map_or(0, |run| start - run.start);
            hole.flags = limited(part.flags, PageFlags::MASK.0 as u8);
        }
        Some(Found {
            region: Region::of(part),
            page,
        })
    }

    fn end_of_hole(part: &Part, start: u64, next: Option<u64>) -> u64 {
        if part.is_guard {
            return start;
        }
        let table = table_base(3, start) + entry_bytes(2);
        let end = part.span.end.min(table).min(next.unwrap_or(u64::MAX));
        match part.flags & PageFlags::NOCACHE.0 as u8 {
            0 => end,
            _ => end.min(start + UNCACHED_ENTRIES * BASE_PAGE_SIZE),
        }
    }

    /// Puts memory, as pages of 4 KiB, behind the first pages of a hole, as many as `bytes` are. Takes at most [`BACK_NODES`] nodes.
    ///
    /// # Errors
    /// [`Why`]: `Range`: no bytes of whole pages; `Backed`: more than the hole, or the space changed since; `Nodes`; the environment's. Nothing has
    /// changed then.
    pub fn back_hole<T: Tables<Cap = C>>(
        &mut self,
        env: &mut T,
        hole: &mut Hole,
        bytes: u64,
        backing: Backing<C>,
    ) -> Result<(), Error<T::Error>> {
        let start = hole.pages.start;
        if bytes == 0 || !bytes.is_multiple_of(BASE_PAGE_SIZE) {
            return Err(Why::Range.into());
        }
        if bytes > hole.pages.bytes() || !self.runs.is_current(&hole.way) {
            return Err(Why::Backed.into());
        }
        self.trim(env);
        self.need(BACK_NODES)?;
        let piece = Piece {
            at: start,
            level: 3,
            count: (bytes / BASE_PAGE_SIZE) as u16,
            flags: hole.flags,
        };
        let limit = PageFlags::MASK.0 as u8;
        let (frame, offset) = (backing.frame, backing.offset);
        self.map_piece_by(env, piece, frame, offset, limit, &mut hole.way)?;
        Ok(())
    }
}
