//! Well-known slots of a domain's CSpace: Barrelfish's numbers.

use crate::addr::CapAddr;

/// Slots of the root CNode. All hold L2CNodes.
pub mod root {
    /// The task CNode: the domain's own objects, see [`super::task`].
    pub const TASKCN: u32 = 0;
    /// Page tables.
    pub const PAGECN: u32 = 1;
    /// 256 RAM capabilities of 4 KiB, for the first steps without a memory server.
    pub const BASE_PAGE_CN: u32 = 2;
    /// RAM capabilities of the machine's free regions (init only).
    pub const SUPERCN: u32 = 3;
    /// Memory of the ELF segments.
    pub const SEGCN: u32 = 4;
    /// PhysAddr capabilities of device regions (init only).
    pub const PACN: u32 = 5;
    /// Boot modules: slot 0 the strings, then one Frame a module (init only).
    pub const MODULECN: u32 = 6;
    /// First of three L2CNodes for the slot allocator.
    pub const SLOT_ALLOC0: u32 = 7;
    /// Second of them.
    pub const SLOT_ALLOC1: u32 = 8;
    /// Third of them.
    pub const SLOT_ALLOC2: u32 = 9;
    /// Mapping capabilities made while the domain was built.
    pub const ROOT_MAPPING: u32 = 10;
    /// Capabilities passed as arguments.
    pub const ARGCN: u32 = 11;
    /// The boot core's KernelControlBlock.
    pub const BSPKCB: u32 = 12;
    /// 64 RAM capabilities of 16 KiB, to build CNodes from early.
    pub const EARLY_CN_CN: u32 = 13;
    /// First slot that libaos may use as it likes.
    pub const FIRST_FREE: u32 = 14;
}

/// Slots of the page CNode of init, whose tables the kernel makes; other domains have only `L0` for sure.
pub mod page {
    /// The L0 table (the root).
    pub const L0: u32 = 0;
    /// The L1 table of its first entry.
    pub const L1: u32 = 1;
    /// The L2 table of that one's first entry.
    pub const L2: u32 = 2;
    /// First of the L3 tables: slot `L3 + n` maps the 2 MiB from n x 2 MiB on.
    pub const L3: u32 = 3;
    /// Number of L3 tables: they reach to [`crate::layout::PROGRAM_LIMIT`].
    pub const L3_TABLES: u32 = 16;
}

/// Slots of the task CNode.
pub mod task {
    /// The task CNode itself.
    pub const TASKCN: u8 = 0;
    /// The domain's dispatcher.
    pub const DISPATCHER: u8 = 1;
    /// The root CNode.
    pub const ROOTCN: u8 = 2;
    /// Endpoint to the domain's monitor, which deletes and revokes for it what the kernel alone does not, and gives it memory.
    /// **Barreleye**: upstream leaves this slot unused. Empty: nobody does that.
    pub const MONITOREP: u8 = 3;
    /// The dispatcher's frame.
    pub const DISPFRAME: u8 = 4;
    /// The IRQTable (init only).
    pub const IRQ: u8 = 5;
    /// The platform's device region as a DevFrame (init only).
    pub const IO: u8 = 6;
    /// The frame of [`crate::bootinfo::BootInfo`] (init only).
    pub const BOOTINFO: u8 = 7;
    /// The Kernel capability (init, monitor).
    pub const KERNELCAP: u8 = 8;
    /// Trace buffer.
    pub const TRACEBUF: u8 = 9;
    /// The arguments page.
    pub const ARGSPAGE: u8 = 10;
    /// Shared frame of two monitors (not on the boot core).
    pub const MON_URPC: u8 = 11;
    /// Session identity.
    pub const SESSIONID: u8 = 12;
    /// File descriptors page.
    pub const FDSPAGE: u8 = 13;
    /// PerfMon.
    pub const PERF_MON: u8 = 14;
    /// System memory.
    pub const SYSMEM: u8 = 15;
    /// Memory to boot a core with.
    pub const COREBOOT: u8 = 16;
    /// IPI: starts cores (init, monitor).
    pub const IPI: u8 = 17;
    /// ProcessManager.
    pub const PROC_MNG: u8 = 18;
    /// The domain's Domain capability.
    pub const DOMAINID: u8 = 19;
    /// Device manager.
    pub const DEVMAN: u8 = 20;
    /// Endpoint of the domain's own dispatcher, to mint others from.
    pub const SELFEP: u8 = 21;
    /// Endpoint to init; in other systems to the monitor.
    pub const INITEP: u8 = 22;
    /// First slot that the domain may use as it likes.
    pub const FIRST_FREE: u8 = 23;
}

/// Address of a task-CNode slot (level L2).
#[inline]
pub const fn task_addr(slot: u8) -> CapAddr {
    CapAddr::new(root::TASKCN, slot)
}

/// The own root CNode (level L2).
pub const ROOTCN: CapAddr = task_addr(task::ROOTCN);
/// The own dispatcher (level L2).
pub const DISPATCHER: CapAddr = task_addr(task::DISPATCHER);
/// The own L0 page table (level L2).
pub const VROOT: CapAddr = CapAddr::new(root::PAGECN, 0);
