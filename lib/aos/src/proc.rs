//! Processes: programs that this one starts, waits for, suspends and kills.
//!
//! ```ignore
//! let child = Command::new("hello").arg("one").env("COLOUR", "blue").spawn()?;
//! let end = child.wait()?;
//! println!("{end}");
//! ```
//!
//! init makes them and keeps the table of all; the [monitor's](crate::monitor) endpoint is where orders go, so any program that has one may
//! give some. A program has power over those that it started, nobody else's; they end with it, unless they are [detached](Command::detached).
//! A child gets what a program from the prompt gets, and copies of the capabilities that were [passed](Command::pass) to it, which it finds by
//! [`passed`].
//!
//! A child's end comes as a message to one endpoint for all, made at the first spawn; its buffer has room for the ends of as many as can
//! run at once. Any thread may wait for any child.
//!
//! [`crate::spawn`] makes domains without init, out of this program's own memory.
//!
//! Barrelfish counterpart: `spawn_client`, `proc_mgmt_client`; the course's `aos_rpc_process_spawn` and its like.

mod ends;
mod order;

use self::ends::{CHILDREN, NOTICES, notices, take};
use self::order::{address, elf_frame};
use crate::args::{Args, Variable};
use crate::cap::{CNodeRef, CapRef, identify};
use crate::error::{Error, ErrorCode};
use crate::exit::DomainName;
use crate::ram::mm_free;
use crate::{event, monitor};
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::task::{Context, Poll};
use initproto::{About, Head, Wish};
use kpi::addr::CoreId;
use kpi::cap::Capability;
use kpi::invocation::CapPosition;
use kpi::slots::root;

pub use initproto::{End, State};

/// A process's number.
pub type Pid = u32;

/// What is to be started.
#[derive(Clone, Debug)]
pub struct Command<'a> {
    args: Vec<String>,
    env: Vec<String>,
    elf: Option<&'a [u8]>,
    elf_frame: Option<(CapRef, u32)>,
    caps: Vec<CapRef>,
    detached: bool,
    name_server: bool,
    /// A variable's name is none.
    is_wrong: bool,
}

impl<'a> Command<'a> {
    /// The program of that name in the boot image, with this program's environment.
    pub fn new(name: &str) -> Self {
        Self {
            args: Vec::from([name.to_owned()]),
            env: Args::own().env().map(String::from).collect(),
            elf: None,
            elf_frame: None,
            caps: Vec::new(),
            detached: false,
            name_server: false,
            is_wrong: false,
        }
    }

    /// The program in an ELF file, under this name.
    pub fn of_elf(name: &str, elf: &'a [u8]) -> Self {
        Self {
            elf: Some(elf),
            ..Self::new(name)
        }
    }

    /// The program in an ELF file that is the first so many bytes of a frame, under this name.
    pub fn of_frame(name: &str, frame: CapRef, bytes: u32) -> Self {
        Self {
            elf_frame: Some((frame, bytes)),
            ..Self::new(name)
        }
    }

    /// What a line says, as at the prompt: `NAME=value` words, the program's name, its arguments; double quotes keep spaces.
    ///
    /// # Errors
    /// `SPAWN_ERR_GET_CMDLINE_ARGS`: a quote is not closed, or there is no name.
    pub fn of_line(line: &str) -> Result<Self, Error> {
        let bad = Error::new(ErrorCode::SpawnGetCmdlineArgs);
        let words = menu::split(line).map_err(|_| bad)?;
        let is_variable = |word: &String| Variable::parse(word).is_some();
        let variables = words.iter().take_while(|word| is_variable(word)).count();
        let (variables, words) = words.split_at(variables);
        let (name, args) = words.split_first().ok_or(bad)?;
        let command = Self::new(name).args(args);
        let set = |command: Self, word: &String| command.set(word);
        Ok(variables.iter().fold(command, set))
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<str>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// More arguments.
    #[must_use]
    pub fn args<T: AsRef<str>>(self, args: impl IntoIterator<Item = T>) -> Self {
        args.into_iter().fold(self, Self::arg)
    }

    /// A variable of the environment, in place of one of that name, which is letters, digits and `_`, no digit first.
    #[must_use]
    pub fn env(self, name: &str, value: &str) -> Self {
        let word = alloc::format!("{name}={value}");
        let is_name = Variable::parse(&word).is_some_and(|variable| variable.name == name);
        let is_wrong = self.is_wrong || !is_name;
        Self {
            is_wrong,
            ..self.set(&word)
        }
    }

    /// No environment.
    #[must_use]
    pub fn env_clear(mut self) -> Self {
        self.env.clear();
        self
    }

    /// Its arguments, the program's name first, and its environment.
    pub(crate) fn into_words(self) -> (Vec<String>, Vec<String>) {
        (self.args, self.env)
    }

    fn set(mut self, word: &str) -> Self {
        let name = Variable::of(word).name;
        self.env.retain(|other| Variable::of(other).name != name);
        self.env.push(word.to_owned());
        self
    }

    /// Passes a copy of a capability: the first one is `passed(0)` to the child, the next `passed(1)`, and so on.
    #[must_use]
    pub fn pass(mut self, cap: CapRef) -> Self {
        self.caps.push(cap);
        self
    }

    /// Lets go of it from the start: it outlives this program, and its end is told at the prompt.
    #[must_use]
    pub const fn detached(mut self) -> Self {
        self.detached = true;
        self
    }

    /// It may be the name server, if this program may pass that on; otherwise it is started without.
    #[must_use]
    pub const fn as_name_server(mut self) -> Self {
        self.name_server = true;
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// `SPAWN_ERR_GET_CMDLINE_ARGS`: a variable's name is none, or there is a zero byte in a word. `SPAWN_ERR_ARGSPG_OVERFLOW`: more than fits
    /// in 4 KiB, or more than 32 capabilities. `SPAWN_ERR_FIND_MODULE`: no such program.
    /// `PROC_MGMT_ERR_TOO_MANY`. `SPAWN_ERR_SET_CAPS`: no capability is where one is to be passed from. `SPAWN_ERR_LOAD` on top of what is wrong
    /// with the ELF file. Why memory, slots or an endpoint could not be had.
    pub fn spawn(&self) -> Result<Child, Error> {
        let mut words = self.args.iter().chain(&self.env);
        if self.is_wrong || words.any(|word| word.contains('\0')) {
            return Err(Error::new(ErrorCode::SpawnGetCmdlineArgs));
        }
        let notices = match self.detached {
            true => None,
            false => Some(address(notices()?.cap())),
        };
        let elf = self.elf.map(elf_frame).transpose()?;
        let file = elf.or(self.elf_frame);
        let head = Head {
            detached: self.detached,
            name_server: self.name_server,
            notices,
            elf: file.map(|(frame, bytes)| (address(frame), bytes)),
        };
        let spawned = self.order(&head);
        if let Some((frame, _)) = elf {
            // init has a copy of the bytes; what cannot be freed stays in use.
            let _ = mm_free(frame);
        }
        let pid = spawned?;
        if !self.detached {
            CHILDREN.lock().awaited.push(pid);
        }
        let name = self.args.first().map_or("", String::as_str);
        let name = DomainName::new(name);
        Ok(Child { pid, name })
    }
}

/// A process that this program has started. When this value is dropped, the process goes on, and ends with this program.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    name: DomainName,
}

impl Child {
    /// Its number.
    pub const fn pid(&self) -> Pid {
        self.pid
    }

    /// Its name.
    pub const fn name(&self) -> DomainName {
        self.name
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// As [`wait`].
    pub fn wait(self) -> Result<End, Error> {
        wait(self.pid)
    }

    /// How it ended, if it has.
    pub fn try_wait(&self) -> Option<End> {
        take(self.pid)
    }

    /// Ends it; [`Child::wait`] then says so, or how it has ended before.
    ///
    /// # Errors
    /// As [`kill`].
    pub fn kill(&self) -> Result<(), Error> {
        kill(self.pid)
    }

    /// Has it stand still.
    ///
    /// # Errors
    /// As [`suspend`].
    pub fn suspend(&self) -> Result<(), Error> {
        suspend(self.pid)
    }

    /// Has it go on.
    ///
    /// # Errors
    /// As [`resume`].
    pub fn resume(&self) -> Result<(), Error> {
        resume(self.pid)
    }

    /// Lets go of it: it outlives this program, and its end is told at the prompt. A thread that [waits](wait) for it is told that this program
    /// has no such child.
    ///
    /// # Errors
    /// As [`kill`].
    pub fn detach(self) -> Result<(), Error> {
        manage(Wish::Detach { pid: self.pid })?;
        let is_another = |other: &Pid| *other != self.pid;
        CHILDREN.lock().awaited.retain(is_another);
        event::announce();
        Ok(())
    }
}

/// What is known of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Process {
    /// Its number.
    pub pid: Pid,
    /// Who started it and waits for it; init's children have none.
    pub parent: Option<Pid>,
    /// What it does.
    pub state: State,
    /// Where it runs.
    pub core: CoreId,
    /// Its name.
    pub name: DomainName,
}

/// Starts what a line says, as [`Command::of_line`] reads it.
///
/// # Errors
/// As [`Command::of_line`], [`Command::spawn`].
pub fn spawn(line: &str) -> Result<Child, Error> {
    Command::of_line(line)?.spawn()
}

/// Ends a child.
///
/// # Errors
/// `SPAWN_ERR_DOMAIN_NOTFOUND`: this program has no such child that runs.
pub fn kill(pid: Pid) -> Result<(), Error> {
    manage(Wish::Kill { pid })
}

/// Has a child stand still. One that does already stays so.
///
/// # Errors
/// As [`kill`].
pub fn suspend(pid: Pid) -> Result<(), Error> {
    manage(Wish::Suspend { pid })
}

/// Has a child go on. One that does already stays so.
///
/// # Errors
/// As [`kill`].
pub fn resume(pid: Pid) -> Result<(), Error> {
    manage(Wish::Resume { pid })
}

fn manage(wish: Wish) -> Result<(), Error> {
    monitor::order(wish, &[], None).map(drop)
}

/// The processes that run, by number: init's children and all others that it looks after.
///
/// # Errors
/// The monitor's.
pub fn list() -> Result<Vec<Process>, Error> {
    let mut all = Vec::new();
    let mut pid = 0;
    while let Some(process) = next(pid)? {
        pid = process.pid;
        all.push(process);
    }
    Ok(all)
}

/// The process of that number, if it runs.
///
/// # Errors
/// The monitor's.
pub fn about(pid: Pid) -> Result<Option<Process>, Error> {
    let found = next(pid.saturating_sub(1))?;
    Ok(found.filter(|process| process.pid == pid))
}

/// The process with the next number.
fn next(pid: Pid) -> Result<Option<Process>, Error> {
    let values = monitor::order(Wish::About { pid }, &[], None)?;
    Ok(About::decode(values).map(|about| Process {
        pid: about.pid,
        parent: (about.parent != 0).then_some(about.parent),
        state: about.state,
        core: CoreId(about.core),
        name: DomainName::from_bytes(about.name),
    }))
}

/// What a process holds first behind a position of its capability space; none behind the last.
///
/// # Errors
/// `SPAWN_ERR_DOMAIN_NOTFOUND`: it is neither this program nor one that it started and that runs. As
/// [`dispatcher_capabilities`](crate::cap::dispatcher::dispatcher_capabilities).
pub fn capability_behind(
    pid: Pid,
    behind: CapPosition,
) -> Result<Option<(CapPosition, Capability)>, Error> {
    let wish = Wish::Capability {
        pid,
        behind: behind.0,
    };
    let [position, words @ ..] = monitor::order(wish, &[], None)?;
    if position == CapPosition::START.0 {
        return Ok(None);
    }
    let cap = Capability::from_words(words);
    let cap = cap.ok_or(Error::new(ErrorCode::SysIdentifyLookup))?;
    Ok(Some((CapPosition(position), cap)))
}

/// The machine's memory, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MachineMemory {
    /// All of it.
    pub total: u64,
    /// What nobody has.
    pub free: u64,
    /// The most of that in one piece.
    pub largest: u64,
}

/// How much memory the machine has. What a server has for its clients is in use here.
///
/// # Errors
/// The monitor's.
pub fn machine_memory() -> Result<MachineMemory, Error> {
    let [total, free, largest, _] = monitor::order(Wish::Memory, &[], None)?;
    Ok(MachineMemory {
        total,
        free,
        largest,
    })
}

/// Waits for the end of a child. Each end is told once.
///
/// # Errors
/// `SPAWN_ERR_DOMAIN_NOTFOUND`: this program has no such child, or was told of its end, or has let go of it, be it meanwhile.
pub fn wait(pid: Pid) -> Result<End, Error> {
    loop {
        let snapshot = event::snapshot();
        if let Some(end) = take(pid) {
            return Ok(end);
        }
        if !CHILDREN.lock().awaited.contains(&pid) {
            return Err(Error::new(ErrorCode::SpawnDomainNotfound));
        }
        event::wait_until(snapshot, None);
    }
}

/// Takes all ends that have come and that nobody waits for: for who looks after many, and [`poll_ended`]s.
pub fn take_ended() -> Vec<(Pid, End)> {
    let mut children = CHILDREN.lock();
    if let Some(endpoint) = NOTICES.get() {
        children.read(endpoint);
    }
    let ends = core::mem::take(&mut children.ends);
    let is_awaited = |pid: &Pid| ends.iter().all(|(other, _)| other != pid);
    children.awaited.retain(is_awaited);
    ends
}

/// Is ready when an end has come; else the task is woken when one comes. One task at a time.
pub fn poll_ended(cx: &mut Context<'_>) -> Poll<()> {
    let Some(endpoint) = NOTICES.get() else {
        // No child was started yet: who starts one polls again.
        return Poll::Pending;
    };
    let mut children = CHILDREN.lock();
    children.read(endpoint);
    if !children.ends.is_empty() {
        return Poll::Ready(());
    }
    drop(children);
    event::watch(endpoint.id(), cx.waker());
    Poll::Pending
}

/// The capability that was passed to this program as the one with this index, if there is one. It is the program's own from then on.
pub fn passed(index: u8) -> Option<CapRef> {
    let slot = CNodeRef::own(root::ARGCN).slot(u32::from(index));
    identify(slot).is_ok().then_some(slot)
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.name, self.pid)
    }
}
