//! Who is still there: asks clients that have names, and tells who does not answer.
//!
//! A client that has been silent for `interval` is asked. If `patience` later it has still not been heard, it is unresponsive. Any message of a
//! client counts as an answer. Time is an input; before it comes, all messages that are there must have been read, since an answer that waits
//! unread would not count.
//!
//! **Costs.** Each client has one place in a schedule, which is in the order of time: to hear of a client moves nothing unless it was asked,
//! everything else is O(log n), and what is due is found without looking at the others.
//!
//! Barrelfish counterpart: none. Octopus removes a record with the `TRANSIENT` mode when its client's connection is closed, and never asks.

use crate::Ticks;
use crate::client::Client;
use alloc::collections::{BTreeMap, BTreeSet};

/// How often to ask, and how long to wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pulse {
    /// So long a client may be silent before it is asked.
    pub interval: Ticks,
    /// So long it has for its answer.
    pub patience: Ticks,
}

/// What is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Due {
    /// Ask it.
    Ask(Client),
    /// It has not answered. It is not in the schedule any more.
    Unresponsive(Client),
}

#[derive(Debug)]
struct State {
    heard: Ticks,
    asked: bool,
    /// Its place in the schedule.
    due: Ticks,
}

/// The schedule.
#[derive(Debug)]
pub(crate) struct Liveness {
    pulse: Pulse,
    clients: BTreeMap<Client, State>,
    schedule: BTreeSet<(Ticks, Client)>,
}

impl Liveness {
    pub(crate) const fn new(pulse: Pulse) -> Self {
        Self {
            pulse,
            clients: BTreeMap::new(),
            schedule: BTreeSet::new(),
        }
    }

    /// Begins to ask a client that was last heard at that time; nothing changes if that has begun.
    pub(crate) fn begin(&mut self, client: Client, heard: Ticks) {
        if self.clients.contains_key(&client) {
            return;
        }
        let due = heard.after(self.pulse.interval);
        self.schedule.insert((due, client));
        let asked = false;
        self.clients.insert(client, State { heard, asked, due });
    }

    /// Asks it no more.
    pub(crate) fn end(&mut self, client: Client) {
        if let Some(state) = self.clients.remove(&client) {
            self.schedule.remove(&(state.due, client));
        }
    }

    /// It said something.
    pub(crate) fn heard(&mut self, client: Client, now: Ticks) {
        let Some(state) = self.clients.get_mut(&client) else {
            return;
        };
        state.heard = state.heard.max(now);
        if state.asked {
            state.asked = false;
            let due = state.heard.after(self.pulse.interval);
            self.schedule.remove(&(state.due, client));
            self.schedule.insert((due, client));
            state.due = due;
        }
    }

    /// When to look again.
    pub(crate) fn next(&self) -> Option<Ticks> {
        self.schedule.first().map(|(due, _)| *due)
    }

    /// The next that is due; `None` also where a client was heard in time and is only put off. `next` tells whether there is more.
    pub(crate) fn due(&mut self, now: Ticks) -> Option<Due> {
        let (due, client) = self.schedule.first().copied()?;
        if due > now {
            return None;
        }
        self.schedule.pop_first();
        let state = self.clients.get_mut(&client)?;
        if state.asked {
            self.clients.remove(&client);
            return Some(Due::Unresponsive(client));
        }
        let ask = state.heard.after(self.pulse.interval) <= now;
        state.due = match ask {
            true => now.after(self.pulse.patience),
            false => state.heard.after(self.pulse.interval),
        };
        state.asked = ask;
        self.schedule.insert((state.due, client));
        ask.then_some(Due::Ask(client))
    }

    /// Whether it is in the schedule.
    pub(crate) fn has(&self, client: Client) -> bool {
        self.clients.contains_key(&client)
    }

    /// Whether both sides of the schedule agree.
    pub(crate) fn is_consistent(&self) -> bool {
        self.schedule.len() == self.clients.len()
            && self
                .clients
                .iter()
                .all(|(client, state)| self.schedule.contains(&(state.due, *client)))
    }
}
