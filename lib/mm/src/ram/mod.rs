//! Regions, each with its root capability (of whatever type the caller uses to name one), and what is free in them.
//!
//! **Structure.** A region is a node, a free range of it (a *hole*) is one too; what is granted has none. Regions are in a tree by
//! address, holes in one by address and in one by (size, address). Holes of one region never touch: what is freed is joined with
//! the hole before and the one behind, never across two regions, since no capability spans both.
//!
//! **Partial free** comes for nothing: the books do not know grants, so any range of pages can be freed that lies in one region
//! and of which nothing is free.
//!
//! **Best fit.** The smallest hole that is large enough, of those the lowest, and of that its lowest part. With an alignment beyond a
//! page a hole may be large enough and not have room, so up to [`LOOKS`] holes are looked at, smallest first; then the smallest with
//! `alignment - PAGE` bytes more than needed, which has room wherever it lies; then the lowest that has room, found by sums. Sums
//! exist for the alignments [`FITS`]: for those the books refuse only what really has no place. For others, what is left after
//! that is again [`LOOKS`] holes; they can refuse when memory is nearly full. Within limits the lowest place is taken: the hole that
//! sticks out below is looked at alone, the rest is a search by sums.
//!
//! **Costs.** All is O(log n): at most `2 * LOOKS + 11` searches in and changes of a tree. [`Ram::add`] takes [`NODES_TO_ADD`] nodes, all else takes
//! at most [`NODES_TO_CHANGE`]: allocating leaves up to two holes of one, freeing makes at most one. [`Ram::usage`] is O(1).
//!
//! Barrelfish counterpart: `lib/mm/mm.c`.

mod choice;
mod map;
mod node;

use crate::MmError;
use crate::span::Span;
use arena::{Arena, Id, Store, Tree};
pub use choice::LOOKS;
pub use map::{Map, Range};
use node::{ByBase, BySize};
pub use node::{FITS, Node, PAGE};

/// Nodes that adding a region takes.
pub const NODES_TO_ADD: usize = 2;
/// Nodes that allocating, freeing or removing takes at most.
pub const NODES_TO_CHANGE: usize = 1;

/// Memory that was granted: retype `root` at `offset`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Grant<C> {
    /// Root capability of the region.
    pub root: C,
    /// Bytes from the region's start.
    pub offset: u64,
    /// Physical address.
    pub base: u64,
    /// Bytes, a multiple of [`PAGE`].
    pub bytes: u64,
}

/// How much there is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// Bytes of all regions.
    pub total: u64,
    /// Bytes not granted.
    pub free: u64,
    /// Bytes of the largest hole.
    pub largest: u64,
    /// How many holes there are.
    pub holes: usize,
}

impl Usage {
    /// External fragmentation in parts of a thousand: how much of what is free lies outside the largest hole.
    #[must_use]
    pub const fn fragmentation(&self) -> u64 {
        match self.free {
            0 => 0,
            free => ((free - self.largest) as u128 * 1000 / free as u128) as u64,
        }
    }
}

/// A region.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Region<C> {
    /// Its capability.
    pub root: C,
    /// Where it lies.
    pub span: Span,
    /// How much of it is free.
    pub free: u64,
}

/// The allocator. `S` is the memory of its nodes.
#[derive(Debug)]
pub struct Ram<C, S> {
    arena: Arena<Node<C>, S>,
    regions: Tree<ByBase<C>>,
    holes: Tree<ByBase<C>>,
    sizes: Tree<BySize<C>>,
    /// `largest` is not kept here: the tree knows it.
    usage: Usage,
}

impl<C: Copy, S: Store<Node<C>>> Ram<C, S> {
    /// No regions yet.
    pub const fn new(store: S) -> Self {
        Self {
            arena: Arena::new(store),
            regions: Tree::new(),
            holes: Tree::new(),
            sizes: Tree::new(),
            usage: Usage {
                total: 0,
                free: 0,
                largest: 0,
                holes: 0,
            },
        }
    }

    /// The memory of the nodes, to let it grow.
    pub const fn store(&mut self) -> &mut S {
        self.arena.store()
    }

    /// How many more nodes there is room for.
    pub fn free_nodes(&self) -> usize {
        self.arena.free()
    }

    /// Adds the region that `root` stands for. `base` must be a multiple of [`PAGE`]; a partial last page is left out.
    ///
    /// # Errors
    /// [`MmError::Invalid`] (unaligned or under a page), [`MmError::Overlap`] with a region that is there,
    /// [`MmError::NoMemory`]: there are not [`NODES_TO_ADD`] nodes.
    pub fn add(&mut self, root: C, base: u64, bytes: u64) -> Result<(), MmError> {
        if !base.is_multiple_of(PAGE) {
            return Err(MmError::Invalid);
        }
        let span = Span::new(base, bytes - bytes % PAGE)?;
        if self.overlaps(span) {
            return Err(MmError::Overlap);
        }
        if self.free_nodes() < NODES_TO_ADD {
            return Err(MmError::NoMemory);
        }
        let region = Node {
            free: span.bytes(),
            root: Some(root),
            ..Node::hole(span)
        };
        let region = self.arena.insert(region).ok_or(MmError::NoMemory)?;
        self.regions.insert(&mut self.arena, region);
        self.usage.total += span.bytes();
        self.usage.free += span.bytes();
        self.add_hole(span)
    }

    /// Takes a region out of which nothing is granted, and answers its root.
    ///
    /// # Errors
    /// [`MmError::NotFound`] when none begins at `base`, [`MmError::InUse`].
    pub fn remove(&mut self, base: u64) -> Result<C, MmError> {
        let found = self.regions.find(&self.arena, &base);
        let region = self.node(found.ok_or(MmError::NotFound)?);
        let root = region.root.ok_or(MmError::NotFound)?;
        if region.free != region.bytes {
            return Err(MmError::InUse);
        }
        if let Some(hole) = self.holes.find(&self.arena, &base) {
            self.remove_hole(hole);
        }
        if let Some(id) = self.regions.remove(&mut self.arena, &base) {
            self.arena.remove(id);
        }
        self.usage.total -= region.bytes;
        self.usage.free -= region.bytes;
        Ok(root)
    }

    /// Takes `bytes` (rounded up to pages) at a multiple of `alignment`, by best fit.
    ///
    /// # Errors
    /// [`MmError::Invalid`] for a size of 0 or an alignment that is no power of two; [`MmError::Exhausted`]; [`MmError::NoMemory`]: not a
    /// node left, and one would be needed.
    pub fn alloc(&mut self, bytes: u64, alignment: u64) -> Result<Grant<C>, MmError> {
        self.alloc_within(bytes, alignment, Span::ALL)
    }

    /// As [`Ram::alloc`], at the lowest place inside a range of physical addresses.
    ///
    /// # Errors
    /// As [`Ram::alloc`].
    pub fn alloc_within(
        &mut self,
        bytes: u64,
        alignment: u64,
        within: Span,
    ) -> Result<Grant<C>, MmError> {
        let place = self.choose(bytes, alignment, within)?;
        self.take(place)
    }

    /// As [`Ram::alloc_within`], but never a whole region: for what is to be of the root's own type. The kernel makes a *copy* of the root
    /// of all of it, and who revokes a copy takes the root away.
    ///
    /// # Errors
    /// As [`Ram::alloc`].
    pub fn alloc_part(
        &mut self,
        bytes: u64,
        alignment: u64,
        within: Span,
    ) -> Result<Grant<C>, MmError> {
        let place = self.choose_part(bytes, alignment, within)?;
        self.take(place)
    }

    /// As [`Ram::alloc_within`], but also everywhere at the lowest place: first fit.
    ///
    /// # Errors
    /// As [`Ram::alloc`].
    pub fn alloc_lowest(
        &mut self,
        bytes: u64,
        alignment: u64,
        within: Span,
    ) -> Result<Grant<C>, MmError> {
        let (bytes, alignment) = choice::checked(bytes, alignment)?;
        let place = self.lowest(bytes, alignment, within);
        self.take(place.ok_or(MmError::Exhausted)?)
    }

    /// Gives a granted range back, or some pages of one. The caller has deleted every capability to it. `bytes` is rounded up to pages.
    ///
    /// # Errors
    /// [`MmError::Invalid`]: `base` is not that of a page, `bytes` is 0; [`MmError::NotFound`] when no region holds it all,
    /// [`MmError::Overlap`] when some of it is free already; [`MmError::NoMemory`]: not a node left, and one would be needed.
    pub fn free(&mut self, base: u64, bytes: u64) -> Result<(), MmError> {
        if !base.is_multiple_of(PAGE) {
            return Err(MmError::Invalid);
        }
        let bytes = bytes.checked_next_multiple_of(PAGE);
        let span = Span::new(base, bytes.ok_or(MmError::Invalid)?)?;
        let id = self.region_at(base).ok_or(MmError::NotFound)?;
        let region = self.node(id).span();
        if !region.contains(span) {
            return Err(MmError::NotFound);
        }
        let before = self.holes.at_most(&self.arena, &base);
        let before = before.map(|id| (id, self.node(id).span()));
        let behind = self.holes.at_least(&self.arena, &base);
        let behind = behind.map(|id| (id, self.node(id).span()));
        if before.is_some_and(|(_, hole)| hole.end > span.base)
            || behind.is_some_and(|(_, hole)| hole.base < span.end)
        {
            return Err(MmError::Overlap);
        }
        let before = before.filter(|(_, hole)| hole.end == span.base && hole.base >= region.base);
        let behind = behind.filter(|(_, hole)| hole.base == span.end && hole.end <= region.end);
        let whole = Span {
            base: before.map_or(span.base, |(_, hole)| hole.base),
            end: behind.map_or(span.end, |(_, hole)| hole.end),
        };
        match (before, behind) {
            (None, None) => self.add_hole(whole)?,
            (Some((hole, _)), None) | (None, Some((hole, _))) => self.resize_hole(hole, whole),
            (Some((hole, _)), Some((other, _))) => {
                self.remove_hole(other);
                self.resize_hole(hole, whole);
            }
        }
        self.count(id, |free| free + span.bytes());
        self.usage.free += span.bytes();
        Ok(())
    }

    /// How much there is.
    pub fn usage(&self) -> Usage {
        let most = self.arena.get(self.holes.root());
        Usage {
            largest: most.map_or(0, |node| node.most(0)),
            ..self.usage
        }
    }

    /// The region that an address lies in.
    pub fn region_of(&self, address: u64) -> Option<Region<C>> {
        self.region_at(address).and_then(|id| self.region(id))
    }

    /// The lowest region of which all is free, from an address on.
    pub fn unused_region(&self, from: u64) -> Option<Region<C>> {
        let found = self.regions.first_with(
            &self.arena,
            &from,
            |node| node.most(0) > 0,
            |node| node.free == node.bytes,
        );
        found.and_then(|id| self.region(id))
    }

    /// Whether a range shares a byte with a region.
    pub fn overlaps(&self, span: Span) -> bool {
        let touches = |id: Id| self.node(id).span().overlaps(span);
        let before = self.regions.at_most(&self.arena, &span.base);
        let behind = self.regions.at_least(&self.arena, &span.base);
        before.is_some_and(touches) || behind.is_some_and(touches)
    }

    /// The hole in which a place lies.
    pub(crate) fn hole_around(&self, place: Span) -> Option<Span> {
        let id = self.holes.at_most(&self.arena, &place.base)?;
        Some(self.node(id).span()).filter(|hole| hole.contains(place))
    }

    /// Everything there is, in the order of addresses.
    pub const fn map(&self) -> Map<'_, C, S> {
        Map::new(self)
    }

    fn region(&self, id: Id) -> Option<Region<C>> {
        let node = self.node(id);
        let (span, free) = (node.span(), node.free);
        node.root.map(|root| Region { root, span, free })
    }

    /// A copy of a node; `id` comes from a tree, so there is one.
    fn node(&self, id: Id) -> Node<C> {
        self.arena.get(id).copied().unwrap_or_default()
    }

    fn region_at(&self, address: u64) -> Option<Id> {
        let id = self.regions.at_most(&self.arena, &address)?;
        (address < self.node(id).end()).then_some(id)
    }

    /// Changes a region's free bytes.
    fn count(&mut self, region: Id, change: impl FnOnce(u64) -> u64) {
        if let Some(node) = self.arena.get_mut(region) {
            node.free = change(node.free);
            self.regions.changed(&mut self.arena, region);
        }
    }

    fn add_hole(&mut self, span: Span) -> Result<(), MmError> {
        let id = self.arena.insert(Node::hole(span));
        let id = id.ok_or(MmError::NoMemory)?;
        self.holes.insert(&mut self.arena, id);
        self.sizes.insert(&mut self.arena, id);
        self.usage.holes += 1;
        Ok(())
    }

    fn remove_hole(&mut self, id: Id) {
        let node = self.node(id);
        self.sizes.remove(&mut self.arena, &(node.bytes, node.base));
        self.holes.remove(&mut self.arena, &node.base);
        self.arena.remove(id);
        self.usage.holes -= 1;
    }

    /// The hole has another size and place, between the same neighbours.
    fn resize_hole(&mut self, id: Id, span: Span) {
        let node = self.node(id);
        let (old, new) = ((node.bytes, node.base), (span.bytes(), span.base));
        // Mostly the hole is still the next larger or smaller one of the same, as when pages are taken from a large one.
        let stays = self.none_between(old, new);
        if !stays {
            self.sizes.remove(&mut self.arena, &old);
        }
        if let Some(node) = self.arena.get_mut(id) {
            (node.bytes, node.base) = new;
        }
        self.holes.changed(&mut self.arena, id);
        if !stays {
            self.sizes.insert(&mut self.arena, id);
        }
    }

    /// Whether no hole lies between two keys of the tree by size, of which the first is a hole's.
    fn none_between(&self, old: (u64, u64), new: (u64, u64)) -> bool {
        let key = |id: Id| (self.node(id).bytes, self.node(id).base);
        if new < old {
            let below = match old.1.checked_sub(1) {
                Some(base) => (old.0, base),
                None => (old.0 - 1, u64::MAX),
            };
            let next = self.sizes.at_most(&self.arena, &below);
            next.is_none_or(|id| key(id) < new)
        } else {
            let next = self.sizes.at_least(&self.arena, &(old.0, old.1 + 1));
            next.is_none_or(|id| key(id) > new)
        }
    }

    /// Takes a place that lies in a hole.
    pub(crate) fn take(&mut self, place: Span) -> Result<Grant<C>, MmError> {
        let hole = self.holes.at_most(&self.arena, &place.base);
        let id = hole.ok_or(MmError::Exhausted)?;
        let hole = self.node(id).span();
        let region = self.region_at(place.base).ok_or(MmError::NotFound)?;
        let owner = self.node(region);
        let root = owner.root.ok_or(MmError::NotFound)?;
        if !hole.contains(place) {
            return Err(MmError::Exhausted);
        }
        let before = Span {
            base: hole.base,
            end: place.base,
        };
        let behind = Span {
            base: place.end,
            end: hole.end,
        };
        match (before.bytes(), behind.bytes()) {
            (0, 0) => self.remove_hole(id),
            (_, 0) => self.resize_hole(id, before),
            (0, _) => self.resize_hole(id, behind),
            _ if self.free_nodes() == 0 => return Err(MmError::NoMemory),
            _ => {
                self.resize_hole(id, before);
                self.add_hole(behind)?;
            }
        }
        self.count(region, |free| free.saturating_sub(place.bytes()));
        self.usage.free -= place.bytes();
        Ok(Grant {
            root,
            offset: place.base - owner.base,
            base: place.base,
            bytes: place.bytes(),
        })
    }
}

impl<C: Copy, S: Store<Node<C>> + Default> Default for Ram<C, S> {
    fn default() -> Self {
        Self::new(S::default())
    }
}
