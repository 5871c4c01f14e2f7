//! Regions: who has which addresses, with which flags.
//!
//! A region is kept as parts, each with the same flags throughout. What a change of flags splits, the change back joins again, unless it is
//! wished that parts stay apart for the next change ([`Space::set_apart`]).

use crate::RESERVE_NODES;
use crate::error::Why;
use crate::gaps::{Gaps, find};
use crate::level::PageSize;
use crate::node::{Content, Node, Part};
use crate::space::{Space, Span};
use arena::Store;
use kpi::addr::VirtAddr;
use kpi::rights::PageFlags;

/// What a region is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// What its pages permit.
    pub flags: PageFlags,
    /// Never has memory: an access is an error. (The flags are of no account.)
    pub is_guard: bool,
    /// The owner's word for it, such as which pager serves it.
    pub tag: u32,
}

impl Attributes {
    /// Of memory with these flags, tag 0.
    #[must_use]
    pub const fn memory(flags: PageFlags) -> Self {
        Self {
            flags,
            is_guard: false,
            tag: 0,
        }
    }
}

/// Addresses that are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Which.
    pub span: Span,
    /// What for.
    pub attributes: Attributes,
    /// Whether the region begins here, or it goes on from a part with other flags.
    pub begins: bool,
}

impl Region {
    pub(crate) fn of(part: &Part) -> Self {
        Self {
            span: part.span,
            attributes: Attributes {
                flags: PageFlags(u64::from(part.flags)),
                is_guard: part.is_guard,
                tag: part.tag,
            },
            begins: part.begins,
        }
    }

    pub(crate) fn part(&self) -> Part {
        Part {
            span: self.span,
            gaps: Gaps::default(),
            tag: self.attributes.tag,
            flags: (self.attributes.flags.0 & PageFlags::MASK.0) as u8,
            is_guard: self.attributes.is_guard,
            begins: self.begins,
        }
    }
}

/// Where addresses are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// From this one on.
    At(VirtAddr),
    /// The lowest free ones that begin at a multiple of that size.
    Anywhere(PageSize),
}

/// # Errors
/// [`Why::Flags`].
pub(crate) fn permitted(flags: PageFlags) -> Result<(), Why> {
    let write_and_execute = PageFlags::WRITE.union(PageFlags::EXECUTE);
    let known = PageFlags::from_word(flags.0).is_some();
    if !known || !flags.contains(PageFlags::READ) || flags.contains(write_and_execute) {
        return Err(Why::Flags);
    }
    Ok(())
}

impl<C: Copy + Default, S: Store<Node<C>>> Space<C, S> {
    /// Takes addresses for a new region. There is no memory in it yet.
    ///
    /// # Errors
    /// [`Why`]: `Range`, `Flags`, `NotFree`, `NoSpace`, `Nodes`.
    pub fn reserve(
        &mut self,
        place: Place,
        bytes: u64,
        attributes: Attributes,
    ) -> Result<Span, Why> {
        if !attributes.is_guard {
            permitted(attributes.flags)?;
        }
        let span = match place {
            Place::At(start) => {
                let span = Span::new(start, bytes)?;
                self.inside(span)?;
                if self.is_taken(span) {
                    return Err(Why::NotFree);
                }
                span
            }
            Place::Anywhere(size) => {
                Span::new(VirtAddr(0), bytes)?;
                let start = find(&self.arena, &self.parts, self.within, bytes, size);
                Span::new(VirtAddr(start.ok_or(Why::NoSpace)?), bytes)?
            }
        };
        self.need(RESERVE_NODES)?;
        let begins = true;
        self.add_part(
            Region {
                span,
                attributes,
                begins,
            }
            .part(),
        )?;
        Ok(span)
    }

    /// Makes guards of pages that have no memory.
    ///
    /// # Errors
    /// [`Why`]: `Range`, `NotReserved`, `Backed`, `Nodes`.
    pub fn guard(&mut self, span: Span) -> Result<(), Why> {
        self.inside(span)?;
        self.reserved(span, true)?;
        if self.last_run(span).is_some() {
            return Err(Why::Backed);
        }
        self.need(self.split_needs(span))?;
        self.change(span, |part| part.is_guard = true)
    }

    /// The whole region around an address: all its parts.
    pub fn extent(&self, address: VirtAddr) -> Option<Span> {
        let mut first = self.part_at(address.0)?;
        while !first.begins
            && let Some(before) = first.span.start.checked_sub(1)
            && let Some(part) = self.part_at(before)
        {
            first = part;
        }
        let mut span = first.span;
        while let Some(part) = self.part_at(span.end).filter(|part| !part.begins) {
            span.end = part.span.end;
        }
        Some(span)
    }

    /// The first part of a region that ends above an address.
    pub fn next_region(&self, address: VirtAddr) -> Option<Region> {
        let part = match self.part_at(address.0) {
            Some(part) => part,
            None => self.part(self.parts.at_least(&self.arena, &address.0)?)?,
        };
        Some(Region::of(part))
    }

    /// Whether an address of the span belongs to a region.
    pub(crate) fn is_taken(&self, span: Span) -> bool {
        let last = self.parts.at_most(&self.arena, &(span.end - 1));
        last.and_then(|id| self.part(id))
            .is_some_and(|part| part.span.end > span.start)
    }

    /// All addresses belong to regions, and to no guard unless `guards`.
    ///
    /// # Errors
    /// [`Why::NotReserved`], [`Why::Guard`].
    pub(crate) fn reserved(&self, span: Span, guards: bool) -> Result<(), Why> {
        let mut at = span.start;
        while at < span.end {
            let part = self.part_at(at).ok_or(Why::NotReserved)?;
            if part.is_guard && !guards {
                return Err(Why::Guard);
            }
            at = part.span.end;
        }
        Ok(())
    }

    /// # Errors
    /// [`Why::Nodes`].
    pub(crate) fn add_part(&mut self, part: Part) -> Result<(), Why> {
        let node = Node::new(Content::Part(part));
        let id = self.arena.insert(node).ok_or(Why::Nodes(1))?;
        self.parts.insert(&mut self.arena, id);
        self.counts.parts += 1;
        Ok(())
    }

    /// Nodes to make parts begin and end where a span does: at most [`SPLIT_NODES`](crate::SPLIT_NODES), none for whole parts.
    pub(crate) fn split_needs(&self, span: Span) -> usize {
        usize::from(self.is_inside(span.start)) + usize::from(self.is_inside(span.end))
    }

    /// Whether a part is on both sides of an address.
    pub(crate) fn is_inside(&self, at: u64) -> bool {
        let part = self.part_at(at);
        part.is_some_and(|part| part.span.start < at)
    }

    /// Splits the part that `at` is inside of, so that one begins there.
    ///
    /// # Errors
    /// [`Why::Nodes`].
    fn split(&mut self, at: u64) -> Result<(), Why> {
        let Some(id) = self.parts.at_most(&self.arena, &at) else {
            return Ok(());
        };
        let Some(part) = self.part(id).copied() else {
            return Ok(());
        };
        if part.span.start == at || part.span.end <= at {
            return Ok(());
        }
        self.need(1)?;
        self.set_end(id, at);
        self.add_part(Part {
            span: Span {
                start: at,
                end: part.span.end,
            },
            begins: false,
            ..part
        })
    }

    fn set_end(&mut self, id: arena::Id, end: u64) {
        if let Some(part) = self.arena.get_mut(id).and_then(Node::part_mut) {
            part.span.end = end;
        }
        self.parts.changed(&mut self.arena, id);
    }

    /// Joins the part that begins at `at` to the one before, if they are of one region and alike.
    fn join_parts(&mut self, at: u64) {
        let Some(before) = at.checked_sub(1) else {
            return;
        };
        let left = self.parts.at_most(&self.arena, &before);
        let right = self.parts.find(&self.arena, &at);
        let (Some(left_id), Some(right_id)) = (left, right) else {
            return;
        };
        let (Some(left), Some(right)) = (self.part(left_id), self.part(right_id)) else {
            return;
        };
        let alike = |part: &Part| (part.flags, part.is_guard, part.tag);
        if right.begins || left.span.end != at || alike(left) != alike(right) {
            return;
        }
        let end = right.span.end;
        self.parts.remove(&mut self.arena, &at);
        self.arena.remove(right_id);
        self.counts.parts -= 1;
        self.set_end(left_id, end);
    }

    /// Joins parts of a span that are alike.
    pub(crate) fn join_alike(&mut self, span: Span) {
        let mut at = span.start;
        while at <= span.end
            && let Some(id) = self.parts.at_least(&self.arena, &at)
            && let Some(part) = self.part(id).map(|part| part.span)
            && part.start <= span.end
        {
            self.join_parts(part.start);
            at = part.end;
        }
    }

    /// Changes all parts of a span, which takes [`Self::split_needs`].
    ///
    /// # Errors
    /// [`Why::Nodes`].
    pub(crate) fn change(&mut self, span: Span, change: impl Fn(&mut Part)) -> Result<(), Why> {
        self.split(span.start)?;
        self.split(span.end)?;
        let mut at = span.start;
        while at <= span.end
            && let Some(id) = self.parts.at_least(&self.arena, &at)
            && let Some(part) = self.arena.get_mut(id).and_then(Node::part_mut)
            && part.span.start <= span.end
        {
            if part.span.start < span.end {
                change(part);
            }
            let start = part.span.start;
            at = part.span.end;
            if self.counts.parts > self.apart {
                self.join_parts(start);
            }
        }
        Ok(())
    }

    /// Gives the addresses of a span back, which takes [`Self::split_needs`] first.
    ///
    /// # Errors
    /// [`Why::Nodes`].
    pub(crate) fn remove_parts(&mut self, span: Span) -> Result<(), Why> {
        self.split(span.start)?;
        self.split(span.end)?;
        while let Some(id) = self.parts.at_least(&self.arena, &span.start)
            && let Some(start) = self.part(id).map(|part| part.span.start)
            && start < span.end
        {
            self.parts.remove(&mut self.arena, &start);
            self.arena.remove(id);
            self.counts.parts -= 1;
        }
        // What is left behind the hole is a region of its own.
        if let Some(id) = self.parts.find(&self.arena, &span.end)
            && let Some(part) = self.arena.get_mut(id).and_then(Node::part_mut)
        {
            part.begins = true;
        }
        Ok(())
    }
}
