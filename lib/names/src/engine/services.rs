//! Services: who may register, change and remove them, and what follows from that.

use super::{Action, Engine, Refused, RegisterOptions};
use crate::client::{Client, Pid};
use crate::error::Error;
use crate::events::{Change, Event, Reason, Registration};
use crate::name::Name;
use crate::properties::Properties;
use crate::query::Query;
use crate::registry::{Page, Record};
use alloc::vec::Vec;

impl<H: Clone> Engine<H> {
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

    pub(super) fn withdraw_all(&mut self, client: Client, reason: Reason) {
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
}
