//! Insertion and removal. Neither searches: an entry is attached at a [`Spot`] that is known, or behind the copy it was made from.

use super::balance::{lower_max, refresh_below, settle_max};
use super::find::{last_copy, utmost};
use super::range::begins_before;
use super::{Database, Key, MEMORY_ROOT, is_copy, range_end};
use crate::code;
use crate::cte::{CteRef, Flags, Links, Shape};
use crate::env::Store;
use errors::ErrorCode;
use kpi::cap::Capability;

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

    /// Directly behind a node.
    #[inline]
    pub(crate) fn behind<S: Store>(store: &S, at: CteRef) -> Self {
        match store.cte(at).links.right() {
            None => Self::right_of(at),
            Some(right) => Self::left_of(utmost(store, right, false)),
        }
    }

    /// Directly behind the node `before` and in front of the node `behind`, between which there is none; `None`: unknown, not both.
    #[inline]
    pub(crate) fn between<S: Store>(
        store: &S,
        before: Option<CteRef>,
        behind: Option<CteRef>,
    ) -> Self {
        match (before, behind) {
            // Of two neighbours one is above the other.
            (Some(before), Some(behind)) => match store.cte(before).links.right() {
                None => Self::right_of(before),
                Some(_) => Self::left_of(behind),
            },
            (Some(before), None) => Self::behind(store, before),
            (None, Some(behind)) => match store.cte(behind).links.left() {
                None => Self::left_of(behind),
                Some(left) => Self::right_of(utmost(store, left, true)),
            },
            (None, None) => Self::ROOT,
        }
    }
}

impl Database {
    /// Puts the entry, which holds a capability and is not in the database, into it, behind its copies.
    ///
    /// If it has copies it takes part in their shared state (its own is dropped); else its own becomes the shared state.
    ///
    /// # Errors
    /// `CAPS_ERR_MDB_DUPLICATE_ENTRY`: it is there already.
    pub(crate) fn insert<S: Store>(&mut self, store: &mut S, new: CteRef) -> Result<(), ErrorCode> {
        let entry = store.cte(new);
        if entry.shape.in_database() {
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
        match previous.filter(|at| is_copy(&store.cte(*at).cap, &key.cap)) {
            Some(first) => self.follow(store, new, last_copy(store, first)),
            None => {
                let end = range_end(&key.cap);
                self.attach(store, new, spot, key.root, end);
            }
        }
        Ok(())
    }

    /// Puts the entry, which holds a copy of the capability in `source` and is not in the database, into it, directly behind that.
    fn follow<S: Store>(&mut self, store: &mut S, new: CteRef, source: CteRef) {
        let entry = store.cte(new);
        let (cap, own) = (entry.cap, entry.flags.without(Flags::SHARED));
        self.fill_follower(store, new, source, cap, own);
    }

    /// Fills the entry, which is empty, with a copy of the capability in `source`, and puts it into the database, directly behind that.
    #[inline(always)]
    pub(crate) fn fill_follower<S: Store>(
        &mut self,
        store: &mut S,
        new: CteRef,
        source: CteRef,
        cap: Capability,
        own: Flags,
    ) {
        // First, as long as the compiler has it at hand.
        store.cte_mut(new).cap = cap;
        self.count_new(1);
        let original = store.cte_mut(source);
        let next = match original.next_copy() {
            None => {
                original.set_previous_copy(new);
                source
            }
            Some(next) => next,
        };
        original.set_next_copy(new);
        if next != source {
            store.cte_mut(next).set_previous_copy(new);
        }
        store.cte_mut(new).become_copy(own, source, next);
    }

    /// Puts the entry, which holds a capability without copies and is not in the database, into it, where it belongs; `root` is its
    /// type root, and `end` what [`range_end`] says.
    #[inline]
    pub(crate) fn attach<S: Store>(
        &mut self,
        store: &mut S,
        new: CteRef,
        spot: Spot,
        root: u8,
        end: u64,
    ) {
        self.count_new(1);
        self.attach_counted(store, new, spot, root, end);
    }

    /// Counts entries that are put into the tree.
    #[inline]
    pub(crate) fn count_new(&mut self, entries: u64) {
        self.count += entries;
        self.changes = self.changes.wrapping_add(entries);
    }

    /// [`Self::attach`] of what [`Self::count_new`] has counted.
    #[inline]
    pub(crate) fn attach_counted<S: Store>(
        &mut self,
        store: &mut S,
        new: CteRef,
        spot: Spot,
        root: u8,
        end: u64,
    ) {
        let node = store.cte_mut(new);
        debug_assert_eq!(end, range_end(&node.cap));
        node.links = Links::leaf(spot.parent);
        node.shape = Shape::LEAF;
        node.root = root;
        node.max_end = end;
        match spot.parent {
            None => self.root = Some(new),
            Some(parent) => {
                let node = store.cte_mut(parent);
                node.links.set_child(spot.right, Some(new));
                self.grown(store, parent, new, spot.right, end);
            }
        }
    }

    /// Fills an empty slot with a capability that has an address and no copies, and ends at `end`: all but its place in the tree, which
    /// [`Self::attach`] or [`Self::attach_inside`] gives it.
    #[inline(always)]
    pub(crate) fn write_leaf<S: Store>(
        &self,
        store: &mut S,
        new: CteRef,
        cap: Capability,
        end: u64,
    ) {
        debug_assert_eq!(end, range_end(&cap));
        let owner = self.core();
        let node = store.cte_mut(new);
        node.cap = cap;
        node.max_end = end;
        node.shape = Shape::LEAF;
        node.flags = Flags::NONE;
        node.owner = owner;
        node.root = MEMORY_ROOT;
        // An empty slot is all zeroes.
        debug_assert!((node.page, node.link) == (0, 0));
    }

    /// [`Self::attach`] of what [`Self::write_leaf`] wrote, as the right child of a node that encloses it.
    #[inline(always)]
    pub(crate) fn attach_inside<S: Store>(&mut self, store: &mut S, new: CteRef, parent: CteRef) {
        let node = store.cte_mut(parent);
        if node.shape.level() == Shape::LEAF.level() {
            // The tree grows: more has to be done.
            let end = store.cte(new).max_end;
            self.attach(store, new, Spot::right_of(parent), MEMORY_ROOT, end);
            return;
        }
        node.links.set_child(true, Some(new));
        store.cte_mut(new).links = Links::leaf(Some(parent));
        self.count += 1;
        self.changes = self.changes.wrapping_add(1);
    }

    /// The first copy of the last capability with an address before `address`.
    #[inline]
    pub(crate) fn last_before<S: Store>(&self, store: &S, address: u64) -> Option<CteRef> {
        let mut found = None;
        let mut next = self.root;
        while let Some(at) = next {
            let node = store.cte(at);
            if begins_before(node, address) {
                found = Some(at);
                next = node.links.right();
            } else {
                next = node.links.left();
            }
        }
        found
    }

    /// Takes out an entry of the database; if it is the first of several copies, its shared state goes on to the next. The slot still
    /// holds the capability.
    #[inline]
    pub(crate) fn remove<S: Store>(&mut self, store: &mut S, at: CteRef) {
        self.remove_with::<S, true>(store, at);
    }

    /// As [`Self::remove`], of what has no copies, if it is a leaf and ends before something above it does; whether it was.
    #[inline(always)]
    #[must_use]
    pub(crate) fn remove_leaf<S: Store>(&mut self, store: &mut S, at: CteRef) -> bool {
        let node = store.cte(at);
        let (links, max_end) = (node.links, node.max_end);
        match links.parent() {
            Some(parent) if !links.has_children() && store.cte(parent).max_end > max_end => {
                self.count = self.count.saturating_sub(1);
                self.changes = self.changes.wrapping_add(1);
                self.replace_child(store, Some(parent), at, None);
                store.cte_mut(at).shape = Shape::NONE;
                true
            }
            _ => false,
        }
    }

    /// As [`Self::remove`], but largest ends are left too large: for one of a run of entries, after the last of which
    /// [`Self::settle_gap`] is called. Until then only ranges before the run may be asked for: nothing there is above it.
    #[inline]
    pub(crate) fn remove_of_run<S: Store>(&mut self, store: &mut S, at: CteRef) {
        self.remove_with::<S, false>(store, at);
    }

    /// Corrects largest ends after a run of entries behind the node `at` was removed, that all ended at `end` or before.
    pub(crate) fn settle_gap<S: Store>(&self, store: &mut S, at: CteRef, end: u64) {
        // What they lay below is above the gap that they left, and that is below the lower one of its two neighbours.
        let lower = match store.cte(at).links.right() {
            None => at,
            Some(right) => utmost(store, right, false),
        };
        lower_max(store, lower, end);
    }

    #[inline(always)]
    fn remove_with<S: Store, const SETTLE: bool>(&mut self, store: &mut S, at: CteRef) {
        self.count = self.count.saturating_sub(1);
        self.changes = self.changes.wrapping_add(1);
        let entry = store.cte_mut(at);
        match (entry.next_copy(), entry.previous_copy()) {
            (Some(next), Some(previous)) => {
                if !entry.shape.is_follower() {
                    self.succeed(store, at, next);
                }
                if next == previous {
                    store.cte_mut(next).leave_ring();
                } else {
                    store.cte_mut(next).set_previous_copy(previous);
                    store.cte_mut(previous).set_next_copy(next);
                }
            }
            _ => self.detach::<S, SETTLE>(store, at),
        }
        store.cte_mut(at).shape = Shape::NONE;
    }

    /// The next copy becomes the first, in its place in the tree.
    fn succeed<S: Store>(&mut self, store: &mut S, first: CteRef, next: CteRef) {
        let entry = store.cte(first);
        let (links, max_end, shape, root) = (entry.links, entry.max_end, entry.shape, entry.root);
        let state = entry.shared();
        let entry = store.cte_mut(next);
        entry.links = links;
        entry.max_end = max_end;
        entry.shape = shape;
        entry.root = root;
        entry.set_shared(state);
        self.replace_child(store, links.parent(), first, Some(next));
        for child in [links.left(), links.right()].into_iter().flatten() {
            store.cte_mut(child).links.set_parent(Some(next));
        }
    }

    /// Takes a node out of the tree. Ranks stay as they are (see `balance`).
    #[inline(always)]
    fn detach<S: Store, const SETTLE: bool>(&mut self, store: &mut S, at: CteRef) {
        let node = store.cte(at);
        let (links, max_end) = (node.links, node.max_end);
        let parent = links.parent();
        match (links.left(), links.right()) {
            (Some(left), Some(right)) => {
                self.replace_by_neighbour(store, at, (left, right), SETTLE);
            }
            (child, None) | (None, child) => {
                if let Some(child) = child {
                    store.cte_mut(child).links.set_parent(parent);
                }
                self.replace_child(store, parent, at, child);
                if SETTLE && let Some(parent) = parent {
                    settle_max(store, parent, max_end);
                }
            }
        }
    }

    /// [`Self::detach`] of a node with two children: one of its neighbours takes its place.
    #[inline(never)]
    fn replace_by_neighbour<S: Store>(
        &mut self,
        store: &mut S,
        at: CteRef,
        (left, right): (CteRef, CteRef),
        settle: bool,
    ) {
        let node = store.cte(at);
        let (parent, max_end, shape) = (node.links.parent(), node.max_end, node.shape);
        // Of a run that goes from its end, the one before is next: it stays where it is.
        let right_side = !settle || store.cte(right).shape.level() > store.cte(left).shape.level();
        let (near, far) = if right_side {
            (right, left)
        } else {
            (left, right)
        };
        let heir = take_heir(store, near, right_side);
        let node = store.cte_mut(heir.at);
        node.links.set_child(!right_side, Some(far));
        if heir.moved {
            node.links.set_child(right_side, Some(near));
            store.cte_mut(near).links.set_parent(Some(heir.at));
        }
        let node = store.cte_mut(heir.at);
        node.links.set_parent(parent);
        node.shape.set_level_of(shape);
        node.max_end = max_end;
        store.cte_mut(far).links.set_parent(Some(heir.at));
        self.replace_child(store, parent, at, Some(heir.at));
        if heir.moved {
            // Any node on this way may be too large, by others of a run that lay below it; and it is no longer above the gap they left.
            refresh_below(store, heir.parent, heir.at);
        }
        if settle {
            settle_max(store, heir.at, max_end);
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

/// Takes the neighbour of a node with two children out of its place: the first or last below the child `near`.
fn take_heir<S: Store>(store: &mut S, near: CteRef, right_side: bool) -> Heir {
    let at = utmost(store, near, !right_side);
    let links = store.cte(at).links;
    let parent = links.parent().unwrap_or(at);
    let moved = at != near;
    if moved {
        let child = links.child(right_side);
        if let Some(child) = child {
            store.cte_mut(child).links.set_parent(Some(parent));
        }
        store.cte_mut(parent).links.set_child(!right_side, child);
    }
    Heir { at, parent, moved }
}

/// The neighbour that takes a node's place.
struct Heir {
    at: CteRef,
    /// Its parent before.
    parent: CteRef,
    /// It was not the node's own child.
    moved: bool,
}

/// Whether `neighbour` is there and a copy.
#[inline]
pub(super) fn copies<S: Store>(store: &S, neighbour: Option<CteRef>, at: CteRef) -> bool {
    neighbour.is_some_and(|neighbour| is_copy(&store.cte(neighbour).cap, &store.cte(at).cap))
}
