//! How a range of addresses is cut into Mappings.

use crate::env::Entries;
use crate::level::{entry_bytes, entry_of, table_base};
use crate::node::{Node, Part, limited};
use crate::space::{Space, Span};
use arena::Store;
use core::ops::AddAssign;
use kpi::layout::PTABLE_ENTRIES;
use kpi::rights::PageFlags;

/// Most entries of uncached memory that the kernel makes or changes at a time, all of them pages.
pub const UNCACHED_ENTRIES: u64 = 64;

/// What bounds the choice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    /// The least level whose entries suit the place of the frame.
    pub(crate) level: u8,
    /// As in [`Run`](crate::node::Run).
    pub(crate) limit: u8,
}

/// What one call of Map is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    pub(crate) at: u64,
    pub(crate) level: u8,
    pub(crate) count: u16,
    pub(crate) flags: PageFlags,
}

impl Piece {
    pub(crate) fn span(&self) -> Span {
        Span {
            start: self.at,
            end: self.at + u64::from(self.count) * entry_bytes(self.level),
        }
    }

    pub(crate) fn entries(&self) -> Entries {
        Entries {
            first: entry_of(self.level, self.at),
            count: self.count,
        }
    }
}

/// What pieces need at most.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Needs {
    /// Mappings of memory.
    pub(crate) runs: usize,
    /// Tables of level 1 to 3 that are not there yet.
    pub(crate) tables: [usize; 3],
}

impl Needs {
    /// Nodes; as many Mappings in all.
    pub(crate) fn nodes(&self) -> usize {
        self.runs + self.tables.iter().sum::<usize>()
    }
}

impl AddAssign for Needs {
    fn add_assign(&mut self, other: Self) {
        self.runs += other.runs;
        for (tables, more) in self.tables.iter_mut().zip(other.tables) {
            *tables += more;
        }
    }
}

impl Part {
    /// The first piece of a span that begins in this part.
    pub(crate) fn piece(&self, span: Span, rule: Rule) -> Piece {
        let at = span.start;
        let end = span.end.min(self.span.end);
        let flags = limited(self.flags, rule.limit);
        let is_uncached = flags.contains(PageFlags::NOCACHE);
        let fits = |level: &u8| {
            let bytes = entry_bytes(*level);
            !is_uncached && at.is_multiple_of(bytes) && end - at >= bytes
        };
        let level = (rule.level..3).find(fits).unwrap_or(3);
        // Smaller pages end where larger ones may go on: where their table does.
        let in_table = PTABLE_ENTRIES - u64::from(entry_of(level, at));
        let most = match is_uncached {
            true => in_table.min(UNCACHED_ENTRIES),
            false => in_table,
        };
        let count = ((end - at) / entry_bytes(level)).min(most);
        Piece {
            at,
            level,
            count: count as u16,
            flags,
        }
    }
}

impl<C: Copy + Default, S: Store<Node<C>>> Space<C, S> {
    /// The first piece of a span: the largest pages that fit, as many as one table holds. `None`: the span has no addresses, or none of
    /// a region.
    pub(crate) fn next_piece(&self, span: Span, rule: Rule) -> Option<Piece> {
        let part = self.part_at(span.start).filter(|_| span.bytes() > 0)?;
        Some(part.piece(span, rule))
    }

    /// What the pieces of a span need, if all have pages of the level `exactly` (or none is asked for).
    pub(crate) fn needs(&self, span: Span, rule: Rule, exactly: Option<u8>) -> Option<Needs> {
        let mut needs = Needs::default();
        let mut rest = span;
        // Those found missing last.
        let mut missing = [u64::MAX; 3];
        while let Some(piece) = self.next_piece(rest, rule) {
            if exactly.is_some_and(|level| level != piece.level) {
                return None;
            }
            needs.runs += 1;
            let tables = missing.iter_mut().zip(&mut needs.tables);
            for (level, (missing, tables)) in (1..=piece.level).zip(tables) {
                let base = table_base(level, piece.at);
                if *missing != base && self.find_table(level, piece.at).is_none() {
                    *tables += 1;
                    *missing = base;
                }
            }
            rest.start = piece.span().end;
        }
        Some(needs)
    }
}
