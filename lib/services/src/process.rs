//! The process server: starts programs, knows all that run, and starts services again that have crashed. Its rules are the crate `supervise`.
//!
//! [`service`] is what does the work; how processes are made is its [`Backend`]'s affair.

pub mod service;

pub use service::{Backend, Life, Planned, ProcessService};
pub use supervise::lines::Ready;

use alloc::string::String;
use alloc::vec::Vec;
use errors::Error;
use flounder::interface;
use serde::{Deserialize, Serialize};

/// What is to be started.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Order {
    /// The arguments, the program's name first: that of a boot module, unless an ELF file comes along.
    pub args: Vec<String>,
    /// The environment: `NAME=value`.
    pub env: Vec<String>,
    /// On which core.
    pub core: u8,
    /// It outlives who has it started; otherwise it ends with that.
    pub detached: bool,
    /// Bytes of the ELF file, whose frame is then the first of the capabilities; 0: a boot module.
    pub elf_bytes: u32,
}

/// What a process does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum State {
    /// It runs, or waits for something.
    Running,
    /// It was suspended.
    Suspended,
}

/// What is known of a process.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct About {
    /// Its number.
    pub pid: u32,
    /// Who had it started and is still there; 0: nobody.
    pub parent: u32,
    /// Where it runs.
    pub core: u8,
    /// What it does.
    pub state: State,
    /// Its name.
    pub name: String,
}

/// A capability that a process holds, as the kernel lists it: decoded by `kpi`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Holding {
    /// Where it is.
    pub position: u64,
    /// What it is.
    pub words: [u64; 3],
}

/// How a process ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ended {
    /// Its number.
    pub pid: u32,
    /// 0 to 125 its own; 128 killed, 129 a fault: as `initproto` has them.
    pub status: u8,
    /// In words, unless it ended by itself: which fault, and where.
    pub why: String,
}

/// What a supervised service does.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ServiceState {
    /// Its name: that of its module.
    pub name: String,
    /// Its process, 0 if it has none.
    pub pid: u32,
    /// In a word: `running`, `backoff` ...
    pub state: String,
    /// How often it was started again in the window of its policy.
    pub restarts: u32,
}

/// Processes. `C` is the capability type.
#[interface]
pub trait Processes<C> {
    /// Starts a program with copies of these capabilities; answers with its number. It is the caller's from then on.
    #[caller]
    fn spawn(&mut self, order: Order, caps: Vec<C>) -> Result<u32, Error>;
    /// Ends a process: the caller's, or if the caller is an operator any that this server has started.
    #[caller]
    fn kill(&mut self, pid: u32) -> Result<(), Error>;
    /// Has such a process stand still, with all that it has started.
    #[caller]
    fn suspend(&mut self, pid: u32) -> Result<(), Error>;
    /// Has it go on.
    #[caller]
    fn resume(&mut self, pid: u32) -> Result<(), Error>;
    /// Lets go of it.
    #[caller]
    fn detach(&mut self, pid: u32) -> Result<(), Error>;
    /// Waits for the end of a process of the caller's. Each end is told once.
    #[later]
    fn wait(&mut self, pid: u32) -> Result<Ended, Error>;
    /// The name of a process.
    fn name(&mut self, pid: u32) -> Result<String, Error>;
    /// The numbers of all processes, also of those that others have started.
    fn pids(&mut self) -> Result<Vec<u32>, Error>;
    /// All processes, by number.
    fn all(&mut self) -> Result<Vec<About>, Error>;
    /// What a process holds behind that position of its capability space (0: from the start), as many as one answer takes; none behind the last. For its
    /// parent, itself, and operators.
    #[caller]
    fn capabilities(&mut self, pid: u32, behind: u64) -> Result<Vec<Holding>, Error>;
    /// The supervised services.
    fn services(&mut self) -> Result<Vec<ServiceState>, Error>;
    /// Starts a supervised service, one that has failed too. For operators.
    #[caller]
    fn start(&mut self, service: &str) -> Result<(), Error>;
    /// Stops one, and those that need it. For operators.
    #[caller]
    fn stop(&mut self, service: &str) -> Result<(), Error>;
}
