//! Why the sleeper's mark is in the message's own control word: with two places, both sides need a full fence.

use crate::{complaint, try_all};
use loom::sync::Notify;
use loom::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::Arc;

/// One message; the receiver says that it sleeps in a place of its own.
fn two_places(fenced: bool) {
    #[derive(Default)]
    struct Places {
        message: AtomicBool,
        asleep: AtomicBool,
        bell: Notify,
    }
    let places = Arc::new(Places::default());
    let theirs = Arc::clone(&places);
    let receiver = loom::thread::spawn(move || {
        while !theirs.message.load(Ordering::Acquire) {
            theirs.asleep.store(true, Ordering::Release);
            if fenced {
                fence(Ordering::SeqCst);
            }
            if !theirs.message.load(Ordering::Acquire) {
                theirs.bell.wait();
            }
        }
    });
    places.message.store(true, Ordering::Release);
    if fenced {
        fence(Ordering::SeqCst);
    }
    if places.asleep.load(Ordering::Acquire) {
        places.bell.notify();
    }
    receiver.join().unwrap();
}

#[test]
fn two_places_need_a_fence() {
    let said = complaint(|| two_places(false)).expect("no wake-up was lost");
    assert!(said.contains("deadlock"), "{said}");
    try_all(|| two_places(true), None);
}
