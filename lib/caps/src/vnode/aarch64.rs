//! AArch64 stage 1 descriptors, 4 KiB granule (Arm ARM D8.3). Pure: words in, words out.
//!
//! User leaves have AF and nG set and are inner shareable. PXN is always set; UXN unless the page may be executed.
//! **Barreleye** differs from Barrelfish in that EXECUTE is enforced, in that memory outside RAM is Device whatever the flags, and
//! in that there are blocks (2 MiB, 1 GiB) and read-only pages of kernel objects.
//!
//! AF tells leaves from tables. The hardware ignores bits 60 to 55 of a leaf (those above 58 as long as TCR_EL1 gives them no
//! use of their own, which the kernel's does not); there the database keeps what it would have to search for otherwise:
//!
//! | Bits 60:59 | 58 | 57 | 56 | 55 |
//! |---|---|---|---|---|
//! | type that is mapped | 0: memory | block of 1 GiB | may become executable | may become writable |
//! | 0 | 1: kernel object | number of its type, 57:55 | | |

use kpi::addr::PhysAddr;
use kpi::cap::ObjType;
use kpi::layout::BASE_PAGE_SIZE;
use kpi::rights::{CapRights, PageFlags};

/// Bytes of a descriptor.
pub const ENTRY_BYTES: u64 = 8;

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
/// Software: the mapped capability allows writing.
const MAY_WRITE: u64 = 1 << 55;
/// Software: the mapped capability allows execution.
const MAY_EXECUTE: u64 = 1 << 56;
/// Software: a block of level 1.
const GIANT: u64 = 1 << 57;
/// Software: a page of a kernel object, whose number in [`OBJECTS`] is in the three bits below.
const OBJECT: u64 = 1 << 58;
const OBJECT_SHIFT: u32 = 55;
/// Software: what of [`MEMORY`] is mapped.
const MEMORY_SHIFT: u32 = 59;
/// What a change of flags changes.
const CHANGEABLE: u64 = ATTRIBUTE_MASK | AP_READ_ONLY | UXN;

/// The Mapping types of kernel objects that can be looked at.
const OBJECTS: [ObjType; 6] = [
    ObjType::VNodeAarch64L0Mapping,
    ObjType::VNodeAarch64L1Mapping,
    ObjType::VNodeAarch64L2Mapping,
    ObjType::VNodeAarch64L3Mapping,
    ObjType::L1CNodeMapping,
    ObjType::L2CNodeMapping,
];

/// The Mapping types of memory.
const MEMORY: [ObjType; 3] = [
    ObjType::FrameMapping,
    ObjType::EndPointUmpMapping,
    ObjType::DevFrameMapping,
];

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

/// A leaf of a table of level 1 to 3, for memory of a capability with these rights; `flags` as in [`page`].
#[inline]
pub const fn memory_leaf(
    level: u8,
    output: PhysAddr,
    flags: PageFlags,
    memory: MemoryType,
    rights: CapRights,
) -> u64 {
    let mut entry = page(output, flags, memory);
    if rights.contains(CapRights::WRITE) {
        entry |= MAY_WRITE;
    }
    if rights.contains(CapRights::EXECUTE) {
        entry |= MAY_EXECUTE;
    }
    match level {
        3 => entry,
        2 => entry & !TABLE_OR_PAGE,
        _ => entry & !TABLE_OR_PAGE | GIANT,
    }
}

/// [`memory_leaf`] of a page of cached memory that may be read and perhaps written.
#[inline(always)]
pub const fn cached_leaf(output: PhysAddr, writable: bool, rights: CapRights) -> u64 {
    const BLANK: u64 = page(PhysAddr(0), PageFlags::READ, MemoryType::Normal);
    const { assert!(MAY_WRITE == (CapRights::WRITE.0 as u64) << 54) };
    const { assert!(MAY_EXECUTE == (CapRights::EXECUTE.0 as u64) << 54) };
    let permissions = if writable {
        BLANK & !AP_READ_ONLY
    } else {
        BLANK
    };
    permissions | output.0 & ADDRESS_MASK | ((rights.0 >> 1) as u64 & 3) << 55
}

/// A read-only page of a kernel object, mapped by a Mapping of that type; `None` for types that are never shown.
#[inline]
pub fn object_page(output: PhysAddr, mapping: ObjType) -> Option<u64> {
    let number = OBJECTS.iter().position(|known| *known == mapping)?;
    let entry = page(output, PageFlags::READ, MemoryType::Normal);
    Some(entry | OBJECT | (number as u64) << OBJECT_SHIFT)
}

/// The leaf, of a Mapping of that type, which is one of memory.
#[inline]
pub fn mapped_by(leaf: u64, mapping: ObjType) -> u64 {
    let number = MEMORY.iter().position(|known| *known == mapping);
    leaf | (number.unwrap_or(0) as u64) << MEMORY_SHIFT
}

/// The Mapping type of a leaf.
#[inline]
pub fn mapping_of(leaf: u64) -> Option<ObjType> {
    if leaf & OBJECT == 0 {
        MEMORY.get((leaf >> MEMORY_SHIFT & 3) as usize).copied()
    } else {
        OBJECTS.get((leaf >> OBJECT_SHIFT & 7) as usize).copied()
    }
}

/// A change of what leaves of memory permit.
#[derive(Clone, Copy, Debug)]
pub struct FlagChange {
    /// What of [`CHANGEABLE`] a leaf has afterwards.
    normal: u64,
    /// The same for Device.
    device: u64,
    /// Bits that a leaf must have, of those in `tested`.
    needed: u64,
    tested: u64,
    /// Device cannot be executed.
    not_device: bool,
}

impl FlagChange {
    /// The change to these flags; what is Device stays so.
    pub const fn to(flags: PageFlags) -> Self {
        let memory = if flags.contains(PageFlags::NOCACHE) {
            MemoryType::NonCacheable
        } else {
            MemoryType::Normal
        };
        let executed = flags.contains(PageFlags::EXECUTE);
        let mut needed = VALID | ACCESSED;
        if flags.contains(PageFlags::WRITE) {
            needed |= MAY_WRITE;
        }
        if executed {
            needed |= MAY_EXECUTE;
        }
        Self {
            normal: page(PhysAddr(0), flags, memory) & CHANGEABLE,
            device: page(PhysAddr(0), flags, MemoryType::Device) & CHANGEABLE,
            needed,
            tested: needed | OBJECT,
            not_device: executed,
        }
    }

    /// The leaf afterwards. `None`: the mapped capability does not allow it, or it is no leaf of memory.
    #[inline]
    pub const fn of(&self, entry: u64) -> Option<u64> {
        let device = entry & ATTRIBUTE_MASK == (MemoryType::Device as u64) << ATTRIBUTE_SHIFT;
        if entry & self.tested != self.needed || (device && self.not_device) {
            return None;
        }
        let bits = if device { self.device } else { self.normal };
        Some(entry & !CHANGEABLE | bits)
    }
}

/// Whether the descriptor is a leaf of memory, rather than of a kernel object.
#[inline]
pub const fn is_memory(entry: u64) -> bool {
    entry & (VALID | ACCESSED | OBJECT) == VALID | ACCESSED
}

/// A page of cached memory that may be read and perhaps written; `None`: the mapped capability does not allow that, or it is no such page.
#[inline(always)]
pub fn cached_page(entry: u64, writable: bool) -> Option<u64> {
    const PAGE: u64 = VALID | TABLE_OR_PAGE | ACCESSED;
    const { assert!(MemoryType::Normal as u64 == 0) };
    if entry & (PAGE | ATTRIBUTE_MASK | OBJECT) != PAGE || writable && entry & MAY_WRITE == 0 {
        return None;
    }
    let entry = entry | UXN;
    Some(if writable {
        entry & !AP_READ_ONLY
    } else {
        entry | AP_READ_ONLY
    })
}

/// What a leaf permits.
#[inline]
pub const fn flags_of(entry: u64) -> PageFlags {
    let mut flags = PageFlags::READ;
    if entry & AP_READ_ONLY == 0 {
        flags = flags.union(PageFlags::WRITE);
    }
    if entry & UXN == 0 {
        flags = flags.union(PageFlags::EXECUTE);
    }
    if !matches!(memory_of(entry), MemoryType::Normal) {
        flags = flags.union(PageFlags::NOCACHE);
    }
    flags
}

/// How a leaf is cached.
#[inline]
pub const fn memory_of(entry: u64) -> MemoryType {
    match (entry & ATTRIBUTE_MASK) >> ATTRIBUTE_SHIFT {
        0 => MemoryType::Normal,
        1 => MemoryType::Device,
        _ => MemoryType::NonCacheable,
    }
}

/// Whether the descriptor translates, rather than leading to a table.
#[inline]
pub const fn is_leaf(entry: u64) -> bool {
    entry & (VALID | ACCESSED) == VALID | ACCESSED
}

/// Level of the table that a leaf lies in.
#[inline]
pub const fn level_of_leaf(entry: u64) -> u8 {
    if entry & TABLE_OR_PAGE != 0 {
        3
    } else if entry & GIANT != 0 {
        1
    } else {
        2
    }
}

/// Bytes that one entry of a table of that level (0 to 3) translates.
#[inline]
pub const fn entry_bytes(level: u8) -> u64 {
    BASE_PAGE_SIZE << (index_shift(level) - index_shift(3))
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

    fn with_flags(entry: u64, flags: PageFlags) -> Option<u64> {
        FlagChange::to(flags).of(entry)
    }

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
        assert_eq!([1, 2, 3].map(entry_bytes), [1 << 30, 1 << 21, 4096]);
        assert!(!is_leaf(entry));
    }

    #[test]
    fn a_leaf_knows_its_level_and_what_it_may_become() {
        for level in 1..4 {
            let rights = CapRights::READ.union(CapRights::EXECUTE);
            let output = PhysAddr(0x8000_0000);
            let leaf = memory_leaf(level, output, PageFlags::READ, MemoryType::Normal, rights);
            assert!(is_leaf(leaf) && is_memory(leaf));
            for kind in MEMORY {
                let leaf = mapped_by(leaf, kind);
                assert!(is_memory(leaf) && super::output(leaf) == output);
                assert_eq!(mapping_of(leaf), Some(kind));
                let code = with_flags(leaf, PageFlags::READ_EXECUTE).unwrap();
                assert_eq!(mapping_of(code), Some(kind));
            }
            assert_eq!(level_of_leaf(leaf), level);
            assert_eq!(leaf & TABLE_OR_PAGE != 0, level == 3);
            assert_eq!(with_flags(leaf, PageFlags::READ_WRITE), None);
            let code = with_flags(leaf, PageFlags::READ_EXECUTE).unwrap();
            assert_eq!(flags_of(code), PageFlags::READ_EXECUTE);
            assert_eq!(super::output(code), output);
            assert_eq!(with_flags(code, PageFlags::READ), Some(leaf));
            let read_write = FlagChange::to(PageFlags::READ_WRITE);
            for (flags, writable) in [(PageFlags::READ, false), (PageFlags::READ_WRITE, true)] {
                let leaf = memory_leaf(3, output, flags, MemoryType::Normal, rights);
                assert_eq!(cached_leaf(output, writable, rights), leaf);
                assert_eq!(mapped_by(leaf, ObjType::FrameMapping), leaf);
            }
            for rights in [rights, CapRights::ALL] {
                let leaf = memory_leaf(level, output, PageFlags::READ, MemoryType::Normal, rights);
                let page = |writable| cached_page(leaf, writable).filter(|_| level == 3);
                assert_eq!(page(false).is_some(), level == 3);
                assert_eq!(cached_page(leaf, true), page(true));
                assert_eq!(page(true), read_write.of(leaf).filter(|_| level == 3));
            }
            let uncached = PageFlags::READ.union(PageFlags::NOCACHE);
            let uncached = with_flags(leaf, uncached).unwrap();
            assert_eq!(memory_of(uncached), MemoryType::NonCacheable);
            assert_eq!(cached_page(uncached, false), None);
        }
    }

    #[test]
    fn a_device_stays_one_and_an_object_stays_read_only() {
        let rights = CapRights::ALL;
        let device = memory_leaf(3, PhysAddr(0), PageFlags::READ, MemoryType::Device, rights);
        let written = with_flags(device, PageFlags::READ_WRITE).unwrap();
        assert_eq!(memory_of(written), MemoryType::Device);
        let uncached = PageFlags::READ_WRITE.union(PageFlags::NOCACHE);
        assert_eq!(flags_of(written), uncached);
        assert_eq!(with_flags(device, PageFlags::READ_EXECUTE), None);
        for kind in OBJECTS {
            let page = object_page(PhysAddr(0x5000), kind).unwrap();
            assert_eq!(mapping_of(page), Some(kind));
            assert_eq!((level_of_leaf(page), flags_of(page)), (3, PageFlags::READ));
            assert_eq!(with_flags(page, PageFlags::READ), None);
        }
        assert_eq!(object_page(PhysAddr(0), ObjType::FrameMapping), None);
    }
}
