//! Sets of slots in pages of 256, one bit a slot: nodes of an arena, in a tree by the page's number.

use crate::MmError;
use arena::{Arena, Id, Link, Order, Store, Tree};

/// Slots of a page: those of an L2CNode.
pub const SLOTS: u32 = 256;

/// A page.
#[derive(Clone, Copy, Debug, Default)]
pub struct Node {
    page: u32,
    /// Bit set = slot in use.
    used: [u64; 4],
    /// It is not ours to take away.
    fixed: bool,
    link: Link,
    /// Of this page.
    own: Sum,
    /// Of all pages in the subtree.
    below: Sum,
}

/// What is searched by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Sum {
    /// The longest run of free slots of a page.
    longest: u16,
    /// Whether a page is unused and can be taken away.
    spare: bool,
}

impl Node {
    /// Bits of a run in one word, if it reaches there.
    fn mask(word: u32, first: u32, count: u32) -> u64 {
        let (start, end) = (word * 64, word * 64 + 64);
        let (first, behind) = (first.clamp(start, end), (first + count).clamp(start, end));
        match behind - first {
            0 => 0,
            64 => u64::MAX,
            bits => ((1 << bits) - 1) << (first - start),
        }
    }

    fn masks(first: u32, count: u32) -> [u64; 4] {
        [0, 1, 2, 3].map(|word| Self::mask(word, first, count))
    }

    fn set(&mut self, first: u32, count: u32, used: bool) {
        if count == 1 {
            if let Some(word) = self.used.get_mut(first as usize / 64) {
                let bit = 1 << (first % 64);
                *word = if used { *word | bit } else { *word & !bit };
            }
            return;
        }
        for (word, mask) in self.used.iter_mut().zip(Self::masks(first, count)) {
            *word = if used { *word | mask } else { *word & !mask };
        }
    }

    /// Whether all of a run is in use, or all of it is free.
    fn is(&self, first: u32, count: u32, used: bool) -> bool {
        if count == 1 {
            let word = self.used.get(first as usize / 64);
            return word.is_some_and(|word| (word >> (first % 64) & 1 == 1) == used);
        }
        let masks = Self::masks(first, count);
        self.used
            .iter()
            .zip(masks)
            .all(|(word, mask)| word & mask == if used { mask } else { 0 })
    }

    /// The first run of at least so many free slots.
    fn first(&self, count: u32) -> Option<u32> {
        if count > 1 {
            return self.runs(count).0;
        }
        let word = self.used.iter().position(|word| *word != u64::MAX)?;
        let bit = self.used.get(word)?.trailing_ones();
        Some(word as u32 * 64 + bit)
    }

    /// Counts what is searched by.
    fn count(&mut self) {
        self.own = Sum {
            longest: self.runs(1).1 as u16,
            spare: self.is_spare(),
        };
    }

    /// The first run of at least so many free slots, and the longest run there is; each step goes over a run of bits.
    fn runs(&self, count: u32) -> (Option<u32>, u32) {
        let (mut found, mut longest) = (None, 0);
        let (mut at, mut run) = (0, 0);
        for word in self.used {
            match word {
                0 => {
                    run += 64;
                    at += 64;
                    if run >= count && found.is_none() {
                        found = Some(at - run);
                    }
                    longest = run.max(longest);
                    continue;
                }
                u64::MAX => {
                    run = 0;
                    at += 64;
                    continue;
                }
                _ => {}
            }
            let mut left = 64;
            let mut word = word;
            while left > 0 {
                let free = word.trailing_zeros().min(left);
                run += free;
                at += free;
                left -= free;
                if run >= count && found.is_none() {
                    found = Some(at - run);
                }
                longest = run.max(longest);
                if left > 0 {
                    word = word.checked_shr(free).unwrap_or(0);
                    let used = word.trailing_ones().min(left);
                    word = word.checked_shr(used).unwrap_or(0);
                    at += used;
                    left -= used;
                    run = 0;
                }
            }
        }
        (found, longest)
    }

    const fn is_spare(&self) -> bool {
        let [a, b, c, d] = self.used;
        a | b | c | d == 0 && !self.fixed
    }
}

#[derive(Debug)]
struct ByPage;

impl Order for ByPage {
    type Node = Node;
    type Sum = Sum;
    type Key = u32;

    fn key(node: &Node) -> u32 {
        node.page
    }
    fn link(node: &Node) -> &Link {
        &node.link
    }
    fn link_mut(node: &mut Node) -> &mut Link {
        &mut node.link
    }
    fn sum(node: &Node) -> Sum {
        node.below
    }
    fn keep_sum(node: &mut Node, left: Option<Sum>, right: Option<Sum>) {
        node.below = node.own;
        for below in [left, right].into_iter().flatten() {
            node.below.longest = below.longest.max(node.below.longest);
            node.below.spare |= below.spare;
        }
    }
}

/// A set of pages. All calls must be with the same arena.
#[derive(Debug)]
pub(super) struct Bits {
    tree: Tree<ByPage>,
    pages: u32,
    free: u32,
}

impl Bits {
    pub(super) const fn new() -> Self {
        Self {
            tree: Tree::new(),
            pages: 0,
            free: 0,
        }
    }

    pub(super) const fn pages(&self) -> u32 {
        self.pages
    }

    pub(super) const fn free_slots(&self) -> u32 {
        self.free
    }

    pub(super) fn has<S: Store<Node>>(&self, arena: &Arena<Node, S>, page: u32) -> bool {
        self.tree.find(arena, &page).is_some()
    }

    /// Adds a page without used slots. Takes one node.
    pub(super) fn add<S: Store<Node>>(
        &mut self,
        arena: &mut Arena<Node, S>,
        page: u32,
        fixed: bool,
    ) -> Result<(), MmError> {
        if self.has(arena, page) {
            return Err(MmError::Overlap);
        }
        let mut node = Node {
            page,
            fixed,
            ..Node::default()
        };
        node.count();
        let id = arena.insert(node).ok_or(MmError::NoMemory)?;
        self.tree.insert(arena, id);
        self.pages += 1;
        self.free += SLOTS;
        Ok(())
    }

    /// Takes a page away that has no used slots.
    pub(super) fn remove<S: Store<Node>>(
        &mut self,
        arena: &mut Arena<Node, S>,
        page: u32,
    ) -> Result<(), MmError> {
        let node = self.tree.find(arena, &page).and_then(|id| arena.get(id));
        if !node.ok_or(MmError::NotFound)?.is_spare() {
            return Err(MmError::InUse);
        }
        if let Some(id) = self.tree.remove(arena, &page) {
            arena.remove(id);
        }
        self.pages -= 1;
        self.free -= SLOTS;
        Ok(())
    }

    /// Takes the lowest run of so many free slots: its page, the first of them.
    pub(super) fn take<S: Store<Node>>(
        &mut self,
        arena: &mut Arena<Node, S>,
        count: u32,
    ) -> Result<(u32, u32), MmError> {
        if !(1..=SLOTS).contains(&count) {
            return Err(MmError::Invalid);
        }
        let found = self.tree.first_with(
            arena,
            &0,
            |below| u32::from(below.below.longest) >= count,
            |node| u32::from(node.own.longest) >= count,
        );
        let id = found.ok_or(MmError::Exhausted)?;
        let node = arena.get(id).ok_or(MmError::Exhausted)?;
        let (page, first) = (node.page, node.first(count));
        let first = first.ok_or(MmError::Exhausted)?;
        self.set(arena, id, first, count, true);
        Ok((page, first))
    }

    /// Makes a run used or free that was the other.
    ///
    /// # Errors
    /// [`MmError::NotFound`]: no such page, or it ends before; [`MmError::Overlap`]: some of it was that already.
    pub(super) fn change<S: Store<Node>>(
        &mut self,
        arena: &mut Arena<Node, S>,
        (page, first): (u32, u32),
        count: u32,
        used: bool,
    ) -> Result<(), MmError> {
        if count == 0 {
            return Err(MmError::Invalid);
        }
        let id = self.tree.find(arena, &page).ok_or(MmError::NotFound)?;
        let end = first.checked_add(count).ok_or(MmError::NotFound)?;
        if end > SLOTS {
            return Err(MmError::NotFound);
        }
        if !arena
            .get(id)
            .is_some_and(|node| node.is(first, count, !used))
        {
            return Err(MmError::Overlap);
        }
        self.set(arena, id, first, count, used);
        Ok(())
    }

    fn set<S: Store<Node>>(
        &mut self,
        arena: &mut Arena<Node, S>,
        id: Id,
        first: u32,
        count: u32,
        used: bool,
    ) {
        if let Some(node) = arena.get_mut(id) {
            let before = node.own;
            node.set(first, count, used);
            node.count();
            if node.own != before {
                self.tree.changed(arena, id);
            }
        }
        match used {
            true => self.free -= count,
            false => self.free += count,
        }
    }

    /// The first page from there on that can be taken away.
    pub(super) fn spare<S: Store<Node>>(&self, arena: &Arena<Node, S>, from: u32) -> Option<u32> {
        let id = self
            .tree
            .first_with(arena, &from, |node| node.below.spare, Node::is_spare)?;
        arena.get(id).map(|node| node.page)
    }
}
