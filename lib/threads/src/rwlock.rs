//! A lock for one writer or many readers. Whoever finds it taken marks that; from then on nobody new gets in until it is
//! free, and then all who wait try again. So neither side starves for longer than one turn of the other.

use crate::{Key, Waits, Word};

const WRITER: u32 = 1 << 31;
const AWAITED: u32 = 1 << 30;

/// Locks it to read if no writer has it and nobody waits.
#[inline]
pub fn try_read(word: &impl Word) -> bool {
    loop {
        let seen = word.load();
        if seen >= AWAITED - 1 {
            return false;
        }
        if word.replace(seen, seen + 1) {
            return true;
        }
    }
}

/// Locks it to write if nobody has it.
#[inline]
pub fn try_write(word: &impl Word) -> bool {
    word.replace(0, WRITER)
}

/// Locks it to read.
pub fn read(word: &impl Word, key: Key, waits: &impl Waits) {
    while !try_read(word) {
        wait(word, key, waits);
    }
}

/// Locks it to write.
pub fn write(word: &impl Word, key: Key, waits: &impl Waits) {
    while !try_write(word) {
        wait(word, key, waits);
    }
}

fn wait(word: &impl Word, key: Key, waits: &impl Waits) {
    waits.prepare(key);
    loop {
        match word.load() {
            0 => {
                waits.cancel();
                return;
            }
            seen if seen & AWAITED != 0 => {
                waits.commit(None);
                return;
            }
            seen => {
                word.replace(seen, seen | AWAITED);
            }
        }
    }
}

/// A reader is done.
pub fn unlock_read(word: &impl Word, key: Key, waits: &impl Waits) {
    loop {
        let seen = word.load();
        let last = seen & !AWAITED == 1;
        let to = if last { 0 } else { seen - 1 };
        if word.replace(seen, to) {
            if last && seen & AWAITED != 0 {
                waits.wake_all(key);
            }
            return;
        }
    }
}

/// The writer is done.
pub fn unlock_write(word: &impl Word, key: Key, waits: &impl Waits) {
    if word.swap(0) & AWAITED != 0 {
        waits.wake_all(key);
    }
}
