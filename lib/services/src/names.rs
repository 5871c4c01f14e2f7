//! The name server: the engine of the crate `names`, as a service.
//!
//! What a name stands for is the number of an exported service, which a client binds to: no capability passes through here.
//!
//! **Signs of life.** A client that has registered something keeps a call of [`Names::alive`] waiting. The server answers it when it wants to hear
//! from the client, who then calls again. Every other call counts too. Who is silent too long loses its names.
//!
//! **Events** come as answers of [`Names::events`], which waits until there are some.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use errors::Error;
use flounder::{Answer, Caller, Finished, interface};
use names::{
    Action, Client, Engine, Event, Limits, LookupId, Name, Pid, Properties, Pulse, Query, Record,
    RegisterOptions, Role, Ticks, Waited, WatchId, WatchOptions,
};

/// Most events in one answer: of 300 bytes each at most.
const EVENTS_AT_ONCE: usize = 32;

/// A service as clients see it: its number stands for it.
pub type Found = Record<u32>;

/// Services by name.
#[interface]
pub trait Names {
    /// Registers a service of the caller's, by its number; answers with the number of the registration.
    #[caller]
    fn register(
        &mut self,
        name: Name,
        service: u32,
        properties: Properties,
        options: RegisterOptions,
    ) -> Result<u64, Error>;
    /// Removes one.
    #[caller]
    fn deregister(&mut self, name: Name) -> Result<(), Error>;
    /// Gives it other properties.
    #[caller]
    fn update(&mut self, name: Name, properties: Properties) -> Result<(), Error>;
    /// The service of that name.
    fn lookup(&mut self, name: Name) -> Result<Found, Error>;
    /// The services that a query means, behind a name; and where to go on, if there are more.
    fn enumerate(
        &mut self,
        query: Query,
        after: Option<Name>,
        limit: u32,
    ) -> Result<(Vec<Found>, Option<Name>), Error>;
    /// The first service that a query means, now or when it comes, or until that counter value.
    #[later]
    fn wait_for(&mut self, query: Query, deadline: Option<Ticks>) -> Result<Found, Error>;
    /// Tells the caller of what happens to services that a query means.
    #[caller]
    fn watch(&mut self, query: Query, options: WatchOptions) -> Result<WatchId, Error>;
    /// No more.
    #[caller]
    fn unwatch(&mut self, watch: WatchId) -> Result<(), Error>;
    /// What has happened, as soon as something has: the oldest.
    #[later]
    fn events(&mut self, limit: u32) -> Result<Vec<Event>, Error>;
    /// Answered when the server wants to hear of the caller.
    #[later]
    fn alive(&mut self) -> Result<(), Error>;
}

/// The service.
#[derive(Debug)]
pub struct NameService {
    engine: Engine<u32>,
    now: Ticks,
    lookups: BTreeMap<LookupId, Answer<Found>>,
    /// Who waits for events, and for how many.
    events: BTreeMap<Client, (Answer<Vec<Event>>, u32)>,
    /// One for each service of a client; at most as many as its connection may have calls.
    alive: BTreeMap<Client, Vec<Answer<()>>>,
    finished: Vec<Finished>,
}

impl NameService {
    /// One that knows nobody.
    pub const fn new(limits: Limits, pulse: Pulse) -> Self {
        Self {
            engine: Engine::new(limits, pulse),
            now: Ticks(0),
            lookups: BTreeMap::new(),
            events: BTreeMap::new(),
            alive: BTreeMap::new(),
            finished: Vec::new(),
        }
    }

    /// It is that late.
    pub fn set_time(&mut self, now: u64) {
        self.now = Ticks(now);
    }

    /// A client has come.
    ///
    /// # Errors
    /// There are too many.
    pub fn opened(&mut self, connection: u64, pid: u32) -> Result<(), Error> {
        let joined = self
            .engine
            .join(Client(connection), Pid(pid), Role::User, self.now);
        joined.map_err(|error| error.code().into())
    }

    /// Does what is due, and gives the answers that are ready.
    pub fn take_finished(&mut self) -> Vec<Finished> {
        self.engine.tick(self.now);
        self.act();
        core::mem::take(&mut self.finished)
    }

    /// When to come back at the latest.
    pub fn next_deadline(&self) -> Option<u64> {
        self.engine.next_deadline().map(|at| at.0)
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.engine.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn hear(&mut self, caller: Caller) -> Client {
        let client = Client(caller.connection);
        // Who has not joined is told so by what it asks.
        let _ = self.engine.heard(client, self.now);
        client
    }

    fn act(&mut self) {
        while let Some(action) = self.engine.next_action() {
            match action {
                Action::Ping(client) => {
                    let waiting = self.alive.remove(&client).unwrap_or_default();
                    let answers = waiting.into_iter().map(|answer| answer.finish(Ok(())));
                    self.finished.extend(answers);
                }
                Action::Notify(client) => self.tell(client),
                Action::Answer { lookup, answer, .. } => {
                    if let Some(waiting) = self.lookups.remove(&lookup) {
                        let answer = answer.map(|found| *found);
                        let answer = answer.map_err(|error| error.code().into());
                        self.finished.push(waiting.finish(answer));
                    }
                }
                Action::Unresponsive(_) | Action::Release(_) => {}
            }
        }
    }

    /// Answers who waits for events, if there are some.
    fn tell(&mut self, client: Client) {
        if self.engine.events_of(client) == 0 {
            return;
        }
        if let Some((answer, limit)) = self.events.remove(&client) {
            let limit = (limit as usize).min(EVENTS_AT_ONCE);
            let events = self.engine.take_events(client, limit);
            let events = events.map_err(|error| error.code().into());
            self.finished.push(answer.finish(events));
        }
    }
}

impl Names for NameService {
    fn register(
        &mut self,
        caller: Caller,
        name: Name,
        service: u32,
        properties: Properties,
        options: RegisterOptions,
    ) -> Result<u64, Error> {
        let client = self.hear(caller);
        let registered = self
            .engine
            .register(client, name, properties, service, options);
        registered
            .map(|registration| registration.0)
            .map_err(|refused| refused.error.code().into())
    }

    fn deregister(&mut self, caller: Caller, name: Name) -> Result<(), Error> {
        let client = self.hear(caller);
        let done = self.engine.deregister(client, &name);
        done.map_err(|error| error.code().into())
    }

    fn update(&mut self, caller: Caller, name: Name, properties: Properties) -> Result<(), Error> {
        let client = self.hear(caller);
        let done = self.engine.update(client, &name, properties);
        done.map_err(|error| error.code().into())
    }

    fn lookup(&mut self, name: Name) -> Result<Found, Error> {
        let found = self.engine.lookup(&name);
        found.cloned().map_err(|error| error.code().into())
    }

    fn enumerate(
        &mut self,
        query: Query,
        after: Option<Name>,
        limit: u32,
    ) -> Result<(Vec<Found>, Option<Name>), Error> {
        let page = self
            .engine
            .enumerate(&query, after.as_ref(), limit as usize);
        Ok((page.records.into_iter().cloned().collect(), page.next))
    }

    fn wait_for(&mut self, query: Query, deadline: Option<Ticks>, answer: Answer<Found>) {
        let client = self.hear(answer.caller());
        match self.engine.wait_for(client, query, deadline) {
            Ok(Waited::Found(found)) => self.finished.push(answer.finish(Ok(*found))),
            Ok(Waited::Pending(lookup)) => {
                self.lookups.insert(lookup, answer);
            }
            Err(error) => {
                let error = error.code().into();
                self.finished.push(answer.finish(Err(error)));
            }
        }
    }

    fn watch(
        &mut self,
        caller: Caller,
        query: Query,
        options: WatchOptions,
    ) -> Result<WatchId, Error> {
        let client = self.hear(caller);
        let watch = self.engine.watch(client, query, options);
        watch.map_err(|error| error.code().into())
    }

    fn unwatch(&mut self, caller: Caller, watch: WatchId) -> Result<(), Error> {
        let client = self.hear(caller);
        let done = self.engine.unwatch(client, watch);
        done.map_err(|error| error.code().into())
    }

    fn events(&mut self, limit: u32, answer: Answer<Vec<Event>>) {
        let client = self.hear(answer.caller());
        // One call at a time: an older one ends with nothing.
        if let Some((older, _)) = self.events.insert(client, (answer, limit.max(1))) {
            self.finished.push(older.finish(Ok(Vec::new())));
        }
        self.tell(client);
    }

    fn alive(&mut self, answer: Answer<()>) {
        let client = self.hear(answer.caller());
        self.alive.entry(client).or_default().push(answer);
    }

    fn cancelled(&mut self, caller: Caller) {
        let client = self.hear(caller);
        let is_it = |answer: &Caller| *answer == caller;
        if let Some(waiting) = self.alive.get_mut(&client) {
            waiting.retain(|answer| !is_it(&answer.caller()));
        }
        self.events
            .retain(|_, (answer, _)| !is_it(&answer.caller()));
        let lookups = self.lookups.iter();
        let mut lookups = lookups.filter(|(_, answer)| is_it(&answer.caller()));
        if let Some(lookup) = lookups.next().map(|(lookup, _)| *lookup) {
            self.lookups.remove(&lookup);
            let _ = self.engine.cancel(client, lookup);
        }
    }

    fn closed(&mut self, connection: u64) {
        let client = Client(connection);
        // It may never have joined.
        let _ = self.engine.client_died(client);
        self.events.remove(&client);
        self.alive.remove(&client);
        self.lookups
            .retain(|_, answer| answer.caller().connection != connection);
    }
}
