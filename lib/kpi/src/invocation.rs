//! The commands of every capability type, and what their argument words mean.
//!
//! Arguments are listed from x2 on (x1 names the invoked capability). `argc` counts x0 and x1 too; a wrong count is
//! `SYS_ERR_INVARGS_SYSCALL`, an unknown command `SYS_ERR_ILLEGAL_INVOCATION`. Lookup errors are pushed below the error
//! named for the argument. Addresses of roots are looked up at level L2 in the caller's CSpace.
//!
//! The book's reference is made from these comments. After `Errors:` come a command's own errors, in the order of the tests, in
//! backticks and without `SYS_ERR_`; what every command can answer (see above) is left out. Some test must expect each of them
//! and say so: `docs/tests/book/commands.rs`.

mod words;

pub use words::{CapFacts, CapPosition, MapWord, PageRunWord, RetypeWord};

macro_rules! commands {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $number:literal, argc $argc:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        pub enum $name { $($(#[$vdoc])* $variant = $number,)* }

        impl $name {
            /// Every command.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Every command: number, words of the call, name.
            pub const TABLE: &'static [(u8, u8, &'static str)] = &[$(($number, $argc, stringify!($variant))),*];

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
        /// dest root, dest CNode, dest slot, source root, source, dest level, source level. Errors: `SOURCE_ROOTCN_LOOKUP`,
        /// `SOURCE_CAP_LOOKUP`, `DEST_ROOTCN_LOOKUP` (each over a lookup's error), `CNODE_NOT_ROOT` (a root is no L1CNode); of the
        /// destination: `DEST_CNODE_LOOKUP` (over a lookup's error), `CNODE_TYPE` (no CNode), `DEST_TYPE_INVALID` (an L1CNode takes
        /// only L2CNodes and KernelControlBlocks), `CNODE_RIGHTS`, `SLOTS_INVALID`, `SLOT_IN_USE`.
        Copy = 0, argc 9;
        /// As Copy, then two parameters. EndPointLMP: buffer offset in the frame, (iftype << 16) | buffer words. EndPointUMP:
        /// iftype. Others: rights mask. Errors: as Copy; of endpoints: `INVALID_SOURCE_TYPE` (has a buffer already),
        /// `DEST_CAP_RIGHTS` (made from a Dispatcher that was not writable), `INVALID_EPLEN` (too short, not aligned to 8, over the shared structure or beyond the frame).
        Mint = 1, argc 11;
        /// source root, source, byte offset, [`RetypeWord`](super::RetypeWord), object bytes, count, dest root, dest CNode,
        /// dest slot. The kernel may restart the call (it looks like one call to the user). Errors: lookups as Copy;
        /// `CAP_LOCKED`, `INVALID_RETYPE` (no such type), `RETYPE_INVALID_OFFSET` (alignment), `INVALID_SIZE`,
        /// `RETYPE_MAPPING_EXPLICIT`, `INVALID_RETYPE` (not from this source), `RETRY_THROUGH_MONITOR`, `INVALID_SIZE` (0, or larger
        /// than the source), `RETYPE_INVALID_COUNT` (0, more than fit, more than 256), `RETYPE_INVALID_OFFSET` (end),
        /// `RETYPE_INVALID_OBJSIZE` (IRQSrc), the destination's as Copy, `DOMAIN_SPACE_EXHAUSTED`, `REVOKE_FIRST`, `SLOTS_IN_USE`.
        Retype = 2, argc 11;
        /// address, level (1 or 2). The kernel may restart the call. Errors: `CAP_LOCKED`, `RETRY_THROUGH_MONITOR`.
        Delete = 3, argc 4;
        /// address, level (1 or 2). The kernel may restart the call. Errors: `CAP_RIGHTS` (lacks WRITE), `CAP_LOCKED`,
        /// `RETRY_THROUGH_MONITOR`.
        Revoke = 4, argc 4;
        /// type (ID), object bytes (not used), dest CNode, dest level, dest slot. Errors: `TYPE_NOT_CREATABLE`; the destination's as
        /// Copy, but `SLOTS_IN_USE`; `ID_SPACE_EXHAUSTED`.
        Create = 5, argc 7;
        /// address, level. Result: bit 0 foreign, bit 1 busy.
        GetState = 6, argc 4;
        /// Result: bytes of the CNode's slots.
        GetSize = 7, argc 2;
        /// new root, return CNode (in the root, level L1), return slot. Invoked on the caller's own root CNode: copies what lies in
        /// it into the new, larger one, puts a copy of the old root into the return slot, and makes the new one the caller's root, also
        /// in slot ROOTCN of the task CNode. The kernel may restart the call; until the last step nothing has changed for anybody
        /// but who looks into the new CNode. Errors: `CNODE_NOT_ROOT` (not the caller's root), `RESIZE_NOT_L1`, `CNODE_RIGHTS` (the
        /// old must be readable and writable, the new have all rights), `INVALID_SIZE` (not larger); the destination's as Copy, for
        /// the return slot; `CAP_LOCKED` (something in the root is half made or half deleted), `SLOTS_IN_USE` (the new CNode holds
        /// something else; what was copied stays in it).
        Resize = 8, argc 5;
        /// address, level. Result: the capability in x1..x3, kernel-private parts blanked. **Barreleye**: in registers.
        CapIdentify = 9, argc 4;
    }
}

commands! {
    /// Commands of VNode_AARCH64_l0 to l3. CleanDirtyBits 3, CopyRemap 4 and Inherit 5 are not for AArch64.
    VNodeCommand {
        /// source root ([`OWN_CSPACE`](super::OWN_CSPACE) too), source, page flags, byte offset, entries, mapping root (as source root),
        /// mapping CNode, [`MapWord`](super::MapWord). Of memory at most 64 pages, and no blocks, a call with NOCACHE. Errors:
        /// `DEST_CAP_RIGHTS` (table not writable), `SOURCE_ROOTCN_LOOKUP`, `CNODE_NOT_ROOT`, `SOURCE_CAP_LOOKUP`, `DEST_ROOTCN_LOOKUP`,
        /// `DEST_CNODE_LOOKUP` (each over a lookup's error), `DEST_TYPE_INVALID` (the Mapping goes into an L2CNode), `SLOT_IN_USE`,
        /// `VNODE_SLOT_INVALID`, `WRONG_MAPPING` (not what this level maps), `FRAME_OFFSET_INVALID` (not inside, or not aligned to page
        /// or block), `VM_MAP_SIZE`, `VM_MAP_RIGHTS`, `VM_MAP_SIZE` (uncached), `VNODE_SLOT_INUSE`.
        Map = 0, argc 10;
        /// mapping address, level: unmaps and deletes the Mapping with all its copies. That empties its slot: the CNodes on the way must be
        /// writable. The kernel may restart the call. Errors: `DEST_CAP_RIGHTS`, the lookup's (`CNODE_RIGHTS`), `WRONG_MAPPING` (no
        /// Mapping, or one of another table), `CAP_LOCKED`.
        Unmap = 1, argc 4;
        /// first entry, entries, page flags: of whatever Mappings of frames they are. Of memory at most 64 pages, and no blocks, a
        /// call with NOCACHE. Errors: `DEST_CAP_RIGHTS`, `VNODE_SLOT_INVALID`, `VM_MAP_SIZE`, `WRONG_MAPPING` (one is empty, leads to a table, or
        /// shows a kernel object), `VM_MAP_RIGHTS` (more than the mapped capability's rights), `VM_MAP_SIZE` (uncached).
        ModifyFlags = 2, argc 5;
    }
}

commands! {
    /// Commands of every Mapping type.
    MappingCommand {
        /// first page or block (relative), their number, page flags. Of memory at most 64 pages, and no blocks, a call with NOCACHE. No
        /// slot changes, so the CNodes on the way need not be writable; and the rights of a Mapping are those of what is mapped, which
        /// limit the flags, so it need not be writable itself.
        /// Errors: `WRONG_MAPPING` (not of a frame), `VM_MAP_OFFSET`, `VM_MAP_SIZE`, `VM_MAP_RIGHTS`, `VM_MAP_SIZE` (uncached).
        Modify = 0, argc 5;
        /// Unmaps and deletes the Mapping with all its copies. That empties its slot: the CNodes on the way must be writable. The kernel
        /// may restart the call. Errors: `CNODE_RIGHTS`, `CAP_LOCKED`.
        Destroy = 1, argc 2;
    }
}

commands! {
    /// Commands of Dispatcher. SetupGuest 3 is not for AArch64.
    DispatcherCommand {
        /// CSpace root, its level, L0 table (in that CSpace), dispatcher frame (in that CSpace), run flag, a dispatcher whose
        /// domain id is inherited (0 = none: a new id). Works once for each dispatcher, which starts disabled, from its disabled area.
        /// Errors: `DISP_CAP_RIGHTS` (lacks WRITE), `DISP_NOT_RUNNABLE` (an address is 0), `DISP_CSPACE_ROOT` (over a lookup's error, or
        /// `SLOT_IN_USE`: set up before), `DISP_CSPACE_INVALID`, `DISP_VSPACE_ROOT`, `DISP_VSPACE_INVALID` (no L0 table, not
        /// writable, or another core's), `DISP_FRAME`, `DISP_FRAME_INVALID` (no Frame in RAM, or not readable and writable), `DISP_FRAME_SIZE` (below
        /// 512 KiB), `DISP_OCAP_LOOKUP`, `DISP_OCAP_TYPE`.
        Setup = 0, argc 8;
        /// ([`TaskType`](super::TaskType) << 16) | weight, deadline, worst-case time, period, first release from now on; times in
        /// microseconds, 100 <= worst-case time <= deadline <= period <= 10^7, release <= 10^7. Best effort has a weight of 1 to
        /// [`WEIGHT_MAX`](super::WEIGHT_MAX) and no times, hard real time times and no weight, soft real time both. Round robin knows best effort
        /// only; the weight is the number of time slices that it gets at a time. Errors: `DISP_CAP_RIGHTS` (lacks WRITE),
        /// `DISP_PROPERTIES` (not such, or nothing that this scheduler knows), `DISP_NOT_RUNNABLE` (real time for one that is not set up, or
        /// dead), `DISP_UTILISATION` (more than nine tenths of the core would be promised).
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
        /// L0 table, its level: what it runs on from now on, also if it is the caller. The kernel may restart the call; if somebody
        /// empties the named slot meanwhile, the answer may be `DISP_VSPACE_ROOT` though the table was exchanged. **Barreleye**.
        /// Errors: `DISP_CAP_RIGHTS` (lacks WRITE), `DISP_NOT_RUNNABLE` (not set up, or dead), `DISP_VSPACE_ROOT` (over a lookup's error),
        /// `DISP_VSPACE_INVALID` (no L0 table, not writable, or another core's).
        SetVSpace = 8, argc 4;
    }
}

/// Task types of [`DispatcherCommand::Properties`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum TaskType {
    /// A share, by weight, of the time that is not promised.
    BestEffort = 0,
    /// Time in each period; what goes beyond is best effort.
    SoftRealTime = 1,
    /// Time in each period, and no more.
    HardRealTime = 2,
}

impl TaskType {
    /// The type of this number.
    pub const fn from_u64(number: u64) -> Option<Self> {
        match number {
            0 => Some(Self::BestEffort),
            1 => Some(Self::SoftRealTime),
            2 => Some(Self::HardRealTime),
            _ => None,
        }
    }
}

/// Largest weight of [`DispatcherCommand::Properties`].
pub const WEIGHT_MAX: u64 = 16;

commands! {
    /// Commands of RAM.
    RamCommand {
        /// Nothing: the cost of an invocation.
        Noop = 0, argc 2;
    }
}

commands! {
    /// Commands of ID.
    IdCommand {
        /// Result: core << 32 | number on that core.
        Identify = 0, argc 2;
    }
}

commands! {
    /// Commands of KernelControlBlock.
    KcbCommand {
        /// Results: physical address, bytes. **Barreleye**: in registers.
        Identify = 0, argc 2;
        /// Replacing a running kernel is not done on AArch64. Errors: `NOT_IMPLEMENTED`.
        Clone = 1, argc 2;
    }
}

commands! {
    /// Commands of IRQTable. Alloc 0, Set 2 and Delete 3 are not for AArch64.
    IrqTableCommand {
        /// level of the dest CNode, dest CNode, dest slot, vector: makes an IRQDest for an interrupt of this core (its number in
        /// the GIC, from 16 on). Errors: `DEST_CAP_RIGHTS` (IRQTable not writable), `IRQ_INVALID` (no such interrupt, or the
        /// kernel's own: software-generated ones, the timer); the destination's as CNode Copy.
        AllocDestCap = 1, argc 6;
    }
}

commands! {
    /// Commands of IRQDest.
    IrqDestCommand {
        /// endpoint, trigger (0 level, 1 rising edge): the interrupt is let happen, and each time sends an empty message to the
        /// endpoint and stays masked until Ack. Replaces an earlier endpoint; ends with the endpoint. Errors: `DEST_CAP_RIGHTS`
        /// (IRQDest not writable), `IRQ_WRONG_CONTROLLER` (another core's), `IRQ_LOOKUP` (over a lookup's error),
        /// `IRQ_NOT_ENDPOINT`, `IRQ_NO_LISTENER` (endpoint without buffer, dispatcher not set up), `IRQ_INVALID` (no such vector
        /// or trigger).
        Connect = 0, argc 4;
        /// Result: the vector.
        GetVector = 1, argc 2;
        /// Result: the core.
        GetCpu = 2, argc 2;
        /// The driver has served the device: the interrupt may happen again. **Barreleye**. Errors: `DEST_CAP_RIGHTS`,
        /// `IRQ_WRONG_CONTROLLER`, `IRQ_NO_LISTENER` (not connected).
        Ack = 3, argc 2;
    }
}

/// The interrupt by which one core wakes another: software-generated. Each core's monitor connects its own.
pub const NOTIFICATION: u32 = 7;

commands! {
    /// Commands of IPI.
    IpiCommand {
        /// hardware identity (MPIDR affinity) of a core that is off, CPU type (7: ARMv8), physical entry point, physical address of its
        /// argument, use of HVC (not used: the kernel knows the conduit). PSCI CPU_ON: the core starts in EL1 or EL2, MMU off, the
        /// argument in x0. Who holds IPI is trusted with that. Errors: `DEST_CAP_RIGHTS` (IPI not writable),
        /// `ARCHITECTURE_NOT_SUPPORTED`, `PSCI_ERR_INVALID_ADDRESS` (the entry point is not in RAM, or not aligned to 4),
        /// `PSCI_ERR_INVALID_PARAMETER` (no such core), `PSCI_ERR_ALREADY_ON`, and what else the firmware answers.
        SendStart = 0, argc 7;
        /// There is no INIT interrupt on AArch64. Errors: `NOT_IMPLEMENTED`.
        SendInit = 1, argc 2;
        /// hardware identity. Result: 0 when that core is on, 1 when it is off, 2 when it is being started (PSCI AFFINITY_INFO).
        /// **Barreleye**. Errors: `PSCI_ERR_INVALID_PARAMETER` (no such core), and what else the firmware answers.
        GetState = 2, argc 3;
        /// hardware identity: interrupt [`NOTIFICATION`] happens on that core, once for any number of calls until it is taken there. On none if there is no
        /// such core. **Barreleye**. Errors: `DEST_CAP_RIGHTS`, `PSCI_ERR_INVALID_PARAMETER` (no identity of a core).
        Notify = 3, argc 3;
    }
}

commands! {
    /// Commands of PerfMon: this core's event counters. They count EL0 and EL1, all dispatchers together. Every program
    /// may read the cycle counter (PMCCNTR_EL0) without it.
    PerfMonCommand {
        /// counter, event (Arm ARM D13.12): sets the counter to 0 and lets it count. Errors: `DEST_CAP_RIGHTS` (PerfMon not
        /// writable), `PERFMON_NOT_AVAILABLE` (no such counter or event).
        Activate = 0, argc 4;
        /// counter, value. Errors: `DEST_CAP_RIGHTS`, `PERFMON_NOT_AVAILABLE`.
        Write = 1, argc 4;
        /// counter: stops it. Errors: `DEST_CAP_RIGHTS`, `PERFMON_NOT_AVAILABLE`.
        Deactivate = 2, argc 3;
        /// counter. Result: its value (32 bits). **Barreleye**. Errors: `PERFMON_NOT_AVAILABLE`.
        Read = 3, argc 3;
    }
}

commands! {
    /// Commands of Kernel: the monitor's (until it exists, init's) authority over this core. Numbers above 34 are
    /// **Barreleye**'s. "raw" is a capability in three words, as IdentifyCap gives it. The other numbers up to 34 mean nothing here:
    /// SetupTrace 10, SyncTimer 26, IPI_Register 27, IPI_Delete 28, GetGlobalPhys 29, AddKcb 30, RemoveKcb 31, SuspendKcb 32, and
    /// ReclaimRAM 34, because deleting makes no RAM capabilities: memory managers keep an ancestor.
    KernelCommand {
        /// As IPI SendStart. Errors: as there.
        SpawnCore = 0, argc 7;
        /// address, level, in the caller's CSpace. Result: raw capability, kernel-private parts too.
        IdentifyCap = 1, argc 4;
        /// root, its level, address, level. Result: as IdentifyCap.
        IdentifyDomainsCap = 2, argc 6;
        /// root, its level, address, level, relations | mask << 8: sets those relations to other cores that are in the mask, for all
        /// copies. Result: the relations then: 1 copies, 2 ancestors, 4 descendants. Errors: `CAP_NOT_FOUND`.
        RemoteRelations = 3, argc 7;
        /// address, level, mask. Result: which of these relatives the capability has on this core: 1 copies, 2 ancestors,
        /// 4 descendants.
        CapHasRelations = 4, argc 5;
        /// dest CNode, its level, dest slot, owner, raw: makes a capability out of nothing. Errors: `ILLEGAL_DEST_TYPE` (what no
        /// such capability can be made of: Null, Mappings, and objects of the kernel), the destination's as CNode Copy,
        /// `CAPS_ERR_INVALID_ARGS` (not aligned, wraps around, RAM where there is none, cuts through or lies in what cannot be its
        /// ancestor).
        CreateCap = 5, argc 9;
        /// root, dest CNode, its level, dest slot, raw: copies a capability that is on this core already. Errors: `CNODE_NOT_ROOT`,
        /// the destination's as CNode Copy, `CAP_NOT_FOUND`.
        CopyExisting = 6, argc 9;
        /// Result: number of this core.
        GetCoreId = 7, argc 2;
        /// Result: hardware identity (MPIDR affinity).
        GetArchId = 8, argc 2;
        /// address, level: forgets a capability; what other cores have does not matter. The kernel may restart the call. Errors:
        /// `CAP_LOCKED`, `RETRY_THROUGH_MONITOR` (the last copy of what holds capabilities).
        NullifyCap = 9, argc 4;
        /// endpoint: becomes the target of [`KernelNote`](crate::lmp::KernelNote)s. Errors: `IRQ_NOT_ENDPOINT`, `SLOT_IN_USE` (there
        /// is one already).
        Register = 11, argc 3;
        /// dispatcher, id: sets the domain id that notes carry. Errors: `DISP_CAP_INVALID`.
        DomainId = 12, argc 4;
        /// root, its level, address, level. Result: the owning core.
        GetCapOwner = 13, argc 6;
        /// root, its level, address, level, owner: for all copies. Errors: `CORE_NOT_FOUND` (above 254).
        SetCapOwner = 14, argc 7;
        /// root, its level, address, level: all copies, so that nobody deletes, revokes or retypes them. Errors: `CAP_LOCKED`.
        LockCap = 15, argc 6;
        /// root, its level, address, level.
        UnlockCap = 16, argc 6;
        /// root, its level, address, level: deletes the capability, even the last copy of a CNode or Dispatcher, whose
        /// deletion the steps finish. **Barreleye**: no return slot. Errors: `CAP_LOCKED`, `RETRY_THROUGH_MONITOR` (other cores have
        /// copies).
        DeleteLast = 17, argc 6;
        /// address, level: unlocks and removes all copies of another core's capability. The kernel may restart the call. Errors:
        /// `DELETE_REMOTE_LOCAL` (it is this core's).
        DeleteForeigns = 18, argc 4;
        /// root, its level, address, level: the first half of Revoke, whose second half the steps are. Errors: `CAP_RIGHTS`,
        /// `CAP_LOCKED`, `RETRY_THROUGH_MONITOR`.
        RevokeMarkTarget = 19, argc 6;
        /// raw: as RevokeMarkTarget, for a capability of another core: its copies and descendants here, whoever owns them. Errors:
        /// `CAP_NOT_FOUND` (there are none), `CAP_LOCKED`.
        RevokeMarkRelations = 20, argc 5;
        /// Deletes what lies in one marked object. **Barreleye**: no return slot. Errors: `CAP_NOT_FOUND` (nothing is marked), `CAP_LOCKED`
        /// and `RETRY_THROUGH_MONITOR` (all that is marked holds something that is locked, or that other cores have).
        DeleteStep = 21, argc 2;
        /// Gives one object's memory back, when nothing is marked, or when DeleteStep has said that all that is waits; then one that holds
        /// such a thing is marked again instead. **Barreleye**: no return slot. Errors: `CAP_LOCKED` (something is marked),
        /// `CAP_NOT_FOUND` (there is none).
        ClearStep = 22, argc 2;
        /// As CNode Retype, and the source may belong to another core or have descendants there. Errors: as there, but
        /// it does not ask for the monitor.
        Retype = 23, argc 11;
        /// raw. Result: 1 if something on this core was made from it, else 0.
        HasDescendants = 24, argc 5;
        /// raw, byte offset, object bytes, count: whether nothing on this core overlaps what is to be made. Errors:
        /// `RETYPE_INVALID_OFFSET` (not inside), `REVOKE_FIRST`.
        IsRetypeable = 25, argc 8;
        /// Results: architecture (8: ARMv8), MIDR, interrupts of the GIC. **Barreleye**: in registers.
        GetPlatform = 33, argc 2;
        /// Power the machine off; does not return.
        Shutdown = 35, argc 2;
        /// Reset the machine; does not return.
        Reboot = 36, argc 2;
        /// buffer address, bytes (at most [`RECORD_MAX`](super::RECORD_MAX)): prints the record `@@BE1 <nonce> <json>` on a line of
        /// its own. The nonce never leaves the kernel. Errors: `INVARGS_SYSCALL` (too long), `INVALID_USER_BUFFER`.
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
        /// with its table entry, x5 = [`CapFacts`](super::CapFacts). Errors: `CAP_NOT_FOUND` (no live slot is
        /// there, or no more: begin again).
        NextCap = 40, argc 3;
        /// address, level, of a RAM capability: from now on a note `Free` tells when something goes that was made from it, and
        /// not from something else that was. **Barreleye**. Errors: `CAP_LOCKED`, `INVALID_SOURCE_TYPE` (no RAM).
        Retain = 41, argc 4;
    }
}

/// Most bytes of a record's JSON: with `@@BE1`, a nonce of 16 and the line's end it fills 512 bytes.
pub const RECORD_MAX: u64 = 487;

/// Most objects one Retype makes (the slots of an L2CNode).
pub const RETYPE_MAX: u64 = 256;

/// Instead of the address of a root CNode, in [`VNodeCommand::Map`]: the CSpace of the caller, without a look for its root.
pub const OWN_CSPACE: u64 = 0;

#[cfg(test)]
mod tests {
    use super::*;

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
