//! What the books of a space consist of: nodes of three kinds, each in its own tree.

use crate::gaps::Gaps;
use crate::level::entry_bytes;
use crate::space::Span;
use arena::{Id, Link, Order};
use core::marker::PhantomData;
use kpi::rights::PageFlags;

/// Part of a region that has the same flags throughout. The parts of a region follow one another, and only the first `begins` it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Part {
    pub(crate) span: Span,
    /// Sum over the subtree.
    pub(crate) gaps: Gaps,
    pub(crate) tag: u32,
    pub(crate) flags: u8,
    pub(crate) is_guard: bool,
    pub(crate) begins: bool,
}

/// A page table below the root.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Table<C> {
    /// First address it covers.
    pub(crate) base: u64,
    pub(crate) cap: C,
    /// What it hangs by.
    pub(crate) mapping: C,
    /// The table it hangs in; none: the root.
    pub(crate) parent: Id,
    /// Entries in use.
    pub(crate) used: u16,
    /// 1 to 3.
    pub(crate) level: u8,
}

/// A Mapping of memory: entries of a table that follow one another.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Run<C> {
    pub(crate) start: u64,
    /// Where in the frame it begins.
    pub(crate) offset: u64,
    pub(crate) frame: C,
    pub(crate) mapping: C,
    pub(crate) table: Id,
    /// Entries.
    pub(crate) count: u16,
    /// Of the table.
    pub(crate) level: u8,
    /// Flags that its pages may have at most, whatever those of the region.
    pub(crate) limit: u8,
}

impl<C> Run<C> {
    pub(crate) fn end(&self) -> u64 {
        self.start + u64::from(self.count) * entry_bytes(self.level)
    }

    pub(crate) fn span(&self) -> Span {
        Span {
            start: self.start,
            end: self.end(),
        }
    }
}

/// What pages have of a region with these flags, behind a limit.
pub(crate) fn limited(flags: u8, limit: u8) -> PageFlags {
    let kept = limit | (PageFlags::READ.0 | PageFlags::NOCACHE.0) as u8;
    PageFlags(u64::from(flags & kept))
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Content<C> {
    /// In no tree.
    #[default]
    Nothing,
    Part(Part),
    Table(Table<C>),
    Run(Run<C>),
}

/// A piece of the books of a [`Space`](crate::Space), for whose memory an [`arena::Store`] provides.
#[derive(Clone, Copy, Debug, Default)]
pub struct Node<C> {
    link: Link,
    pub(crate) content: Content<C>,
}

impl<C> Node<C> {
    pub(crate) fn new(content: Content<C>) -> Self {
        Self {
            link: Link::default(),
            content,
        }
    }

    pub(crate) fn part(&self) -> Option<&Part> {
        match &self.content {
            Content::Part(part) => Some(part),
            _ => None,
        }
    }

    pub(crate) fn part_mut(&mut self) -> Option<&mut Part> {
        match &mut self.content {
            Content::Part(part) => Some(part),
            _ => None,
        }
    }

    pub(crate) fn table(&self) -> Option<&Table<C>> {
        match &self.content {
            Content::Table(table) => Some(table),
            _ => None,
        }
    }

    pub(crate) fn table_mut(&mut self) -> Option<&mut Table<C>> {
        match &mut self.content {
            Content::Table(table) => Some(table),
            _ => None,
        }
    }

    pub(crate) fn run(&self) -> Option<&Run<C>> {
        match &self.content {
            Content::Run(run) => Some(run),
            _ => None,
        }
    }
}

/// Parts of regions, by address.
#[derive(Debug)]
pub(crate) struct Parts<C>(PhantomData<C>);

/// Tables, by level and first address: parents come before children.
#[derive(Debug)]
pub(crate) struct ByLevel<C>(PhantomData<C>);

/// Runs, by address.
#[derive(Debug)]
pub(crate) struct Runs<C>(PhantomData<C>);

impl<C: Copy + Default> Order for Parts<C> {
    type Node = Node<C>;
    type Sum = Option<Gaps>;
    type Key = u64;

    fn key(node: &Node<C>) -> u64 {
        node.part().map_or(u64::MAX, |part| part.span.start)
    }
    fn link(node: &Node<C>) -> &Link {
        &node.link
    }
    fn link_mut(node: &mut Node<C>) -> &mut Link {
        &mut node.link
    }
    fn sum(node: &Node<C>) -> Option<Gaps> {
        node.part().map(|part| part.gaps)
    }
    fn keep_sum(node: &mut Node<C>, left: Option<Option<Gaps>>, right: Option<Option<Gaps>>) {
        let (left, right) = (left.flatten(), right.flatten());
        let (left, right) = (left.as_ref(), right.as_ref());
        if let Some(part) = node.part_mut() {
            part.gaps = Gaps::around(left, part.span, right);
        }
    }
}

impl<C: Copy + Default> Order for ByLevel<C> {
    type Node = Node<C>;
    type Sum = ();
    type Key = (u8, u64);

    fn key(node: &Node<C>) -> (u8, u64) {
        node.table()
            .map_or((u8::MAX, 0), |table| (table.level, table.base))
    }
    fn link(node: &Node<C>) -> &Link {
        &node.link
    }
    fn link_mut(node: &mut Node<C>) -> &mut Link {
        &mut node.link
    }
    fn sum(_: &Node<C>) {}
}

impl<C: Copy + Default> Order for Runs<C> {
    type Node = Node<C>;
    type Sum = ();
    type Key = u64;

    fn key(node: &Node<C>) -> u64 {
        node.run().map_or(u64::MAX, |run| run.start)
    }
    fn link(node: &Node<C>) -> &Link {
        &node.link
    }
    fn link_mut(node: &mut Node<C>) -> &mut Link {
        &mut node.link
    }
    fn sum(_: &Node<C>) {}
}
