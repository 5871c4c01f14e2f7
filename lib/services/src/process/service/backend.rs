//! How processes are made, and what of services the domain knows and hears.

use super::super::{About, Holding, Order, Ready};
use alloc::string::String;
use alloc::vec::Vec;
use errors::Error;
use supervise::{Definition, Reason, Service};

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

    /// What a process holds behind that position of its capability space, as many as one answer takes; none behind the last.
    ///
    /// # Errors
    /// It has ended, or whoever knows cannot be asked.
    fn capabilities(&mut self, pid: u32, behind: u64) -> Result<Vec<Holding>, Error>;
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

/// A state in a word.
pub(super) const fn word(state: supervise::State) -> &'static str {
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
