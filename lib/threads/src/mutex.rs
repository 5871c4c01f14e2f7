//! A mutex that is handed over in the order of arrival.
//!
//! The word is [`FREE`], [`LOCKED`], or [`CONTENDED`]: locked, and somebody may wait. Who unlocks a contended mutex wakes the first
//! waiter and leaves the word as it is: the woken one owns the mutex. Only when nobody waits the word becomes free; whoever prepared
//! to wait between that look and the store is found by a second look.

use crate::{Key, Waits, Wake, Word};

/// Nobody has it.
pub const FREE: u32 = 0;
/// Somebody has it and nobody waits.
pub const LOCKED: u32 = 1;
/// Somebody has it, others may wait.
pub const CONTENDED: u32 = 2;

/// Locks it if it is free.
#[inline]
pub fn try_lock(word: &impl Word) -> bool {
    word.replace(FREE, LOCKED)
}

/// Locks it, waiting at most until `deadline`; answers whether it did.
pub fn lock(word: &impl Word, key: Key, waits: &impl Waits, deadline: Option<u64>) -> bool {
    loop {
        waits.prepare(key);
        loop {
            match word.load() {
                FREE => {
                    if word.replace(FREE, CONTENDED) {
                        // Only the owner hands the mutex over, and that is the caller now.
                        waits.cancel();
                        return true;
                    }
                }
                LOCKED => {
                    word.replace(LOCKED, CONTENDED);
                }
                _ => break,
            }
        }
        match waits.commit(deadline) {
            Wake::Granted => return true,
            Wake::TimedOut => return false,
            Wake::Spurious => {}
        }
    }
}

/// Unlocks it if nobody waits.
#[inline]
pub fn try_unlock(word: &impl Word) -> bool {
    word.replace(LOCKED, FREE)
}

/// Unlocks it; the caller has it.
#[cold]
pub fn unlock(word: &impl Word, key: Key, waits: &impl Waits) {
    if try_unlock(word) {
        return;
    }
    while !waits.wake(key) {
        word.swap(FREE);
        if !waits.has_waiter(key) || !take_back(word) {
            return;
        }
    }
}

/// Somebody prepared to wait before the mutex became free. Takes it again for them; `false` when another has it, who will find them.
fn take_back(word: &impl Word) -> bool {
    loop {
        match word.load() {
            FREE if word.replace(FREE, CONTENDED) => return true,
            LOCKED if word.replace(LOCKED, CONTENDED) => return false,
            FREE | LOCKED => {}
            _ => return false,
        }
    }
}
