//! The commands of every capability type, and what their argument words mean.
//!
//! Arguments are listed from x2 on (x1 names the invoked capability). `argc` counts x0 and x1 too; a wrong count is
//! `SYS_ERR_INVARGS_SYSCALL`, an unknown command `SYS_ERR_ILLEGAL_INVOCATION`. Lookup errors are pushed below the error
//! named for the argument. Addresses of roots are looked up at level L2 in the caller's CSpace.

use crate::addr::CapAddr;
use crate::rights::PageFlags;

macro_rules! commands {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $number:literal, argc $argc:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        pub enum $name { $($(#[$vdoc])* $variant = $number,)* }

        impl $name {
            /// Every command.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The command with that number.
            #[inline]
            pub const fn from_u8(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)* _ => None }
            }

            /// Words of the call, x0 and x1 included.
            #[inline]
            pub const fn argc(self) -> u8 {
                match self { $(Self::$variant => $argc,)* }
            }
        }
    };
}

commands! {
    /// Commands of L1CNode and L2CNode; all but GetSize are meant for a root (L1) CNode: addresses are resolved in it.
    CNodeCommand {
        /// dest root, dest CNode, dest slot, source root, source, dest level, source level.
        Copy = 0, argc 9;
        /// As Copy, then two parameters. EndPointLMP: buffer offset in the frame, (iftype << 16) | buffer words. EndPointUMP:
        /// iftype. Others: rights mask.
        Mint = 1, argc 11;
        /// source root, source, byte offset, [`RetypeWord`](super::RetypeWord), object bytes, count, dest root, dest CNode,
        /// dest slot. The kernel may restart the call (it looks like one call to the user).
        Retype = 2, argc 11;
        /// address, level.
        Delete = 3, argc 4;
        /// address, level. The kernel may restart the call.
        Revoke = 4, argc 4;
        /// type, object bytes, dest CNode, dest level, dest slot.
        Create = 5, argc 7;
        /// address, level. Result: bit 0 foreign, bit 1 busy.
        GetState = 6, argc 4;
        /// Result: bytes of the CNode's slots.
        GetSize = 7, argc 2;
        /// new root, return CNode, return slot.
        Resize = 8, argc 5;
        /// address, level. Result: the capability in x1..x3, kernel-private parts blanked. **Barreleye**: in registers.
        CapIdentify = 9, argc 4;
    }
}

commands! {
    /// Commands of VNode_AARCH64_l0 to l3. CleanDirtyBits 3, CopyRemap 4 and Inherit 5 are not for AArch64.
    VNodeCommand {
        /// source root, source, page flags, byte offset, entries, mapping root, mapping CNode,
        /// [`MapWord`](super::MapWord). At most 64 pages of memory, and no blocks, a call with NOCACHE. Errors:
        /// `DEST_CAP_RIGHTS` (table not writable), `SOURCE_ROOTCN_LOOKUP`, `CNODE_NOT_ROOT`, `SOURCE_CAP_LOOKUP`, `DEST_ROOTCN_LOOKUP`,
        /// `DEST_CNODE_LOOKUP` (each over a lookup's error), `DEST_TYPE_INVALID` (the Mapping goes into an L2CNode), `SLOT_IN_USE`,
        /// `VNODE_SLOT_INVALID`, `WRONG_MAPPING` (not what this level maps), `FRAME_OFFSET_INVALID` (not inside, or not aligned to page
        /// or block), `VM_MAP_SIZE`, `VM_MAP_RIGHTS`, `VNODE_SLOT_INUSE`.
        Map = 0, argc 10;
        /// mapping address, level. The kernel may restart the call. Errors: `DEST_CAP_RIGHTS`, `WRONG_MAPPING` (no Mapping, or one of
        /// another table), `CAP_LOCKED`.
        Unmap = 1, argc 4;
        /// first entry, entries, page flags: of whatever Mappings of frames they are. At most 64 pages, and no blocks, a call with
        /// NOCACHE. Errors: `DEST_CAP_RIGHTS`, `VNODE_SLOT_INVALID`, `VM_MAP_SIZE`, `WRONG_MAPPING` (one is empty, leads to a table, or
        /// shows a kernel object), `VM_MAP_RIGHTS` (more than the mapped capability's rights).
        ModifyFlags = 2, argc 5;
    }
}

commands! {
    /// Commands of every Mapping type.
    MappingCommand {
        /// first page or block (relative), their number, page flags. At most 64 pages, and no blocks, a call with NOCACHE.
        /// Errors: `WRONG_MAPPING` (not of a frame), `VM_MAP_OFFSET`, `VM_MAP_SIZE`, `VM_MAP_RIGHTS`.
        Modify = 0, argc 5;
        /// Unmaps and deletes the Mapping with all its copies. The kernel may restart the call. Errors: `CAP_LOCKED`.
        Destroy = 1, argc 2;
    }
}

commands! {
    /// Commands of Dispatcher. SetupGuest 3 is not for AArch64.
    DispatcherCommand {
        /// CSpace root, its level, L0 table (in that CSpace), dispatcher frame (in that CSpace), run flag, a dispatcher whose
        /// domain id is inherited (0 = none: a new id). Works once for each dispatcher, which starts disabled, from its disabled area.
        /// Errors: `DISP_CAP_RIGHTS` (lacks WRITE), `DISP_NOT_RUNNABLE` (an address is 0), `DISP_CSPACE_ROOT` (over a lookup's error, or
        /// `SLOT_IN_USE`: set up before), `DISP_CSPACE_INVALID`, `DISP_VSPACE_ROOT`, `DISP_VSPACE_INVALID` (no L0 table, or another
        /// core's), `DISP_FRAME`, `DISP_FRAME_INVALID` (no Frame in RAM, or not readable and writable), `DISP_FRAME_SIZE` (below
        /// 512 KiB), `DISP_OCAP_LOOKUP`, `DISP_OCAP_TYPE`.
        Setup = 0, argc 8;
        /// (task type << 16) | weight, deadline, worst-case time, period, release. Only type 0 (best effort), whose other words are 0; the
        /// weight, 1 to [`WEIGHT_MAX`](super::WEIGHT_MAX), is the number of time slices that it gets at a time. Errors:
        /// `DISP_CAP_RIGHTS` (lacks WRITE), `DISP_PROPERTIES`.
        Properties = 1, argc 7;
        /// Counters belong to a core, not to a dispatcher; see the PerfMon capability. Errors: `PERFMON_NOT_AVAILABLE`, always.
        PerfMon = 2, argc 2;
        /// virtual address: what its L0 table maps there or first behind. Results: x1 = virtual address of a run of pages, x2 = its bytes
        /// (0: none found so far), x3 = its physical address, x4 = [`PageRunWord`](super::PageRunWord), x5 = where to go on (2^48: the
        /// end). Errors: `DISP_CAP_RIGHTS` (lacks IDENTIFY), `DISP_VSPACE_INVALID` (it has none, or none any more).
        DumpPTables = 4, argc 3;
        /// [`CapPosition`](super::CapPosition): what its CSpace holds first behind. Results: x1 = position of a filled slot (0: none found
        /// so far), x2..x4 = the capability as CapIdentify shows it, x5 = where to go on (0: the end). Errors:
        /// `DISP_CAP_RIGHTS` (lacks IDENTIFY), `DISP_CSPACE_INVALID` (it has none, or none any more; or over `CAP_LOOKUP_DEPTH`: no position).
        DumpCapabilities = 5, argc 3;
        /// Take it off the scheduler. **Barreleye**. Errors: `DISP_CAP_RIGHTS` (lacks WRITE), `DISP_NOT_RUNNABLE` (not set up, or dead).
        Stop = 6, argc 2;
        /// Put it back. **Barreleye**. Errors: as Stop: `DISP_CAP_RIGHTS`, `DISP_NOT_RUNNABLE`.
        Resume = 7, argc 2;
        /// L0 table, its level: what it runs on from now on, also if it is the caller. The kernel may restart the call. **Barreleye**.
        /// Errors: `DISP_CAP_RIGHTS` (lacks WRITE), `DISP_NOT_RUNNABLE` (not set up, or dead), `DISP_VSPACE_ROOT` (over a lookup's error),
        /// `DISP_VSPACE_INVALID` (no L0 table, or another core's).
        SetVSpace = 8, argc 4;
    }
}

/// Largest weight of [`DispatcherCommand::Properties`].
pub const WEIGHT_MAX: u64 = 16;

commands! {
    /// Commands of Kernel: the monitor's (until it exists, init's) authority over this core. Numbers above 34 are
    /// **Barreleye**'s.
    KernelCommand {
        /// Result: number of this core.
        GetCoreId = 7, argc 2;
        /// Result: hardware identity (MPIDR affinity).
        GetArchId = 8, argc 2;
        /// endpoint: becomes the target of [`KernelNote`](crate::lmp::KernelNote)s.
        Register = 11, argc 3;
        /// dispatcher, id: sets the domain id that notes carry.
        DomainId = 12, argc 4;
        /// root, its level, address, level: deletes the capability, even the last copy of a CNode or Dispatcher, whose
        /// deletion the steps finish. **Barreleye**: no return slot.
        DeleteLast = 17, argc 6;
        /// root, its level, address, level: the first half of Revoke, whose second half the steps are.
        RevokeMarkTarget = 19, argc 6;
        /// Deletes what lies in one marked object. CAP_NOT_FOUND: nothing is marked. **Barreleye**: no return slot.
        DeleteStep = 21, argc 2;
        /// Gives one object's memory back, when nothing is marked. CAP_NOT_FOUND: there is none. **Barreleye**: no return slot.
        ClearStep = 22, argc 2;
        /// Power the machine off; does not return.
        Shutdown = 35, argc 2;
        /// Reset the machine; does not return.
        Reboot = 36, argc 2;
        /// buffer address, bytes (at most [`RECORD_MAX`](super::RECORD_MAX)): prints the record `@@BE1 <nonce> <json>` on a line of
        /// its own. The nonce never leaves the kernel.
        Record = 37, argc 4;
        /// Walks part of the capability database: x2 = 0 starts anew, 1 goes on. Results: 1 if there is more, the number of
        /// violated invariants in this part, capabilities looked at. Only in kernels built with `check`, else
        /// ILLEGAL_INVOCATION.
        CheckInvariants = 38, argc 3;
        /// Results: live capabilities, dispatchers on the scheduler, cycles of the longest kernel entry so far (0 in kernels
        /// built without `check`).
        Statistics = 39, argc 2;
    }
}

/// Most bytes of a record's JSON: with `@@BE1`, a nonce of 16 and the line's end it fills 512 bytes.
pub const RECORD_MAX: u64 = 487;

/// Most objects one Retype makes (the slots of an L2CNode).
pub const RETYPE_MAX: u64 = 256;

/// The packed word of [`CNodeCommand::Retype`]: type 7:0, level of the destination CNode 23:16, level of the source 31:24.
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

/// The packed word of [`VNodeCommand::Map`]: source level 3:0, level of the mapping CNode 7:4, slot for the Mapping
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

/// How [`DispatcherCommand::DumpPTables`] says pages are mapped: page flags 3:0, device memory 4, memory of a kernel object 5, level of
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

/// A place in the list that [`DispatcherCommand::DumpCapabilities`] makes: capability address 31:0, level 33:32. 0: before all.
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
        self.0 >> 32
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
    fn every_command_is_found_by_its_number_and_fits_the_registers() {
        for &command in KernelCommand::ALL {
            assert_eq!(KernelCommand::from_u8(command as u8), Some(command));
        }
        let all = CNodeCommand::ALL
            .iter()
            .map(|c| c.argc())
            .chain(VNodeCommand::ALL.iter().map(|c| c.argc()));
        assert!(all.into_iter().all(|argc| (2..=12).contains(&argc)));
    }
}
