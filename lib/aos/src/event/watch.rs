//! Who is to be woken when a message comes, or a time: one book for the domain.
//!
//! The kernel says how many words it has delivered, and which endpoint got the last message. So whoever wakes up and finds that all words that nobody has
//! read yet are there need not look further; else he looks at all endpoints that somebody watches. (That as many words are unread there as came since he
//! last looked would not do: some of them may be old, of a message that nobody wants to read now.)
//!
//! Nobody tells a sender that a full buffer has room again. The failing send has handed the core to the receiver, so who waits for room tries again
//! at once; after [`TRIES`] in a row he sleeps [`RETRY`] before each, or until any message comes.

use crate::arch::dispatcher;
use crate::channel;
use crate::lmp::EndpointId;
use crate::sync::Mutex;
use crate::time;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use core::task::Waker;
use core::time::Duration;

/// How long who waits for room in a buffer waits at most before he tries again.
const RETRY: Duration = Duration::from_micros(100);

/// How often in a row it is tried without sleeping.
const TRIES: u32 = 4;

/// How often senders have tried in vain.
static TRIED: AtomicU32 = AtomicU32::new(0);

/// A message was sent.
#[inline]
pub(crate) fn sent() {
    TRIED.store(0, Ordering::Relaxed);
}

/// Whether the book has timers or senders: if not, and no message has come, nobody need look into it.
static IS_BUSY: AtomicBool = AtomicBool::new(false);

/// `lmp_delivered` when the endpoints were last looked at.
static SEEN: AtomicU32 = AtomicU32::new(0);

static BOOK: Mutex<Book> = Mutex::new(Book {
    endpoints: BTreeMap::new(),
    senders: Vec::new(),
    timers: BTreeMap::new(),
    last_timer: 0,
});

/// A timer: when, and which one of those.
type TimerKey = (u64, u64);

struct Book {
    endpoints: BTreeMap<EndpointId, Watch>,
    /// Who waits for room somewhere.
    senders: Vec<Waker>,
    timers: BTreeMap<TimerKey, Waker>,
    last_timer: u64,
}

/// Who watches an endpoint. It stays when he was woken, for the next time.
struct Watch {
    waker: Waker,
    /// He is to be woken.
    is_set: bool,
}

impl Watch {
    fn take(&mut self) -> Option<Waker> {
        core::mem::take(&mut self.is_set).then(|| self.waker.clone())
    }
}

/// Wakes this task when a message is in the endpoint's buffer; at once if one is. One task at a time: the last.
pub(crate) fn watch(endpoint: EndpointId, waker: &Waker) {
    {
        let mut book = BOOK.lock();
        match book.endpoints.get_mut(&endpoint) {
            Some(watch) => {
                watch.waker.clone_from(waker);
                watch.is_set = true;
            }
            None => {
                let watch = Watch {
                    waker: waker.clone(),
                    is_set: true,
                };
                book.endpoints.insert(endpoint, watch);
            }
        }
    }
    if endpoint.has_message() {
        arrived(endpoint);
    }
}

/// A message is there.
pub(crate) fn arrived(endpoint: EndpointId) {
    let waker = (BOOK.lock().endpoints.get_mut(&endpoint)).and_then(Watch::take);
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Nobody watches it any more.
pub(crate) fn unwatch(endpoint: EndpointId) {
    let watch = BOOK.lock().endpoints.remove(&endpoint);
    // Not while the book is locked.
    drop(watch);
}

/// Wakes this task soon: something that has no room now may have some then.
pub(crate) fn keep_trying(waker: &Waker) {
    let mut book = BOOK.lock();
    if !book.senders.iter().any(|other| other.will_wake(waker)) {
        book.senders.push(waker.clone());
        IS_BUSY.store(true, Ordering::Relaxed);
    }
}

/// Adds a timer.
pub(super) fn set_timer(deadline: u64, waker: &Waker) -> TimerKey {
    let mut book = BOOK.lock();
    book.last_timer += 1;
    let key = (deadline, book.last_timer);
    book.timers.insert(key, waker.clone());
    IS_BUSY.store(true, Ordering::Relaxed);
    key
}

/// Changes whom a timer wakes; `false`: it has woken somebody.
pub(super) fn move_timer(key: TimerKey, waker: &Waker) -> bool {
    let mut book = BOOK.lock();
    let timer = book.timers.get_mut(&key);
    timer.map(|old| old.clone_from(waker)).is_some()
}

/// Removes a timer.
pub(super) fn clear_timer(key: TimerKey) {
    let mut book = BOOK.lock();
    book.timers.remove(&key);
    IS_BUSY.store(book.is_busy(), Ordering::Relaxed);
}

/// Whether nobody is to be woken now, nor at some time.
#[inline]
pub(super) fn is_idle() -> bool {
    let is_old = SEEN.load(Ordering::Relaxed) == dispatcher::lmp_delivered();
    is_old && !IS_BUSY.load(Ordering::Relaxed) && !channel::has_unsent()
}

/// Wakes whoever is to be woken; answers when to come back at the latest. That may be at once.
pub(super) fn deliver() -> Option<u64> {
    if is_idle() {
        return None;
    }
    let delivered = dispatcher::lmp_delivered();
    let is_old = SEEN.load(Ordering::Relaxed) == delivered;
    let mut one = None;
    let mut wake = Vec::new();
    let deadline = {
        let mut book = BOOK.lock();
        if !is_old {
            book.messages(delivered, &mut one, &mut wake);
        }
        book.due(&mut wake);
        IS_BUSY.store(book.is_busy(), Ordering::Relaxed);
        let first = book.timers.first_key_value().map(|((at, _), _)| *at);
        if book.senders.is_empty() && !channel::has_unsent() {
            first
        } else {
            let retry = match TRIED.fetch_add(1, Ordering::Relaxed) {
                0..TRIES => 0,
                _ => time::after(RETRY),
            };
            Some(first.map_or(retry, |at| at.min(retry)))
        }
    };
    one.into_iter().chain(wake).for_each(Waker::wake);
    deadline
}

/// Wakes those who wait for room: they try again.
pub(super) fn retry() {
    if !IS_BUSY.load(Ordering::Relaxed) && !channel::has_unsent() {
        return;
    }
    channel::send_unsent();
    let senders = core::mem::take(&mut BOOK.lock().senders);
    senders.into_iter().for_each(Waker::wake);
}

impl Book {
    /// Whether there are timers or senders.
    fn is_busy(&self) -> bool {
        !self.timers.is_empty() || !self.senders.is_empty()
    }

    /// Most often it is one that is woken, for which no memory is taken.
    fn messages(&mut self, delivered: u32, one: &mut Option<Waker>, wake: &mut Vec<Waker>) {
        SEEN.store(delivered, Ordering::Relaxed);
        if let Some(only) = EndpointId::only_with_messages(delivered) {
            *one = self.endpoints.get_mut(&only).and_then(Watch::take);
            return;
        }
        let all = self.endpoints.iter_mut();
        let found = all.filter(|(endpoint, watch)| watch.is_set && endpoint.has_message());
        wake.extend(found.filter_map(|(_, watch)| watch.take()));
    }

    fn due(&mut self, wake: &mut Vec<Waker>) {
        if self.timers.is_empty() {
            return;
        }
        let now = time::now();
        while let Some(entry) = self.timers.first_entry() {
            if entry.key().0 > now {
                return;
            }
            wake.push(entry.remove());
        }
    }
}
