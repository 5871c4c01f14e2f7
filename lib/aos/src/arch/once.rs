//! A value that is made once.

use super::locks::{Here, key_of};
use core::cell::UnsafeCell;
use core::fmt;
use core::mem::MaybeUninit;
use core::sync::atomic::AtomicU32;
use threads::once;

/// A value that the first who asks makes; others wait for that.
pub struct Once<T> {
    state: AtomicU32,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: shared references to the value go to any thread (`Sync`), and it is made by one and dropped by another (`Send`).
unsafe impl<T: Send + Sync> Sync for Once<T> {}
// SAFETY: owns the value.
unsafe impl<T: Send> Send for Once<T> {}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Once<T> {
    /// No value yet.
    pub const fn new() -> Self {
        Self {
            state: AtomicU32::new(once::NEW),
            value: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// The value, if it was made.
    pub fn get(&self) -> Option<&T> {
        // SAFETY: done means written, and it is not written again; the load synchronizes with the writer's.
        once::is_done(&self.state).then(|| unsafe { (*self.value.get()).assume_init_ref() })
    }

    /// The value, made now if it was not.
    pub fn call_once(&self, make: impl FnOnce() -> T) -> &T {
        match self.try_call_once(|| Ok::<T, core::convert::Infallible>(make())) {
            Ok(value) => value,
            Err(never) => match never {},
        }
    }

    /// The same, when making it may fail; then the next who asks tries.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn try_call_once<E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<&T, E> {
        let key = key_of(&self.state);
        if !once::is_done(&self.state) && once::begin(&self.state, key, &Here) {
            let made = make();
            let done = made.is_ok();
            let written = made.map(|value| {
                // SAFETY: `begin` chose the caller, nobody else reads or writes until `finish`.
                unsafe { (*self.value.get()).write(value) };
            });
            once::finish(&self.state, key, &Here, done);
            written?;
        }
        // SAFETY: it is done: by the caller, or `begin` says so.
        Ok(unsafe { (*self.value.get()).assume_init_ref() })
    }
}

impl<T> Drop for Once<T> {
    fn drop(&mut self) {
        if once::is_done(&self.state) {
            // SAFETY: written, and nobody has a reference any more.
            unsafe { self.value.get_mut().assume_init_drop() };
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Once<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Once").field(&self.get()).finish()
    }
}
