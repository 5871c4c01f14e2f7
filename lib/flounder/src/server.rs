//! The server's side of a connection.
//!
//! A [`Server`] is one client's connection; the service's loop calls [`Server::poll`] when its transport has something. That
//! receives messages, has the [`Service`] do them, and sends the answers. The service itself is written as an implementation of
//! the interface's trait, and the generated type `...Server` makes a [`Service`] of it.
//!
//! * **Fair**: one poll handles at most as many messages as the loop allows.
//! * **Bounded**: a client that does not read its answers is not served until it does; answers wait up to the limits.
//! * **Later**: a method marked `#[later]` gets an [`Answer`], which is finished when the result is there.
//! * **Nothing is believed**: a message that breaks the protocol ends the connection with an error from `poll`; the loop drops
//!   the `Server`, and with it all that the client had here. Arguments that cannot be read only fail that call.
//!
//! Barrelfish counterpart: the generated receive handlers; binding by export and connect callbacks.

use crate::body::Body;
use crate::header::{CallId, Header, Kind};
use crate::inbox::{Arrived, Inbox};
use crate::limits::Limits;
use crate::outbox::{self, Left, Outbox};
use crate::transport::{Interest, SendError, Transport};
use alloc::collections::BTreeSet;
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
    /// The result.
    Reply(Body<C>),
    /// The error that is the result.
    Failed(Error),
    /// The answer will come.
    Later,
    /// There is none to a one-way message.
    Nothing,
}

impl<C> From<Result<Body<C>, Error>> for Outcome<C> {
    #[inline]
    fn from(result: Result<Body<C>, Error>) -> Self {
        match result {
            Ok(body) => Self::Reply(body),
            Err(error) => Self::Failed(error),
        }
    }
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
        body: Body<C>,
    ) -> Result<Outcome<C>, Error>;

    /// The client does not wait for this call's answer any more.
    fn cancelled(&mut self, caller: Caller);
}

/// A call whose answer comes later.
#[must_use = "a call that is never answered makes its client wait forever"]
pub struct Answer<R, C = Infallible> {
    caller: Caller,
    write: fn(R) -> Result<Body<C>, Error>,
}

impl<R, C> fmt::Debug for Answer<R, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Answer").field(&self.caller).finish()
    }
}

impl<R, C> Answer<R, C> {
    /// For generated code.
    pub fn new(caller: Caller, write: fn(R) -> Result<Body<C>, Error>) -> Self {
        Self { caller, write }
    }

    /// Whose call it is.
    pub fn caller(&self) -> Caller {
        self.caller
    }

    /// The answer, for [`Server::finish`] of the caller's connection.
    pub fn finish(self, result: Result<R, Error>) -> Finished<C> {
        Finished {
            caller: self.caller,
            outcome: result.and_then(self.write).into(),
        }
    }
}

/// An answer that is there.
#[must_use = "hand it to Server::finish of the caller's connection"]
#[derive(Debug)]
pub struct Finished<C = Infallible> {
    caller: Caller,
    outcome: Outcome<C>,
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
        let outcome = match self.outcome {
            Outcome::Reply(body) => Outcome::Reply(Body {
                data: body.data,
                caps: crate::body::Caps::new(None),
            }),
            Outcome::Failed(error) => Outcome::Failed(error),
            Outcome::Later => Outcome::Later,
            Outcome::Nothing => Outcome::Nothing,
        };
        Finished {
            caller: self.caller,
            outcome,
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
    open: BTreeSet<CallId>,
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
        Self {
            transport,
            limits,
            number,
            bound: false,
            refused: None,
            lost: None,
            inbox: Inbox::new(),
            outbox: Outbox::new(),
            open: BTreeSet::new(),
            waker: None,
        }
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
        if let Some(error) = self.lost {
            return Err(error);
        }
        let polled = self.work(service, budget);
        polled.map_err(|error| self.lose(error))
    }

    fn lose(&mut self, cause: Error) -> Error {
        let error = cause.push(ErrorCode::FlounderConnectionLost);
        self.lost = Some(error);
        self.outbox = Outbox::new();
        self.inbox.clear();
        self.open.clear();
        error
    }

    #[inline]
    fn work<S: Service<T::Cap>>(
        &mut self,
        service: &mut S,
        budget: usize,
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
            let Some(message) = self.transport.receive()? else {
                return Ok(Progress {
                    received,
                    more: false,
                });
            };
            received += 1;
            let bound = self.bound;
            let arrived = self
                .inbox
                .accept(message, &self.limits, |header| match header.kind {
                    Kind::Bind if !bound => Ok(()),
                    Kind::Call | Kind::OneWay | Kind::Cancel if bound => Ok(()),
                    Kind::Reply | Kind::Failed => Err(ErrorCode::FlounderRxInvalidMsgnum.into()),
                    _ => Err(ErrorCode::FlounderRxProtocol.into()),
                })?;
            if let Arrived::Whole(header, body) = arrived {
                self.whole(service, header, body)?;
            }
        }
        Ok(Progress {
            received,
            more: received == budget && self.has_room(),
        })
    }

    #[inline]
    fn whole<S: Service<T::Cap>>(
        &mut self,
        service: &mut S,
        header: Header,
        body: Body<T::Cap>,
    ) -> Result<(), Error> {
        let caller = Caller {
            connection: self.number,
            call: header.call,
        };
        let one_way = match header.kind {
            Kind::Call => false,
            Kind::OneWay => true,
            Kind::Cancel => {
                if self.open.remove(&header.call) {
                    service.cancelled(caller);
                }
                return Ok(());
            }
            _ => return self.bind::<S>(header, body),
        };
        if !one_way && !self.open.is_empty() {
            if self.open.contains(&header.call) {
                return Err(ErrorCode::FlounderRxProtocol.into());
            }
            if self.open.len() >= self.limits.calls {
                return self.send(
                    header.call,
                    Outcome::Failed(ErrorCode::FlounderTxBusy.into()),
                );
            }
        }
        let outcome = service.dispatch(caller, header.method, one_way, body)?;
        if let Outcome::Later = outcome {
            self.open.insert(header.call);
            return Ok(());
        }
        self.send(header.call, outcome)
    }

    fn bind<S: Service<T::Cap>>(
        &mut self,
        header: Header,
        body: Body<T::Cap>,
    ) -> Result<(), Error> {
        let ([name, version], _) = body.into_words::<2>(false)?;
        let refused = match () {
            () if name != S::NAME => Some(ErrorCode::FlounderInterface),
            () if version != S::VERSION => Some(ErrorCode::FlounderVersion),
            () => None,
        };
        let Some(refused) = refused else {
            self.bound = true;
            return self.send(header.call, Outcome::Reply(Body::words([], None)));
        };
        self.refused = Some(refused.into());
        self.send(header.call, Outcome::Failed(refused.into()))
    }

    /// Sends the answer to a call that was left for later. Nothing happens if the client has given the call up.
    ///
    /// # Errors
    /// As [`poll`](Self::poll).
    pub fn finish(&mut self, answer: Finished<T::Cap>) -> Result<(), Error> {
        if let Some(error) = self.lost {
            return Err(error);
        }
        if answer.caller.connection != self.number || !self.open.remove(&answer.caller.call) {
            return Ok(());
        }
        let sent = self.send(answer.caller.call, answer.outcome);
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

    fn has_room(&self) -> bool {
        self.outbox.bytes() <= self.limits.queued_bytes
    }

    #[inline]
    fn send(&mut self, call: CallId, outcome: Outcome<T::Cap>) -> Result<(), Error> {
        let (kind, mut body) = match outcome {
            Outcome::Reply(body) => match self.limits.check_send(&body) {
                Ok(()) => (Kind::Reply, body),
                Err(error) => (Kind::Failed, Body::words([error.raw()], None)),
            },
            Outcome::Failed(error) => (Kind::Failed, Body::words([error.raw()], None)),
            Outcome::Later | Outcome::Nothing => return Ok(()),
        };
        let header = Header::new(kind, 0, call);
        if self.outbox.is_empty() && outbox::fits::<T>(&body) {
            match outbox::send_whole(&mut self.transport, header, &mut body) {
                Ok(()) => return Ok(()),
                Err(SendError::Full(_)) => {}
                Err(SendError::Lost(error)) => return Err(error),
                Err(SendError::Refused(error)) => {
                    body = Body::words([error.raw()], None);
                    self.outbox.push(Header::new(Kind::Failed, 0, call), body);
                    return self.flush();
                }
            }
        }
        self.outbox.push(header, body);
        self.flush()
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
                let body = Body::words([error.raw()], None);
                self.outbox.push(Header::new(Kind::Failed, 0, call), body);
            }
        }
    }
}
