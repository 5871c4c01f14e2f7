//! The counter (CNTVCT_EL0), which the kernel lets EL0 read.

use core::arch::asm;

/// Its value now.
pub(crate) fn now() -> u64 {
    let ticks;
    // SAFETY: reads a register; the barrier keeps the read from being done early (Arm ARM D12.2.1).
    unsafe { asm!("isb", "mrs {}, cntvct_el0", out(reg) ticks, options(nomem, nostack)) };
    ticks
}
