//! The course's calls over the services of their own domains, and restart under load: `module /sbin/tests boot supervised`, beside `spawnd`, which has to
//! take this program for an operator.
//!
//! `restarts CALLS` makes so many calls in each of twenty programs while services are killed. `course` runs what the profile *course* has too, where init offers
//! the services: the same tests.

mod hostile;
mod large;
mod memory;
mod processes;
mod restart;
mod serial;
mod texts;

use crate::harness::{Failure, Harness, Outcome, equal};
use aos::flounder::Call;
use aos::kpi::layout::SLOT_BYTES;
use aos::rpc::{self, INIT, MEMORY, MemoryChannel, PROCESS, ProcessChannel, SERIAL};
use aos::{Args, Error, ErrorCode, channel::Channel, event, sync::Shared};

pub use restart::run as run_restarts;

const SUITE: &str = "supervised";

/// Runs the suite.
pub fn run(harness: &mut Harness) {
    run_course(harness);
    for tests in [large::TESTS, memory::OF_FULL, processes::OF_FULL] {
        for (name, test) in tests {
            harness.test(SUITE, name, test);
        }
    }
}

/// What there is in both profiles.
pub fn run_course(harness: &mut Harness) {
    for tests in [texts::TESTS, memory::TESTS, processes::TESTS] {
        for (name, test) in tests {
            harness.test(SUITE, name, test);
        }
    }
}

/// Hostile clients of each service, or of this one, or of those that there are in profile `course`: so many messages.
pub fn run_hostile(harness: &mut Harness, messages: u64, only: Option<&str>) {
    let is_meant = |name: &str| match only {
        None => true,
        Some("course") => [MEMORY, PROCESS, INIT, SERIAL].contains(&name),
        Some(only) => only == name,
    };
    let all = hostile::TARGETS.into_iter();
    for target in all.filter(|target| is_meant(target.name)) {
        harness.test("hostile", target.name, || {
            hostile::attack(target.name, messages)
        });
    }
}

/// What the children do: `tests --child sup-PART NUMBER ...`.
pub fn play(part: &str, number: u64) -> Result<(), Error> {
    match part {
        "sup-holder" => memory::holder(number),
        "sup-taker" => memory::taker(number),
        "sup-parent" => processes::parent(number),
        "sup-caps" => processes::caps(),
        "sup-client" => restart::client(number),
        "sup-hostile" => hostile::client(number),
        "sup-restarts" => restart::plain(number),
        "sup-chars" => serial::characters(number),
        "sup-line" => serial::line(),
        "sup-two" => serial::two(number),
        "sup-calls" => serial::calls(),
        "sup-idle" => serial::idle(),
        "sup-whole" => serial::whole(number),
        _ => Err(Error::new(ErrorCode::SpawnGetCmdlineArgs)),
    }
}

/// The number in this word behind the part.
fn word(index: usize) -> u64 {
    let mut words = Args::own().words().skip(2);
    let word = words.nth(index);
    word.and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// A call's answer.
fn call<V>(call: Call<'_, Channel, Shared, V>) -> Result<V, Error> {
    crate::services::soon(call)
}

fn memory_channel() -> Result<MemoryChannel, Error> {
    rpc::aos_rpc_get_memory_channel()
}

fn process_channel() -> Result<ProcessChannel, Error> {
    rpc::aos_rpc_get_process_channel()
}

/// Starts `tests --child PART ...` by the process server.
fn start(part: &str, words: &[u64]) -> Result<u32, Error> {
    use core::fmt::Write;
    let mut line = alloc::format!("tests --child {part}");
    for word in words {
        let _ = write!(line, " {word}");
    }
    rpc::aos_rpc_process_spawn(&process_channel()?, &line, 0)
}

/// The status that such a program ends with.
fn status(pid: u32) -> Result<u8, Error> {
    Ok(event::call(process_channel()?.wait(pid))?.status)
}

/// Free bytes of the memory server, which has nobody to close.
fn free_of_server(memory: &MemoryChannel) -> Result<u64, Error> {
    let (_, free, _) = call(memory.total())?;
    Ok(free)
}

/// Waits until the memory server has so many free bytes.
#[track_caller]
fn becomes_free(memory: &MemoryChannel, bytes: u64) -> Outcome {
    let deadline = aos::time::after(crate::services::PATIENCE);
    loop {
        let free = free_of_server(memory)?;
        if free == bytes {
            return Ok(());
        }
        if aos::time::now() > deadline {
            return Err(Failure::new(bytes, free));
        }
        crate::world::sleep(core::time::Duration::from_millis(5));
    }
}

/// Bytes that this program has free, slots included.
fn own() -> u64 {
    aos::cap::reap();
    aos::ram::mm_usage().free + u64::from(aos::slot::slot_usage().1) * SLOT_BYTES
}

/// Fails unless that program did what it was to do.
#[track_caller]
fn done(pid: u32) -> Outcome {
    equal(status(pid)?, crate::parts::DONE)
}
