//! Levels of page tables.

use kpi::layout::{BASE_PAGE_SIZE, HUGE_PAGE_SIZE, LARGE_PAGE_SIZE, PTABLE_ENTRIES};

/// Bytes that an entry covers of a table of level 0 to 3.
#[must_use]
pub const fn entry_bytes(level: u8) -> u64 {
    match level {
        0 => HUGE_PAGE_SIZE * PTABLE_ENTRIES,
        1 => HUGE_PAGE_SIZE,
        2 => LARGE_PAGE_SIZE,
        _ => BASE_PAGE_SIZE,
    }
}

/// Index of the entry of a table of that level that covers an address.
#[must_use]
pub const fn entry_of(level: u8, address: u64) -> u16 {
    (address / entry_bytes(level) % PTABLE_ENTRIES) as u16
}

/// The first address that the table of level 1 to 3 covers that covers this one.
pub(crate) const fn table_base(level: u8, address: u64) -> u64 {
    address & !(entry_bytes(level.saturating_sub(1)) - 1)
}

/// Sizes of what an entry can map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PageSize {
    /// 4 KiB.
    Base,
    /// 2 MiB.
    Large,
    /// 1 GiB.
    Huge,
}

impl PageSize {
    /// All, the smallest first.
    pub const ALL: [Self; 3] = [Self::Base, Self::Large, Self::Huge];

    /// Level of the tables whose entries map it.
    #[must_use]
    pub const fn level(self) -> u8 {
        match self {
            Self::Base => 3,
            Self::Large => 2,
            Self::Huge => 1,
        }
    }

    /// What entries of tables of level 1 to 3 map.
    pub(crate) const fn of_level(level: u8) -> Self {
        match level {
            1 => Self::Huge,
            2 => Self::Large,
            _ => Self::Base,
        }
    }

    /// How large it is.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        entry_bytes(self.level())
    }
}
