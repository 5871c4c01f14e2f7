//! Wishes of the monitor's own threads.
//!
//! A domain that is the monitor of others (init) and offers services has threads that want what any service wants: to export, to accept connections, to start
//! programs. [`serve`] makes the calling thread the one that does that: it [takes](take) each request in its loop, does what it does for others, and answers.
//! Other threads wait for the answer; the serving thread itself never waits: what it leaves behind, such as a connection that it dropped, is only noted.
//!
//! Memory and capabilities are not asked for in this way: who is a monitor has them.

use crate::cap::CapRef;
use crate::error::{Error, ErrorCode};
use crate::event;
use crate::sync::{Condvar, Mutex, Once};
use crate::thread::{self, Thread};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use initproto::{Values, Wish};

/// Most requests that wait: of each thread one, and connections that were dropped.
const WAITING: usize = 256;

/// The thread that serves.
static SERVING: Once<Thread> = Once::new();
static REQUESTS: Mutex<VecDeque<Request>> = Mutex::new(VecDeque::new());

#[derive(Debug, Default)]
struct Reply {
    result: Mutex<Option<Result<Values, Error>>>,
    is_there: Condvar,
}

/// What one of the own threads wants.
#[derive(Debug)]
pub struct Request {
    /// What it is.
    pub wish: Wish,
    /// What the wish is about.
    pub text: Vec<u8>,
    /// The capability that belongs to it, in the own CSpace.
    pub cap: Option<CapRef>,
    reply: Option<Arc<Reply>>,
}

impl Request {
    /// Answers it.
    pub fn answer(mut self, result: Result<Values, Error>) {
        self.finish(result);
    }

    fn finish(&mut self, result: Result<Values, Error>) {
        if let Some(reply) = self.reply.take() {
            *reply.result.lock() = Some(result);
            reply.is_there.notify_one();
        }
    }
}

impl Drop for Request {
    /// Nobody waits for ever for what was dropped.
    fn drop(&mut self) {
        self.finish(Err(Error::new(ErrorCode::FlounderNoAnswer)));
    }
}

/// From now on this thread serves the wishes of all others.
pub fn serve() {
    SERVING.call_once(thread::current);
}

/// Whether some thread does.
pub(super) fn is_served() -> bool {
    SERVING.get().is_some()
}

/// The next request, for the thread that serves.
pub fn take() -> Option<Request> {
    REQUESTS.lock().pop_front()
}

/// Has a wish done, and waits for it, unless this is the thread that serves.
pub(super) fn exchange(wish: Wish, text: &[u8], cap: Option<CapRef>) -> Result<Values, Error> {
    let waits = SERVING.get() != Some(&thread::current());
    let reply = waits.then(Arc::<Reply>::default);
    let request = Request {
        wish,
        text: text.to_vec(),
        cap,
        reply: reply.clone(),
    };
    let mut requests = REQUESTS.lock();
    if requests.len() >= WAITING && waits {
        return Err(Error::new(ErrorCode::LibLmpChanSend));
    }
    requests.push_back(request);
    drop(requests);
    event::announce();
    let Some(reply) = reply else {
        return Ok(Values::default());
    };
    let mut result = reply.result.lock();
    loop {
        if let Some(result) = result.take() {
            return result;
        }
        reply.is_there.wait(&mut result);
    }
}
