//! The process server's own supervision: whoever starts all others again is itself started again by init.
//!
//! It is trusted as the kernel is, and may pass on the right to be the name server. What it had started ends with it, so that it begins anew.

use super::{Children, Start, Trust};
use crate::outcome::Outcome;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use aos::boot::Module;
use aos::spawn::SpawnError;
use aos::{Error, ErrorCode, println, time};
use core::time::Duration;
use supervise::{Action, Definition, End, Policy, Restart, Run, Service, State, Supervisor, Ticks};

/// Restarts within a [`WINDOW`], then it is given up.
const RESTARTS: u8 = 5;
/// In which they are counted.
const WINDOW: Duration = Duration::from_secs(60);
/// Before the first restart, and at most.
const BASE: Duration = Duration::from_millis(50);
const CAP: Duration = Duration::from_secs(2);

/// The one service that init starts again.
const SERVICE: Service = Service(0);

/// What is kept running.
#[derive(Debug)]
pub struct Keeper {
    name: String,
    args: Vec<String>,
    supervisor: Supervisor,
    running: Option<(Run, u32)>,
    failed: bool,
}

fn ticks(duration: Duration) -> Ticks {
    Ticks(time::after(duration).saturating_sub(time::now()))
}

impl Keeper {
    fn new(name: &str, args: &[String]) -> Result<Self, Error> {
        let policy = Policy {
            restart: Restart::OnFailure,
            restarts: RESTARTS,
            window: ticks(WINDOW),
            base: ticks(BASE),
            cap: ticks(CAP),
            ready_within: None,
        };
        let definition = Definition {
            service: SERVICE,
            policy,
            needs: Vec::new(),
        };
        let supervisor = Supervisor::new(Vec::from([definition])).map_err(|error| error.code())?;
        Ok(Self {
            name: name.to_string(),
            args: args.to_vec(),
            supervisor,
            running: None,
            failed: false,
        })
    }

    /// Its process, if it has one.
    fn pid(&self) -> Option<u32> {
        self.running.map(|(_, pid)| pid)
    }

    fn ended(&mut self, outcome: Outcome) {
        if let Some((run, _)) = self.running.take() {
            let end = match outcome.status() {
                0 => End::Well,
                _ => End::Failure,
            };
            // It is the run that there is.
            let _ = self.supervisor.exited(run, end, Ticks(time::now()));
        }
    }
}

impl Children {
    /// Keeps this module running from now on.
    ///
    /// # Errors
    /// `PROC_MGMT_ERR_SPAWND_EXISTS`: there is one already.
    pub fn keep(&mut self, module: &Module<'_>, args: &[String]) -> Result<(), Error> {
        if self.keeper.is_some() {
            return Err(ErrorCode::ProcMgmtSpawndExists.into());
        }
        let mut keeper = Keeper::new(module.name(), args)?;
        let started = keeper.supervisor.start(SERVICE, Ticks(time::now()));
        started.map_err(|error| error.code())?;
        self.keeper = Some(keeper);
        self.tend_kept();
        Ok(())
    }

    /// Starts it, if it is to be started.
    pub(super) fn tend_kept(&mut self) {
        let Some(mut keeper) = self.keeper.take() else {
            return;
        };
        if let Some(pid) = keeper.pid().filter(|pid| self.table.get(*pid).is_none()) {
            // Who killed it by hand has been told already.
            if let Some(ended) = self.take_ended(pid) {
                ended.outcome.tell_background(ended.name, ended.pid);
            }
            let ended = self.remembered(pid);
            keeper.ended(ended.map_or(Outcome::Killed, |ended| ended.outcome));
        }
        keeper.supervisor.tick(Ticks(time::now()));
        while let Some(action) = keeper.supervisor.next_action() {
            match action {
                Action::Spawn(run) => match self.start_kept(&keeper) {
                    Ok(pid) => {
                        println!("init: {} (process server, pid {pid})", keeper.name);
                        keeper.running = Some((run, pid));
                        let now = Ticks(time::now());
                        let _ = keeper.supervisor.ready(run, now);
                    }
                    Err(error) => {
                        println!("{}: could not be started: {error}", keeper.name);
                        let now = Ticks(time::now());
                        let _ = keeper.supervisor.exited(run, End::Failure, now);
                    }
                },
                Action::Report(_, State::Failed(_)) => {
                    println!("init: {} has failed too often", keeper.name);
                    keeper.failed = true;
                }
                Action::Report(..) | Action::Kill(_) => {}
            }
        }
        self.keeper = Some(keeper);
    }

    fn start_kept(&mut self, keeper: &Keeper) -> Result<u32, SpawnError> {
        let module = self.boot.module(&keeper.name)?;
        let words: Vec<&str> = core::iter::once(keeper.name.as_str())
            .chain(keeper.args.iter().map(String::as_str))
            .collect();
        let file = module.open()?;
        let started = self.start(&Start {
            trust: Trust::Kernel,
            is_service: true,
            ..Start::new(&file, &words)
        });
        // What cannot be unmapped only costs addresses.
        let _ = file.close();
        started
    }

    /// When to [tend](Children::tend) at the latest though nothing happens.
    pub fn kept_deadline(&self) -> Option<u64> {
        let keeper = self.keeper.as_ref()?;
        keeper.supervisor.next_deadline().map(|at| at.0)
    }

    /// Whether the process server is not started any more.
    pub fn kept_failed(&self) -> bool {
        self.keeper.as_ref().is_some_and(|keeper| keeper.failed)
    }
}
