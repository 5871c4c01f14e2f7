//! The space itself, and what can be asked of it.

use crate::error::Why;
use crate::level::PageSize;
use crate::node::{ByLevel, Node, Part, Parts, Run, Runs, limited};
use crate::region::Region;
use arena::{Arena, Id, Store, Tree};
use kpi::addr::VirtAddr;
use kpi::layout::{BASE_PAGE_SIZE, USER_ADDRESS_BITS};
use kpi::rights::PageFlags;

/// Virtual addresses from `start` on, below `end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The first.
    pub start: u64,
    /// Behind the last.
    pub end: u64,
}

impl Span {
    /// So many bytes from an address on.
    ///
    /// # Errors
    /// [`Why::Range`]: no whole pages, none at all, or addresses that user memory does not have.
    pub fn new(start: VirtAddr, bytes: u64) -> Result<Self, Why> {
        let end = start.0.checked_add(bytes).ok_or(Why::Range)?;
        let aligned = start.is_aligned(BASE_PAGE_SIZE) && bytes.is_multiple_of(BASE_PAGE_SIZE);
        if !aligned || bytes == 0 || end > 1 << USER_ADDRESS_BITS {
            return Err(Why::Range);
        }
        Ok(Self {
            start: start.0,
            end,
        })
    }

    /// How many bytes.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Whether it has an address.
    #[must_use]
    pub const fn contains(&self, address: u64) -> bool {
        self.start <= address && address < self.end
    }

    /// The least span that has all addresses of both.
    pub(crate) fn hull(self, other: Option<Self>) -> Self {
        match other {
            Some(other) => Self {
                start: self.start.min(other.start),
                end: self.end.max(other.end),
            },
            None => self,
        }
    }
}

/// How much there is in a space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Parts of regions with the same flags.
    pub parts: usize,
    /// Tables below the root.
    pub tables: usize,
    /// Mappings of memory.
    pub runs: usize,
}

impl Counts {
    /// Nodes they take.
    #[must_use]
    pub const fn nodes(&self) -> usize {
        self.parts + self.tables + self.runs
    }

    /// Mapping capabilities they take.
    #[must_use]
    pub const fn mappings(&self) -> usize {
        self.tables + self.runs
    }
}

/// The memory of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page<C> {
    /// What the Mapping covers.
    pub run: Span,
    /// The frame.
    pub frame: C,
    /// Which byte of the frame the address that was asked for is, rounded down to 4 KiB.
    pub offset: u64,
    /// What the page permits; the region may permit more.
    pub flags: PageFlags,
    /// How large the pages of the Mapping are.
    pub size: PageSize,
}

/// What is at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found<C> {
    /// The part of its region that has the same flags throughout.
    pub region: Region,
    /// The memory, if it has some.
    pub page: Option<Page<C>>,
}

/// No table begins there.
pub(crate) const NO_TABLE: (u64, Id) = (u64::MAX, Id::NONE);

/// The books of an address space, their nodes in a store `S`; `C` names capabilities.
#[derive(Debug)]
pub struct Space<C, S> {
    pub(crate) arena: Arena<Node<C>, S>,
    pub(crate) root: C,
    pub(crate) within: Span,
    pub(crate) parts: Tree<Parts<C>>,
    pub(crate) tables: Tree<ByLevel<C>>,
    pub(crate) runs: Tree<Runs<C>>,
    /// The table of level 3 that was used last, and its first address.
    pub(crate) recent: (u64, Id),
    pub(crate) counts: Counts,
    /// There may be tables without entries that could not be taken away.
    pub(crate) has_empty: bool,
    /// While there are no more parts than that, those of a region that have become alike stay apart.
    pub(crate) apart: usize,
}

impl<C: Copy + Default, S: Store<Node<C>>> Space<C, S> {
    /// A space without regions: the addresses `within`, below the root table `root`, whose entries for them must be empty.
    pub const fn new(root: C, within: Span, store: S) -> Self {
        Self {
            arena: Arena::new(store),
            root,
            within,
            parts: Tree::new(),
            tables: Tree::new(),
            runs: Tree::new(),
            recent: NO_TABLE,
            counts: Counts {
                parts: 0,
                tables: 0,
                runs: 0,
            },
            has_empty: false,
            apart: 0,
        }
    }

    /// Lets parts of regions that have become alike stay apart while there are at most so many parts; without that, none do. Changing the flags of
    /// the same pages again and again costs less then.
    pub const fn set_apart(&mut self, parts: usize) {
        self.apart = parts;
    }

    /// The memory of the nodes, to let it grow.
    pub const fn store(&mut self) -> &mut S {
        self.arena.store()
    }

    /// How many more nodes there is room for.
    pub fn free_nodes(&self) -> usize {
        self.arena.free()
    }

    /// How much there is.
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// All addresses that it rules.
    pub const fn within(&self) -> Span {
        self.within
    }

    /// The root table.
    pub const fn root(&self) -> C {
        self.root
    }

    /// What is at an address; `None`: no region.
    pub fn lookup(&self, address: VirtAddr) -> Option<Found<C>> {
        let part = self.part_at(address.0)?;
        let run = self.run_at_most(address.0);
        Some(Found {
            region: Region::of(part),
            page: run.and_then(|run| Self::page_of(part, run, address)),
        })
    }

    /// The memory of an address, if it is of the run.
    pub(crate) fn page_of(part: &Part, run: &Run<C>, address: VirtAddr) -> Option<Page<C>> {
        let page = || Page {
            run: run.span(),
            frame: run.frame,
            offset: run.offset + (address.align_down(BASE_PAGE_SIZE).0 - run.start),
            flags: limited(part.flags, run.limit),
            size: PageSize::of_level(run.level),
        };
        run.span().contains(address.0).then(page)
    }

    /// The first Mapping of memory at or above an address: what it covers, the frame, where in the frame it begins.
    pub fn next_run(&self, address: VirtAddr) -> Option<Page<C>> {
        let run = match self.run_at(address.0) {
            Some(run) => run,
            None => self.run(self.runs.at_least(&self.arena, &address.0)?)?,
        };
        self.lookup(VirtAddr(run.start))?.page
    }

    /// # Errors
    /// [`Why::Nodes`].
    pub(crate) fn need(&self, nodes: usize) -> Result<(), Why> {
        if self.arena.free() < nodes {
            return Err(Why::Nodes(nodes));
        }
        Ok(())
    }

    /// # Errors
    /// [`Why::Range`].
    pub(crate) fn inside(&self, span: Span) -> Result<(), Why> {
        let span = Span::new(VirtAddr(span.start), span.bytes())?;
        if span.start < self.within.start || span.end > self.within.end {
            return Err(Why::Range);
        }
        Ok(())
    }

    pub(crate) fn part(&self, id: Id) -> Option<&Part> {
        self.arena.get(id)?.part()
    }

    pub(crate) fn part_at(&self, address: u64) -> Option<&Part> {
        let part = self.part(self.parts.at_most(&self.arena, &address)?)?;
        part.span.contains(address).then_some(part)
    }

    pub(crate) fn run(&self, id: Id) -> Option<&Run<C>> {
        self.arena.get(id)?.run()
    }

    fn run_at_most(&self, address: u64) -> Option<&Run<C>> {
        self.run(self.runs.at_most(&self.arena, &address)?)
    }

    pub(crate) fn run_at(&self, address: u64) -> Option<&Run<C>> {
        let run = self.run_at_most(address)?;
        run.span().contains(address).then_some(run)
    }

    /// The last run that has an address in the span.
    pub(crate) fn last_run(&self, span: Span) -> Option<&Run<C>> {
        let below = span.end.checked_sub(1).filter(|_| span.bytes() > 0)?;
        let run = self.run(self.runs.at_most(&self.arena, &below)?)?;
        (run.end() > span.start).then_some(run)
    }
}
