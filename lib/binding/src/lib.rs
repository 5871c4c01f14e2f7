//! Who is connected to whom: the book of a broker of connections.
//!
//! A domain *exports* a service: it gives the broker an endpoint at which it hears of those who want to be connected. Another domain
//! *binds* to it: it gives the broker an endpoint of its own. The broker tells the service, which *accepts* with an endpoint for this
//! connection, and tells the client of that. From then on the two talk without the broker, which keeps a handle of both ends for one
//! thing: when one side closes the connection or dies, it tells the other.
//!
//! ```text
//!   client            broker                service
//!     | bind(service, C) |                     |
//!     |----------------->|  asked(n, pid, C)   |
//!     |                  |-------------------->|
//!     |   opened(S)      |   accept(n, S)      |
//!     |<-----------------|<--------------------|
//!     |<========== messages: C and S =========>|
//!     |   close(n)       |    closed(n)        |
//!     |----------------->|-------------------->|
//! ```
//!
//! Pure: handles are whatever the broker sends by and holds capabilities in. The caller sends what [`Book::news`] says, and reports by
//! [`Book::told`]; what cannot be sent now stays news. Handles that nothing needs any more come out of [`Book::take_released`], each that
//! came in exactly once.
//!
//! **Bounds**: see [`Limits`]. A domain that has reached its own limit is refused; nobody else is.
//!
//! Barrelfish counterpart: `usr/monitor/bindings.c`, `iref.c`: there, nobody is told of an end.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod types;

pub use types::{Cause, ConnectionId, Limits, News, Pid, Refused, ServiceId, Side, What};

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

#[derive(Debug)]
struct Exported<H> {
    owner: Pid,
    listens: H,
}

/// What one side of a connection is to be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Pending {
    Nothing,
    Begin,
    End(Cause),
}

#[derive(Debug)]
struct Half<H> {
    pid: Pid,
    end: Option<H>,
    /// It has closed, or is dead: it is not told anything.
    gone: bool,
    /// It has been told that the connection is wanted, or open.
    knows: bool,
    pending: Pending,
}

impl<H> Half<H> {
    const fn new(pid: Pid, end: Option<H>) -> Self {
        Self {
            pid,
            end,
            gone: false,
            knows: false,
            pending: Pending::Nothing,
        }
    }
}

#[derive(Debug)]
struct Connection<H> {
    service: ServiceId,
    client: Half<H>,
    server: Half<H>,
}

impl<H> Connection<H> {
    const fn half(&mut self, side: Side) -> &mut Half<H> {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }
}

/// The book.
#[derive(Debug)]
pub struct Book<H> {
    limits: Limits,
    reserved: u32,
    last_service: u32,
    last_connection: u32,
    services: BTreeMap<ServiceId, Exported<H>>,
    services_of: BTreeSet<(Pid, ServiceId)>,
    connections: BTreeMap<ConnectionId, Connection<H>>,
    /// Who takes part in which, and on which side.
    connections_of: BTreeSet<(Pid, Side, ConnectionId)>,
    /// Who has to be told something.
    untold: BTreeSet<(ConnectionId, Side)>,
    released: Vec<H>,
}

impl<H: Copy> Book<H> {
    /// An empty one. Numbers of services up to `reserved` are given by [`Book::export_as`] only.
    pub const fn new(limits: Limits, reserved: ServiceId) -> Self {
        Self {
            limits,
            reserved: reserved.0,
            last_service: reserved.0,
            last_connection: 0,
            services: BTreeMap::new(),
            services_of: BTreeSet::new(),
            connections: BTreeMap::new(),
            connections_of: BTreeSet::new(),
            untold: BTreeSet::new(),
            released: Vec::new(),
        }
    }

    /// A domain offers a service, and hears at `listens` of who wants it.
    ///
    /// # Errors
    /// `TooManyOfOne`, `TooMany`; the handle is the caller's again.
    pub fn export(&mut self, owner: Pid, listens: H) -> Result<ServiceId, Refused> {
        // Numbers come back after 2^32 exports; those in use are skipped.
        let mut number = self.last_service;
        loop {
            number = number.checked_add(1).unwrap_or(self.reserved + 1);
            if !self.services.contains_key(&ServiceId(number)) {
                break;
            }
        }
        self.export_as(ServiceId(number), owner, listens)?;
        self.last_service = number;
        Ok(ServiceId(number))
    }

    /// The same under a reserved number, in place of who has it.
    ///
    /// # Errors
    /// As [`Book::export`].
    pub fn export_as(&mut self, service: ServiceId, owner: Pid, listens: H) -> Result<(), Refused> {
        let of_one = self.services_of.range(all_services(owner)).count();
        if of_one >= self.limits.services_of_one {
            return Err(Refused::TooManyOfOne);
        }
        if self.services.len() >= self.limits.services {
            return Err(Refused::TooMany);
        }
        self.withdraw_any(service);
        self.services.insert(service, Exported { owner, listens });
        self.services_of.insert((owner, service));
        Ok(())
    }

    /// A domain offers its service no more; who is connected stays so.
    ///
    /// # Errors
    /// `NoService`: it has no such service.
    pub fn withdraw(&mut self, owner: Pid, service: ServiceId) -> Result<(), Refused> {
        if !self.services_of.contains(&(owner, service)) {
            return Err(Refused::NoService);
        }
        self.withdraw_any(service);
        Ok(())
    }

    fn withdraw_any(&mut self, service: ServiceId) {
        let Some(exported) = self.services.remove(&service) else {
            return;
        };
        self.services_of.remove(&(exported.owner, service));
        self.released.push(exported.listens);
        // Nobody will accept those that are asked for.
        let waiting: Vec<ConnectionId> = self
            .connections_of
            .range(all_connections(exported.owner, Side::Server))
            .map(|(_, _, id)| *id)
            .filter(|id| {
                let connection = self.connections.get(id);
                connection.is_some_and(|c| c.service == service && c.server.end.is_none())
            })
            .collect();
        for id in waiting {
            self.leave(id, Side::Server, Cause::Closed);
        }
    }

    /// Who offers a service.
    pub fn owner(&self, service: ServiceId) -> Option<Pid> {
        self.services.get(&service).map(|exported| exported.owner)
    }

    /// A domain wants to be connected; `end` is where it hears of it.
    ///
    /// # Errors
    /// `NoService`, `TooManyOfOne`, `TooMany`; the handle is the caller's again.
    pub fn bind(
        &mut self,
        client: Pid,
        service: ServiceId,
        end: H,
    ) -> Result<ConnectionId, Refused> {
        let server = self.owner(service).ok_or(Refused::NoService)?;
        let own = all_connections(client, Side::Client);
        if self.connections_of.range(own).count() >= self.limits.connections_of_one {
            return Err(Refused::TooManyOfOne);
        }
        if self.connections.len() >= self.limits.connections {
            return Err(Refused::TooMany);
        }
        loop {
            self.last_connection = self.last_connection.checked_add(1).unwrap_or(1);
            if !self
                .connections
                .contains_key(&ConnectionId(self.last_connection))
            {
                break;
            }
        }
        let id = ConnectionId(self.last_connection);
        let mut connection = Connection {
            service,
            client: Half::new(client, Some(end)),
            server: Half::new(server, None),
        };
        connection.server.pending = Pending::Begin;
        self.connections.insert(id, connection);
        self.connections_of.insert((client, Side::Client, id));
        self.connections_of.insert((server, Side::Server, id));
        self.untold.insert((id, Side::Server));
        Ok(id)
    }

    /// A service accepts a connection; `end` is its end of it.
    ///
    /// # Errors
    /// `NoConnection`: it was not asked, has accepted or refused, or the client is gone; the handle is the caller's again.
    pub fn accept(&mut self, server: Pid, id: ConnectionId, end: H) -> Result<(), Refused> {
        let connection = self.asked(server, id)?;
        connection.server.end = Some(end);
        connection.client.pending = Pending::Begin;
        self.untold.insert((id, Side::Client));
        Ok(())
    }

    /// A service does not want a connection.
    ///
    /// # Errors
    /// `NoConnection`, as [`Book::accept`].
    pub fn reject(&mut self, server: Pid, id: ConnectionId) -> Result<(), Refused> {
        self.asked(server, id)?;
        self.leave(id, Side::Server, Cause::Rejected);
        Ok(())
    }

    fn asked(&mut self, server: Pid, id: ConnectionId) -> Result<&mut Connection<H>, Refused> {
        let connection = self.connections.get_mut(&id);
        connection
            .filter(|c| c.server.pid == server && c.server.knows && c.server.end.is_none())
            .filter(|c| !c.client.gone && !c.server.gone)
            .ok_or(Refused::NoConnection)
    }

    /// A domain has closed its end of a connection. Nothing happens if it has none.
    pub fn close(&mut self, pid: Pid, id: ConnectionId) {
        for side in [Side::Client, Side::Server] {
            let is_there = self.connections_of.contains(&(pid, side, id));
            let left = self.connections.get_mut(&id);
            if is_there && left.is_some_and(|connection| !connection.half(side).gone) {
                self.leave(id, side, Cause::Closed);
                // Of a connection with itself, one end at a time.
                return;
            }
        }
    }

    /// A domain is no more.
    pub fn died(&mut self, pid: Pid) {
        for side in [Side::Client, Side::Server] {
            let all = self.connections_of.range(all_connections(pid, side));
            let all: Vec<ConnectionId> = all.map(|(_, _, id)| *id).collect();
            for id in all {
                self.leave(id, side, Cause::Died);
            }
        }
        let services = self.services_of.range(all_services(pid));
        let services: Vec<ServiceId> = services.map(|(_, service)| *service).collect();
        for service in services {
            self.withdraw_any(service);
        }
    }

    /// One side is gone; the other is told, if it knows of the connection.
    fn leave(&mut self, id: ConnectionId, side: Side, cause: Cause) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let half = connection.half(side);
        if half.gone {
            return;
        }
        half.gone = true;
        half.pending = Pending::Nothing;
        self.untold.remove(&(id, side));
        let (other_side, knows) = match side {
            Side::Client => (Side::Server, connection.server.knows),
            // The client has asked itself.
            Side::Server => (Side::Client, true),
        };
        let other = connection.half(other_side);
        if !other.gone && knows {
            other.pending = Pending::End(cause);
            self.untold.insert((id, other_side));
        } else {
            other.gone = true;
            self.untold.remove(&(id, other_side));
        }
        self.drop_if_over(id);
    }

    /// Removes a connection of which neither side hears any more; lets go of ends that are not needed.
    fn drop_if_over(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let is_over = connection.client.gone && connection.server.gone;
        for side in [Side::Client, Side::Server] {
            let half = connection.half(side);
            // An end that is gone hears nothing; but the other one may still be waiting for it.
            if half.gone {
                self.released.extend(half.end.take());
                self.connections_of.remove(&(half.pid, side, id));
            }
        }
        if is_over {
            self.connections.remove(&id);
        }
    }

    /// The next thing to be told behind this place; [`Book::FIRST`] to begin with.
    pub fn news(&self, behind: (ConnectionId, Side)) -> Option<News<H>> {
        use core::ops::Bound::{Excluded, Unbounded};
        let next = self.untold.range((Excluded(behind), Unbounded));
        next.filter_map(|(id, side)| self.news_of(*id, *side))
            .next()
    }

    /// Before all places.
    pub const FIRST: (ConnectionId, Side) = (ConnectionId(0), Side::Client);

    fn news_of(&self, connection: ConnectionId, side: Side) -> Option<News<H>> {
        let Connection {
            service,
            client,
            server,
        } = self.connections.get(&connection)?;
        let listens = self.services.get(service).map(|exported| exported.listens);
        let (to, what) = match (side, client.pending, server.pending) {
            (Side::Client, Pending::Begin, _) => (client.end?, What::Opened(server.end?)),
            (Side::Client, Pending::End(cause), _) => (client.end?, What::Closed(cause)),
            (Side::Server, _, Pending::Begin) => (listens?, What::Asked(client.pid, client.end?)),
            (Side::Server, _, Pending::End(cause)) => {
                (server.end.or(listens)?, What::Closed(cause))
            }
            _ => return None,
        };
        Some(News {
            connection,
            side,
            to,
            what,
        })
    }

    /// The news was told, or its receiver can never be told.
    pub fn told(&mut self, id: ConnectionId, side: Side) {
        self.untold.remove(&(id, side));
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let half = connection.half(side);
        match core::mem::replace(&mut half.pending, Pending::Nothing) {
            Pending::Nothing => {}
            Pending::Begin => half.knows = true,
            Pending::End(_) => {
                half.gone = true;
                self.drop_if_over(id);
            }
        }
    }

    /// Whether anything is to be told.
    pub fn has_news(&self) -> bool {
        !self.untold.is_empty()
    }

    /// Handles that are the caller's again.
    pub fn take_released(&mut self) -> Vec<H> {
        core::mem::take(&mut self.released)
    }

    /// Connections there are.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Services there are.
    pub fn services(&self) -> usize {
        self.services.len()
    }
}

fn all_services(pid: Pid) -> core::ops::RangeInclusive<(Pid, ServiceId)> {
    (pid, ServiceId(0))..=(pid, ServiceId(u32::MAX))
}

fn all_connections(pid: Pid, side: Side) -> core::ops::RangeInclusive<(Pid, Side, ConnectionId)> {
    (pid, side, ConnectionId(0))..=(pid, side, ConnectionId(u32::MAX))
}
