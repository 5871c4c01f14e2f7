//! The capability table entry: one slot of a CNode, 64 bytes.
//!
//! A [`Cte`] holds a capability and, while that is not Null, its node in the mapping database. All zeroes is an empty slot:
//! zeroing memory makes a CNode. Entries are reached only through a [`Store`](crate::Store) and named by [`CteRef`].
//!
//! Two kinds of state go with a capability. *Shared* state (owner, locked, in-delete, relations to other cores) is the same
//! for all copies and stored in the copy that comes first in database order; whoever reads it goes through
//! [`Database::state_of`](crate::Database::state_of). *Own* state ([`Flags::HELD`], [`Flags::CREATING`]) belongs to the one entry.
//!
//! Barrelfish counterpart: `struct cte`, `struct mdbnode` (which keep shared state in every copy).

use core::fmt;
use core::mem::{offset_of, size_of};
use core::num::NonZeroU64;

use kpi::addr::{CoreId, PhysAddr};
use kpi::cap::Capability;
use kpi::layout::SLOT_BYTES;

use crate::objects::holds_entries;

/// Names a [`Cte`] by its physical address. Only a [`Store`](crate::Store) makes them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct CteRef(NonZeroU64);

impl CteRef {
    /// The entry at `address`.
    ///
    /// # Safety
    /// `address` is not 0, a multiple of 64 below 2^48, and the memory there holds a [`Cte`] that the caller's [`Store`](crate::Store) gives
    /// access to: a slot of a live CNode, or an entry inside a live kernel object.
    #[inline]
    #[expect(
        unsafe_code,
        reason = "making a reference is a promise only the Store can keep"
    )]
    pub const unsafe fn new(address: PhysAddr) -> Self {
        // SAFETY: not 0, as the caller promises.
        Self(unsafe { NonZeroU64::new_unchecked(address.0) })
    }

    /// Physical address of the entry.
    #[inline]
    pub const fn address(self) -> PhysAddr {
        PhysAddr(self.0.get())
    }
}

impl fmt::Debug for CteRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cte({:#x})", self.0)
    }
}

/// Flags of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(transparent)]
pub struct Flags(u8);

impl Flags {
    /// Nothing set.
    pub const NONE: Self = Self(0);
    /// Shared: an operation across cores is under way.
    pub const LOCKED: Self = Self(1);
    /// Shared: other cores hold copies.
    pub const REMOTE_COPIES: Self = Self(2);
    /// Shared: other cores hold ancestors.
    pub const REMOTE_ANCS: Self = Self(4);
    /// Shared: other cores hold descendants.
    pub const REMOTE_DESCS: Self = Self(8);
    /// Shared: the last copy is being deleted, in steps. Where it holds entries itself: it is on one of the lists of what is deleted.
    pub const IN_DELETE: Self = Self(16);
    /// Own: made by a retype that has not finished; not usable, may be deleted.
    pub const CREATING: Self = Self(32);
    /// Own: the entry lies inside a kernel object that uses the capability (a dispatcher's CSpace root, for example).
    pub const HELD: Self = Self(64);
    /// Shared: the kernel is told when what was made from this RAM goes.
    pub const RETAINED: Self = Self(128);

    /// All relations to other cores.
    pub const REMOTE: Self = Self(2 | 4 | 8);
    /// The flags that all copies share.
    pub const SHARED: Self = Self(1 | 2 | 4 | 8 | 16 | 128);
    /// The flags with which an entry must not be used: neighbours, so that one instruction tests for both.
    pub(crate) const UNUSABLE: Self = Self(16 | 32);

    /// Whether one of `wanted` is set.
    #[inline]
    pub const fn has(self, wanted: Self) -> bool {
        self.0 & wanted.0 != 0
    }

    /// The flags in either.
    #[inline]
    pub const fn with(self, more: Self) -> Self {
        Self(self.0 | more.0)
    }

    /// The flags without those.
    #[inline]
    pub const fn without(self, less: Self) -> Self {
        Self(self.0 & !less.0)
    }

    /// The flags in both.
    #[inline]
    pub const fn only(self, mask: Self) -> Self {
        Self(self.0 & mask.0)
    }

    /// As a number.
    #[inline]
    pub const fn bits(self) -> u8 {
        self.0
    }
}

/// What all copies of a capability share.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SharedState {
    /// Core that owns the capability.
    pub owner: CoreId,
    /// [`Flags::SHARED`] ones only.
    pub flags: Flags,
}

/// Children and parent of a node, in two words: an entry's address is a multiple of 64 below 2^48, so each takes 42 bits. All
/// zeroes: none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub(crate) struct Links {
    /// From the lowest bit up: left child (42 bits), upper 22 bits of the parent.
    low: u64,
    /// Right child (42 bits), 2 bits unused, lower 20 bits of the parent.
    high: u64,
}

/// Bits that an address of an entry has without the zeroes at its ends.
const LINK_BITS: u32 = 42;
const LINK_MASK: u64 = (1 << LINK_BITS) - 1;
const PARENT_LOW_BITS: u32 = 20;

impl Links {
    pub(crate) const NONE: Self = Self { low: 0, high: 0 };

    #[inline(always)]
    fn pack(at: Option<CteRef>) -> u64 {
        at.map_or(0, |at| at.0.get() >> 6)
    }

    #[inline(always)]
    fn unpack(bits: u64) -> Option<CteRef> {
        NonZeroU64::new(bits << 6).map(CteRef)
    }

    /// Of a node without children.
    #[inline(always)]
    pub(crate) fn leaf(parent: Option<CteRef>) -> Self {
        let parent = parent.map_or(0, |parent| parent.0.get());
        Self {
            low: parent >> (6 + PARENT_LOW_BITS) << LINK_BITS,
            // An address has no bits below the sixth.
            high: parent << (64 - PARENT_LOW_BITS - 6),
        }
    }

    #[inline(always)]
    pub(crate) fn left(self) -> Option<CteRef> {
        Self::unpack(self.low & LINK_MASK)
    }

    /// Whether there is a child.
    #[inline(always)]
    pub(crate) fn has_children(self) -> bool {
        (self.low | self.high) & LINK_MASK != 0
    }

    /// Whether that is the left child.
    #[inline(always)]
    pub(crate) fn has_left(self, at: CteRef) -> bool {
        (self.low << 6 ^ at.0.get()) & LINK_MASK << 6 == 0
    }

    #[inline(always)]
    pub(crate) fn right(self) -> Option<CteRef> {
        Self::unpack(self.high & LINK_MASK)
    }

    #[inline(always)]
    pub(crate) fn parent(self) -> Option<CteRef> {
        // As one number of 128 bits, from which the processor extracts in one instruction.
        let both = u128::from(self.low >> LINK_BITS) << 64 | u128::from(self.high);
        Self::unpack((both >> (64 - PARENT_LOW_BITS)) as u64)
    }

    /// The right child or the left one.
    #[inline(always)]
    pub(crate) fn child(self, right: bool) -> Option<CteRef> {
        if right { self.right() } else { self.left() }
    }

    #[inline(always)]
    pub(crate) fn set_child(&mut self, right: bool, at: Option<CteRef>) {
        let word = if right { &mut self.high } else { &mut self.low };
        *word = *word & !LINK_MASK | Self::pack(at);
    }

    #[inline(always)]
    pub(crate) fn set_parent(&mut self, at: Option<CteRef>) {
        let parent = Self::pack(at);
        self.low = self.low & LINK_MASK | parent >> PARENT_LOW_BITS << LINK_BITS;
        self.high = self.high & LINK_MASK | parent << (64 - PARENT_LOW_BITS);
    }
}

/// The entry's place in the database, in one byte. 0: it is not there.
///
/// Of copies only the first is a node of the tree and has a rank (stored plus 1: what is missing counts as -1); the others follow it in
/// a ring.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(transparent)]
pub(crate) struct Shape(u8);

impl Shape {
    pub(crate) const NONE: Self = Self(0);
    /// A node without children and copies: rank 0.
    pub(crate) const LEAF: Self = Self(1);
    /// Not the first of several copies: no node.
    pub(crate) const FOLLOWER: Self = Self(Self::RING | Self::RANK);
    const RANK: u8 = 127;
    const RING: u8 = 128;

    #[inline(always)]
    pub(crate) fn in_database(self) -> bool {
        self.0 != 0
    }

    /// It has copies.
    #[inline(always)]
    pub(crate) fn has_copies(self) -> bool {
        self.0 & Self::RING != 0
    }

    /// A copy comes before it.
    #[inline(always)]
    pub(crate) fn is_follower(self) -> bool {
        self == Self::FOLLOWER
    }

    #[inline(always)]
    pub(crate) fn set_copies(&mut self, has: bool) {
        self.0 = self.0 & Self::RANK | if has { Self::RING } else { 0 };
    }

    /// The rank plus 1.
    #[inline(always)]
    pub(crate) fn level(self) -> u8 {
        self.0 & Self::RANK
    }

    /// One rank higher. Ranks stay below 1.45 log2 of all insertions there ever were.
    #[inline(always)]
    pub(crate) fn promote(&mut self) {
        self.0 = self.0.wrapping_add(1);
    }

    /// One rank lower; it is not the lowest.
    #[inline(always)]
    pub(crate) fn demote(&mut self) {
        self.0 = self.0.wrapping_sub(1);
    }

    /// Takes the rank of that node.
    #[inline(always)]
    pub(crate) fn set_level_of(&mut self, other: Self) {
        self.0 = self.0 & Self::RING | other.0 & Self::RANK;
    }
}

/// Bits of an address in a ring.
const RING_BITS: u32 = 48;
const RING_MASK: u64 = (1 << RING_BITS) - 1;

/// A slot. All zeroes: empty.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Cte {
    pub(crate) cap: Capability,
    pub(crate) links: Links,
    /// Largest end address in the subtree, of what has an address; of a node only, as `links` and `root`.
    pub(crate) max_end: u64,
    /// Rank and copies; 0: not in the database.
    pub(crate) shape: Shape,
    pub(crate) flags: Flags,
    pub(crate) owner: CoreId,
    /// Type root of the capability: the first sort key, at hand.
    pub(crate) root: u8,
    /// Progress of a stepped operation on this entry, with `link`; of several copies: the ring, with `link`.
    pub(crate) page: u32,
    /// Progress of a stepped operation on this entry, which then has no copies; what it counts is the operation's affair. Of
    /// several copies: from the lowest bit up, the next copy's address (48 bits), the upper 10 bits of the previous one's, of
    /// which `page` has the lower 32 (without the zeroes at its end). The first comes behind the last.
    pub(crate) link: u64,
}

const _: () = {
    assert!(size_of::<Cte>() as u64 == SLOT_BYTES);
    assert!(size_of::<Capability>() == 24);
    assert!(offset_of!(Cte, links) == 24);
    assert!(offset_of!(Cte, max_end) == 40);
    assert!(offset_of!(Cte, shape) == 48);
    assert!(offset_of!(Cte, link) == 56);
};

impl Default for Cte {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl Cte {
    /// An empty slot.
    pub const EMPTY: Self = Self {
        cap: Capability::NULL,
        links: Links::NONE,
        max_end: 0,
        shape: Shape::NONE,
        flags: Flags::NONE,
        owner: CoreId(0),
        root: 0,
        page: 0,
        link: 0,
    };

    /// The capability; Null when the slot is empty.
    #[inline]
    pub fn cap(&self) -> &Capability {
        &self.cap
    }

    /// Whether the slot is empty.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.cap.objtype() == kpi::cap::ObjType::Null
    }

    /// Own flags; shared ones are meaningful in the first copy only.
    #[inline]
    pub fn flags(&self) -> Flags {
        self.flags
    }

    /// Whether the entry may be used: it is neither half made nor half deleted.
    #[inline]
    pub(crate) fn is_usable(&self) -> bool {
        !self.flags.has(Flags::UNUSABLE)
    }

    #[inline]
    pub(crate) fn shared(&self) -> SharedState {
        SharedState {
            owner: self.owner,
            flags: self.flags.only(Flags::SHARED),
        }
    }

    #[inline]
    pub(crate) fn set_shared(&mut self, state: SharedState) {
        self.owner = state.owner;
        self.flags = self
            .flags
            .without(Flags::SHARED)
            .with(state.flags.only(Flags::SHARED));
    }

    /// The next copy; behind the last the first. `None`: there are none.
    #[inline(always)]
    pub(crate) fn next_copy(&self) -> Option<CteRef> {
        if self.shape.has_copies() {
            NonZeroU64::new(self.link & RING_MASK).map(CteRef)
        } else {
            None
        }
    }

    /// The previous copy; before the first the last. `None`: there are none.
    #[inline(always)]
    pub(crate) fn previous_copy(&self) -> Option<CteRef> {
        if self.shape.has_copies() {
            let upper = self.link >> RING_BITS << 38;
            NonZeroU64::new(upper | u64::from(self.page) << 6).map(CteRef)
        } else {
            None
        }
    }

    /// Sets the next copy, and that there are some.
    #[inline(always)]
    pub(crate) fn set_next_copy(&mut self, at: CteRef) {
        self.shape.set_copies(true);
        self.link = self.link & !RING_MASK | at.0.get();
    }

    /// Sets the previous copy, and that there are some.
    #[inline(always)]
    pub(crate) fn set_previous_copy(&mut self, at: CteRef) {
        self.shape.set_copies(true);
        self.link = self.link & RING_MASK | at.0.get() >> 38 << RING_BITS;
        self.page = (at.0.get() >> 6) as u32;
    }

    /// The slot, which was empty, holds a copy that comes between these two.
    #[inline(always)]
    pub(crate) fn become_copy(&mut self, own: Flags, previous: CteRef, next: CteRef) {
        self.shape = Shape::FOLLOWER;
        self.flags = own;
        self.owner = CoreId(0);
        self.root = 0;
        self.page = (previous.0.get() >> 6) as u32;
        self.link = previous.0.get() >> 38 << RING_BITS | next.0.get();
    }

    /// There are no copies any more.
    #[inline(always)]
    pub(crate) fn leave_ring(&mut self) {
        self.shape.set_copies(false);
        self.link = 0;
        self.page = 0;
    }

    /// Whether the entry waits for the steps of its deletion: a last copy of what holds entries itself.
    #[inline]
    pub(crate) fn is_staged(&self) -> bool {
        self.flags.has(Flags::IN_DELETE) && holds_entries(self.cap.objtype())
    }

    /// The entry behind this one in the list it is staged in.
    #[inline]
    pub(crate) fn next_staged(&self) -> Option<CteRef> {
        NonZeroU64::new(self.link).map(CteRef)
    }

    /// Puts `next` behind this entry.
    #[inline]
    pub(crate) fn set_next_staged(&mut self, next: Option<CteRef>) {
        self.link = next.map_or(0, |next| next.0.get());
    }

    /// Empties the slot.
    #[inline]
    pub(crate) fn clear(&mut self) {
        *self = Self::EMPTY;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_keeps_two_addresses_apart() {
        let addresses = [64, 0xffff_ffff_ffc0, 0x1234_5678_9ac0, 0x8000_0000_0000];
        let entry = |address| CteRef(NonZeroU64::new(address).unwrap());
        for next in addresses {
            for previous in addresses {
                let mut cte = Cte::EMPTY;
                cte.shape = Shape::LEAF;
                assert_eq!((cte.next_copy(), cte.previous_copy()), (None, None));
                cte.set_next_copy(entry(next));
                cte.set_previous_copy(entry(previous));
                cte.set_next_copy(entry(next));
                assert_eq!(cte.next_copy(), Some(entry(next)));
                assert_eq!(cte.previous_copy(), Some(entry(previous)));
                assert_eq!(cte.shape.level(), 1);
            }
        }
    }

    #[test]
    fn links_keep_three_addresses_apart() {
        let entry = |address: u64| NonZeroU64::new(address).map(CteRef);
        let addresses = [0, 64, 0xffff_ffff_ffc0, 0x1234_5678_9ac0, 0x8000_0000_0000];
        for left in addresses {
            for right in addresses {
                for parent in addresses {
                    let mut links = Links::leaf(entry(!parent & 0xffff_ffff_ffc0));
                    links.set_child(false, entry(left));
                    links.set_child(true, entry(right));
                    links.set_parent(entry(parent));
                    assert_eq!(links.left(), entry(left));
                    assert_eq!(links.right(), entry(right));
                    assert_eq!(links.parent(), entry(parent));
                }
            }
        }
    }
}
