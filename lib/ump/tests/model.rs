//! A channel against what it stands for: two queues. Random programs for both ends, in rings of all small sizes, with counts that come round
//! as often as can be.
//!
//! How many: `BARRELEYE_LONG` (`./hake.sh test --long`) gives 30,000 for 1,000. `BARRELEYE_SEED=N` repeats what a failure shows.
#![cfg(test)]

#[path = "../../random/testing/seed.rs"]
mod seed;

use core::cell::Cell;
use core::sync::atomic::AtomicU64;
use random::Random;
use seed::new_random;
use std::collections::VecDeque;
use ump::{Bell, Channel, Flaw, Interest, Line, Memory, SendError, Side, Slot};

/// An assertion that is an error, so that programs which are to fail can.
macro_rules! demand {
    ($holds:expr, $($why:tt)*) => {
        if !$holds {
            return Err(format!($($why)*));
        }
    };
}

macro_rules! demand_eq {
    ($left:expr, $right:expr) => {{
        let (left, right) = ($left, $right);
        demand!(left == right, "{left:?} instead of {right:?}");
    }};
}

/// Real memory, a small count, and perhaps a mistake.
#[derive(Debug)]
enum Small<const BITS: u32, const STALE: bool> {}

impl<const BITS: u32, const STALE: bool> Memory for Small<BITS, STALE> {
    type Data = AtomicU64;
    type Control = AtomicU64;
    const COUNT_BITS: u32 = BITS;
    const FLAW: Option<Flaw> = if STALE { Some(Flaw::TrustStale) } else { None };
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Send,
    Stage,
    Publish,
    Receive,
    AskWake(Interest),
    Awake,
}

fn step(random: &mut Random) -> (Side, Step) {
    let interests = [Interest::RECEIVE, Interest::SEND, Interest::BOTH];
    let step = match random.below(21) {
        0..8 => Step::Send,
        8..10 => Step::Stage,
        10 => Step::Publish,
        11..19 => Step::Receive,
        19 => Step::AskWake(random.one_of(&interests).unwrap()),
        _ => Step::Awake,
    };
    match random.once_in(2) {
        true => (Side::Client, step),
        false => (Side::Server, step),
    }
}

/// What one side has sent, and what it may count on.
#[derive(Default)]
struct Queue {
    /// Published lines.
    sent: VecDeque<u64>,
    /// Lines that are not published yet.
    staged: VecDeque<u64>,
    next: u64,
}

fn line(number: u64) -> Line {
    let words = [number; 7];
    Line::of_words(
        words.get(..(number % 8) as usize).unwrap(),
        number.is_multiple_of(3).then_some(number as u32),
    )
    .unwrap()
}

struct End<'a, B, M: Memory> {
    channel: Channel<'a, B, M>,
    /// It asked for a wake-up, and was told that it can sleep.
    asleep: Option<Interest>,
}

fn run<M: Memory>(lines: usize, program: &[(Side, Step)]) -> Result<(), String> {
    let memory: Vec<Slot<M>> = (0..2 * (lines + 1)).map(|_| Slot::default()).collect();
    let rung = [Cell::new(false), Cell::new(false)];
    let rung = &rung;
    let mut ends = [Side::Client, Side::Server].map(|side| {
        let bell = move || rung[1 - side as usize].set(true);
        End {
            channel: Channel::new(&memory, side, bell).unwrap(),
            asleep: None,
        }
    });
    let mut queues = [Queue::default(), Queue::default()];
    for &(side, step) in program {
        let me = side as usize;
        for side in [0, 1] {
            let incoming = &queues[1 - side];
            if let Some(interest) = ends[side].asleep.filter(|interest| interest.receive) {
                let woken = rung[side].get();
                demand!(incoming.sent.is_empty() || woken, "{interest:?} overslept");
            }
        }
        apply(&mut ends[me], &mut queues, me, step, lines)?;
        // A wake-up only for who has asked for one.
        for side in [0, 1] {
            if rung[side].take() {
                demand!(ends[side].asleep.take().is_some(), "woken for nothing");
                // It looks, as it should.
                ends[side].channel.awake();
            }
        }
    }
    // Everything that was sent arrives, and then there is room again.
    for (me, other) in [(0, 1), (1, 0)] {
        apply(&mut ends[me], &mut queues, me, Step::Publish, lines)?;
        while !queues[me].sent.is_empty() {
            apply(&mut ends[other], &mut queues, other, Step::Receive, lines)?;
        }
        ends[other]
            .channel
            .ask_wake(Interest::RECEIVE)
            .map_err(|fault| fault.to_string())?;
        for _ in 0..lines {
            demand_eq!(ends[me].channel.send(&line(0)), Ok(()));
        }
        demand_eq!(ends[me].channel.send(&line(0)), Err(SendError::Full));
    }
    Ok(())
}

fn apply<B: Bell, M: Memory>(
    end: &mut End<'_, B, M>,
    queues: &mut [Queue; 2],
    me: usize,
    step: Step,
    lines: usize,
) -> Result<(), String> {
    let channel = &mut end.channel;
    let mut publish = false;
    match step {
        Step::Send | Step::Stage => {
            // Who has staged lines acknowledges after them.
            let withheld = !queues[1 - me].staged.is_empty();
            let queue = &mut queues[me];
            let sent = match step {
                Step::Send => channel.send(&line(queue.next)),
                _ => channel.stage(&line(queue.next)),
            };
            let unread = queue.sent.len() + queue.staged.len();
            match sent {
                Ok(()) => {
                    demand!(unread < lines, "more than fit");
                    queue.staged.push_back(queue.next);
                    queue.next += 1;
                    publish = matches!(step, Step::Send);
                }
                Err(error) => {
                    demand_eq!(error, SendError::Full);
                    let half = (lines / 2).max(1);
                    demand!(
                        withheld || unread + half > lines,
                        "full with {} of {}",
                        unread,
                        lines
                    );
                }
            }
        }
        Step::Publish => {
            channel.publish();
            publish = true;
        }
        Step::Receive => {
            let expected = queues[1 - me].sent.pop_front().map(line);
            demand_eq!(channel.receive(), Ok(expected));
        }
        Step::AskWake(interest) => {
            publish = true;
            let sleeps = channel
                .ask_wake(interest)
                .map_err(|fault| fault.to_string())?;
            let incoming = &queues[1 - me];
            if sleeps {
                demand!(
                    !interest.receive || incoming.sent.is_empty(),
                    "slept over a line"
                );
            }
            end.asleep = sleeps.then_some(interest);
            if !sleeps && !interest.send {
                demand!(!incoming.sent.is_empty(), "nothing, but no sleep");
            }
        }
        Step::Awake => {
            channel.awake();
            end.asleep = None;
        }
    }
    if publish {
        published(queues, me);
    }
    Ok(())
}

fn published(queues: &mut [Queue; 2], me: usize) {
    let queue = &mut queues[me];
    queue.sent.append(&mut queue.staged);
}

/// So many programs in rings of so many lines; a seed that fails is shown.
fn try_programs<M: Memory>(lines: usize, mut check: impl FnMut(Result<(), String>)) {
    let programs = match std::env::var_os("BARRELEYE_LONG") {
        Some(_) => 30_000,
        None => 1_000,
    };
    let mut seeds = new_random();
    for _ in 0..programs {
        let seed = seeds.next();
        let mut random = Random::new(seed);
        let program: Vec<_> = (0..random.below(2_000))
            .map(|_| step(&mut random))
            .collect();
        check(
            run::<M>(lines, &program)
                .map_err(|error| format!("{lines} lines, program {seed}: {error}")),
        );
    }
}

fn sound<M: Memory>(lines: usize) {
    try_programs::<M>(lines, |result| result.unwrap());
}

#[test]
fn rings_whose_counts_come_round_soon() {
    sound::<Small<1, false>>(1);
    sound::<Small<2, false>>(2);
    sound::<Small<3, false>>(3);
    sound::<Small<3, false>>(4);
    sound::<Small<6, false>>(31);
}

#[test]
fn rings_as_on_the_board() {
    for lines in [1, 2, 3, 5, 31] {
        sound::<ump::Real>(lines);
    }
}

/// These programs find the mistake that needs a count to come round.
#[test]
fn stale_acknowledgements_must_not_be_believed() {
    let mut found = 0;
    try_programs::<Small<2, true>>(2, |result| found += u32::from(result.is_err()));
    assert!(found > 0);
}
