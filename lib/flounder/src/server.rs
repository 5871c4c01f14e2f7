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

use crate::body::{Body, Incoming, Long};
use crate::budget::{Account, Budget};
use crate::header::{CallId, Header, Kind};
use crate::inbox::{Arrived, Inbox};
use crate::limits::Limits;
use crate::outbox::{Left, Outbox};
use crate::promise::{Broken, Promise, Promised};
use crate::transport::{Interest, Message, Transport, check_words};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::convert::Infallible;
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

/// A call whose answer comes later.
///
/// Dropped unfinished, it ends the call with `FLOUNDER_ERR_NO_ANSWER`.
#[must_use = "dropped, the call fails"]
pub struct Answer<R, C = Infallible> {
    caller: Caller,
    promise: Promise,
    write: fn(R) -> Result<Body<C>, Error>,
}

impl<R, C> fmt::Debug for Answer<R, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Answer").field(&self.caller).finish()
    }
}

impl<R, C> Answer<R, C> {
    /// For generated code.
    pub fn new(caller: Caller, promise: Promise, write: fn(R) -> Result<Body<C>, Error>) -> Self {
        Self {
            caller,
            promise,
            write,
        }
    }

    /// Whose call it is.
    pub fn caller(&self) -> Caller {
        self.caller
    }

    /// The answer, for [`Server::finish`] of the caller's connection.
    pub fn finish(self, result: Result<R, Error>) -> Finished<C> {
        self.promise.keep();
        Finished {
            caller: self.caller,
            result: result.and_then(self.write),
        }
    }
}

/// An answer that is there.
#[must_use = "hand it to Server::finish of the caller's connection"]
#[derive(Debug)]
pub struct Finished<C = Infallible> {
    caller: Caller,
    result: Result<Body<C>, Error>,
}

impl<C> Finished<C> {
    /// Whose call it is.
    pub fn caller(&self) -> Caller {
        self.caller
    }
}

impl Finished<Infallible> {
    /// The answer of an interface without capabilities, for a connection that could carry some.
    pub fn any<C>(self) -> Finished<C> {
        let body = match self.result {
            Ok(Body::Short(message)) => Ok(Body::Short(Message::new(message.words(), None))),
            Ok(Body::Long(long)) => Ok(Body::Long(Long {
                bytes: long.bytes,
                caps: VecDeque::new(),
            })),
            Err(error) => Err(error),
        };
        Finished {
            caller: self.caller,
            result: body,
        }
    }
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

    #[inline]
    fn work<S: Service<T::Cap>>(
        &mut self,
        service: &mut S,
        budget: usize,
        message: &mut Message<T::Cap>,
    ) -> Result<Progress, Error> {
        if !self.outbox.is_empty() {
            self.flush()?;
        }
        let mut received = 0;
        while received < budget {
            if let Some(error) = self.refused {
                // The refusal is out as soon as the queue is empty.
                match self.outbox.is_empty() {
                    true => return Err(error),
                    false => break,
                }
            }
            if !self.has_room() {
                break;
            }
            if !self.transport.receive_into(message)? {
                return Ok(Progress {
                    received,
                    more: false,
                });
            }
            received += 1;
            let header = message.header()?;
            if header.kind == Kind::Window {
                self.transport.receive_window(message.cap.take())?;
                continue;
            }
            if self.inbox.is_empty() {
                self.check(&header)?;
            }
            if header.fragmented && self.inbox.is_empty() {
                let bytes = message.announced();
                let fits = bytes > self.limits.message_bytes || self.has_memory(bytes);
                self.inbox.refuse(!fits);
            }
            let Self {
                inbox,
                transport,
                limits,
                ..
            } = self;
            match inbox.accept(transport, header, message, limits)? {
                Arrived::Short => self.whole(service, header, message, None)?,
                Arrived::Partly => {}
                Arrived::Long(header, Ok(mut long)) => {
                    self.whole(service, header, message, Some(&mut long))?;
                }
                // The data could not be read. A call can fail for that; a message without an answer must not just be missing.
                Arrived::Long(header, Err(error)) if header.kind == Kind::Call => {
                    self.send(header.call, Err(error))?;
                }
                Arrived::Long(_, Err(error)) => return Err(error),
            }
        }
        Ok(Progress {
            received,
            more: received == budget && self.has_room(),
        })
    }

    /// Whether such a message may begin now.
    #[inline]
    fn check(&self, header: &Header) -> Result<(), Error> {
        match header.kind {
            Kind::Call | Kind::OneWay | Kind::Cancel if self.bound => Ok(()),
            Kind::Bind if !self.bound => Ok(()),
            Kind::Reply | Kind::Failed => Err(ErrorCode::FlounderRxInvalidMsgnum.into()),
            _ => Err(ErrorCode::FlounderRxProtocol.into()),
        }
    }

    #[inline]
    fn whole<S: Service<T::Cap>>(
        &mut self,
        service: &mut S,
        header: Header,
        message: &mut Message<T::Cap>,
        long: Option<&mut Long<T::Cap>>,
    ) -> Result<(), Error> {
        let call = header.call;
        let caller = Caller {
            connection: self.number,
            call,
        };
        let one_way = match header.kind {
            Kind::Call => false,
            Kind::OneWay => true,
            Kind::Cancel => {
                if self.open.remove(&call).is_some() {
                    service.cancelled(caller);
                }
                return Ok(());
            }
            _ => return self.bind::<S>(header, message),
        };
        if !one_way && !self.open.is_empty() {
            if self.open.contains_key(&call) {
                return Err(ErrorCode::FlounderRxProtocol.into());
            }
            if self.open.len() >= self.limits.calls {
                return self.send(call, Err(ErrorCode::FlounderTxBusy.into()));
            }
        }
        let mut incoming = Incoming::of_call(message, long, &self.broken);
        match service.dispatch(caller, header.method, one_way, &mut incoming)? {
            Outcome::InPlace => self.send_short(Header::new(Kind::Reply, 0, call), message),
            Outcome::Nothing => Ok(()),
            Outcome::Failed(error) => self.send(call, Err(error)),
            Outcome::Reply(body) => self.send(call, Ok(body)),
            Outcome::Later => {
                let promised = incoming.promised();
                self.open.insert(call, promised);
                Ok(())
            }
        }
    }

    fn bind<S: Service<T::Cap>>(
        &mut self,
        header: Header,
        message: &mut Message<T::Cap>,
    ) -> Result<(), Error> {
        let ([name, version], _) = Incoming::new(message, None).words(false)?;
        let refused = match () {
            () if name != S::NAME => ErrorCode::FlounderInterface,
            () if version != S::VERSION => ErrorCode::FlounderVersion,
            () => {
                self.bound = true;
                return self.send(header.call, Ok(Body::words([], None)));
            }
        };
        self.refused = Some(refused.into());
        self.send(header.call, Err(refused.into()))
    }

    /// Sends the answer to a call that was left for later. Nothing happens if the client has given the call up.
    ///
    /// # Errors
    /// As [`poll`](Self::poll).
    pub fn finish(&mut self, answer: Finished<T::Cap>) -> Result<(), Error> {
        if let Some(error) = self.lost {
            return Err(error);
        }
        if answer.caller.connection != self.number
            || self.open.remove(&answer.caller.call).is_none()
        {
            return Ok(());
        }
        let sent = self.send(answer.caller.call, answer.result);
        sent.map_err(|error| self.lose(error))?;
        // Who watches may do so for messages only, and now something waits for room.
        if let (false, Some(waker)) = (self.outbox.is_empty(), &self.waker) {
            let interest = self.interest();
            self.transport.watch(waker, interest);
        }
        Ok(())
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

    /// Sends the answer to a call.
    fn send(&mut self, call: CallId, result: Result<Body<T::Cap>, Error>) -> Result<(), Error> {
        let header = Header::new(Kind::Reply, 0, call);
        let result = result.and_then(|body| {
            self.limits.check_send(&body)?;
            match body.len() > Message::<T::Cap>::BYTES && !self.has_memory(body.len()) {
                true => Err(ErrorCode::FlounderNoRoom.into()),
                false => Ok(body),
            }
        });
        match result {
            Ok(Body::Short(mut message)) => self.send_short(header, &mut message),
            Ok(body) => {
                self.outbox.push(header, body);
                self.flush()
            }
            Err(error) => {
                let mut message = Message::with_data([error.raw()], None);
                self.send_short(Header::new(Kind::Failed, 0, call), &mut message)
            }
        }
    }

    #[inline]
    fn send_short(&mut self, header: Header, message: &mut Message<T::Cap>) -> Result<(), Error> {
        match self
            .outbox
            .send_short(&mut self.transport, header, message)?
        {
            Left::Sent => Ok(()),
            Left::Queued => self.flush(),
            Left::Refused(error) => self.refused_reply(header, error),
        }
    }

    /// The transport cannot carry the result, for want of its capability say: the call fails with that.
    #[cold]
    fn refused_reply(&mut self, header: Header, error: Error) -> Result<(), Error> {
        if header.kind == Kind::Reply {
            self.push_error(header.call, error);
        }
        self.flush()
    }

    fn push_error(&mut self, call: CallId, error: Error) {
        let body = Body::words([error.raw()], None);
        self.outbox.push(Header::new(Kind::Failed, 0, call), body);
    }

    fn flush(&mut self) -> Result<(), Error> {
        loop {
            let mut refused = Vec::new();
            self.outbox.flush(&mut self.transport, |header, left| {
                if let (Kind::Reply, Left::Refused(error)) = (header.kind, left) {
                    refused.push((header.call, error));
                }
            })?;
            if refused.is_empty() {
                return Ok(());
            }
            for (call, error) in refused {
                self.push_error(call, error);
            }
        }
    }
}
