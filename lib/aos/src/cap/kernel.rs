//! The Kernel capability: what the monitor, and until it exists init, may ask of this core's kernel.

use super::{CapRef, invoke};
use crate::error::Error;
use kpi::addr::CapLevel;
use kpi::invocation::KernelCommand;
use kpi::slots::task;

pub(super) fn kernel(command: KernelCommand, args: &[u64]) -> Result<[u64; 3], Error> {
    let cap = CapRef::task(task::KERNELCAP);
    invoke(cap, command as u8, command.argc(), args)
}

/// Makes an endpoint the target of the kernel's notes.
///
/// # Errors
/// The kernel's.
pub fn register(endpoint: CapRef) -> Result<(), Error> {
    kernel(KernelCommand::Register, &[u64::from(endpoint.addr().0)]).map(|_| ())
}

/// Sets the domain id that notes about a dispatcher carry.
///
/// # Errors
/// The kernel's.
pub fn set_domain_id(dispatcher: CapRef, id: u64) -> Result<(), Error> {
    kernel(
        KernelCommand::DomainId,
        &[u64::from(dispatcher.addr().0), id],
    )
    .map(|_| ())
}

fn on_any_slot(command: KernelCommand, cap: CapRef) -> Result<(), Error> {
    let args = [
        u64::from(cap.croot().0),
        CapLevel::L2 as u64,
        u64::from(cap.addr().0),
        cap.level() as u64,
    ];
    kernel(command, &args).map(|_| ())
}

/// Deletes a capability, or marks it.
pub(super) fn delete_last(cap: CapRef) -> Result<(), Error> {
    on_any_slot(KernelCommand::DeleteLast, cap)
}

/// Deletes or marks the copies and descendants of a capability.
pub(super) fn revoke_mark_target(cap: CapRef) -> Result<(), Error> {
    on_any_slot(KernelCommand::RevokeMarkTarget, cap)
}

/// Works on one object that is marked.
pub(super) fn delete_step() -> Result<(), Error> {
    kernel(KernelCommand::DeleteStep, &[]).map(|_| ())
}

/// Gives the memory of one object back.
pub(super) fn clear_step() -> Result<(), Error> {
    kernel(KernelCommand::ClearStep, &[]).map(|_| ())
}

/// Powers the machine off. Returns only to say why it could not.
pub fn shutdown() -> Error {
    refusal(kernel(KernelCommand::Shutdown, &[]))
}

/// Resets the machine. Returns only to say why it could not.
pub fn reboot() -> Error {
    refusal(kernel(KernelCommand::Reboot, &[]))
}

fn refusal(result: Result<[u64; 3], Error>) -> Error {
    match result {
        Err(error) => error,
        Ok(_) => Error::new(crate::ErrorCode::LibShouldNotGetHere),
    }
}

/// What the kernel counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Statistics {
    /// Live capabilities.
    pub capabilities: u64,
    /// Dispatchers on the scheduler.
    pub dispatchers: u64,
    /// Cycles of the longest kernel entry so far; 0 when the kernel was built without the check.
    pub longest_entry: u64,
}

/// What the kernel counts.
///
/// # Errors
/// The kernel's.
pub fn statistics() -> Result<Statistics, Error> {
    let [capabilities, dispatchers, longest_entry] = kernel(KernelCommand::Statistics, &[])?;
    Ok(Statistics {
        capabilities,
        dispatchers,
        longest_entry,
    })
}

/// Checks the capability database, step by step.
///
/// # Errors
/// The kernel's: `SYS_ERR_ILLEGAL_INVOCATION` when it was built without the check. Otherwise the number of violated
/// invariants.
pub fn check_invariants() -> Result<u64, Error> {
    let (mut cursor, mut violated) = (0, 0);
    loop {
        let [next, found, _] = kernel(KernelCommand::CheckInvariants, &[cursor])?;
        violated += found;
        if next == 0 {
            return Ok(violated);
        }
        cursor = next;
    }
}
