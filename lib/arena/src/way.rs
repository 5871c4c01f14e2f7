//! Ways down a tree, kept to come back up.

use crate::store::Id;
use arrayvec::ArrayVec;

/// Most levels of a tree: twice the logarithm of the most nodes that [`Id`] can name.
pub const MAX_DEPTH: u32 = 64;

/// Which child.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// The way from the root down to where a key would be: [`Tree::way`](crate::Tree::way). Large, so it is handed on by reference.
#[derive(Debug)]
pub struct Way {
    nodes: ArrayVec<Id, { MAX_DEPTH as usize }>,
    /// How often the tree had changed.
    changes: u64,
    /// A bit for each node: whether it goes on at the right.
    rights: u64,
}

impl Way {
    /// At the root.
    #[inline]
    #[must_use]
    pub const fn new() -> Self {
        Self {
            nodes: ArrayVec::new_const(),
            changes: 0,
            rights: 0,
        }
    }

    /// Begins anew at the root of a tree that has changed so often.
    #[inline]
    pub(crate) fn begin(&mut self, changes: u64) {
        self.nodes.clear();
        (self.rights, self.changes) = (0, changes);
    }

    /// Whether the tree has changed so often.
    #[inline]
    pub(crate) const fn is_of(&self, changes: u64) -> bool {
        self.changes == changes
    }

    #[inline]
    pub(crate) const fn depth(&self) -> usize {
        self.nodes.len()
    }

    #[inline]
    pub(crate) fn push(&mut self, id: Id, side: Side) {
        // Nodes are popped only when nothing is pushed any more.
        self.rights |= u64::from(side == Side::Right) << (self.depth() % MAX_DEPTH as usize);
        // No tree is deeper.
        let _ = self.nodes.try_push(id);
    }

    #[inline]
    pub(crate) fn side(&self, depth: usize) -> Side {
        match self.rights >> (depth % MAX_DEPTH as usize) & 1 {
            0 => Side::Left,
            _ => Side::Right,
        }
    }

    #[inline]
    pub(crate) fn get(&self, depth: usize) -> Option<(Id, Side)> {
        self.nodes.get(depth).map(|id| (*id, self.side(depth)))
    }

    #[inline]
    pub(crate) fn last(&self) -> Option<(Id, Side)> {
        self.get(self.depth().checked_sub(1)?)
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<(Id, Side)> {
        let id = self.nodes.pop()?;
        Some((id, self.side(self.depth())))
    }

    pub(crate) fn replace(&mut self, depth: usize, id: Id) {
        if let Some(place) = self.nodes.get_mut(depth) {
            *place = id;
        }
    }

    /// The last node that has a bit in a set of all.
    #[inline]
    fn last_of(&self, nodes: u64) -> Option<Id> {
        let depth = nodes.checked_ilog2()?;
        self.nodes.get(depth as usize).copied()
    }

    /// The node with the greatest key below.
    #[inline]
    #[must_use]
    pub fn before(&self) -> Option<Id> {
        self.last_of(self.rights)
    }

    /// The node with the smallest key above.
    #[inline]
    #[must_use]
    pub fn behind(&self) -> Option<Id> {
        let all = match self.depth() {
            64.. => u64::MAX,
            depth => (1 << depth) - 1,
        };
        self.last_of(all & !self.rights)
    }
}

impl Default for Way {
    fn default() -> Self {
        Self::new()
    }
}
