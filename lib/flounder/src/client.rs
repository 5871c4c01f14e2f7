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
//! How the connection is moved on is in `shared`.
//!
//! Barrelfish counterpart: the generated client stubs with their RPC tokens. There a binding has one call at a time.

use crate::body::{Body, Incoming};
use crate::header::{CallId, Header, Kind};
use crate::limits::Limits;
use crate::lock::{Guarded, Lock, Single};
use crate::shared::{Inner, Quick, State, Unsent};
use crate::transport::Transport;
use alloc::sync::Arc;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use errors::{Error, ErrorCode, ResultExt};

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
        Binding {
            connection: Some(Self {
                inner: Arc::new(L::Of::new(Inner::new(transport, limits))),
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
        let kind = new.kind;
        let quick = (self.connection).with(|inner| inner.quick(kind, message, &mut read));
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

impl<T: Transport, L: Lock, V> Future for Call<'_, T, L, V> {
    type Output = Result<V, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let (mut result, decode) = (None, this.decode);
        let mut read = |incoming: &mut Incoming<'_, T::Cap>| result = Some(decode(incoming));
        let connection = this.connection;
        match connection.with(|inner| inner.poll(&mut this.state, cx, &mut read)) {
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
            self.connection.with(|inner| inner.give_up(&self.state));
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
        let result = match connection.with(|inner| inner.poll(&mut this.state, cx, &mut read)) {
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
