//! The server's side of a connection.
//!
//! A [`Server`] is one client's connection; the service's loop calls [`Server::poll`] when its transport has something. That
//! receives messages, has the [`Service`] do them, and sends the answers. The service itself is written as an implementation of
//! the interface's trait, and the generated type `...Server` makes a [`Service`] of it.
//!
//! * **Fair**: one poll handles at most as many messages as the loop allows.
//! * **Bounded**: a client that does not read its answers is not served until it does; answers wait up to the limits.
//! * **Cheap**: a short call is read where it was received, and its answer is written over it and sent from there.
//! * **Later**: a method marked `#[later]` gets an [`Answer`], which is finished when the result is there.
//! * **Nothing is believed**: a message that breaks the protocol ends the connection with an error from `poll`; the loop drops
//!   the `Server`, and with it all that the client had here. Arguments that cannot be read only fail that call.
//!
//! Barrelfish counterpart: the generated receive handlers; binding by export and connect callbacks.

mod answer;
mod receive;
mod send;

pub use answer::{Answer, Finished};

use crate::body::{Body, Incoming};
use crate::budget::{Account, Budget};
use crate::header::CallId;
use crate::inbox::Inbox;
use crate::limits::Limits;
use crate::outbox::Outbox;
use crate::promise::{Broken, Promised};
use crate::transport::{Interest, Message, Transport, check_words};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::task::Waker;
use errors::{Error, ErrorCode};

/// Who calls.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Caller {
    /// The number that the loop gave the connection.
    pub connection: u64,
    /// The call's number on it.
    pub call: CallId,
}

/// What came of a message.
#[derive(Debug)]
pub enum Outcome<C> {
    /// The result, a short one, lies where the arguments were: [`Incoming::reply`].
    InPlace,
    /// The result.
    Reply(Body<C>),
    /// The error that is the result.
    Failed(Error),
    /// The answer will come.
    Later,
    /// There is none to a one-way message.
    Nothing,
}

/// What does the messages of one interface: generated.
pub trait Service<C> {
    /// Hash of the interface's name.
    const NAME: u64;
    /// Hash of its signatures.
    const VERSION: u64;

    /// Does one message.
    ///
    /// # Errors
    /// The message breaks the protocol: the interface has no such method, or it is no one-way method or no call.
    fn dispatch(
        &mut self,
        caller: Caller,
        method: u16,
        one_way: bool,
        incoming: &mut Incoming<'_, C>,
    ) -> Result<Outcome<C>, Error>;

    /// The client does not wait for this call's answer any more.
    fn cancelled(&mut self, caller: Caller);

    /// This connection has ended; answers to its calls would be thrown away.
    fn closed(&mut self, connection: u64);
}

/// What a poll did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Messages of the transport that were received.
    pub received: usize,
    /// There may be more to receive at once: poll again after the others had their turn.
    pub more: bool,
}

/// One client's connection, see the [module](self).
pub struct Server<T: Transport> {
    transport: T,
    limits: Limits,
    number: u64,
    bound: bool,
    refused: Option<Error>,
    lost: Option<Error>,
    inbox: Inbox<T::Cap>,
    outbox: Outbox<T::Cap>,
    /// Calls that are left for later.
    open: BTreeMap<CallId, Option<Promised>>,
    broken: Broken,
    is_one_of_many: bool,
    account: Account,
    /// Who watched last.
    waker: Option<Waker>,
}

impl<T: Transport> fmt::Debug for Server<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("number", &self.number)
            .field("bound", &self.bound)
            .field("lost", &self.lost)
            .finish_non_exhaustive()
    }
}

impl<T: Transport> Server<T> {
    /// The connection behind this transport; `number` tells the service who calls.
    pub fn new(transport: T, limits: Limits, number: u64) -> Self {
        check_words::<T>();
        Self {
            transport,
            limits,
            number,
            bound: false,
            refused: None,
            lost: None,
            inbox: Inbox::new(),
            outbox: Outbox::new(),
            open: BTreeMap::new(),
            broken: Broken::default(),
            is_one_of_many: false,
            account: Account::default(),
            waker: None,
        }
    }

    /// One of many: they hold no more memory together than that, and broken promises are looked for by who has all.
    pub(crate) fn of_many(mut self, budget: Option<Arc<Budget>>, broken: &Broken) -> Self {
        self.account = Account::of(budget);
        self.broken = broken.clone();
        self.is_one_of_many = true;
        self
    }

    /// Ends the calls whose answers were dropped.
    ///
    /// # Errors
    /// As [`poll`](Self::poll).
    pub(crate) fn end_broken(&mut self) -> Result<(), Error> {
        let broken: Vec<CallId> = (self.open.iter())
            .filter(|(_, promised)| promised.as_ref().is_some_and(Promised::is_broken))
            .map(|(call, _)| *call)
            .collect();
        for call in broken {
            self.open.remove(&call);
            let sent = self.send(call, Err(ErrorCode::FlounderNoAnswer.into()));
            sent.map_err(|error| self.lose(error))?;
        }
        Ok(())
    }

    /// Bytes of memory that are held for this client: of long messages, and of answers.
    pub fn held(&self) -> usize {
        self.account.held()
    }

    /// What carries its messages.
    #[inline]
    pub fn transport(&self) -> &T {
        &self.transport
    }

    /// Whether it has nothing to do until the transport has something: who watches for messages does so still.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.outbox.is_empty()
    }

    /// The number that it was made with.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Whether the client has bound.
    pub fn is_bound(&self) -> bool {
        self.bound
    }

    /// Receives at most `budget` messages of the transport, does them, and sends the answers.
    ///
    /// # Errors
    /// The connection has ended; drop it. `FLOUNDER_ERR_CONNECTION_LOST` above the cause: the transport's, or what the client
    /// did (`FLOUNDER_ERR_RX_*`, `INTERFACE`, `VERSION`).
    #[inline]
    pub fn poll<S: Service<T::Cap>>(
        &mut self,
        service: &mut S,
        budget: usize,
    ) -> Result<Progress, Error> {
        self.poll_by(service, budget, &mut Message::empty())
    }

    /// The same, by this message: whoever polls many needs only one.
    #[inline]
    pub(crate) fn poll_by<S: Service<T::Cap>>(
        &mut self,
        service: &mut S,
        budget: usize,
        message: &mut Message<T::Cap>,
    ) -> Result<Progress, Error> {
        if let Some(error) = self.lost {
            return Err(error);
        }
        if !self.is_one_of_many && self.broken.take() {
            self.end_broken()?;
        }
        let polled = self.work(service, budget, message);
        let polled = polled.map_err(|error| self.lose(error));
        self.charge();
        polled
    }

    fn lose(&mut self, cause: Error) -> Error {
        let error = cause.push(ErrorCode::FlounderConnectionLost);
        self.lost = Some(error);
        self.outbox = Outbox::new();
        self.inbox.clear();
        self.open.clear();
        self.charge();
        error
    }

    /// What is held. It only gets less by what happens between two messages.
    #[inline]
    fn charge(&mut self) {
        if !self.inbox.is_empty() || !self.outbox.is_empty() || self.account.held() > 0 {
            self.account
                .set(self.inbox.announced() + self.outbox.bytes());
        }
    }

    /// Whether so many bytes more fit.
    fn has_memory(&mut self, more: usize) -> bool {
        let held = self.inbox.announced() + self.outbox.bytes();
        self.account.set(held + more)
    }

    /// Wakes this task when there is something for [`poll`](Self::poll) to do.
    pub fn watch(&mut self, waker: &Waker) {
        match &mut self.waker {
            Some(old) => old.clone_from(waker),
            None => self.waker = Some(waker.clone()),
        }
        let interest = self.interest();
        self.transport.watch(waker, interest);
    }

    fn interest(&self) -> Interest {
        Interest {
            receive: self.has_room(),
            send: !self.outbox.is_empty(),
        }
    }

    /// Bytes of answers that the client has not taken yet.
    pub fn queued(&self) -> usize {
        self.outbox.bytes()
    }

    /// Who holds more than his share in answers waits while nothing is free.
    fn has_room(&self) -> bool {
        let bytes = self.outbox.bytes();
        bytes <= self.limits.queued_bytes && (bytes == 0 || self.account.may_more(bytes))
    }
}
