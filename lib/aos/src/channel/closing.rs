//! Connections that were dropped: what is to be said to the broker, and what is not needed any more then.

use super::listening::Listening;
use super::window::Window;
use crate::monitor;
use crate::sync::Mutex;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};
use initproto::Wish;

/// Closings done before one wait.
const CLOSED_BEFORE_WAIT: usize = 4;

/// What was dropped.
static CLOSING: Mutex<Vec<Closing>> = Mutex::new(Vec::new());
/// How much.
static CLOSING_COUNT: AtomicUsize = AtomicUsize::new(0);

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

/// The same with a window.
pub(super) fn later_with(wish: Wish, listening: Option<Listening>, window: Option<Window>) {
    let mut all = CLOSING.lock();
    all.push(Closing {
        wish,
        listening,
        window,
    });
    CLOSING_COUNT.store(all.len(), Ordering::Relaxed);
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
