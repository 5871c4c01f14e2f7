//! Heights and largest ends after a change: refreshed from the changed place upwards, and only as far as something changes.
//!
//! A node knows which of its sides is higher ([`Shape`]), not how high it is, so no sibling is visited except to rotate.

use super::{Database, range_end};
use crate::cte::{CteRef, Shape};
use crate::env::Store;

impl Database {
    /// A leaf was attached on that side of `at`, and ends at `end`.
    #[inline]
    pub(super) fn grown<S: Store>(
        &mut self,
        store: &mut S,
        parent: CteRef,
        on_right: bool,
        end: u64,
    ) {
        raise_max(store, parent, end);
        let (mut at, mut right) = (parent, on_right);
        loop {
            let node = store.cte_mut(at);
            let balance = node.shape.balance();
            if balance != Shape::EVEN {
                if balance == Shape::towards(right) {
                    self.rotate(store, at, right);
                } else {
                    node.shape.set_balance(Shape::EVEN);
                }
                return;
            }
            node.shape.set_balance(Shape::towards(right));
            let Some(above) = node.links.parent() else {
                return;
            };
            right = store.cte(above).links.right() == Some(at);
            at = above;
        }
    }

    /// That side of `from` became one level lower.
    #[inline]
    pub(super) fn shrunk<S: Store>(&mut self, store: &mut S, from: CteRef, on_right: bool) {
        let (mut at, mut right) = (from, on_right);
        loop {
            let node = store.cte_mut(at);
            let balance = node.shape.balance();
            if balance == Shape::EVEN {
                node.shape.set_balance(Shape::towards(!right));
                return;
            }
            if balance == Shape::towards(right) {
                node.shape.set_balance(Shape::EVEN);
            } else {
                let (top, lower) = self.rotate(store, at, !right);
                if !lower {
                    return;
                }
                at = top;
            }
            let Some(above) = store.cte(at).links.parent() else {
                return;
            };
            right = store.cte(above).links.right() == Some(at);
            at = above;
        }
    }

    /// Rotates a node whose side `heavy` (`true`: right) is two levels higher; returns the new top, and whether the whole is one level lower
    /// than before.
    fn rotate<S: Store>(&mut self, store: &mut S, at: CteRef, heavy: bool) -> (CteRef, bool) {
        let node = store.cte(at);
        let (links, max_end) = (node.links, node.max_end);
        let Some(child) = links.child(heavy) else {
            return (at, false);
        };
        let child_node = store.cte(child);
        let balance = child_node.shape.balance();
        let inner = child_node.links.child(!heavy);
        if balance != Shape::towards(!heavy) {
            // The child rises.
            let level = balance == Shape::EVEN;
            let (at_balance, child_balance) = if level {
                (Shape::towards(heavy), Shape::towards(!heavy))
            } else {
                (Shape::EVEN, Shape::EVEN)
            };
            self.replace_child(store, links.parent(), at, Some(child));
            hang(store, at, heavy, inner, at_balance);
            hang(store, child, !heavy, Some(at), child_balance);
            let node = store.cte_mut(child);
            node.links.set_parent(links.parent());
            node.max_end = max_end;
            refresh_max(store, at);
            return (child, !level);
        }
        let Some(top) = inner else {
            return (at, false);
        };
        // The child's inner child rises above both.
        let top_node = store.cte(top);
        let (near, far) = (top_node.links.child(heavy), top_node.links.child(!heavy));
        let (at_balance, child_balance) = match top_node.shape.balance() {
            Shape::EVEN => (Shape::EVEN, Shape::EVEN),
            side if side == Shape::towards(heavy) => (Shape::towards(!heavy), Shape::EVEN),
            _ => (Shape::EVEN, Shape::towards(heavy)),
        };
        self.replace_child(store, links.parent(), at, Some(top));
        hang(store, at, heavy, far, at_balance);
        hang(store, child, !heavy, near, child_balance);
        hang(store, top, heavy, Some(child), Shape::EVEN);
        hang(store, top, !heavy, Some(at), Shape::EVEN);
        let node = store.cte_mut(top);
        node.links.set_parent(links.parent());
        node.max_end = max_end;
        refresh_max(store, at);
        refresh_max(store, child);
        (top, true)
    }
}

/// Makes `child` the child of `at` on that side, and sets the balance of `at`.
#[inline]
fn hang<S: Store>(store: &mut S, at: CteRef, right: bool, child: Option<CteRef>, balance: Shape) {
    let node = store.cte_mut(at);
    node.links.set_child(right, child);
    node.shape.set_balance(balance);
    if let Some(child) = child {
        store.cte_mut(child).links.set_parent(Some(at));
    }
}

/// The largest end of a node and its children.
#[inline]
fn max_of<S: Store>(store: &S, at: CteRef) -> u64 {
    let node = store.cte(at);
    let below = |child: Option<CteRef>| child.map_or(0, |child| store.cte(child).max_end);
    range_end(&node.cap)
        .max(below(node.links.left()))
        .max(below(node.links.right()))
}

#[inline]
fn refresh_max<S: Store>(store: &mut S, at: CteRef) {
    let max_end = max_of(store, at);
    store.cte_mut(at).max_end = max_end;
}

/// Something that ends at `end` came below `from`.
#[inline]
fn raise_max<S: Store>(store: &mut S, from: CteRef, end: u64) {
    let mut next = Some(from);
    while let Some(at) = next {
        let node = store.cte_mut(at);
        if node.max_end >= end {
            return;
        }
        node.max_end = end;
        next = node.links.parent();
    }
}

/// Something whose largest end was `old` went from below `from`, or from its place.
#[inline]
pub(super) fn settle_max<S: Store>(store: &mut S, from: CteRef, old: u64) {
    let mut next = Some(from);
    while let Some(at) = next {
        if store.cte(at).max_end > old {
            return;
        }
        let max_end = max_of(store, at);
        let node = store.cte_mut(at);
        if node.max_end == max_end {
            return;
        }
        node.max_end = max_end;
        next = node.links.parent();
    }
}
