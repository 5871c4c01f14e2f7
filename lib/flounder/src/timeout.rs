//! A call with a deadline.
//!
//! There is no clock here: any future that ends when the time is over will do. The call is given up then, as by dropping it.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use errors::{Error, ErrorCode};

/// A future that ends with `FLOUNDER_ERR_TIMEOUT` if `sleep` ends first.
pub fn within<F, S, V>(call: F, sleep: S) -> Within<F, S>
where
    F: Future<Output = Result<V, Error>> + Unpin,
    S: Future<Output = ()> + Unpin,
{
    Within {
        call: Some(call),
        sleep,
    }
}

/// Made by [`within`].
#[must_use = "a call does nothing until it is awaited"]
#[derive(Debug)]
pub struct Within<F, S> {
    call: Option<F>,
    sleep: S,
}

impl<F, S, V> Future for Within<F, S>
where
    F: Future<Output = Result<V, Error>> + Unpin,
    S: Future<Output = ()> + Unpin,
{
    type Output = Result<V, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(call) = &mut self.call else {
            return Poll::Ready(Err(ErrorCode::FlounderInvalidState.into()));
        };
        if let Poll::Ready(result) = Pin::new(call).poll(cx) {
            self.call = None;
            return Poll::Ready(result);
        }
        match Pin::new(&mut self.sleep).poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                self.call = None;
                Poll::Ready(Err(ErrorCode::FlounderTimeout.into()))
            }
        }
    }
}
