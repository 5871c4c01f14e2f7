//! The whole state of a space, piece by piece: to make a copy of the books for the domain that the space belongs to.

use crate::error::Why;
use crate::level::{entry_bytes, entry_of, table_base};
use crate::node::{Node, Run, Table, limited};
use crate::region::{Attributes, Region, permitted};
use crate::space::{Space, Span};
use arena::{Id, Store};
use kpi::addr::VirtAddr;
use kpi::layout::{BASE_PAGE_SIZE, PTABLE_ENTRIES};
use kpi::rights::PageFlags;

/// Words of an [`Item`] that is written down.
pub const WORDS: usize = 3;

/// What a capability of an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A page table.
    Table,
    /// What a table hangs by, or what memory is mapped by.
    Mapping,
    /// Memory.
    Frame,
}

/// A piece of a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<C> {
    /// A region, or a part of one.
    Region(Region),
    /// A table below the root.
    Table(TableItem<C>),
    /// Mapped memory.
    Run(RunItem<C>),
}

/// A table below the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableItem<C> {
    /// 1 to 3.
    pub level: u8,
    /// First address it covers.
    pub base: u64,
    /// The table.
    pub table: C,
    /// What it hangs by.
    pub mapping: C,
}

/// Mapped memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunItem<C> {
    /// First address.
    pub start: u64,
    /// Level of the table.
    pub level: u8,
    /// Entries.
    pub count: u16,
    /// As for [`Space::back`].
    pub limit: PageFlags,
    /// The frame.
    pub frame: C,
    /// From which byte on.
    pub offset: u64,
    /// The Mapping.
    pub mapping: C,
}

const KIND_SHIFT: u32 = 0;
const LEVEL_SHIFT: u32 = 2;
const FLAGS_SHIFT: u32 = 4;
const GUARD: u64 = 1 << 8;
const BEGINS: u64 = 1 << 9;
const PAGE_SHIFT: u32 = 12;
const COUNT_SHIFT: u32 = 48;

/// Two numbers in a word.
fn pair(low: u32, high: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

impl<C: Copy> Item<C> {
    /// The same with other names for capabilities.
    ///
    /// # Errors
    /// Those of `rename`.
    pub fn try_map<D, E>(
        self,
        mut rename: impl FnMut(Role, C) -> Result<D, E>,
    ) -> Result<Item<D>, E> {
        Ok(match self {
            Self::Region(region) => Item::Region(region),
            Self::Table(item) => Item::Table(TableItem {
                level: item.level,
                base: item.base,
                table: rename(Role::Table, item.table)?,
                mapping: rename(Role::Mapping, item.mapping)?,
            }),
            Self::Run(item) => Item::Run(RunItem {
                start: item.start,
                level: item.level,
                count: item.count,
                limit: item.limit,
                frame: rename(Role::Frame, item.frame)?,
                offset: item.offset,
                mapping: rename(Role::Mapping, item.mapping)?,
            }),
        })
    }
}

impl Item<u32> {
    /// Writes it down. Bits of the first word: 1:0 kind, 3:2 level, 7:4 flags, 8 guard, 9 begins, 47:12 page number, 63:48 entries. The
    /// others: pages and tag; or two capabilities; then an offset.
    #[must_use]
    pub fn to_words(self) -> [u64; WORDS] {
        let head = |kind: u64, level: u8, flags: PageFlags, address: u64| {
            kind << KIND_SHIFT
                | u64::from(level) << LEVEL_SHIFT
                | (flags.0 & PageFlags::MASK.0) << FLAGS_SHIFT
                | (address / BASE_PAGE_SIZE) << PAGE_SHIFT
        };
        match self {
            Self::Region(Region {
                span,
                attributes,
                begins,
            }) => {
                let guard = if attributes.is_guard { GUARD } else { 0 };
                let begins = if begins { BEGINS } else { 0 };
                let first = head(0, 0, attributes.flags, span.start) | guard | begins;
                [
                    first,
                    span.bytes() / BASE_PAGE_SIZE,
                    u64::from(attributes.tag),
                ]
            }
            Self::Table(item) => [
                head(1, item.level, PageFlags(0), item.base),
                pair(item.table, item.mapping),
                0,
            ],
            Self::Run(item) => [
                head(2, item.level, item.limit, item.start) | u64::from(item.count) << COUNT_SHIFT,
                pair(item.frame, item.mapping),
                item.offset,
            ],
        }
    }

    /// Reads it.
    #[must_use]
    pub fn from_words(words: [u64; WORDS]) -> Option<Self> {
        let [head, second, third] = words;
        let level = (head >> LEVEL_SHIFT & 3) as u8;
        let flags = PageFlags(head >> FLAGS_SHIFT & PageFlags::MASK.0);
        let address = (head >> PAGE_SHIFT & ((1 << 36) - 1)) * BASE_PAGE_SIZE;
        let (low, high) = (second as u32, (second >> 32) as u32);
        match head >> KIND_SHIFT & 3 {
            0 => Some(Self::Region(Region {
                span: Span::new(VirtAddr(address), second.checked_mul(BASE_PAGE_SIZE)?).ok()?,
                attributes: Attributes {
                    flags,
                    is_guard: head & GUARD != 0,
                    tag: u32::try_from(third).ok()?,
                },
                begins: head & BEGINS != 0,
            })),
            1 => Some(Self::Table(TableItem {
                level,
                base: address,
                table: low,
                mapping: high,
            })),
            2 => Some(Self::Run(RunItem {
                start: address,
                level,
                count: (head >> COUNT_SHIFT) as u16,
                limit: flags,
                frame: low,
                offset: third,
                mapping: high,
            })),
            _ => None,
        }
    }
}

/// All pieces of a space: regions, then tables (parents first), then mapped memory, each by address.
#[derive(Debug)]
pub struct Items<'a, C, S> {
    space: &'a Space<C, S>,
    phase: Phase,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Regions(u64),
    Tables((u8, u64)),
    Runs(u64),
}

impl<C: Copy + Default, S: Store<Node<C>>> Iterator for Items<'_, C, S> {
    type Item = Item<C>;

    fn next(&mut self) -> Option<Item<C>> {
        let space = self.space;
        let arena = &space.arena;
        if let Phase::Regions(from) = self.phase {
            let id = space.parts.at_least(arena, &from);
            if let Some(part) = id.and_then(|id| space.part(id)) {
                self.phase = Phase::Regions(part.span.end);
                return Some(Item::Region(Region::of(part)));
            }
            self.phase = Phase::Tables((0, 0));
        }
        if let Phase::Tables(from) = self.phase {
            let id = space.tables.at_least(arena, &from);
            if let Some(table) = id.and_then(|id| space.table(id)) {
                self.phase = Phase::Tables((table.level, table.base + 1));
                return Some(Item::Table(TableItem {
                    level: table.level,
                    base: table.base,
                    table: table.cap,
                    mapping: table.mapping,
                }));
            }
            self.phase = Phase::Runs(0);
        }
        let Phase::Runs(from) = self.phase else {
            return None;
        };
        let run = space.run(space.runs.at_least(arena, &from)?)?;
        self.phase = Phase::Runs(run.end());
        Some(Item::Run(RunItem {
            start: run.start,
            level: run.level,
            count: run.count,
            limit: PageFlags(u64::from(run.limit)),
            frame: run.frame,
            offset: run.offset,
            mapping: run.mapping,
        }))
    }
}

impl<C: Copy + Default, S: Store<Node<C>>> Space<C, S> {
    /// All that [`Space::add`] makes the same space of.
    pub const fn items(&self) -> Items<'_, C, S> {
        Items {
            space: self,
            phase: Phase::Regions(0),
        }
    }

    /// Adds a piece that is there already: of tables that someone else made. Regions come before what is mapped in them, tables before what
    /// is in them. Takes one node.
    ///
    /// # Errors
    /// [`Why`]: `Range` or `Flags` (what cannot be), `NotFree` or `Backed` (another piece is there), `NotReserved`, `Guard`, `PageSize` (no
    /// such table is there), `Nodes`. Nothing was added.
    pub fn add(&mut self, item: Item<C>) -> Result<(), Why> {
        self.need(1)?;
        match item {
            Item::Region(region) => {
                self.inside(region.span)?;
                if !region.attributes.is_guard {
                    permitted(region.attributes.flags)?;
                }
                if self.is_taken(region.span) {
                    return Err(Why::NotFree);
                }
                self.add_part(region.part())
            }
            Item::Table(item) => self.add_table_item(item),
            Item::Run(item) => self.add_run_item(item),
        }
    }

    fn add_table_item(&mut self, item: TableItem<C>) -> Result<(), Why> {
        let TableItem { level, base, .. } = item;
        if !(1..=3).contains(&level) || table_base(level, base) != base {
            return Err(Why::Range);
        }
        let above = level - 1;
        let parent = match above {
            0 => Id::NONE,
            above => self.find_table(above, base).ok_or(Why::PageSize)?,
        };
        if self.find_table(level, base).is_some() {
            return Err(Why::NotFree);
        }
        let covered = Span {
            start: base,
            end: base + entry_bytes(above),
        };
        let last = self.last_run(covered);
        if last.is_some_and(|run| run.level < level) {
            return Err(Why::Backed);
        }
        self.add_table(Table {
            base,
            cap: item.table,
            mapping: item.mapping,
            parent,
            used: 0,
            level,
        })?;
        // So that it goes if nothing comes into it.
        self.has_empty = true;
        Ok(())
    }

    fn add_run_item(&mut self, item: RunItem<C>) -> Result<(), Why> {
        let (start, level, offset) = (item.start, item.level, item.offset);
        if !(1..=3).contains(&level) {
            return Err(Why::Range);
        }
        let bytes = entry_bytes(level);
        let span = Span::new(VirtAddr(start), u64::from(item.count) * bytes)?;
        self.inside(span)?;
        let last = u64::from(entry_of(level, start)) + u64::from(item.count);
        let aligned = start.is_multiple_of(bytes) && offset.is_multiple_of(BASE_PAGE_SIZE);
        if !aligned || last > PTABLE_ENTRIES || offset.checked_add(span.bytes()).is_none() {
            return Err(Why::Range);
        }
        self.reserved(span, false)?;
        if self.last_run(span).is_some() {
            return Err(Why::Backed);
        }
        let table = self.find_table(level, start).ok_or(Why::PageSize)?;
        let limit = (item.limit.0 & PageFlags::MASK.0) as u8;
        if level < 3 && (self.has_table(level + 1, span) || self.is_uncached(span, limit)) {
            return Err(Why::PageSize);
        }
        self.add_run(Run {
            start,
            offset,
            frame: item.frame,
            mapping: item.mapping,
            table,
            count: item.count,
            level,
            limit,
        })
        .map(|_| ())
    }

    /// Whether a table of that level begins in the span.
    fn has_table(&self, level: u8, span: Span) -> bool {
        let next = self.tables.at_least(&self.arena, &(level, span.start));
        next.and_then(|id| self.table(id))
            .is_some_and(|table| table.level == level && table.base < span.end)
    }

    /// Whether some of the span is uncached.
    fn is_uncached(&self, span: Span, limit: u8) -> bool {
        let mut at = span.start;
        while let Some(part) = self.part_at(at).filter(|_| at < span.end) {
            if limited(part.flags, limit).contains(PageFlags::NOCACHE) {
                return true;
            }
            at = part.span.end;
        }
        false
    }
}
