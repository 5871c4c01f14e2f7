//! Cores: starting one (IPI), counting what this one does (PerfMon).
//!
//! Barrelfish counterpart: `invoke_monitor_spawn_core`, `invoke_perfmon_activate`.

use super::{CapRef, invoke};
use crate::error::Error;
use kpi::addr::PhysAddr;
use kpi::invocation::{IpiCommand, PerfMonCommand};
use kpi::slots::task;

/// What the kernel calls an ARMv8 core.
const CPU_ARM8: u64 = 7;

/// Starts the core with that hardware identity at a physical address, with `argument` in x0, MMU and caches off.
///
/// # Errors
/// What the firmware answers (`PSCI_ERR_`): the core is on, there is none.
pub fn ipi_send_start(hardware_id: u64, entry: PhysAddr, argument: u64) -> Result<(), Error> {
    let command = IpiCommand::SendStart;
    let args = [hardware_id, CPU_ARM8, entry.0, argument, 0];
    let ipi = CapRef::task(task::IPI);
    invoke(ipi, command as u8, command.argc(), &args).map(|_| ())
}

/// Whether a core runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CoreState {
    /// It does.
    On,
    /// It does not.
    Off,
    /// It is being started.
    Starting,
}

/// Whether the core with that hardware identity runs, as far as the firmware knows.
///
/// # Errors
/// What the firmware answers (`PSCI_ERR_`): there is no such core.
pub fn core_state(hardware_id: u64) -> Result<CoreState, Error> {
    let command = IpiCommand::GetState;
    let ipi = CapRef::task(task::IPI);
    let [state, ..] = invoke(ipi, command as u8, command.argc(), &[hardware_id])?;
    Ok(match state {
        0 => CoreState::On,
        1 => CoreState::Off,
        _ => CoreState::Starting,
    })
}

/// Wakes who has connected interrupt [`NOTIFICATION`](kpi::invocation::NOTIFICATION) of the core with that hardware identity.
///
/// # Errors
/// `PSCI_ERR_INVALID_PARAMETER`: that cannot be the identity of a core.
pub fn notify(hardware_id: u64) -> Result<(), Error> {
    let command = IpiCommand::Notify;
    let ipi = CapRef::task(task::IPI);
    invoke(ipi, command as u8, command.argc(), &[hardware_id]).map(|_| ())
}

fn perf_mon(command: PerfMonCommand, args: &[u64]) -> Result<u64, Error> {
    let cap = CapRef::task(task::PERF_MON);
    invoke(cap, command as u8, command.argc(), args).map(|[value, ..]| value)
}

/// Lets an event counter of this core count an event from 0 on.
///
/// # Errors
/// `SYS_ERR_PERFMON_NOT_AVAILABLE`: there is no such counter, or it cannot count that.
pub fn perfmon_activate(counter: u64, event: u64) -> Result<(), Error> {
    perf_mon(PerfMonCommand::Activate, &[counter, event]).map(|_| ())
}

/// Sets an event counter.
///
/// # Errors
/// As [`perfmon_activate`].
pub fn perfmon_write(counter: u64, value: u32) -> Result<(), Error> {
    perf_mon(PerfMonCommand::Write, &[counter, u64::from(value)]).map(|_| ())
}

/// Stops an event counter.
///
/// # Errors
/// As [`perfmon_activate`].
pub fn perfmon_deactivate(counter: u64) -> Result<(), Error> {
    perf_mon(PerfMonCommand::Deactivate, &[counter]).map(|_| ())
}

/// Value of an event counter.
///
/// # Errors
/// As [`perfmon_activate`].
pub fn perfmon_read(counter: u64) -> Result<u64, Error> {
    perf_mon(PerfMonCommand::Read, &[counter])
}
