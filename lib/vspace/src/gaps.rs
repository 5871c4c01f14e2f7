//! Free addresses: the gaps between regions, as sums over the tree of regions.

use crate::level::PageSize;
use crate::node::{Node, Parts};
use crate::space::Span;
use arena::{Arena, Store, Tree};

/// Of the regions of a subtree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Gaps {
    /// Where the first one begins.
    first: u64,
    /// Where the last one ends.
    last: u64,
    /// Most bytes of a gap between two of them, counted from its first address that suits a page of each size.
    most: [u64; 3],
}

/// Bytes of a gap, from the first address on that suits pages of a size.
fn room(start: u64, end: u64, size: PageSize) -> u64 {
    // No address comes near the end of u64.
    end.saturating_sub(start.next_multiple_of(size.bytes()))
}

impl Gaps {
    fn most(&self, size: PageSize) -> u64 {
        let [base, large, huge] = self.most;
        match size {
            PageSize::Base => base,
            PageSize::Large => large,
            PageSize::Huge => huge,
        }
    }

    /// Of a region with those on its left and on its right.
    pub(crate) fn around(left: Option<&Self>, own: Span, right: Option<&Self>) -> Self {
        let most = PageSize::ALL.map(|size| {
            let on_left = left.map_or(0, |gaps| {
                gaps.most(size).max(room(gaps.last, own.start, size))
            });
            let on_right = right.map_or(0, |gaps| {
                gaps.most(size).max(room(own.end, gaps.first, size))
            });
            on_left.max(on_right)
        });
        Self {
            first: left.map_or(own.start, |gaps| gaps.first),
            last: right.map_or(own.end, |gaps| gaps.last),
            most,
        }
    }
}

/// The lowest gap in `within` of so many bytes at an address that suits pages of a size.
pub(crate) fn find<C: Copy + Default, S: Store<Node<C>>>(
    arena: &Arena<Node<C>, S>,
    parts: &Tree<Parts<C>>,
    within: Span,
    bytes: u64,
    size: PageSize,
) -> Option<u64> {
    let Span {
        start: mut low,
        end: mut high,
    } = within;
    let mut at = parts.root();
    // Between `low` and `high` lies the subtree of `at`. A gap that a sum promises is there, so there is no way back up.
    while let Some(part) = arena.get(at).and_then(Node::part) {
        let (left, right) = Tree::<Parts<C>>::children(arena, at);
        let on_left = match arena.get(left).and_then(Node::part) {
            Some(left) => room(low, left.gaps.first, size)
                .max(left.gaps.most(size))
                .max(room(left.gaps.last, part.span.start, size)),
            None => room(low, part.span.start, size),
        };
        if on_left >= bytes {
            high = part.span.start;
            at = left;
        } else {
            low = part.span.end;
            at = right;
        }
    }
    (room(low, high, size) >= bytes).then(|| low.next_multiple_of(size.bytes()))
}
