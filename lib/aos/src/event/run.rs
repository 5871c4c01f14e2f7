//! Running a future on a thread, and futures for messages and for time.

use super::Snapshot;
use super::watch::{self, clear_timer, move_timer, set_timer};
use crate::arch::scheduler::Parked;
use crate::arch::waker;
use crate::channel;
use crate::error::Error;
use crate::lmp::{Endpoint, EndpointId};
use crate::time;
use core::future::Future;
use core::pin::{Pin, pin};
use core::task::{Context, Poll};
use flounder::{Call, Lock, Transport};

/// Runs a future to its end on the calling thread, which sleeps while there is nothing to do. Any number of threads may do so at once, and futures may
/// wake each other across threads. What belongs together is joined into one future; dropping one cancels what it waits for. What a future calls may run
/// another one by this function: the outer one stands still meanwhile.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let place = waker::own_place();
    let waker = waker::own(place);
    let mut context = Context::from_waker(&waker);
    waker::enter(place);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            waker::leave(place);
            return output;
        }
        sleep_until_woken(place);
    }
}

/// One copy of it for all futures.
#[inline(never)]
fn sleep_until_woken(place: usize) {
    while !waker::take_woken(place) {
        let snapshot = super::snapshot();
        let deadline = watch::deliver();
        if waker::take_woken(place) {
            break;
        }
        match deadline {
            Some(0) => super::yield_now(),
            deadline => wait(snapshot, deadline),
        }
        watch::retry();
    }
}

/// By ReplyWait if nobody else of the domain could run: that is the fast path of who waits for anything.
fn wait(snapshot: Snapshot, deadline: Option<u64>) {
    match super::park(snapshot, deadline) {
        Parked::Message(endpoint) => watch::arrived(EndpointId::of_hint(endpoint.into())),
        Parked::Look => {}
        Parked::NotNow if channel::set_stuck_aside() => {}
        Parked::NotNow => super::wait_until(snapshot, deadline),
    }
}

/// Waits for the next message to any endpoint, within a future that nothing else is joined with: if nothing is to be done before, and the message comes by
/// ReplyWait. Who watches that endpoint is not told: [`arrived`](watch::arrived) does that. `None`: return to the executor.
#[inline]
pub(crate) fn next_message(deadline: Option<u64>) -> Option<EndpointId> {
    if waker::is_woken() {
        return None;
    }
    let snapshot = super::snapshot();
    if !watch::is_idle() {
        return None;
    }
    match super::park(snapshot, deadline) {
        Parked::Message(endpoint) => Some(EndpointId::of_hint(endpoint.into())),
        Parked::Look | Parked::NotNow => None,
    }
}

/// Makes a call of a connection and waits for its answer: by the fast path if that is possible now.
///
/// # Errors
/// The call's.
pub fn call<T: Transport, L: Lock, V>(mut call: Call<'_, T, L, V>) -> Result<V, Error> {
    match call.now() {
        Some(result) => result,
        None => block_on(call),
    }
}

/// A time to come, see [`sleep_until`].
#[derive(Debug)]
#[must_use = "it does nothing until it is awaited"]
pub struct Sleep {
    deadline: u64,
    timer: Option<(u64, u64)>,
}

/// Is done when the counter has reached that value.
pub const fn sleep_until(deadline: u64) -> Sleep {
    Sleep {
        deadline,
        timer: None,
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if time::now() >= self.deadline {
            return Poll::Ready(());
        }
        let is_set = self
            .timer
            .is_some_and(|timer| move_timer(timer, cx.waker()));
        if !is_set {
            self.timer = Some(set_timer(self.deadline, cx.waker()));
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = self.timer {
            clear_timer(timer);
        }
    }
}

/// Is done when a message is in the endpoint's buffer. An interrupt is one.
pub async fn ready(endpoint: &Endpoint) {
    Ready(endpoint).await;
}

struct Ready<'a>(&'a Endpoint);

impl Future for Ready<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0.id().has_message() {
            return Poll::Ready(());
        }
        watch::watch(self.0.id(), cx.waker());
        Poll::Pending
    }
}

impl Drop for Ready<'_> {
    fn drop(&mut self) {
        watch::unwatch(self.0.id());
    }
}
