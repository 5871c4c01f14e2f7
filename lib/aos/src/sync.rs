//! Locks between threads of this domain.
//!
//! All of them hand over in the order of arrival, and none spins: who must wait lets others run. Taking a free mutex is one atomic
//! operation. They may lie in any memory: code that runs disabled knows them by their address only (see `threads`).
//!
//! Timed waits take a value of the counter ([`time::after`](crate::time::after)).
//!
//! Barrelfish counterpart: `thread_mutex_*`, `thread_cond_*`, `thread_sem_*`, `thread_once`.

pub use crate::arch::locks::{RawMutex, RawRwLock};
pub use crate::arch::once::Once;

use crate::arch::locks::{Here, key_of};
use core::sync::atomic::AtomicU32;
use threads::{Key, Waits, Wake, semaphore};

/// A value that one thread at a time uses.
pub type Mutex<T> = lock_api::Mutex<RawMutex, T>;
/// The right to use it, until it is dropped.
pub type MutexGuard<'a, T> = lock_api::MutexGuard<'a, RawMutex, T>;
/// A value that one thread writes or many read.
pub type RwLock<T> = lock_api::RwLock<RawRwLock, T>;
/// The right to read it.
pub type RwLockReadGuard<'a, T> = lock_api::RwLockReadGuard<'a, RawRwLock, T>;
/// The right to write it.
pub type RwLockWriteGuard<'a, T> = lock_api::RwLockWriteGuard<'a, RawRwLock, T>;

/// Where threads wait until what a mutex protects has changed.
#[derive(Debug, Default)]
pub struct Condvar {
    /// Has an address of its own, which is all that counts.
    word: AtomicU32,
}

impl Condvar {
    /// Nobody waits.
    pub const fn new() -> Self {
        Self {
            word: AtomicU32::new(0),
        }
    }

    fn key(&self) -> Key {
        key_of(&self.word)
    }

    /// Unlocks the mutex, waits until notified, and locks it again. May return early; look again.
    pub fn wait<T: ?Sized>(&self, guard: &mut MutexGuard<'_, T>) {
        self.wait_until(guard, None);
    }

    /// The same, at most until the counter has that value; `false`: it had.
    pub fn wait_until<T: ?Sized>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        deadline: Option<u64>,
    ) -> bool {
        // In the queue before the mutex is free: a notification from then on counts.
        Here.prepare(self.key());
        MutexGuard::unlocked(guard, || Here.commit(deadline)) != Wake::TimedOut
    }

    /// Waits while the condition holds.
    pub fn wait_while<T: ?Sized>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) {
        while condition(&mut **guard) {
            self.wait(guard);
        }
    }

    /// Wakes who waits longest; answers whether there was anybody.
    pub fn notify_one(&self) -> bool {
        Here.wake(self.key())
    }

    /// Wakes all who wait.
    pub fn notify_all(&self) {
        Here.wake_all(self.key());
    }
}

/// A number of things that threads take and put back.
#[derive(Debug)]
pub struct Semaphore {
    count: AtomicU32,
}

impl Semaphore {
    /// So many to begin with.
    pub const fn new(count: u32) -> Self {
        Self {
            count: AtomicU32::new(count),
        }
    }

    /// Takes one, waits for it if there is none.
    pub fn wait(&self) {
        self.wait_until(None);
    }

    /// Takes one if there is one; answers whether it did.
    pub fn try_wait(&self) -> bool {
        semaphore::try_wait(&self.count)
    }

    /// Takes one, waits at most until the counter has that value; answers whether it did.
    pub fn wait_until(&self, deadline: Option<u64>) -> bool {
        semaphore::wait(&self.count, key_of(&self.count), &Here, deadline)
    }

    /// Puts one back, or hands it to who waits longest.
    pub fn post(&self) {
        semaphore::post(&self.count, key_of(&self.count), &Here);
    }
}

/// Where a number of threads meet.
#[derive(Debug)]
pub struct Barrier {
    size: usize,
    /// How many are there, and how often they met.
    state: Mutex<(usize, u64)>,
    met: Condvar,
}

impl Barrier {
    /// For so many threads.
    pub const fn new(size: usize) -> Self {
        Self {
            size,
            state: Mutex::new((0, 0)),
            met: Condvar::new(),
        }
    }

    /// Waits until that many are here; `true` for the last of them. Then it can be used again.
    pub fn wait(&self) -> bool {
        let mut state = self.state.lock();
        state.0 += 1;
        if state.0 >= self.size {
            *state = (0, state.1.wrapping_add(1));
            self.met.notify_all();
            return true;
        }
        let meeting = state.1;
        self.met.wait_while(&mut state, |state| state.1 == meeting);
        false
    }
}

/// The lock of a connection that threads share, for [`flounder`].
#[derive(Clone, Copy, Debug)]
pub struct Shared;

/// What it guards.
#[derive(Debug)]
pub struct SharedValue<V>(Mutex<V>);

impl flounder::Lock for Shared {
    type Of<V> = SharedValue<V>;
}

impl<V> flounder::Guarded<V> for SharedValue<V> {
    fn new(value: V) -> Self {
        Self(Mutex::new(value))
    }

    #[inline]
    fn with<R>(&self, f: impl FnOnce(&mut V) -> R) -> R {
        f(&mut self.0.lock())
    }
}
