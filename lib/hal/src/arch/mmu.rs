//! Translation: the values of MAIR, TCR and SCTLR, the user half's table, ASIDs and TLB maintenance.
//!
//! Layout: TTBR1 is the kernel window (shared by all cores, global entries, never changed after boot), TTBR0 the running
//! domain. Both 48 bits, 4 KiB granule. The ASID is TTBR0's, so one register write changes table and ASID together.
//!
//! TLB maintenance is for **this core**: a VSpace belongs to one core, and the window does not change. Each operation
//! begins with a DSB NSHST (the table write is visible to this core's walker) and ends with DSB NSH and ISB (no
//! translation of before is in use), as Arm ARM D8.17 asks.

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{
    ID_AA64MMFR0_EL1, MAIR_EL1, Readable, SCTLR_EL1, TCR_EL1, TTBR0_EL1, TTBR1_EL1, Writeable,
};
use kpi::addr::{PhysAddr, VirtAddr};

pub use crate::descriptor::MAIR;

/// TCR_EL1 without what depends on the core: T0SZ = T1SZ = 16; walks inner shareable, write-back write-allocate; 4 KiB in
/// both halves; ASID from TTBR0 (A1 = 0); no tagged addresses; walks permitted in both halves.
pub const TCR_BASE: u64 = 16
    | 0b01 << 8
    | 0b01 << 10
    | 0b11 << 12
    | 16 << 16
    | 0b01 << 24
    | 0b01 << 26
    | 0b11 << 28
    | 0b10 << 30;

/// TCR_EL1 for this core: [`TCR_BASE`], with the physical address size it implements (up to the 48 bits that the
/// entries can name) and 16-bit ASIDs where it has them.
pub fn tcr() -> u64 {
    let features = ID_AA64MMFR0_EL1.get();
    let address_size = (features & 0xf).min(5);
    let wide_asid = asid_bits() == 16;
    TCR_BASE | address_size << 32 | u64::from(wide_asid) << 36
}

/// SCTLR_EL1.
///
/// * M, C, I: MMU and caches. A, SA, SA0: alignment of accesses and of both stack pointers is checked.
/// * nTWI, nTWE: EL0 may wait for interrupts and events. It only hurts its own time slice, and any interrupt ends it.
/// * DZE, UCT, UCI: EL0 may use DC ZVA, read CTR_EL0, and clean by address. A program loader in user space must make the code it
///   wrote visible to instruction fetch, and a driver its buffers to a device. These operations need a mapping that lets
///   EL0 read (DC ZVA: write) the address, so they reach nothing that loads and stores do not; invalidation without
///   write-back is never EL0's.
/// * Not WXN: which mapping may be writeable and executable is the mapper's decision, not a silent change of its meaning;
///   the kernel's own pages are never both.
/// * The RES1 bits of Armv8.0 (LSMAOE, nTLSMD, SPAN, EIS, TSCXT, EOS) and, as EL0 is never AArch32, SED and ITD.
pub const SCTLR: u64 = 1
    | 1 << 1
    | 1 << 2
    | 1 << 3
    | 1 << 4
    | 1 << 7
    | 1 << 8
    | 1 << 11
    | 1 << 12
    | 1 << 14
    | 1 << 15
    | 1 << 16
    | 1 << 18
    | 1 << 20
    | 1 << 22
    | 1 << 23
    | 1 << 26
    | 1 << 28
    | 1 << 29;

/// SCTLR_EL1 with MMU and caches off, everything else as in [`SCTLR`] at EL1's side: the state to write tables in.
pub const SCTLR_MMU_OFF: u64 = SCTLR & !(1 | 1 << 2 | 1 << 12);

/// Bits of an ASID here: 8 or 16.
#[inline]
pub fn asid_bits() -> u32 {
    if ID_AA64MMFR0_EL1.get() >> 4 & 0xf == 2 {
        16
    } else {
        8
    }
}

/// TCR_EL1.EPD1: no walks in the kernel half.
const TCR_NO_KERNEL_HALF: u64 = 1 << 23;

/// Turns MMU and caches on, with `root` for the lower half (ASID 0) and nothing in the upper one.
///
/// # Safety
/// EL1, MMU off. `root` is a level 0 table that maps this code, the stack and everything else in use at its physical
/// address. The caches hold nothing stale of what was written while they were off.
pub unsafe fn enable(root: PhysAddr) {
    barrier::dsb(barrier::SY);
    // SAFETY: with the MMU off no translation is in use, and instructions are fetched anew.
    unsafe {
        core::arch::asm!(
            "tlbi vmalle1",
            "ic iallu",
            options(nostack, preserves_flags)
        )
    };
    barrier::dsb(barrier::SY);
    MAIR_EL1.set(MAIR);
    TCR_EL1.set(tcr() | TCR_NO_KERNEL_HALF);
    TTBR0_EL1.set(root.0);
    TTBR1_EL1.set(0);
    barrier::isb(barrier::SY);
    SCTLR_EL1.set(SCTLR);
    barrier::isb(barrier::SY);
}

/// Makes `root` the kernel half's table and permits walks there.
///
/// # Safety
/// `root` is a level 0 table that stays one, and no code running now depends on an earlier kernel half.
pub unsafe fn set_kernel_table(root: PhysAddr) {
    barrier::dsb(barrier::ISHST);
    TTBR1_EL1.set(root.0);
    barrier::isb(barrier::SY);
    TCR_EL1.set(tcr());
    barrier::isb(barrier::SY);
    // The control fields may be cached with translations.
    flush_all();
}

/// Makes `root` the user half's table, with `asid`. TLB entries of that ASID must belong to that table: flush first
/// when an ASID changes owner.
///
/// # Safety
/// `root` is a level 0 table (or an all-zero page) that stays one while it is in use, and no code running now depends on the
/// user half.
#[inline]
pub unsafe fn set_user_table(root: PhysAddr, asid: u16) {
    TTBR0_EL1.set(root.0 | u64::from(asid) << 48);
    barrier::isb(barrier::SY);
}

/// The user half's table and ASID.
#[inline]
pub fn user_table() -> (PhysAddr, u16) {
    let value = TTBR0_EL1.get();
    (
        PhysAddr(value & 0x0000_ffff_ffff_fffe),
        (value >> 48) as u16,
    )
}

/// Makes entries that replaced *invalid* ones usable (an invalid entry is never in a TLB, so nothing is flushed).
#[inline]
pub fn publish_new_entries() {
    barrier::dsb(barrier::NSHST);
    barrier::isb(barrier::SY);
}

/// Which cached entries an address invalidation must reach.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// Only the last-level entry (a block or page) changed.
    LastLevel,
    /// A table entry on the way changed.
    AllLevels,
}

/// One TLB maintenance instruction between its barriers.
macro_rules! tlbi {
    ($operation:literal $(, $operand:expr)?) => {{
        barrier::dsb(barrier::NSHST);
        // SAFETY: dropping cached translations changes none: the tables decide. Not `nomem`: table writes stay before.
        unsafe {
            core::arch::asm!(concat!("tlbi ", $operation $(, tlbi!(@operand $operand))?) $(, in(reg) $operand)?, options(nostack, preserves_flags));
        }
        barrier::dsb(barrier::NSH);
        barrier::isb(barrier::SY);
    }};
    (@operand $operand:expr) => { ", {}" };
}

/// The operand of the TLBI instructions by address: page number in bits 43:0, ASID in 63:48.
const fn operand(address: VirtAddr, asid: u16) -> u64 {
    address.0 >> 12 & ((1 << 44) - 1) | (asid as u64) << 48
}

/// Forgets the translation of the page at `address` in `asid`, and global ones.
#[inline]
pub fn flush_page(address: VirtAddr, asid: u16, reach: Reach) {
    let operand = operand(address, asid);
    match reach {
        Reach::LastLevel => tlbi!("vale1", operand),
        Reach::AllLevels => tlbi!("vae1", operand),
    }
}

/// Forgets the translation of the page at `address` in every ASID.
#[inline]
pub fn flush_page_all_asids(address: VirtAddr, reach: Reach) {
    let operand = operand(address, 0);
    match reach {
        Reach::LastLevel => tlbi!("vaale1", operand),
        Reach::AllLevels => tlbi!("vaae1", operand),
    }
}

/// Forgets the translations of `count` pages or blocks of `bytes` each from `address` on, in every ASID. An address inside a block
/// stands for all of it (Arm ARM D8.17).
pub fn flush_leaves(address: VirtAddr, bytes: u64, count: u16) {
    barrier::dsb(barrier::NSHST);
    for index in 0..u64::from(count) {
        let operand = operand(VirtAddr(address.0.wrapping_add(index * bytes)), 0);
        // SAFETY: dropping cached translations changes none. Not `nomem`: table writes stay before.
        unsafe {
            core::arch::asm!("tlbi vaale1, {}", in(reg) operand, options(nostack, preserves_flags));
        }
    }
    barrier::dsb(barrier::NSH);
    barrier::isb(barrier::SY);
}

/// Forgets every translation of `asid`.
#[inline]
pub fn flush_asid(asid: u16) {
    let operand = u64::from(asid) << 48;
    tlbi!("aside1", operand);
}

/// Forgets every translation of EL0 and EL1.
#[inline]
pub fn flush_all() {
    tlbi!("vmalle1");
}
