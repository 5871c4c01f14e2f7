//! Starting programs, serving them, waiting for their end, killing them.
//!
//! | Module | What |
//! |---|---|
//! | here | the table of children: start, tend, wait, kill, take apart |
//! | [`child`] | one child and its messages |
//! | [`service`] | what children ask for |
//!
//! Each child reports to an endpoint of its own, so that none can speak for another, and is made in an account of its own. When it has ended,
//! that is released, and all copies of its endpoint are revoked; then the endpoint is used for the next one. All of what a trusted
//! child was given to make domains of is in its account too: whatever it made ends with it.
//!
//! Everything that happens while init waits, at the prompt or for a child, goes through [`Children::tend`]: a bounded amount of work, never
//! blocking.

mod child;
mod service;

use crate::input::{Input, POLL_INTERVAL};
use crate::outcome::{self, Outcome};
use crate::records;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use aos::account::Account;
use aos::cap::{CNodeRef, CapRef, cap_direct_identify, cap_mint, kernel};
use aos::error::ResultExt;
use aos::exit::DomainName;
use aos::kpi::cap::ObjType;
use aos::kpi::lmp::KernelNote;
use aos::kpi::rights::CapRights;
use aos::kpi::slots::{root, task};
use aos::lmp::{Endpoint, endpoint_create};
use aos::spawn::{Domain, Grant, Place, Program, SpawnError, spawn_load_with_caps};
use aos::testproto::{Kind, Record};
use aos::{Error, ErrorCode, event, println, record, time};
use child::{Channel, Child};

/// init's own number.
pub const INIT_PID: u32 = 1;
/// Most children at once.
pub const MAX_CHILDREN: usize = 32;
/// Domain ids that init sets have this bit, so that none equals an id that the kernel gave to a child's child.
const ID_BASE: u64 = 1 << 63;
/// Words of the buffer for the kernel's notes.
const NOTE_WORDS: u32 = 257;
/// Memory of a trusted child, unless the boot menu says otherwise.
pub const TRUSTED_BYTES: u64 = 256 << 20;
/// Calls made for children before init looks at something else.
const CALLS_AT_ONCE: usize = 16;
/// Pieces of a child's memory that are tried, whether they are free, before init looks at something else.
const TRIES_AT_ONCE: usize = 4;
/// Ended children that are remembered.
const REMEMBERED: usize = 64;

/// How much a child may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trust {
    /// A program: its own domain, and some memory when it asks.
    Plain,
    /// A module that the boot menu marks `boot`: memory of its own, the boot modules, records.
    Trusted,
    /// A module that the boot menu marks `kernel`: as trusted, and authority over kernel, interrupts, cores and devices.
    Kernel,
}

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

/// A domain that runs.
#[derive(Clone, Copy, Debug)]
pub struct Running {
    /// Its number.
    pub pid: u32,
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
    next_pid: u32,
    running: Vec<Child>,
    /// Whose turn it is among those with a job.
    turn: usize,
    /// Not told yet.
    ended: Vec<Ended>,
    remembered: VecDeque<Ended>,
    /// Of children that could not be taken apart whole: tried again when the next one ends.
    unreleased: Vec<Account>,
    /// What was in use when the hidden command `balance` was first given.
    pub balance: Option<[u64; 3]>,
    /// Dispatchers of which the kernel has told that it stopped them, and that they are gone.
    pub told: [u64; 2],
    /// Memory of each trusted child that is started.
    pub trusted_bytes: u64,
}

impl Children {
    /// None yet; registers for the kernel's notes.
    ///
    /// # Errors
    /// Why the endpoint could not be made or registered.
    pub fn new() -> Result<Self, Error> {
        let notes = endpoint_create(NOTE_WORDS)?;
        kernel::register(notes.cap())?;
        Ok(Self {
            input: Input::new(),
            notes,
            spare: Vec::with_capacity(MAX_CHILDREN),
            next_pid: INIT_PID + 1,
            running: Vec::with_capacity(MAX_CHILDREN),
            turn: 0,
            ended: Vec::with_capacity(MAX_CHILDREN),
            remembered: VecDeque::with_capacity(REMEMBERED),
            unreleased: Vec::new(),
            balance: None,
            told: [0; 2],
            trusted_bytes: TRUSTED_BYTES,
        })
    }

    /// The domains that run, init first: number, name, dispatcher.
    pub fn domains(&self) -> impl Iterator<Item = Running> {
        let init = Running {
            pid: INIT_PID,
            name: DomainName::own(),
            dispatcher: CapRef::task(task::DISPATCHER),
        };
        let children = self.running.iter().map(Child::running);
        core::iter::once(init).chain(children)
    }

    /// The child of that number, if it runs.
    pub fn child(&self, pid: u32) -> Option<&Child> {
        self.running.iter().find(|child| child.pid == pid)
    }

    /// Starts a program; answers with its number.
    ///
    /// # Errors
    /// Why it could not be started; `PROC_MGMT_ERR_TOO_MANY`: there are [`MAX_CHILDREN`] already.
    pub fn start(
        &mut self,
        elf: &[u8],
        args: &[&str],
        trust: Trust,
        background: bool,
    ) -> Result<u32, SpawnError> {
        if self.running.len() >= MAX_CHILDREN {
            return Err(Error::new(ErrorCode::ProcMgmtTooMany).into());
        }
        let channel = match self.spare.pop() {
            Some(channel) => channel,
            None => Channel::new()?,
        };
        match self.make(elf, args, trust, &channel.endpoint) {
            Ok(domain) => {
                let pid = domain.pid();
                self.running
                    .push(Child::new(domain, channel, trust, background));
                Ok(pid)
            }
            Err(error) => {
                // It never ran.
                self.spare.push(channel);
                Err(error)
            }
        }
    }

    fn make(
        &mut self,
        elf: &[u8],
        args: &[&str],
        trust: Trust,
        endpoint: &Endpoint,
    ) -> Result<Domain, SpawnError> {
        let pid = self.next_pid;
        self.next_pid = pid
            .checked_add(1)
            .ok_or(Error::new(ErrorCode::SpawnDomainAllocate))?;
        let account = Account::new();
        let grants = match trust {
            Trust::Plain => Vec::new(),
            Trust::Trusted => trusted_grants(&account, self.trusted_bytes)?.into(),
            Trust::Kernel => {
                let mut grants = Vec::from(trusted_grants(&account, self.trusted_bytes)?);
                grants.extend(KERNEL_GRANTS);
                grants
            }
        };
        let domain = spawn_load_with_caps(&Program {
            name: args.first().copied().unwrap_or("?"),
            elf,
            args,
            env: &[],
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
    pub fn run(
        &mut self,
        elf: &[u8],
        args: &[&str],
        trust: Trust,
        limit: Limit,
    ) -> Result<Ended, SpawnError> {
        let pid = self.start(elf, args, trust, false)?;
        Ok(self.finish(pid, limit))
    }

    /// Waits for the end of a child, which the limit makes sure of.
    pub fn finish(&mut self, pid: u32, limit: Limit) -> Ended {
        if let Limit::Calls(most) = limit
            && let Some(child) = self.running.iter_mut().find(|child| child.pid == pid)
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
            if let Some(ended) = self.take_ended(pid) {
                return Some(ended);
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
        let child = self.running.iter_mut().find(|child| child.pid == pid);
        let Some(child) = child else {
            return false;
        };
        child.outcome.get_or_insert(Outcome::Killed);
        self.reap();
        true
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
        let found = self.remembered.iter().find(|ended| ended.pid == pid);
        found.copied()
    }

    /// Does what is to be done now, without waiting: messages, notes, some calls for children, taking apart those that have ended.
    /// Answers whether more is to be done.
    pub fn tend(&mut self) -> bool {
        // Memory first: a request may ask for what has just become free. What children say of their end counts before what the
        // kernel says.
        let stopped = self.read_notes();
        for child in &mut self.running {
            let mut tries = TRIES_AT_ONCE;
            child.take_back(&mut tries);
        }
        for child in &mut self.running {
            child.listen();
        }
        self.end_stopped(stopped);
        for _ in 0..CALLS_AT_ONCE {
            if !self.work() {
                break;
            }
        }
        self.reap();
        let mut running = self.running.iter();
        running.any(|child| child.job.is_some() || child.freed.is_some())
    }

    /// Makes a call for the next child that has a job.
    fn work(&mut self) -> bool {
        let count = self.running.len();
        for _ in 0..count {
            self.turn = (self.turn + 1) % count;
            let child = self.running.get_mut(self.turn);
            if child.is_some_and(|child| child.outcome.is_none() && child.work()) {
                return true;
            }
        }
        false
    }

    /// Takes apart those that have ended.
    fn reap(&mut self) {
        while let Some(index) = self
            .running
            .iter()
            .position(|child| child.outcome.is_some())
        {
            let child = self.running.remove(index);
            self.take_apart(child);
        }
    }

    fn take_apart(&mut self, child: Child) {
        self.unreleased.retain(|account| account.release().is_err());
        if child.trust == Trust::Kernel {
            child.unlock_all();
        }
        let Child {
            pid,
            name,
            background,
            domain,
            channel,
            outcome,
            ..
        } = child;
        // The caller looked.
        let outcome = outcome.unwrap_or(Outcome::Killed);
        let account = domain.account().clone();
        let destroyed = domain.destroy();
        if destroyed.is_err() && self.unreleased.try_reserve(1).is_ok() {
            self.unreleased.push(account);
        }
        let renewed = channel.renew().map(|()| self.spare.push(channel));
        if let Err(error) = destroyed.and(renewed) {
            println!("{name} (pid {pid}): could not be taken apart: {error}");
        }
        outcome.record(name, pid);
        if self.remembered.len() >= REMEMBERED {
            self.remembered.pop_front();
        }
        let ended = Ended {
            pid,
            name,
            outcome,
            background,
        };
        self.remembered.push_back(ended);
        self.ended.push(ended);
    }

    /// Takes the kernel's notes: memory that is free; answers who stopped, and how.
    fn read_notes(&mut self) -> Vec<(u64, Outcome)> {
        let mut stopped = Vec::new();
        while let Some(note) = self.notes.receive() {
            match decode_note(note.words()) {
                Some(Note::Free { base, bytes }) => {
                    for child in &mut self.running {
                        child.memory_free(base, bytes);
                    }
                }
                Some(Note::Stopped(id, outcome)) => {
                    let [stopped_count, gone_count] = &mut self.told;
                    match outcome {
                        Outcome::Died => *gone_count += 1,
                        _ => *stopped_count += 1,
                    }
                    stopped.push((id, outcome));
                }
                Some(Note::Gone(count)) => {
                    let [_, gone_count] = &mut self.told;
                    *gone_count += count;
                    self.look_who_is_gone();
                }
                None => println!("init: the kernel sent a note that is not known here"),
            }
        }
        stopped
    }

    /// So many dispatchers have gone that the kernel names none: the children whose dispatcher init has no more have ended. (One that took
    /// its dispatcher away from init and has it still ends, too: nobody could say of it that it does.)
    fn look_who_is_gone(&mut self) {
        for child in &mut self.running {
            let found = cap_direct_identify(child.domain.dispatcher());
            if found.is_err_and(|error| error.contains(ErrorCode::SysCapNotFound)) {
                child.outcome.get_or_insert(Outcome::Died);
            }
        }
    }

    /// Notes about a child that is gone already are nothing new.
    fn end_stopped(&mut self, stopped: Vec<(u64, Outcome)>) {
        for (id, outcome) in stopped {
            let pid = id ^ ID_BASE;
            let mut running = self.running.iter_mut();
            match running.find(|child| u64::from(child.pid) == pid) {
                Some(child) => {
                    child.outcome.get_or_insert(outcome);
                }
                None if id & ID_BASE == 0 => outcome.tell_stranger(id),
                None => {}
            }
        }
    }
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

/// What the kernel tells.
enum Note {
    /// The dispatcher of this domain does not run any more.
    Stopped(u64, Outcome),
    /// So many dispatchers are gone.
    Gone(u64),
    /// Something went that lay in this memory.
    Free { base: u64, bytes: u64 },
}

fn decode_note(words: &[u64]) -> Option<Note> {
    let (kind, rest) = words.split_first()?;
    let (first, rest) = rest.split_first()?;
    if *kind == KernelNote::Death as u64 {
        match rest.first() {
            Some(1) => Some(Note::Stopped(*first, Outcome::Died)),
            count => Some(Note::Gone(*count?)),
        }
    } else if *kind == KernelNote::Fault as u64 {
        Some(Note::Stopped(*first, outcome::from_note(rest)))
    } else if *kind == KernelNote::Free as u64 {
        let bytes = *rest.first()?;
        Some(Note::Free {
            base: *first,
            bytes,
        })
    } else {
        None
    }
}

/// Passes a trusted child's record on. Kinds that are init's and the kernel's to send are refused.
fn relay(json: Option<&str>) {
    let record = json.and_then(|json| Record::parse(json).ok().map(|record| (json, record)));
    match record {
        Some((json, parsed))
            if matches!(
                parsed.kind,
                Kind::Test | Kind::Bench | Kind::Grade | Kind::End
            ) =>
        {
            aos::console::flush();
            let _ = record::print(json);
        }
        _ => println!("init: a test program sent what is no record of its own"),
    }
}

/// What a trusted child gets: memory, and to look at what all of them look at. The frames are read-only.
fn trusted_grants(account: &Account, bytes: u64) -> Result<[Grant; 3], Error> {
    let made = account.object(ObjType::Ram, bytes).and_then(|memory| {
        let modules = account.slot()?;
        let look = CapRights::READ.union(CapRights::GRANT);
        let whole = CNodeRef::ROOT.slot(root::MODULECN);
        cap_mint(modules, whole, u64::from(look.0), 0)?;
        Ok((memory, modules))
    });
    let (memory, modules) = made.inspect_err(|_| {
        // The first error counts.
        let _ = account.release();
    })?;
    Ok([
        Grant {
            cap: memory,
            place: Place::Task(task::SYSMEM),
        },
        Grant {
            cap: CapRef::task(task::BOOTINFO),
            place: Place::Task(task::BOOTINFO),
        },
        Grant {
            cap: modules,
            place: Place::Root(root::MODULECN),
        },
    ])
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

/// What a child gets that is trusted as the kernel is: capabilities of the task CNode, and those of devices.
const KERNEL_GRANTS: [Grant; 6] = [
    task_grant(task::KERNELCAP),
    task_grant(task::IRQ),
    task_grant(task::IPI),
    task_grant(task::PERF_MON),
    task_grant(task::PROC_MNG),
    Grant {
        cap: CNodeRef::ROOT.slot(root::PACN),
        place: Place::Root(root::PACN),
    },
];

const fn task_grant(slot: u8) -> Grant {
    Grant {
        cap: CapRef::task(slot),
        place: Place::Task(slot),
    }
}
