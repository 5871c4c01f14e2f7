//! Bounds and neighbours. Searches compare capabilities without the tie-break, so all copies count as equal.

use core::cmp::Ordering;

use kpi::cap::{Capability, compare};

use super::tree::{first_below, last_below};
use super::{Database, Key};
use crate::cte::CteRef;
use crate::env::Store;

/// Where copies of a capability begin.
#[derive(Clone, Copy)]
pub(crate) struct Bound {
    /// First entry that is not less.
    pub(crate) first: Option<CteRef>,
    /// The entry before it.
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
                next = node.left;
            } else {
                bound.before = next;
                next = node.right;
            }
        }
        bound
    }

    /// The first entry not less than `cap`, and the last one less.
    #[inline]
    pub(crate) fn lower_bound<S: Store>(&self, store: &S, cap: &Capability) -> Bound {
        self.split(store, &Key::of(cap), false)
    }

    /// The first entry greater than `cap`, and the last one not greater.
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
        if equal_ok {
            self.upper_bound(store, cap).before
        } else {
            self.lower_bound(store, cap).before
        }
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
        first_below(store, self.root)
    }

    /// The entry before this one, which is in the database.
    pub fn predecessor<S: Store>(&self, store: &S, at: CteRef) -> Option<CteRef> {
        let node = store.cte(at);
        if node.left.is_some() {
            return last_below(store, node.left);
        }
        self.split_at(store, at, Ordering::is_le).before
    }

    /// The entry behind this one, which is in the database.
    pub fn successor<S: Store>(&self, store: &S, at: CteRef) -> Option<CteRef> {
        let node = store.cte(at);
        if node.right.is_some() {
            return first_below(store, node.right);
        }
        self.split_at(store, at, Ordering::is_lt).first
    }

    /// As [`Self::split`], with the tie-break.
    fn split_at<S: Store>(
        &self,
        store: &S,
        at: CteRef,
        goes_left: impl Fn(Ordering) -> bool,
    ) -> Bound {
        self.bound_behind(store, &store.cte(at).cap, at, goes_left)
    }

    /// Splits the order around the place that `cap` has or would have in the entry `at`.
    pub(super) fn bound_behind<S: Store>(
        &self,
        store: &S,
        cap: &Capability,
        at: CteRef,
        goes_left: impl Fn(Ordering) -> bool,
    ) -> Bound {
        let key = Key::of(cap);
        let mut bound = Bound {
            first: None,
            before: None,
        };
        let mut next = self.root;
        while let Some(node_at) = next {
            let node = store.cte(node_at);
            if goes_left(key.order_at(at, node, node_at)) {
                bound.first = next;
                next = node.left;
            } else {
                bound.before = next;
                next = node.right;
            }
        }
        bound
    }
}
