//! What overlaps a range of bytes.
//!
//! The entries of one type root that can overlap `[start, end)` either begin inside it, and are then one run of the order, or begin
//! before it, and are then found by the largest end address of subtrees. Ranges being laminar (see the module above), those that
//! begin before and reach into the range enclose each other: the last of them in order is the innermost, and if that one
//! ends inside the range it cuts its edge.

use super::find::last_copy;
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
        let (range, found, _) = self.classify(store, address, size, limit);
        match range {
            Range::Surrounding => (range, found.map(|first| last_copy(store, first))),
            _ => (range, found),
        }
    }

    /// [`Self::find_range`], of copies always the first, and the spot where the search ended: if nothing lies inside the range and its length is not 0, that
    /// is where an entry for (the first part of) the range belongs, if its type is numbered behind those of the same range.
    #[inline]
    pub(crate) fn classify<S: Store>(
        &self,
        store: &S,
        address: PhysAddr,
        size: u64,
        limit: Range,
    ) -> (Range, Option<CteRef>, Spot) {
        let start = address.0;
        let end = start.saturating_add(size);
        let mut cover = Cover::None;
        let mut inside = None;
        let mut spot = Spot::ROOT;
        let mut next = self.root;
        // The run of what begins inside and does not equal the range starts behind everything at `start` that is at least as
        // long. Walk there; on the way remember what is greatest among all before it and reaches over `start`.
        while let Some(at) = next {
            let node = store.cte(at);
            if !precedes(node, start, size) {
                spot = Spot::left_of(at);
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
            spot = Spot::right_of(at);
            next = node.links.right();
        }
        let cover = match cover {
            Cover::None => None,
            Cover::Entry(at) => Some(at),
            Cover::Below(top) => Some(last_reaching(store, top, start)),
        };
        let mut found = (Range::NotFound, None, spot);
        if let Some(at) = cover {
            if range_end(&store.cte(at).cap) < end {
                return (Range::Partial, cover, spot);
            }
            found = (Range::Surrounding, cover, spot);
            if found.0 > limit {
                return found;
            }
        }
        let Some(at) = inside.filter(|at| begins_before(store.cte(*at), end)) else {
            return found;
        };
        if range_end(&store.cte(at).cap) > end {
            return (Range::Partial, inside, spot);
        }
        if limit >= Range::Inner
            && let Some(cut) = self.first_cutting(store, start, end)
        {
            return (Range::Partial, Some(cut), spot);
        }
        (Range::Inner, inside, spot)
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
pub(super) fn begins_before(node: &Cte, address: u64) -> bool {
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
