//! Who is there: a client is a process, however many connections it has, and it is gone when the process is.
//!
//! A service hears of connections, not of processes. Who has no connection left may be dead, or may just have closed it: the service asks whoever
//! knows, at once, and again each [`interval`](Presence::new) as long as it keeps something for that process.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use errors::{Error, ErrorCode};

/// The clients of a service.
#[derive(Debug)]
pub struct Presence {
    connections: BTreeMap<u64, u32>,
    /// How many connections each has; 0: to be asked for.
    clients: BTreeMap<u32, usize>,
    most: usize,
    interval: u64,
    next: Option<u64>,
}

impl Presence {
    /// Nobody yet, and at most so many processes; whether those without a connection are still there is asked so often.
    #[must_use]
    pub const fn new(most: usize, interval: u64) -> Self {
        Self {
            connections: BTreeMap::new(),
            clients: BTreeMap::new(),
            most,
            interval,
            next: None,
        }
    }

    /// A connection has come. Answers whether it is the first of its process.
    ///
    /// # Errors
    /// `PROC_MGMT_ERR_CREATE_CLIENTS_TABLE`: there are too many processes.
    pub fn opened(&mut self, connection: u64, pid: u32) -> Result<bool, Error> {
        let is_new = !self.clients.contains_key(&pid);
        if is_new && self.clients.len() >= self.most {
            return Err(ErrorCode::ProcMgmtCreateClientsTable.into());
        }
        self.connections.insert(connection, pid);
        *self.clients.entry(pid).or_default() += 1;
        Ok(is_new)
    }

    /// A connection has gone. Answers with its process if that was its last one: [`Presence::asked`] says when to look for it.
    pub fn closed(&mut self, connection: u64) -> Option<u32> {
        let pid = self.connections.remove(&connection)?;
        let count = self.clients.get_mut(&pid)?;
        *count = count.saturating_sub(1);
        if *count > 0 {
            return None;
        }
        // At the next look.
        self.next = Some(0);
        Some(pid)
    }

    /// Whose connection it is.
    ///
    /// # Errors
    /// `PROC_MGMT_ERR_CLIENTS_TABLE_FIND`: there was no room for that process.
    pub fn of(&self, connection: u64) -> Result<u32, Error> {
        let pid = self.connections.get(&connection).copied();
        pid.ok_or(ErrorCode::ProcMgmtClientsTableFind.into())
    }

    /// Whether this process is a client.
    #[must_use]
    pub fn has(&self, pid: u32) -> bool {
        self.clients.contains_key(&pid)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// Those of whom it is to be asked now whether they are there.
    pub fn asked(&mut self, now: u64) -> Vec<u32> {
        if self.next.is_none_or(|next| now < next) {
            return Vec::new();
        }
        let without = self.clients.iter().filter(|(_, count)| **count == 0);
        let without: Vec<u32> = without.map(|(pid, _)| *pid).collect();
        self.next = (!without.is_empty()).then(|| now.saturating_add(self.interval));
        without
    }

    /// When to ask again.
    #[must_use]
    pub const fn next_deadline(&self) -> Option<u64> {
        self.next
    }

    /// It is no client any more; connections that it has left stay without one.
    pub fn forget(&mut self, pid: u32) {
        self.clients.remove(&pid);
        self.connections.retain(|_, other| *other != pid);
    }
}
