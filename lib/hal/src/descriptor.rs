//! VMSAv8-64 stage 1 translation-table entries, 4 KiB granule (Arm ARM D8.3). Pure numbers: nothing here touches hardware.
//!
//! The kernel uses three memory types; [`MAIR`] fixes their indices for good, so an entry means the same on every core.

/// MAIR_EL1: index 0 Normal write-back (allocating), 1 Device-nGnRnE, 2 Normal non-cacheable.
pub const MAIR: u64 = 0x44_00_ff;

/// Memory type of a mapping: an index into [`MAIR`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum MemoryType {
    /// Normal, inner and outer write-back, read and write allocating.
    Normal = 0,
    /// Device-nGnRnE: neither gathered, reordered nor acknowledged early.
    Device = 1,
    /// Normal, not cached.
    NonCacheable = 2,
}

impl MemoryType {
    /// The AttrIndx field.
    pub const fn bits(self) -> u64 {
        (self as u64) << 2
    }
}

/// The entry is valid.
pub const VALID: u64 = 1;
/// At levels 0 to 2: a table follows (clear: a block). At level 3 set in every page entry.
pub const TABLE_OR_PAGE: u64 = 1 << 1;
/// EL0 may access.
pub const AP_EL0: u64 = 1 << 6;
/// Nobody may write.
pub const AP_READ_ONLY: u64 = 1 << 7;
/// Inner shareable. Ignored for Device and non-cacheable memory, which are always outer shareable.
pub const SH_INNER: u64 = 0b11 << 8;
/// Access flag; without it the first access faults.
pub const ACCESS_FLAG: u64 = 1 << 10;
/// Belongs to the current ASID only.
pub const NOT_GLOBAL: u64 = 1 << 11;
/// Never executable at EL1.
pub const PXN: u64 = 1 << 53;
/// Never executable at EL0.
pub const UXN: u64 = 1 << 54;
/// Where the address of the next table, block or page stands.
pub const ADDRESS_MASK: u64 = 0x0000_ffff_ffff_f000;

/// Entry of level 0 to 2 that points to the table at `table` (page-aligned). It restricts nothing: the last entry decides.
pub const fn table(table: u64) -> u64 {
    table & ADDRESS_MASK | TABLE_OR_PAGE | VALID
}

/// What a mapping permits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Access {
    /// Who may access may also write.
    pub write: bool,
    /// EL1 may execute.
    pub kernel_execute: bool,
    /// EL0 may read.
    pub user: bool,
    /// EL0 may execute.
    pub user_execute: bool,
}

impl Access {
    /// EL1 reads and writes.
    pub const KERNEL_DATA: Self = Self {
        write: true,
        kernel_execute: false,
        user: false,
        user_execute: false,
    };
    /// EL1 reads.
    pub const KERNEL_READ_ONLY: Self = Self {
        write: false,
        ..Self::KERNEL_DATA
    };
    /// EL1 reads and executes.
    pub const KERNEL_TEXT: Self = Self {
        write: false,
        kernel_execute: true,
        ..Self::KERNEL_DATA
    };

    /// The access bits of a block or page entry.
    pub const fn bits(self) -> u64 {
        let mut bits = 0;
        if !self.write {
            bits |= AP_READ_ONLY;
        }
        if self.user {
            bits |= AP_EL0;
        }
        if !self.kernel_execute {
            bits |= PXN;
        }
        if !self.user_execute {
            bits |= UXN;
        }
        bits
    }
}

/// Everything of a block or page entry except address, level and globality.
pub const fn attributes(memory: MemoryType, access: Access) -> u64 {
    let shareable = match memory {
        MemoryType::Normal => SH_INNER,
        MemoryType::Device | MemoryType::NonCacheable => 0,
    };
    memory.bits() | access.bits() | shareable | ACCESS_FLAG | VALID
}

/// Level 1 (1 GiB) or level 2 (2 MiB) block at `address`, which is aligned to its size.
pub const fn block(address: u64, attributes: u64) -> u64 {
    address & ADDRESS_MASK | attributes
}

/// Level 3 page at `address`.
pub const fn page(address: u64, attributes: u64) -> u64 {
    address & ADDRESS_MASK | attributes | TABLE_OR_PAGE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_data_page_is_what_the_manual_says() {
        let entry = page(
            0x4000_1000,
            attributes(MemoryType::Normal, Access::KERNEL_DATA),
        );
        assert_eq!(entry, 0x0060_0000_4000_1703);
    }

    #[test]
    fn device_memory_is_index_one_and_never_executable() {
        let entry = block(
            0x800_0000,
            attributes(MemoryType::Device, Access::KERNEL_DATA),
        );
        assert_eq!(entry, 0x0060_0000_0800_0405);
    }

    #[test]
    fn text_is_read_only_and_user_may_not_run_it() {
        let bits = attributes(MemoryType::Normal, Access::KERNEL_TEXT);
        assert_eq!(bits & (AP_READ_ONLY | PXN | UXN), AP_READ_ONLY | UXN);
    }

    #[test]
    fn a_table_entry_carries_only_the_address() {
        assert_eq!(table(0x4000_2000), 0x4000_2003);
    }
}
