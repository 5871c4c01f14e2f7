//! Watches, lookups that wait, and the events of both: who is told what.

use super::{Action, Engine, Waited};
use crate::Ticks;
use crate::client::Client;
use crate::error::Error;
use crate::events::{Change, Event, Registration};
use crate::name::Name;
use crate::properties::Properties;
use crate::query::Query;
use crate::watch::{LookupId, Purpose, Subscription, WatchId, WatchOptions};
use alloc::boxed::Box;
use alloc::vec::Vec;

impl<H: Clone> Engine<H> {
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

    pub(super) fn unsubscribe(&mut self, id: u64) -> Option<Subscription> {
        let subscription = self.subscriptions.remove(id)?;
        if let Ok(account) = self.account(subscription.client) {
            account.watches = account.watches.saturating_sub(1);
        }
        Some(subscription)
    }

    pub(super) fn tell(&mut self, client: Client, event: Event) {
        let capacity = self.limits.events_of_client;
        if let Some(account) = self.clients.get_mut(&client)
            && account.events.push(event, capacity)
        {
            self.actions.push_back(Action::Notify(client));
        }
    }

    /// Something happened to a name that had these properties before, if it was there.
    pub(super) fn announce(
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
