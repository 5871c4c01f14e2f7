//! Balanced trees: AA trees (Andersson), whose two repairs, [`skew`](Tree) and [`split`](Tree), keep them at most twice as deep as a
//! perfect one. A sum over each subtree is kept up to date on the way back from every change.

use crate::store::{Arena, Id, Store};
use crate::way::{Side, Way};
use core::cmp::Ordering;
use core::marker::PhantomData;

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
    type Sum: Copy + PartialEq;
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
    /// Nodes that were added or taken out, ever.
    changes: u64,
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
            changes: 0,
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
        let mut way = Way::new();
        let is_new = self.way(arena, &key, &mut way).is_none();
        is_new && self.insert_by(arena, &mut way, id)
    }

    /// Makes the way one that leads to where a key is, whose node is answered, or would be.
    #[inline]
    pub fn way<S: Store<O::Node>>(
        &self,
        arena: &Arena<O::Node, S>,
        key: &O::Key,
        way: &mut Way,
    ) -> Option<Id> {
        way.begin(self.changes);
        self.descend(arena, key, way)
    }

    /// Whether the tree is as it was when [`Tree::way`] made a way.
    #[inline]
    #[must_use]
    pub const fn is_current(&self, way: &Way) -> bool {
        way.is_of(self.changes)
    }

    /// Takes the node with that key out of the tree; it stays in the arena.
    pub fn remove<S: Store<O::Node>>(
        &mut self,
        arena: &mut Arena<O::Node, S>,
        key: &O::Key,
    ) -> Option<Id> {
        let mut way = Way::new();
        let removed = self.descend(arena, key, &mut way)?;
        self.remove_at(arena, &mut way, removed);
        Some(removed)
    }

    /// The node with that key.
    pub fn find<S: Store<O::Node>>(&self, arena: &Arena<O::Node, S>, key: &O::Key) -> Option<Id> {
        let mut at = self.root;
        while let Some(node) = arena.get(at) {
            let link = O::link(node);
            at = match O::key(node).cmp(key) {
                Ordering::Equal => return Some(at),
                Ordering::Less => link.right,
                Ordering::Greater => link.left,
            };
        }
        None
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
        if !Self::SUMS {
            return;
        }
        let Some((key, before)) = arena.get(id).map(|node| (O::key(node), O::sum(node))) else {
            return;
        };
        Self::sum(arena, id);
        let mut same = Self::sum_of(arena, id) == Some(before);
        if same || id == self.root {
            return;
        }
        let mut way = Way::new();
        self.descend(arena, &key, &mut way);
        // Above a sum that is as it was, nothing changes either.
        while !same && let Some((at, _)) = way.pop() {
            let before = Self::sum_of(arena, at);
            Self::sum(arena, at);
            same = Self::sum_of(arena, at) == before;
        }
    }

    /// Whether there are sums to keep.
    const SUMS: bool = size_of::<O::Sum>() > 0;

    /// Goes down to where a key is, or would be. Answers its node; `way` has those above.
    #[inline]
    fn descend<S: Store<O::Node>>(
        &self,
        arena: &Arena<O::Node, S>,
        key: &O::Key,
        way: &mut Way,
    ) -> Option<Id> {
        let mut at = self.root;
        while let Some(node) = arena.get(at) {
            let (side, below) = match key.cmp(&O::key(node)) {
                Ordering::Less => (Side::Left, O::link(node).left),
                Ordering::Greater => (Side::Right, O::link(node).right),
                Ordering::Equal => return Some(at),
            };
            way.push(at, side);
            at = below;
        }
        None
    }

    #[inline]
    fn sum_of<S: Store<O::Node>>(arena: &Arena<O::Node, S>, id: Id) -> Option<O::Sum> {
        arena.get(id).map(O::sum)
    }

    /// Hangs a subtree below the last node of a way, or makes it all of the tree.
    #[inline]
    fn hang<S: Store<O::Node>>(
        &mut self,
        arena: &mut Arena<O::Node, S>,
        above: Option<(Id, Side)>,
        id: Id,
    ) {
        match above {
            Some((above, Side::Left)) => Self::with_link(arena, above, |link| link.left = id),
            Some((above, Side::Right)) => Self::with_link(arena, above, |link| link.right = id),
            None => self.root = id,
        }
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

    #[inline(always)]
    fn sum<S: Store<O::Node>>(arena: &mut Arena<O::Node, S>, id: Id) {
        if Self::SUMS {
            Self::sum_up(arena, id);
        }
    }

    #[inline(never)]
    fn sum_up<S: Store<O::Node>>(arena: &mut Arena<O::Node, S>, id: Id) {
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

    /// Adds a node whose key is the one that [`Tree::way`] looked for and did not find. Answers whether it could: not when the tree has changed
    /// since.
    pub fn insert_by<S: Store<O::Node>>(
        &mut self,
        arena: &mut Arena<O::Node, S>,
        way: &mut Way,
        id: Id,
    ) -> bool {
        if !self.is_current(way) {
            return false;
        }
        self.changes += 1;
        let leaf = Link {
            left: Id::NONE,
            right: Id::NONE,
            level: 1,
        };
        Self::with_link(arena, id, |link| *link = leaf);
        Self::sum(arena, id);
        let (mut added, mut top) = (Added::Grown, id);
        // The subtree at the end of the way is `top` now; the node above may still name another.
        loop {
            let above = way.pop();
            self.hang(arena, above, top);
            let Some((at, _)) = above else {
                return true;
            };
            let (before, level) = (Self::sum_of(arena, at), Self::link(arena, at).level);
            Self::sum(arena, at);
            top = at;
            if added != Added::Settled {
                top = Self::skew(arena, top);
                top = Self::split(arena, top);
                added = match added {
                    _ if top != at || level != Self::link(arena, at).level => Added::Grown,
                    Added::Near => Added::Settled,
                    _ => Added::Near,
                };
            }
            if added == Added::Settled && Self::sum_of(arena, top) == before {
                return true;
            }
        }
    }

    /// Takes out the node where a way ends.
    fn remove_at<S: Store<O::Node>>(
        &mut self,
        arena: &mut Arena<O::Node, S>,
        way: &mut Way,
        removed: Id,
    ) {
        self.changes += 1;
        let link = Self::link(arena, removed);
        // A node without a right child is a leaf: a left child would be of its level.
        let (mut top, mut least) = (link.left, way.depth());
        if !link.right.is_none() {
            // The next one takes its place.
            let mut next = link.right;
            let place = way.depth();
            way.push(removed, Side::Right);
            while let Some(first) = Self::link(arena, next).left.some() {
                way.push(next, Side::Left);
                next = first;
            }
            top = Self::link(arena, next).right;
            way.replace(place, next);
            Self::with_link(arena, next, |place| *place = link);
            let above = place.checked_sub(1).and_then(|above| way.get(above));
            self.hang(arena, above, next);
            least = place;
        }
        loop {
            let above = way.pop();
            self.hang(arena, above, top);
            let Some((at, _)) = above else {
                return;
            };
            let (before, level) = (Self::sum_of(arena, at), Self::link(arena, at).level);
            top = Self::rebalance(arena, at);
            // The node that took the place of another has the sum of where it was before.
            let same_sum = way.depth() < least && Self::sum_of(arena, top) == before;
            if Self::link(arena, top).level == level && (same_sum || !Self::SUMS) {
                let above = way.last();
                self.hang(arena, above, top);
                return;
            }
        }
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
