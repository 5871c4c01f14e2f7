//! Dispatchers: Setup, Stop, Resume.

use super::{CapRef, invoke};
use crate::error::{Error, ErrorCode, ResultExt};
use kpi::addr::CapAddr;
use kpi::invocation::DispatcherCommand;

/// What a dispatcher runs with.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Root of its CSpace.
    pub cspace: CapRef,
    /// Its L0 table, as an address of that CSpace.
    pub vspace: CapAddr,
    /// Its frame, as an address of that CSpace.
    pub frame: CapAddr,
    /// Whether it becomes runnable at once.
    pub run: bool,
}

/// Gives a dispatcher its CSpace, VSpace and frame; it gets a new domain id.
///
/// # Errors
/// `SPAWN_ERR_DISPATCHER_SETUP` on the kernel's error.
pub fn dispatcher_setup(dispatcher: CapRef, setup: &Setup) -> Result<(), Error> {
    let command = DispatcherCommand::Setup;
    let args = [
        u64::from(setup.cspace.addr().0),
        setup.cspace.level() as u64,
        u64::from(setup.vspace.0),
        u64::from(setup.frame.0),
        u64::from(setup.run),
        0,
    ];
    invoke(dispatcher, command as u8, command.argc(), &args)
        .map(|_| ())
        .push_err(ErrorCode::SpawnDispatcherSetup)
}

/// Takes a dispatcher off the scheduler.
///
/// # Errors
/// The kernel's.
pub fn dispatcher_stop(dispatcher: CapRef) -> Result<(), Error> {
    let command = DispatcherCommand::Stop;
    invoke(dispatcher, command as u8, command.argc(), &[]).map(|_| ())
}

/// Puts a dispatcher on the scheduler.
///
/// # Errors
/// The kernel's.
pub fn dispatcher_resume(dispatcher: CapRef) -> Result<(), Error> {
    let command = DispatcherCommand::Resume;
    invoke(dispatcher, command as u8, command.argc(), &[]).map(|_| ())
}
