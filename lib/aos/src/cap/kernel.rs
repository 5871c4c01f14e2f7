//! The Kernel capability: what the monitor, and until it exists init, may ask of this core's kernel.

use super::{CapRef, invoke};
use crate::arch::call::call_long;
use crate::error::{self, Error, ErrorCode};
use kpi::addr::{CapLevel, PhysAddr};
use kpi::cap::Capability;
use kpi::invocation::{CapFacts, KernelCommand};
use kpi::slots::task;
use kpi::syscall::CallWord;

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

/// Has the kernel tell, by a note, when something goes that was made from this RAM.
///
/// # Errors
/// `SYS_ERR_INVALID_SOURCE_TYPE`: no RAM. `SYS_ERR_CAP_LOCKED`.
pub fn retain(ram: CapRef) -> Result<(), Error> {
    let args = [u64::from(ram.addr().0), ram.level() as u64];
    kernel(KernelCommand::Retain, &args).map(|_| ())
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
        Ok(_) => Error::new(ErrorCode::LibShouldNotGetHere),
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

/// A capability of this core, where it lies, and what goes with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen {
    /// Physical address of the slot.
    pub slot: PhysAddr,
    /// The capability, as [`cap_direct_identify`](super::cap_direct_identify) shows it, but of a Mapping with its table entry.
    pub cap: Capability,
    /// Owner and flags.
    pub facts: CapFacts,
}

/// The capability behind the one in the slot at `cursor`, in the order of the kernel's database; the first one for `None`. `None`
/// at the end.
///
/// # Errors
/// `SYS_ERR_CAP_NOT_FOUND`: the slot at `cursor` is (or has become) empty: begin again. `SYS_ERR_IDENTIFY_LOOKUP`: this library
/// does not know the capability's type. The lookup's, without a Kernel capability.
pub fn next_cap(cursor: Option<PhysAddr>) -> Result<Option<Seen>, Error> {
    let cap = CapRef::task(task::KERNELCAP);
    let command = KernelCommand::NextCap;
    let word = CallWord::invoke(command as u8, cap.level() as u8, command.argc());
    let words = [
        word.0,
        u64::from(cap.addr().0),
        cursor.map_or(0, |cursor| cursor.0),
    ];
    let (error, [slot, first, second, third, facts]) = call_long(words);
    error::check(error)?;
    if slot == 0 {
        return Ok(None);
    }
    let cap = Capability::from_words([first, second, third])
        .ok_or(Error::new(ErrorCode::SysIdentifyLookup))?;
    Ok(Some(Seen {
        slot: PhysAddr(slot),
        cap,
        facts: CapFacts(facts),
    }))
}
