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
//! Barrelfish counterpart: `usr/spawnd`, `usr/proc_mgmt`; `startd` for the services.

use super::{About, Ended, Order, Processes, ServiceState};
use crate::grading::{Grading, Silent};
use crate::presence::Presence;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use errors::{Error, ErrorCode};
use flounder::{Answer, Caller, Finished};
use supervise::lines::Ready;
use supervise::{Action, Definition, End, Reason, Run, Service, Supervisor, Ticks};

/// Most processes that were started here, and most clients.
pub const MOST: usize = 64;
/// Most processes that one has started and that run.
pub const MOST_OF_ONE: usize = 24;
/// Ends that a process has not asked for and that are kept.
pub const KEPT: usize = 64;

/// How processes are made and ended.
pub trait Backend {
    /// The capability type.
    type Cap;

    /// Starts a program with copies of these capabilities; answers with its number.
    ///
    /// # Errors
    /// Why it could not be started.
    fn spawn(&mut self, order: &Order, caps: Vec<Self::Cap>) -> Result<u32, Error>;

    /// Starts a supervised service with what the boot menu gives it; answers with its number.
    ///
    /// # Errors
    /// Why it could not be started.
    fn spawn_service(&mut self, service: Service) -> Result<u32, Error>;

    /// A service has ended: what it was given is taken back, whoever has it now.
    fn service_ended(&mut self, service: Service);

    /// Ends a process that was started here. Its end is told to [`ProcessService::exited`] later.
    ///
    /// # Errors
    /// It has ended already.
    fn kill(&mut self, pid: u32) -> Result<(), Error>;

    /// Has such a process stand still, or go on.
    ///
    /// # Errors
    /// It has ended already.
    fn suspend(&mut self, pid: u32, suspended: bool) -> Result<(), Error>;

    /// All processes of the machine, by number, also those that others have started.
    ///
    /// # Errors
    /// Whoever knows cannot be asked.
    fn all(&mut self) -> Result<Vec<About>, Error>;
}

/// A service.
#[derive(Clone, Debug)]
pub struct Planned {
    /// Its name.
    pub name: String,
    /// Its number, policy and needs.
    pub definition: Definition,
    /// When it is ready.
    pub ready: Ready,
    /// It may manage all processes.
    pub is_operator: bool,
}

/// What happened to a service, for who writes a log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Life {
    /// Its name.
    pub service: String,
    /// What it does now.
    pub state: supervise::State,
    /// Why it could not be started, if it could not.
    pub error: Option<Error>,
}

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

    /// Starts all services.
    pub fn start_all(&mut self) {
        for service in self.services.keys() {
            // It is known.
            let _ = self.supervisor.start(*service, Ticks(self.now));
        }
        self.supervise();
    }

    /// A client has come.
    ///
    /// # Errors
    /// There are too many.
    pub fn opened(&mut self, connection: u64, pid: u32) -> Result<(), Error> {
        self.clients.opened(connection, pid).map(drop)
    }

    /// Whether a process is an operator.
    pub fn is_operator(&self, pid: u32) -> bool {
        self.operators.contains(&pid)
    }

    /// This process may manage all that were started here.
    pub fn add_operator(&mut self, pid: u32) {
        self.operators.insert(pid);
    }

    /// Somebody has registered a name.
    pub fn registered(&mut self, name: &str, pid: u32) {
        let run = self.processes.get(&pid).and_then(|process| process.run);
        let waits_for = |run: &Run| self.ready_of(*run) == Some(&Ready::Named(name.into()));
        if let Some(run) = run.filter(waits_for) {
            self.is_ready(run);
        }
    }

    /// The name server can be bound to.
    pub fn name_server_is_there(&mut self) {
        let runs = self.processes.values().filter_map(|process| process.run);
        let is_it = |run: &Run| self.ready_of(*run) == Some(&Ready::NameServer);
        let runs: Vec<Run> = runs.filter(is_it).collect();
        for run in runs {
            self.is_ready(run);
        }
    }

    /// A process that was started here has ended.
    pub fn exited(&mut self, ended: Ended) {
        let pid = ended.pid;
        let Some(process) = self.processes.remove(&pid) else {
            return;
        };
        self.gone(pid);
        if let Some(run) = process.run {
            self.backend.service_ended(run.service);
            let end = match ended.status {
                0 => End::Well,
                _ => End::Failure,
            };
            let _ = self.supervisor.exited(run, end, Ticks(self.now));
            self.supervise();
        } else if process.parent != 0 {
            self.tell(process.parent, ended);
        }
    }

    /// Does what is due, and gives the answers that are ready.
    pub fn take_finished(&mut self) -> Vec<Finished<B::Cap>> {
        let asked = self.clients.asked(self.now);
        if !asked.is_empty()
            && let Ok(all) = self.backend.all()
        {
            for pid in asked {
                if all.iter().all(|about| about.pid != pid) {
                    self.gone(pid);
                } else if !self.is_owed(pid) {
                    self.clients.forget(pid);
                    if !self.processes.contains_key(&pid) {
                        self.operators.remove(&pid);
                    }
                }
            }
        }
        self.supervisor.tick(Ticks(self.now));
        self.supervise();
        core::mem::take(&mut self.finished)
    }

    /// What happened to services since the last call.
    pub fn take_lives(&mut self) -> Vec<Life> {
        core::mem::take(&mut self.lives)
    }

    /// When to come back at the latest.
    pub fn next_deadline(&self) -> Option<u64> {
        let due = self.supervisor.next_deadline().map(|at| at.0);
        due.into_iter().chain(self.clients.next_deadline()).min()
    }

    // The rules.

    /// Whether something is kept for this process.
    fn is_owed(&self, pid: u32) -> bool {
        let mut children = self.processes.values();
        children.any(|process| process.parent == pid)
            || self.ends.iter().any(|(whose, _)| *whose == pid)
    }

    /// A process is no more: what belonged to it ends.
    fn gone(&mut self, pid: u32) {
        self.clients.forget(pid);
        self.operators.remove(&pid);
        self.ends.retain(|(whose, _)| *whose != pid);
        for (child, process) in &mut self.processes {
            if process.parent == pid {
                process.parent = 0;
                // If it has ended, its end is on its way.
                let _ = self.backend.kill(*child);
            }
        }
    }

    fn tell(&mut self, parent: u32, ended: Ended) {
        let pid = ended.pid;
        let mut waits = self.take_waits(pid).into_iter();
        match waits.next() {
            Some(first) => self.finished.push(first.finish(Ok(ended))),
            None => {
                let kept = self.ends.iter().filter(|(whose, _)| *whose == parent);
                if kept.count() >= KEPT
                    && let Some(oldest) = self.ends.iter().position(|(whose, _)| *whose == parent)
                {
                    self.ends.remove(oldest);
                }
                self.ends.push((parent, ended));
            }
        }
        // The end is told once.
        waits.for_each(|wait| self.finished.push(wait.finish(Err(not_found()))));
    }

    fn take_waits(&mut self, pid: u32) -> Vec<Answer<Ended, B::Cap>> {
        let waits = self.waits.extract_if(.., |(of, _)| *of == pid);
        waits.map(|(_, answer)| answer).collect()
    }

    fn ready_of(&self, run: Run) -> Option<&Ready> {
        self.services
            .get(&run.service)
            .map(|service| &service.ready)
    }

    fn is_ready(&mut self, run: Run) {
        // What it says of an old life is of no interest.
        let _ = self.supervisor.ready(run, Ticks(self.now));
        self.supervise();
    }

    /// Does what the supervisor says.
    fn supervise(&mut self) {
        while let Some(action) = self.supervisor.next_action() {
            match action {
                Action::Spawn(run) => self.begin(run),
                Action::Kill(run) => {
                    let mut all = self.processes.iter();
                    let found = all.find(|(_, process)| process.run == Some(run));
                    if let Some((pid, _)) = found {
                        // If it has ended, its end is on its way.
                        let _ = self.backend.kill(*pid);
                    }
                }
                Action::Report(service, state) => self.report(service, state),
            }
        }
    }

    fn begin(&mut self, run: Run) {
        let Some(service) = self.services.get(&run.service) else {
            return;
        };
        match self.backend.spawn_service(run.service) {
            Ok(pid) => {
                if service.is_operator {
                    self.operators.insert(pid);
                }
                let process = Process {
                    parent: 0,
                    starter: 0,
                    name: service.name.clone(),
                    run: Some(run),
                };
                self.processes.insert(pid, process);
                if service.ready == Ready::Started {
                    let _ = self.supervisor.ready(run, Ticks(self.now));
                }
            }
            Err(error) => {
                self.backend.service_ended(run.service);
                self.failed = Some((run.service, error));
                let _ = self.supervisor.exited(run, End::Failure, Ticks(self.now));
            }
        }
    }

    fn report(&mut self, service: Service, state: supervise::State) {
        let is_it = |(of, _): &mut (Service, Error)| {
            *of == service && !matches!(state, supervise::State::Starting { .. })
        };
        let error = self.failed.take_if(is_it).map(|(_, error)| error);
        if let Some(planned) = self.services.get(&service) {
            self.lives.push(Life {
                service: planned.name.clone(),
                state,
                error,
            });
        }
    }

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

    fn service_of(&self, name: &str) -> Result<Service, Error> {
        let mut all = self.services.values();
        let found = all.find(|service| service.name == name);
        found
            .map(|service| service.definition.service)
            .ok_or(ErrorCode::SuperviseUnknownService.into())
    }
}

fn not_found() -> Error {
    ErrorCode::SpawnDomainNotfound.into()
}

/// A state in a word.
const fn word(state: supervise::State) -> &'static str {
    match state {
        supervise::State::Stopped => "stopped",
        supervise::State::Waiting => "waiting",
        supervise::State::Starting { .. } => "starting",
        supervise::State::Running => "running",
        supervise::State::Stopping => "stopping",
        supervise::State::Backoff { .. } => "backoff",
        supervise::State::Ended => "ended",
        supervise::State::Failed(Reason::NotRestarted) => "failed",
        supervise::State::Failed(Reason::TooOften) => "failed too often",
    }
}

impl core::fmt::Display for Life {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}: {}", self.service, word(self.state))?;
        match self.error {
            Some(error) => write!(f, ", as it could not be started: {error}"),
            None => Ok(()),
        }
    }
}

impl<B: Backend> Processes<B::Cap> for ProcessService<B> {
    fn spawn(&mut self, caller: Caller, order: Order, caps: Vec<B::Cap>) -> Result<u32, Error> {
        let by = self.clients.of(caller.connection)?;
        let own = self.processes.values();
        let own = own.filter(|process| process.starter == by).count();
        if self.processes.len() >= MOST || own >= MOST_OF_ONE {
            return Err(ErrorCode::ProcMgmtTooMany.into());
        }
        if order.core != 0 {
            return Err(ErrorCode::ProcMgmtInvalidSpawnd.into());
        }
        let name = order.args.first().cloned().unwrap_or_default();
        self.grading
            .grading_rpc_handler_process_spawn(&name, order.core);
        let pid = self.backend.spawn(&order, caps)?;
        let process = Process {
            parent: if order.detached { 0 } else { by },
            starter: by,
            name,
            run: None,
        };
        self.processes.insert(pid, process);
        Ok(pid)
    }

    fn kill(&mut self, caller: Caller, pid: u32) -> Result<(), Error> {
        let by = self.clients.of(caller.connection)?;
        let is_own = pid == self.own && self.operators.contains(&by);
        if !is_own {
            self.check_power(caller, pid)?;
        }
        self.backend.kill(pid)
    }

    fn suspend(&mut self, caller: Caller, pid: u32) -> Result<(), Error> {
        self.check_power(caller, pid)?;
        self.backend.suspend(pid, true)
    }

    fn resume(&mut self, caller: Caller, pid: u32) -> Result<(), Error> {
        self.check_power(caller, pid)?;
        self.backend.suspend(pid, false)
    }

    fn detach(&mut self, caller: Caller, pid: u32) -> Result<(), Error> {
        let by = self.clients.of(caller.connection)?;
        match self.processes.get_mut(&pid) {
            Some(process) if process.parent == by => process.parent = 0,
            _ => return Err(not_found()),
        }
        for wait in self.take_waits(pid) {
            self.finished.push(wait.finish(Err(not_found())));
        }
        Ok(())
    }

    fn wait(&mut self, pid: u32, answer: Answer<Ended, B::Cap>) {
        let by = match self.clients.of(answer.caller().connection) {
            Ok(by) => by,
            Err(error) => return self.finished.push(answer.finish(Err(error))),
        };
        let is_it = |(whose, ended): &(u32, Ended)| (*whose, ended.pid) == (by, pid);
        if let Some(index) = self.ends.iter().position(is_it) {
            let (_, ended) = self.ends.remove(index);
            return self.finished.push(answer.finish(Ok(ended)));
        }
        match self.processes.get(&pid) {
            Some(process) if process.parent == by => self.waits.push((pid, answer)),
            _ => self.finished.push(answer.finish(Err(not_found()))),
        }
    }

    fn name(&mut self, pid: u32) -> Result<String, Error> {
        self.grading.grading_rpc_handler_process_get_name(pid);
        if let Some(process) = self.processes.get(&pid) {
            return Ok(process.name.clone());
        }
        let all = self.backend.all()?;
        let found = all.into_iter().find(|about| about.pid == pid);
        found.map(|about| about.name).ok_or(not_found())
    }

    fn pids(&mut self) -> Result<Vec<u32>, Error> {
        self.grading.grading_rpc_handler_process_get_all_pids();
        let all = self.backend.all()?;
        Ok(all.into_iter().map(|about| about.pid).collect())
    }

    fn all(&mut self) -> Result<Vec<About>, Error> {
        let mut all = self.backend.all()?;
        for about in &mut all {
            if let Some(process) = self.processes.get(&about.pid) {
                about.parent = process.parent;
                about.name.clone_from(&process.name);
            }
        }
        Ok(all)
    }

    fn services(&mut self) -> Result<Vec<ServiceState>, Error> {
        let pid_of = |run: Option<Run>| {
            let mut all = self.processes.iter();
            let found = all.find(|(_, process)| run.is_some() && process.run == run);
            found.map_or(0, |(pid, _)| *pid)
        };
        let all = self.supervisor.services();
        let states = all.filter_map(|service| {
            let planned = self.services.get(&service)?;
            Some(ServiceState {
                name: planned.name.clone(),
                pid: pid_of(self.supervisor.run(service)),
                state: word(self.supervisor.state(service)?).to_string(),
                restarts: u32::try_from(self.supervisor.restarts(service)).unwrap_or(u32::MAX),
            })
        });
        Ok(states.collect())
    }

    fn start(&mut self, caller: Caller, service: &str) -> Result<(), Error> {
        self.check_operator(caller)?;
        let service = self.service_of(service)?;
        let started = self.supervisor.start(service, Ticks(self.now));
        self.supervise();
        started.map_err(|error| error.code().into())
    }

    fn stop(&mut self, caller: Caller, service: &str) -> Result<(), Error> {
        self.check_operator(caller)?;
        let service = self.service_of(service)?;
        let stopped = self.supervisor.stop(service, Ticks(self.now));
        self.supervise();
        stopped.map_err(|error| error.code().into())
    }

    fn cancelled(&mut self, caller: Caller) {
        self.waits.retain(|(_, answer)| answer.caller() != caller);
    }

    fn closed(&mut self, connection: u64) {
        self.clients.closed(connection);
        self.waits
            .retain(|(_, answer)| answer.caller().connection != connection);
    }
}
