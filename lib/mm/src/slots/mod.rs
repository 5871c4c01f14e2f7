//! Slots for capabilities: of L2CNodes, and of the root CNode that holds those.
//!
//! **Structure.** A page of 256 bits for each L2CNode, in a tree by the CNode's root slot, which knows the longest run of free slots below
//! each of its nodes; pages of the same kind for the root CNode itself, of which only those are there that were needed. Both take their
//! nodes from one arena.
//!
//! **Growth.** Nothing grows by itself. When [`Slots::take`] finds nothing, or better before ([`crate::reserve`]), the caller takes a root
//! slot ([`Slots::take_root`]), makes an L2CNode there and adds it. When [`Slots::free_root_slots`] is small, he replaces the root CNode by
//! a larger one and tells its size ([`Slots::resize_root`]). A CNode that is empty again ([`Slots::spare`]) can be deleted: slots come
//! from the lowest CNode that has room, so that the later ones become empty.
//!
//! **Costs.** O(log n) for n CNodes, and nodes: [`Slots::add`] one, [`Slots::add_root`] one, [`Slots::take_root`] at most one, everything else none.
//!
//! Barrelfish counterpart: `lib/barrelfish/slot_alloc` (single, multi and two-level allocators, and `rootca`).

mod bits;

use crate::MmError;
use arena::{Arena, Store};
use bits::Bits;
pub use bits::{Node, SLOTS};

/// The slot allocator's books. `S` is the memory of its nodes.
#[derive(Debug)]
pub struct Slots<S> {
    arena: Arena<Node, S>,
    cnodes: Bits,
    root: Bits,
    /// Pages that the root CNode has. What it has beyond whole pages is not used.
    root_pages: u32,
    /// The next page of the root CNode that is added when it is needed.
    next_page: u32,
}

impl<S: Store<Node>> Slots<S> {
    /// No CNodes yet, and no root slots.
    pub const fn new(store: S) -> Self {
        Self {
            arena: Arena::new(store),
            cnodes: Bits::new(),
            root: Bits::new(),
            root_pages: 0,
            next_page: 0,
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

    /// The root CNode has so many slots, of which those from `first` on are free. Said once, at the start; takes one node.
    ///
    /// # Errors
    /// [`MmError::Invalid`]: `first` lies behind the end, or there are root slots already; [`MmError::NoMemory`].
    pub fn add_root(&mut self, slots: u32, first: u32) -> Result<(), MmError> {
        if self.root_pages > 0 || first >= slots - slots % SLOTS {
            return Err(MmError::Invalid);
        }
        let page = first / SLOTS;
        self.root.add(&mut self.arena, page, true)?;
        self.root_pages = slots / SLOTS;
        self.next_page = page + 1;
        match first % SLOTS {
            0 => Ok(()),
            taken => {
                let from = (page, 0);
                self.root.change(&mut self.arena, from, taken, true)
            }
        }
    }

    /// The root CNode is replaced by one of so many slots.
    ///
    /// # Errors
    /// [`MmError::Invalid`]: it would be smaller.
    pub const fn resize_root(&mut self, slots: u32) -> Result<(), MmError> {
        if slots / SLOTS < self.root_pages {
            return Err(MmError::Invalid);
        }
        self.root_pages = slots / SLOTS;
        Ok(())
    }

    /// Takes a root slot. Takes a node when it is the first of another 256.
    ///
    /// # Errors
    /// [`MmError::Exhausted`]: the root CNode has to become larger; [`MmError::NoMemory`].
    pub fn take_root(&mut self) -> Result<u32, MmError> {
        if self.root.free_slots() == 0 {
            if self.next_page >= self.root_pages {
                return Err(MmError::Exhausted);
            }
            self.root.add(&mut self.arena, self.next_page, true)?;
            self.next_page += 1;
        }
        let (page, slot) = self.root.take(&mut self.arena, 1)?;
        Ok(page * SLOTS + slot)
    }

    /// Gives a root slot back.
    ///
    /// # Errors
    /// [`MmError::NotFound`], [`MmError::Overlap`] when it was free, [`MmError::InUse`]: a CNode of these books is there.
    pub fn free_root(&mut self, slot: u32) -> Result<(), MmError> {
        if self.cnodes.has(&self.arena, slot) {
            return Err(MmError::InUse);
        }
        let from = (slot / SLOTS, slot % SLOTS);
        self.root.change(&mut self.arena, from, 1, false)
    }

    /// Free slots of the root CNode.
    pub const fn free_root_slots(&self) -> u32 {
        self.root.free_slots() + (self.root_pages - self.next_page) * SLOTS
    }

    /// Adds the (empty) L2CNode at root slot `l1`; takes one node.
    ///
    /// # Errors
    /// [`MmError::Overlap`] when it is known already, [`MmError::NoMemory`].
    pub fn add(&mut self, l1: u32) -> Result<(), MmError> {
        self.cnodes.add(&mut self.arena, l1, false)
    }

    /// As [`Slots::add`], for a CNode that is never given back.
    ///
    /// # Errors
    /// As [`Slots::add`].
    pub fn add_fixed(&mut self, l1: u32) -> Result<(), MmError> {
        self.cnodes.add(&mut self.arena, l1, true)
    }

    /// Takes an empty CNode out of the books. The caller deletes it and gives its root slot back.
    ///
    /// # Errors
    /// [`MmError::NotFound`], [`MmError::InUse`] when a slot is taken or the CNode is fixed.
    pub fn remove(&mut self, l1: u32) -> Result<(), MmError> {
        self.cnodes.remove(&mut self.arena, l1)
    }

    /// A CNode that is empty and can be removed, the first at or behind root slot `from`.
    pub fn spare(&self, from: u32) -> Option<u32> {
        self.cnodes.spare(&self.arena, from)
    }

    /// Takes `count` free slots in a row, 1 to 256: (root slot of their CNode, the first one).
    ///
    /// # Errors
    /// [`MmError::Exhausted`]: add a CNode first; [`MmError::Invalid`].
    pub fn take(&mut self, count: u32) -> Result<(u32, u8), MmError> {
        let (l1, slot) = self.cnodes.take(&mut self.arena, count)?;
        Ok((l1, slot as u8))
    }

    /// Gives slots back, all or some of those that were taken together.
    ///
    /// # Errors
    /// [`MmError::NotFound`] for a CNode that is not managed here or that ends before, [`MmError::Overlap`] when one of them was free;
    /// [`MmError::Invalid`] for none.
    pub fn free(&mut self, l1: u32, slot: u8, count: u32) -> Result<(), MmError> {
        let from = (l1, u32::from(slot));
        self.cnodes.change(&mut self.arena, from, count, false)
    }

    /// CNodes in the books.
    pub const fn cnodes(&self) -> u32 {
        self.cnodes.pages()
    }

    /// Slots in all, free or not.
    pub const fn slots(&self) -> u32 {
        self.cnodes.pages() * SLOTS
    }

    /// Free slots in all.
    pub const fn free_slots(&self) -> u32 {
        self.cnodes.free_slots()
    }
}

impl<S: Store<Node> + Default> Default for Slots<S> {
    fn default() -> Self {
        Self::new(S::default())
    }
}
