//! What the boot driver tells the CPU driver: one page, filled before the first line of the CPU driver runs.
//!
//! For a core that another one starts, that one fills in a record too, from its own, and the boot driver is entered with it in place of a device
//! tree: `boot_magic` is [`BOOT_MAGIC_PSCI`]; `memory`, `init_file`, `init_line`, `urpc`, `driver_file`, `cmdline` and the two numbers of cores are
//! that core's; `arch_id`, `page_table_root`, `cpu_driver`, `boot_memory`, `window`, `empty_table` and `start_ticks` the boot driver fills in.
//!
//! Every address is physical unless its name says otherwise.

/// Magic of [`CoreData`] on the boot core.
pub const BOOT_MAGIC_BSP: u64 = 0xb001_b000;
/// Magic of [`CoreData`] on a core started by PSCI.
pub const BOOT_MAGIC_PSCI: u64 = 0xb001_b001;

/// Most memory regions.
pub const MAX_MEMORY: usize = 64;
/// Most cores.
pub const MAX_CORES: usize = 64;
/// Most bytes of the kernel command line.
pub const CMDLINE_BYTES: usize = 512;

/// A physical region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Region {
    /// First address.
    pub base: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Region {
    /// First address behind the region; saturates.
    pub const fn end(self) -> u64 {
        self.base.saturating_add(self.bytes)
    }
}

/// How PSCI is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum PsciConduit {
    /// Not available.
    None = 0,
    /// `hvc`.
    Hvc = 1,
    /// `smc`.
    Smc = 2,
}

impl PsciConduit {
    /// The conduit with that number; unknown numbers are `None`.
    pub const fn from_u32(number: u32) -> Self {
        match number {
            1 => Self::Hvc,
            2 => Self::Smc,
            _ => Self::None,
        }
    }
}

/// The record itself.
///
/// All zeroes are a record without anything in it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct CoreData {
    /// [`BOOT_MAGIC_BSP`] or [`BOOT_MAGIC_PSCI`].
    pub boot_magic: u64,
    /// [`crate::ABI_VERSION`] of who filled this in.
    pub abi_version: u32,
    /// [`PsciConduit`] as a number.
    pub psci: u32,
    /// Counter (CNTVCT) at the boot driver's first instruction.
    pub start_ticks: u64,
    /// MPIDR affinity of this core.
    pub arch_id: u64,
    /// Root of the kernel window (TTBR1).
    pub page_table_root: u64,
    /// The relocated CPU driver, all of its memory; its last page is the boot driver's handover code.
    pub cpu_driver: Region,
    /// The boot archive (see crate `bootimage`): holds init and the modules in place. Empty on all cores but the first.
    pub archive: Region,
    /// The device tree blob.
    pub device_tree: Region,
    /// Memory of the boot driver itself: nobody needs it once the CPU driver has set its exception vectors.
    pub boot_memory: Region,
    /// A page for this record, the empty table and the window's tables: in use for good.
    pub window: Region,
    /// The CPU driver's ELF file.
    pub driver_file: Region,
    /// The ELF file of this core's first program.
    pub init_file: Region,
    /// The command line of this core's first program, its name first: UTF-8.
    pub init_line: Region,
    /// Zeroed memory, shared with the core that starts this one, through which the two first programs talk. Empty on the first core.
    pub urpc: Region,
    /// An all-zero page: the level 0 table of an empty user half. TTBR0 names it when the CPU driver is entered.
    pub empty_table: u64,
    /// GIC distributor.
    pub gic_distributor: Region,
    /// GIC redistributors (all cores').
    pub gic_redistributor: Region,
    /// Console UART (PL011).
    pub uart: Region,
    /// Interrupt number of the console (32 + SPI); 0 when the device tree names none.
    pub uart_interrupt: u32,
    /// Interrupt number of the EL1 physical timer.
    pub timer_interrupt: u32,
    /// Valid entries of `cores`.
    pub cores_length: u32,
    /// Valid entries of `memory`.
    pub memory_length: u32,
    /// Valid entries of `ram`.
    pub ram_length: u32,
    /// Valid bytes of `cmdline`.
    pub cmdline_length: u32,
    /// This core's number.
    pub core_id: u32,
    /// The number of the core that starts this one; the own one on the first core.
    pub source_core_id: u32,
    /// MPIDR affinity of every core in the device tree, by the core's number: the first one is number 0, the others follow in the tree's order.
    pub cores: [u64; MAX_CORES],
    /// Free RAM: all RAM minus reserved memory, device tree, archive, CPU driver, boot memory. Page-aligned, ascending,
    /// not overlapping.
    pub memory: [Region; MAX_MEMORY],
    /// All RAM that the window maps as Normal memory, ascending.
    pub ram: [Region; 16],
    /// Kernel command line: the image's arguments, then the device tree's `bootargs`.
    pub cmdline: [u8; CMDLINE_BYTES],
}

const _: () = assert!(core::mem::size_of::<CoreData>() <= 4096);
