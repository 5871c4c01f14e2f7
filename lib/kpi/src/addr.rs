//! Addresses: physical, virtual, and in capability space.

use core::fmt;

macro_rules! address {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        #[repr(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// Address `bytes` further on, `None` when that leaves the 64-bit space.
            #[inline]
            pub const fn checked_add(self, bytes: u64) -> Option<Self> {
                match self.0.checked_add(bytes) {
                    Some(sum) => Some(Self(sum)),
                    None => None,
                }
            }

            /// Whether the address is a multiple of `alignment` (a power of two).
            #[inline]
            pub const fn is_aligned(self, alignment: u64) -> bool {
                self.0 & alignment.wrapping_sub(1) == 0
            }

            /// The next lower multiple of `alignment` (a power of two).
            #[inline]
            pub const fn align_down(self, alignment: u64) -> Self {
                Self(self.0 & !alignment.wrapping_sub(1))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:#x})"), self.0)
            }
        }
    };
}

address! {
    /// A physical address (Barrelfish `genpaddr_t`).
    PhysAddr
}
address! {
    /// A virtual address of some address space (Barrelfish `genvaddr_t`).
    VirtAddr
}

/// Bits of a [`CapAddr`] that select the slot in an L2CNode.
pub const L2_BITS: u32 = 8;
/// Slots of an L2CNode.
pub const L2_SLOTS: u32 = 1 << L2_BITS;

/// The address of a capability in a CSpace: the upper 24 bits select the slot of the root (L1) CNode, the lower 8 the slot
/// in the L2CNode found there. It means something only together with a [`CapLevel`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[repr(transparent)]
pub struct CapAddr(pub u32);

impl CapAddr {
    /// The address that names no capability.
    pub const NULL: CapAddr = CapAddr(0);

    /// The address of slot `l2` in the L2CNode at root slot `l1`; `l1` must be below 2^24.
    #[inline]
    pub const fn new(l1: u32, l2: u8) -> Self {
        Self((l1 << L2_BITS) | l2 as u32)
    }

    /// Slot in the root CNode.
    #[inline]
    pub const fn l1(self) -> u32 {
        self.0 >> L2_BITS
    }

    /// Slot in the L2CNode.
    #[inline]
    pub const fn l2(self) -> u32 {
        self.0 & (L2_SLOTS - 1)
    }
}

impl fmt::Display for CapAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.l1(), self.l2())
    }
}

/// How far a [`CapAddr`] is resolved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum CapLevel {
    /// The root CNode capability itself.
    Root = 0,
    /// The slot of the root CNode (index: upper 24 bits).
    L1 = 1,
    /// The slot of the L2CNode.
    L2 = 2,
}

impl CapLevel {
    /// The level with that number; `None` for other numbers (the kernel answers `CAP_LOOKUP_DEPTH`).
    #[inline]
    pub const fn from_u64(level: u64) -> Option<Self> {
        match level {
            0 => Some(Self::Root),
            1 => Some(Self::L1),
            2 => Some(Self::L2),
            _ => None,
        }
    }
}

/// A core, by its number in this system (0 is the boot core). Not the hardware's MPIDR.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[repr(transparent)]
pub struct CoreId(pub u8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capability_addresses_split_and_join() {
        let addr = CapAddr::new(0x12_3456, 0x78);
        assert_eq!(addr.0, 0x1234_5678);
        assert_eq!((addr.l1(), addr.l2()), (0x12_3456, 0x78));
        assert_eq!(addr.to_string(), "1193046.120");
    }

    #[test]
    fn addresses_do_not_wrap() {
        assert_eq!(PhysAddr(u64::MAX).checked_add(1), None);
        assert_eq!(PhysAddr(0x1fff).align_down(0x1000), PhysAddr(0x1000));
        assert!(VirtAddr(0x20_0000).is_aligned(0x20_0000));
    }
}
