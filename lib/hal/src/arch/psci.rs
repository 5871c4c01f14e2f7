//! Firmware calls of the Power State Coordination Interface (Arm DEN 0022), over the conduit the device tree names.

use kpi::addr::PhysAddr;
use kpi::coredata::PsciConduit;
pub use smccc::psci::{AffinityState, Error as PsciError, LowestAffinityLevel, Version};
use smccc::{Hvc, Smc, psci};

/// Calls `psci::$function` with the conduit; [`PsciError::NotSupported`] when there is none.
macro_rules! call {
    ($conduit:expr, $function:ident ( $($argument:expr),* )) => {
        match $conduit {
            PsciConduit::Hvc => psci::$function::<Hvc>($($argument),*),
            PsciConduit::Smc => psci::$function::<Smc>($($argument),*),
            PsciConduit::None => Err(PsciError::NotSupported),
        }
    };
}

/// Version of the firmware's PSCI.
///
/// # Errors
/// [`PsciError::NotSupported`].
pub fn version(conduit: PsciConduit) -> Result<Version, PsciError> {
    call!(conduit, version())
}

/// Turns the machine off. Returns only when that failed.
pub fn system_off(conduit: PsciConduit) -> PsciError {
    failure(call!(conduit, system_off()))
}

/// Resets the machine. Returns only when that failed.
pub fn system_reset(conduit: PsciConduit) -> PsciError {
    failure(call!(conduit, system_reset()))
}

/// A call that does not return on success: success is a failure too.
fn failure(result: Result<(), PsciError>) -> PsciError {
    result.err().unwrap_or(PsciError::InternalFailure)
}

/// Starts the core with affinity `target` at physical address `entry`, MMU and caches off, x0 = `context`.
///
/// # Safety
/// At `entry` is code for exactly that purpose, and it, `context` and what they reach were cleaned to the point of
/// coherency.
///
/// # Errors
/// What the firmware answers: [`PsciError::AlreadyOn`], [`PsciError::OnPending`], [`PsciError::InvalidParameters`] (no such
/// core), [`PsciError::InvalidAddress`], [`PsciError::Denied`], [`PsciError::InternalFailure`], [`PsciError::NotSupported`].
pub unsafe fn cpu_on(
    conduit: PsciConduit,
    target: u64,
    entry: PhysAddr,
    context: u64,
) -> Result<(), PsciError> {
    call!(conduit, cpu_on(target, entry.0, context))
}

/// Turns this core off. Returns only when that failed.
pub fn cpu_off(conduit: PsciConduit) -> PsciError {
    failure(call!(conduit, cpu_off()))
}

/// Whether the core with affinity `target` is on.
///
/// # Errors
/// [`PsciError::InvalidParameters`] (no such core), [`PsciError::NotSupported`].
pub fn affinity_info(conduit: PsciConduit, target: u64) -> Result<AffinityState, PsciError> {
    call!(conduit, affinity_info(target, LowestAffinityLevel::All))
}
