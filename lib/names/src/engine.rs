//! The engine: requests, time and deaths in; answers, actions and events out.
//!
//! The server is a loop around it. For each message it calls [`heard`](Engine::heard), then the method for the request, and answers with what that
//! returns; then it does what [`next_action`](Engine::next_action) says until there is nothing left. When nothing arrives until
//! [`next_deadline`](Engine::next_deadline) it calls [`tick`](Engine::tick).
//!
//! Clients and time are here; what is registered is in `services`, who is told of it in `watching`. A change of any part reaches the others: names, who
//! owns them, who is told.
//!
//! # Invariants
//!
//! * A name has one record, whose owner has joined and counts it among its names.
//! * Clients with names are asked for signs of life; others are not.
//! * Every handle that came in is in a record, or has come out: with a refusal, or by [`Action::Release`].
//! * No limit is exceeded. The actions that wait are what the calls since the last `next_action` made: of one call at most one for each
//!   subscription, two for each name of a client and one for each client.

mod check;
mod services;
mod watching;

use crate::Ticks;
use crate::client::{Account, Client, Limits, Pid, Role};
use crate::error::Error;
use crate::events::Reason;
use crate::liveness::{Due, Liveness, Pulse};
use crate::name::Name;
use crate::registry::{Record, Registry};
use crate::watch::{LookupId, Subscriptions};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// So many lookups and clients are looked after by one [`tick`](Engine::tick).
pub const TICK_MAX: usize = 16;

/// What the server is to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action<H> {
    /// Ask the client for a sign of life.
    Ping(Client),
    /// The client had no events and has some now.
    Notify(Client),
    /// Answer a lookup that waited.
    Answer {
        /// Whose.
        client: Client,
        /// Which.
        lookup: LookupId,
        /// The service, or why there is none.
        answer: Result<Box<Record<H>>, Error>,
    },
    /// The client did not answer; it has no names any more.
    Unresponsive(Client),
    /// No record holds this any more.
    Release(H),
}

/// How to register.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct RegisterOptions {
    /// Take the place of a registration of one's own; an administrator of anybody's.
    pub replace: bool,
}

/// A registration that was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused<H> {
    /// Why.
    pub error: Error,
    /// What the name would have stood for.
    pub handle: H,
}

/// What a lookup finds that would wait.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Waited<H> {
    /// It is there.
    Found(Box<Record<H>>),
    /// An [`Action::Answer`] will follow.
    Pending(LookupId),
}

/// The name server without its messages.
#[derive(Debug)]
pub struct Engine<H> {
    limits: Limits,
    clients: BTreeMap<Client, Account>,
    registry: Registry<H>,
    subscriptions: Subscriptions,
    liveness: Liveness,
    last: u64,
    actions: VecDeque<Action<H>>,
}

impl<H: Clone> Engine<H> {
    /// One that knows nobody.
    #[must_use]
    pub const fn new(limits: Limits, pulse: Pulse) -> Self {
        Self {
            limits,
            clients: BTreeMap::new(),
            registry: Registry::new(),
            subscriptions: Subscriptions::new(),
            liveness: Liveness::new(pulse),
            last: 0,
            actions: VecDeque::new(),
        }
    }

    /// The next thing to do, oldest first.
    pub fn next_action(&mut self) -> Option<Action<H>> {
        self.actions.pop_front()
    }

    // Clients.

    /// A client connects.
    ///
    /// # Errors
    /// `ClientExists`, `TooManyClients`.
    pub fn join(&mut self, client: Client, pid: Pid, role: Role, now: Ticks) -> Result<(), Error> {
        if self.clients.contains_key(&client) {
            return Err(Error::ClientExists);
        }
        if self.clients.len() >= self.limits.clients {
            return Err(Error::TooManyClients);
        }
        self.clients.insert(client, Account::new(pid, role, now));
        Ok(())
    }

    /// A client said something, whatever it was.
    ///
    /// # Errors
    /// `UnknownClient`.
    pub fn heard(&mut self, client: Client, now: Ticks) -> Result<(), Error> {
        let account = self.account(client)?;
        account.heard = account.heard.max(now);
        self.liveness.heard(client, now);
        Ok(())
    }

    /// A client has ended, or its connection is closed: its names, watches, lookups and events go.
    ///
    /// # Errors
    /// `UnknownClient`.
    pub fn client_died(&mut self, client: Client) -> Result<(), Error> {
        self.account(client)?;
        let subscriptions: Vec<u64> = self.subscriptions.of(client).collect();
        for id in subscriptions {
            self.unsubscribe(id);
        }
        self.withdraw_all(client, Reason::Died);
        self.clients.remove(&client);
        Ok(())
    }

    /// Process and role of a client.
    #[must_use]
    pub fn client(&self, client: Client) -> Option<(Pid, Role)> {
        let account = self.clients.get(&client)?;
        Some((account.pid, account.role))
    }

    /// The names of a client.
    pub fn names_of(&self, client: Client) -> impl Iterator<Item = &Name> {
        let account = self.clients.get(&client);
        account.into_iter().flat_map(|account| &account.names)
    }

    // Time.

    /// When [`tick`](Self::tick) is to be called, at the latest. It is in the past if more is due than one call does.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Ticks> {
        let lookup = self.subscriptions.first_deadline().map(|(at, _)| at);
        let pulse = self.liveness.next();
        lookup.into_iter().chain(pulse).min()
    }

    /// It is that late now: lookups end at their deadlines, silent clients are asked, and those that do not answer lose their names.
    /// All messages that have arrived must have been read.
    pub fn tick(&mut self, now: Ticks) {
        for _ in 0..TICK_MAX {
            if self.next_deadline().is_none_or(|next| next > now) {
                return;
            }
            if let Some((deadline, id)) = self.subscriptions.first_deadline()
                && deadline <= now
                && let Some(lookup) = self.unsubscribe(id)
            {
                self.actions.push_back(Action::Answer {
                    client: lookup.client,
                    lookup: LookupId(id),
                    answer: Err(Error::TimedOut),
                });
            }
            match self.liveness.due(now) {
                Some(Due::Ask(client)) => self.actions.push_back(Action::Ping(client)),
                Some(Due::Unresponsive(client)) => {
                    self.actions.push_back(Action::Unresponsive(client));
                    self.withdraw_all(client, Reason::Unresponsive);
                }
                None => {}
            }
        }
    }

    fn account(&mut self, client: Client) -> Result<&mut Account, Error> {
        self.clients.get_mut(&client).ok_or(Error::UnknownClient)
    }
}
