//! Clients: who asks, and what each may have.

use crate::Ticks;
use crate::events::Queue;
use crate::name::Name;
use alloc::collections::BTreeSet;
use serde::{Deserialize, Serialize};

/// A connection to the name server; the server gives the numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Client(pub u64);

/// The process that a client is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Pid(pub u32);

/// What a client may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Role {
    /// Change its own registrations.
    User,
    /// Change everybody's.
    Administrator,
}

/// How much there may be of everything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Clients.
    pub clients: usize,
    /// Names of all clients.
    pub names: usize,
    /// Names of one client.
    pub names_of_client: usize,
    /// Bytes of a record: name and properties.
    pub record_bytes: usize,
    /// Watches and lookups that wait, of all clients.
    pub watches: usize,
    /// The same of one client.
    pub watches_of_client: usize,
    /// Places in the event queue of a client, at least one.
    pub events_of_client: usize,
    /// Records in an answer.
    pub page: usize,
    /// Records that are looked at for an answer.
    pub scan: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            clients: 256,
            names: 1024,
            names_of_client: 64,
            record_bytes: 1024,
            watches: 1024,
            watches_of_client: 32,
            events_of_client: 64,
            page: 64,
            scan: 256,
        }
    }
}

/// What is known of a client.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) pid: Pid,
    pub(crate) role: Role,
    /// The last time it said something.
    pub(crate) heard: Ticks,
    pub(crate) names: BTreeSet<Name>,
    pub(crate) watches: usize,
    pub(crate) events: Queue,
}

impl Account {
    pub(crate) fn new(pid: Pid, role: Role, heard: Ticks) -> Self {
        Self {
            pid,
            role,
            heard,
            names: BTreeSet::new(),
            watches: 0,
            events: Queue::default(),
        }
    }

    pub(crate) fn is_administrator(&self) -> bool {
        self.role == Role::Administrator
    }
}
