//! Sizes and well-known addresses.

use crate::addr::VirtAddr;

/// Smallest page, bytes.
pub const BASE_PAGE_SIZE: u64 = 4096;
/// Bytes mapped by an L2 block.
pub const LARGE_PAGE_SIZE: u64 = 2 << 20;
/// Bytes mapped by an L1 block.
pub const HUGE_PAGE_SIZE: u64 = 1 << 30;
/// Entries of a page table.
pub const PTABLE_ENTRIES: u64 = 512;

/// The kernel window: physical address p is at `KERNEL_OFFSET + p` in the TTBR1 half.
pub const KERNEL_OFFSET: u64 = 0xffff_0000_0000_0000;
/// Bits of a user virtual address.
pub const USER_ADDRESS_BITS: u32 = 48;

/// Bytes of a CNode slot (a CTE).
pub const SLOT_BYTES: u64 = 64;
/// Bytes of an L2CNode; also the unit and the minimum of an L1CNode.
pub const L2CNODE_BYTES: u64 = 16384;

/// Least bytes of a dispatcher frame.
pub const DISPATCHER_FRAME_BYTES: u64 = 512 << 10;
/// Bytes of the arguments page(s).
pub const ARGS_BYTES: u64 = 128 << 10;
/// Bytes of the boot information frame.
pub const BOOTINFO_BYTES: u64 = 16 << 10;

/// Where init finds its boot information.
pub const INIT_BOOTINFO: VirtAddr = VirtAddr(0x20_0000);
/// Where a domain finds its arguments (also in x0 at its first instruction).
pub const ARGS_BASE: VirtAddr = VirtAddr(0x20_4000);
/// Where a domain finds its dispatcher frame (also in TPIDRRO_EL0).
pub const DISPATCHER_BASE: VirtAddr = VirtAddr(0x22_4000);
/// Lowest address a program may be linked at. Below: the structures above; page 0 is never mapped.
pub const PROGRAM_BASE: VirtAddr = VirtAddr(0x40_0000);
/// End of what the kernel provides page tables for in init; programs must be linked below. Free for mappings above.
pub const PROGRAM_LIMIT: VirtAddr = VirtAddr(0x200_0000);
