//! Clients that obey no rule: whatever they send, the service lives, and serves the others.

mod raw;

pub use self::raw::{Raw, Target};

use self::raw::{ABORT, BIND, CALL, CANCEL, FRAGMENTED, ONE_WAY, PART, connect, header};
use super::{Client, Echo, PATIENCE, client_of, pattern, soon};
use crate::harness::{Failure, Outcome, at_most, equal, refused, that};
use crate::processes::Test;
use crate::world::sleep;
use aos::binding::bind;
use aos::cap::AnyCap;
use aos::cap::CapRef;
use aos::channel::{Channel, closing};
use aos::flounder::{SendError, Service, Transport};
use aos::kpi::layout::BASE_PAGE_SIZE;
use aos::kpi::slots::task;
use aos::proc::{self, End};
use aos::ram::{frame_alloc, mm_free};
use aos::{Error, ErrorCode, event, names, println, time};
use core::time::Duration;
use random::Random;
use services::echo::{EchoServer, EchoService};

pub const TESTS: &[Test] = &[
    ("5,000 messages that mean nothing", nonsense),
    ("messages that mean something, but not that", almost),
    ("who never takes its answers", deaf),
    ("programs that die in the middle of messages", die),
    ("messages that mean nothing to the name server", to_names),
    ("long messages that never end", exhaust),
    ("the same to the name server", exhaust_names),
    ("who has no room for news keeps nobody from theirs", no_room),
];

/// Messages of each kind.
const MESSAGES: u64 = 5000;
/// The interface, as clients name it.
pub const NAME: u64 = <EchoServer<EchoService> as Service<AnyCap>>::NAME;
const VERSION: u64 = <EchoServer<EchoService> as Service<AnyCap>>::VERSION;
/// Methods in the order of the trait; the last one would end the service, as it should.
const METHODS: u64 = 11;

const BYTES_METHOD: u64 = 3;

const fn echo_at(name: &'static str) -> Target {
    Target {
        name,
        interface: (NAME, VERSION),
        methods: METHODS - 1,
        long_method: BYTES_METHOD,
    }
}

fn still_serves(name: &str, client: &Client, number: u64) -> Outcome {
    equal(soon(client.add(number, 1))?, number + 1)?;
    let other = client_of(name)?;
    equal(soon(other.text("still there"))?.as_str(), "still there")
}

/// Words that mean nothing.
pub fn words(random: &mut Random) -> [u64; 9] {
    core::array::from_fn(|_| match random.below(3) {
        0 => random.below(16),
        1 => random.below(u64::MAX),
        _ => u64::MAX - random.below(3),
    })
}

fn nonsense() -> Outcome {
    let echo = Echo::start("svc/nonsense")?;
    let client = echo.client()?;
    let frame = frame_alloc(BASE_PAGE_SIZE)?;
    let mut random = Random::new(11);
    let mut raw = Raw::new(echo_at("svc/nonsense"))?;
    let mut slowest = 0;
    for number in 0..MESSAGES {
        let all = words(&mut random);
        let count = random.below(10) as usize;
        let cap = (random.below(4) == 0).then_some(frame);
        raw.send(all.get(..count).unwrap_or_default(), cap)?;
        if random.below(20) == 0 {
            raw.reconnect()?;
        }
        if random.below(10) == 0 {
            raw.bind()?;
        }
        if number % 100 == 99 {
            still_serves("svc/nonsense", &client, number)?;
            slowest = slowest.max(promptly(&client)?);
        }
    }
    println!(
        "{} connections, {} messages refused; others waited at most {slowest} us",
        raw.connections, raw.refused
    );
    drop((raw, client));
    mm_free(frame)?;
    echo.end()
}

/// A message of the protocol's, at a place where it may not be, or with something wrong.
pub fn wrong(random: &mut Random, raw: &mut Raw, frame: CapRef) -> Result<(), Error> {
    let call = random.below(1 << 45);
    let Target {
        methods,
        long_method,
        ..
    } = raw.target;
    let method = random.below(methods);
    let size = random.below(200);
    let cap = [frame, CapRef::task(task::DISPFRAME), CapRef::OWN_ROOT];
    let cap = random.one_of(&cap);
    let one = |kind| header(kind, method, call);
    let fragmented = |kind| header(kind, long_method, call) | FRAGMENTED;
    match random.below(16) {
        // Kinds that a client does not send, twice bound, no such method.
        0 => raw.send(&[header(4 + random.below(12), method, call), 1, 2], None),
        1 => raw.bind(),
        2 => raw.send(
            &[header(CALL, methods + 1 + random.below(2000), call)],
            None,
        ),
        3 => raw.send(&[one(CALL), 1, 2, 3, 4, 5], cap),
        4 => raw.send(&[one(ONE_WAY), 7], cap),
        5 => raw.send(&[header(CANCEL, 0, call)], None),
        // A part without a beginning, or of another call.
        6 => raw.send(&[header(PART, 0, call), 1, 2, 3], None),
        7 => {
            raw.send(&[fragmented(CALL), size, 1, 2], None)?;
            raw.send(&[header(PART, 0, call + 1), 1, 2, 3], None)
        }
        // Too long, or longer than said, or cut off.
        8 => raw.send(&[fragmented(CALL), 1 << 40, 1, 2, 3, 4, 5, 6, 7], None),
        9 => raw.send(&[fragmented(CALL), 8, 1, 2, 3, 4, 5, 6, 7], None),
        10 => {
            raw.send(&[fragmented(CALL), 1000, 1, 2, 3, 4, 5, 6, 7], None)?;
            raw.send(&[header(PART, 0, call), 1, 2], None)?;
            raw.reconnect()?;
            raw.bind()
        }
        11 => {
            raw.send(&[fragmented(CALL), 1000, 1, 2, 3, 4, 5, 6, 7], None)?;
            raw.send(&[header(ABORT, 0, call)], None)?;
            raw.send(&[header(CALL, 0, call)], None)
        }
        // More capabilities than there may be, fewer than said, and data in memory that is none.
        12 => raw.send(&[fragmented(CALL), size | 100 << 48], cap),
        13 => raw.send(&[fragmented(CALL), size | 3 << 48, 1], cap),
        14 => raw.send(&[fragmented(CALL), size | 1 << 63], cap),
        // No beginning of the data's encoding.
        _ => raw.send(
            &[
                fragmented(CALL),
                64,
                u64::MAX,
                u64::MAX,
                u64::MAX,
                0,
                1,
                2,
                3,
            ],
            None,
        ),
    }
}

fn almost() -> Outcome {
    let echo = Echo::start("svc/almost")?;
    let client = echo.client()?;
    let frame = frame_alloc(BASE_PAGE_SIZE)?;
    let mut random = Random::new(12);
    let mut raw = Raw::new(echo_at("svc/almost"))?;
    let mut bound_on = 0;
    let mut slowest = 0;
    for number in 0..MESSAGES {
        if bound_on != raw.connections {
            raw.bind()?;
            bound_on = raw.connections;
        }
        wrong(&mut random, &mut raw, frame)?;
        if number % 100 == 99 {
            still_serves("svc/almost", &client, number)?;
            slowest = slowest.max(promptly(&client)?);
        }
    }
    println!(
        "{} connections, {} messages refused; others waited at most {slowest} us",
        raw.connections, raw.refused
    );
    that(raw.connections > 100, "wrong messages end the connection")?;
    drop((raw, client));
    mm_free(frame)?;
    echo.end()
}

fn deaf() -> Outcome {
    let echo = Echo::start("svc/deaf")?;
    let client = echo.client()?;
    let mut channel = connect("svc/deaf")?;
    let mut sent = 0;
    let mut send = |words: &[u64]| {
        for _ in 0..200 {
            match channel.send(words, None) {
                Ok(()) => {
                    sent += 1;
                    return true;
                }
                Err(SendError::Full(_)) => sleep(Duration::from_micros(20)),
                Err(_) => return false,
            }
        }
        false
    };
    send(&[header(BIND, 0, 0), NAME, VERSION]);
    for number in 0..20_000 {
        if !send(&[header(CALL, 2, number), 1, 2, 3, 4, 5, 6, 7, 8]) {
            break;
        }
        if number % 100 == 0 {
            still_serves("svc/deaf", &client, number)?;
        }
    }
    println!("{sent} calls were taken from who never reads");
    that(sent < 20_000, "an end")?;
    still_serves("svc/deaf", &client, 1)?;
    // Now it reads: what it was answered is still right.
    let mut answers = 0;
    for _ in 0..20_000 {
        match channel.receive() {
            Ok(Some(message)) if message.words().len() > 3 => {
                that(
                    message.words().get(1..) == Some(&[1 ^ 5, 2 ^ 6, 3 ^ 7, 4 ^ 8]),
                    "an answer",
                )?;
                answers += 1;
            }
            Ok(Some(_)) => {}
            _ if answers + 1 >= sent => break,
            _ => sleep(Duration::from_micros(50)),
        }
    }
    equal(answers, sent - 1)?;
    drop((channel, client));
    echo.end()
}

/// Where programs die.
const DIES: &str = "svc/dies";

fn die() -> Outcome {
    let echo = Echo::start(DIES)?;
    let client = echo.client()?;
    for seed in 1..=12 {
        let child = proc::spawn(&alloc::format!("tests --child svc-hostile {seed}"))?;
        sleep(Duration::from_millis(5 + seed));
        child.kill()?;
        equal(child.wait()?, End::Killed)?;
        still_serves(DIES, &client, seed)?;
    }
    drop(client);
    echo.end()
}

/// A program that sends until it is killed.
pub fn dies(seed: u64) -> Result<(), Error> {
    let mut random = Random::new(seed);
    let mut raw = Raw::new(echo_at(DIES))?;
    let frame = CapRef::task(task::DISPFRAME);
    raw.bind()?;
    loop {
        wrong(&mut random, &mut raw, frame)?;
    }
}

fn to_names() -> Outcome {
    let mut random = Random::new(13);
    let mut raw = None;
    let frame = CapRef::task(task::DISPFRAME);
    for number in 0..MESSAGES {
        let all = words(&mut random);
        let count = random.below(10) as usize;
        let channel = match &mut raw {
            Some(channel) => channel,
            none => none.insert(event::block_on(bind(aos::initproto::NAME_SERVER))?),
        };
        let cap = match random.below(3) {
            0 => Some(AnyCap::copy_of(frame)?),
            _ => None,
        };
        match channel.send(all.get(..count).unwrap_or_default(), cap) {
            Ok(()) | Err(SendError::Refused(_)) => {}
            Err(SendError::Full(_)) => sleep(Duration::from_micros(20)),
            Err(SendError::Lost(_)) => raw = None,
        }
        if number % 500 == 0 {
            names::nameservice_enumerate("**")?;
        }
    }
    Ok(())
}

/// Connections whose clients send no more than the beginning of a message.
fn stalled(
    count: usize,
    connect: impl Fn() -> Result<Channel, Error>,
    bind: [u64; 3],
    call: [u64; 2],
) -> Result<alloc::vec::Vec<Channel>, Error> {
    let mut all = alloc::vec::Vec::new();
    for _ in 0..count {
        let mut channel = connect()?;
        let [head, bytes] = call;
        let mut send = |words: &[u64]| {
            for _ in 0..100 {
                match channel.send(words, None) {
                    Err(SendError::Full(_)) => sleep(Duration::from_micros(20)),
                    _ => return,
                }
            }
        };
        send(&bind);
        send(&[head, bytes, 1, 2, 3, 4, 5, 6, 7]);
        for _ in 0..200 {
            send(&[header(PART, 0, 1), 1, 2, 3, 4, 5, 6, 7, 8]);
        }
        all.push(channel);
    }
    Ok(all)
}

fn exhaust() -> Outcome {
    let echo = Echo::start("svc/exhaust")?;
    let client = echo.client()?;
    let call = [header(CALL, BYTES_METHOD, 1) | FRAGMENTED, 2_000_000];
    let bind = [header(BIND, 0, 0), NAME, VERSION];
    let all = stalled(24, || connect("svc/exhaust"), bind, call)?;
    still_serves("svc/exhaust", &client, 1)?;
    // What is in everybody's share goes, what is not is refused.
    let data = pattern(20_000, 4);
    for _ in 0..10 {
        that(soon(client.bytes(&data))? == data, "the same bytes")?;
    }
    let data = pattern(1 << 20, 4);
    refused(soon(client.count(&data)), ErrorCode::FlounderNoRoom)?;
    refused(soon(client.bytes(&data)), ErrorCode::FlounderNoRoom)?;
    drop(all);
    // A few are told at a time.
    while closing() > 0 {
        sleep(Duration::from_millis(1));
    }
    sleep(Duration::from_millis(5));
    equal(soon(client.count(&data))?, 1 << 20)?;
    that(soon(client.bytes(&data))? == data, "the same bytes")?;
    drop(client);
    echo.end()
}

fn exhaust_names() -> Outcome {
    type Names = services::names::NamesServer<services::names::NameService>;
    let name = <Names as Service<AnyCap>>::NAME;
    let version = <Names as Service<AnyCap>>::VERSION;
    let call = [header(CALL, 0, 1) | FRAGMENTED, 16_000];
    let connect = || event::block_on(bind(aos::initproto::NAME_SERVER));
    let all = stalled(40, connect, [header(BIND, 0, 0), name, version], call)?;
    names::nameservice_enumerate("**")?;
    let echo = Echo::start("svc/beside")?;
    soon(echo.client()?.null())?;
    drop(all);
    echo.end()
}

/// How long a call takes, in microseconds.
fn promptly(client: &Client) -> Result<u64, Failure> {
    let begin = time::now();
    soon(client.null())?;
    let took = time::micros(time::now() - begin);
    at_most(took, 200_000, "microseconds")?;
    Ok(took)
}

/// What a program that has no room for news is connected to, and by what name it says that it is.
const FULL: [&str; 2] = ["svc/full", "svc/full-now"];
/// More than the broker tells at once.
const FULL_CONNECTIONS: usize = 24;

fn no_room() -> Outcome {
    let [service, ready] = FULL;
    let echo = Echo::start(service)?;
    let child = proc::spawn("tests --child svc-full")?;
    names::nameservice_wait_for(ready, PATIENCE)?;
    echo.child.kill()?;
    equal(echo.child.wait()?, End::Killed)?;
    let other = Echo::start("svc/other-than-full")?;
    soon(other.client()?.null())?;
    child.kill()?;
    equal(child.wait()?, End::Killed)?;
    other.end()
}

/// Fills the buffers of many connections, and never reads them.
pub fn full() -> Result<(), Error> {
    let [service, ready] = FULL;
    let mut channels = alloc::vec::Vec::new();
    for _ in 0..FULL_CONNECTIONS {
        let mut channel = connect(service)?;
        let call = [header(CALL, 2, 0), 1, 2, 3, 4, 5, 6, 7, 8];
        let mut sent = channel.send(&[header(BIND, 0, 0), NAME, VERSION], None);
        for _ in 0..60 {
            if sent.is_err() {
                sleep(Duration::from_micros(100));
            }
            sent = channel.send(&call, None);
        }
        channels.push(channel);
    }
    names::nameservice_register(ready, 1, "")?;
    loop {
        sleep(Duration::from_secs(1));
    }
}
