//! The commands of every capability type, and what their argument words mean.
//!
//! Arguments are listed from x2 on (x1 names the invoked capability). `argc` counts x0 and x1 too; a wrong count is
//! `SYS_ERR_INVARGS_SYSCALL`, an unknown command `SYS_ERR_ILLEGAL_INVOCATION`. Lookup errors are pushed below the error
//! named for the argument. Addresses of roots are looked up at level L2 in the caller's CSpace.

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
    /// Commands of VNode_AARCH64_l0 to l3.
    VNodeCommand {
        /// source root, source, page flags, byte offset, entries, mapping root, mapping CNode,
        /// [`MapWord`](super::MapWord). At most 64 entries a call with NOCACHE.
        Map = 0, argc 10;
        /// mapping address, level.
        Unmap = 1, argc 4;
    }
}

commands! {
    /// Commands of every Mapping type.
    MappingCommand {
        /// first page (relative), pages, page flags. At most 64 pages a call with NOCACHE.
        Modify = 0, argc 5;
    }
}

commands! {
    /// Commands of Dispatcher.
    DispatcherCommand {
        /// CSpace root, its level, L0 table (in that CSpace), dispatcher frame (in that CSpace), run flag, a dispatcher whose
        /// domain id is inherited (0 = none: a new id).
        Setup = 0, argc 8;
        /// Take it off the scheduler. **Barreleye**.
        Stop = 6, argc 2;
        /// Put it back. **Barreleye**.
        Resume = 7, argc 2;
    }
}

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
        /// physical address of a slot of this core, 0 for the start: the capability behind it in database order. Results: x1 =
        /// the physical address of its slot (0: there is none), x2..x4 = the capability as CapIdentify shows it, but of a Mapping
        /// with its table entry, x5 = [`CapFacts`](super::CapFacts). CAP_NOT_FOUND: no live slot is there (any more); begin again.
        NextCap = 40, argc 3;
    }
}

/// What [`KernelCommand::NextCap`] says beside the capability: owner 7:0, flags of the first copy 15:8, of this entry 23:16
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

    #[test]
    fn facts_unpack() {
        let facts = CapFacts::new(7, 2, 32);
        assert_eq!(facts.owner(), 7);
        assert!(facts.is_in_delete() && facts.is_held());
        assert!(!facts.is_locked() && !facts.is_half_made());
        assert!(CapFacts::new(0, 1, 64).is_locked() && CapFacts::new(0, 1, 64).is_half_made());
    }
}
