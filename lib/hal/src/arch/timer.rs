//! The generic timer (Arm ARM D11): the counter that everybody reads and the EL1 physical timer that interrupts.
//!
//! Time is the *virtual* counter CNTVCT, because that is the one EL0 may read; deadlines are given in it and converted, so
//! a hypervisor's offset between the two does no harm.

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{
    CNTFRQ_EL0, CNTKCTL_EL1, CNTP_CTL_EL0, CNTP_CVAL_EL0, CNTPCT_EL0, CNTVCT_EL0, Readable,
    Writeable,
};

/// Ticks a second.
#[inline]
pub fn frequency() -> u64 {
    CNTFRQ_EL0.get()
}

/// The counter, read after every earlier instruction has completed.
#[inline]
pub fn now() -> u64 {
    barrier::isb(barrier::SY);
    CNTVCT_EL0.get()
}

/// The counter without a barrier: the core may have read it early, by some tens of instructions.
#[inline]
pub fn now_relaxed() -> u64 {
    CNTVCT_EL0.get()
}

/// EL0 may read the virtual counter and its frequency; not the physical one, no timer; no event stream.
pub fn init() {
    CNTKCTL_EL1.write(CNTKCTL_EL1::EL0VCTEN::SET);
    stop();
}

/// Raises the timer's interrupt when [`now`] reaches `deadline` (at once when it has passed), and until
/// the deadline is moved or the timer stopped. Replaces the earlier deadline.
#[inline]
pub fn set_deadline(deadline: u64) {
    let remaining = deadline.saturating_sub(now());
    CNTP_CVAL_EL0.set(CNTPCT_EL0.get().saturating_add(remaining));
    CNTP_CTL_EL0.write(CNTP_CTL_EL0::ENABLE::SET + CNTP_CTL_EL0::IMASK::CLEAR);
    barrier::isb(barrier::SY);
}

/// No interrupt any more.
#[inline]
pub fn stop() {
    CNTP_CTL_EL0.write(CNTP_CTL_EL0::ENABLE::CLEAR + CNTP_CTL_EL0::IMASK::SET);
    barrier::isb(barrier::SY);
}
