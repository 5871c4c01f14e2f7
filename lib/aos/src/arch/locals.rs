//! Where a thread's own values are: one slot for each key, in the thread's context.
//!
//! A slot's pointer comes from a box of the type of the slot's key, since a number belongs to one key only. It is used by that thread
//! alone, and valid until the thread ends.

use super::context;
use crate::thread::local::MAX_KEYS;
use alloc::boxed::Box;

/// A value, and how it is dropped.
#[derive(Clone, Copy)]
struct Slot {
    value: *mut u8,
    end: fn(*mut u8),
}

/// The slots of a thread.
pub(crate) struct Slots {
    values: [Option<Slot>; MAX_KEYS],
    /// Whether any is filled, or was since the thread began.
    used: bool,
}

impl Slots {
    pub(crate) const EMPTY: Self = Self {
        values: [None; MAX_KEYS],
        used: false,
    };
}

/// The calling thread's slot.
fn slot(number: usize) -> Option<&'static mut Option<Slot>> {
    let context = context::current();
    // SAFETY: the thread's own context, see the module header; the reference is used by this module's functions before they call
    // anything else.
    unsafe { (*context).locals.values.get_mut(number) }
}

/// Notes whether the calling thread has values; answers what was noted.
fn set_used(used: bool) -> bool {
    let context = context::current();
    // SAFETY: as in `slot`.
    core::mem::replace(unsafe { &mut (*context).locals.used }, used)
}

/// Uses the calling thread's value of the key with that number, made now if there is none.
pub(crate) fn with<T: 'static, R>(number: usize, make: fn() -> T, work: impl FnOnce(&T) -> R) -> R {
    let there = slot(number).and_then(|slot| slot.map(|slot| slot.value));
    let value = there.unwrap_or_else(|| {
        let value = Box::into_raw(Box::new(make())).cast::<u8>();
        set_used(true);
        // Making it may have used the same key: then the newer value counts, and the older one stays on the heap.
        if let Some(slot) = slot(number) {
            *slot = Some(Slot {
                value,
                end: end_of::<T>,
            });
        }
        value
    });
    // SAFETY: see the module header.
    work(unsafe { &*value.cast::<T>() })
}

fn end_of<T>(value: *mut u8) {
    // SAFETY: from `Box::into_raw` of this type, taken out of its slot.
    drop(unsafe { Box::from_raw(value.cast::<T>()) });
}

/// Drops the calling thread's values; those that are made meanwhile too.
#[inline]
pub(crate) fn end() {
    if set_used(false) {
        end_all();
    }
}

#[cold]
fn end_all() {
    let mut number = 0;
    let mut left = 4 * MAX_KEYS;
    while number < MAX_KEYS && left > 0 {
        left -= 1;
        match slot(number).and_then(Option::take) {
            Some(slot) => {
                (slot.end)(slot.value);
                number = 0;
            }
            None => number += 1,
        }
    }
    // What is left after so many rounds makes itself again and again; the slots are the next thread's.
    for number in 0..MAX_KEYS {
        if let Some(slot) = slot(number) {
            *slot = None;
        }
    }
    set_used(false);
}
