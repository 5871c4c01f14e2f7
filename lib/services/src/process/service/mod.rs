//! The process server without its domain: whose each process is, who is told of ends, and the supervision of services.
//!
//! * **Whose.** A process belongs to the process that had it started, until that lets go of it or ends. When that ends, what belonged to it ends too.
//! * **Ends** are told once: to a call of [`Processes::wait`] that waits, or to the next one. Each process has at most [`KEPT`] ends kept that it has
//!   not asked for; then the oldest is forgotten.
//! * **Services** belong to nobody. What the supervisor decides is done at once, and that it is done is told to it.
//! * **Operators** may end, suspend and resume everything that was started here, and start and stop services. They may have this server itself end, if
//!   somebody starts it again.
//!
//! **Bounds.** At most [`MOST`] processes, [`MOST_OF_ONE`] started by one process, detached or not; and as many clients.
//!
//! | Module | What |
//! |---|---|
//! | `backend` | how processes are made |
//! | `calls` | what clients ask for |
//! | `ends` | who is told of an end, and what ends with whom |
//! | `services` | the services of the boot menu |
//!
//! Barrelfish counterpart: `usr/spawnd`, `usr/proc_mgmt`; `startd` for the services.

mod backend;
mod calls;
mod ends;
mod services;

pub use backend::{Backend, Life, Planned};

use super::Ended;
use crate::grading::{Grading, Silent};
use crate::presence::Presence;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use errors::{Error, ErrorCode};
use flounder::{Answer, Caller, Finished};
use supervise::{Run, Service, Supervisor};

/// Most processes that were started here, and most clients.
pub const MOST: usize = 64;
/// Most processes that one has started and that run.
pub const MOST_OF_ONE: usize = 24;
/// Ends that a process has not asked for and that are kept.
pub const KEPT: usize = 64;

/// A process that was started here and runs.
#[derive(Debug)]
struct Process {
    /// 0: nobody.
    parent: u32,
    /// Who had it started; 0: the supervisor.
    starter: u32,
    name: String,
    /// The life of a service that it is.
    run: Option<Run>,
}

/// The service.
pub struct ProcessService<B: Backend> {
    /// How processes are made.
    pub backend: B,
    /// Who is told of calls.
    pub grading: Box<dyn Grading>,
    /// This server's own process, if operators may end it: that of nobody otherwise, 0.
    pub own: u32,
    processes: BTreeMap<u32, Process>,
    /// Ends that nobody has asked for, the oldest first, and whom they are for.
    ends: Vec<(u32, Ended)>,
    waits: Vec<(u32, Answer<Ended, B::Cap>)>,
    clients: Presence,
    operators: BTreeSet<u32>,
    supervisor: Supervisor,
    services: BTreeMap<Service, Planned>,
    now: u64,
    finished: Vec<Finished<B::Cap>>,
    lives: Vec<Life>,
    /// Who could not be started, and why: told with its next state.
    failed: Option<(Service, Error)>,
}

impl<B: Backend> core::fmt::Debug for ProcessService<B> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ProcessService")
            .field("processes", &self.processes)
            .finish_non_exhaustive()
    }
}

impl<B: Backend> ProcessService<B> {
    /// One that knows no process, with these services, none of them started. Whether processes without a connection are still there is asked every
    /// `interval`.
    ///
    /// # Errors
    /// As [`Supervisor::new`].
    pub fn new(backend: B, plan: Vec<Planned>, interval: u64) -> Result<Self, Error> {
        let definitions = plan.iter().map(|one| one.definition.clone()).collect();
        let supervisor = Supervisor::new(definitions).map_err(|error| error.code())?;
        let services = plan.into_iter();
        Ok(Self {
            backend,
            grading: Box::new(Silent),
            own: 0,
            processes: BTreeMap::new(),
            ends: Vec::new(),
            waits: Vec::new(),
            clients: Presence::new(MOST, interval),
            operators: BTreeSet::new(),
            supervisor,
            services: services.map(|one| (one.definition.service, one)).collect(),
            now: 0,
            finished: Vec::new(),
            lives: Vec::new(),
            failed: None,
        })
    }

    // What the domain says.

    /// It is that late.
    pub fn set_time(&mut self, now: u64) {
        self.now = now;
    }

    /// A client has come.
    ///
    /// # Errors
    /// There are too many.
    pub fn opened(&mut self, connection: u64, pid: u32) -> Result<(), Error> {
        self.clients.opened(connection, pid).map(drop)
    }

    /// All operators.
    pub fn operators(&self) -> impl Iterator<Item = u32> {
        self.operators.iter().copied()
    }

    /// This process may manage all that were started here.
    pub fn add_operator(&mut self, pid: u32) {
        self.operators.insert(pid);
    }

    /// When to come back at the latest.
    pub fn next_deadline(&self) -> Option<u64> {
        let due = self.supervisor.next_deadline().map(|at| at.0);
        due.into_iter().chain(self.clients.next_deadline()).min()
    }

    // The rules.

    /// Whether that caller has power over this process.
    fn check_power(&self, caller: Caller, pid: u32) -> Result<(), Error> {
        let by = self.clients.of(caller.connection)?;
        match self.processes.get(&pid) {
            Some(process) if process.parent == by || self.operators.contains(&by) => Ok(()),
            _ => Err(not_found()),
        }
    }

    fn check_operator(&self, caller: Caller) -> Result<(), Error> {
        let by = self.clients.of(caller.connection)?;
        match self.operators.contains(&by) {
            true => Ok(()),
            false => Err(ErrorCode::ProcMgmtNotOperator.into()),
        }
    }

    /// Has a process and all that it has started stand still, or go on.
    ///
    /// # Errors
    /// The process has ended.
    fn suspend_all(&mut self, pid: u32, suspended: bool) -> Result<(), Error> {
        self.backend.suspend(pid, suspended)?;
        let mut all = Vec::from([pid]);
        let mut index = 0;
        while let Some(parent) = all.get(index).copied() {
            let children = self.processes.iter();
            let children = children.filter(|(_, process)| process.parent == parent);
            all.extend(children.map(|(child, _)| *child));
            index += 1;
        }
        for below in all.into_iter().skip(1) {
            // If it has ended, its end is on its way.
            let _ = self.backend.suspend(below, suspended);
        }
        Ok(())
    }
}

fn not_found() -> Error {
    ErrorCode::SpawnDomainNotfound.into()
}
