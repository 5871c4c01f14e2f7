//! What all users of a connection share, and what moves it on.
//!
//! A call goes one of two ways: *quick* (sent, and its answer read where it arrives, past queue and table) or through the table of
//! calls, where other users who move the connection on leave its answer.
//!
//! Invariants: each call ends once. Each message received goes through `arrived`, unless it is the whole answer to the call
//! whose user received it. Wakers are not woken here but collected in `wake`, for when the lock is free.

use crate::body::{Body, Incoming};
use crate::calls::Calls;
use crate::header::{CallId, Header, Kind};
use crate::inbox::{Arrived, Inbox};
use crate::limits::Limits;
use crate::outbox::{Left, Outbox};
use crate::transport::{Interest, Message, SendError, Transport, check_words};
use alloc::vec::Vec;
use core::task::{Context, Poll, Waker};
use errors::{Error, ErrorCode};

/// Messages that one poll receives before it lets others run.
const BUDGET: usize = 64;

/// What all users of one connection share.
pub(crate) struct Inner<T: Transport> {
    transport: T,
    limits: Limits,
    outbox: Outbox<T::Cap>,
    inbox: Inbox<T::Cap>,
    pub(crate) calls: Calls<T::Cap>,
    pub(crate) lost: Option<Error>,
    /// Whom to wake as soon as the lock is free.
    pub(crate) wake: Vec<Waker>,
}

impl<T: Transport> Inner<T> {
    pub(crate) fn new(transport: T, limits: Limits) -> Self {
        check_words::<T>();
        Self {
            transport,
            limits,
            outbox: Outbox::new(),
            inbox: Inbox::new(),
            calls: Calls::new(limits.calls),
            lost: None,
            wake: Vec::new(),
        }
    }

    pub(crate) fn lose(&mut self, cause: Error) {
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
        let mut message = Message::empty();
        let cause = loop {
            match self.transport.receive_into(&mut message) {
                Ok(true) if self.arrived(&mut message).is_ok() => {}
                // It may know more by now.
                Err(known) => break known,
                Ok(_) => break cause,
            }
        };
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
    fn arrived(&mut self, message: &mut Message<T::Cap>) -> Result<(), Error> {
        let header = message.header()?;
        if header.kind == Kind::Window {
            return self.transport.receive_window(message.cap.take());
        }
        if self.inbox.is_empty() && !matches!(header.kind, Kind::Reply | Kind::Failed) {
            return Err(ErrorCode::FlounderRxInvalidMsgnum.into());
        }
        let Self {
            inbox,
            transport,
            limits,
            ..
        } = self;
        let (header, result) = match inbox.accept(transport, header, message, limits)? {
            Arrived::Partly => return Ok(()),
            Arrived::Long(header, long) => (header, long.map(Body::Long)),
            Arrived::Short if header.kind == Kind::Failed => (header, Err(failed(message)?)),
            Arrived::Short => (header, Ok(Body::Short(message.take()))),
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
        let mut message = Message::empty();
        for _ in 0..BUDGET {
            let received = self.transport.receive_into(&mut message);
            if let (Ok(true), Some(call)) = (received, mine)
                && self.is_answer(&message, Kind::Reply, call)
            {
                read(&mut Incoming::new(&mut message, None));
                return Pumped::Read;
            }
            let arrived = match received {
                Ok(true) => self.arrived(&mut message),
                Ok(false) => return Pumped::Empty,
                Err(error) => Err(error),
            };
            if let Err(error) = arrived {
                self.lose(error);
                return Pumped::Empty;
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
pub(crate) enum Quick {
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
pub(crate) type Read<'a, C> = &'a mut dyn FnMut(&mut Incoming<'_, C>);

/// A call that is not sent.
#[derive(Debug)]
pub(crate) struct Unsent<C> {
    pub(crate) kind: Kind,
    method: u16,
    pub(crate) body: Body<C>,
    /// The place in the line of those that wait for room.
    pub(crate) ticket: Option<u64>,
}

impl<C> Unsent<C> {
    #[inline]
    pub(crate) fn new(kind: Kind, method: u16, body: Body<C>) -> Self {
        Self {
            kind,
            method,
            body,
            ticket: None,
        }
    }
}

/// Where a call is.
#[derive(Debug)]
pub(crate) enum State<C> {
    New(Unsent<C>),
    Sent(CallId),
    Failed(Error),
    Over,
}

impl<T: Transport> Inner<T> {
    /// Moves a call on.
    pub(crate) fn poll(
        &mut self,
        state: &mut State<T::Cap>,
        cx: &mut Context<'_>,
        read: Read<'_, T::Cap>,
    ) -> Poll<Result<(), Error>> {
        let polled = self.poll_state(state, cx, read);
        if polled.is_ready() {
            *state = State::Over;
        }
        polled
    }

    fn poll_state(
        &mut self,
        state: &mut State<T::Cap>,
        cx: &mut Context<'_>,
        read: Read<'_, T::Cap>,
    ) -> Poll<Result<(), Error>> {
        if let State::New(new) = state {
            let mut begun = self.begin(new);
            if let Ok(None) = begun {
                // The pump may make room, or lose the connection.
                self.pump(None, read);
                begun = self.begin(new);
            }
            match begun {
                Ok(Some(call)) => {
                    self.calls.leave_line(new.ticket);
                    *state = State::Sent(call);
                    // The answer is hardly there yet. If it is, who watches is woken at once.
                    if self.outbox.is_empty() && !self.calls.is_done(call) {
                        self.wait(call, cx.waker());
                        return Poll::Pending;
                    }
                }
                Ok(None) => {
                    self.calls.wait_for_room(&mut new.ticket, cx.waker());
                    self.pass_watch();
                    return Poll::Pending;
                }
                Err(error) => {
                    self.calls.leave_line(new.ticket);
                    self.tell_room();
                    return Poll::Ready(Err(error));
                }
            }
        }
        match state {
            State::Sent(call) => self.poll_sent(*call, cx, read),
            State::Failed(error) => Poll::Ready(Err(*error)),
            State::New(_) | State::Over => Poll::Ready(Err(ErrorCode::FlounderInvalidState.into())),
        }
    }

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
        match pumped {
            Pumped::More => {
                self.calls.wait(call, cx.waker());
                self.wake.push(cx.waker().clone());
            }
            _ => self.wait(call, cx.waker()),
        }
        Poll::Pending
    }

    /// Has this task woken when the answer is there, or anything else comes.
    fn wait(&mut self, call: CallId, waker: &Waker) {
        self.calls.wait(call, waker);
        let interest = self.interest();
        self.transport.watch(waker, interest);
    }

    /// Gives a call up.
    pub(crate) fn give_up(&mut self, state: &State<T::Cap>) {
        let call = match state {
            State::Sent(call) => *call,
            // It may have been told that there is room.
            State::New(new) if new.ticket.is_some() => {
                self.calls.leave_line(new.ticket);
                self.tell_room();
                self.pass_watch();
                return;
            }
            _ => return,
        };
        if self.lost.is_none() && !self.calls.is_done(call) {
            if !self.outbox.recall(call) {
                self.outbox
                    .push(Header::new(Kind::Cancel, 0, call), Body::words([], None));
            }
            self.flush();
        }
        self.calls.end(call);
        self.ended();
    }

    /// Tries to send a short message, whose header lacks only the call, and has its answer read where it has arrived: past all
    /// queues and tables.
    pub(crate) fn quick(
        &mut self,
        kind: Kind,
        message: &mut Message<T::Cap>,
        read: Read<'_, T::Cap>,
    ) -> Quick {
        let busy = self.lost.is_some() || !self.outbox.is_empty() || self.calls.has_line();
        if busy || message.words().len() > T::WORDS {
            return Quick::NotNow;
        }
        let Some(call) = self.calls.next() else {
            return Quick::NotNow;
        };
        message.set_call(call);
        if kind == Kind::OneWay {
            let cap = message.cap.take();
            return match self.transport.send(message.words(), cap) {
                Ok(()) => {
                    self.calls.skip(call);
                    read(&mut Incoming::new(message, None));
                    Quick::Over
                }
                Err(error) => self.quick_unsent(message, error),
            };
        }
        match self.transport.exchange(message) {
            // The usual answer is one message, to this call.
            Ok(true) if self.is_answer(message, Kind::Reply, call) => {
                self.calls.skip(call);
                read(&mut Incoming::new(message, None));
                Quick::Over
            }
            Ok(came) => self.quick_rest(call, came.then(|| message.take())),
            Err(error) => self.quick_unsent(message, error),
        }
    }

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
        let arrived = answer.map_or(Ok(()), |mut answer| self.arrived(&mut answer));
        if let Err(error) = arrived {
            self.lose(error);
        }
        Quick::Sent(begun.unwrap_or(call))
    }
}
