//! The locks under a scheduler that picks who goes on at every access to a word and at every call of the book. A lost wake-up is a
//! deadlock, which it reports.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at what it does not expect"
)]

use shuttle::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use shuttle::sync::{Arc, Condvar, Mutex};
use shuttle::thread;
use std::collections::VecDeque;
use threads::{Key, Waits, Wake, Word, mutex, once, rwlock, semaphore};

/// A word whose every access is a point where others may go on.
#[derive(Default)]
struct Shared(AtomicU32);

impl Word for Shared {
    fn load(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }

    fn replace(&self, from: u32, to: u32) -> bool {
        let order = Ordering::SeqCst;
        self.0.compare_exchange(from, to, order, order).is_ok()
    }

    fn swap(&self, to: u32) -> u32 {
        self.0.swap(to, Ordering::SeqCst)
    }
}

/// Who waits, as the book keeps it: here by hand, so that each test thread can be a thread.
#[derive(Default)]
struct State {
    queue: VecDeque<(Key, usize)>,
    woken: Vec<Option<Wake>>,
    /// Order of arrival and of waking, for what is handed over.
    arrived: Vec<usize>,
    granted: Vec<usize>,
}

impl State {
    fn wake(&mut self, key: Key) -> bool {
        let Some(at) = self.queue.iter().position(|(k, _)| *k == key) else {
            return false;
        };
        let (_, who) = self.queue.remove(at).unwrap();
        self.woken[who] = Some(Wake::Granted);
        self.granted.push(who);
        true
    }
}

#[derive(Default)]
struct Book {
    state: Mutex<State>,
    changed: Condvar,
}

/// The book as one thread uses it.
#[derive(Clone)]
struct Me {
    book: Arc<Book>,
    number: usize,
    /// Deadlines pass and exceptions interrupt at random.
    disturbed: bool,
}

impl Me {
    fn disturb(&self) -> bool {
        self.disturbed && shuttle::rand::Rng::gen_bool(&mut shuttle::rand::thread_rng(), 0.2)
    }
}

impl Waits for Me {
    fn prepare(&self, key: Key) {
        let mut state = self.book.state.lock().unwrap();
        assert!(state.queue.iter().all(|(_, who)| *who != self.number));
        state.queue.push_back((key, self.number));
        state.woken[self.number] = None;
        state.arrived.push(self.number);
    }

    fn commit(&self, deadline: Option<u64>) -> Wake {
        let mut state = self.book.state.lock().unwrap();
        loop {
            if let Some(wake) = state.woken[self.number].take() {
                return wake;
            }
            let early = match deadline {
                Some(_) => Wake::TimedOut,
                None => Wake::Spurious,
            };
            if deadline.is_some() || self.disturb() {
                state.queue.retain(|(_, who)| *who != self.number);
                return early;
            }
            state = self.book.changed.wait(state).unwrap();
        }
    }

    fn cancel(&self) -> Wake {
        let mut state = self.book.state.lock().unwrap();
        state.queue.retain(|(_, who)| *who != self.number);
        state.woken[self.number].take().unwrap_or(Wake::Spurious)
    }

    fn wake(&self, key: Key) -> bool {
        let mut state = self.book.state.lock().unwrap();
        let woken = state.wake(key);
        self.book.changed.notify_all();
        woken
    }

    fn wake_all(&self, key: Key) {
        let mut state = self.book.state.lock().unwrap();
        while state.wake(key) {}
        self.book.changed.notify_all();
    }

    fn has_waiter(&self, key: Key) -> bool {
        let state = self.book.state.lock().unwrap();
        state.queue.iter().any(|(k, _)| *k == key)
    }
}

const KEY: Key = Key(0x1000);
const THREADS: usize = 3;

/// Runs threads that each do `work`, in many orders.
fn explore<S: Default + Send + Sync + 'static>(
    disturbed: bool,
    work: fn(&Me, &S),
    after: fn(&Book, &S),
) {
    let test = move || {
        let shared: Arc<S> = Arc::default();
        let book: Arc<Book> = Arc::default();
        book.state.lock().unwrap().woken = vec![None; THREADS];
        let threads: Vec<_> = (0..THREADS)
            .map(|number| {
                let (shared, book) = (shared.clone(), book.clone());
                thread::spawn(move || {
                    let me = Me {
                        book,
                        number,
                        disturbed,
                    };
                    work(&me, &shared);
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(book.state.lock().unwrap().queue.is_empty());
        after(&book, &shared);
    };
    shuttle::check_random(test, 1000);
    shuttle::check_pct(test, 1000, 3);
}

#[derive(Default)]
struct Guarded {
    word: Shared,
    inside: AtomicBool,
    count: AtomicU64,
}

impl Guarded {
    fn work(&self) {
        assert!(!self.inside.swap(true, Ordering::SeqCst), "two inside");
        self.count.fetch_add(1, Ordering::SeqCst);
        self.inside.store(false, Ordering::SeqCst);
    }
}

fn lock(me: &Me, word: &Shared, deadline: Option<u64>) -> bool {
    mutex::try_lock(word) || mutex::lock(word, KEY, me, deadline)
}

fn unlock(me: &Me, word: &Shared) {
    if !mutex::try_unlock(word) {
        mutex::unlock(word, KEY, me);
    }
}

fn locked(me: &Me, shared: &Guarded) {
    for _ in 0..3 {
        assert!(lock(me, &shared.word, None));
        shared.work();
        unlock(me, &shared.word);
    }
}

fn all_done(_: &Book, shared: &Guarded) {
    assert_eq!(shared.count.load(Ordering::SeqCst), 3 * THREADS as u64);
    assert!(mutex::try_lock(&shared.word), "free at the end");
}

#[test]
fn a_mutex_lets_one_in_and_loses_nobody() {
    explore(false, locked, |book, shared| {
        all_done(book, shared);
        // Handed over in the order of arrival: who cancelled because the mutex was free is not among the granted.
        let state = book.state.lock().unwrap();
        let mut arrived = state.arrived.iter();
        assert!(state.granted.iter().all(|who| arrived.any(|a| a == who)));
    });
}

#[test]
fn a_mutex_bears_waits_that_end_early() {
    explore(true, locked, all_done);
}

#[test]
fn a_mutex_bears_time_outs() {
    explore::<Guarded>(
        false,
        |me, shared| {
            for round in 0..3 {
                let deadline = (round != 1).then_some(1);
                if lock(me, &shared.word, deadline) {
                    shared.work();
                    unlock(me, &shared.word);
                }
            }
        },
        |_, shared| assert!(mutex::try_lock(&shared.word), "free at the end"),
    );
}

struct Tickets {
    word: Shared,
    out: AtomicU32,
}

impl Default for Tickets {
    fn default() -> Self {
        Self {
            word: Shared(AtomicU32::new(2)),
            out: AtomicU32::new(0),
        }
    }
}

fn take_tickets(me: &Me, shared: &Tickets) {
    for round in 0..3 {
        let deadline = (me.disturbed && round == 1).then_some(1);
        if !semaphore::wait(&shared.word, KEY, me, deadline) {
            continue;
        }
        assert!(shared.out.fetch_add(1, Ordering::SeqCst) < 2);
        shared.out.fetch_sub(1, Ordering::SeqCst);
        semaphore::post(&shared.word, KEY, me);
    }
}

#[test]
fn a_semaphore_counts_and_loses_nobody() {
    for disturbed in [false, true] {
        explore(disturbed, take_tickets, |_, shared: &Tickets| {
            assert_eq!(shared.word.load(), 2, "all tickets are back");
        });
    }
}

#[derive(Default)]
struct Made {
    word: Shared,
    tries: AtomicU32,
    made: AtomicU32,
}

#[test]
fn once_is_once_and_all_wait_for_it() {
    for disturbed in [false, true] {
        explore::<Made>(
            disturbed,
            |me, shared| {
                while once::begin(&shared.word, KEY, me) {
                    // The first try fails.
                    let done = shared.tries.fetch_add(1, Ordering::SeqCst) > 0;
                    thread::yield_now();
                    if done {
                        shared.made.fetch_add(1, Ordering::SeqCst);
                    }
                    once::finish(&shared.word, KEY, me, done);
                }
                assert_eq!(shared.made.load(Ordering::SeqCst), 1);
            },
            |_, shared| assert_eq!(shared.tries.load(Ordering::SeqCst), 2),
        );
    }
}

#[derive(Default)]
struct ReadWrite {
    word: Shared,
    readers: AtomicU32,
    writers: AtomicU32,
}

#[test]
fn readers_share_and_a_writer_is_alone() {
    for disturbed in [false, true] {
        explore::<ReadWrite>(
            disturbed,
            |me, shared| {
                for round in 0..3 {
                    if (round + me.number) % 3 == 0 {
                        rwlock::write(&shared.word, KEY, me);
                        assert_eq!(shared.writers.fetch_add(1, Ordering::SeqCst), 0);
                        assert_eq!(shared.readers.load(Ordering::SeqCst), 0);
                        shared.writers.fetch_sub(1, Ordering::SeqCst);
                        rwlock::unlock_write(&shared.word, KEY, me);
                    } else {
                        rwlock::read(&shared.word, KEY, me);
                        shared.readers.fetch_add(1, Ordering::SeqCst);
                        assert_eq!(shared.writers.load(Ordering::SeqCst), 0);
                        shared.readers.fetch_sub(1, Ordering::SeqCst);
                        rwlock::unlock_read(&shared.word, KEY, me);
                    }
                }
            },
            |_, shared| assert_eq!(shared.word.load(), 0),
        );
    }
}
