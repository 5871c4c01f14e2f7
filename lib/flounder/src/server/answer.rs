//! Answers that come later than the round of their call.

use super::Caller;
use crate::body::{Body, Long};
use crate::promise::Promise;
use crate::transport::Message;
use alloc::collections::VecDeque;
use core::convert::Infallible;
use core::fmt;
use errors::Error;

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
    pub(super) caller: Caller,
    pub(super) result: Result<Body<C>, Error>,
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
