//! This core: who it is, its interrupt mask, what EL0 may use, its cycle counter.

use aarch64_cpu::asm;
use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{
    CPACR_EL1, CurrentEL, DAIF, ID_AA64DFR0_EL1, MPIDR_EL1, Readable, Writeable,
};

/// The affinity fields of an MPIDR: Aff3 in bits 39:32, Aff2 to Aff0 in 23:0. What device tree and PSCI call a core.
pub const AFFINITY_MASK: u64 = 0xff_00ff_ffff;

/// Affinity of this core.
#[inline]
pub fn affinity() -> u64 {
    MPIDR_EL1.get() & AFFINITY_MASK
}

/// The exception level of this code.
#[inline]
pub fn current_el() -> u64 {
    CurrentEL.read(CurrentEL::EL)
}

/// Sleeps until an interrupt is pending, masked or not.
#[inline]
pub fn wait_for_interrupt() {
    // All stores are on their way before the core may stop.
    barrier::dsb(barrier::SY);
    asm::wfi();
}

/// Masks debug exceptions, SError, interrupts and fast interrupts.
#[inline]
pub fn mask_all() {
    DAIF.set(0xf << 6);
}

/// Masks interrupts and leaves the other masks alone.
#[inline]
pub fn mask_interrupts() {
    // SAFETY: masking interrupts takes nothing away that Rust relies on. Not `nomem`: no access moves across.
    unsafe { core::arch::asm!("msr daifset, #2", options(nostack, preserves_flags)) };
}

/// Lets interrupts happen.
///
/// # Safety
/// The exception vectors are set up, and no state is half changed that the handler uses.
#[inline]
pub unsafe fn unmask_interrupts() {
    // SAFETY: passed on to the caller. Not `nomem`: no access moves across.
    unsafe { core::arch::asm!("msr daifclr, #2", options(nostack, preserves_flags)) };
}

/// Stops this core for good.
pub fn park() -> ! {
    mask_all();
    loop {
        wait_for_interrupt();
    }
}

/// Traps every use of floating point and SIMD (and SVE), at EL0 and at EL1: nobody saves those registers.
pub fn trap_floating_point() {
    CPACR_EL1.set(0);
    barrier::isb(barrier::SY);
}

/// Type and revision of this core (MIDR_EL1).
pub fn midr() -> u64 {
    read_register!("MIDR_EL1")
}

/// Whether this core has performance monitors.
pub(super) fn has_performance_monitors() -> bool {
    let version = ID_AA64DFR0_EL1.get() >> 8 & 0xf;
    version != 0 && version != 0xf
}

/// Starts the 64-bit cycle counter (PMCCNTR_EL0), counting at EL0 and EL1, and lets EL0 read it, nothing else of the
/// performance monitors. False when the core has none.
pub fn enable_user_cycle_counter() -> bool {
    if !has_performance_monitors() {
        return false;
    }
    // PMCCFILTR: no filter bits, so EL0 and EL1 count. PMCNTENSET bit 31: the cycle counter.
    write_register!("PMCCFILTR_EL0", 0);
    write_register!("PMCNTENSET_EL0", 1 << 31);
    write_register!("PMINTENCLR_EL1", u64::from(u32::MAX));
    // LC (64 bits), C (reset the cycle counter), P (reset the others), E (enable).
    write_register!("PMCR_EL0", 1 << 6 | 1 << 2 | 1 << 1 | 1);
    // CR only: EL0 reads the cycle counter; writing it, and all other counters, trap.
    write_register!("PMUSERENR_EL0", 1 << 2);
    barrier::isb(barrier::SY);
    true
}

/// The cycle counter; stands still unless [`enable_user_cycle_counter`] said true.
#[inline]
pub fn cycles() -> u64 {
    barrier::isb(barrier::SY);
    read_register!("PMCCNTR_EL0")
}
