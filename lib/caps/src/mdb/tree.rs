//! Insertion and removal. Neither searches: an entry is attached at a [`Spot`] that is known, or behind the copy it was made from.

use super::find::{neighbour, utmost};
use super::range::begins_before;
use super::{Database, Key, is_copy, range_end};
use crate::code;
use crate::cte::{CteRef, Links, Shape, SharedState};
use crate::env::Store;
use errors::ErrorCode;

/// Where a new leaf is attached. The next change of the database makes it stale.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot {
    parent: Option<CteRef>,
    right: bool,
}

impl Spot {
    /// In an empty tree.
    pub(super) const ROOT: Self = Self {
        parent: None,
        right: false,
    };

    /// As the left child, of which there is none.
    #[inline]
    pub(super) fn left_of(parent: CteRef) -> Self {
        Self {
            parent: Some(parent),
            right: false,
        }
    }

    /// As the right child, of which there is none.
    #[inline]
    pub(super) fn right_of(parent: CteRef) -> Self {
        Self {
            parent: Some(parent),
            right: true,
        }
    }

    /// Directly behind an entry.
    #[inline]
    pub(crate) fn behind<S: Store>(store: &S, at: CteRef) -> Self {
        match store.cte(at).links.right() {
            None => Self::right_of(at),
            Some(right) => Self::left_of(utmost(store, right, false)),
        }
    }
}

/// What is known of an entry's neighbours.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    shape: Shape,
}

impl Place {
    /// Whether a copy of the capability in `at`, whose place this is, comes before it.
    #[inline]
    pub(crate) fn copy_before<S: Store>(&self, _: &S, _: CteRef) -> bool {
        self.shape.copy_before()
    }

    /// Whether a copy comes behind it.
    #[inline]
    pub(crate) fn copy_behind<S: Store>(&self, _: &S, _: CteRef) -> bool {
        self.shape.copy_behind()
    }
}

impl Database {
    /// Puts the entry, which holds a capability and is in no tree, into the database, behind its copies.
    ///
    /// If it has copies it takes part in their shared state (its own is dropped); else its own becomes the shared state.
    ///
    /// # Errors
    /// `CAPS_ERR_MDB_DUPLICATE_ENTRY`: it is there already.
    pub(crate) fn insert<S: Store>(&mut self, store: &mut S, new: CteRef) -> Result<(), ErrorCode> {
        let entry = store.cte(new);
        if entry.shape.in_tree() {
            return Err(code::MDB_DUPLICATE_ENTRY);
        }
        let key = Key::of(&entry.cap);
        let mut spot = Spot::ROOT;
        let mut previous = None;
        let mut next = self.root;
        while let Some(at) = next {
            let node = store.cte(at);
            if key.is_before(node, false) {
                spot = Spot::left_of(at);
                next = node.links.left();
            } else {
                previous = next;
                spot = Spot::right_of(at);
                next = node.links.right();
            }
        }
        let previous = previous.filter(|at| is_copy(&store.cte(*at).cap, &key.cap));
        self.attach(store, new, spot, key.root);
        if let Some(previous) = previous {
            store.cte_mut(previous).shape.add_copies(Shape::COPY_BEHIND);
            let entry = store.cte_mut(new);
            entry.shape.add_copies(Shape::COPY_BEFORE);
            entry.set_shared(SharedState::default());
        }
        Ok(())
    }

    /// Puts the entry, which holds a copy of the capability in `source`, into the database, directly behind it.
    ///
    /// # Errors
    /// As [`Self::insert`].
    #[inline]
    pub(crate) fn insert_copy<S: Store>(
        &mut self,
        store: &mut S,
        new: CteRef,
        source: CteRef,
    ) -> Result<(), ErrorCode> {
        if store.cte(new).shape.in_tree() {
            return Err(code::MDB_DUPLICATE_ENTRY);
        }
        let spot = Spot::behind(store, source);
        let original = store.cte_mut(source);
        let root = original.root;
        let behind = original.shape.copies() & Shape::COPY_BEHIND;
        original.shape.add_copies(Shape::COPY_BEHIND);
        self.attach(store, new, spot, root);
        let entry = store.cte_mut(new);
        entry.shape.add_copies(Shape::COPY_BEFORE | behind);
        entry.set_shared(SharedState::default());
        Ok(())
    }

    /// Puts the entry, which holds a capability without copies, into the database where it belongs.
    ///
    /// # Errors
    /// As [`Self::insert`].
    #[inline]
    pub(crate) fn insert_at<S: Store>(
        &mut self,
        store: &mut S,
        new: CteRef,
        spot: Spot,
    ) -> Result<(), ErrorCode> {
        let entry = store.cte(new);
        if entry.shape.in_tree() {
            return Err(code::MDB_DUPLICATE_ENTRY);
        }
        let root = Key::of(&entry.cap).root;
        self.attach(store, new, spot, root);
        Ok(())
    }

    /// Makes the entry a leaf.
    #[inline]
    fn attach<S: Store>(&mut self, store: &mut S, new: CteRef, spot: Spot, root: u8) {
        self.count += 1;
        self.changes = self.changes.wrapping_add(1);
        let node = store.cte_mut(new);
        let end = range_end(&node.cap);
        node.links = Links::leaf(spot.parent);
        node.shape = Shape::EVEN;
        node.root = root;
        node.max_end = end;
        match spot.parent {
            None => self.root = Some(new),
            Some(parent) => {
                let node = store.cte_mut(parent);
                node.links.set_child(spot.right, Some(new));
                self.grown(store, parent, spot.right, end);
            }
        }
    }

    /// The entry's place, for [`Self::remove_at`].
    ///
    /// # Errors
    /// `CAPS_ERR_MDB_ENTRY_NOTFOUND`: the entry is not in the database.
    #[inline]
    pub(crate) fn place<S: Store>(&self, store: &S, at: CteRef) -> Result<Place, ErrorCode> {
        let shape = store.cte(at).shape;
        if shape.in_tree() {
            Ok(Place { shape })
        } else {
            Err(code::MDB_ENTRY_NOTFOUND)
        }
    }

    /// The last entry with an address before `address`, and its place.
    #[inline]
    pub(crate) fn place_of_last_before<S: Store>(
        &self,
        store: &S,
        address: u64,
    ) -> Option<(CteRef, Place)> {
        let mut found = None;
        let mut next = self.root;
        while let Some(at) = next {
            let node = store.cte(at);
            if begins_before(node, address) {
                found = Some((at, Place { shape: node.shape }));
                next = node.links.right();
            } else {
                next = node.links.left();
            }
        }
        found
    }

    /// Takes out the entry whose place this is; its shared state goes on to the next copy. The slot still holds the capability.
    #[inline]
    pub(crate) fn remove_at<S: Store>(&mut self, store: &mut S, at: CteRef, _: Place) {
        leave_copies(store, at);
        self.count = self.count.saturating_sub(1);
        self.changes = self.changes.wrapping_add(1);
        let node = store.cte_mut(at);
        let (links, max_end, shape) = (node.links, node.max_end, node.shape);
        node.links = Links::NONE;
        node.shape = Shape::NONE;
        let parent = links.parent();
        match (links.left(), links.right()) {
            (Some(left), Some(right)) => {
                let right_side = shape.balance() == Shape::RIGHT;
                let (near, far) = if right_side {
                    (right, left)
                } else {
                    (left, right)
                };
                let heir = self.take_heir(store, near, right_side);
                let node = store.cte_mut(heir.at);
                node.links.set_child(!right_side, Some(far));
                if heir.moved {
                    node.links.set_child(right_side, Some(near));
                    store.cte_mut(near).links.set_parent(Some(heir.at));
                }
                let node = store.cte_mut(heir.at);
                node.links.set_parent(parent);
                node.shape.set_balance(shape.balance());
                node.max_end = max_end;
                store.cte_mut(far).links.set_parent(Some(heir.at));
                self.replace_child(store, parent, at, Some(heir.at));
                if heir.moved {
                    super::balance::settle_max(store, heir.parent, heir.max_end);
                    super::balance::settle_max(store, heir.at, max_end);
                    self.shrunk(store, heir.parent, !right_side);
                } else {
                    super::balance::settle_max(store, heir.at, max_end);
                    self.shrunk(store, heir.at, right_side);
                }
            }
            (child, None) | (None, child) => {
                if let Some(child) = child {
                    store.cte_mut(child).links.set_parent(parent);
                }
                let right = self.replace_child(store, parent, at, child);
                if let Some(parent) = parent {
                    super::balance::settle_max(store, parent, max_end);
                    self.shrunk(store, parent, right);
                }
            }
        }
    }

    /// Takes the neighbour of a node with two children out of its place: the first or last below the child `near`.
    fn take_heir<S: Store>(&mut self, store: &mut S, near: CteRef, right_side: bool) -> Heir {
        let at = utmost(store, near, !right_side);
        let node = store.cte(at);
        let (links, max_end) = (node.links, node.max_end);
        let parent = links.parent().unwrap_or(at);
        let moved = at != near;
        if moved {
            let child = links.child(right_side);
            if let Some(child) = child {
                store.cte_mut(child).links.set_parent(Some(parent));
            }
            store.cte_mut(parent).links.set_child(!right_side, child);
        }
        Heir {
            at,
            parent,
            max_end,
            moved,
        }
    }

    /// Makes `new` the child of `parent` (or the root) that `old` was; whether it is the right one. The link upwards is not touched.
    #[inline]
    pub(super) fn replace_child<S: Store>(
        &mut self,
        store: &mut S,
        parent: Option<CteRef>,
        old: CteRef,
        new: Option<CteRef>,
    ) -> bool {
        match parent {
            None => {
                self.root = new;
                false
            }
            Some(parent) => {
                let node = store.cte_mut(parent);
                let right = node.links.right() == Some(old);
                node.links.set_child(right, new);
                right
            }
        }
    }
}

/// The neighbour that takes a node's place.
struct Heir {
    at: CteRef,
    /// Its parent before.
    parent: CteRef,
    /// Its largest end before.
    max_end: u64,
    /// It was not the node's own child.
    moved: bool,
}

/// Shared state, and what neighbours know of copies, when an entry goes.
#[inline]
fn leave_copies<S: Store>(store: &mut S, old: CteRef) {
    let entry = store.cte(old);
    let (shape, state) = (entry.shape, entry.shared());
    match (shape.copy_before(), shape.copy_behind()) {
        (true, false) => {
            if let Some(previous) = neighbour(store, old, false) {
                let shape = &mut store.cte_mut(previous).shape;
                shape.remove_copies(Shape::COPY_BEHIND);
            }
        }
        (false, true) => {
            if let Some(next) = neighbour(store, old, true) {
                let next = store.cte_mut(next);
                next.shape.remove_copies(Shape::COPY_BEFORE);
                next.set_shared(state);
            }
        }
        _ => {}
    }
}

/// Whether `neighbour` is there and a copy.
#[inline]
pub(super) fn copies<S: Store>(store: &S, neighbour: Option<CteRef>, at: CteRef) -> bool {
    neighbour.is_some_and(|neighbour| is_copy(&store.cte(neighbour).cap, &store.cte(at).cap))
}
