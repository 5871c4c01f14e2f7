//! The services of the boot menu: what happens is told to the supervisor, what that decides is done.

use super::super::Ready;
use super::{Backend, Life, Process, ProcessService};
use alloc::vec::Vec;
use errors::{Error, ErrorCode};
use supervise::{Action, End, Run, Service, Ticks};

impl<B: Backend> ProcessService<B> {
    /// Starts all services.
    pub fn start_all(&mut self) {
        for service in self.services.keys() {
            // It is known.
            let _ = self.supervisor.start(*service, Ticks(self.now));
        }
        self.supervise();
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

    /// What happened to services since the last call.
    pub fn take_lives(&mut self) -> Vec<Life> {
        core::mem::take(&mut self.lives)
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
    pub(super) fn supervise(&mut self) {
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

    pub(super) fn service_of(&self, name: &str) -> Result<Service, Error> {
        let mut all = self.services.values();
        let found = all.find(|service| service.name == name);
        found
            .map(|service| service.definition.service)
            .ok_or(ErrorCode::SuperviseUnknownService.into())
    }
}
