//! Real threads, real memory: what the machine really does with the orderings, for a while.
//!
//! `BARRELEYE_LONG` (`./hake.sh test --long`) does twenty times as much.
#![cfg(test)]

use std::sync::OnceLock;
use std::thread::{self, Thread};
use ump::{
    Assembly, Backoff, Bell, Channel, Growing, Interest, Line, Outgoing, SendError, Side, Slot,
    Step,
};

/// How often, for a number that takes a fraction of a second on two idle cores.
fn rounds(few: u64) -> u64 {
    match std::env::var_os("BARRELEYE_LONG") {
        Some(_) => few * 20,
        None => few,
    }
}

/// Who the two threads are; each wakes the other by its handle. A thread that is woken before it parks does not park.
#[derive(Default)]
struct Threads([OnceLock<Thread>; 2]);

struct Handle<'a>(&'a OnceLock<Thread>);

impl Bell for Handle<'_> {
    fn ring(&mut self) {
        self.0.wait().unpark();
    }
}

/// An end, and how it waits.
struct End<'m> {
    channel: Channel<'m, Handle<'m>>,
    backoff: Backoff,
    slept: u64,
}

impl End<'_> {
    fn pause(&mut self, interest: Interest) {
        match self.backoff.step() {
            Step::Spin => core::hint::spin_loop(),
            Step::Yield => thread::yield_now(),
            Step::Sleep => {
                if self.channel.ask_wake(interest).unwrap() {
                    self.slept += 1;
                    thread::park();
                }
            }
        }
    }

    fn send(&mut self, line: &Line) {
        while let Err(error) = self.channel.send(line) {
            assert_eq!(error, SendError::Full);
            self.pause(Interest::SEND);
        }
        self.backoff.reset();
    }

    fn receive(&mut self) -> Line {
        loop {
            if let Some(line) = self.channel.receive().unwrap() {
                self.backoff.reset();
                return line;
            }
            self.pause(Interest::RECEIVE);
        }
    }
}

/// Runs both sides at once.
fn both(
    lines: usize,
    backoff: Backoff,
    client: impl FnOnce(End<'_>) + Send,
    server: impl FnOnce(End<'_>) + Send,
) {
    let memory: Vec<Slot> = (0..2 * (lines + 1)).map(|_| Slot::default()).collect();
    let threads = Threads::default();
    let end = |side: Side| {
        threads.0[side as usize].set(thread::current()).unwrap();
        let bell = Handle(&threads.0[1 - side as usize]);
        End {
            channel: Channel::new(&memory, side, bell).unwrap(),
            backoff,
            slept: 0,
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| client(end(Side::Client)));
        scope.spawn(|| server(end(Side::Server)));
    });
}

fn line(number: u64) -> Line {
    Line::full([number; 7], Some(number as u32))
}

#[test]
fn a_stream_stays_in_order() {
    for lines in [1, 2, 31, 1000] {
        let count = rounds(60_000);
        both(
            lines,
            Backoff::new(50, 5),
            |mut client| (0..count).for_each(|number| client.send(&line(number))),
            |mut server| (0..count).for_each(|number| assert_eq!(server.receive(), line(number))),
        );
    }
}

#[test]
fn calls_and_answers_with_no_spinning_at_all() {
    let count = rounds(5_000);
    both(
        3,
        Backoff::new(0, 0),
        |mut client| {
            for number in 0..count {
                client.send(&line(number));
                assert_eq!(client.receive(), line(!number));
            }
            assert!(client.slept > 0);
        },
        |mut server| {
            for number in 0..count {
                assert_eq!(server.receive(), line(number));
                server.send(&line(!number));
            }
        },
    );
}

#[test]
fn both_send_at_once_and_whoever_is_full_sleeps() {
    let count = rounds(30_000);
    let side = |mut end: End<'_>| {
        let (mut sent, mut received) = (0, 0);
        while sent < count || received < count {
            let mut moved = false;
            while sent < count && end.channel.send(&line(sent)).is_ok() {
                sent += 1;
                moved = true;
            }
            while let Some(got) = end.channel.receive().unwrap() {
                assert_eq!(got, line(received));
                received += 1;
                moved = true;
            }
            if moved {
                end.backoff.reset();
            } else if sent < count || received < count {
                end.pause(Interest {
                    receive: received < count,
                    send: sent < count,
                });
            }
        }
        // What was received last is acknowledged, for the other side to go on.
        end.channel.ask_wake(Interest::RECEIVE).unwrap();
    };
    both(4, Backoff::new(3, 1), side, side);
}

#[test]
fn a_message_of_16_mib_arrives_whole() {
    let bytes: Vec<u8> = (0..16_u32 << 20).map(|n| (n ^ n >> 9) as u8).collect();
    both(
        31,
        Backoff::new(100, 10),
        |mut client| {
            let mut message = Outgoing::new(&bytes, Some(16));
            while !client.channel.send_message(&mut message).unwrap() {
                client.pause(Interest::SEND);
            }
        },
        |mut server| {
            let mut message = Assembly::new(Growing::new(bytes.len()));
            while !server.channel.receive_message(&mut message).unwrap() {
                server.pause(Interest::RECEIVE);
            }
            let same = message.take(|got, token| got == bytes && token == Some(16));
            assert_eq!(same, Some(true));
        },
    );
}
