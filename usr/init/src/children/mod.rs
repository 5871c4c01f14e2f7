//! Starting programs, serving them, waiting for their end, killing them.
//!
//! | Module | What |
//! |---|---|
//! | here | the table of children: tend, kill |
//! | [`start`] | making a domain of a program |
//! | [`wait`] | waiting for an end |
//! | [`end`] | taking apart what has ended |
//! | [`own`] | what init's own services want, as programs do |
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
mod end;
mod keeper;
mod notes;
mod orders;
mod own;
mod service;
mod start;
mod theirs;
mod trust;
mod wait;

use crate::cores::Cores;
use crate::input::Input;
use crate::offers::Foreground;
use crate::outcome::Outcome;
use crate::records;
use alloc::vec::Vec;
use aos::Error;
use aos::account::Account;
use aos::boot::Boot;
use aos::cap::{CapRef, kernel};
use aos::exit::DomainName;
use aos::kpi::slots::task;
use aos::lmp::{Endpoint, endpoint_create};
use broker::Broker;
use child::{Channel, Child};
use keeper::Keeper;
use orders::Notice;
use proctable::Table;
pub use start::Start;
pub use trust::{TRUSTED_BYTES, Trust};
pub use wait::{Limit, rest};

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
    /// Who reads what is typed, at init's own terminal.
    pub foreground: Foreground,
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
            foreground: Foreground::default(),
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
        self.serve_own();
        for _ in 0..CALLS_AT_ONCE {
            if !self.work() {
                break;
            }
        }
        self.reap();
        self.tend_kept();
        self.tell_ends();
        self.broker.tell();
        self.foreground.tend();
        let again = self.cores.tend();
        let mut all = self.table.iter();
        again || all.any(|process| process.value.job.is_some() || process.value.freed.is_some())
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
