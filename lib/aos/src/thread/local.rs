//! Values that each thread has for itself: [`thread_local!`](crate::thread_local).
//!
//! A key gets a number when it is first used; a thread's value lies on the heap, made when the thread first asks for it and dropped when it
//! ends. The main thread's are not dropped: with it the domain ends.

pub(crate) use crate::arch::locals::{Slots, end};

use crate::arch::locals;
use core::sync::atomic::{AtomicUsize, Ordering};

/// Most keys of a domain.
pub const MAX_KEYS: usize = 32;

/// Keys that have a number.
static NUMBERED: AtomicUsize = AtomicUsize::new(0);

/// All numbers are taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooManyKeys;

/// A key, made by [`thread_local!`](crate::thread_local).
#[derive(Debug)]
pub struct LocalKey<T: 'static> {
    /// Its number plus 1; 0 before the first use.
    number: AtomicUsize,
    make: fn() -> T,
}

impl<T: 'static> LocalKey<T> {
    /// A key whose values `make` makes.
    pub const fn new(make: fn() -> T) -> Self {
        Self {
            number: AtomicUsize::new(0),
            make,
        }
    }

    fn number(&self) -> Result<usize, TooManyKeys> {
        let number = match self.number.load(Ordering::Relaxed) {
            0 => {
                let new = NUMBERED.fetch_add(1, Ordering::Relaxed) + 1;
                let order = Ordering::Relaxed;
                match self.number.compare_exchange(0, new, order, order) {
                    Ok(_) => new,
                    // Another thread was first; a number is lost.
                    Err(theirs) => theirs,
                }
            }
            number => number,
        };
        match number <= MAX_KEYS {
            true => Ok(number - 1),
            false => Err(TooManyKeys),
        }
    }

    /// Uses the calling thread's value.
    ///
    /// # Errors
    /// [`TooManyKeys`]: the domain has more than [`MAX_KEYS`].
    pub fn try_with<R>(&'static self, work: impl FnOnce(&T) -> R) -> Result<R, TooManyKeys> {
        let number = self.number()?;
        Ok(locals::with(number, self.make, work))
    }

    /// Uses the calling thread's value.
    ///
    /// # Panics
    /// When the domain has more than [`MAX_KEYS`] keys.
    #[expect(
        clippy::panic,
        reason = "a program with that many keys does not work at all"
    )]
    pub fn with<R>(&'static self, work: impl FnOnce(&T) -> R) -> R {
        match self.try_with(work) {
            Ok(result) => result,
            Err(TooManyKeys) => panic!("more than {MAX_KEYS} thread-local keys"),
        }
    }
}

/// Declares values that each thread has for itself: `thread_local! { static COUNT: Cell<u32> = Cell::new(0); }`, then
/// `COUNT.with(|count| ...)`.
#[macro_export]
macro_rules! thread_local {
    ($($(#[$attribute:meta])* $visibility:vis static $name:ident: $type:ty = $value:expr);* $(;)?) => {
        $(
            $(#[$attribute])*
            $visibility static $name: $crate::thread::LocalKey<$type> =
                $crate::thread::LocalKey::new(|| $value);
        )*
    };
}
