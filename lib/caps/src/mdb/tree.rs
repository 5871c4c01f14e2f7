//! Insertion and removal: an AVL tree over embedded nodes.
//!
//! `path[0]` is the root and `path[d + 1]` a child of `path[d]`. Heights and maxima of the nodes on it are refreshed from the
//! bottom up, and only as far as something changed.

use super::range::begins_before;
use super::{Database, Key, MAX_DEPTH, is_copy, range_end};
use crate::code;
use crate::cte::{CteRef, SharedState};
use crate::env::Store;
use errors::ErrorCode;

/// Where an entry is in the tree: its depth on the path, and the nearest ancestors that come before and after it.
#[derive(Clone, Copy)]
pub(super) struct Located {
    depth: usize,
    left_of: Option<CteRef>,
    right_of: Option<CteRef>,
}

/// An entry's place and its neighbours in order.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    located: Located,
    pub(crate) previous: Option<CteRef>,
    pub(crate) next: Option<CteRef>,
}

impl Place {
    /// Whether a copy of the capability in `at`, whose place this is, comes before it.
    #[inline]
    pub(crate) fn copy_before<S: Store>(&self, store: &S, at: CteRef) -> bool {
        copies(store, self.previous, at)
    }

    /// Whether a copy comes behind it.
    #[inline]
    pub(crate) fn copy_behind<S: Store>(&self, store: &S, at: CteRef) -> bool {
        copies(store, self.next, at)
    }
}

impl Database {
    #[inline]
    fn on_path(&self, depth: usize) -> Option<CteRef> {
        self.path.get(depth).copied().flatten()
    }

    #[inline]
    fn set_path(&mut self, depth: usize, at: CteRef) {
        // The index is in range: see MAX_DEPTH.
        if let Some(place) = self.path.get_mut(depth % MAX_DEPTH) {
            *place = Some(at);
        }
    }

    /// Puts the entry, which holds a capability and is in no tree, into the database.
    ///
    /// If it has copies it takes part in their shared state (its own is dropped); else its own becomes the shared state.
    ///
    /// # Errors
    /// `CAPS_ERR_MDB_DUPLICATE_ENTRY`: it is there already.
    pub(crate) fn insert<S: Store>(&mut self, store: &mut S, new: CteRef) -> Result<(), ErrorCode> {
        let entry = store.cte(new);
        if entry.height != 0 {
            return Err(code::MDB_DUPLICATE_ENTRY);
        }
        let key = Key::of(&entry.cap);
        let end = range_end(&key.cap);
        let mut depth = 0;
        let mut next = self.root;
        let mut previous_entry = None;
        let mut next_entry = None;
        let mut goes_left = false;
        while let Some(at) = next {
            self.set_path(depth, at);
            depth += 1;
            let node = store.cte_mut(at);
            if end > node.max_end {
                node.max_end = end;
            }
            goes_left = key.is_before_at(new, node, at);
            if goes_left {
                next_entry = next;
                next = node.left;
            } else {
                previous_entry = next;
                next = node.right;
            }
        }

        let node = store.cte_mut(new);
        node.left = None;
        node.right = None;
        node.height = 1;
        node.root = key.root;
        node.max_end = end;
        match depth.checked_sub(1).and_then(|depth| self.on_path(depth)) {
            None => self.root = Some(new),
            Some(parent) => {
                let parent = store.cte_mut(parent);
                if goes_left {
                    parent.left = Some(new);
                } else {
                    parent.right = Some(new);
                }
            }
        }
        self.count += 1;
        self.grow_path(store, depth);
        join_copies(store, new, previous_entry, next_entry);
        Ok(())
    }

    /// Refreshes heights above a new leaf, whose parent is at `depth - 1`.
    #[inline]
    fn grow_path<S: Store>(&mut self, store: &mut S, depth: usize) {
        for depth in (0..depth).rev() {
            let Some(at) = self.on_path(depth) else {
                return;
            };
            let node = store.cte(at);
            let (left, right) = (height(store, node.left), height(store, node.right));
            if left.abs_diff(right) > 1 {
                let top = balance(store, at);
                self.relink(store, depth, at, top);
                return;
            }
            let new_height = left.max(right) + 1;
            if node.height == new_height {
                return;
            }
            store.cte_mut(at).height = new_height;
        }
    }

    /// Makes `new` the child of `path[depth - 1]` that `old` was.
    fn relink<S: Store>(&mut self, store: &mut S, depth: usize, old: CteRef, new: CteRef) {
        self.replace_child(store, depth, old, Some(new));
        self.set_path(depth, new);
    }

    fn replace_child<S: Store>(
        &mut self,
        store: &mut S,
        depth: usize,
        old: CteRef,
        new: Option<CteRef>,
    ) {
        match depth.checked_sub(1).and_then(|above| self.on_path(above)) {
            None => self.root = new,
            Some(parent) => {
                let parent = store.cte_mut(parent);
                if parent.left == Some(old) {
                    parent.left = new;
                } else {
                    parent.right = new;
                }
            }
        }
    }

    /// Fills the path from the root to the entry.
    fn locate<S: Store>(&mut self, store: &S, at: CteRef) -> Option<Located> {
        let key = Key::of(&store.cte(at).cap);
        let mut located = Located {
            depth: 0,
            left_of: None,
            right_of: None,
        };
        let mut next = self.root;
        while let Some(node_at) = next {
            self.set_path(located.depth, node_at);
            if node_at == at {
                return Some(located);
            }
            let node = store.cte(node_at);
            if key.is_before_at(at, node, node_at) {
                located.right_of = next;
                next = node.left;
            } else {
                located.left_of = next;
                next = node.right;
            }
            located.depth += 1;
        }
        None
    }

    /// The entry's place, for [`Self::remove_at`], and its neighbours. The next change of the database makes it stale.
    ///
    /// # Errors
    /// `CAPS_ERR_MDB_ENTRY_NOTFOUND`: the entry is not in the database.
    #[inline]
    pub(crate) fn place<S: Store>(&mut self, store: &S, at: CteRef) -> Result<Place, ErrorCode> {
        let located = self.locate(store, at).ok_or(code::MDB_ENTRY_NOTFOUND)?;
        Ok(neighbours(store, at, located))
    }

    /// The last entry with an address before `address`, and its place.
    pub(crate) fn place_of_last_before<S: Store>(
        &mut self,
        store: &S,
        address: u64,
    ) -> Option<(CteRef, Place)> {
        let mut found = None;
        let mut located = Located {
            depth: 0,
            left_of: None,
            right_of: None,
        };
        let mut next = self.root;
        while let Some(at) = next {
            self.set_path(located.depth, at);
            let node = store.cte(at);
            if begins_before(node, address) {
                // What follows on the path lies below this node; the path up to it stays as it is.
                found = Some((at, located));
                located.left_of = next;
                next = node.right;
            } else {
                located.right_of = next;
                next = node.left;
            }
            located.depth += 1;
        }
        let (at, located) = found?;
        Some((at, neighbours(store, at, located)))
    }

    /// Takes out the entry whose place this is; its shared state goes on to the next copy. The slot still holds the capability.
    #[inline]
    pub(crate) fn remove_at<S: Store>(&mut self, store: &mut S, at: CteRef, place: Place) {
        leave_copies(store, at, place.previous, place.next);
        let depth = place.located.depth;
        let node = store.cte(at);
        let (left, right) = (node.left, node.right);
        let bottom = match (left, right) {
            (Some(left), Some(right)) => self.replace_by_neighbour(store, at, depth, left, right),
            (child, None) | (None, child) => {
                self.replace_child(store, depth, at, child);
                depth
            }
        };
        self.count = self.count.saturating_sub(1);
        let node = store.cte_mut(at);
        node.left = None;
        node.right = None;
        node.height = 0;
        self.refresh_path(store, bottom, depth);
    }

    /// Puts the next entry in order (or the previous, from the higher side) in the place of a node with two children; returns
    /// the depth below which nothing changed.
    fn replace_by_neighbour<S: Store>(
        &mut self,
        store: &mut S,
        at: CteRef,
        depth: usize,
        left: CteRef,
        right: CteRef,
    ) -> usize {
        let from_left = store.cte(left).height > store.cte(right).height;
        let inward = |store: &S, node: CteRef| {
            let node = store.cte(node);
            if from_left { node.right } else { node.left }
        };
        let mut heir = if from_left { left } else { right };
        let mut bottom = depth + 1;
        self.set_path(bottom, heir);
        while let Some(next) = inward(store, heir) {
            heir = next;
            bottom += 1;
            self.set_path(bottom, heir);
        }
        // Its only child, if any, takes its place. Its parent may be the node to replace.
        let outer = {
            let node = store.cte(heir);
            if from_left { node.left } else { node.right }
        };
        self.replace_child(store, bottom, heir, outer);
        let node = store.cte(at);
        let (left, right) = (node.left, node.right);
        let (height, max_end) = (node.height, node.max_end);
        let node = store.cte_mut(heir);
        (node.left, node.right) = (left, right);
        (node.height, node.max_end) = (height, max_end);
        self.relink(store, depth, at, heir);
        bottom
    }

    /// Refreshes and balances `path[bottom - 1]` and above; once at `changed` or above, stops when nothing changes.
    #[inline]
    fn refresh_path<S: Store>(&mut self, store: &mut S, bottom: usize, changed: usize) {
        for depth in (0..bottom).rev() {
            let Some(at) = self.on_path(depth) else {
                return;
            };
            let node = store.cte(at);
            let (left, left_end) = summary(store, node.left);
            let (right, right_end) = summary(store, node.right);
            let height = left.max(right) + 1;
            let max_end = range_end(&node.cap).max(left_end).max(right_end);
            if left.abs_diff(right) > 1 {
                let before = (node.height, node.max_end);
                let top = balance(store, at);
                self.relink(store, depth, at, top);
                if depth <= changed && summary(store, Some(top)) == before {
                    return;
                }
                continue;
            }
            if depth <= changed && node.height == height && node.max_end == max_end {
                return;
            }
            let node = store.cte_mut(at);
            node.height = height;
            node.max_end = max_end;
        }
    }
}

#[inline]
fn height<S: Store>(store: &S, at: Option<CteRef>) -> u8 {
    at.map_or(0, |at| store.cte(at).height)
}

/// Height and largest end of a subtree.
#[inline]
fn summary<S: Store>(store: &S, at: Option<CteRef>) -> (u8, u64) {
    at.map_or((0, 0), |at| {
        let node = store.cte(at);
        (node.height, node.max_end)
    })
}

/// Recomputes height and maximum of a node from its children.
fn refresh<S: Store>(store: &mut S, at: CteRef) {
    let node = store.cte(at);
    let (left, left_end) = summary(store, node.left);
    let (right, right_end) = summary(store, node.right);
    let max_end = range_end(&node.cap).max(left_end).max(right_end);
    let node = store.cte_mut(at);
    node.height = left.max(right) + 1;
    node.max_end = max_end;
}

/// Rotates a node whose children's heights differ by two; returns the new top.
fn balance<S: Store>(store: &mut S, at: CteRef) -> CteRef {
    let node = store.cte(at);
    let (left, right) = (node.left, node.right);
    if height(store, left) > height(store, right) {
        let Some(child) = left else { return at };
        let child_node = store.cte(child);
        if height(store, child_node.right) > height(store, child_node.left) {
            let top = rotate_left(store, child);
            store.cte_mut(at).left = Some(top);
        }
        rotate_right(store, at)
    } else {
        let Some(child) = right else { return at };
        let child_node = store.cte(child);
        if height(store, child_node.left) > height(store, child_node.right) {
            let top = rotate_right(store, child);
            store.cte_mut(at).right = Some(top);
        }
        rotate_left(store, at)
    }
}

/// The right child rises above the node.
fn rotate_left<S: Store>(store: &mut S, at: CteRef) -> CteRef {
    let Some(top) = store.cte(at).right else {
        return at;
    };
    let middle = store.cte(top).left;
    store.cte_mut(at).right = middle;
    refresh(store, at);
    store.cte_mut(top).left = Some(at);
    refresh(store, top);
    top
}

/// The left child rises above the node.
fn rotate_right<S: Store>(store: &mut S, at: CteRef) -> CteRef {
    let Some(top) = store.cte(at).left else {
        return at;
    };
    let middle = store.cte(top).right;
    store.cte_mut(at).left = middle;
    refresh(store, at);
    store.cte_mut(top).right = Some(at);
    refresh(store, top);
    top
}

#[inline]
fn neighbours<S: Store>(store: &S, at: CteRef, located: Located) -> Place {
    let node = store.cte(at);
    Place {
        located,
        previous: last_below(store, node.left).or(located.left_of),
        next: first_below(store, node.right).or(located.right_of),
    }
}

/// First entry of a subtree.
pub(super) fn first_below<S: Store>(store: &S, root: Option<CteRef>) -> Option<CteRef> {
    let mut at = root?;
    while let Some(left) = store.cte(at).left {
        at = left;
    }
    Some(at)
}

/// Last entry of a subtree.
pub(super) fn last_below<S: Store>(store: &S, root: Option<CteRef>) -> Option<CteRef> {
    let mut at = root?;
    while let Some(right) = store.cte(at).right {
        at = right;
    }
    Some(at)
}

/// Shared state when an entry came between these two: the first copy keeps it.
fn join_copies<S: Store>(
    store: &mut S,
    new: CteRef,
    previous: Option<CteRef>,
    next: Option<CteRef>,
) {
    if copies(store, previous, new) {
        store.cte_mut(new).set_shared(SharedState::default());
    } else if let Some(next) = next
        && copies(store, Some(next), new)
    {
        let state = store.cte(next).shared();
        store.cte_mut(next).set_shared(SharedState::default());
        store.cte_mut(new).set_shared(state);
    }
}

/// Shared state when an entry goes from between these two.
fn leave_copies<S: Store>(
    store: &mut S,
    old: CteRef,
    previous: Option<CteRef>,
    next: Option<CteRef>,
) {
    if let Some(next) = next
        && copies(store, Some(next), old)
        && !copies(store, previous, old)
    {
        let state = store.cte(old).shared();
        store.cte_mut(next).set_shared(state);
    }
}

/// Whether `neighbour` is there and a copy.
#[inline]
pub(super) fn copies<S: Store>(store: &S, neighbour: Option<CteRef>, at: CteRef) -> bool {
    neighbour.is_some_and(|neighbour| is_copy(&store.cte(neighbour).cap, &store.cte(at).cap))
}
