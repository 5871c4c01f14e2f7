//! Nodes of the books: regions and holes.

use crate::span::Span;
use arena::{Link, Order};
use core::marker::PhantomData;

/// Smallest unit that is handed out.
pub const PAGE: u64 = 4096;

/// The alignments at which the largest fit of each subtree is kept: pages, CNodes, blocks.
pub const FITS: [u64; 3] = [PAGE, 16 << 10, 2 << 20];

/// A size for each of [`FITS`].
type Most = [u64; FITS.len()];

/// A region, or a hole in one. In the tree of regions or in that of holes, holes also in the tree by size.
#[derive(Clone, Copy, Debug)]
pub struct Node<C> {
    pub(super) base: u64,
    pub(super) bytes: u64,
    /// Free bytes of a region.
    pub(super) free: u64,
    /// What a region's objects are retyped from; holes have none.
    pub(super) root: Option<C>,
    pub(super) by_base: Link,
    pub(super) by_size: Link,
    /// In the tree by base: the most of [`Node::fits`] below, for each of [`FITS`].
    pub(super) most: Most,
}

impl<C> Default for Node<C> {
    fn default() -> Self {
        Self {
            base: 0,
            bytes: 0,
            free: 0,
            root: None,
            by_base: Link::default(),
            by_size: Link::default(),
            most: [0; FITS.len()],
        }
    }
}

impl<C> Node<C> {
    pub(super) const fn hole(span: Span) -> Self {
        Self {
            base: span.base,
            bytes: span.bytes(),
            free: 0,
            root: None,
            by_base: Link::NONE,
            by_size: Link::NONE,
            most: [0; FITS.len()],
        }
    }

    pub(super) const fn end(&self) -> u64 {
        // Made from a `Span`, so it cannot wrap.
        self.base.wrapping_add(self.bytes)
    }

    pub(super) const fn span(&self) -> Span {
        Span {
            base: self.base,
            end: self.end(),
        }
    }

    /// The lowest place for so many bytes at that alignment.
    pub(super) fn place(&self, bytes: u64, alignment: u64, within: Span) -> Option<Span> {
        let lowest = self.base.max(within.base);
        let span = Span::new(lowest.checked_next_multiple_of(alignment)?, bytes).ok()?;
        (span.end <= self.end().min(within.end)).then_some(span)
    }

    /// Bytes from the first multiple of the alignment on; of a region all of them, if all are free.
    pub(super) fn fits(&self, alignment: u64) -> u64 {
        match self.root {
            Some(_) if self.free == self.bytes => self.bytes,
            Some(_) => 0,
            None => {
                let start = self.base.checked_next_multiple_of(alignment);
                start.map_or(0, |start| self.end().saturating_sub(start))
            }
        }
    }

    pub(super) fn most(&self, class: usize) -> u64 {
        self.most.get(class).copied().unwrap_or(0)
    }
}

/// Regions, or holes, by address.
#[derive(Debug)]
pub(super) struct ByBase<C>(PhantomData<C>);

impl<C: Copy> Order for ByBase<C> {
    type Node = Node<C>;
    type Sum = Most;
    type Key = u64;

    fn key(node: &Node<C>) -> u64 {
        node.base
    }
    fn link(node: &Node<C>) -> &Link {
        &node.by_base
    }
    fn link_mut(node: &mut Node<C>) -> &mut Link {
        &mut node.by_base
    }
    fn sum(node: &Node<C>) -> Most {
        node.most
    }
    fn keep_sum(node: &mut Node<C>, left: Option<Most>, right: Option<Most>) {
        let mut most = FITS.map(|alignment| node.fits(alignment));
        for below in [left, right].into_iter().flatten() {
            for (most, below) in most.iter_mut().zip(below) {
                *most = below.max(*most);
            }
        }
        node.most = most;
    }
}

/// Holes by size, those of equal size by address.
#[derive(Debug)]
pub(super) struct BySize<C>(PhantomData<C>);

impl<C: Copy> Order for BySize<C> {
    type Node = Node<C>;
    type Sum = ();
    type Key = (u64, u64);

    fn key(node: &Node<C>) -> (u64, u64) {
        (node.bytes, node.base)
    }
    fn link(node: &Node<C>) -> &Link {
        &node.by_size
    }
    fn link_mut(node: &mut Node<C>) -> &mut Link {
        &mut node.by_size
    }
    fn sum(_: &Node<C>) {}
}
