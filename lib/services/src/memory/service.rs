//! The memory server without its domain: an account for each process, and what is charged to it.
//!
//! * **Limits.** Each client may have so many bytes in so many allocations ([`Limit`]). Limits are not promises: all together may be more than there is,
//!   and who asks when nothing is left is refused though the own limit would allow it.
//! * **Return.** What is given back, or was a process's that has ended, is taken from everybody who has it, with all that was made of it, before it is
//!   given to anybody else.
//! * **Transfer** changes to whom something is charged and who may free it, not who has the capability: that is passed on by a message.
//!
//! Who is dead is closed in steps of [`STEP`] allocations, so that nobody waits long. A client without a connection keeps what it has as long as its
//! process lives.
//!
//! Barrelfish counterpart: `usr/mem_serv`, which gives to whoever asks and has nothing back.

use super::Memory;
use crate::grading::{Grading, Silent};
use crate::presence::Presence;
use accounts::{Account, Accounts, Allocation, Amount, Bounds};
use alloc::boxed::Box;
use alloc::vec::Vec;
use errors::{Error, ErrorCode};
use flounder::Caller;

/// Most clients.
pub const MOST: usize = 64;
/// Allocations of dead clients that are taken back in one round.
pub const STEP: usize = 8;
/// The account that all others are in.
const ROOT: Account = Account(0);
const PAGE: u64 = 4096;

/// What memory is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// Whole pages.
    pub bytes: u64,
    /// A power of two.
    pub alignment: u64,
    /// All of it between two addresses.
    pub between: Option<(u64, u64)>,
}

/// Where memory is, what is kept of it, and capabilities for it.
pub trait Backend {
    /// The capability type.
    type Cap;
    /// What is kept of an allocation.
    type Held;

    /// Takes it; answers where it begins.
    ///
    /// # Errors
    /// `LIB_ERR_RAM_ALLOC`: there is none like that.
    fn take(&mut self, wanted: Wanted) -> Result<(u64, Self::Held), Error>;

    /// A capability for it.
    ///
    /// # Errors
    /// Why there can be none.
    fn capability(&mut self, held: &Self::Held) -> Result<Self::Cap, Error>;

    /// Takes it back from everybody.
    ///
    /// # Errors
    /// Why it stays as it is.
    fn take_back(&mut self, base: u64, bytes: u64, held: &Self::Held) -> Result<(), Error>;

    /// Bytes there are, and of those the free ones.
    fn usage(&self) -> (u64, u64);

    /// Whether this process is there.
    ///
    /// # Errors
    /// Whoever knows cannot be asked.
    fn is_there(&mut self, pid: u32) -> Result<bool, Error>;
}

/// What each client may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limit {
    /// Bytes.
    pub bytes: u64,
    /// Allocations.
    pub allocations: u64,
}

/// The service.
pub struct MemoryService<B: Backend> {
    /// Where memory is.
    pub backend: B,
    /// Who is told of calls.
    pub grading: Box<dyn Grading>,
    accounts: Accounts<B::Held>,
    clients: Presence,
    limit: Amount,
    /// What could not be taken back: tried again.
    stuck: Vec<Allocation<B::Held>>,
    now: u64,
}

impl<B: Backend> core::fmt::Debug for MemoryService<B> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("MemoryService")
            .field("clients", &self.clients.len())
            .field("allocations", &self.accounts.len())
            .finish_non_exhaustive()
    }
}

fn code(error: accounts::Error) -> Error {
    error.code().into()
}

const fn account_of(pid: u32) -> Account {
    Account(pid as u64)
}

impl<B: Backend> MemoryService<B> {
    /// One whose memory is free. Whether processes without a connection are still there is asked every `interval`.
    pub fn new(backend: B, limit: Limit, interval: u64) -> Self {
        let limit = Amount {
            bytes: limit.bytes,
            allocations: limit.allocations,
        };
        let all = MOST as u64 + 1;
        let whole = Amount {
            bytes: limit.bytes.saturating_mul(all),
            allocations: limit.allocations.saturating_mul(all),
        };
        let bounds = Bounds {
            accounts: MOST + 1,
            depth: 2,
        };
        Self {
            backend,
            grading: Box::new(Silent),
            accounts: Accounts::new(ROOT, whole, bounds),
            clients: Presence::new(MOST, interval),
            limit,
            stuck: Vec::new(),
            now: 0,
        }
    }

    /// It is that late.
    pub fn set_time(&mut self, now: u64) {
        self.now = now;
    }

    /// A client has come.
    ///
    /// # Errors
    /// There are too many.
    pub fn opened(&mut self, connection: u64, pid: u32) -> Result<(), Error> {
        if !self.clients.opened(connection, pid)? {
            return Ok(());
        }
        let opened = self.accounts.open(account_of(pid), ROOT, self.limit);
        if opened.is_err() {
            self.clients.forget(pid);
        }
        opened.map_err(code)
    }

    /// Does what is due. Answers whether more is to be done at once.
    pub fn work(&mut self) -> bool {
        for pid in self.clients.asked(self.now) {
            let there = self.backend.is_there(pid).unwrap_or(true);
            let has_some = self.accounts.of(account_of(pid)).next().is_some();
            if !there || !has_some {
                self.clients.forget(pid);
                // It is there, and not being closed: nobody else does that.
                let _ = self.accounts.close(account_of(pid));
            }
        }
        let stuck = core::mem::take(&mut self.stuck);
        let mut released = self.accounts.step(STEP).released;
        // One of these a round: most likely they stay stuck.
        let mut stuck = stuck.into_iter();
        released.extend(stuck.next());
        self.stuck = stuck.collect();
        for one in released {
            if self
                .backend
                .take_back(one.base, one.bytes, &one.payload)
                .is_err()
            {
                self.stuck.push(one);
            }
        }
        self.accounts.has_closing()
    }

    /// When to come back at the latest.
    pub const fn next_deadline(&self) -> Option<u64> {
        self.clients.next_deadline()
    }

    /// Allocations that are held.
    pub fn allocations(&self) -> usize {
        self.accounts.len()
    }

    fn give(
        &mut self,
        caller: Caller,
        bytes: u64,
        alignment: u64,
        between: Option<(u64, u64)>,
    ) -> Result<(B::Cap, u64), Error> {
        self.grading.grading_rpc_handler_ram_cap(bytes, alignment);
        let account = account_of(self.clients.of(caller.connection)?);
        let bad = || Error::from(ErrorCode::AccountBadRange);
        let bytes = bytes.max(1).checked_next_multiple_of(PAGE).ok_or(bad())?;
        if !alignment.is_power_of_two() || between.is_some_and(|(base, limit)| base >= limit) {
            return Err(bad());
        }
        let alignment = alignment.max(PAGE);
        self.accounts.may_charge(account, bytes).map_err(code)?;
        let (base, held) = self.backend.take(Wanted {
            bytes,
            alignment,
            between,
        })?;
        let cap = match self.backend.capability(&held) {
            Ok(cap) => cap,
            Err(error) => {
                self.give_up(account, base, bytes, held);
                return Err(error);
            }
        };
        match self.accounts.charge(account, base, bytes, held) {
            Ok(()) => Ok((cap, bytes)),
            Err(refused) => {
                drop(cap);
                self.give_up(account, base, bytes, refused.payload);
                Err(code(refused.error))
            }
        }
    }

    /// Takes back what was never charged.
    fn give_up(&mut self, account: Account, base: u64, bytes: u64, payload: B::Held) {
        if self.backend.take_back(base, bytes, &payload).is_err() {
            self.stuck.push(Allocation {
                base,
                bytes,
                account,
                payload,
            });
        }
    }
}

impl<B: Backend> Memory<B::Cap> for MemoryService<B> {
    fn alloc(
        &mut self,
        caller: Caller,
        bytes: u64,
        alignment: u64,
    ) -> Result<(B::Cap, u64), Error> {
        self.give(caller, bytes, alignment, None)
    }

    fn alloc_between(
        &mut self,
        caller: Caller,
        bytes: u64,
        alignment: u64,
        base: u64,
        limit: u64,
    ) -> Result<(B::Cap, u64), Error> {
        self.give(caller, bytes, alignment, Some((base, limit)))
    }

    fn free(&mut self, caller: Caller, base: u64) -> Result<(), Error> {
        let account = account_of(self.clients.of(caller.connection)?);
        let none = || Error::from(ErrorCode::AccountNoAllocation);
        let found = self.accounts.get(base).ok_or(none())?;
        if found.account != account {
            return Err(ErrorCode::AccountNotHolder.into());
        }
        self.backend.take_back(base, found.bytes, &found.payload)?;
        self.accounts.refund(account, base).map(drop).map_err(code)
    }

    fn transfer(&mut self, caller: Caller, base: u64, to: u32) -> Result<(), Error> {
        let from = account_of(self.clients.of(caller.connection)?);
        if !self.clients.has(to) {
            return Err(ErrorCode::AccountUnknown.into());
        }
        let moved = self.accounts.transfer(base, from, account_of(to));
        moved.map_err(code)
    }

    fn account(&mut self, caller: Caller) -> Result<(u64, u64, u64, u64), Error> {
        let account = account_of(self.clients.of(caller.connection)?);
        let info = self.accounts.account(account);
        let info = info.ok_or(Error::from(ErrorCode::AccountUnknown))?;
        let (limit, used) = (info.limit, info.used);
        Ok((limit.bytes, used.bytes, limit.allocations, used.allocations))
    }

    fn total(&mut self) -> Result<(u64, u64, u64), Error> {
        let (all, free) = self.backend.usage();
        Ok((all, free, self.clients.len() as u64))
    }

    fn closed(&mut self, connection: u64) {
        self.clients.closed(connection);
    }
}
