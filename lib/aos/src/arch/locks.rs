//! The locks of `threads` as `lock_api` wants them. A lock's word is its key.

use super::scheduler;
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use threads::{Key, Waits, Wake, mutex, rwlock};

/// How threads of this domain wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Here;

impl Waits for Here {
    fn prepare(&self, key: Key) {
        scheduler::with(|book| book.threads.prepare(key));
    }

    fn commit(&self, deadline: Option<u64>) -> Wake {
        crate::arch::scheduler::commit(deadline)
    }

    fn cancel(&self) -> Wake {
        scheduler::with(|book| book.threads.cancel())
    }

    fn wake(&self, key: Key) -> bool {
        scheduler::with_disabled(|book| book.threads.wake(key)).is_some()
    }

    fn wake_all(&self, key: Key) {
        scheduler::with(|book| book.threads.wake_all(key));
    }

    fn has_waiter(&self, key: Key) -> bool {
        scheduler::with_disabled(|book| book.threads.has_waiter(key))
    }
}

/// The key of what waits at this word.
pub(crate) fn key_of(word: &AtomicU32) -> Key {
    Key(core::ptr::from_ref(word) as usize)
}

/// A mutex. Locking a free one and unlocking one that nobody waits for is one atomic operation each; a contended one is handed to
/// who waits longest.
#[derive(Debug)]
pub struct RawMutex(AtomicU32);

impl RawMutex {
    #[cold]
    fn wait(&self, deadline: Option<u64>) -> bool {
        // Nobody is to wait in the kernel with it.
        scheduler::with(|book| book.slow += 1);
        let locked = mutex::lock(&self.0, key_of(&self.0), &Here, deadline);
        scheduler::with(|book| book.slow -= 1);
        locked
    }
}

// SAFETY: `threads::mutex` lets one in at a time; its tests run all orders of steps that a random scheduler finds.
unsafe impl lock_api::RawMutex for RawMutex {
    const INIT: Self = Self(AtomicU32::new(mutex::FREE));
    // Another thread of the domain may unlock: nothing is known of who locked.
    type GuardMarker = lock_api::GuardSend;

    #[inline]
    fn lock(&self) {
        if !self.try_lock() {
            self.wait(None);
        }
    }

    #[inline]
    fn try_lock(&self) -> bool {
        mutex::try_lock(&self.0)
    }

    #[inline]
    unsafe fn unlock(&self) {
        if !mutex::try_unlock(&self.0) {
            mutex::unlock(&self.0, key_of(&self.0), &Here);
        }
    }

    #[inline]
    fn is_locked(&self) -> bool {
        self.0.load(Ordering::Relaxed) != mutex::FREE
    }
}

// SAFETY: a mutex taken in time is taken as by `lock`.
unsafe impl lock_api::RawMutexTimed for RawMutex {
    type Duration = Duration;
    /// A value of the counter.
    type Instant = u64;

    fn try_lock_for(&self, timeout: Duration) -> bool {
        use lock_api::RawMutex as _;
        self.try_lock() || self.wait(Some(crate::time::after(timeout)))
    }

    fn try_lock_until(&self, deadline: u64) -> bool {
        use lock_api::RawMutex as _;
        self.try_lock() || self.wait(Some(deadline))
    }
}

/// A lock for one writer or many readers.
#[derive(Debug)]
pub struct RawRwLock(AtomicU32);

// SAFETY: `threads::rwlock` lets readers or one writer in; tested as the mutex.
unsafe impl lock_api::RawRwLock for RawRwLock {
    const INIT: Self = Self(AtomicU32::new(0));
    type GuardMarker = lock_api::GuardSend;

    fn lock_shared(&self) {
        rwlock::read(&self.0, key_of(&self.0), &Here);
    }

    fn try_lock_shared(&self) -> bool {
        rwlock::try_read(&self.0)
    }

    unsafe fn unlock_shared(&self) {
        rwlock::unlock_read(&self.0, key_of(&self.0), &Here);
    }

    fn lock_exclusive(&self) {
        rwlock::write(&self.0, key_of(&self.0), &Here);
    }

    fn try_lock_exclusive(&self) -> bool {
        rwlock::try_write(&self.0)
    }

    unsafe fn unlock_exclusive(&self) {
        rwlock::unlock_write(&self.0, key_of(&self.0), &Here);
    }

    fn is_locked(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }
}
