//! Time since the machine was switched on.

use crate::arch::{counter, dispatcher};
use core::time::Duration;

/// The counter.
pub fn now() -> u64 {
    counter::now()
}

/// Ticks a second; never 0.
pub fn frequency() -> u64 {
    dispatcher::frequency().max(1)
}

/// Microseconds of so many ticks; saturates.
pub fn micros(ticks: u64) -> u64 {
    let micros = u128::from(ticks) * 1_000_000 / u128::from(frequency());
    u64::try_from(micros).unwrap_or(u64::MAX)
}

/// So long in ticks; saturates.
pub fn ticks(duration: Duration) -> u64 {
    let ticks = duration.as_micros() * u128::from(frequency()) / 1_000_000;
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

/// The counter value that is `duration` from now; saturates.
pub fn after(duration: Duration) -> u64 {
    now().saturating_add(ticks(duration))
}

/// Cycles so far, to measure with; under QEMU's `-icount` these are instructions.
#[inline(always)]
pub fn cycles() -> u64 {
    crate::arch::cycles::now()
}
