//! The graph that the capabilities of a core form.
//!
//! The kernel lists them one by one, each with the address of its slot (`aos::cap::kernel::next_cap`). [`Graph`] makes of such a
//! list what a person asks about: what was made from what, which capabilities are copies, which CSpace a slot is in and where,
//! at which virtual addresses a frame is mapped, and who can reach an address.
//!
//! | Module | What |
//! |---|---|
//! | here | the list, copies, the derivation forest |
//! | `forest` | how the forest is found, in one pass |
//! | `spaces` | slots, CNodes, dispatchers |
//! | `mappings` | page tables and virtual addresses |
//! | `reach` | what covers an address |
//!
//! A [`NodeId`] is a place in the list. Copies are neighbours in it, and the first of them stands for all: parents and
//! children are always first copies.
//!
//! # Invariants
//!
//! The list is in database order, so a parent comes before its children. Building takes O(n log n) time; a question takes time in proportion to
//! log n, to its answer and, in `reach`, to the number of children on the way. Any list is accepted: one that was taken while the system changed gives a wrong picture in places, never an
//! endless loop or a panic.
//!
//! Barrelfish counterpart: none.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod forest;
mod mappings;
mod reach;
mod spaces;

pub use mappings::{MappedAt, Table};
pub use spaces::{Held, Place};

use alloc::vec::Vec;
use core::ops::Range;

use kpi::addr::PhysAddr;
use kpi::cap::{Capability, compare, is_copy};
use kpi::invocation::CapFacts;

/// A capability in its slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Physical address of the slot.
    pub slot: PhysAddr,
    /// The capability; of a Mapping with its table entry.
    pub cap: Capability,
    /// Owner and flags.
    pub facts: CapFacts,
}

/// A capability of a [`Graph`]: its place in the list.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct NodeId(u32);

impl NodeId {
    const NONE: Self = Self(u32::MAX);

    /// The place in the list.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    fn some(self) -> Option<Self> {
        (self != Self::NONE).then_some(self)
    }
}

/// Everything known about a set of capabilities.
#[derive(Debug)]
pub struct Graph {
    entries: Vec<Entry>,
    /// First copy of each.
    first: Vec<NodeId>,
    /// Of each first copy: what it was made from.
    parent: Vec<NodeId>,
    /// First copies by parent; where each parent's begin.
    children: Vec<NodeId>,
    children_from: Vec<u32>,
    /// What no other capability is an ancestor of.
    roots: Vec<NodeId>,
    /// Objects that hold slots: first and last address, the capability; ascending.
    holders: Vec<(u64, u64, NodeId)>,
}

impl Graph {
    /// The graph of these capabilities. They may be in any order; copies keep theirs.
    #[must_use]
    pub fn new(mut entries: Vec<Entry>) -> Self {
        // The place of a node has 32 bits; so many do not fit into memory.
        entries.truncate(NodeId::NONE.index());
        let ordered = |pair: &[Entry]| match pair {
            [a, b] => compare(&a.cap, &b.cap).is_le(),
            _ => true,
        };
        if !entries.windows(2).all(ordered) {
            entries.sort_by(|a, b| compare(&a.cap, &b.cap));
        }
        let first = first_copies(&entries);
        let parent = forest::parents(&entries, &first);
        let (children, children_from, roots) = forest::children(&first, &parent);
        let holders = spaces::holders(&entries, &first);
        Self {
            entries,
            first,
            parent,
            children,
            children_from,
            roots,
            holders,
        }
    }

    /// All capabilities, in database order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// All of them, by name.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.entries.len() as u32).map(NodeId)
    }

    /// The node at a place of the list.
    #[must_use]
    pub fn id(&self, index: usize) -> Option<NodeId> {
        (index < self.entries.len()).then_some(NodeId(index as u32))
    }

    /// One of them. `None` for a node of another graph.
    #[must_use]
    pub fn get(&self, id: NodeId) -> Option<&Entry> {
        self.entries.get(id.index())
    }

    fn cap(&self, id: NodeId) -> Option<&Capability> {
        self.get(id).map(|entry| &entry.cap)
    }

    /// The first of its copies, perhaps itself.
    #[must_use]
    pub fn first_copy(&self, id: NodeId) -> NodeId {
        self.first.get(id.index()).copied().unwrap_or(id)
    }

    /// All copies, itself among them.
    pub fn copies(&self, id: NodeId) -> impl Iterator<Item = NodeId> + use<> {
        let first = self.first_copy(id);
        let from = self.first.get(first.index()..).unwrap_or_default();
        let count = from.iter().take_while(|other| **other == first).count() as u32;
        (first.0..first.0.saturating_add(count)).map(NodeId)
    }

    /// What it was made from: the nearest capability around it that can make its type.
    #[must_use]
    pub fn parent(&self, id: NodeId) -> Option<NodeId> {
        let first = self.first_copy(id);
        self.parent.get(first.index()).copied()?.some()
    }

    /// What was made from it, or from a copy of it.
    #[must_use]
    pub fn children(&self, id: NodeId) -> &[NodeId] {
        let at = self.first_copy(id).index();
        let place = |at: usize| self.children_from.get(at).map(|n| *n as usize);
        let range = place(at).zip(place(at + 1)).map(|(from, to)| from..to);
        self.children_in(range.unwrap_or_default())
    }

    fn children_in(&self, range: Range<usize>) -> &[NodeId] {
        self.children.get(range).unwrap_or_default()
    }

    /// What was made from nothing that is still there.
    #[must_use]
    pub fn roots(&self) -> &[NodeId] {
        &self.roots
    }

    /// Its ancestors, the nearest first.
    pub fn ancestors(&self, id: NodeId) -> impl Iterator<Item = NodeId> + use<'_> {
        core::iter::successors(self.parent(id), |id| self.parent(*id))
    }
}

fn first_copies(entries: &[Entry]) -> Vec<NodeId> {
    let mut first = Vec::with_capacity(entries.len());
    let mut last: Option<(NodeId, &Capability)> = None;
    for (entry, number) in entries.iter().zip(0..) {
        let id = match last {
            Some((id, cap)) if is_copy(cap, &entry.cap) => id,
            _ => NodeId(number),
        };
        last = Some((id, &entry.cap));
        first.push(id);
    }
    first
}
