//! A service that is killed, in the middle of whatever it does.

use super::{Client, Echo, PATIENCE, client_of, forgotten, pattern, soon};
use crate::harness::{Failure, Outcome, equal, refused, that};
use crate::processes::Test;
use crate::world::sleep;
use alloc::vec::Vec;
use aos::flounder::Limits;
use aos::proc::{self, End};
use aos::service::Host;
use aos::{Error, ErrorCode, event, names, println, thread, time};
use core::time::Duration;
use random::Random;

pub const TESTS: &[Test] = &[
    ("killed in the middle of calls", in_calls),
    ("killed in the middle of a stream", in_stream),
    ("killed at random moments, and started again", at_random),
    ("its name stands for nothing soon", name),
    ("a service that ends tells its clients", ends),
    (
        "the name of a service that hangs stands for nothing soon",
        hangs,
    ),
];
/// By now whoever is to wait does so.
const WHILE: Duration = Duration::from_millis(5);

/// The error of a connection whose service was killed.
#[track_caller]
fn lost<V>(result: Result<V, Error>) -> Outcome {
    match result {
        Err(error)
            if error.contains(ErrorCode::FlounderConnectionLost)
                && error.contains(ErrorCode::MonPeerDied) =>
        {
            Ok(())
        }
        Err(error) => Err(Failure::new("lost, since the peer died", error)),
        Ok(_) => Err(Failure::new("lost, since the peer died", "success")),
    }
}

impl Echo {
    fn kill(self) -> Outcome {
        self.child.kill()?;
        equal(self.child.wait()?, End::Killed)
    }
}

/// What the child is called that hangs.
const HANGS: &str = "svc/hangs";

/// It gives no sign of life, so the name server asks, and then waits no longer than it should.
fn hangs() -> Outcome {
    let child = proc::spawn("tests --child svc-hangs")?;
    names::nameservice_wait_for(HANGS, PATIENCE)?;
    let begin = time::now();
    forgotten(HANGS)?;
    let took = time::micros(time::now() - begin);
    println!("forgotten after {} ms", took / 1000);
    that((4_900_000..8_000_000).contains(&took), "5 to 7 seconds")?;
    child.kill()?;
    equal(child.wait()?, End::Killed)
}

/// The child: registers, and serves nobody.
pub fn hang() -> Result<(), Error> {
    let mut host = Host::new(4, Limits::default())?;
    host.register(HANGS, "")?;
    loop {
        thread::sleep(Duration::from_secs(1));
    }
}

fn in_calls() -> Outcome {
    let echo = Echo::start("svc/killed")?;
    let clients = [echo.client()?, echo.client()?, echo.client()?];
    let [one, many, idle] = clients;
    soon(one.null())?;
    echo.child.suspend()?;
    let waits = |client: &Client| {
        let client = client.clone();
        thread::spawn("calls", move || soon(client.add(1, 2)))
    };
    let mut waiting = Vec::from([waits(&one)?]);
    for _ in 0..3 {
        waiting.push(waits(&many)?);
    }
    sleep(WHILE);
    echo.kill()?;
    for thread in waiting {
        lost(thread.join()?)?;
    }
    for client in [&one, &many, &idle] {
        lost(soon(client.null()))?;
        lost(event::call(client.null()))?;
        lost(soon(client.bytes(&[1; 500])))?;
        lost(soon(client.tell(1)))?;
    }
    Ok(())
}

fn in_stream() -> Outcome {
    let echo = Echo::start("svc/stream")?;
    let clients = [echo.client()?, echo.client()?, echo.client()?];
    let [long, ones, fast] = clients.clone();
    echo.child.suspend()?;
    let data = pattern(1 << 20, 5);
    let threads = [
        thread::spawn("long", move || soon(long.bytes(&data)).map(drop))?,
        thread::spawn("ones", move || {
            (0..10_000).try_for_each(|number| soon(ones.tell(number)))
        })?,
        thread::spawn("fast", move || {
            (0..10_000).try_for_each(|number| event::call(fast.tell(number)))
        })?,
    ];
    sleep(WHILE);
    echo.kill()?;
    for thread in threads {
        lost(thread.join()?)?;
    }
    clients
        .iter()
        .try_for_each(|client| lost(soon(client.null())))
}

fn at_random() -> Outcome {
    let mut random = Random::new(7);
    for _ in 0..12 {
        forgotten("svc/again")?;
        let echo = Echo::start("svc/again")?;
        let (calls, streams) = (echo.client()?, echo.client()?);
        let data = pattern(30_000, 1);
        let threads = [
            thread::spawn("calls", move || {
                loop {
                    soon(calls.bytes(&data))?;
                }
            })?,
            thread::spawn("streams", move || {
                loop {
                    soon(streams.tell(1))?;
                }
            })?,
        ];
        sleep(Duration::from_micros(random.below(20_000)));
        echo.kill()?;
        for thread in threads {
            lost::<()>(thread.join()?)?;
        }
    }
    Ok(())
}

fn name() -> Outcome {
    let echo = Echo::start("svc/named")?;
    let found = names::nameservice_lookup("svc/named")?;
    echo.kill()?;
    sleep(WHILE);
    refused(
        names::nameservice_lookup("svc/named"),
        ErrorCode::LibNameserviceUnknownName,
    )?;
    refused(
        event::block_on(aos::binding::bind(found.handle)),
        ErrorCode::MonInvalidIref,
    )?;
    let again = Echo::start("svc/named")?;
    soon(client_of("svc/named")?.null())?;
    again.end()
}

fn ends() -> Outcome {
    let echo = Echo::start("svc/ends")?;
    let clients = [echo.client()?, echo.client()?];
    echo.end()?;
    for client in clients {
        refused(soon(client.null()), ErrorCode::FlounderConnectionLost)?;
    }
    Ok(())
}
