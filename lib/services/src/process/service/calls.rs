//! What clients ask for.

use super::super::{About, Ended, Holding, Order, Processes, ServiceState};
use super::backend::word;
use super::{Backend, MOST, MOST_OF_ONE, Process, ProcessService, not_found};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use errors::{Error, ErrorCode};
use flounder::{Answer, Caller};
use supervise::{Run, Ticks};

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
        self.suspend_all(pid, true)
    }

    fn resume(&mut self, caller: Caller, pid: u32) -> Result<(), Error> {
        self.check_power(caller, pid)?;
        self.suspend_all(pid, false)
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

    fn capabilities(
        &mut self,
        caller: Caller,
        pid: u32,
        behind: u64,
    ) -> Result<Vec<Holding>, Error> {
        let by = self.clients.of(caller.connection)?;
        let is_its = self
            .processes
            .get(&pid)
            .is_some_and(|process| process.parent == by);
        match pid == by || is_its || self.operators.contains(&by) {
            true => self.backend.capabilities(pid, behind),
            false => Err(ErrorCode::ProcMgmtNotOperator.into()),
        }
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
