//! What two threads do with a small channel, each in every possible order.

use crate::memory::Shelf;
use std::sync::Arc;
use ump::{Bell, Channel, Interest, Line, Memory, SendError, Side};

/// How an end waits.
#[derive(Clone, Copy)]
enum Wait {
    /// By looking again.
    Looking,
    /// By sleeping.
    Sleeping,
}
use Wait::{Looking, Sleeping};

/// A side of a scenario.
struct End<'m, B, M: Memory> {
    shelf: &'m Shelf<M>,
    side: Side,
    wait: Wait,
    channel: Channel<'m, B, M>,
}

/// The end of this side.
fn end<M: Memory>(shelf: &Shelf<M>, side: Side, wait: Wait) -> End<'_, impl Bell, M> {
    End {
        shelf,
        side,
        wait,
        channel: shelf.end(side),
    }
}

impl<B: Bell, M: Memory> End<'_, B, M> {
    fn pause(&mut self, interest: Interest) {
        match self.wait {
            Looking => loom::thread::yield_now(),
            Sleeping => {
                if self.channel.ask_wake(interest).unwrap() {
                    self.shelf.sleep(self.side);
                }
            }
        }
    }

    /// Sends a line about this number.
    fn send(&mut self, number: u64) {
        loop {
            match self.channel.send(&line(number)) {
                Ok(()) => return,
                Err(SendError::Full) => self.pause(Interest::SEND),
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Receives the line about this number.
    fn receive(&mut self, number: u64) {
        loop {
            match self.channel.receive().unwrap() {
                Some(received) => return assert_eq!(received, line(number)),
                None => self.pause(Interest::RECEIVE),
            }
        }
    }
}

fn line(number: u64) -> Line {
    Line::of_words(&[number, !number], Some(number as u32)).unwrap()
}

/// Runs `client` and `server` at once.
fn both<M: Memory + 'static>(
    lines: usize,
    client: impl FnOnce(&Shelf<M>),
    server: impl FnOnce(&Shelf<M>) + 'static,
) {
    let shelf = Shelf::<M>::new(lines);
    let theirs = Arc::clone(&shelf);
    let thread = loom::thread::spawn(move || server(&theirs));
    client(&shelf);
    thread.join().unwrap();
}

/// More lines than the ring has, one way; both sides look again when there is nothing to do.
pub fn stream<M: Memory + 'static>() {
    both::<M>(
        2,
        |shelf| {
            let mut client = end(shelf, Side::Client, Looking);
            (0..4).for_each(|number| client.send(number));
        },
        |shelf| {
            let mut server = end(shelf, Side::Server, Looking);
            (0..4).for_each(|number| server.receive(number));
        },
    );
}

/// Questions and answers: what acknowledges them is the other's lines.
pub fn ping_pong<M: Memory + 'static>() {
    both::<M>(
        2,
        |shelf| {
            let mut client = end(shelf, Side::Client, Looking);
            for number in 0..3 {
                client.send(number);
                client.receive(number + 10);
            }
        },
        |shelf| {
            let mut server = end(shelf, Side::Server, Looking);
            for number in 0..3 {
                server.receive(number);
                server.send(number + 10);
            }
        },
    );
}

/// Two lines that are published together.
pub fn batch<M: Memory + 'static>() {
    both::<M>(
        3,
        |shelf| {
            let mut client = end(shelf, Side::Client, Looking);
            for first in [0, 2] {
                for number in first..first + 2 {
                    while let Err(error) = client.channel.stage(&line(number)) {
                        assert_eq!(error, SendError::Full);
                        client.channel.publish();
                        client.pause(Interest::SEND);
                    }
                }
                client.channel.publish();
            }
        },
        |shelf| {
            let mut server = end(shelf, Side::Server, Looking);
            (0..4).for_each(|number| server.receive(number));
        },
    );
}

/// The receiver sleeps whenever nothing is there.
pub fn sleeping_receiver<M: Memory + 'static>() {
    both::<M>(
        2,
        |shelf| {
            let mut client = end(shelf, Side::Client, Looking);
            (0..2).for_each(|number| client.send(number));
        },
        |shelf| {
            let mut server = end(shelf, Side::Server, Sleeping);
            (0..2).for_each(|number| server.receive(number));
        },
    );
}

/// The sender sleeps whenever there is no room.
pub fn sleeping_sender<M: Memory + 'static>() {
    both::<M>(
        1,
        |shelf| {
            let mut client = end(shelf, Side::Client, Sleeping);
            (0..3).for_each(|number| client.send(number));
        },
        |shelf| {
            let mut server = end(shelf, Side::Server, Looking);
            (0..3).for_each(|number| server.receive(number));
        },
    );
}

/// Both sleep, and the ring has one line.
pub fn both_sleep<M: Memory + 'static>() {
    both::<M>(
        1,
        |shelf| {
            let mut client = end(shelf, Side::Client, Sleeping);
            (0..2).for_each(|number| client.send(number));
        },
        |shelf| {
            let mut server = end(shelf, Side::Server, Sleeping);
            (0..2).for_each(|number| server.receive(number));
        },
    );
}

/// Questions and answers, both sides asleep between them.
pub fn sleeping_call<M: Memory + 'static>() {
    both::<M>(
        2,
        |shelf| {
            let mut client = end(shelf, Side::Client, Sleeping);
            client.send(1);
            client.receive(11);
        },
        |shelf| {
            let mut server = end(shelf, Side::Server, Sleeping);
            server.receive(1);
            server.send(11);
        },
    );
}

/// Both only send, more than there is room for, and receive afterwards: the first room must not depend on receiving.
pub fn crossing<M: Memory + 'static>() {
    both::<M>(
        1,
        |shelf| {
            let mut client = end(shelf, Side::Client, Sleeping);
            (0..2).for_each(|number| client.send(number));
            client.receive(10);
        },
        |shelf| {
            let mut server = end(shelf, Side::Server, Sleeping);
            server.send(10);
            (0..2).for_each(|number| server.receive(number));
        },
    );
}

/// A line that stays unread while the count of acknowledged lines comes round. (With a count of two bits.)
pub fn old_acknowledgement<M: Memory + 'static>() {
    both::<M>(
        2,
        |shelf| {
            let mut client = end(shelf, Side::Client, Looking);
            (0..5).for_each(|number| client.send(number));
            client.receive(10);
            (5..7).for_each(|number| client.send(number));
        },
        |shelf| {
            let mut server = end(shelf, Side::Server, Looking);
            server.send(10);
            (0..7).for_each(|number| server.receive(number));
        },
    );
}
