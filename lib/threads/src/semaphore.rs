//! A counting semaphore. The word is the count; a post goes to the first waiter if there is one.

use crate::{Key, Waits, Wake, Word};

/// Takes one if there is one.
#[inline]
pub fn try_wait(word: &impl Word) -> bool {
    loop {
        match word.load() {
            0 => return false,
            count if word.replace(count, count - 1) => return true,
            _ => {}
        }
    }
}

/// Takes one, waiting at most until `deadline`; answers whether it did.
pub fn wait(word: &impl Word, key: Key, waits: &impl Waits, deadline: Option<u64>) -> bool {
    if try_wait(word) {
        return true;
    }
    loop {
        waits.prepare(key);
        if try_wait(word) {
            if waits.cancel() == Wake::Granted {
                // Two came at once.
                post(word, key, waits);
            }
            return true;
        }
        match waits.commit(deadline) {
            Wake::Granted => return true,
            Wake::TimedOut => return false,
            Wake::Spurious => {}
        }
    }
}

/// Puts one back. The count ends at the largest number there is.
pub fn post(word: &impl Word, key: Key, waits: &impl Waits) {
    while !waits.wake(key) {
        loop {
            let count = word.load();
            if word.replace(count, count.saturating_add(1)) {
                break;
            }
        }
        // Who prepared to wait before the count rose may not have seen it.
        if !waits.has_waiter(key) || !try_wait(word) {
            return;
        }
    }
}
