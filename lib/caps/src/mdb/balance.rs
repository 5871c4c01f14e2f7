//! Ranks and largest ends after a change: refreshed from the changed place upwards, and only as far as something changes.
//!
//! **Ranks.** A leaf has rank 0 when it is made, what is missing has -1, and a node's rank is larger than its children's: so no path is longer than
//! the root's rank. Where a new leaf breaks that, its parent is promoted; where the parent's other child is too low for that, a
//! rotation ends the repair. As long as nothing is removed this is an AVL tree. **Removal repairs nothing**: ranks only stay
//! larger than they need be. The root's rank is still at most log_phi of the number of insertions (Sen, Tarjan and Kim, "Deletion
//! without rebalancing in binary search trees", 2016): 58 after 2^40 of them, 93 after 2^64. Where something comes and goes all the time,
//! nothing has to be repaired at all.

use super::{Database, range_end};
use crate::cte::{CteRef, Shape};
use crate::env::Store;

impl Database {
    /// The leaf `new` was attached on that side of `parent`, and ends at `end`.
    #[inline]
    pub(super) fn grown<S: Store>(
        &mut self,
        store: &mut S,
        parent: CteRef,
        new: CteRef,
        on_right: bool,
        end: u64,
    ) {
        raise_max(store, parent, end);
        let (mut above, mut at, mut right) = (parent, new, on_right);
        // What is at hand of `at`: its rank is that of `above`, unless all is well.
        let mut level = Shape::LEAF.level();
        loop {
            let node = store.cte(above);
            if node.shape.level() != level {
                return;
            }
            let sibling = node.links.child(!right);
            let sibling = sibling.map_or(0, |sibling| store.cte(sibling).shape.level());
            if sibling + 1 != level {
                self.rotate(store, above, at, right);
                return;
            }
            let node = store.cte_mut(above);
            node.shape.promote();
            level += 1;
            let Some(next) = node.links.parent() else {
                return;
            };
            right = store.cte(next).links.right() == Some(above);
            (at, above) = (above, next);
        }
    }

    /// Repairs `at`, whose child on side `right` has the same rank and whose other child has a rank lower by 2 or more.
    #[inline(never)]
    fn rotate<S: Store>(&mut self, store: &mut S, at: CteRef, child: CteRef, right: bool) {
        let node = store.cte(at);
        let (parent, max_end) = (node.links.parent(), node.max_end);
        let child_node = store.cte(child);
        let inner = child_node.links.child(!right);
        let level = child_node.shape.level();
        let top = match inner {
            Some(top) if store.cte(top).shape.level() + 1 == level => {
                // The child's inner child rises above both.
                let links = store.cte(top).links;
                hang(store, at, right, links.child(!right));
                hang(store, child, !right, links.child(right));
                hang(store, top, right, Some(child));
                store.cte_mut(child).shape.demote();
                store.cte_mut(top).shape.promote();
                refresh_max(store, child);
                top
            }
            _ => {
                hang(store, at, right, inner);
                child
            }
        };
        hang(store, top, !right, Some(at));
        store.cte_mut(at).shape.demote();
        refresh_max(store, at);
        let node = store.cte_mut(top);
        node.links.set_parent(parent);
        node.max_end = max_end;
        self.replace_child(store, parent, at, Some(top));
    }
}

/// Makes `child` the child of `at` on that side.
#[inline]
fn hang<S: Store>(store: &mut S, at: CteRef, right: bool, child: Option<CteRef>) {
    store.cte_mut(at).links.set_child(right, child);
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

/// Refreshes all from `from` up to below `top`, which is above it.
pub(super) fn refresh_below<S: Store>(store: &mut S, from: CteRef, top: CteRef) {
    let mut next = Some(from);
    while let Some(at) = next.filter(|at| *at != top) {
        next = store.cte(at).links.parent();
        refresh_max(store, at);
    }
}

/// Refreshes all from `from` up that may be too large, by something that ended at `end` or before.
pub(super) fn lower_max<S: Store>(store: &mut S, from: CteRef, end: u64) {
    let mut next = Some(from);
    while let Some(at) = next {
        let node = store.cte(at);
        if node.max_end > end {
            return;
        }
        next = node.links.parent();
        refresh_max(store, at);
    }
}
