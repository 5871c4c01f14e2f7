//! LMP as a transport of `flounder`: one end of a connection to another domain of this core.
//!
//! A [`Channel`] is an endpoint of its own and a capability to the other side's. Messages that come with a capability need an empty slot,
//! which is armed ahead; while there is none, such a message waits at the sender. The broker speaks to the same endpoint
//! ([`initproto::broker`]): that the other side has closed, or died, is heard in the order of its messages.
//!
//! Dropping a channel ends the connection. That never waits: what is to be said to the broker, and the endpoint, are left for the next wait of
//! some thread, as with dropped capabilities.
//!
//! Barrelfish counterpart: `lmp_chan.c`, and what monitors do at `lmp_bind`.

mod window;

pub(crate) use window::Side;

use crate::arch::scheduler::{self, Held};
use crate::cap::{AnyCap, CapRef};
use crate::error::{Error, ErrorCode, is_transient};
use crate::lmp::{self, Endpoint, EndpointId, Received, Waited, endpoint_create};
use crate::slot::{slot_alloc, slot_free};
use crate::sync::Mutex;
use crate::{event, monitor};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::Waker;
use flounder::{Interest, Message, SendError, Transport};
use initproto::{Told, Why, Wish};
use kpi::lmp::{LMP_MESSAGE_WORDS, LMP_WORDS};
use kpi::syscall::SendFlags;
use window::{State, Window};

/// Words of a channel's buffer: twenty full messages.
const BUFFER_WORDS: u32 = 20 * LMP_MESSAGE_WORDS as u32 + 1;
/// Closings done before one wait.
const CLOSED_BEFORE_WAIT: usize = 4;

/// Endpoints that were used, and can be used again.
static SPARE: Mutex<Vec<Endpoint>> = Mutex::new(Vec::new());
/// What was dropped.
static CLOSING: Mutex<Vec<Closing>> = Mutex::new(Vec::new());
/// How much.
static CLOSING_COUNT: AtomicUsize = AtomicUsize::new(0);

/// Messages that were to go out with a wait, when there was no room for them: one of each connection at most.
static UNSENT: Mutex<Vec<Held>> = Mutex::new(Vec::new());
/// How many.
static UNSENT_COUNT: AtomicUsize = AtomicUsize::new(0);

/// Keeps the message that could not go out with a wait, so that others can. Answers whether there was one.
pub(crate) fn set_stuck_aside() -> bool {
    let Some(held) = scheduler::take_held(None) else {
        return false;
    };
    let mut unsent = UNSENT.lock();
    unsent.push(held);
    UNSENT_COUNT.store(unsent.len(), Ordering::Relaxed);
    true
}

/// Whether messages wait for room.
#[inline]
pub(crate) fn has_unsent() -> bool {
    UNSENT_COUNT.load(Ordering::Relaxed) > 0
}

/// Sends those that there is room for now.
pub(crate) fn send_unsent() {
    if has_unsent() {
        send_unsent_but(|held| {
            let words = held.words.get(..held.count.into()).unwrap_or_default();
            let sent = lmp::send(held.to, words, None, SendFlags::DEFAULT);
            sent.is_err_and(is_transient)
        });
    }
}

/// Drops all but those.
fn send_unsent_but(stays: impl FnMut(&Held) -> bool) {
    let mut unsent = UNSENT.lock();
    let before = unsent.len();
    unsent.retain(stays);
    if unsent.len() < before {
        event::sent();
    }
    UNSENT_COUNT.store(unsent.len(), Ordering::Relaxed);
}

struct Closing {
    /// What the broker is asked.
    wish: Wish,
    /// Is not needed any more then.
    listening: Option<Listening>,
    /// Likewise.
    window: Option<Window>,
}

/// Leaves it for the next wait.
pub(crate) fn later(wish: Wish, listening: Option<Listening>) {
    later_with(wish, listening, None);
}

fn later_with(wish: Wish, listening: Option<Listening>, window: Option<Window>) {
    let mut all = CLOSING.lock();
    all.push(Closing {
        wish,
        listening,
        window,
    });
    CLOSING_COUNT.store(all.len(), Ordering::Relaxed);
}

/// One end of a connection.
#[derive(Debug)]
pub struct Channel {
    /// Only a drop takes it.
    endpoint: Option<Endpoint>,
    connection: u32,
    remote: AnyCap,
    armed: Option<CapRef>,
    closed: Option<Error>,
    /// The broker has said why.
    is_sure: bool,
    side: Side,
    window: State,
}

/// An endpoint, and the slot for what comes with the next message.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(crate) endpoint: Endpoint,
    armed: Option<CapRef>,
}

impl Listening {
    /// Takes one that was used before, or makes one.
    ///
    /// # Errors
    /// As [`endpoint_create`]; no slot.
    pub(crate) fn new() -> Result<Self, Error> {
        // Who is busy may never wait, and who makes connections and drops them shall not have more and more.
        settle_some();
        // Whom nobody else can send to any more; what cannot be made that is not used again.
        let spare = loop {
            let Some(endpoint) = SPARE.lock().pop() else {
                break None;
            };
            if endpoint.renew().is_ok() {
                break Some(endpoint);
            }
        };
        let endpoint = match spare {
            Some(endpoint) => endpoint,
            None => endpoint_create(BUFFER_WORDS)?,
        };
        Self::arming(endpoint)
    }

    /// With this endpoint.
    pub(crate) fn arming(endpoint: Endpoint) -> Result<Self, Error> {
        let mut this = Self {
            endpoint,
            armed: None,
        };
        match rearm(&this.endpoint, &mut this.armed) {
            Ok(()) => Ok(this),
            Err(error) => {
                this.retire();
                Err(error)
            }
        }
    }

    /// The next message, and what came with it.
    pub(crate) fn receive(&mut self) -> Option<(Received, Option<AnyCap>)> {
        receive(&self.endpoint, &mut self.armed)
    }

    /// It is not needed any more, and nobody knows of it.
    pub(crate) fn retire(self) {
        retire(self.endpoint, self.armed);
    }

    /// The broker is to forget the connection, then it can be used again.
    pub(crate) fn close(self, connection: u32) {
        later(Wish::Close { connection }, Some(self));
    }

    /// As one end of a connection.
    pub(crate) fn into_channel(self, connection: u32, remote: AnyCap, side: Side) -> Channel {
        Channel {
            endpoint: Some(self.endpoint),
            connection,
            remote,
            armed: self.armed,
            closed: None,
            is_sure: false,
            side,
            window: State::None,
        }
    }
}

/// Names a slot for what comes next, unless one is named.
fn rearm(endpoint: &Endpoint, armed: &mut Option<CapRef>) -> Result<(), Error> {
    if armed.is_none() {
        let slot = slot_alloc()?;
        endpoint.arm(slot);
        *armed = Some(slot);
    }
    Ok(())
}

fn receive(endpoint: &Endpoint, armed: &mut Option<CapRef>) -> Option<(Received, Option<AnyCap>)> {
    prepare(endpoint, armed);
    let message = endpoint.receive()?;
    match message.has_cap() {
        true => Some((message, take_cap(endpoint, armed))),
        false => Some((message, None)),
    }
}

#[inline]
fn prepare(endpoint: &Endpoint, armed: &mut Option<CapRef>) {
    if armed.is_none() {
        // For lack of slots; a sender waits meanwhile.
        let _ = rearm(endpoint, armed);
    }
}

/// What came with the last message.
#[cold]
fn take_cap(endpoint: &Endpoint, armed: &mut Option<CapRef>) -> Option<AnyCap> {
    let slot = armed.take();
    endpoint.disarm();
    let cap = slot.and_then(|slot| AnyCap::adopt(slot).ok());
    let _ = rearm(endpoint, armed);
    cap
}

fn retire(endpoint: Endpoint, armed: Option<CapRef>) {
    event::unwatch(endpoint.id());
    endpoint.disarm();
    // What came last and was not read goes with it.
    drop(armed.and_then(|slot| AnyCap::adopt(slot).ok()));
    SPARE.lock().push(endpoint);
}

fn take_one(all: &mut Vec<Closing>) -> Option<Closing> {
    let one = all.pop();
    CLOSING_COUNT.store(all.len(), Ordering::Relaxed);
    one
}

/// Tells the broker of connections that were dropped: a few.
pub(crate) fn settle_some() {
    for _ in 0..CLOSED_BEFORE_WAIT {
        // The lock is not held while the broker is asked.
        let Some(closing) = CLOSING.try_lock().and_then(|mut all| take_one(&mut all)) else {
            return;
        };
        closing.settle();
    }
}

/// The same of all.
pub(crate) fn settle_all() {
    loop {
        let Some(closing) = take_one(&mut CLOSING.lock()) else {
            return;
        };
        closing.settle();
    }
}

impl Closing {
    fn settle(self) {
        // Without a broker nobody else hears of it.
        let _ = monitor::ask(self.wish, None, None);
        if let Some(listening) = self.listening {
            listening.retire();
        }
        if let Some(window) = self.window {
            window.close();
        }
    }
}

/// Connections and services that were dropped and that the broker does not know of yet.
pub fn closing() -> usize {
    CLOSING_COUNT.load(Ordering::Relaxed)
}

impl Drop for Channel {
    fn drop(&mut self) {
        if let Some(endpoint) = self.endpoint.take() {
            let armed = self.armed.take();
            let own = endpoint.id().place();
            let _ = scheduler::send_held(own);
            // What has no room is not sent any more: the capability to send to goes.
            let _ = scheduler::take_held(Some(own));
            if has_unsent() {
                send_unsent_but(|held| held.owner != own);
            }
            let connection = self.connection;
            later_with(
                Wish::Close { connection },
                Some(Listening { endpoint, armed }),
                self.window.take(),
            );
        }
    }
}

/// Why a connection is over, as an error.
pub(crate) fn error_of(why: Why) -> Error {
    Error::new(match why {
        Why::Closed => ErrorCode::MonPeerClosed,
        Why::Died => ErrorCode::MonPeerDied,
        Why::Rejected => ErrorCode::MonBindRejected,
    })
}

impl Channel {
    /// Its number at the broker.
    pub const fn connection(&self) -> u32 {
        self.connection
    }

    /// Whether that is its endpoint.
    #[inline]
    pub(crate) fn receives_at(&self, endpoint: EndpointId) -> bool {
        self.own() == endpoint.place()
    }

    /// Whether these words are the broker's; takes note of them.
    #[inline]
    fn is_news(&mut self, words: &[u64]) -> bool {
        let is_news = words.first().is_some_and(|first| Told::is_one(*first));
        if is_news {
            self.note(words);
        }
        is_news
    }

    #[cold]
    fn note(&mut self, words: &[u64]) {
        if let Some(Told::Closed { why, .. }) = Told::decode(words) {
            // It knows better than the kernel.
            if !core::mem::replace(&mut self.is_sure, true) {
                self.closed = Some(error_of(why));
            }
        }
    }

    /// Makes the window, or asks the other side for it.
    #[cold]
    fn begin_window(&mut self) -> Result<(), SendError<AnyCap>> {
        let head = [flounder::header::WINDOW];
        if self.side == Side::Service {
            self.send_with(&head, None, SendFlags::YIELD)?;
            self.window = State::Wanted;
            return Ok(());
        }
        if let State::None = self.window {
            self.window = match Window::make() {
                Ok(window) => State::Made(window),
                Err(_) => State::Without,
            };
        }
        let State::Made(window) = &self.window else {
            return Ok(());
        };
        let cap = window.copy().map_err(SendError::Refused)?;
        self.send_with(&head, Some(cap), SendFlags::YIELD)
            .map_err(|error| match error {
                // Another copy next time.
                SendError::Full(_) => SendError::Full(None),
                error => error,
            })?;
        self.window = match core::mem::replace(&mut self.window, State::Without) {
            State::Made(window) => State::Open(window),
            other => other,
        };
        Ok(())
    }

    /// Sends what was to go out with the next wait. `false`: there is no room for it.
    #[inline]
    fn has_sent_all(&self) -> bool {
        scheduler::send_held(self.own()) && !self.is_unsent()
    }

    #[inline]
    fn is_unsent(&self) -> bool {
        has_unsent() && UNSENT.lock().iter().any(|held| held.owner == self.own())
    }

    /// The place of its endpoint.
    #[inline]
    fn own(&self) -> u32 {
        (self.endpoint.as_ref()).map_or(0, |endpoint| endpoint.id().place())
    }

    fn send_with(
        &mut self,
        words: &[u64],
        cap: Option<AnyCap>,
        flags: SendFlags,
    ) -> Result<(), SendError<AnyCap>> {
        if let Some(error) = self.closed {
            return Err(SendError::Lost(error));
        }
        if !self.has_sent_all() {
            return Err(SendError::Full(cap));
        }
        let flags = match cap {
            Some(_) => SendFlags(flags.0 | SendFlags::GIVEAWAY.0),
            None => flags,
        };
        let slot = cap.as_ref().map(AnyCap::slot);
        match lmp::send(self.remote.slot(), words, slot, flags) {
            Ok(()) => {
                event::sent();
                if let Some(cap) = cap {
                    // Empty now.
                    let _ = slot_free(cap.into_slot());
                }
                Ok(())
            }
            Err(error) => Err(self.refused(error, cap)),
        }
    }

    /// What a refused send means.
    fn refused(&mut self, error: Error, cap: Option<AnyCap>) -> SendError<AnyCap> {
        if is_transient(error) {
            return SendError::Full(cap);
        }
        if error.contains(ErrorCode::SysLmpCaptransferSrcLookup) {
            return SendError::Refused(error);
        }
        // The endpoint is gone. Who closes tells before; so most likely it is its domain.
        let died = error.push(ErrorCode::MonPeerDied);
        SendError::Lost(*self.closed.get_or_insert(died))
    }
}

impl Transport for Channel {
    type Cap = AnyCap;

    const WORDS: usize = LMP_WORDS;

    fn send(&mut self, words: &[u64], cap: Option<AnyCap>) -> Result<(), SendError<AnyCap>> {
        self.send_with(words, cap, SendFlags::DEFAULT)
    }

    /// The receiver is not run for it, unless its buffer is full.
    fn send_part(&mut self, words: &[u64], cap: Option<AnyCap>) -> Result<(), SendError<AnyCap>> {
        self.send_with(words, cap, SendFlags::YIELD)
    }

    /// It goes out when this domain waits, or sends something else, if it has no capability.
    fn send_and_wait(
        &mut self,
        words: &[u64],
        cap: Option<AnyCap>,
    ) -> Result<(), SendError<AnyCap>> {
        let is_kept = cap.is_none()
            && self.closed.is_none()
            && !self.is_unsent()
            && scheduler::hold(self.own(), self.remote.slot(), words);
        match is_kept {
            true => Ok(()),
            false => self.send(words, cap),
        }
    }

    fn receive(&mut self) -> Result<Option<Message<AnyCap>>, Error> {
        let mut message = Message::empty();
        Ok(self.receive_into(&mut message)?.then_some(message))
    }

    fn receive_into(&mut self, message: &mut Message<AnyCap>) -> Result<bool, Error> {
        while let Some(endpoint) = &self.endpoint {
            prepare(endpoint, &mut self.armed);
            let mut header = None;
            message.fill(0, None, |words| header = endpoint.receive_into(words));
            let Some(header) = header else {
                break;
            };
            let cap = match header.has_cap() {
                true => take_cap(endpoint, &mut self.armed),
                false => None,
            };
            message.fill(header.words(), cap, |_| {});
            if !self.is_news(message.words()) {
                return Ok(true);
            }
        }
        self.closed.map_or(Ok(false), Err)
    }

    fn exchange(&mut self, message: &mut Message<AnyCap>) -> Result<bool, SendError<AnyCap>> {
        let id = self.endpoint.as_ref().map(Endpoint::id);
        let is_plain = message.cap.is_none() && self.closed.is_none();
        let id = id.filter(|id| is_plain && !id.has_message());
        let Some(id) = id.filter(|_| self.has_sent_all()) else {
            let cap = message.cap.take();
            return self.send(message.words(), cap).map(|()| false);
        };
        let (to, count) = (Some(self.remote.slot()), message.words().len());
        match lmp::exchange(to, *message.array(), count, Some(id)) {
            Ok(Waited::Message(_, came)) => {
                message.fill(came.words().len(), None, |words| *words = came.into_array());
                Ok(!self.is_news(message.words()))
            }
            Ok(Waited::Look) => Ok(false),
            Ok(Waited::Busy) => self.send(message.words(), None).map(|()| false),
            Err(error) => Err(self.refused(error, None)),
        }
    }

    const SLICE_BYTES: usize = 1 << 10;

    fn send_slice(&mut self, head: u64, data: &[u8]) -> Result<usize, SendError<AnyCap>> {
        if let State::None | State::Made(_) = self.window {
            self.begin_window()?;
        }
        let State::Open(window) = &mut self.window else {
            return Ok(0);
        };
        let written = match window.write(data) {
            Ok(Some(written)) => written,
            Ok(None) => return Err(SendError::Full(None)),
            Err(error) => return Err(SendError::Lost(*self.closed.get_or_insert(error))),
        };
        self.send_with(&[head, written as u64], None, SendFlags::DEFAULT)?;
        if let State::Open(window) = &mut self.window {
            window.told();
        }
        Ok(written)
    }

    fn receive_slice(&mut self, bytes: usize, into: &mut Vec<u8>) -> Result<(), Error> {
        match &mut self.window {
            State::Open(window) => window.read(bytes, into),
            _ => Err(Error::new(ErrorCode::FlounderRxProtocol)),
        }
    }

    fn receive_window(&mut self, cap: Option<AnyCap>) -> Result<(), Error> {
        match (self.side, cap, &self.window) {
            // It can be given only now; if there is no room for that, the service sends in fragments.
            (Side::Client, None, State::None) => {
                let _ = self.begin_window();
                Ok(())
            }
            (Side::Client, None, _) => Ok(()),
            (Side::Service, Some(cap), State::None | State::Wanted) => {
                self.window = State::Open(Window::of_client(cap)?);
                Ok(())
            }
            _ => Err(Error::new(ErrorCode::FlounderRxProtocol)),
        }
    }

    fn watch(&mut self, waker: &Waker, interest: Interest) {
        if self.closed.is_some() {
            waker.wake_by_ref();
            return;
        }
        if interest.send {
            event::keep_trying(waker);
        }
        if let Some(endpoint) = self.endpoint.as_ref().filter(|_| interest.receive) {
            event::watch(endpoint.id(), waker);
        }
    }
}
