//! Starting programs, serving them, waiting for their end, killing them.
//!
//! | Module | What |
//! |---|---|
//! | here | the table of children: start, tend, wait, kill, take apart |
//! | [`broker`] | connections between them |
//! | [`child`] | one child and its messages |
//! | [`keeper`] | the process server is started again when it crashes |
//! | [`notes`] | what the kernel says of them |
//! | [`service`] | what children ask for: capabilities, memory |
//! | [`orders`] | and processes: their children are init's, too |
//! | [`theirs`] | reading memory of theirs |
//! | [`trust`] | what trusted children get, and may |
//!
//! Each child reports to an endpoint of its own, so that none can speak for another, and is made in an account of its own. When it has ended,
//! that is released, and all copies of its endpoint are revoked; then the endpoint is used for the next one. All of what a trusted
//! child was given to make domains of is in its account too: whatever it made ends with it.
//!
//! Everything that happens while init waits, at the prompt or for a child, goes through [`Children::tend`]: a bounded amount of work, never
//! blocking.

mod broker;
mod child;
mod keeper;
mod notes;
mod orders;
mod service;
mod theirs;
mod trust;

use crate::cores::Cores;
use crate::input::{Input, POLL_INTERVAL};
use crate::outcome::Outcome;
use crate::records;
use alloc::vec::Vec;
use aos::account::Account;
use aos::boot::Boot;
use aos::cap::{CapRef, kernel};
use aos::error::ResultExt;
use aos::exit::DomainName;
use aos::kpi::slots::task;
use aos::lmp::{Endpoint, endpoint_create};
use aos::spawn::{Domain, Grant, Program, SpawnError, spawn_load_with_caps};
use aos::{Error, ErrorCode, event, println, time};
use broker::Broker;
use child::{Channel, Child};
use keeper::Keeper;
use orders::Notice;
use proctable::{Reserved, Table, TableError};
use trust::{KERNEL_GRANTS, trusted_grants};
pub use trust::{TRUSTED_BYTES, Trust};

/// init's own number.
pub const INIT_PID: u32 = 1;
/// Most children at once.
pub const MAX_CHILDREN: usize = 32;
/// Domain ids that init sets have this bit, so that none equals an id that the kernel gave to a child's child.
const ID_BASE: u64 = 1 << 63;
/// Words of the buffer for the kernel's notes.
const NOTE_WORDS: u32 = 257;
/// Calls made for children before init looks at something else.
const CALLS_AT_ONCE: usize = 16;
/// Pieces of a child's memory that are tried, whether they are free, before init looks at something else.
const TRIES_AT_ONCE: usize = 4;
/// Ended children that are remembered.
const REMEMBERED: usize = 64;

/// What ends the wait for a child besides its own end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Limit {
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-C, or this counter value.
    Deadline(u64),
    /// Ctrl-C, or so many calls to the kernel on its behalf: it is killed directly behind the last of them.
    Calls(u32),
}

/// What is to be started.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    /// The ELF file.
    pub elf: &'a [u8],
    /// The arguments, the program's name first.
    pub args: &'a [&'a str],
    /// The environment.
    pub env: &'a [&'a str],
    /// How much it may do.
    pub trust: Trust,
    /// Whether its end is told at the prompt.
    pub background: bool,
    /// Whether it may be what all others rely on.
    pub is_service: bool,
}

impl<'a> Start<'a> {
    /// A plain program, with these arguments, that is waited for.
    pub const fn new(elf: &'a [u8], args: &'a [&'a str]) -> Self {
        Self {
            elf,
            args,
            env: &[],
            trust: Trust::Plain,
            background: false,
            is_service: false,
        }
    }
}

/// A domain that runs.
#[derive(Clone, Copy, Debug)]
pub struct Running {
    /// Its number.
    pub pid: u32,
    /// Whether it stands still.
    pub suspended: bool,
    /// Its name.
    pub name: DomainName,
    /// Its dispatcher, in init's CSpace.
    pub dispatcher: CapRef,
}

/// A child that is no more.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// Its number.
    pub pid: u32,
    /// Its name.
    pub name: DomainName,
    /// How it ended.
    pub outcome: Outcome,
    background: bool,
}

/// The children, and what is needed to have some.
#[derive(Debug)]
pub struct Children {
    /// The console, which a running child shares with the prompt.
    pub input: Input,
    notes: Endpoint,
    spare: Vec<Channel>,
    table: Table<DomainName, Child, Ended>,
    /// Whose turn it was last among those with a job.
    turn: u32,
    /// Not told yet.
    ended: Vec<Ended>,
    /// Ends that who started them is still to be told of.
    untold: Vec<Notice>,
    /// Of children that could not be taken apart whole: tried again when the next one ends.
    unreleased: Vec<Account>,
    boot: &'static Boot,
    /// What was in use when the hidden command `balance` was first given.
    pub balance: Option<[u64; 3]>,
    /// Who is connected to whom.
    pub broker: Broker,
    /// Dispatchers of which the kernel has told that it stopped them, and that they are gone.
    pub told: [u64; 2],
    /// Memory of each trusted child that is started.
    pub trusted_bytes: u64,
    keeper: Option<Keeper>,
    /// The other cores.
    pub cores: Cores,
}

impl Children {
    /// None yet; registers for the kernel's notes.
    ///
    /// # Errors
    /// Why the endpoint could not be made or registered.
    pub fn new(boot: &'static Boot) -> Result<Self, Error> {
        let notes = endpoint_create(NOTE_WORDS)?;
        kernel::register(notes.cap())?;
        Ok(Self {
            input: Input::new(),
            notes,
            spare: Vec::with_capacity(MAX_CHILDREN),
            table: Table::new(MAX_CHILDREN, REMEMBERED, INIT_PID + 1..=u32::MAX),
            turn: INIT_PID,
            ended: Vec::with_capacity(MAX_CHILDREN),
            untold: Vec::new(),
            unreleased: Vec::new(),
            boot,
            balance: None,
            broker: Broker::new(),
            told: [0; 2],
            trusted_bytes: TRUSTED_BYTES,
            keeper: None,
            cores: Cores::new(boot),
        })
    }

    /// The domains that run, init first: number, name, dispatcher.
    pub fn domains(&self) -> impl Iterator<Item = Running> {
        let init = Running {
            pid: INIT_PID,
            suspended: false,
            name: DomainName::own(),
            dispatcher: CapRef::task(task::DISPATCHER),
        };
        let children = self.table.iter().map(|process| process.value.running());
        core::iter::once(init).chain(children)
    }

    /// The child of that number, if it runs.
    pub fn child(&self, pid: u32) -> Option<&Child> {
        self.table.get(pid)
    }

    /// The numbers of the children of that name.
    pub fn by_name(&self, name: DomainName) -> Vec<u32> {
        let found = self.table.by_name(&name);
        found.map(|process| process.pid).collect()
    }

    /// Starts a program; answers with its number.
    ///
    /// # Errors
    /// Why it could not be started; `PROC_MGMT_ERR_TOO_MANY`: there are [`MAX_CHILDREN`] already.
    pub fn start(&mut self, start: &Start<'_>) -> Result<u32, SpawnError> {
        self.start_with(start, &[])
    }

    /// As [`Children::start`], with more capabilities.
    fn start_with(&mut self, start: &Start<'_>, passed: &[Grant]) -> Result<u32, SpawnError> {
        let reserved = self.table.reserve().map_err(table_error)?;
        let channel = match self.spare.pop() {
            Some(channel) => channel,
            None => Channel::new()?,
        };
        match self.make(&reserved, start, passed, &channel.endpoint) {
            Ok(domain) => {
                let name = domain.name();
                let child = Child::new(domain, channel, start);
                match self.table.add(reserved, name, child) {
                    Ok(pid) => Ok(pid),
                    // There was room when the number was reserved.
                    Err(child) => {
                        let _ = child.domain.destroy();
                        Err(table_error(TableError::Full).into())
                    }
                }
            }
            Err(error) => {
                // It never ran.
                self.spare.push(channel);
                Err(error)
            }
        }
    }

    fn make(
        &self,
        reserved: &Reserved,
        start: &Start<'_>,
        passed: &[Grant],
        endpoint: &Endpoint,
    ) -> Result<Domain, SpawnError> {
        let pid = reserved.pid();
        let account = Account::new();
        let mut grants = Vec::from(passed);
        if start.trust != Trust::Plain {
            grants.extend(trusted_grants(&account, self.trusted_bytes)?);
        }
        if start.trust == Trust::Kernel {
            grants.extend(KERNEL_GRANTS);
        }
        let domain = spawn_load_with_caps(&Program {
            name: start.args.first().copied().unwrap_or("?"),
            elf: start.elf,
            args: start.args,
            env: start.env,
            pid,
            report_to: Some(endpoint.cap()),
            served: true,
            grants: &grants,
            account: &account,
        })?;
        let started = kernel::set_domain_id(domain.dispatcher(), ID_BASE | u64::from(pid))
            .push_err(ErrorCode::SpawnSetupDispatcher)
            .and_then(|()| domain.start());
        match started {
            Ok(()) => Ok(domain),
            Err(error) => {
                // The first error counts.
                let _ = domain.destroy();
                Err(error.into())
            }
        }
    }

    /// Runs a program to its end.
    ///
    /// # Errors
    /// As [`Children::start`].
    pub fn run(&mut self, start: &Start<'_>, limit: Limit) -> Result<Ended, SpawnError> {
        let pid = self.start(start)?;
        Ok(self.finish(pid, limit))
    }

    /// Waits for the end of a child, which the limit makes sure of.
    pub fn finish(&mut self, pid: u32, limit: Limit) -> Ended {
        if let Limit::Calls(most) = limit
            && let Some(child) = self.table.get_mut(pid)
        {
            child.most_calls = Some(most);
        }
        loop {
            let snapshot = event::snapshot();
            let busy = self.tend();
            if let Some(ended) = self.take_ended(pid) {
                return ended;
            }
            let interrupted = self.input.interrupted();
            if interrupted {
                println!("^C");
            }
            let over = match limit {
                Limit::Interrupt | Limit::Calls(_) => false,
                Limit::Deadline(at) => time::now() >= at,
            };
            if interrupted || over {
                self.kill(pid);
                continue;
            }
            rest(busy, snapshot, limit);
        }
    }

    /// Waits for the end of a child in the background; `None` when Ctrl-C ends the wait.
    pub fn wait(&mut self, pid: u32) -> Option<Ended> {
        loop {
            let snapshot = event::snapshot();
            let busy = self.tend();
            if self.table.get(pid).is_none() {
                // That of another program's child is told to that.
                return self.take_ended(pid).or_else(|| self.remembered(pid));
            }
            if self.input.interrupted() {
                println!("^C");
                return None;
            }
            rest(busy, snapshot, Limit::Interrupt);
        }
    }

    /// Kills a child. Answers whether there was one.
    pub fn kill(&mut self, pid: u32) -> bool {
        let Some(child) = self.table.get_mut(pid) else {
            return false;
        };
        child.outcome.get_or_insert(Outcome::Killed);
        self.reap();
        true
    }

    /// Has a child stand still, or go on. Answers whether there is one.
    ///
    /// # Errors
    /// The kernel's.
    pub fn suspend(&mut self, pid: u32, suspended: bool) -> Result<bool, Error> {
        let Some(child) = self.table.get_mut(pid) else {
            return Ok(false);
        };
        if child.suspended != suspended {
            match suspended {
                true => child.domain.stop()?,
                false => child.domain.start()?,
            }
            child.suspended = suspended;
        }
        Ok(true)
    }

    /// Those that ended in the background since the last call.
    pub fn take_told(&mut self) -> Vec<Ended> {
        let told = self.ended.extract_if(.., |ended| ended.background);
        told.collect()
    }

    /// A child that has ended and was not told.
    pub fn take_ended(&mut self, pid: u32) -> Option<Ended> {
        let index = self.ended.iter().position(|ended| ended.pid == pid)?;
        Some(self.ended.swap_remove(index))
    }

    /// A child that ended a while ago.
    pub fn remembered(&self, pid: u32) -> Option<Ended> {
        self.table.end_of(pid).copied()
    }

    /// Does what is to be done now, without waiting: messages, notes, some calls for children, taking apart those that have ended.
    /// Answers whether more is to be done.
    pub fn tend(&mut self) -> bool {
        // Memory first: a request may ask for what has just become free. What children say of their end counts before what the
        // kernel says.
        let stopped = self.read_notes();
        for child in self.table.values_mut() {
            let mut tries = TRIES_AT_ONCE;
            child.take_back(&mut tries);
        }
        for child in self.table.values_mut() {
            child.listen();
        }
        self.end_stopped(stopped);
        self.serve_orders();
        for _ in 0..CALLS_AT_ONCE {
            if !self.work() {
                break;
            }
        }
        self.reap();
        self.tend_kept();
        self.tell_ends();
        self.broker.tell();
        let again = self.cores.tend();
        let mut all = self.table.iter();
        again || all.any(|process| process.value.job.is_some() || process.value.freed.is_some())
    }

    /// Starts so many other cores and waits until they are up, or given up.
    pub fn start_cores(&mut self, count: usize) {
        self.cores.start_some(count);
        while self.cores.is_any_starting() {
            let snapshot = event::snapshot();
            if !self.tend() {
                event::wait_until(snapshot, self.cores.deadline());
            }
        }
    }

    /// When [`tend`](Self::tend) has something to do though nothing has come.
    pub fn deadline(&self) -> Option<u64> {
        let (kept, cores) = (self.kept_deadline(), self.cores.deadline());
        kept.into_iter().chain(cores).min()
    }

    /// Makes a call for the next child that has a job.
    fn work(&mut self) -> bool {
        for _ in 0..self.table.len() {
            let next = self.table.after(self.turn).or(self.table.after(INIT_PID));
            let Some(pid) = next.map(|process| process.pid) else {
                break;
            };
            self.turn = pid;
            let child = self.table.get_mut(pid);
            if child.is_some_and(|child| child.outcome.is_none() && child.work()) {
                return true;
            }
        }
        false
    }

    /// Takes apart those that have ended, and their children.
    fn reap(&mut self) {
        loop {
            let mut all = self.table.iter();
            let found = all.find_map(|process| process.value.ended());
            drop(all);
            let Some(ended) = found else { break };
            if let Some(process) = self.table.remove(ended.pid, ended) {
                self.take_apart(process.value, ended);
            }
        }
    }

    fn take_apart(&mut self, child: Child, ended: Ended) {
        self.unreleased.retain(|account| account.release().is_err());
        if child.trust == Trust::Kernel {
            child.unlock_all();
        }
        let Child {
            pid,
            parent,
            domain,
            channel,
            ..
        } = child;
        for other in self.table.values_mut() {
            if other
                .parent
                .as_ref()
                .is_some_and(|parent| parent.pid == pid)
            {
                other.outcome.get_or_insert(Outcome::Killed);
            }
        }
        self.broker.died(pid);
        let account = domain.account().clone();
        let destroyed = domain.destroy();
        if destroyed.is_err() && self.unreleased.try_reserve(1).is_ok() {
            self.unreleased.push(account);
        }
        let renewed = channel.renew().map(|()| self.spare.push(channel));
        if let Err(error) = destroyed.and(renewed) {
            println!(
                "{} (pid {pid}): could not be taken apart: {error}",
                ended.name
            );
        }
        ended.outcome.record(ended.name, pid);
        match parent {
            Some(parent) => self.tell_parent(parent, ended),
            None => self.ended.push(ended),
        }
    }
}

fn table_error(error: TableError) -> Error {
    Error::new(match error {
        TableError::Full => ErrorCode::ProcMgmtTooMany,
        TableError::NoNumber => ErrorCode::SpawnDomainAllocate,
    })
}

/// Until something happens, or it is time to look at the console again.
pub fn rest(busy: bool, snapshot: event::Snapshot, limit: Limit) {
    if busy {
        event::yield_now();
        return;
    }
    let poll = time::after(POLL_INTERVAL);
    let until = match limit {
        Limit::Deadline(at) => poll.min(at),
        _ => poll,
    };
    event::wait_until(snapshot, Some(until));
}

/// Reports that a program ran to its end: to the user, and as the command's status.
pub fn conclude(ended: Ended) -> u8 {
    aos::console::flush();
    ended.outcome.tell(ended.name, ended.pid);
    ended.outcome.status()
}

/// As [`conclude`], with the record of a command.
pub fn conclude_command(line: &str, status: u8) {
    records::command(line, status);
}
