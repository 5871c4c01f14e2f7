//! The other side writes what it likes, where it likes, when it likes: no call panics, reads or writes elsewhere, or goes on for long; what is received is
//! well formed; and a broken channel stays broken and leaves the memory alone.
//!
//! `BARRELEYE_LONG` (`./hake.sh test --long`) gives 20,000,000 steps for 500,000.
#![cfg(test)]

#[path = "../../random/testing/seed.rs"]
mod seed;

use core::sync::atomic::{AtomicU64, Ordering};
use random::Random;
use seed::new_random;
use ump::{
    Assembly, Channel, Control, Growing, Interest, LINE_BYTES, Line, Memory, Outgoing, SendError,
    Side, Slot,
};

/// Memory that tests can write to.
#[derive(Debug)]
enum Open {}

#[derive(Debug, Default)]
struct Word(AtomicU64);

thread_local! {
    /// What the next access to any control word finds there instead, if anything: it has changed since the one before.
    static CHANGES: core::cell::RefCell<Option<Random>> = const { core::cell::RefCell::new(None) };
}

impl Word {
    /// The other side may have written since.
    fn disturb(&self) {
        CHANGES.with_borrow_mut(|random| {
            if let Some(random) = random
                && random.once_in(16)
            {
                let value = evil(random, self.0.load(Ordering::Relaxed));
                self.0.store(value, Ordering::Relaxed);
            }
        });
    }
}

/// A value that may do harm where `now` is.
fn evil(random: &mut Random, now: u64) -> u64 {
    match random.below(8) {
        0 => random.next(),
        1 => 0,
        2 => u64::MAX,
        // One field or a bit is changed.
        3 => now ^ 1 << random.below(64),
        4 => now.wrapping_add(1),
        5 => now & !(0x7fff << 8) | random.below(0x8000) << 8,
        6 => now & !(0x7fff << 8) | random.below(4) << 8,
        _ => now & !0xff | random.below(4),
    }
}

impl Memory for Open {
    type Data = AtomicU64;
    type Control = Word;
}

impl Control for Word {
    fn load(&self, order: Ordering) -> u64 {
        self.disturb();
        self.0.load(order)
    }
    fn store(&self, value: u64, order: Ordering) {
        self.0.store(value, order);
    }
    fn swap(&self, value: u64, order: Ordering) -> u64 {
        self.disturb();
        self.0.swap(value, order)
    }
    fn replace(&self, from: u64, to: u64) -> bool {
        self.disturb();
        self.0
            .compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }
}

fn steps() -> u64 {
    match std::env::var_os("BARRELEYE_LONG") {
        Some(_) => 20_000_000,
        None => 500_000,
    }
}

fn memory(lines: usize) -> Vec<Slot<Open>> {
    (0..2 * (lines + 1)).map(|_| Slot::default()).collect()
}

#[test]
fn nothing_that_is_written_does_harm() {
    let mut random = new_random();
    let (mut broken, mut received, mut lived) = (0, 0, 0);
    let mut left = steps();
    while left > 0 {
        let memory = memory(1 + random.below(6) as usize);
        let side = random.one_of(&[Side::Client, Side::Server]).unwrap();
        let mut victim = Channel::new(&memory, side, || {}).unwrap();
        let other = match side {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        };
        let mut honest = Channel::new(&memory, other, || {}).unwrap();
        let mut assembly = Assembly::new(Growing::new(200));
        let bytes = [3; 300];
        let mut outgoing = Outgoing::new(&bytes, None);
        for _ in 0..1 + random.below(100) {
            left = left.saturating_sub(1);
            // The other side mostly keeps to the rules, so that the channel lives for a while.
            match random.below(3) {
                0 => drop(honest.send(&Line::full([7; 7], None))),
                1 => drop(honest.receive()),
                _ => drop(honest.ask_wake(Interest::BOTH)),
            }
            if random.once_in(4) {
                CHANGES.set(Some(Random::new(random.next())));
            }
            let before = victim.check();
            match random.below(6) {
                0 => {
                    if let Ok(Some(line)) = victim.receive() {
                        received += 1;
                        assert!(line.byte_count() <= LINE_BYTES);
                        assert!(line.words().is_none_or(|words| words.len() <= 7));
                        assert!(line.bytes().1 <= LINE_BYTES);
                        let _ = line.token();
                    }
                }
                1 => drop(victim.send(&Line::full([1; 7], Some(2)))),
                2 => drop(victim.receive_message(&mut assembly)),
                3 => drop(victim.send_message(&mut outgoing)),
                4 => drop(victim.ask_wake(Interest::BOTH)),
                _ => victim.awake(),
            }
            CHANGES.set(None);
            assembly.take(|message, _| assert!(message.len() <= 200));
            if let Err(fault) = before {
                assert_eq!(victim.check(), Err(fault));
                assert_eq!(victim.receive(), Err(fault));
                assert_eq!(victim.ask_wake(Interest::RECEIVE), Err(fault));
            }
        }
        match victim.check() {
            Err(_) => broken += 1,
            Ok(()) => lived += 1,
        }
    }
    assert!(
        broken > 100 && received > 100 && lived > 100,
        "{broken} {received} {lived}"
    );
}

#[test]
fn a_line_out_of_order_or_an_acknowledgement_of_nothing_ends_the_channel() {
    // Words of a slot as this program's: the last one is the control word.
    let words = |value: u64| {
        let memory: Vec<Slot> = (0..8).map(|_| Slot::default()).collect();
        let mut client = Channel::new(&memory, Side::Client, || {}).unwrap();
        let mut server = Channel::new(&memory, Side::Server, || {}).unwrap();
        for _ in 0..3 {
            server.send(&Line::full([0; 7], None)).unwrap();
        }
        for _ in 0..3 {
            client.receive().unwrap();
        }
        // SAFETY: the control word of the client's ring's first line, which was received; atomic, as all accesses to it.
        let control =
            unsafe { AtomicU64::from_ptr(memory.as_ptr().cast_mut().cast::<u64>().add(8 + 7)) };
        let lap = value & 0xff;
        control.store(value, Ordering::Relaxed);
        for _ in 0..3 {
            client.send(&Line::full([0; 7], None)).unwrap();
        }
        let received = client.receive();
        (
            lap,
            received.map(|line| line.is_some()),
            client.send(&Line::full([0; 7], None)),
        )
    };
    use ump::Fault::{Acknowledgement, Sequence};
    assert_eq!(words(1), (1, Ok(false), Err(SendError::Full)));
    for lap in [0, 3, 0xff] {
        let all = (lap, Err(Sequence), Err(SendError::Broken(Sequence)));
        assert_eq!(words(lap), all);
    }
    assert_eq!(words(2), (2, Ok(true), Err(SendError::Full)));
    assert_eq!(words(2 | 1 << 8), (2, Ok(true), Ok(())));
    let all = (2, Ok(true), Err(SendError::Broken(Acknowledgement)));
    assert_eq!(words(2 | 4 << 8), all);
}

#[test]
fn a_broken_channel_leaves_the_memory_alone() {
    let memory = memory(2);
    let mut victim = Channel::new(&memory, Side::Client, || {}).unwrap();
    let mut assembly = Assembly::new(Growing::new(0));
    let mut other = Channel::new(&memory, Side::Server, || {}).unwrap();
    other.send(&Line::full([1; 7], None)).unwrap();
    victim.stage(&Line::full([2; 7], None)).unwrap();
    assert!(victim.receive_message(&mut assembly).is_err());
    let before = format!("{memory:?}");
    victim.publish();
    victim.awake();
    let _ = (victim.receive(), victim.send(&Line::full([3; 7], None)));
    let _ = (
        victim.ask_wake(Interest::BOTH),
        victim.stage(&Line::full([3; 7], None)),
    );
    let _ = victim.send_message(&mut Outgoing::new(&[1], None));
    assert_eq!(format!("{memory:?}"), before);
    assert_eq!(other.receive(), Ok(None));
}
