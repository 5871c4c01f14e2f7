//! Registers that belong to the running dispatcher.

use core::arch::asm;

/// Makes `frame` (kernel address of a dispatcher frame) the one that exceptions save into, and shows its user address at
/// EL0. Clears EL0's own thread register, which is in no save area: what another domain left there is not for this one.
///
/// # Safety
/// `frame` must be the kernel-window address of a live dispatcher frame of at least `DISPATCHER_FRAME_BYTES`, and stay that
/// until the next call or until no EL0 code runs any more.
pub unsafe fn set_dispatcher(frame: u64, udisp: u64) {
    // SAFETY: writes thread registers; what exceptions do with TPIDR_EL1 is the caller's promise.
    unsafe {
        asm!("msr tpidr_el1, {0}", "msr tpidrro_el0, {1}", "msr tpidr_el0, xzr", in(reg) frame, in(reg) udisp, options(nomem, nostack, preserves_flags));
    }
}

/// Address in the kernel window of a physical address below 2^48, in one instruction.
///
/// The compiler does not look into it: else it would put what makes the address, the upper bits and each field's offset together anew
/// for every field, which takes three instructions for each.
#[inline(always)]
pub fn in_window(physical: u64) -> u64 {
    const { assert!(kpi::layout::KERNEL_OFFSET == !0 << 48) };
    let address;
    // SAFETY: computes a word from another.
    unsafe {
        asm!("orr {0}, {1}, #0xffff000000000000", lateout(reg) address, in(reg) physical, options(pure, nomem, nostack, preserves_flags));
    }
    address
}

/// ESR_EL1 and FAR_EL1 of the exception being handled; 0 for an exception that sets no address, since the register then has an older one,
/// perhaps of another domain (Arm ARM D24.2.42: instruction and data aborts, PC alignment, watchpoints set it).
#[inline(never)]
pub fn exception_syndrome() -> (u64, u64) {
    let (esr, far): (u64, u64);
    // SAFETY: reads two registers.
    unsafe {
        asm!("mrs {0}, esr_el1", "mrs {1}, far_el1", out(reg) esr, out(reg) far, options(nomem, nostack, preserves_flags));
    }
    match esr >> 26 {
        0x20..=0x22 | 0x24 | 0x25 | 0x34 | 0x35 => (esr, far),
        _ => (esr, 0),
    }
}

/// Makes the system call being handled start anew when its caller goes on: the PC steps back onto the `svc`.
pub fn repeat_call() {
    // SAFETY: changes the user's PC only.
    unsafe {
        asm!("mrs {0}, elr_el1", "sub {0}, {0}, #4", "msr elr_el1, {0}", out(reg) _, options(nomem, nostack, preserves_flags));
    }
}

/// The user's PC, during a system call.
pub fn user_pc() -> u64 {
    let pc;
    // SAFETY: reads a register.
    unsafe { asm!("mrs {0}, elr_el1", out(reg) pc, options(nomem, nostack, preserves_flags)) };
    pc
}

/// Translates a user address as EL0 would for a read under the current TTBR0: the physical address, or `None` if EL0 could
/// not read there.
pub fn translate_user_read(address: u64) -> Option<u64> {
    let par: u64;
    // SAFETY: AT only performs a lookup and writes PAR_EL1. The barrier orders it before PAR is read.
    unsafe {
        asm!("at s1e0r, {0}", "isb", "mrs {1}, par_el1", in(reg) address, out(reg) par, options(nostack, preserves_flags));
    }
    if par & 1 == 1 {
        None
    } else {
        Some((par & 0x0000_ffff_ffff_f000) | (address & 0xfff))
    }
}
