//! The engine: requests, time and deaths in; answers, actions and events out.
//!
//! The server is a loop around it. For each message it calls [`heard`](Engine::heard), then the method for the request, and answers with what that
//! returns; then it does what [`next_action`](Engine::next_action) says until there is nothing left. When nothing arrives until
//! [`next_deadline`](Engine::next_deadline) it calls [`tick`](Engine::tick).
//!
//! The file is long because a change of any part has to reach the others: names, who owns them, who is told.
//!
//! # Invariants
//!
//! * A name has one record, whose owner has joined and counts it among its names.
//! * Clients with names are asked for signs of life; others are not.
//! * Every handle that came in is in a record, or has come out: with a refusal, or by [`Action::Release`].
//! * No limit is exceeded. The actions that wait are what the calls since the last `next_action` made: of one call at most one for each
//!   subscription, two for each name of a client and one for each client.

mod check;

use crate::Ticks;
use crate::client::{Account, Client, Limits, Pid, Role};
use crate::error::Error;
use crate::events::{Change, Event, Reason, Registration};
use crate::liveness::{Due, Liveness, Pulse};
use crate::name::Name;
use crate::properties::Properties;
use crate::query::Query;
use crate::registry::{Page, Record, Registry};
use crate::watch::{LookupId, Purpose, Subscription, Subscriptions, WatchId, WatchOptions};
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

    // Names.

    /// Registers a service.
    ///
    /// # Errors
    /// `UnknownClient`; `RecordTooLarge`; `NameTaken`; `NotOwner` if another client's should be replaced; `TooManyNames`, `Full`. The handle comes
    /// back.
    pub fn register(
        &mut self,
        client: Client,
        name: Name,
        properties: Properties,
        handle: H,
        options: RegisterOptions,
    ) -> Result<Registration, Refused<H>> {
        let pid = match self.may_register(client, &name, &properties, options) {
            Ok(pid) => pid,
            Err(error) => return Err(Refused { error, handle }),
        };
        self.last = self.last.saturating_add(1);
        let registration = Registration(self.last);
        let old = self.registry.insert(Record {
            name: name.clone(),
            owner: client,
            pid,
            registration,
            properties,
            handle,
        });
        if let Some(old) = &old
            && old.owner != client
        {
            self.disown(old, Reason::Replaced);
        }
        if let Some(account) = self.clients.get_mut(&client) {
            account.names.insert(name.clone());
            self.liveness.begin(client, account.heard);
        }
        let before = old.as_ref().map(|old| &old.properties);
        self.announce(&name, registration, before, Change::Appeared);
        if let Some(old) = old {
            self.actions.push_back(Action::Release(old.handle));
        }
        Ok(registration)
    }

    fn may_register(
        &mut self,
        client: Client,
        name: &Name,
        properties: &Properties,
        options: RegisterOptions,
    ) -> Result<Pid, Error> {
        self.fits(name, properties)?;
        let limits = self.limits;
        let names = self.registry.len();
        let owner = self.registry.get(name).map(|record| record.owner);
        let account = self.account(client)?;
        match owner {
            Some(_) if !options.replace => return Err(Error::NameTaken),
            Some(owner) if owner == client => return Ok(account.pid),
            Some(_) if !account.is_administrator() => return Err(Error::NotOwner),
            None if names >= limits.names => return Err(Error::Full),
            _ => {}
        }
        match account.names.len() >= limits.names_of_client {
            true => Err(Error::TooManyNames),
            false => Ok(account.pid),
        }
    }

    /// Removes a service.
    ///
    /// # Errors
    /// `UnknownClient`, `UnknownName`; `NotOwner`, but for administrators.
    pub fn deregister(&mut self, client: Client, name: &Name) -> Result<(), Error> {
        let owner = self.may_change(client, name)?;
        let reason = match owner == client {
            true => Reason::Deregistered,
            false => Reason::Administrator,
        };
        self.withdraw(name, reason);
        Ok(())
    }

    /// Gives a service other properties instead of all those that it has.
    ///
    /// # Errors
    /// `UnknownClient`, `UnknownName`; `NotOwner`, but for administrators; `RecordTooLarge`.
    pub fn update(
        &mut self,
        client: Client,
        name: &Name,
        properties: Properties,
    ) -> Result<(), Error> {
        self.may_change(client, name)?;
        self.fits(name, &properties)?;
        let record = self.registry.get_mut(name).ok_or(Error::UnknownName)?;
        if record.properties != properties {
            let registration = record.registration;
            let before = core::mem::replace(&mut record.properties, properties);
            self.announce(name, registration, Some(&before), Change::Changed);
        }
        Ok(())
    }

    /// The service of that name.
    ///
    /// # Errors
    /// `UnknownName`.
    pub fn lookup(&self, name: &Name) -> Result<&Record<H>, Error> {
        self.registry.get(name).ok_or(Error::UnknownName)
    }

    /// The services that a query means, by name: those behind `after`, at most `limit` and at most as many as an answer may have.
    #[must_use]
    pub fn enumerate(&self, query: &Query, after: Option<&Name>, limit: usize) -> Page<'_, H> {
        let limit = limit.min(self.limits.page);
        self.registry.page(query, after, limit, self.limits.scan)
    }

    /// How many names there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.registry.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    // Watches and lookups that wait.

    /// The first service that a query means, now or when it comes. To look takes as long as there are names that begin like those of the pattern.
    ///
    /// # Errors
    /// `UnknownClient`, `TooManyWatches`, `WatchesFull`.
    pub fn wait_for(
        &mut self,
        client: Client,
        query: Query,
        deadline: Option<Ticks>,
    ) -> Result<Waited<H>, Error> {
        self.account(client)?;
        if let Some(record) = self.registry.first(&query) {
            return Ok(Waited::Found(Box::new(record.clone())));
        }
        let id = self.subscribe(client, query, Purpose::Lookup(deadline))?;
        Ok(Waited::Pending(LookupId(id)))
    }

    /// Waits no longer. No answer follows.
    ///
    /// # Errors
    /// `NoLookup`.
    pub fn cancel(&mut self, client: Client, lookup: LookupId) -> Result<(), Error> {
        match self.subscriptions.get(lookup.0) {
            Some(found)
                if found.client == client && matches!(found.purpose, Purpose::Lookup(_)) =>
            {
                self.unsubscribe(lookup.0);
                Ok(())
            }
            _ => Err(Error::NoLookup),
        }
    }

    /// Tells the client from now on what happens to services that a query means. Who enumerates afterwards misses none.
    ///
    /// # Errors
    /// `UnknownClient`, `TooManyWatches`, `WatchesFull`.
    pub fn watch(
        &mut self,
        client: Client,
        query: Query,
        options: WatchOptions,
    ) -> Result<WatchId, Error> {
        self.subscribe(client, query, Purpose::Watch(options))
            .map(WatchId)
    }

    /// Ends a watch. Events that wait stay.
    ///
    /// # Errors
    /// `NoWatch`.
    pub fn unwatch(&mut self, client: Client, watch: WatchId) -> Result<(), Error> {
        match self.subscriptions.get(watch.0) {
            Some(found) if found.client == client && matches!(found.purpose, Purpose::Watch(_)) => {
                self.unsubscribe(watch.0);
                Ok(())
            }
            _ => Err(Error::NoWatch),
        }
    }

    /// Takes the client's oldest events, at most so many.
    ///
    /// # Errors
    /// `UnknownClient`.
    pub fn take_events(&mut self, client: Client, limit: usize) -> Result<Vec<Event>, Error> {
        Ok(self.account(client)?.events.take(limit))
    }

    /// How many events wait for the client.
    #[must_use]
    pub fn events_of(&self, client: Client) -> usize {
        let account = self.clients.get(&client);
        account.map_or(0, |account| account.events.len())
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

    // What these have in common.

    fn account(&mut self, client: Client) -> Result<&mut Account, Error> {
        self.clients.get_mut(&client).ok_or(Error::UnknownClient)
    }

    /// The owner of a name that the client may change.
    fn may_change(&mut self, client: Client, name: &Name) -> Result<Client, Error> {
        let owner = self.registry.get(name).map(|record| record.owner);
        let account = self.account(client)?;
        match owner {
            None => Err(Error::UnknownName),
            Some(owner) if owner == client || account.is_administrator() => Ok(owner),
            Some(_) => Err(Error::NotOwner),
        }
    }

    fn fits(&self, name: &Name, properties: &Properties) -> Result<(), Error> {
        let bytes = name.as_str().len().saturating_add(properties.bytes());
        match bytes > self.limits.record_bytes {
            true => Err(Error::RecordTooLarge),
            false => Ok(()),
        }
    }

    /// Removes a name, and tells everybody.
    fn withdraw(&mut self, name: &Name, reason: Reason) {
        let Some(record) = self.registry.remove(name) else {
            return;
        };
        self.disown(&record, reason);
        let change = Change::Gone(reason);
        self.announce(name, record.registration, Some(&record.properties), change);
        self.actions.push_back(Action::Release(record.handle));
    }

    fn withdraw_all(&mut self, client: Client, reason: Reason) {
        let names: Vec<Name> = self.names_of(client).cloned().collect();
        for name in names {
            self.withdraw(&name, reason);
        }
    }

    /// The owner has a name less.
    fn disown(&mut self, record: &Record<H>, reason: Reason) {
        if let Some(account) = self.clients.get_mut(&record.owner) {
            account.names.remove(&record.name);
            if account.names.is_empty() {
                self.liveness.end(record.owner);
            }
        }
        if matches!(
            reason,
            Reason::Administrator | Reason::Replaced | Reason::Unresponsive
        ) {
            let event = Event::Withdrawn {
                name: record.name.clone(),
                registration: record.registration,
                reason,
            };
            self.tell(record.owner, event);
        }
    }

    fn subscribe(&mut self, client: Client, query: Query, purpose: Purpose) -> Result<u64, Error> {
        let limits = self.limits;
        let all = self.subscriptions.len();
        let account = self.account(client)?;
        if account.watches >= limits.watches_of_client {
            return Err(Error::TooManyWatches);
        }
        if all >= limits.watches {
            return Err(Error::WatchesFull);
        }
        account.watches = account.watches.saturating_add(1);
        Ok(self.subscriptions.add(Subscription {
            client,
            query,
            purpose,
        }))
    }

    fn unsubscribe(&mut self, id: u64) -> Option<Subscription> {
        let subscription = self.subscriptions.remove(id)?;
        if let Ok(account) = self.account(subscription.client) {
            account.watches = account.watches.saturating_sub(1);
        }
        Some(subscription)
    }

    fn tell(&mut self, client: Client, event: Event) {
        let capacity = self.limits.events_of_client;
        if let Some(account) = self.clients.get_mut(&client)
            && account.events.push(event, capacity)
        {
            self.actions.push_back(Action::Notify(client));
        }
    }

    /// Something happened to a name that had these properties before, if it was there.
    fn announce(
        &mut self,
        name: &Name,
        registration: Registration,
        before: Option<&Properties>,
        change: Change,
    ) {
        for id in self.subscriptions.near(name) {
            let Some(subscription) = self.subscriptions.get(id) else {
                continue;
            };
            let record = self.registry.get(name);
            let matches = |properties: &Properties| subscription.query.matches(name, properties);
            let was = before.is_some_and(matches);
            let is = record.is_some_and(|record| matches(&record.properties));
            let seen = Subscription::sees(was, is, change);
            let Some(change) = seen.filter(|change| subscription.wants(*change)) else {
                continue;
            };
            let client = subscription.client;
            match subscription.purpose {
                Purpose::Watch(options) => {
                    if options.once {
                        self.unsubscribe(id);
                    }
                    let event = Event::Seen {
                        watch: WatchId(id),
                        name: name.clone(),
                        registration,
                        change,
                    };
                    self.tell(client, event);
                }
                Purpose::Lookup(_) => {
                    let Some(record) = record.cloned() else {
                        continue;
                    };
                    self.unsubscribe(id);
                    self.actions.push_back(Action::Answer {
                        client,
                        lookup: LookupId(id),
                        answer: Ok(Box::new(record)),
                    });
                }
            }
        }
    }
}
