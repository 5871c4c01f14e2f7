//! What init is told about the machine: a frame at [`crate::layout::INIT_BOOTINFO`].

use crate::coredata::CoreData;

/// Regions that fit in the frame.
pub const MAX_REGIONS: usize = 300;
/// Stages of [`BootInfo::timeline`].
pub const BOOT_STAGES: usize = 8;

/// Index into [`BootInfo::timeline`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub enum BootStage {
    /// First instruction of the boot driver.
    BootDriver = 0,
    /// First line of the CPU driver.
    CpuDriver = 1,
    /// Capabilities of memory and modules made.
    Capabilities = 2,
    /// init dispatched for the first time.
    Init = 3,
}

impl BootStage {
    /// Stages the kernel stamps, in order.
    pub const ALL: [Self; 4] = [
        Self::BootDriver,
        Self::CpuDriver,
        Self::Capabilities,
        Self::Init,
    ];

    /// Name for people and records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BootDriver => "boot driver",
            Self::CpuDriver => "CPU driver",
            Self::Capabilities => "capabilities",
            Self::Init => "init",
        }
    }
}

/// Kind of a [`MemRegion`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum RegionType {
    /// Free RAM: a RAM capability in SUPERCN at `slot`.
    Empty = 0,
    /// Memory the kernel and init were built from: no capability.
    RootTask = 1,
    /// Device memory: a PhysAddr capability in PACN at `slot`.
    PhyAddr = 2,
    /// Boot module: a Frame in MODULECN at `slot`, its command line at `string_offset` of the strings frame.
    Module = 4,
}

impl RegionType {
    /// The kind with that number.
    pub const fn from_u32(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Empty),
            1 => Some(Self::RootTask),
            2 => Some(Self::PhyAddr),
            4 => Some(Self::Module),
            _ => None,
        }
    }
}

/// A region of physical memory.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct MemRegion {
    /// First address.
    pub base: u64,
    /// Bytes, page-rounded.
    pub bytes: u64,
    /// Modules: bytes of the file.
    pub module_bytes: u64,
    /// [`RegionType`] as a number.
    pub kind: u32,
    /// Slot in the CNode that belongs to the kind.
    pub slot: u32,
    /// Modules: where the command line starts in the strings frame.
    pub string_offset: u32,
    /// Modules: bytes of the command line.
    pub string_bytes: u32,
}

/// The boot information.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct BootInfo {
    /// [`crate::ABI_VERSION`] of the kernel.
    pub abi_version: u32,
    /// Valid entries of `regions`.
    pub regions_length: u32,
    /// Cores that the device tree lists.
    pub cores: u32,
    /// This core.
    pub core_id: u32,
    /// Frequency of the counter, Hz.
    pub counter_hz: u64,
    /// Counter (CNTVCT) at each [`BootStage`], 0 = not reached.
    pub timeline: [u64; BOOT_STAGES],
    /// Bytes of RAM the device tree names.
    pub ram_bytes: u64,
    /// The record that the kernel was started with: what the machine has, for those who start other cores.
    pub core_data: CoreData,
    /// The regions.
    pub regions: [MemRegion; MAX_REGIONS],
}

const _: () = assert!(core::mem::size_of::<BootInfo>() as u64 <= crate::layout::BOOTINFO_BYTES);
