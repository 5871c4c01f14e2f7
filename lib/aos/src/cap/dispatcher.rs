//! Dispatchers: Setup, Stop, Resume, Properties, another address space, and lists of what a dispatcher maps and holds.

use super::{CapRef, invoke};
use crate::arch::call::call_long;
use crate::error::{self, Error, ErrorCode, ResultExt};
use core::time::Duration;
use kpi::addr::{CapAddr, PhysAddr, VirtAddr};
use kpi::cap::Capability;
use kpi::invocation::{CapPosition, DispatcherCommand, PageRunWord, TaskType};
use kpi::layout::USER_ADDRESS_BITS;
use kpi::slots::VROOT;
use kpi::syscall::CallWord;

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

impl Setup {
    /// In the caller's own CSpace and VSpace, with this frame; it does not run yet.
    pub const fn own(frame: CapRef) -> Self {
        Self {
            cspace: CapRef::OWN_ROOT,
            vspace: VROOT,
            frame: frame.addr(),
            run: false,
        }
    }
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

/// What a real-time dispatcher asks for: so much time in each period. The kernel counts whole microseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RealTime {
    /// Time that one job takes at most; from 100 us on.
    pub worst_case: Duration,
    /// By when it gets it, from the period's begin; not behind the period's end.
    pub deadline: Duration,
    /// From one job to the next; at most 10 s.
    pub period: Duration,
    /// When the first period begins, from now on; at most 10 s.
    pub release: Duration,
}

impl RealTime {
    /// So much in each period, by its end, beginning now.
    pub const fn new(worst_case: Duration, period: Duration) -> Self {
        Self {
            worst_case,
            deadline: period,
            period,
            release: Duration::ZERO,
        }
    }
}

/// How the kernel schedules a dispatcher.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Properties {
    /// By weight, 1 to 16.
    BestEffort(u16),
    /// A promise; beyond that, best effort of this weight. Needs a kernel with RBED.
    Soft(u16, RealTime),
    /// A promise, and no more. Needs a kernel with RBED.
    Hard(RealTime),
}

/// Sets how the kernel schedules a dispatcher, from now on; this may be the own one.
///
/// # Errors
/// The kernel's: `SYS_ERR_DISP_PROPERTIES` (a number out of range, or round robin is asked for real time), `SYS_ERR_DISP_NOT_RUNNABLE`
/// (real time for one that is not set up, or dead), `SYS_ERR_DISP_UTILISATION` (so much is not left to promise).
pub fn dispatcher_set_properties(dispatcher: CapRef, properties: &Properties) -> Result<(), Error> {
    let command = DispatcherCommand::Properties;
    let (kind, weight, times) = match *properties {
        Properties::BestEffort(weight) => (TaskType::BestEffort, weight, None),
        Properties::Soft(weight, times) => (TaskType::SoftRealTime, weight, Some(times)),
        Properties::Hard(times) => (TaskType::HardRealTime, 0, Some(times)),
    };
    let times = times.map_or([0; 4], |times| {
        [
            times.deadline,
            times.worst_case,
            times.period,
            times.release,
        ]
        .map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
    });
    let [deadline, worst_case, period, release] = times;
    let first = (kind as u64) << 16 | u64::from(weight);
    let args = [first, deadline, worst_case, period, release];
    invoke(dispatcher, command as u8, command.argc(), &args).map(|_| ())
}

/// A dispatcher's share among those that always have work: its weight, 1 to 16.
///
/// # Errors
/// As [`dispatcher_set_properties`].
pub fn dispatcher_set_weight(dispatcher: CapRef, weight: u16) -> Result<(), Error> {
    dispatcher_set_properties(dispatcher, &Properties::BestEffort(weight))
}

/// Gives a dispatcher another root table, from now on. The library OS of a domain that changes its own must find the same program,
/// stack and dispatcher frame at the same addresses.
///
/// # Errors
/// The kernel's: `SYS_ERR_DISP_NOT_RUNNABLE` (not set up, or dead), `SYS_ERR_DISP_VSPACE_ROOT` (not found),
/// `SYS_ERR_DISP_VSPACE_INVALID` (no L0 table, or another core's).
pub fn dispatcher_set_vspace(dispatcher: CapRef, root: CapRef) -> Result<(), Error> {
    let command = DispatcherCommand::SetVSpace;
    let args = [u64::from(root.addr().0), root.level() as u64];
    invoke(dispatcher, command as u8, command.argc(), &args).map(|_| ())
}

fn list(dispatcher: CapRef, command: DispatcherCommand, from: u64) -> Result<[u64; 5], Error> {
    if !dispatcher.is_own() {
        return Err(Error::new(ErrorCode::LibCapInvoke));
    }
    let word = CallWord::invoke(command as u8, dispatcher.level() as u8, command.argc());
    let (error, words) = call_long([word.0, u64::from(dispatcher.addr().0), from]);
    error::check(error)?;
    Ok(words)
}

/// Successive addresses that are mapped in the same way to successive memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MappedRun {
    /// First virtual address.
    pub base: VirtAddr,
    /// Bytes.
    pub bytes: u64,
    /// First physical address.
    pub physical: PhysAddr,
    /// How.
    pub how: PageRunWord,
}

/// Everything that a dispatcher's address space maps, in order; changes made meanwhile may be missed.
///
/// A failed call ends the list with its error: `SYS_ERR_DISP_CAP_RIGHTS` (the capability lacks IDENTIFY),
/// `SYS_ERR_DISP_VSPACE_INVALID` (not set up, or its root table is lost).
pub fn dispatcher_mappings(dispatcher: CapRef) -> impl Iterator<Item = Result<MappedRun, Error>> {
    let mut next = Some(0);
    let mut held: Option<MappedRun> = None;
    core::iter::from_fn(move || {
        // The kernel stops in the middle of a run when it has read enough, so pieces are put together here.
        while let Some(from) = next {
            let words = match list(dispatcher, DispatcherCommand::DumpPTables, from) {
                Ok(words) => words,
                Err(error) => {
                    next = None;
                    return Some(Err(error));
                }
            };
            let [base, bytes, physical, how, behind] = words;
            next = Some(behind).filter(|behind| *behind < 1 << USER_ADDRESS_BITS);
            if bytes == 0 {
                continue;
            }
            let found = MappedRun {
                base: VirtAddr(base),
                bytes,
                physical: PhysAddr(physical),
                how: PageRunWord(how),
            };
            match &mut held {
                Some(run)
                    if run.how == found.how
                        && run.base.0 + run.bytes == found.base.0
                        && run.physical.0 + run.bytes == found.physical.0 =>
                {
                    run.bytes += found.bytes;
                }
                _ => {
                    if let Some(run) = held.replace(found) {
                        return Some(Ok(run));
                    }
                }
            }
        }
        held.take().map(Ok)
    })
}

/// Everything that a dispatcher's CSpace holds: the slots of its root CNode, each followed by the slots of the CNode in it.
///
/// A failed call ends the list with its error: `SYS_ERR_DISP_CAP_RIGHTS` (the capability lacks IDENTIFY),
/// `SYS_ERR_DISP_CSPACE_INVALID` (not set up, or its root CNode is lost), `SYS_ERR_IDENTIFY_LOOKUP` (a type that this library does not
/// know).
pub fn dispatcher_capabilities(
    dispatcher: CapRef,
) -> impl Iterator<Item = Result<(CapPosition, Capability), Error>> {
    let mut behind = Some(CapPosition::START);
    core::iter::from_fn(move || {
        let found = dispatcher_capability_behind(dispatcher, behind?);
        behind = match &found {
            Ok(Some((position, _))) => Some(*position),
            _ => None,
        };
        found.transpose()
    })
}

/// What a dispatcher's CSpace holds first behind a position; none behind the last.
///
/// # Errors
/// As [`dispatcher_capabilities`].
pub fn dispatcher_capability_behind(
    dispatcher: CapRef,
    behind: CapPosition,
) -> Result<Option<(CapPosition, Capability)>, Error> {
    let mut behind = behind.with_foreign(false);
    loop {
        let answer = list(dispatcher, DispatcherCommand::DumpCapabilities, behind.0)?;
        let [position, first, second, third, on] = answer;
        if position != CapPosition::START.0 {
            let cap = Capability::from_words([first, second, third]);
            let cap = cap.ok_or(Error::new(ErrorCode::SysIdentifyLookup))?;
            return Ok(Some((CapPosition(position), cap)));
        }
        behind = CapPosition(on);
        if behind == CapPosition::START {
            return Ok(None);
        }
    }
}
