//! The model: lists, and loops over all of them.

use super::common::Question;
use names::{
    Action, Change, Client, Error, Event, Limits, LookupId, Name, Pid, Properties, Pulse, Reason,
    Record, Registration, Ticks, WatchId, WatchOptions,
};
use std::collections::VecDeque;

/// Small, so that they are met.
pub const LIMITS: Limits = Limits {
    clients: 4,
    names: 9,
    names_of_client: 4,
    record_bytes: 60,
    watches: 8,
    watches_of_client: 4,
    events_of_client: 4,
    page: 3,
    scan: 4,
};

struct Person {
    client: Client,
    admin: bool,
    heard: Ticks,
    /// Asked, and when the answer is due.
    asked: Option<Ticks>,
    events: VecDeque<Event>,
}

struct Interest {
    id: u64,
    client: Client,
    question: Question,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Watch(WatchOptions),
    Lookup(Option<Ticks>),
}

pub struct Model {
    pulse: Pulse,
    people: Vec<Person>,
    records: Vec<Record<u64>>,
    interests: Vec<Interest>,
    registrations: u64,
    ids: u64,
    actions: Vec<Action<u64>>,
}

impl Model {
    pub fn new(pulse: Pulse) -> Self {
        Self {
            pulse,
            people: Vec::new(),
            records: Vec::new(),
            interests: Vec::new(),
            registrations: 0,
            ids: 0,
            actions: Vec::new(),
        }
    }

    pub fn actions(&mut self) -> Vec<Action<u64>> {
        std::mem::take(&mut self.actions)
    }

    fn person(&mut self, client: Client) -> Result<&mut Person, Error> {
        let mut people = self.people.iter_mut();
        people
            .find(|person| person.client == client)
            .ok_or(Error::UnknownClient)
    }

    pub fn join(&mut self, client: Client, admin: bool, now: Ticks) -> Result<(), Error> {
        if self.person(client).is_ok() {
            return Err(Error::ClientExists);
        }
        if self.people.len() == LIMITS.clients {
            return Err(Error::TooManyClients);
        }
        self.people.push(Person {
            client,
            admin,
            heard: now,
            asked: None,
            events: VecDeque::new(),
        });
        Ok(())
    }

    pub fn die(&mut self, client: Client) -> Result<(), Error> {
        self.person(client)?;
        self.interests.retain(|interest| interest.client != client);
        for name in self.names_of(client) {
            self.remove(&name, Reason::Died);
        }
        self.people.retain(|person| person.client != client);
        Ok(())
    }

    pub fn heard(&mut self, client: Client, now: Ticks) -> Result<(), Error> {
        let person = self.person(client)?;
        person.heard = now;
        person.asked = None;
        Ok(())
    }

    pub fn names_of(&self, client: Client) -> Vec<Name> {
        let mine = self.records.iter().filter(|record| record.owner == client);
        let mut names: Vec<Name> = mine.map(|record| record.name.clone()).collect();
        names.sort();
        names
    }

    pub fn events_of(&self, client: Client) -> usize {
        let mut people = self.people.iter();
        let person = people.find(|person| person.client == client);
        person.map_or(0, |person| person.events.len())
    }

    pub fn pid_of(&self, client: Client) -> Option<u32> {
        let known = self.people.iter().any(|person| person.client == client);
        known.then_some(client.0 as u32 + 100)
    }

    pub fn get(&self, name: &Name) -> Option<&Record<u64>> {
        self.records.iter().find(|record| record.name == *name)
    }

    pub fn meant(&self, question: &Question) -> Vec<&Record<u64>> {
        let all = self.records.iter();
        let mut meant: Vec<_> = all
            .filter(|record| question.means(&record.name, &record.properties))
            .collect();
        meant.sort_by(|a, b| a.name.cmp(&b.name));
        meant
    }

    pub fn register(
        &mut self,
        client: Client,
        name: Name,
        properties: Properties,
        handle: u64,
        replace: bool,
    ) -> Result<Registration, Error> {
        if name.as_str().len() + properties.bytes() > LIMITS.record_bytes {
            return Err(Error::RecordTooLarge);
        }
        let admin = self.person(client)?.admin;
        let old = self.get(&name).cloned();
        if let Some(old) = &old {
            if !replace {
                return Err(Error::NameTaken);
            }
            if old.owner != client && !admin {
                return Err(Error::NotOwner);
            }
        } else if self.records.len() == LIMITS.names {
            return Err(Error::Full);
        }
        let own = old.as_ref().is_some_and(|old| old.owner == client);
        if !own && self.names_of(client).len() == LIMITS.names_of_client {
            return Err(Error::TooManyNames);
        }
        self.registrations += 1;
        let registration = Registration(self.registrations);
        self.records.retain(|record| record.name != name);
        self.records.push(Record {
            name: name.clone(),
            owner: client,
            pid: Pid(client.0 as u32 + 100),
            registration,
            properties,
            handle,
        });
        if let Some(old) = old.as_ref().filter(|_| !own) {
            self.withdrawn(old, Reason::Replaced);
        }
        self.announce(&name, registration, old.as_ref(), Reason::Replaced);
        self.idle();
        if let Some(old) = old {
            self.actions.push(Action::Release(old.handle));
        }
        Ok(registration)
    }

    fn owner(&mut self, client: Client, name: &Name) -> Result<Client, Error> {
        let owner = self.get(name).map(|record| record.owner);
        let admin = self.person(client)?.admin;
        let owner = owner.ok_or(Error::UnknownName)?;
        match owner == client || admin {
            true => Ok(owner),
            false => Err(Error::NotOwner),
        }
    }

    pub fn deregister(&mut self, client: Client, name: &Name) -> Result<(), Error> {
        let owner = self.owner(client, name)?;
        let own = owner == client;
        let reason = if own {
            Reason::Deregistered
        } else {
            Reason::Administrator
        };
        self.remove(name, reason);
        Ok(())
    }

    pub fn update(&mut self, client: Client, name: &Name, set: Properties) -> Result<(), Error> {
        self.owner(client, name)?;
        if name.as_str().len() + set.bytes() > LIMITS.record_bytes {
            return Err(Error::RecordTooLarge);
        }
        let mut records = self.records.iter_mut();
        let record = records.find(|record| record.name == *name).unwrap();
        if record.properties != set {
            let old = record.clone();
            record.properties = set;
            self.announce(name, old.registration, Some(&old), Reason::NoMatch);
        }
        Ok(())
    }

    fn remove(&mut self, name: &Name, reason: Reason) {
        let old = self.get(name).cloned().unwrap();
        self.records.retain(|record| record.name != *name);
        self.withdrawn(&old, reason);
        self.announce(name, old.registration, Some(&old), reason);
        self.idle();
        self.actions.push(Action::Release(old.handle));
    }

    /// Who has no names is not asked.
    fn idle(&mut self) {
        let owners: Vec<Client> = self.records.iter().map(|record| record.owner).collect();
        for person in &mut self.people {
            if !owners.contains(&person.client) {
                person.asked = None;
            }
        }
    }

    fn withdrawn(&mut self, old: &Record<u64>, reason: Reason) {
        if !matches!(reason, Reason::Deregistered | Reason::Died) {
            let event = Event::Withdrawn {
                name: old.name.clone(),
                registration: old.registration,
                reason,
            };
            self.tell(old.owner, event);
        }
    }

    fn tell(&mut self, client: Client, event: Event) {
        let Ok(person) = self.person(client) else {
            return;
        };
        let first = person.events.is_empty();
        if person.events.len() < LIMITS.events_of_client - 1 {
            person.events.push_back(event);
        } else if let Some(Event::Lost(lost)) = person.events.back_mut() {
            *lost += 1;
        } else {
            person.events.push_back(Event::Lost(1));
        }
        if first {
            self.actions.push(Action::Notify(client));
        }
    }

    /// The record of that name is now what it is; before it was `old`. `reason` is why somebody does not see it any more.
    fn announce(
        &mut self,
        name: &Name,
        registration: Registration,
        old: Option<&Record<u64>>,
        reason: Reason,
    ) {
        let new = self.get(name).cloned();
        let interests = std::mem::take(&mut self.interests);
        for interest in interests {
            let meant =
                |record: &&Record<u64>| interest.question.means(&record.name, &record.properties);
            let change = match (old.filter(meant), new.as_ref().filter(meant)) {
                (None, Some(_)) => Some(Change::Appeared),
                (Some(old), Some(new)) if old.registration != new.registration => {
                    Some(Change::Appeared)
                }
                (Some(_), Some(_)) => Some(Change::Changed),
                (Some(_), None) => Some(Change::Gone(reason)),
                (None, None) => None,
            };
            let mut keep = true;
            match (change, interest.kind) {
                (Some(Change::Appeared), Kind::Lookup(_)) => {
                    self.actions.push(Action::Answer {
                        client: interest.client,
                        lookup: LookupId(interest.id),
                        answer: Ok(Box::new(new.clone().unwrap())),
                    });
                    keep = false;
                }
                (Some(change), Kind::Watch(options)) => {
                    let wanted = match change {
                        Change::Appeared => options.appeared,
                        Change::Changed => options.changed,
                        Change::Gone(_) => options.gone,
                    };
                    if wanted {
                        keep = !options.once;
                        let event = Event::Seen {
                            watch: WatchId(interest.id),
                            name: name.clone(),
                            registration,
                            change,
                        };
                        self.tell(interest.client, event);
                    }
                }
                _ => {}
            }
            if keep {
                self.interests.push(interest);
            }
        }
    }

    fn interest(&mut self, client: Client, question: Question, kind: Kind) -> Result<u64, Error> {
        self.person(client)?;
        let of = self.interests.iter().filter(|one| one.client == client);
        if of.count() == LIMITS.watches_of_client {
            return Err(Error::TooManyWatches);
        }
        if self.interests.len() == LIMITS.watches {
            return Err(Error::WatchesFull);
        }
        self.ids += 1;
        self.interests.push(Interest {
            id: self.ids,
            client,
            question,
            kind,
        });
        Ok(self.ids)
    }

    pub fn wait_for(
        &mut self,
        client: Client,
        question: Question,
        deadline: Option<Ticks>,
    ) -> Result<Result<Record<u64>, u64>, Error> {
        self.person(client)?;
        if let Some(record) = self.meant(&question).first() {
            return Ok(Ok((*record).clone()));
        }
        self.interest(client, question, Kind::Lookup(deadline))
            .map(Err)
    }

    pub fn watch(
        &mut self,
        client: Client,
        question: Question,
        options: WatchOptions,
    ) -> Result<u64, Error> {
        self.interest(client, question, Kind::Watch(options))
    }

    pub fn cancel(&mut self, client: Client, id: u64, lookup: bool) -> bool {
        let before = self.interests.len();
        self.interests.retain(|one| {
            let is_lookup = matches!(one.kind, Kind::Lookup(_));
            one.id != id || one.client != client || is_lookup != lookup
        });
        self.interests.len() < before
    }

    pub fn take(&mut self, client: Client, limit: usize) -> Result<Vec<Event>, Error> {
        let events = &mut self.person(client)?.events;
        let count = limit.min(events.len());
        Ok(events.drain(..count).collect())
    }

    pub fn tick(&mut self, now: Ticks) {
        let over = |one: &Interest| matches!(one.kind, Kind::Lookup(Some(at)) if at <= now);
        for one in self.interests.iter().filter(|one| over(one)) {
            self.actions.push(Action::Answer {
                client: one.client,
                lookup: LookupId(one.id),
                answer: Err(Error::TimedOut),
            });
        }
        self.interests.retain(|one| !over(one));
        let mut late: Vec<(Ticks, Client)> = Vec::new();
        for person in &mut self.people {
            if !self.records.iter().any(|one| one.owner == person.client) {
                continue;
            }
            match person.asked {
                Some(due) if due <= now => late.push((due, person.client)),
                Some(_) => {}
                None if person.heard.after(self.pulse.interval) <= now => {
                    person.asked = Some(now.after(self.pulse.patience));
                    self.actions.push(Action::Ping(person.client));
                }
                None => {}
            }
        }
        late.sort();
        for (_, client) in late {
            self.actions.push(Action::Unresponsive(client));
            for name in self.names_of(client) {
                self.remove(&name, Reason::Unresponsive);
            }
        }
    }

    pub fn next_deadline(&self) -> Option<Ticks> {
        let lookups = self.interests.iter().filter_map(|one| match one.kind {
            Kind::Lookup(deadline) => deadline,
            Kind::Watch(_) => None,
        });
        let people = self.people.iter();
        let asked = people
            .filter(|person| self.records.iter().any(|one| one.owner == person.client))
            .map(|person| {
                let silent = person.heard.after(self.pulse.interval);
                person.asked.unwrap_or(silent)
            });
        lookups.chain(asked).min()
    }
}
