//! Arguments and results of commands that are packed into one word.

use crate::addr::CapAddr;
use crate::rights::PageFlags;

/// What [`KernelCommand::NextCap`](super::KernelCommand::NextCap) says beside the capability: owner 7:0, flags of the first copy 15:8, of this entry 23:16
/// (bits: 0 locked, 1 being deleted, 2 copies, 3 ancestors, 4 descendants on other cores, 5 held by a kernel object, 6 half made).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct CapFacts(pub u64);

impl CapFacts {
    /// Packs the word.
    #[inline]
    pub const fn new(owner: u8, shared: u8, own: u8) -> Self {
        Self(owner as u64 | (shared as u64) << 8 | (own as u64) << 16)
    }

    /// Core that owns the capability.
    #[inline]
    pub const fn owner(self) -> u8 {
        self.0 as u8
    }

    /// An operation across cores is under way.
    #[inline]
    pub const fn is_locked(self) -> bool {
        self.0 & 1 << 8 != 0
    }

    /// It is being deleted in steps.
    #[inline]
    pub const fn is_in_delete(self) -> bool {
        self.0 & 1 << 9 != 0
    }

    /// The slot lies inside a kernel object that uses the capability.
    #[inline]
    pub const fn is_held(self) -> bool {
        self.0 & 1 << 21 != 0
    }

    /// A retype that makes it has not finished.
    #[inline]
    pub const fn is_half_made(self) -> bool {
        self.0 & 1 << 22 != 0
    }
}

/// The packed word of [`CNodeCommand::Retype`](super::CNodeCommand::Retype): type 7:0, level of the destination CNode 23:16, level of the source 31:24.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct RetypeWord(pub u64);

impl RetypeWord {
    /// Packs the word.
    #[inline]
    pub const fn new(objtype: u8, dest_level: u8, source_level: u8) -> Self {
        Self(objtype as u64 | (dest_level as u64) << 16 | (source_level as u64) << 24)
    }

    /// Number of the type to make.
    #[inline]
    pub const fn objtype(self) -> u8 {
        self.0 as u8
    }

    /// Level of the destination CNode.
    #[inline]
    pub const fn dest_level(self) -> u64 {
        self.0 >> 16 & 0xff
    }

    /// Level of the source.
    #[inline]
    pub const fn source_level(self) -> u64 {
        self.0 >> 24 & 0xff
    }
}

/// The packed word of [`VNodeCommand::Map`](super::VNodeCommand::Map): source level 3:0, level of the mapping CNode 7:4, slot for the Mapping
/// capability 15:8, first table entry 31:16.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct MapWord(pub u64);

impl MapWord {
    /// Packs the word.
    #[inline]
    pub const fn new(source_level: u8, mapping_level: u8, mapping_slot: u8, entry: u16) -> Self {
        Self(
            (source_level & 0xf) as u64
                | ((mapping_level & 0xf) as u64) << 4
                | (mapping_slot as u64) << 8
                | (entry as u64) << 16,
        )
    }

    /// Level of the source.
    #[inline]
    pub const fn source_level(self) -> u64 {
        self.0 & 0xf
    }

    /// Level of the CNode that gets the Mapping capability.
    #[inline]
    pub const fn mapping_level(self) -> u64 {
        self.0 >> 4 & 0xf
    }

    /// Both levels at once, for comparing.
    #[inline]
    pub const fn levels(self) -> u64 {
        self.0 & 0xff
    }

    /// Slot that gets the Mapping capability.
    #[inline]
    pub const fn mapping_slot(self) -> u32 {
        (self.0 >> 8 & 0xff) as u32
    }

    /// First entry of the table.
    #[inline]
    pub const fn entry(self) -> u64 {
        self.0 >> 16 & 0xffff
    }
}

/// How [`DispatcherCommand::DumpPTables`](super::DispatcherCommand::DumpPTables) says pages are mapped: page flags 3:0, device memory 4, memory of a kernel object 5, level of
/// the table 9:8 (3: pages, 2: blocks of 2 MiB, 1: of 1 GiB).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct PageRunWord(pub u64);

impl PageRunWord {
    /// Packs the word.
    #[inline]
    pub const fn new(flags: PageFlags, is_device: bool, is_object: bool, level: u8) -> Self {
        Self(
            flags.0 & 0xf | (is_device as u64) << 4 | (is_object as u64) << 5 | (level as u64) << 8,
        )
    }

    /// What is permitted.
    #[inline]
    pub const fn flags(self) -> PageFlags {
        PageFlags(self.0 & 0xf)
    }

    /// Device memory.
    #[inline]
    pub const fn is_device(self) -> bool {
        self.0 & 1 << 4 != 0
    }

    /// Memory of a page table or CNode.
    #[inline]
    pub const fn is_object(self) -> bool {
        self.0 & 1 << 5 != 0
    }

    /// Level of the table.
    #[inline]
    pub const fn level(self) -> u8 {
        (self.0 >> 8 & 3) as u8
    }
}

/// A place in the list that [`DispatcherCommand::DumpCapabilities`](super::DispatcherCommand::DumpCapabilities) makes: capability address 31:0, level 33:32. 0: before all.
/// In an answer bit 63 says that another core owns the capability.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct CapPosition(pub u64);

impl CapPosition {
    /// Before all; also what is answered at the end.
    pub const START: Self = Self(0);

    /// The slot at that address and level (1 or 2).
    #[inline]
    pub const fn new(address: CapAddr, level: u8) -> Self {
        Self(address.0 as u64 | (level as u64) << 32)
    }

    /// Address of the slot.
    #[inline]
    pub const fn address(self) -> CapAddr {
        CapAddr(self.0 as u32)
    }

    /// Its level.
    #[inline]
    pub const fn level(self) -> u64 {
        (self.0 & !Self::FOREIGN) >> 32
    }

    const FOREIGN: u64 = 1 << 63;

    /// The place of a capability that another core owns, or not.
    #[must_use]
    pub const fn with_foreign(self, foreign: bool) -> Self {
        match foreign {
            true => Self(self.0 | Self::FOREIGN),
            false => Self(self.0 & !Self::FOREIGN),
        }
    }

    /// Whether another core owns the capability.
    pub const fn is_foreign(self) -> bool {
        self.0 & Self::FOREIGN != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_words_unpack() {
        let retype = RetypeWord::new(7, 2, 1);
        assert_eq!(
            (retype.objtype(), retype.dest_level(), retype.source_level()),
            (7, 2, 1)
        );
        let map = MapWord::new(2, 1, 0xfe, 511);
        assert_eq!(
            (
                map.source_level(),
                map.mapping_level(),
                map.mapping_slot(),
                map.entry()
            ),
            (2, 1, 0xfe, 511)
        );
    }

    #[test]
    fn words_of_the_lists_unpack() {
        let word = PageRunWord::new(PageFlags::READ_EXECUTE, false, true, 2);
        assert_eq!(word.flags(), PageFlags::READ_EXECUTE);
        assert!(!word.is_device() && word.is_object());
        assert_eq!(word.level(), 2);
        let position = CapPosition::new(CapAddr::new(7, 255), 2);
        assert_eq!(position.address(), CapAddr::new(7, 255));
        assert_eq!(position.level(), 2);
    }

    #[test]
    fn facts_unpack() {
        let facts = CapFacts::new(7, 2, 32);
        assert_eq!(facts.owner(), 7);
        assert!(facts.is_in_delete() && facts.is_held());
        assert!(!facts.is_locked() && !facts.is_half_made());
        assert!(CapFacts::new(0, 1, 64).is_locked() && CapFacts::new(0, 1, 64).is_half_made());
    }
}
