//! Something that is done once. The word: not yet, going on, going on and somebody waits, done.

use crate::{Key, Waits, Word};

/// Not done, nobody is at it.
pub const NEW: u32 = 0;
const RUNNING: u32 = 1;
const AWAITED: u32 = 2;
/// Done.
pub const DONE: u32 = 3;

/// Whether it is done.
#[inline]
pub fn is_done(word: &impl Word) -> bool {
    word.load() == DONE
}

/// Waits until it is done (`false`), or until it is for the caller to do (`true`), who then calls [`finish`].
pub fn begin(word: &impl Word, key: Key, waits: &impl Waits) -> bool {
    loop {
        match word.load() {
            DONE => return false,
            NEW if word.replace(NEW, RUNNING) => return true,
            NEW => {}
            _ => wait(word, key, waits),
        }
    }
}

fn wait(word: &impl Word, key: Key, waits: &impl Waits) {
    waits.prepare(key);
    loop {
        match word.load() {
            RUNNING => {
                word.replace(RUNNING, AWAITED);
            }
            AWAITED => {
                waits.commit(None);
                return;
            }
            _ => {
                waits.cancel();
                return;
            }
        }
    }
}

/// The caller has done it, or could not: then somebody else tries.
pub fn finish(word: &impl Word, key: Key, waits: &impl Waits, done: bool) {
    let to = if done { DONE } else { NEW };
    if word.swap(to) == AWAITED {
        waits.wake_all(key);
    }
}
