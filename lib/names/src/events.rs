//! What clients are told: events, in one bounded queue for each client.
//!
//! **Rule of the full queue.** A queue has room for so many events. Its last place is never taken by an event of its own, but by
//! [`Event::Lost`], which counts what did not fit since. So nothing waits for a slow client and nothing is lost in silence: who finds the marker
//! asks again for what it watches, registers again what it may have lost, and sets again the watches for once that it does not find any more.
//! Behind a marker events are queued as before once there is room.
//!
//! Barrelfish counterpart: Octopus' triggers, which are messages; the server keeps them in a list without a bound while the client is slow.

use crate::name::Name;
use crate::watch::WatchId;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// A number that each registration has for itself: who registers a name again gets a higher one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Registration(pub u64);

/// Why a service is not there any more.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Reason {
    /// Its owner deregistered it.
    Deregistered,
    /// An administrator did.
    Administrator,
    /// Another registration took its place.
    Replaced,
    /// Its owner has ended.
    Died,
    /// Its owner did not answer in time.
    Unresponsive,
    /// It is there, but its properties are not those that were asked for any more.
    NoMatch,
}

/// What happened to a service.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Change {
    /// One that matches is there: it was registered, or its properties match now.
    Appeared,
    /// It has other properties, and still matches.
    Changed,
    /// It is not there any more.
    Gone(Reason),
}

/// What a client is told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Event {
    /// A watch saw something.
    Seen {
        /// The watch.
        watch: WatchId,
        /// The service.
        name: Name,
        /// Which of those that had this name.
        registration: Registration,
        /// What happened.
        change: Change,
    },
    /// The client lost a name of its own, not by its own request.
    Withdrawn {
        /// The name.
        name: Name,
        /// Which registration.
        registration: Registration,
        /// Why.
        reason: Reason,
    },
    /// So many events did not fit.
    Lost(u64),
}

/// The events of one client.
#[derive(Debug, Default)]
pub(crate) struct Queue(VecDeque<Event>);

impl Queue {
    /// Adds an event by the rule of the full queue. Whether it was empty before.
    pub(crate) fn push(&mut self, event: Event, capacity: usize) -> bool {
        let empty = self.0.is_empty();
        if self.0.len().saturating_add(1) < capacity {
            self.0.push_back(event);
        } else if let Some(Event::Lost(count)) = self.0.back_mut() {
            *count = count.saturating_add(1);
        } else {
            self.0.push_back(Event::Lost(1));
        }
        empty
    }

    /// Takes the oldest, at most so many.
    pub(crate) fn take(&mut self, limit: usize) -> Vec<Event> {
        let count = limit.min(self.0.len());
        self.0.drain(..count).collect()
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
