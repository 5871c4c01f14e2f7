//! Lines from one pinned thread to another, beside the queue of the crate `rtrb`, in the same run; and the round trip of a line.
//!
//! `target/release/examples/throughput [LINES]`. Both queues carry 56 bytes in rings of 31, 255 and 1,023. Nobody sleeps, so that the rings
//! themselves are compared; run it on an idle machine.

#![expect(
    clippy::panic,
    reason = "a measurement that cannot go on has nothing to say"
)]

use std::hint::{black_box, spin_loop};
use std::thread;
use std::time::{Duration, Instant};
use ump::{Channel, Line, Side, Slot};

fn pin(number: usize) {
    if let Some(cores) = core_affinity::get_core_ids()
        && let Some(core) = cores.get(number % cores.len())
    {
        core_affinity::set_for_current(*core);
    }
}

/// How long `client` and `server` take on two cores.
fn timed(client: impl FnOnce() + Send, server: impl FnOnce() + Send) -> Duration {
    let begin = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| {
            pin(0);
            client();
        });
        scope.spawn(|| {
            pin(1);
            server();
        });
    });
    begin.elapsed()
}

fn end(memory: &[Slot], side: Side) -> Channel<'_, fn()> {
    match Channel::new(memory, side, (|| {}) as fn()) {
        Ok(channel) => channel,
        Err(error) => panic!("{error}"),
    }
}

fn get(channel: &mut Channel<'_, fn()>) -> Line {
    loop {
        match channel.receive() {
            Ok(Some(line)) => return line,
            Ok(None) => spin_loop(),
            Err(fault) => panic!("{fault}"),
        }
    }
}

fn put(channel: &mut Channel<'_, fn()>, line: &Line) {
    while channel.send(line).is_err() {
        spin_loop();
    }
}

fn main() {
    let count: u64 = std::env::args()
        .nth(1)
        .and_then(|word| word.parse().ok())
        .unwrap_or(5_000_000);
    println!("lines in the ring | ump, ns a line | rtrb, ns a line | ump round trip, ns");
    for lines in [31, 255, 1023] {
        let memory: Vec<Slot> = (0..2 * (lines + 1)).map(|_| Slot::default()).collect();
        let ours = timed(
            || {
                let mut channel = end(&memory, Side::Client);
                (0..count).for_each(|n| put(&mut channel, &Line::full([n; 7], None)));
            },
            || {
                let mut channel = end(&memory, Side::Server);
                for _ in 0..count {
                    black_box(get(&mut channel));
                }
            },
        );
        let (mut producer, mut consumer) = rtrb::RingBuffer::<[u64; 7]>::new(lines);
        let theirs = timed(
            || {
                for n in 0..count {
                    while producer.push([n; 7]).is_err() {
                        spin_loop();
                    }
                }
            },
            || {
                for _ in 0..count {
                    while consumer.pop().map(black_box).is_err() {
                        spin_loop();
                    }
                }
            },
        );
        let memory: Vec<Slot> = (0..2 * (lines + 1)).map(|_| Slot::default()).collect();
        let calls = count / 10 + 1;
        let trips = timed(
            || {
                let mut channel = end(&memory, Side::Client);
                for n in 0..calls {
                    put(&mut channel, &Line::full([n; 7], None));
                    black_box(get(&mut channel));
                }
            },
            || {
                let mut channel = end(&memory, Side::Server);
                for _ in 0..calls {
                    let line = get(&mut channel);
                    put(&mut channel, &line);
                }
            },
        );
        let each = |time: Duration, count: u64| time.as_nanos() as f64 / count as f64;
        println!(
            "{lines:17} | {:14.1} | {:15.1} | {:18.1}",
            each(ours, count),
            each(theirs, count),
            each(trips, calls)
        );
    }
}
