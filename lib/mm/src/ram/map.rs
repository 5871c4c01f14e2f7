//! What is where.

use super::{Node, Ram, Span};
use arena::Store;

/// A range of a region that is free or granted as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range<C> {
    /// Where it lies.
    pub span: Span,
    /// The region's root.
    pub root: C,
    /// Whether it is free.
    pub free: bool,
}

/// All ranges in the order of addresses; each takes O(log n). Neighbours of one region are not both free nor both granted.
#[derive(Debug)]
pub struct Map<'a, C, S> {
    ram: &'a Ram<C, S>,
    /// Everything before is done.
    at: u64,
}

impl<'a, C, S> Map<'a, C, S> {
    pub(super) const fn new(ram: &'a Ram<C, S>) -> Self {
        Self { ram, at: 0 }
    }
}

impl<C: Copy, S: Store<Node<C>>> Iterator for Map<'_, C, S> {
    type Item = Range<C>;

    fn next(&mut self) -> Option<Range<C>> {
        let Ram {
            arena,
            regions,
            holes,
            ..
        } = self.ram;
        let id = self.ram.region_at(self.at);
        let id = id.or_else(|| regions.at_least(arena, &self.at))?;
        let region = arena.get(id)?;
        let base = self.at.max(region.base);
        let hole = holes.at_least(arena, &base).and_then(|id| arena.get(id));
        let (end, free) = match hole {
            Some(hole) if hole.base == base => (hole.end(), true),
            Some(hole) => (hole.base.min(region.end()), false),
            None => (region.end(), false),
        };
        self.at = end;
        Some(Range {
            span: Span { base, end },
            root: region.root?,
            free,
        })
    }
}
