//! The cycle counter (PMCCNTR_EL0), which the kernel lets EL0 read.

use core::arch::asm;

/// Cycles so far; under QEMU's `-icount` these are instructions of this core.
#[inline(always)]
pub(crate) fn now() -> u64 {
    let cycles;
    // SAFETY: reads a register. Not `nomem`, so that what is measured is not moved across.
    unsafe {
        asm!("isb", "mrs {}, pmccntr_el0", out(reg) cycles, options(nostack, preserves_flags))
    };
    cycles
}
