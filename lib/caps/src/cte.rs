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
    /// The entry at `address`, which is not 0.
    ///
    /// # Safety
    /// `address` is a multiple of 64 below 2^48 and the memory there holds a [`Cte`] that the caller's [`Store`](crate::Store) gives
    /// access to: a slot of a live CNode, or an entry inside a live kernel object.
    #[inline]
    #[expect(
        unsafe_code,
        reason = "making a reference is a promise only the Store can keep"
    )]
    pub const unsafe fn new(address: PhysAddr) -> Self {
        match NonZeroU64::new(address.0) {
            Some(address) => Self(address),
            None => Self(NonZeroU64::MIN),
        }
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
    /// Shared: the last copy is being deleted, in steps. Where it holds entries itself: it is on one of the lists of what is deleted.
    pub const IN_DELETE: Self = Self(2);
    /// Shared: other cores hold copies.
    pub const REMOTE_COPIES: Self = Self(4);
    /// Shared: other cores hold ancestors.
    pub const REMOTE_ANCS: Self = Self(8);
    /// Shared: other cores hold descendants.
    pub const REMOTE_DESCS: Self = Self(16);
    /// Own: the entry lies inside a kernel object that uses the capability (a dispatcher's CSpace root, for example).
    pub const HELD: Self = Self(32);
    /// Own: made by a retype that has not finished; not usable, may be deleted.
    pub const CREATING: Self = Self(64);

    /// All relations to other cores.
    pub const REMOTE: Self = Self(4 | 8 | 16);
    /// The flags that all copies share.
    pub const SHARED: Self = Self(1 | 2 | 4 | 8 | 16);
    /// The flags with which an entry must not be used.
    pub(crate) const UNUSABLE: Self = Self(2 | 64);

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
        let mut links = Self::NONE;
        links.set_parent(parent);
        links
    }

    #[inline(always)]
    pub(crate) fn left(self) -> Option<CteRef> {
        Self::unpack(self.low & LINK_MASK)
    }

    #[inline(always)]
    pub(crate) fn right(self) -> Option<CteRef> {
        Self::unpack(self.high & LINK_MASK)
    }

    #[inline(always)]
    pub(crate) fn parent(self) -> Option<CteRef> {
        let upper = self.low >> LINK_BITS << PARENT_LOW_BITS;
        Self::unpack(upper | self.high >> (64 - PARENT_LOW_BITS))
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

/// What else the database knows of a node, in one byte: which side is higher, and whether its neighbours are copies. 0: not in
/// the database.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(transparent)]
pub(crate) struct Shape(u8);

impl Shape {
    pub(crate) const NONE: Self = Self(0);
    /// The left side is one level higher.
    pub(crate) const LEFT: Self = Self(1);
    /// Both sides are equally high.
    pub(crate) const EVEN: Self = Self(2);
    /// The right side is one level higher.
    pub(crate) const RIGHT: Self = Self(3);
    /// The entry before it in order is a copy.
    pub(crate) const COPY_BEFORE: u8 = 4;
    /// The entry behind it is a copy.
    pub(crate) const COPY_BEHIND: u8 = 8;
    const BALANCE: u8 = 3;
    const COPIES: u8 = 12;

    #[inline(always)]
    pub(crate) fn in_tree(self) -> bool {
        self.0 != 0
    }

    /// [`Self::LEFT`], [`Self::EVEN`] or [`Self::RIGHT`].
    #[inline(always)]
    pub(crate) fn balance(self) -> Self {
        Self(self.0 & Self::BALANCE)
    }

    /// The side that is higher.
    #[inline(always)]
    pub(crate) fn towards(right: bool) -> Self {
        if right { Self::RIGHT } else { Self::LEFT }
    }

    #[inline(always)]
    pub(crate) fn set_balance(&mut self, balance: Self) {
        self.0 = self.0 & !Self::BALANCE | balance.0;
    }

    #[inline(always)]
    pub(crate) fn copy_before(self) -> bool {
        self.0 & Self::COPY_BEFORE != 0
    }

    #[inline(always)]
    pub(crate) fn copy_behind(self) -> bool {
        self.0 & Self::COPY_BEHIND != 0
    }

    /// Whether copies come before or behind: those bits.
    #[inline(always)]
    pub(crate) fn copies(self) -> u8 {
        self.0 & Self::COPIES
    }

    #[inline(always)]
    pub(crate) fn add_copies(&mut self, bits: u8) {
        self.0 |= bits;
    }

    #[inline(always)]
    pub(crate) fn remove_copies(&mut self, bits: u8) {
        self.0 &= !bits;
    }
}

/// A slot. All zeroes: empty.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Cte {
    pub(crate) cap: Capability,
    pub(crate) links: Links,
    /// Largest end address in the subtree, of what has an address.
    pub(crate) max_end: u64,
    /// Balance and copies; 0: not in the tree.
    pub(crate) shape: Shape,
    pub(crate) flags: Flags,
    pub(crate) owner: CoreId,
    /// Type root of the capability, while it is in the tree: the first sort key, at hand.
    pub(crate) root: u8,
    /// Progress of a stepped operation on this entry, with `link`.
    pub(crate) page: u32,
    /// Progress of a stepped operation on this entry; what it counts is the operation's affair.
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
