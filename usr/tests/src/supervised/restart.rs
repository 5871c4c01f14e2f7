//! Restart under load: twenty programs make calls while the name server and the service are killed again and again.
//!
//! Each call ends in an answer or an error, in time. Who gets an error looks the service up again, and goes on.

use super::{call, done, process_channel, start, word};
use crate::harness::{Failure, Harness, Outcome, at_most, equal, that};
use crate::services::{Client, PATIENCE, free};
use crate::world::sleep;
use alloc::boxed::Box;
use alloc::vec::Vec;
use aos::flounder::{Limits, within};
use aos::{Error, ErrorCode, event, names, println, time};
use core::time::Duration;
use random::Random;

/// Programs.
const CLIENTS: u64 = 20;
/// What they call.
const SERVICE: &str = "test/echo";
/// Between two kills.
const PAUSE: Duration = Duration::from_millis(25);
/// Bytes that may stay in use: connections that are kept to be used again.
const KEPT: u64 = 128 << 10;

/// Ends a service by force, and waits until it is there again. Answers with its number.
pub fn kill_and_wait(name: &str) -> Result<u32, Failure> {
    let processes = process_channel()?;
    let deadline = time::after(PATIENCE);
    let mut killed = None;
    loop {
        let all = call(processes.services())?;
        let found = all.into_iter().find(|service| service.name == name);
        let service = found.ok_or(Failure::new(name, "no such service"))?;
        let runs = service.state == "running";
        match killed {
            None if runs => {
                call(processes.kill(service.pid))?;
                killed = Some(service.pid);
            }
            Some(old) if runs && service.pid != old => return Ok(service.pid),
            _ => {}
        }
        if time::now() > deadline {
            return Err(Failure::new("running again", service.state));
        }
        sleep(Duration::from_millis(1));
    }
}

/// Runs the suite: so many calls of each program.
pub fn run(harness: &mut Harness, calls: u64) {
    harness.test(
        "restart",
        "twenty programs, and services that are killed",
        || twenty(calls),
    );
}

/// The same in an ordinary program: `tests --child sup-restarts CALLS`.
pub fn plain(calls: u64) -> Result<(), Error> {
    crate::processes::all(
        "restart",
        &[(
            "twenty programs",
            match calls {
                0..100 => || twenty(50),
                _ => || twenty(500),
            },
        )],
    )
}

fn twenty(calls: u64) -> Outcome {
    let connect = || names::connect_within(SERVICE, PATIENCE);
    drop(connect()?);
    kill_and_wait("nameserver")?;
    kill_and_wait("echo")?;
    drop(connect()?);
    let before = (free(), super::free_of_server(&super::memory_channel()?)?);
    let mut clients = Vec::new();
    for seed in 1..=CLIENTS {
        clients.push(start("sup-client", &[seed, calls])?);
    }
    let processes = process_channel()?;
    let mut kills = [0_u32; 2];
    let begin = time::now();
    let is_one = |pid: &u32| clients.contains(pid);
    loop {
        let all = call(processes.pids())?;
        if !all.iter().any(is_one) {
            break;
        }
        sleep(PAUSE);
        let [echo, nameserver] = &mut kills;
        match *echo <= *nameserver {
            true => {
                kill_and_wait("echo")?;
                *echo += 1;
            }
            false => {
                kill_and_wait("nameserver")?;
                *nameserver += 1;
            }
        }
    }
    println!(
        "restart: {CLIENTS} x {calls} calls, echo killed {} times, the name server {}, {} ms",
        kills[0],
        kills[1],
        time::micros(time::now() - begin) / 1_000
    );
    for client in clients {
        done(client)?;
    }
    that(kills[0] > 0 && kills[1] > 0, "both were killed")?;
    drop(connect()?);
    let lost = before.0.saturating_sub(free());
    println!("restart: {lost} bytes were kept");
    at_most(lost, KEPT, "bytes kept")?;
    let memory = super::memory_channel()?;
    equal(super::free_of_server(&memory)?, before.1)
}

fn connected() -> Result<Client, Error> {
    let channel = names::connect_within(SERVICE, PATIENCE)?;
    let mut bound = Box::pin(Client::bind(channel, Limits::default()));
    let timeout = event::sleep_until(time::after(PATIENCE));
    event::block_on(within(&mut bound, timeout))
}

/// Whether an error is one of a service that is gone.
fn is_clear(error: Error) -> bool {
    [
        ErrorCode::FlounderConnectionLost,
        ErrorCode::LibNameserviceNotBound,
        ErrorCode::LibNameserviceUnknownName,
        ErrorCode::FlounderBind,
    ]
    .into_iter()
    .any(|code| error.contains(code))
}

/// One of the programs: `tests --child sup-client SEED CALLS`.
pub fn client(seed: u64) -> Result<(), Error> {
    let calls = word(1);
    let mut random = Random::new(seed);
    let wrong = Error::new(ErrorCode::FlounderRpcMismatch);
    let mut echo: Option<Client> = None;
    let (mut answers, mut errors, mut lookups) = (0_u64, 0_u64, 0_u64);
    while answers + errors < calls {
        let timeout = || event::sleep_until(time::after(PATIENCE));
        let Some(client) = &echo else {
            match connected() {
                Ok(client) => echo = Some(client),
                // The next one may be lucky.
                Err(error) if is_clear(error) => {}
                Err(error) => return Err(error),
            }
            continue;
        };
        let value = random.next();
        let result = match random.below(8) {
            0 => {
                let bytes = crate::services::pattern(random.below(900) as usize, value);
                let back = event::block_on(within(client.bytes(&bytes), timeout()));
                back.map(|back| back == bytes)
            }
            1..4 => event::call(client.add(value, 1)).map(|sum| sum == value.wrapping_add(1)),
            _ => event::block_on(within(client.add(value, 2), timeout()))
                .map(|sum| sum == value.wrapping_add(2)),
        };
        match result {
            Ok(true) => answers += 1,
            Ok(false) => return Err(wrong),
            Err(error) if is_clear(error) => {
                errors += 1;
                echo = None;
            }
            Err(error) => return Err(error),
        }
        if random.below(64) == 0 {
            lookups += 1;
            match names::nameservice_lookup(SERVICE) {
                Ok(_) => {}
                Err(error) if is_clear(error) => {}
                Err(error) => return Err(error),
            }
        }
    }
    println!("client {seed}: {answers} answers, {errors} errors, {lookups} lookups");
    Ok(())
}
