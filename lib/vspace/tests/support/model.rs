//! What a space is, told simply: intervals of addresses, cut wherever anything changes.

use super::Cap;
use super::kernel::{Frame, Leaf, push};
use std::collections::{BTreeMap, HashMap};
use vspace::{Attributes, PageSize, Span};

/// What goes on along addresses.
pub trait Along: Copy {
    fn further(self, bytes: u64) -> Self;
}

/// Values of intervals that do not overlap.
#[derive(Clone, Debug)]
pub struct Intervals<V>(pub BTreeMap<u64, (u64, V)>);

impl<V: Along> Intervals<V> {
    fn cut(&mut self, at: u64) {
        let before = self.0.range(..at).next_back();
        if let Some((&start, &(end, value))) = before
            && end > at
        {
            self.0.insert(start, (at, value));
            self.0.insert(at, (end, value.further(at - start)));
        }
    }

    pub fn remove(&mut self, span: Span) {
        self.cut(span.start);
        self.cut(span.end);
        let starts: Vec<u64> = self
            .0
            .range(span.start..span.end)
            .map(|(at, _)| *at)
            .collect();
        for start in starts {
            self.0.remove(&start);
        }
    }

    pub fn insert(&mut self, span: Span, value: V) {
        assert!(self.within(span).is_empty());
        self.0.insert(span.start, (span.end, value));
    }

    pub fn change(&mut self, span: Span, change: impl Fn(&mut V)) {
        self.cut(span.start);
        self.cut(span.end);
        for (_, (_, value)) in self.0.range_mut(span.start..span.end) {
            change(value);
        }
    }

    /// Intervals of a span, as far as they are inside.
    pub fn within(&self, span: Span) -> Vec<(Span, V)> {
        let before = self.0.range(..span.start).next_back();
        let from = before.filter(|(_, (end, _))| *end > span.start);
        let from = from.map_or(span.start, |(start, _)| *start);
        self.0
            .range(from..span.end)
            .map(|(&start, &(end, value))| {
                let inside = Span {
                    start: start.max(span.start),
                    end: end.min(span.end),
                };
                (inside, value.further(inside.start - start))
            })
            .collect()
    }

    pub fn at(&self, address: u64) -> Option<V> {
        let (start, (end, value)) = self.0.range(..=address).next_back()?;
        (*end > address).then(|| value.further(address - start))
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Taken {
    /// Different for different regions.
    pub id: u64,
    pub attributes: Attributes,
}

#[derive(Clone, Copy, Debug)]
pub struct Backed {
    pub frame: Cap,
    pub offset: u64,
    pub limit: u64,
}

impl Along for Taken {
    fn further(self, _: u64) -> Self {
        self
    }
}

impl Along for Backed {
    fn further(self, bytes: u64) -> Self {
        Self {
            offset: self.offset + bytes,
            ..self
        }
    }
}

#[derive(Clone, Debug)]
pub struct Model {
    pub within: Span,
    pub taken: Intervals<Taken>,
    pub backed: Intervals<Backed>,
    next: u64,
}

impl Model {
    pub fn new(within: Span) -> Self {
        Self {
            within,
            taken: Intervals(BTreeMap::new()),
            backed: Intervals(BTreeMap::new()),
            next: 0,
        }
    }

    /// Whether every address belongs to a region.
    pub fn is_reserved(&self, span: Span) -> bool {
        let bytes = |(inside, _): &(Span, Taken)| inside.bytes();
        self.taken.within(span).iter().map(bytes).sum::<u64>() == span.bytes()
    }

    pub fn has_guard(&self, span: Span) -> bool {
        let guards = |(_, taken): &(Span, Taken)| taken.attributes.is_guard;
        self.taken.within(span).iter().any(guards)
    }

    /// The lowest gap.
    pub fn gap(&self, bytes: u64, size: PageSize) -> Option<u64> {
        let mut low = self.within.start;
        let ends = self.taken.0.iter().map(|(start, (end, _))| (*start, *end));
        for (start, end) in ends.chain([(self.within.end, self.within.end)]) {
            let aligned = low.next_multiple_of(size.bytes());
            if aligned + bytes <= start {
                return Some(aligned);
            }
            low = end;
        }
        None
    }

    pub fn reserve(&mut self, span: Span, attributes: Attributes) {
        self.next += 1;
        let id = self.next;
        self.taken.insert(span, Taken { id, attributes });
    }

    /// Takes addresses from their regions; what is behind a hole is a new one.
    pub fn remove(&mut self, span: Span) {
        let behind = self.taken.at(span.end);
        self.taken.remove(span);
        let Some(behind) = behind else { return };
        self.next += 1;
        let mut at = span.end;
        while let Some((end, taken)) = self.taken.0.get_mut(&at)
            && taken.id == behind.id
        {
            taken.id = self.next;
            at = *end;
        }
    }

    pub fn extent(&self, address: u64) -> Option<Span> {
        let id = self.taken.at(address)?.id;
        let all = self.taken.0.iter().filter(|(_, (_, taken))| taken.id == id);
        let all: Vec<_> = all.map(|(start, (end, _))| (*start, *end)).collect();
        Some(Span {
            start: all.first()?.0,
            end: all.last()?.1,
        })
    }

    /// Bytes of each frame in use.
    pub fn in_use(&self) -> HashMap<Cap, u64> {
        let mut bytes = HashMap::new();
        for (start, (end, backed)) in &self.backed.0 {
            *bytes.entry(backed.frame).or_default() += end - start;
        }
        bytes
    }

    /// What page tables should say.
    pub fn leaves(&self, frames: &HashMap<Cap, Frame>) -> Vec<Leaf> {
        let mut leaves = Vec::new();
        for (&start, &(end, backed)) in &self.backed.0 {
            for (inside, taken) in self.taken.within(Span { start, end }) {
                let physical = frames[&backed.frame].base + backed.offset;
                let leaf = Leaf {
                    start: inside.start,
                    end: inside.end,
                    physical: physical + (inside.start - start),
                    flags: taken.attributes.flags.0 & (backed.limit | 9),
                };
                push(&mut leaves, leaf);
            }
        }
        leaves
    }
}
