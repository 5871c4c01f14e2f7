//! Cache maintenance by address (Arm ARM D7.5).
//!
//! Reviewed against the manual, not proven by running: QEMU's TCG models no caches, so a missing operation shows only on
//! hardware. The rules used:
//! * DC/IC by VA work on whole lines, of CTR_EL0.DminLine/IminLine bytes; the first address is rounded down.
//! * They are ordered like stores to that address, and complete only at a DSB (of the shareability at hand).
//! * New code needs, in this order: clean to the point of unification, DSB, instruction invalidation, DSB, ISB
//!   (B2.7.4.2). CTR_EL0.IDC and DIC say that the first or the second part is unnecessary.
//! * Cortex-A53 before r0p3 needs DC CIVAC in place of DC CVAC/CVAU (errata 819472, 826319, 827319, 824069); the boards
//!   here have r0p4, so the plain operations are used.

use core::arch::asm;

use aarch64_cpu::asm::barrier;

/// Bytes of the smallest data cache line.
#[inline]
pub fn data_line() -> usize {
    4 << (read_register!("CTR_EL0") >> 16 & 0xf)
}

/// Bytes of the smallest instruction cache line.
#[inline]
pub fn instruction_line() -> usize {
    4 << (read_register!("CTR_EL0") & 0xf)
}

/// Executes one maintenance instruction for each line of a range.
macro_rules! for_each_line {
    ($operation:literal, $start:expr, $bytes:expr, $line:expr) => {{
        let (start, line): (usize, usize) = ($start.addr(), $line);
        let end = start.saturating_add($bytes);
        let mut at = start & !(line - 1);
        while at < end {
            // SAFETY: the caller's range is mapped, so the instruction cannot fault; a clean or an instruction
            // invalidation changes no value that a load returns, a data invalidation only those the caller gave up.
            unsafe { asm!(concat!($operation, ", {}"), in(reg) at, options(nostack, preserves_flags)) };
            at += line;
        }
    }};
}

/// Writes the data back to memory, so that observers without caches see it (a core with its MMU off, a DMA device).
///
/// # Safety
/// The range is mapped.
pub unsafe fn clean_to_poc(start: *const u8, bytes: usize) {
    for_each_line!("dc cvac", start, bytes, data_line());
    barrier::dsb(barrier::SY);
}

/// As [`clean_to_poc`], and drops the lines, so that the next read sees what others wrote.
///
/// # Safety
/// The range is mapped.
pub unsafe fn clean_and_invalidate_to_poc(start: *const u8, bytes: usize) {
    for_each_line!("dc civac", start, bytes, data_line());
    barrier::dsb(barrier::SY);
}

/// Drops the lines without writing them back: before reading what a device wrote. Lines that stick out of the range are
/// written back first, so that neighbours lose nothing.
///
/// # Safety
/// The range is mapped and writeable, and nobody needs what was written to it through the cache.
pub unsafe fn invalidate_to_poc(start: *mut u8, bytes: usize) {
    let line = data_line();
    let end = start.wrapping_add(bytes);
    if bytes != 0 && start.addr() & (line - 1) != 0 {
        for_each_line!("dc civac", start, 1, line);
    }
    if bytes != 0 && end.addr() & (line - 1) != 0 {
        for_each_line!("dc civac", end, 1, line);
    }
    // The partial lines are clean now: dropping them again loses nothing that was there before.
    for_each_line!("dc ivac", start, bytes, line);
    barrier::dsb(barrier::SY);
}

/// Makes code that was written through the data cache executable on every core of the inner shareable domain. Other cores
/// execute an ISB of their own before they run it.
///
/// # Safety
/// The range is mapped.
pub unsafe fn synchronise_code(start: *const u8, bytes: usize) {
    let ctr = read_register!("CTR_EL0");
    let (data_coherent, instruction_coherent) = (ctr & 1 << 28 != 0, ctr & 1 << 29 != 0);
    if !data_coherent {
        for_each_line!("dc cvau", start, bytes, data_line());
    }
    barrier::dsb(barrier::ISH);
    if !instruction_coherent {
        for_each_line!("ic ivau", start, bytes, instruction_line());
        barrier::dsb(barrier::ISH);
    }
    barrier::isb(barrier::SY);
}

/// Empties this core's instruction cache. Before a page becomes executable: what the cache holds of its memory may be older
/// than what was written there. (Who wrote it cleans the data cache; EL0 may do that for its own addresses.)
pub fn invalidate_instructions() {
    // SAFETY: instructions are fetched again from memory, nothing else changes.
    unsafe { core::arch::asm!("ic iallu", options(nostack, preserves_flags)) };
    barrier::dsb(barrier::NSH);
    barrier::isb(barrier::SY);
}
