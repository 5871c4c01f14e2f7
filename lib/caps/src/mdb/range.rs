//! What overlaps a range of bytes.
//!
//! The entries of one type root that can overlap `[start, end)` either begin inside it, and are then one run of the order, or begin
//! before it, and are then found by the largest end address of subtrees. Ranges being laminar (see the module above), those that
//! begin before and reach into the range enclose each other: the last of them in order is the innermost, and if that one
//! ends inside the range it cuts its edge.

use super::find::{last_copy, neighbour};
use super::tree::Spot;
use super::{Database, MEMORY_ROOT, first_word, range_bytes, range_end};
use crate::cte::{Cte, CteRef};
use crate::env::Store;
use kpi::addr::PhysAddr;

/// How the capabilities of the database relate to a range: the strongest relation found.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Range {
    /// Nothing overlaps.
    NotFound = 0,
    /// Something encloses the range or equals it, and nothing lies inside.
    Surrounding = 1,
    /// Something lies inside and is smaller.
    Inner = 2,
    /// Something cuts an edge of the range.
    Partial = 3,
}

/// What may still enclose the start of the range: an entry, or an entry's left subtree.
#[derive(Clone, Copy)]
enum Cover {
    None,
    Entry(CteRef),
    Below(CteRef),
}

impl Database {
    /// Classifies capabilities with an address against `[address, address + size)` (Barrelfish `mdb_find_range`).
    ///
    /// Returns the strongest relation and an entry that has it: for [`Range::Surrounding`] the innermost (greatest in order), for
    /// [`Range::Inner`] the first, for [`Range::Partial`] one that cuts the start if there is one. An equal range surrounds.
    /// As soon as the result exceeds `limit` the search may stop with a weaker relation than the strongest.
    ///
    /// A range of length 0 is enclosed only by what begins before it and ends behind it. A capability of size 0 counts as one
    /// byte long.
    pub fn find_range<S: Store>(
        &self,
        store: &S,
        address: PhysAddr,
        size: u64,
        limit: Range,
    ) -> (Range, Option<CteRef>) {
        match self.classify(store, address, size, limit) {
            (Range::Surrounding, Some(first)) => {
                (Range::Surrounding, Some(last_copy(store, first)))
            }
            other => other,
        }
    }

    /// [`Self::find_range`], of copies always the first.
    fn classify<S: Store>(
        &self,
        store: &S,
        address: PhysAddr,
        size: u64,
        limit: Range,
    ) -> (Range, Option<CteRef>) {
        let start = address.0;
        let end = start.saturating_add(size);
        let mut cover = Cover::None;
        let mut inside = None;
        let mut next = self.root;
        // The run of what begins inside and does not equal the range starts behind everything at `start` that is at least as
        // long. Walk there; on the way remember what is greatest among all before it and reaches over `start`.
        while let Some(at) = next {
            let node = store.cte(at);
            if !precedes(node, start, size) {
                inside = next;
                next = node.links.left();
                continue;
            }
            if node.max_end > start {
                if range_end(&node.cap) > start {
                    cover = Cover::Entry(at);
                } else if let Some(left) = node.links.left()
                    && store.cte(left).max_end > start
                {
                    cover = Cover::Below(left);
                }
            }
            next = node.links.right();
        }
        let cover = match cover {
            Cover::None => None,
            Cover::Entry(at) => Some(at),
            Cover::Below(top) => Some(last_reaching(store, top, start)),
        };
        let mut found = (Range::NotFound, None);
        if let Some(at) = cover {
            if range_end(&store.cte(at).cap) < end {
                return (Range::Partial, cover);
            }
            found = (Range::Surrounding, cover);
            if found.0 > limit {
                return found;
            }
        }
        let Some(at) = inside.filter(|at| begins_before(store.cte(*at), end)) else {
            return found;
        };
        if range_end(&store.cte(at).cap) > end {
            return (Range::Partial, inside);
        }
        if limit >= Range::Inner
            && let Some(cut) = self.first_cutting(store, start, end)
        {
            return (Range::Partial, Some(cut));
        }
        (Range::Inner, inside)
    }

    /// Where in the database a part of `source` belongs that begins at `start` and is `bytes` long, if nothing else was made from that part;
    /// `None` if something was. `source` is the first of its copies.
    ///
    /// A part that equals the source belongs there if its type is numbered behind the source's, as what can be made from it is.
    #[inline]
    pub(crate) fn free_part<S: Store>(
        &self,
        store: &S,
        source: CteRef,
        start: u64,
        bytes: u64,
    ) -> Option<Spot> {
        let end = start.wrapping_add(bytes);
        let is_behind =
            |next: Option<CteRef>| next.is_none_or(|next| !begins_before(store.cte(next), end));
        // Nothing between the source and the part's end: the source is the innermost that encloses the part.
        if is_behind(neighbour(store, source, true)) {
            return Some(Spot::behind(store, source));
        }
        self.free_part_by_search(store, source, start, bytes)
    }

    /// [`Self::free_part`], if other things were made from the source.
    fn free_part_by_search<S: Store>(
        &self,
        store: &S,
        source: CteRef,
        start: u64,
        bytes: u64,
    ) -> Option<Spot> {
        let end = start.wrapping_add(bytes);
        let source_start = first_word(&store.cte(source).cap);
        let mut cover = Cover::None;
        let mut behind = None;
        let mut spot = Spot::ROOT;
        let mut next = self.root;
        while let Some(at) = next {
            let node = store.cte(at);
            let address = first_word(&node.cap);
            if !precedes(node, start, bytes) {
                behind = next;
                spot = Spot::left_of(at);
                next = node.links.left();
                continue;
            }
            spot = Spot::right_of(at);
            next = node.links.right();
            // What begins before the source encloses it or ends before it.
            if node.root == MEMORY_ROOT && address >= source_start {
                if address.saturating_add(range_bytes(&node.cap)) > start {
                    cover = Cover::Entry(at);
                } else if let Some(left) = node.links.left()
                    && store.cte(left).max_end > start
                {
                    cover = Cover::Below(left);
                }
            }
        }
        let cover = match cover {
            Cover::None => None,
            Cover::Entry(at) => Some(at),
            Cover::Below(top) => Some(last_reaching(store, top, start)),
        };
        let is_free = cover == Some(source)
            && behind.is_none_or(|behind| !begins_before(store.cte(behind), end));
        is_free.then_some(spot)
    }

    /// The first entry that begins in `(start, end)` and ends behind `end`.
    fn first_cutting<S: Store>(&self, store: &S, start: u64, end: u64) -> Option<CteRef> {
        // Ranges are laminar: what cuts the end covers the byte before it, and the innermost such entry ends first.
        let mut found = None;
        let mut next = self.root;
        let mut cover = Cover::None;
        while let Some(at) = next {
            let node = store.cte(at);
            if !begins_before(node, end) {
                next = node.links.left();
                continue;
            }
            if range_end(&node.cap) > end {
                cover = Cover::Entry(at);
            } else if let Some(left) = node.links.left()
                && store.cte(left).max_end > end
            {
                cover = Cover::Below(left);
            }
            next = node.links.right();
        }
        match cover {
            Cover::None => {}
            Cover::Entry(at) => found = Some(at),
            Cover::Below(top) => found = Some(last_reaching(store, top, end)),
        }
        found.filter(|at| first_word(&store.cte(*at).cap) > start)
    }

    /// The innermost capability that covers the byte at `address` (Barrelfish `mdb_find_cap_for_address`).
    pub fn find_cap_for_address<S: Store>(&self, store: &S, address: PhysAddr) -> Option<CteRef> {
        match self.find_range(store, address, 1, Range::Surrounding) {
            (Range::Surrounding, at) => at,
            _ => None,
        }
    }
}

/// Whether the node's root precedes that of memory, or it begins before `address`.
#[inline]
pub(crate) fn begins_before(node: &Cte, address: u64) -> bool {
    let root = node.root;
    root < MEMORY_ROOT || (root == MEMORY_ROOT && first_word(&node.cap) < address)
}

/// Whether the node comes before all that begins at `start` and is smaller than `size`.
#[inline]
fn precedes(node: &Cte, start: u64, size: u64) -> bool {
    let root = node.root;
    if root != MEMORY_ROOT {
        return root < MEMORY_ROOT;
    }
    let address = first_word(&node.cap);
    address < start || (address == start && size > 0 && range_bytes(&node.cap) >= size)
}

/// The last entry of a subtree that ends behind `address`; the subtree has one.
fn last_reaching<S: Store>(store: &S, top: CteRef, address: u64) -> CteRef {
    let mut at = top;
    loop {
        let node = store.cte(at);
        if let Some(right) = node.links.right()
            && store.cte(right).max_end > address
        {
            at = right;
        } else if range_end(&node.cap) > address {
            return at;
        } else if let Some(left) = node.links.left() {
            at = left;
        } else {
            return at;
        }
    }
}
