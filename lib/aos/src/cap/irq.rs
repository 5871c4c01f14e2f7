//! Device interrupts: IRQTable, IRQDest.
//!
//! An interrupt arrives as an empty message. It stays masked until [`irq_ack`]: serve the device first, then acknowledge.
//! Barrelfish counterpart: `invoke_irqtable_alloc_dest_cap`, `invoke_irqdest_connect`.

use super::{CapRef, invoke};
use crate::error::Error;
use kpi::invocation::{IrqDestCommand, IrqTableCommand};
use kpi::slots::task;

/// When an interrupt happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trigger {
    /// As long as the device asserts it.
    Level = 0,
    /// At each rising edge.
    Edge = 1,
}

/// Makes an IRQDest for an interrupt of this core in an empty slot, with the IRQTable in the task CNode.
///
/// # Errors
/// The kernel's: `SYS_ERR_IRQ_INVALID` above all.
pub fn irq_dest_alloc(dest: CapRef, vector: u64) -> Result<(), Error> {
    irq_dest_alloc_from(CapRef::task(task::IRQ), dest, vector)
}

/// The same with this IRQTable.
///
/// # Errors
/// As [`irq_dest_alloc`].
pub fn irq_dest_alloc_from(table: CapRef, dest: CapRef, vector: u64) -> Result<(), Error> {
    let command = IrqTableCommand::AllocDestCap;
    let args = [
        dest.cnode.level as u64,
        u64::from(dest.cnode.cnode.0),
        u64::from(dest.slot),
        vector,
    ];
    invoke(table, command as u8, command.argc(), &args).map(|_| ())
}

fn on_dest(dest: CapRef, command: IrqDestCommand, args: &[u64]) -> Result<u64, Error> {
    invoke(dest, command as u8, command.argc(), args).map(|[value, ..]| value)
}

/// Sends an interrupt to an endpoint of any dispatcher of this core.
///
/// # Errors
/// The kernel's: no endpoint, or one without a buffer.
pub fn irq_connect(dest: CapRef, endpoint: CapRef, trigger: Trigger) -> Result<(), Error> {
    let args = [u64::from(endpoint.addr().0), trigger as u64];
    on_dest(dest, IrqDestCommand::Connect, &args).map(|_| ())
}

/// Lets an interrupt happen again.
///
/// # Errors
/// The kernel's: `SYS_ERR_IRQ_NO_LISTENER` when it has no receiver (any more).
pub fn irq_ack(dest: CapRef) -> Result<(), Error> {
    on_dest(dest, IrqDestCommand::Ack, &[]).map(|_| ())
}

/// The interrupt's number.
///
/// # Errors
/// The kernel's.
pub fn irq_vector(dest: CapRef) -> Result<u64, Error> {
    on_dest(dest, IrqDestCommand::GetVector, &[])
}

/// The interrupt's core.
///
/// # Errors
/// The kernel's.
pub fn irq_core(dest: CapRef) -> Result<u64, Error> {
    on_dest(dest, IrqDestCommand::GetCpu, &[])
}
