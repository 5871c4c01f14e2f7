//! AArch64 stage 1 descriptors, 4 KiB granule (Arm ARM D8.3). Pure: words in, words out.
//!
//! User leaves have AF and nG set and are inner shareable. PXN is always set; UXN unless the page may be executed.
//! **Barreleye** differs from Barrelfish in that EXECUTE is enforced, and in that memory outside RAM is Device whatever the flags.

use kpi::addr::PhysAddr;
use kpi::rights::PageFlags;

/// Bit 0 of every descriptor that is used.
pub const VALID: u64 = 1;
/// Bit 1: a table at levels 0 to 2, a page at level 3.
pub const TABLE_OR_PAGE: u64 = 1 << 1;
/// Lowest bit of AttrIndx.
pub const ATTRIBUTE_SHIFT: u32 = 2;
/// AttrIndx.
pub const ATTRIBUTE_MASK: u64 = 7 << ATTRIBUTE_SHIFT;
/// AP\[1\]: EL0 may access.
pub const AP_USER: u64 = 1 << 6;
/// AP\[2\]: read-only.
pub const AP_READ_ONLY: u64 = 1 << 7;
/// SH: inner shareable.
pub const INNER_SHAREABLE: u64 = 3 << 8;
/// Access flag.
pub const ACCESSED: u64 = 1 << 10;
/// Not global: belongs to an ASID.
pub const NOT_GLOBAL: u64 = 1 << 11;
/// Not executable at EL1.
pub const PXN: u64 = 1 << 53;
/// Not executable at EL0.
pub const UXN: u64 = 1 << 54;
/// Output address, bits 47 to 12.
pub const ADDRESS_MASK: u64 = 0x0000_ffff_ffff_f000;

/// Memory types, as indices into MAIR_EL1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum MemoryType {
    /// Normal, write-back.
    Normal = 0,
    /// Device-nGnRnE.
    Device = 1,
    /// Normal, non-cacheable.
    NonCacheable = 2,
}

/// A level 3 descriptor for a user page. `flags` has READ; what it does not have is not permitted.
#[inline]
pub const fn page(output: PhysAddr, flags: PageFlags, memory: MemoryType) -> u64 {
    let mut entry = output.0 & ADDRESS_MASK
        | VALID
        | TABLE_OR_PAGE
        | (memory as u64) << ATTRIBUTE_SHIFT
        | AP_USER
        | INNER_SHAREABLE
        | ACCESSED
        | NOT_GLOBAL
        | PXN;
    if !flags.contains(PageFlags::WRITE) {
        entry |= AP_READ_ONLY;
    }
    if !flags.contains(PageFlags::EXECUTE) {
        entry |= UXN;
    }
    entry
}

/// A level 0 to 2 descriptor that points to the next table.
#[inline]
pub const fn table(next: PhysAddr) -> u64 {
    next.0 & ADDRESS_MASK | VALID | TABLE_OR_PAGE
}

/// Whether the table walker uses the descriptor.
#[inline]
pub const fn is_valid(entry: u64) -> bool {
    entry & VALID != 0
}

/// Where the descriptor leads.
#[inline]
pub const fn output(entry: u64) -> PhysAddr {
    PhysAddr(entry & ADDRESS_MASK)
}

/// Lowest bit of the virtual address that selects an entry at a level (0 to 3).
#[inline]
pub const fn index_shift(level: u8) -> u32 {
    39u32.saturating_sub(9 * level as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writable_page_is_not_executable() {
        let entry = page(
            PhysAddr(0x4_2000_3000),
            PageFlags::READ_WRITE,
            MemoryType::Normal,
        );
        assert_eq!(entry, 0x0060_0004_2000_3f43);
    }

    #[test]
    fn an_executable_page_is_read_only_and_never_for_the_kernel() {
        let entry = page(
            PhysAddr(0x1000),
            PageFlags::READ_EXECUTE,
            MemoryType::Normal,
        );
        assert_eq!(entry, 0x0020_0000_0000_1fc3);
        let device = page(PhysAddr(0x0900_0000), PageFlags::READ, MemoryType::Device);
        assert_eq!(device, 0x0060_0000_0900_0fc7);
        let buffer = page(PhysAddr(0x1000), PageFlags::READ, MemoryType::NonCacheable);
        assert_eq!(buffer & ATTRIBUTE_MASK, 2 << 2);
    }

    #[test]
    fn tables_and_reading_back() {
        let entry = table(PhysAddr(0x8000));
        assert_eq!(entry, 0x8003);
        assert!(is_valid(entry) && !is_valid(0));
        assert_eq!(output(entry), PhysAddr(0x8000));
        assert_eq!([0, 1, 2, 3].map(index_shift), [39, 30, 21, 12]);
    }
}
