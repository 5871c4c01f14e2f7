//! What services do, how they end, and what the server is to do about it.

use crate::Ticks;
use crate::plan::Service;

/// One life of a service. Numbers are never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Run {
    /// Whose.
    pub service: Service,
    /// Which.
    pub number: u64,
}

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum End {
    /// With success.
    Well,
    /// With an error, by a fault, killed by somebody else; or it could not be spawned.
    Failure,
}

/// Why a service is not tried any more.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reason {
    /// It failed, and its policy is not to restart it.
    NotRestarted,
    /// It ended too often.
    TooOften,
}

/// What a service does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum State {
    /// Nothing, as nobody wants it.
    Stopped,
    /// It is wanted, and something that it needs is not there.
    Waiting,
    /// It has been spawned and is not ready. At the deadline it is killed.
    Starting {
        /// When.
        deadline: Option<Ticks>,
    },
    /// It is ready.
    Running,
    /// It has been killed; its end has not been told yet.
    Stopping,
    /// It ended and is restarted then.
    Backoff {
        /// When.
        until: Ticks,
    },
    /// It ended well, and that was it.
    Ended,
    /// It is not tried again until somebody [starts](crate::Supervisor::start) it.
    Failed(Reason),
}

impl State {
    /// Whether there is a run.
    #[must_use]
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Starting { .. } | Self::Running | Self::Stopping)
    }
}

/// What the server is to do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    /// Spawn the service, and say when it is ready and when it has ended. If it cannot be spawned, it has ended with a failure.
    Spawn(Run),
    /// End it. That it has ended is to be told as of any other end.
    Kill(Run),
    /// Its state is now this.
    Report(Service, State),
}
