//! What guards a connection that several users share: nothing much in a single thread, a mutex between threads.
//!
//! The library does not know which threads there are, so the lock is a parameter: [`Single`] here, `aos`' own there, and the
//! standard library's in the tests.

use core::cell::RefCell;

/// A kind of lock.
pub trait Lock {
    /// The lock around a value.
    type Of<V>: Guarded<V>;
}

/// A value that is used by one at a time.
pub trait Guarded<V> {
    /// Puts the value in.
    fn new(value: V) -> Self;

    /// Runs `f` with the value while nobody else has it. `f` must not come back here.
    fn with<R>(&self, f: impl FnOnce(&mut V) -> R) -> R;
}

/// For users in one thread.
#[derive(Clone, Copy, Debug)]
pub struct Single;

impl Lock for Single {
    type Of<V> = RefCell<V>;
}

impl<V> Guarded<V> for RefCell<V> {
    #[inline]
    fn new(value: V) -> Self {
        RefCell::new(value)
    }

    #[inline]
    fn with<R>(&self, f: impl FnOnce(&mut V) -> R) -> R {
        f(&mut self.borrow_mut())
    }
}
