//! Bounds and neighbours. In searches all copies count as equal: the tree has the first of them.

use core::cmp::Ordering;

use kpi::cap::{Capability, compare};

use super::tree::Spot;
use super::{Database, Key, MEMORY_ROOT, first_word};
use crate::cte::CteRef;
use crate::env::Store;
use crate::facts::size;

/// A place between capabilities. Of copies it names the first.
#[derive(Clone, Copy)]
pub(crate) struct Bound {
    /// What comes behind it.
    pub(crate) first: Option<CteRef>,
    /// What comes before it.
    pub(crate) before: Option<CteRef>,
}

impl Database {
    /// Splits the order in front of or (`behind`) behind everything that equals the key.
    #[inline]
    fn split<S: Store>(&self, store: &S, key: &Key, behind: bool) -> Bound {
        let mut bound = Bound {
            first: None,
            before: None,
        };
        let mut next = self.root;
        while let Some(at) = next {
            let node = store.cte(at);
            if key.is_before(node, !behind) {
                bound.first = next;
                next = node.links.left();
            } else {
                bound.before = next;
                next = node.links.right();
            }
        }
        bound
    }

    /// Where the Mapping `cap` is to be attached, of which there is none yet. As a search by its key, of which the parts are compared that
    /// decide nearly always: what is larger than a Mapping comes before those that begin where it does.
    pub(crate) fn spot_of_mapping<S: Store>(&self, store: &S, cap: &Capability) -> Spot {
        let key = Key::of(cap);
        let mut spot = Spot::ROOT;
        let mut next = self.root;
        while let Some(at) = next {
            let node = store.cte(at);
            let encloses = node.root == MEMORY_ROOT
                && first_word(&node.cap) == key.address
                && size(&node.cap) > 1;
            if !encloses && key.is_before(node, true) {
                spot = Spot::left_of(at);
                next = node.links.left();
            } else {
                spot = Spot::right_of(at);
                next = node.links.right();
            }
        }
        spot
    }

    /// In front of everything not less than `cap`.
    #[inline]
    pub(crate) fn lower_bound<S: Store>(&self, store: &S, cap: &Capability) -> Bound {
        self.split(store, &Key::of(cap), false)
    }

    /// Behind everything not greater than `cap`.
    #[inline]
    pub(crate) fn upper_bound<S: Store>(&self, store: &S, cap: &Capability) -> Bound {
        self.split(store, &Key::of(cap), true)
    }

    /// First of the entries that equal `cap` in order.
    pub fn find_equal<S: Store>(&self, store: &S, cap: &Capability) -> Option<CteRef> {
        self.lower_bound(store, cap)
            .first
            .filter(|at| compare(&store.cte(*at).cap, cap) == Ordering::Equal)
    }

    /// The greatest entry less than `cap`, or equal to it if `equal_ok`.
    pub fn find_less<S: Store>(
        &self,
        store: &S,
        cap: &Capability,
        equal_ok: bool,
    ) -> Option<CteRef> {
        let bound = if equal_ok {
            self.upper_bound(store, cap)
        } else {
            self.lower_bound(store, cap)
        };
        bound.before.map(|first| last_copy(store, first))
    }

    /// The least entry greater than `cap`, or equal to it if `equal_ok`.
    pub fn find_greater<S: Store>(
        &self,
        store: &S,
        cap: &Capability,
        equal_ok: bool,
    ) -> Option<CteRef> {
        if equal_ok {
            self.lower_bound(store, cap).first
        } else {
            self.upper_bound(store, cap).first
        }
    }

    /// The first entry in order.
    pub fn first<S: Store>(&self, store: &S) -> Option<CteRef> {
        self.root.map(|root| utmost(store, root, false))
    }

    /// The entry before this one, which is in the database.
    #[inline]
    pub fn predecessor<S: Store>(&self, store: &S, at: CteRef) -> Option<CteRef> {
        let entry = store.cte(at);
        if entry.shape.is_follower() {
            return entry.previous_copy();
        }
        neighbour(store, at, false).map(|first| last_copy(store, first))
    }

    /// The entry behind this one, which is in the database.
    #[inline]
    pub fn successor<S: Store>(&self, store: &S, at: CteRef) -> Option<CteRef> {
        match store.cte(at).next_copy() {
            None => neighbour(store, at, true),
            Some(next) if store.cte(next).shape.is_follower() => Some(next),
            Some(first) => neighbour(store, first, true),
        }
    }
}

/// The last of the copies that begin with `first`, perhaps itself.
#[inline]
pub(super) fn last_copy<S: Store>(store: &S, first: CteRef) -> CteRef {
    store.cte(first).previous_copy().unwrap_or(first)
}

/// The next node in order (`behind`), or the one before.
#[inline]
pub(crate) fn neighbour<S: Store>(store: &S, at: CteRef, behind: bool) -> Option<CteRef> {
    let links = store.cte(at).links;
    if let Some(child) = links.child(behind) {
        return Some(utmost(store, child, !behind));
    }
    let (mut below, mut next) = (at, links.parent());
    while let Some(above) = next {
        let links = store.cte(above).links;
        if links.child(behind) != Some(below) {
            return next;
        }
        below = above;
        next = links.parent();
    }
    None
}

/// The next node in order behind one that has nothing on its right.
#[inline(always)]
pub(crate) fn next_above<S: Store>(store: &S, at: CteRef) -> Option<CteRef> {
    let mut below = at;
    let mut above = store.cte(at).links.parent()?;
    // Two steps in turn, so that nothing has to be moved from the one name to the other.
    loop {
        let links = store.cte(above).links;
        if links.has_left(below) {
            return Some(above);
        }
        below = links.parent()?;
        let links = store.cte(below).links;
        if links.has_left(above) {
            return Some(below);
        }
        above = links.parent()?;
    }
}

/// The last node of a subtree, or (not `last`) the first.
#[inline]
pub(super) fn utmost<S: Store>(store: &S, top: CteRef, last: bool) -> CteRef {
    let mut at = top;
    while let Some(next) = store.cte(at).links.child(last) {
        at = next;
    }
    at
}
