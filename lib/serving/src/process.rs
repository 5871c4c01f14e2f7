//! The process server: its processes are made by orders to init, in whose books they are this domain's children; the service knows whose they really are.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use aos::cap::AnyCap;
use aos::flounder::Limits;
use aos::kpi::invocation::CapPosition;
use aos::proc::{self, Command, End};
use aos::rpc::GradingLines;
use aos::service::{Host, Next, Round};
use aos::{Error, ErrorCode, time};
use core::time::Duration;
use services::process::{
    About, Backend, Ended, Holding, Order, ProcessService, ProcessesServer, State,
};
use supervise::Service;

pub use aos::rpc::PROCESS as NAME;

/// Capabilities that one answer tells of.
const PAGE: usize = 64;
/// Most connections at once.
const CONNECTIONS: usize = 128;
/// How much each may use.
const LIMITS: Limits = Limits {
    message_bytes: 16 << 10,
    caps: 16,
    queued_bytes: 32 << 10,
    calls: 64,
};
/// So often it is asked whether processes without a connection are still there.
const INTERVAL: Duration = Duration::from_secs(1);

/// The same in ticks, for [`ProcessService::new`].
pub fn interval() -> u64 {
    time::ticks(INTERVAL)
}

/// Its clients.
///
/// # Errors
/// As [`Host::new`].
pub fn host() -> Result<Host, Error> {
    Host::new(CONNECTIONS, LIMITS)
}

/// With this environment, and nothing of this program's own.
///
/// # Errors
/// `SPAWN_ERR_GET_CMDLINE_ARGS`: a word is no variable.
pub fn with_env<'a>(command: Command<'a>, env: &[String]) -> Result<Command<'a>, Error> {
    env.iter().try_fold(command.env_clear(), |command, word| {
        let (name, value) = word
            .split_once('=')
            .ok_or(Error::new(ErrorCode::SpawnGetCmdlineArgs))?;
        Ok(command.env(name, value))
    })
}

/// What [`Backend::spawn`] does.
///
/// # Errors
/// As [`Command::spawn`].
pub fn spawn(order: &Order, caps: &[AnyCap]) -> Result<u32, Error> {
    let bad = Error::new(ErrorCode::SpawnGetCmdlineArgs);
    let (name, args) = order.args.split_first().ok_or(bad)?;
    let mut passed = caps.iter().map(AnyCap::slot);
    let command = match order.elf_bytes {
        0 => Command::new(name),
        bytes => {
            let frame = passed.next().ok_or(Error::new(ErrorCode::SpawnLoad))?;
            Command::of_frame(name, frame, bytes)
        }
    };
    let command = with_env(command.args(args), &order.env)?;
    let command = passed.fold(command, Command::pass);
    Ok(command.spawn()?.pid())
}

/// What [`Backend::suspend`] does.
///
/// # Errors
/// As [`proc::suspend`].
pub fn suspend(pid: u32, suspended: bool) -> Result<(), Error> {
    match suspended {
        true => proc::suspend(pid),
        false => proc::resume(pid),
    }
}

/// What [`Backend::all`] does.
///
/// # Errors
/// As [`proc::list`].
pub fn all() -> Result<Vec<About>, Error> {
    let all = proc::list()?;
    let about = |process: &proc::Process| About {
        pid: process.pid,
        parent: process.parent.unwrap_or(0),
        core: process.core.0,
        state: match process.state {
            proc::State::Running => State::Running,
            proc::State::Suspended => State::Suspended,
        },
        name: process.name.to_string(),
    };
    Ok(all.iter().map(about).collect())
}

/// What [`Backend::capabilities`] does.
///
/// # Errors
/// As [`proc::capability_behind`].
pub fn capabilities(pid: u32, behind: u64) -> Result<Vec<Holding>, Error> {
    let mut all = Vec::new();
    let mut behind = CapPosition(behind);
    while all.len() < PAGE {
        let Some((position, capability)) = proc::capability_behind(pid, behind)? else {
            break;
        };
        behind = position;
        all.push(Holding {
            position: position.0,
            words: capability.to_words(),
        });
    }
    Ok(all)
}

/// Processes that clients order, and no services.
#[derive(Clone, Copy, Debug)]
pub struct OnDemand;

impl Backend for OnDemand {
    type Cap = AnyCap;

    fn spawn(&mut self, order: &Order, caps: Vec<AnyCap>) -> Result<u32, Error> {
        spawn(order, &caps)
    }

    fn spawn_service(&mut self, _service: Service) -> Result<u32, Error> {
        Err(Error::new(ErrorCode::SuperviseUnknownService))
    }

    fn service_ended(&mut self, _service: Service) {}

    fn kill(&mut self, pid: u32) -> Result<(), Error> {
        proc::kill(pid)
    }

    fn suspend(&mut self, pid: u32, suspended: bool) -> Result<(), Error> {
        self::suspend(pid, suspended)
    }

    fn all(&mut self) -> Result<Vec<About>, Error> {
        all()
    }

    fn capabilities(&mut self, pid: u32, behind: u64) -> Result<Vec<Holding>, Error> {
        capabilities(pid, behind)
    }
}

/// Who has come, for a service's round: before anything else in it. `is_operator` says who of them may manage all processes.
pub fn welcome<B: Backend>(
    service: &mut ProcessService<B>,
    round: &Round,
    mut is_operator: impl FnMut(&mut B, u32) -> bool,
) {
    service.set_time(time::now());
    for (connection, pid) in &round.opened {
        // Who is one too many is told so by whatever it asks.
        let _ = service.opened(*connection, *pid);
        if is_operator(&mut service.backend, *pid) {
            service.add_operator(*pid);
        }
    }
}

/// The names of programs that init itself starts and that may manage all processes.
#[derive(Clone, Debug, Default)]
pub struct Operators(pub Vec<&'static str>);

impl Operators {
    /// Whether this process is one of them.
    pub fn has<B: Backend>(&self, backend: &mut B, pid: u32) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let all = backend.all().unwrap_or_default();
        let found = all.iter().find(|about| about.pid == pid);
        found.is_some_and(|about| about.parent == 0 && self.0.contains(&&*about.name))
    }
}

/// How a process ended, as clients are told.
pub fn ended(pid: u32, end: End) -> Ended {
    let why = match end {
        End::Exited(_) => String::new(),
        _ => end.to_string(),
    };
    Ended {
        pid,
        status: end.status(),
        why,
    }
}

/// Serves clients that order processes on the calling thread, for ever, without services of a boot menu.
///
/// # Errors
/// None that can come.
pub fn serve(host: &mut Host, operators: &Operators, grading: bool) -> Result<(), Error> {
    let mut service = ProcessService::new(OnDemand, Vec::new(), interval())?;
    if grading {
        service.grading = Box::new(GradingLines);
    }
    host.set_beside(proc::poll_ended);
    let mut service = ProcessesServer(service);
    host.run(&mut service, |service, round| {
        let service = &mut service.0;
        welcome(service, round, |backend, pid| operators.has(backend, pid));
        for (pid, end) in proc::take_ended() {
            service.exited(ended(pid, end));
        }
        round.finished.extend(service.take_finished());
        round.deadline = service.next_deadline();
        Next::Serve
    });
    Ok(())
}
