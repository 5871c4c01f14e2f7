//! Balanced trees: AA trees (Andersson), whose two repairs, [`skew`](Tree) and [`split`](Tree), keep them at most twice as deep as a
//! perfect one. A sum over each subtree is kept up to date on the way back from every change.

use crate::store::{Arena, Id, Store};
use core::marker::PhantomData;

/// Most levels of a tree: twice the logarithm of the most nodes that [`Id`] can name.
pub const MAX_DEPTH: u32 = 64;

/// What one tree keeps in a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Link {
    left: Id,
    right: Id,
    /// Height in the sense of AA trees: 1 for a leaf.
    level: u8,
}

impl Link {
    /// Of a node that is in no tree.
    pub const NONE: Self = Self {
        left: Id::NONE,
        right: Id::NONE,
        level: 0,
    };
}

/// How a tree orders nodes.
pub trait Order {
    /// The nodes.
    type Node: Copy + Default;
    /// What it orders them by; no two nodes of a tree have the same.
    type Key: Ord;

    /// The key of a node.
    fn key(node: &Self::Node) -> Self::Key;
    /// The node's link for this tree.
    fn link(node: &Self::Node) -> &Link;
    /// The node's link for this tree.
    fn link_mut(node: &mut Self::Node) -> &mut Link;
    /// What is kept of each subtree in its root, and searched by; `()` for nothing.
    type Sum: Copy;
    /// The sum that a node keeps.
    fn sum(node: &Self::Node) -> Self::Sum;
    /// Computes the sum over the subtree of a node from the node itself and those of its children, and keeps it.
    fn keep_sum(node: &mut Self::Node, left: Option<Self::Sum>, right: Option<Self::Sum>) {
        let _ = (node, left, right);
    }
}

/// How far an insertion is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Added {
    /// There is one with this key.
    No,
    /// The subtree may have grown: what is above has to be looked at.
    Grown,
    /// The subtree is as high as before, but a node at its right may not be: the parent's [`Tree::split`] looks at that one.
    Near,
    /// Above, nothing changes any more but sums.
    Settled,
}

/// A tree of nodes of an arena. All calls must be with the same arena.
#[derive(Debug)]
pub struct Tree<O> {
    root: Id,
    order: PhantomData<O>,
}

impl<O> Default for Tree<O> {
    fn default() -> Self {
        Self::new()
    }
}

impl<O> Tree<O> {
    /// An empty tree.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            root: Id::NONE,
            order: PhantomData,
        }
    }
}

impl<O: Order> Tree<O> {
    /// The root, for a search by sums; [`Id::NONE`] when there is nothing.
    #[must_use]
    pub const fn root(&self) -> Id {
        self.root
    }

    /// The children of a node: those with smaller keys, those with greater ones.
    #[inline]
    pub fn children<S: Store<O::Node>>(arena: &Arena<O::Node, S>, id: Id) -> (Id, Id) {
        match arena.get(id) {
            Some(node) => (O::link(node).left, O::link(node).right),
            None => (Id::NONE, Id::NONE),
        }
    }

    /// Adds a node. Answers whether it could: not when one with its key is there, be it this one.
    pub fn insert<S: Store<O::Node>>(&mut self, arena: &mut Arena<O::Node, S>, id: Id) -> bool {
        let Some(key) = arena.get(id).map(O::key) else {
            return false;
        };
        let mut added = Added::No;
        self.root = Self::insert_below(arena, self.root, id, &key, &mut added);
        added != Added::No
    }

    /// Takes the node with that key out of the tree; it stays in the arena.
    pub fn remove<S: Store<O::Node>>(
        &mut self,
        arena: &mut Arena<O::Node, S>,
        key: &O::Key,
    ) -> Option<Id> {
        let mut removed = Id::NONE;
        self.root = Self::remove_below(arena, self.root, key, &mut removed);
        removed.some()
    }

    /// The node with that key.
    pub fn find<S: Store<O::Node>>(&self, arena: &Arena<O::Node, S>, key: &O::Key) -> Option<Id> {
        let found = self.at_most(arena, key)?;
        (O::key(arena.get(found)?) == *key).then_some(found)
    }

    /// The node with the greatest key that is at most `key`.
    pub fn at_most<S: Store<O::Node>>(
        &self,
        arena: &Arena<O::Node, S>,
        key: &O::Key,
    ) -> Option<Id> {
        let (mut at, mut best) = (self.root, None);
        while let Some(node) = arena.get(at) {
            if O::key(node) <= *key {
                best = Some(at);
                at = O::link(node).right;
            } else {
                at = O::link(node).left;
            }
        }
        best
    }

    /// The node with the smallest key that is at least `key`.
    pub fn at_least<S: Store<O::Node>>(
        &self,
        arena: &Arena<O::Node, S>,
        key: &O::Key,
    ) -> Option<Id> {
        let (mut at, mut best) = (self.root, None);
        while let Some(node) = arena.get(at) {
            if O::key(node) >= *key {
                best = Some(at);
                at = O::link(node).left;
            } else {
                at = O::link(node).right;
            }
        }
        best
    }

    /// The node with the smallest key.
    pub fn first<S: Store<O::Node>>(&self, arena: &Arena<O::Node, S>) -> Option<Id> {
        let (mut at, mut best) = (self.root, None);
        while let Some(node) = arena.get(at) {
            best = Some(at);
            at = O::link(node).left;
        }
        best
    }

    /// The node with the smallest key that is at least `from` and of which `is` holds. `below` says by a node's sum whether `is` holds of a
    /// node in its subtree.
    pub fn first_with<S: Store<O::Node>>(
        &self,
        arena: &Arena<O::Node, S>,
        from: &O::Key,
        below: impl Fn(&O::Node) -> bool,
        is: impl Fn(&O::Node) -> bool,
    ) -> Option<Id> {
        // Of the nodes on the way to `from` that are not before it, the deepest one has the smallest keys in and right of it.
        let (mut at, mut best) = (self.root, Id::NONE);
        while let Some(node) = arena.get(at) {
            let link = O::link(node);
            if O::key(node) < *from {
                at = link.right;
            } else {
                if is(node) || arena.get(link.right).is_some_and(&below) {
                    best = at;
                }
                at = link.left;
            }
        }
        let node = arena.get(best)?;
        if is(node) {
            return Some(best);
        }
        at = O::link(node).right;
        while let Some(node) = arena.get(at) {
            let link = O::link(node);
            if arena.get(link.left).is_some_and(&below) {
                at = link.left;
            } else if is(node) {
                return Some(at);
            } else {
                at = link.right;
            }
        }
        None
    }

    /// The sums on the way to a node are computed anew, after something they are made of has changed in it. Also its
    /// key may have changed, if the order of the nodes is still the same.
    pub fn changed<S: Store<O::Node>>(&mut self, arena: &mut Arena<O::Node, S>, id: Id) {
        if Self::SUMS
            && let Some(key) = arena.get(id).map(O::key)
        {
            Self::sums_below(arena, self.root, &key);
        }
    }

    /// Whether there are sums to keep.
    const SUMS: bool = size_of::<O::Sum>() > 0;

    fn sums_below<S: Store<O::Node>>(arena: &mut Arena<O::Node, S>, at: Id, key: &O::Key) {
        let Some(node) = arena.get(at) else {
            return;
        };
        match key.cmp(&O::key(node)) {
            core::cmp::Ordering::Less => Self::sums_below(arena, O::link(node).left, key),
            core::cmp::Ordering::Greater => Self::sums_below(arena, O::link(node).right, key),
            core::cmp::Ordering::Equal => {}
        }
        Self::sum(arena, at);
    }

    fn link<S: Store<O::Node>>(arena: &Arena<O::Node, S>, id: Id) -> Link {
        arena.get(id).map(|node| *O::link(node)).unwrap_or_default()
    }

    fn with_link<S: Store<O::Node>>(
        arena: &mut Arena<O::Node, S>,
        id: Id,
        change: impl FnOnce(&mut Link),
    ) {
        if let Some(node) = arena.get_mut(id) {
            change(O::link_mut(node));
        }
    }

    /// Not inline, so that what calls itself has a small frame.
    #[inline(never)]
    fn sum<S: Store<O::Node>>(arena: &mut Arena<O::Node, S>, id: Id) {
        if !Self::SUMS {
            return;
        }
        let link = Self::link(arena, id);
        let left = arena.get(link.left).map(O::sum);
        let right = arena.get(link.right).map(O::sum);
        if let Some(node) = arena.get_mut(id) {
            O::keep_sum(node, left, right);
        }
    }

    /// Turns a left child of the same level into the parent.
    fn skew<S: Store<O::Node>>(arena: &mut Arena<O::Node, S>, at: Id) -> Id {
        let link = Self::link(arena, at);
        let left = Self::link(arena, link.left);
        if link.left.is_none() || left.level != link.level {
            return at;
        }
        Self::with_link(arena, at, |link| link.left = left.right);
        Self::with_link(arena, link.left, |link| link.right = at);
        Self::sum(arena, at);
        Self::sum(arena, link.left);
        link.left
    }

    /// Raises the middle one of three of the same level in a row.
    fn split<S: Store<O::Node>>(arena: &mut Arena<O::Node, S>, at: Id) -> Id {
        let link = Self::link(arena, at);
        let right = Self::link(arena, link.right);
        let last = Self::link(arena, right.right);
        if link.right.is_none() || right.right.is_none() || last.level != link.level {
            return at;
        }
        Self::with_link(arena, at, |link| link.right = right.left);
        Self::with_link(arena, link.right, |link| {
            link.left = at;
            link.level += 1;
        });
        Self::sum(arena, at);
        Self::sum(arena, link.right);
        link.right
    }

    fn insert_below<S: Store<O::Node>>(
        arena: &mut Arena<O::Node, S>,
        at: Id,
        id: Id,
        key: &O::Key,
        added: &mut Added,
    ) -> Id {
        let Some(node) = arena.get(at) else {
            let leaf = Link {
                left: Id::NONE,
                right: Id::NONE,
                level: 1,
            };
            Self::with_link(arena, id, |link| *link = leaf);
            Self::sum(arena, id);
            *added = Added::Grown;
            return id;
        };
        let link = *O::link(node);
        match key.cmp(&O::key(node)) {
            core::cmp::Ordering::Less => {
                let left = Self::insert_below(arena, link.left, id, key, added);
                if left != link.left {
                    Self::with_link(arena, at, |link| link.left = left);
                }
            }
            core::cmp::Ordering::Greater => {
                let right = Self::insert_below(arena, link.right, id, key, added);
                if right != link.right {
                    Self::with_link(arena, at, |link| link.right = right);
                }
            }
            core::cmp::Ordering::Equal => return at,
        }
        if *added == Added::No {
            return at;
        }
        Self::sum(arena, at);
        if *added == Added::Settled {
            return at;
        }
        let top = Self::skew(arena, at);
        let top = Self::split(arena, top);
        if top == at && link.level == Self::link(arena, at).level {
            *added = match *added {
                Added::Near => Added::Settled,
                _ => Added::Near,
            };
        } else {
            *added = Added::Grown;
        }
        top
    }

    fn remove_below<S: Store<O::Node>>(
        arena: &mut Arena<O::Node, S>,
        at: Id,
        key: &O::Key,
        removed: &mut Id,
    ) -> Id {
        let Some(node) = arena.get(at) else {
            return at;
        };
        let link = *O::link(node);
        match key.cmp(&O::key(node)) {
            core::cmp::Ordering::Less => {
                let left = Self::remove_below(arena, link.left, key, removed);
                Self::with_link(arena, at, |link| link.left = left);
            }
            core::cmp::Ordering::Greater => {
                let right = Self::remove_below(arena, link.right, key, removed);
                Self::with_link(arena, at, |link| link.right = right);
            }
            core::cmp::Ordering::Equal => {
                *removed = at;
                // A node without a right child is a leaf: a left child would be of its level.
                if link.right.is_none() {
                    return link.left;
                }
                // The next one takes its place.
                let mut next = Id::NONE;
                let right = Self::remove_first(arena, link.right, &mut next);
                Self::with_link(arena, next, |place| {
                    *place = Link { right, ..link };
                });
                return Self::rebalance(arena, next);
            }
        }
        Self::rebalance(arena, at)
    }

    fn remove_first<S: Store<O::Node>>(
        arena: &mut Arena<O::Node, S>,
        at: Id,
        removed: &mut Id,
    ) -> Id {
        let link = Self::link(arena, at);
        if link.left.is_none() {
            *removed = at;
            return link.right;
        }
        let left = Self::remove_first(arena, link.left, removed);
        Self::with_link(arena, at, |link| link.left = left);
        Self::rebalance(arena, at)
    }

    /// Repairs a node below which one was taken out.
    fn rebalance<S: Store<O::Node>>(arena: &mut Arena<O::Node, S>, at: Id) -> Id {
        let link = Self::link(arena, at);
        let level = |id| Self::link(arena, id).level;
        let should = level(link.left).min(level(link.right)) + 1;
        if should >= link.level {
            Self::sum(arena, at);
            return at;
        }
        let lower_right = should < level(link.right);
        Self::with_link(arena, at, |link| link.level = should);
        if lower_right {
            Self::with_link(arena, link.right, |link| link.level = should);
        }
        let at = Self::skew(arena, at);
        let right = Self::skew(arena, Self::link(arena, at).right);
        Self::with_link(arena, at, |link| link.right = right);
        let last = Self::skew(arena, Self::link(arena, right).right);
        Self::with_link(arena, right, |link| link.right = last);
        Self::sum(arena, right);
        Self::sum(arena, at);
        let at = Self::split(arena, at);
        let right = Self::split(arena, Self::link(arena, at).right);
        Self::with_link(arena, at, |link| link.right = right);
        Self::sum(arena, at);
        at
    }
}
