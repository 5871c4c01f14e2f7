//! All clients of a service.
//!
//! [`Connections`] is a table of [`Server`]s with a bound on their number. A service's loop is one call, [`Connections::poll`].
//!
//! * **Fair**: a round gives each client that has something at most the same number of messages, and the next round begins with
//!   another client.
//! * **Cheap**: a client that has sent nothing is not looked at: its transport wakes a waker of its own, which sets a bit.
//! * **Clean**: when a connection ends, the service is told (`closed`), whichever side ended it and whatever broke.
//!
//! Numbers of connections are never used twice, and none is 0.
//!
//! Barrelfish counterpart: the waitset of a service with its bindings.

use crate::budget::Budget;
use crate::limits::Limits;
use crate::promise::Broken;
use crate::server::{Finished, Server, Service};
use crate::transport::{Message, Transport};
use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};
use core::task::Waker;

/// Clients that one table can have.
pub const CLIENTS_MAX: usize = 1 << INDEX_BITS;

/// Bits of a connection's number that are its place; above is how often the place was used.
const INDEX_BITS: u32 = 16;

/// How often the places of a table that is [apart](Connections::apart) count as used at first: more often than any other is.
const APART: u64 = 1 << 40;

const BITS: usize = u64::BITS as usize;

/// One bit for each place.
struct Marks(Vec<AtomicU64>);

impl Marks {
    fn set(&self, index: usize) {
        if let Some(word) = self.0.get(index / BITS) {
            word.fetch_or(1 << (index % BITS), Ordering::Release);
        }
    }

    fn take(&self, index: usize) -> bool {
        let bit = 1 << (index % BITS);
        let word = self.0.get(index / BITS);
        word.is_some_and(|word| word.fetch_and(!bit, Ordering::Acquire) & bit != 0)
    }

    /// The first set bit from this one to `end`.
    fn next(&self, from: usize, end: usize) -> Option<usize> {
        let mut at = from;
        while at < end {
            let word = self.0.get(at / BITS)?.load(Ordering::Relaxed) >> (at % BITS);
            match word {
                0 => at = (at / BITS + 1) * BITS,
                _ => return Some(at + word.trailing_zeros() as usize).filter(|at| *at < end),
            }
        }
        None
    }
}

/// What a client's transport wakes.
struct Ready {
    marks: Arc<Marks>,
    index: usize,
    service: Waker,
}

impl Wake for Ready {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.marks.set(self.index);
        self.service.wake_by_ref();
    }
}

struct Place<T: Transport> {
    generation: u64,
    client: Option<Client<T>>,
}

struct Client<T: Transport> {
    server: Server<T>,
    /// What its transport wakes, once it has been idle.
    waker: Option<Waker>,
}

/// All clients of a service, see the [module](self).
pub struct Connections<T: Transport> {
    limits: Limits,
    budget: Option<Arc<Budget>>,
    broken: Broken,
    most: usize,
    /// Of places that are new.
    first_generation: u64,
    places: Vec<Place<T>>,
    free: Vec<usize>,
    marks: Arc<Marks>,
    /// The place that the next round begins with.
    first: usize,
    /// Whom the clients' wakers wake.
    waker: Option<Waker>,
    /// What is received now; it has no capability between two polls.
    message: Message<T::Cap>,
}

impl<T: Transport> fmt::Debug for Connections<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections")
            .field("clients", &self.len())
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}

impl<T: Transport> Connections<T> {
    /// A table for at most so many clients, at least one and at most [`CLIENTS_MAX`], each within these limits.
    pub fn new(most: usize, limits: Limits) -> Self {
        let most = most.clamp(1, CLIENTS_MAX);
        let words = (0..most.div_ceil(BITS)).map(|_| AtomicU64::new(0));
        Self {
            limits,
            budget: None,
            broken: Broken::default(),
            most,
            first_generation: 1,
            places: Vec::new(),
            free: Vec::new(),
            marks: Arc::new(Marks(words.collect())),
            first: 0,
            waker: None,
            message: Message::empty(),
        }
    }

    /// With numbers that no table has that is not apart: for a service that has clients over two transports, in a table each.
    #[must_use]
    pub const fn apart(mut self) -> Self {
        self.first_generation = APART;
        self
    }

    /// Whether this number is one of a table that is [apart](Self::apart).
    #[must_use]
    pub const fn is_apart(number: u64) -> bool {
        number >> INDEX_BITS >= APART
    }

    /// All clients together hold at most so many bytes here, in long messages that are coming and in answers that they have not taken: half of it
    /// belongs to each in equal shares, the other half to who comes first. A message that does not fit fails with `FLOUNDER_ERR_NO_ROOM`.
    #[must_use]
    pub fn within(mut self, bytes: usize) -> Self {
        self.budget = Some(Budget::new(bytes, self.most));
        self
    }

    /// Bytes that all clients together hold here.
    pub fn held(&self) -> usize {
        let clients = self.places.iter().filter_map(|place| place.client.as_ref());
        clients.map(|client| client.server.held()).sum()
    }

    /// Whether answers were dropped since the last [`poll`](Self::poll): call it, their clients are to be told.
    pub fn has_broken(&self) -> bool {
        self.broken.is_any()
    }

    /// Clients connected.
    pub fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a client and returns its number. The next [`poll`](Self::poll) looks at it.
    ///
    /// # Errors
    /// The table is full: here is the transport back. Dropping it tells the client that the connection is lost.
    pub fn add(&mut self, transport: T) -> Result<u64, T> {
        let index = match self.free.pop() {
            Some(index) => index,
            None if self.places.len() >= self.most => return Err(transport),
            None => {
                self.places.push(Place {
                    generation: self.first_generation,
                    client: None,
                });
                self.places.len() - 1
            }
        };
        let Some(place) = self.places.get_mut(index) else {
            return Err(transport);
        };
        let number = place.generation << INDEX_BITS | index as u64;
        place.client = Some(Client {
            server: Server::new(transport, self.limits, number)
                .of_many(self.budget.clone(), &self.broken),
            waker: None,
        });
        self.marks.set(index);
        Ok(number)
    }

    fn place(&mut self, number: u64) -> Option<(usize, &mut Place<T>)> {
        let index = number as usize % CLIENTS_MAX;
        let place = self.places.get_mut(index)?;
        (place.generation == number >> INDEX_BITS).then_some((index, place))
    }

    /// The connection of this number, if it is still there.
    pub fn get(&mut self, number: u64) -> Option<&mut Server<T>> {
        let (_, place) = self.place(number)?;
        Some(&mut place.client.as_mut()?.server)
    }

    /// Ends a connection and tells the service. Nothing happens if it has ended already.
    pub fn close<S: Service<T::Cap>>(&mut self, service: &mut S, number: u64) {
        let Some((index, place)) = self.place(number) else {
            return;
        };
        if let Some(client) = place.client.take() {
            place.generation += 1;
            self.free.push(index);
            drop(client);
            service.closed(number);
        }
    }

    /// Sends the answer to a call that was left for later. Nothing happens if the call or its connection is gone.
    pub fn finish<S: Service<T::Cap>>(&mut self, service: &mut S, answer: Finished<T::Cap>) {
        let number = answer.caller().connection;
        let lost = self
            .get(number)
            .is_some_and(|server| server.finish(answer).is_err());
        if lost {
            self.close(service, number);
        }
    }

    /// One round: handles at most `budget` messages of each client that has some. True: there is more to do, so call again
    /// after other tasks had their turn; false: `waker` will be woken when there is.
    pub fn poll<S: Service<T::Cap>>(
        &mut self,
        service: &mut S,
        budget: usize,
        waker: &Waker,
    ) -> bool {
        self.woken_by(waker);
        if self.broken.take() {
            self.end_broken(service);
        }
        let count = self.places.len();
        let first = self.first % count.max(1);
        self.first = first + 1;
        let mut more = false;
        for (from, end) in [(first, count), (0, first)] {
            let mut at = from;
            while let Some(index) = self.marks.next(at, end) {
                more |= self.poll_one(service, index, budget);
                at = index + 1;
            }
        }
        more
    }

    /// Handles one message of one client that has one and was just [found](Self::find), past the round of all. `false`: there is more to do, for [`poll`](Self::poll).
    ///
    /// That is for a loop which has just been through a round that left nothing to do, and knows whose message it is that has come. The client's transport
    /// goes on watching.
    #[inline]
    pub fn poll_only<S: Service<T::Cap>>(&mut self, service: &mut S, number: u64) -> bool {
        let index = number as usize % CLIENTS_MAX;
        let place = self.places.get_mut(index);
        let Some(client) = place.and_then(|place| place.client.as_mut()) else {
            return false;
        };
        let polled = client.server.poll_by(service, 1, &mut self.message);
        if polled.is_ok() && client.server.is_idle() {
            return true;
        }
        // The round ends it, or has it watch for room.
        self.marks.set(index);
        false
    }

    /// The connection whose transport is meant: most likely this one.
    #[inline]
    pub fn find(&self, first: u64, is_meant: impl Fn(&T) -> bool) -> Option<u64> {
        let is_meant = |place: &&Place<T>| {
            let client = place.client.as_ref();
            client.is_some_and(|client| is_meant(client.server.transport()))
        };
        let first = self.places.get(first as usize % CLIENTS_MAX);
        let found = (first.filter(is_meant)).or_else(|| self.places.iter().find(is_meant))?;
        found.client.as_ref().map(|client| client.server.number())
    }

    /// Tells the clients of the calls whose answers were dropped.
    fn end_broken<S: Service<T::Cap>>(&mut self, service: &mut S) {
        let mut lost = Vec::new();
        for (index, place) in self.places.iter_mut().enumerate() {
            if let Some(Client { server, .. }) = &mut place.client {
                match server.end_broken() {
                    // It may have to wait for room.
                    Ok(()) => self.marks.set(index),
                    Err(_) => lost.push(server.number()),
                }
            }
        }
        for number in lost {
            self.close(service, number);
        }
    }

    /// Another task polls than before: the clients that wait shall wake that one.
    fn woken_by(&mut self, waker: &Waker) {
        if self.waker.as_ref().is_some_and(|old| old.will_wake(waker)) {
            return;
        }
        self.waker = Some(waker.clone());
        for (index, place) in self.places.iter_mut().enumerate() {
            if place
                .client
                .as_mut()
                .is_some_and(|client| client.waker.take().is_some())
            {
                self.marks.set(index);
            }
        }
    }

    fn poll_one<S: Service<T::Cap>>(
        &mut self,
        service: &mut S,
        index: usize,
        budget: usize,
    ) -> bool {
        self.marks.take(index);
        let client = self.places.get_mut(index).map(|place| &mut place.client);
        let Some(Client { server, waker: own }) = client.and_then(Option::as_mut) else {
            return false;
        };
        match server.poll_by(service, budget, &mut self.message) {
            Ok(progress) if progress.more => {
                self.marks.set(index);
                true
            }
            Ok(_) => {
                let ready = || Ready {
                    marks: self.marks.clone(),
                    index,
                    service: self.waker.clone().unwrap_or(Waker::noop().clone()),
                };
                let own = own.get_or_insert_with(|| Waker::from(Arc::new(ready())));
                server.watch(own);
                false
            }
            Err(_) => {
                let number = server.number();
                self.message.cap = None;
                self.close(service, number);
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Loopback, loopback};

    #[test]
    fn numbers_of_a_table_apart_are_nobody_elses() {
        type Table = Connections<Loopback<u8>>;
        let mut one = Table::new(2, Limits::default());
        let mut apart = Table::new(2, Limits::default()).apart();
        for _ in 0..2 {
            let number = one.add(loopback(1).1).ok();
            assert!(number.is_some_and(|number| !Table::is_apart(number)));
            let number = apart.add(loopback(1).1).ok();
            assert!(number.is_some_and(Table::is_apart));
        }
        assert!(apart.add(loopback(1).1).is_err());
    }
}
