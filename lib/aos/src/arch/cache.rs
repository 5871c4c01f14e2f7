//! Making written instructions visible to instruction fetches.

use core::arch::asm;
use kpi::addr::VirtAddr;

/// Cleans the data cache and invalidates the instruction cache for these bytes, to the point of unification (Arm ARM
/// B2.4.4, D7.5.9). For code that another address space will run at other addresses; the kernel, which maps it, sees to
/// aliases of a virtually indexed instruction cache.
pub(crate) fn publish_code(bytes: *const [u8]) {
    let types: u64;
    // SAFETY: reads a register (the kernel sets SCTLR_EL1.UCT).
    unsafe { asm!("mrs {}, ctr_el0", out(reg) types, options(nomem, nostack, preserves_flags)) };
    let data_line = 4usize << (types >> 16 & 0xf);
    let instruction_line = 4usize << (types & 0xf);
    let start = bytes.addr();
    let end = start + bytes.len();
    for line in (start & !(data_line - 1)..end).step_by(data_line) {
        // SAFETY: cleaning a cache line of mapped memory changes nothing that Rust can see (SCTLR_EL1.UCI is set).
        unsafe { asm!("dc cvau, {}", in(reg) line, options(nostack, preserves_flags)) };
    }
    // SAFETY: a barrier.
    unsafe { asm!("dsb ish", options(nostack, preserves_flags)) };
    for line in (start & !(instruction_line - 1)..end).step_by(instruction_line) {
        // SAFETY: as for the data cache.
        unsafe { asm!("ic ivau, {}", in(reg) line, options(nostack, preserves_flags)) };
    }
    // SAFETY: barriers.
    unsafe { asm!("dsb ish", "isb", options(nostack, preserves_flags)) };
}

/// Writes what the data cache has of these bytes to memory (Arm ARM D7.5.9.5, to the point of coherency): for who reads them with its caches off.
pub(crate) fn clean_to_memory(address: VirtAddr, bytes: usize) {
    let types: u64;
    // SAFETY: reads a register (the kernel sets SCTLR_EL1.UCT).
    unsafe { asm!("mrs {}, ctr_el0", out(reg) types, options(nomem, nostack, preserves_flags)) };
    let line = 4usize << (types >> 16 & 0xf);
    let start = address.0 as usize;
    for line in (start & !(line - 1)..start + bytes).step_by(line) {
        // SAFETY: cleaning a cache line of mapped memory changes nothing that Rust can see (SCTLR_EL1.UCI is set).
        unsafe { asm!("dc cvac, {}", in(reg) line, options(nostack, preserves_flags)) };
    }
    // Before the core is started, for all observers and not only those of the inner shareable domain: it is in none yet.
    // SAFETY: a barrier.
    unsafe { asm!("dsb sy", options(nostack, preserves_flags)) };
}
