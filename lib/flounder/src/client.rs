//! The client's side of a connection.
//!
//! * [`Connection`] is what all users of one connection share; a clone is another handle. The generated stubs hold one.
//! * [`Binding`] is the future that makes it: it sends the interface's name and version and waits for the yes.
//! * [`Call`] is the future of one call, or of one message without answer, which is done when the transport has it.
//!
//! A call does nothing until it is polled. Whoever is polled moves the whole connection on: sends what waits, receives what
//! is there, and completes whichever calls it belongs to. One waiting task at a time watches the transport; who is done or
//! gives up hands the watch to the next. If too much is under way, calls wait for room before they are sent.
//!
//! Dropping a call gives it up: if it was not sent it never is, if half of it was sent the rest is not, and if it was sent
//! the server is told. When the connection is lost, every call ends with `FLOUNDER_ERR_CONNECTION_LOST` and the cause,
//! those that are made later too. A message that breaks the protocol loses the connection.
//!
//! The file is long because connection and call are two ends of one invariant: each call ends once.
//!
//! Barrelfish counterpart: the generated client stubs with their RPC tokens. There a binding has one call at a time.

use crate::body::{Body, Incoming};
use crate::calls::Calls;
use crate::header::{CallId, Header, Kind};
use crate::inbox::{Arrived, Inbox};
use crate::limits::Limits;
use crate::lock::{Guarded, Lock, Single};
use crate::outbox::{Left, Outbox};
use crate::transport::{Interest, Message, SendError, Transport};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use errors::{Error, ErrorCode, ResultExt};

/// Messages that one poll receives before it lets others run.
const BUDGET: usize = 64;

struct Inner<T: Transport> {
    transport: T,
    limits: Limits,
    outbox: Outbox<T::Cap>,
    inbox: Inbox<T::Cap>,
    calls: Calls<T::Cap>,
    lost: Option<Error>,
    /// Whom to wake as soon as the lock is free.
    wake: Vec<Waker>,
}

impl<T: Transport> Inner<T> {
    fn lose(&mut self, cause: Error) {
        if self.lost.is_none() {
            let error = cause.push(ErrorCode::FlounderConnectionLost);
            self.lost = Some(error);
            self.outbox = Outbox::new();
            self.inbox.clear();
            self.calls.fail_all(error, &mut self.wake);
        }
    }

    /// The transport says that the other side is gone: what that has sent before still counts.
    #[cold]
    fn gone(&mut self, cause: Error) {
        while let Ok(Some(message)) = self.transport.receive() {
            if self.arrived(message).is_err() {
                break;
            }
        }
        self.lose(cause);
    }

    fn flush(&mut self) {
        let (calls, wake) = (&mut self.calls, &mut self.wake);
        let done = self.outbox.flush(&mut self.transport, |header, left| {
            wake.extend(has_left(calls, header, left));
        });
        if let Err(error) = done {
            self.gone(error);
        }
    }

    /// One message of the server.
    #[inline]
    fn arrived(&mut self, mut message: Message<T::Cap>) -> Result<(), Error> {
        let header = message.header()?;
        if self.inbox.is_empty() && !matches!(header.kind, Kind::Reply | Kind::Failed) {
            return Err(ErrorCode::FlounderRxInvalidMsgnum.into());
        }
        let Self {
            inbox,
            transport,
            limits,
            ..
        } = self;
        let (header, result) = match inbox.accept(transport, header, &mut message, limits)? {
            Arrived::Partly => return Ok(()),
            Arrived::Long(header, long) => (header, long.map(Body::Long)),
            Arrived::Short if header.kind == Kind::Failed => (header, Err(failed(&message)?)),
            Arrived::Short => (header, Ok(Body::Short(message))),
        };
        let waker = self.calls.complete(header.call, result)?;
        self.wake.extend(waker);
        Ok(())
    }

    /// Sends what waits and receives what is there, but stops at the usual answer to this call, and has it read where it has
    /// arrived.
    fn pump(&mut self, mine: Option<CallId>, read: Read<'_, T::Cap>) -> Pumped {
        if self.lost.is_some() {
            return Pumped::Empty;
        }
        self.flush();
        if self.lost.is_some() {
            return Pumped::Empty;
        }
        self.tell_room();
        for _ in 0..BUDGET {
            let mut received = self.transport.receive();
            if let (Ok(Some(message)), Some(call)) = (&mut received, mine)
                && self.is_answer(message, Kind::Reply, call)
            {
                read(&mut Incoming::new(message, None));
                return Pumped::Read;
            }
            match received.and_then(|message| message.map(|m| self.arrived(m)).transpose()) {
                Ok(Some(())) => {}
                Ok(None) => return Pumped::Empty,
                Err(error) => {
                    self.lose(error);
                    return Pumped::Empty;
                }
            }
        }
        Pumped::More
    }

    /// Whether one more message may be queued.
    #[inline]
    fn has_room(&self) -> bool {
        self.outbox.bytes() <= self.limits.queued_bytes
    }

    /// If there is room, tells one task that waits for it; when that has begun its call, the next is told.
    #[inline]
    fn tell_room(&mut self) {
        if self.has_room() && self.calls.has_place() {
            self.wake.extend(self.calls.room_for());
        }
    }

    /// Begins a call and returns its number; `None` if there is no room.
    fn begin(&mut self, new: &mut Unsent<T::Cap>) -> Result<Option<CallId>, Error> {
        if let Some(error) = self.lost {
            return Err(error);
        }
        self.limits.check_send(&new.body)?;
        if !self.has_room() {
            return Ok(None);
        }
        let Some(call) = self.calls.begin() else {
            return Ok(None);
        };
        let header = Header::new(new.kind, new.method, call);
        match &mut new.body {
            Body::Long(long) => self.outbox.push(header, Body::Long(long.take())),
            Body::Short(message) => {
                let left = self.outbox.send_short(&mut self.transport, header, message);
                match left {
                    Ok(left) => self.wake.extend(has_left(&mut self.calls, header, left)),
                    Err(error) => self.gone(error),
                }
            }
        }
        Ok(Some(call))
    }

    /// The call is over; somebody else may use what it used.
    fn ended(&mut self) {
        self.tell_room();
        self.pass_watch();
    }

    /// Gives the watch to a waiting call, or else to a task that waits for room.
    fn pass_watch(&mut self) {
        let interest = self.interest();
        if let Some(waker) = self.calls.next_watcher() {
            self.transport.watch(waker, interest);
        }
    }

    fn interest(&self) -> Interest {
        Interest {
            receive: true,
            send: !self.outbox.is_empty(),
        }
    }
}

/// A message is out, or was refused: which may be the end of its call. Returns whom to wake.
fn has_left<C>(calls: &mut Calls<C>, header: Header, left: Left) -> Option<Waker> {
    let result = match left {
        Left::Sent if header.kind == Kind::OneWay => Ok(Body::words([], None)),
        Left::Refused(error) if header.kind != Kind::Cancel => Err(error),
        _ => return None,
    };
    calls.complete(header.call, result).ok().flatten()
}

/// The error in a `Failed` message.
fn failed<C>(message: &Message<C>) -> Result<Error, Error> {
    let invalid = ErrorCode::FlounderRxInvalidMsgnum;
    let [raw] = message.exactly().ok_or(invalid)?;
    match &message.cap {
        None => Error::from_raw(raw).ok_or_else(|| invalid.into()),
        Some(_) => Err(ErrorCode::FlounderRxCaps.into()),
    }
}

/// What came of an attempt to finish a call at once.
enum Quick {
    /// It was not begun.
    NotNow,
    /// It was, and the answer is not there yet.
    Sent(CallId),
    /// The answer is read, or there is none to wait for.
    Over,
    Failed(Error),
}

/// Where the connection was left.
enum Pumped {
    /// The answer is read.
    Read,
    /// There is nothing more to receive now, and the answer has not been read.
    Empty,
    /// There may be more.
    More,
}

/// How a result is read, and kept by who asked for it.
type Read<'a, C> = &'a mut dyn FnMut(&mut Incoming<'_, C>);

/// What a result is made of.
type Decode<C, V> = fn(&mut Incoming<'_, C>) -> Result<V, Error>;

/// A connection to a server, see the [module](self).
pub struct Connection<T: Transport, L: Lock = Single> {
    inner: Arc<L::Of<Inner<T>>>,
}

impl<T: Transport, L: Lock> Clone for Connection<T, L> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
        }
    }
}

impl<T: Transport, L: Lock> fmt::Debug for Connection<T, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}

impl<T: Transport, L: Lock> Connection<T, L> {
    /// Connects: asks the other side for the interface of this name and version, both as hashes.
    pub fn bind(transport: T, limits: Limits, name: u64, version: u64) -> Binding<T, L> {
        let inner = Inner {
            transport,
            limits,
            outbox: Outbox::new(),
            inbox: Inbox::new(),
            calls: Calls::new(limits.calls),
            lost: None,
            wake: Vec::new(),
        };
        Binding {
            connection: Some(Self {
                inner: Arc::new(L::Of::new(inner)),
            }),
            state: State::New(Unsent::new(
                Kind::Bind,
                0,
                Body::words([name, version], None),
            )),
        }
    }

    /// The error that the connection ended with, if it has ended.
    pub fn lost(&self) -> Option<Error> {
        self.with(|inner| inner.lost)
    }

    /// Ends the connection from this side; every call under way ends with this cause.
    pub fn close(&self, cause: Error) {
        self.with(|inner| inner.lose(cause));
    }

    /// Calls under way.
    pub fn calls(&self) -> usize {
        self.with(|inner| inner.calls.len())
    }

    /// A call with this body.
    #[inline]
    pub fn call<V>(
        &self,
        method: u16,
        body: Result<Body<T::Cap>, Error>,
        decode: Decode<T::Cap, V>,
    ) -> Call<'_, T, L, V> {
        self.start(Kind::Call, method, body, decode)
    }

    /// A message without an answer.
    #[inline]
    pub fn one_way(&self, method: u16, body: Result<Body<T::Cap>, Error>) -> Call<'_, T, L, ()> {
        self.start(Kind::OneWay, method, body, |_| Ok(()))
    }

    #[inline]
    fn start<V>(
        &self,
        kind: Kind,
        method: u16,
        body: Result<Body<T::Cap>, Error>,
        decode: Decode<T::Cap, V>,
    ) -> Call<'_, T, L, V> {
        let state = match body {
            Ok(mut body) => {
                if let Body::Short(message) = &mut body {
                    message.set_header(Header::new(kind, method, CallId::default()));
                }
                State::New(Unsent::new(kind, method, body))
            }
            Err(error) => State::Failed(error),
        };
        Call {
            connection: self,
            state,
            decode,
        }
    }

    /// Uses the connection, then wakes who is to be woken.
    #[inline]
    fn with<R>(&self, f: impl FnOnce(&mut Inner<T>) -> R) -> R {
        let (result, wake) = self.inner.with(|inner| {
            let result = f(inner);
            let wake = match inner.wake.is_empty() {
                true => None,
                false => Some(core::mem::take(&mut inner.wake)),
            };
            (result, wake)
        });
        wake.into_iter().flatten().for_each(Waker::wake);
        result
    }

    fn poll(
        &self,
        state: &mut State<T::Cap>,
        cx: &mut Context<'_>,
        read: Read<'_, T::Cap>,
    ) -> Poll<Result<(), Error>> {
        let polled = self.with(|inner| {
            if let State::New(new) = state {
                let mut begun = inner.begin(new);
                if let Ok(None) = begun {
                    // The pump may make room, or lose the connection.
                    inner.pump(None, read);
                    begun = inner.begin(new);
                }
                match begun {
                    Ok(Some(call)) => {
                        inner.calls.leave_line(new.ticket);
                        *state = State::Sent(call);
                    }
                    Ok(None) => {
                        inner.calls.wait_for_room(&mut new.ticket, cx.waker());
                        inner.pass_watch();
                        return Poll::Pending;
                    }
                    Err(error) => {
                        inner.calls.leave_line(new.ticket);
                        inner.tell_room();
                        return Poll::Ready(Err(error));
                    }
                }
            }
            match state {
                State::Sent(call) => inner.poll_sent(*call, cx, read),
                State::Failed(error) => Poll::Ready(Err(*error)),
                State::New(_) | State::Over => {
                    Poll::Ready(Err(ErrorCode::FlounderInvalidState.into()))
                }
            }
        });
        if polled.is_ready() {
            *state = State::Over;
        }
        polled
    }

    /// Gives a call up.
    fn give_up(&self, state: &State<T::Cap>) {
        let call = match state {
            State::Sent(call) => *call,
            // It may have been told that there is room.
            State::New(new) if new.ticket.is_some() => {
                return self.with(|inner| {
                    inner.calls.leave_line(new.ticket);
                    inner.tell_room();
                    inner.pass_watch();
                });
            }
            _ => return,
        };
        self.with(|inner| {
            if inner.lost.is_none() && !inner.calls.is_done(call) {
                if !inner.outbox.recall(call) {
                    inner
                        .outbox
                        .push(Header::new(Kind::Cancel, 0, call), Body::words([], None));
                }
                inner.flush();
            }
            inner.calls.end(call);
            inner.ended();
        });
    }
}

impl<T: Transport> Inner<T> {
    fn poll_sent(
        &mut self,
        call: CallId,
        cx: &mut Context<'_>,
        read: Read<'_, T::Cap>,
    ) -> Poll<Result<(), Error>> {
        self.calls.awake(call);
        // The answer may have come when another call moved the connection on.
        let pumped = match self.calls.is_done(call) {
            true => Pumped::Empty,
            false => self.pump(Some(call), read),
        };
        if let Pumped::Read = pumped {
            self.calls.end(call);
            self.ended();
            return Poll::Ready(Ok(()));
        }
        if let Some(result) = self.calls.take(call) {
            self.ended();
            return Poll::Ready(result.map(|body| body.read(read)));
        }
        self.calls.wait(call, cx.waker());
        match pumped {
            Pumped::More => self.wake.push(cx.waker().clone()),
            _ => {
                let interest = self.interest();
                self.transport.watch(cx.waker(), interest);
            }
        }
        Poll::Pending
    }
}

/// A call that is not sent.
#[derive(Debug)]
struct Unsent<C> {
    kind: Kind,
    method: u16,
    body: Body<C>,
    /// The place in the line of those that wait for room.
    ticket: Option<u64>,
}

impl<C> Unsent<C> {
    #[inline]
    fn new(kind: Kind, method: u16, body: Body<C>) -> Self {
        Self {
            kind,
            method,
            body,
            ticket: None,
        }
    }
}

#[derive(Debug)]
enum State<C> {
    New(Unsent<C>),
    Sent(CallId),
    Failed(Error),
    Over,
}

/// One call under way, see the [module](self).
#[must_use = "a call does nothing until it is awaited"]
pub struct Call<'a, T: Transport, L: Lock, V> {
    connection: &'a Connection<T, L>,
    state: State<T::Cap>,
    decode: Decode<T::Cap, V>,
}

impl<T: Transport, L: Lock, V> fmt::Debug for Call<'_, T, L, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Call")
    }
}

// Nothing in a call is pinned.
impl<T: Transport, L: Lock, V> Unpin for Call<'_, T, L, V> {}

impl<T: Transport, L: Lock, V> Call<'_, T, L, V> {
    /// Tries to finish the call at once, without a waker or a queue: by the transport's fast path, if it has one and nothing
    /// else is under way. `None`: not yet; await the call. This is what blocking wrappers try first.
    #[inline]
    pub fn now(&mut self) -> Option<Result<V, Error>> {
        let State::New(new) = &mut self.state else {
            return None;
        };
        let Body::Short(message) = &mut new.body else {
            return None;
        };
        if new.ticket.is_some() {
            return None;
        }
        let mut result = None;
        let mut read = |incoming: &mut Incoming<'_, T::Cap>| result = Some((self.decode)(incoming));
        let quick = self.connection.quick(new.kind, message, &mut read);
        self.state = match quick {
            Quick::NotNow => return None,
            Quick::Sent(call) => State::Sent(call),
            Quick::Over => State::Over,
            Quick::Failed(error) => {
                result = Some(Err(error));
                State::Over
            }
        };
        result
    }
}

impl<T: Transport, L: Lock> Connection<T, L> {
    /// Tries to send a short message, whose header lacks only the call, and has its answer read where it has arrived: past all
    /// queues and tables.
    fn quick(&self, kind: Kind, message: &mut Message<T::Cap>, read: Read<'_, T::Cap>) -> Quick {
        self.with(|inner| {
            let busy = inner.lost.is_some() || !inner.outbox.is_empty() || inner.calls.has_line();
            if busy || message.words().len() > T::WORDS {
                return Quick::NotNow;
            }
            let Some(call) = inner.calls.next() else {
                return Quick::NotNow;
            };
            message.set_call(call);
            let cap = message.cap.take();
            if kind == Kind::OneWay {
                return match inner.transport.send(message.words(), cap) {
                    Ok(()) => {
                        inner.calls.skip(call);
                        read(&mut Incoming::new(message, None));
                        Quick::Over
                    }
                    Err(error) => inner.quick_unsent(message, error),
                };
            }
            let mut exchanged = inner.transport.exchange(message.words(), cap);
            // The usual answer is one message, to this call.
            if let Ok(Some(answer)) = &mut exchanged
                && inner.is_answer(answer, Kind::Reply, call)
            {
                inner.calls.skip(call);
                read(&mut Incoming::new(answer, None));
                return Quick::Over;
            }
            match exchanged {
                Ok(answer) => inner.quick_rest(call, answer),
                Err(error) => inner.quick_unsent(message, error),
            }
        })
    }
}

impl<T: Transport> Inner<T> {
    /// Whether this is all of the answer to this call.
    #[inline]
    fn is_answer(&self, message: &Message<T::Cap>, kind: Kind, call: CallId) -> bool {
        message.has_header(Header::new(kind, 0, call)) && self.inbox.is_empty()
    }

    #[cold]
    fn quick_unsent(&mut self, message: &mut Message<T::Cap>, error: SendError<T::Cap>) -> Quick {
        match error {
            SendError::Full(cap) => {
                message.cap = cap;
                Quick::NotNow
            }
            SendError::Refused(error) => Quick::Failed(error),
            SendError::Lost(error) => {
                self.gone(error);
                Quick::Failed(self.lost.unwrap_or(error))
            }
        }
    }

    /// The call is out, and the answer is missing, an error, long, or one to another call.
    #[inline(never)]
    fn quick_rest(&mut self, call: CallId, answer: Option<Message<T::Cap>>) -> Quick {
        let error = (answer.as_ref())
            .filter(|answer| self.is_answer(answer, Kind::Failed, call))
            .and_then(|answer| failed(answer).ok());
        if let Some(error) = error {
            self.calls.skip(call);
            return Quick::Failed(error);
        }
        // This is `call`: nobody else has begun one since.
        let begun = self.calls.begin();
        let arrived = answer.map_or(Ok(()), |answer| self.arrived(answer));
        if let Err(error) = arrived {
            self.lose(error);
        }
        Quick::Sent(begun.unwrap_or(call))
    }
}

impl<T: Transport, L: Lock, V> Future for Call<'_, T, L, V> {
    type Output = Result<V, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let (mut result, decode) = (None, this.decode);
        let mut read = |incoming: &mut Incoming<'_, T::Cap>| result = Some(decode(incoming));
        match this.connection.poll(&mut this.state, cx, &mut read) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) => {
                Poll::Ready(result.unwrap_or(Err(ErrorCode::FlounderInvalidState.into())))
            }
        }
    }
}

impl<T: Transport, L: Lock, V> Drop for Call<'_, T, L, V> {
    #[inline]
    fn drop(&mut self) {
        if let State::Sent(_)
        | State::New(Unsent {
            ticket: Some(_), ..
        }) = self.state
        {
            self.connection.give_up(&self.state);
        }
    }
}

/// A connection being made. Ends with `FLOUNDER_ERR_BIND` and the cause: `FLOUNDER_ERR_INTERFACE`, `FLOUNDER_ERR_VERSION`, or
/// the connection is lost.
#[must_use = "a binding does nothing until it is awaited"]
pub struct Binding<T: Transport, L: Lock = Single> {
    connection: Option<Connection<T, L>>,
    state: State<T::Cap>,
}

impl<T: Transport, L: Lock> fmt::Debug for Binding<T, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Binding")
    }
}

impl<T: Transport, L: Lock> Unpin for Binding<T, L> {}

impl<T: Transport, L: Lock> Future for Binding<T, L> {
    type Output = Result<Connection<T, L>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let Some(connection) = &this.connection else {
            return Poll::Ready(Err(ErrorCode::FlounderInvalidState.into()));
        };
        let mut answer = Ok(());
        let mut read = |incoming: &mut Incoming<'_, T::Cap>| {
            answer = incoming.words::<0>(false).map(drop);
        };
        let result = match connection.poll(&mut this.state, cx, &mut read) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(result) => result.and(answer),
        };
        let connection = this.connection.take();
        Poll::Ready(match (result, connection) {
            (Ok(_), Some(connection)) => Ok(connection),
            (Err(error), _) => Err(error).push_err(ErrorCode::FlounderBind),
            (Ok(_), None) => Err(ErrorCode::FlounderInvalidState.into()),
        })
    }
}
