//! Long messages, which go in slices through memory that both sides share; and clients that misuse that.

use super::{Client, Echo, client_of, pattern, soon};
use crate::harness::{Failure, Outcome, equal, that};
use crate::processes::Test;
use crate::world::sleep;
use aos::binding::bind;
use aos::cap::{AnyCap, CapRef, cap_revoke};
use aos::channel::Channel;
use aos::flounder::{Limits, SendError, Service, Transport};
use aos::kpi::slots::task;
use aos::ram::{frame_alloc, mm_free};
use aos::service::{Host, Next};
use aos::{Error, event, names, println, thread, time};
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use services::echo::{EchoServer, EchoService};

pub const TESTS: &[Test] = &[
    ("1 KiB to 16 MiB there and back", lengths),
    ("memory that is revoked under the service", revoked),
    ("memory that is none, slices that are none", wrong),
];

/// The number of the service in this program.
static SERVICE: AtomicU32 = AtomicU32::new(0);

/// Both sides are threads of this program: no other one may have so much memory.
fn lengths() -> Outcome {
    SERVICE.store(0, Ordering::Relaxed);
    let service = thread::spawn("large", || -> Result<(), Error> {
        let mut host = Host::new(4, Limits::large())?;
        SERVICE.store(host.service(), Ordering::Relaxed);
        let mut service = EchoServer(EchoService::default());
        host.run(&mut service, |service, _| match service.0.ends {
            true => Next::End,
            false => Next::Serve,
        });
        Ok(())
    })?;
    while SERVICE.load(Ordering::Relaxed) == 0 {
        sleep(Duration::from_millis(1));
    }
    let number = SERVICE.load(Ordering::Relaxed);
    let client: Client =
        event::block_on(async { Client::bind(bind(number).await?, Limits::large()).await })?;
    let piece = pattern(1 << 10, 5);
    for kibibytes in [1, 64, 1 << 10, 16 << 10] {
        let data = piece.repeat(kibibytes);
        let begin = time::now();
        equal(soon(client.count(&data))?, data.len() as u64)?;
        let counted = time::now();
        that(soon(client.bytes(&data))? == data, "the same bytes")?;
        println!(
            "{kibibytes} KiB: there {} us, there and back {} us",
            time::micros(counted - begin),
            time::micros(time::now() - counted)
        );
    }
    soon(client.end())?;
    drop(client);
    Ok(service.join()??)
}

const NAME: u64 = <EchoServer<EchoService> as Service<AnyCap>>::NAME;
const VERSION: u64 = <EchoServer<EchoService> as Service<AnyCap>>::VERSION;
const BIND: u64 = 1;
/// A call of `bytes`, the first of several messages.
const CALL: u64 = 2 | 1 << 4 | 3 << 5;
/// The answer to call 0, likewise.
const REPLY: u64 = 4 | 1 << 4;
const SLICE: u64 = 9;
const WINDOW: u64 = 10;
/// Bytes of a window.
const WINDOW_BYTES: u64 = 128 << 10;

/// A connection that is used for anything.
struct Raw(Channel);

impl Raw {
    fn new(name: &str) -> Result<Self, Failure> {
        let found = names::nameservice_lookup(name)?;
        let mut this = Self(event::block_on(bind(found.handle))?);
        this.send(&[BIND, NAME, VERSION], None)?;
        that(this.receive()?.is_some(), "bound")?;
        Ok(this)
    }

    fn send(&mut self, words: &[u64], cap: Option<CapRef>) -> Outcome {
        for _ in 0..1000 {
            let copy = cap.map(AnyCap::copy_of).transpose()?;
            match self.0.send(words, copy) {
                Ok(()) => return Ok(()),
                Err(SendError::Full(_)) => sleep(Duration::from_micros(50)),
                Err(SendError::Refused(error) | SendError::Lost(error)) => return Err(error.into()),
            }
        }
        Err(Failure::new("room", "a full buffer"))
    }

    /// Begins a call with so many bytes, of which 56 are sent.
    fn begin(&mut self, bytes: u64) -> Outcome {
        self.send(&[CALL, bytes, 1, 2, 3, 4, 5, 6, 7], None)
    }

    /// The first word of the next message; `None`: the connection is lost.
    fn receive(&mut self) -> Result<Option<u64>, Failure> {
        for _ in 0..1000 {
            match self.0.receive() {
                Ok(Some(message)) => return Ok(message.words().first().copied()),
                Ok(None) => sleep(Duration::from_micros(100)),
                Err(_) => return Ok(None),
            }
        }
        Err(Failure::new("a message, or the end", "nothing"))
    }

    /// Waits until it is lost, as it should be.
    fn ends(mut self) -> Outcome {
        while let Some(word) = self.receive()? {
            that(word != 0, "a message")?;
        }
        Ok(())
    }
}

fn still_serves(name: &str, client: &Client) -> Outcome {
    equal(soon(client.add(1, 1))?, 2)?;
    let data = pattern(100_000, 3);
    that(soon(client.bytes(&data))? == data, "the same bytes")?;
    equal(soon(client_of(name)?.count(&data))?, 100_000)
}

fn revoked() -> Outcome {
    let name = "svc/revoked";
    let echo = Echo::start(name)?;
    let client = echo.client()?;
    for round in 0..12 {
        let frame = frame_alloc(WINDOW_BYTES)?;
        // What follows is right up to where the memory goes.
        let mut raw = Raw::new(name)?;
        raw.send(&[WINDOW], Some(frame))?;
        raw.begin(30_056)?;
        raw.send(&[SLICE, 20_000], None)?;
        raw.send(&[SLICE, 10_000], None)?;
        equal(raw.receive()?, Some(REPLY))?;
        drop(raw);
        let mut raw = Raw::new(name)?;
        raw.send(&[WINDOW], Some(frame))?;
        raw.begin(30_056)?;
        match round % 3 {
            // Before anything is in it.
            0 => {
                cap_revoke(frame)?;
                raw.send(&[SLICE, 30_000], None)?;
            }
            // Between two slices.
            1 => {
                raw.send(&[SLICE, 20_000], None)?;
                cap_revoke(frame)?;
                raw.send(&[SLICE, 10_000], None)?;
            }
            // Before the answer, which goes through it too; or while that is under way.
            _ => {
                raw.send(&[SLICE, 20_000], None)?;
                raw.send(&[SLICE, 10_000], None)?;
                if round > 6 {
                    sleep(Duration::from_micros(round));
                }
                cap_revoke(frame)?;
            }
        }
        if round % 3 < 2 {
            raw.ends()?;
        } else {
            // The answer may have been written before.
            drop(raw);
        }
        still_serves(name, &client)?;
        mm_free(frame)?;
    }
    drop(client);
    echo.end()
}

fn wrong() -> Outcome {
    let name = "svc/wrong";
    let echo = Echo::start(name)?;
    let client = echo.client()?;
    let small = frame_alloc(64 << 10)?;
    let frame = frame_alloc(WINDOW_BYTES)?;
    for round in 0..8 {
        let mut raw = Raw::new(name)?;
        match round {
            0 => raw.send(&[WINDOW], Some(small))?,
            1 => raw.send(&[WINDOW], Some(CapRef::task(task::DISPFRAME)))?,
            2 => raw.send(&[WINDOW], Some(CapRef::OWN_ROOT))?,
            3 => raw.send(&[WINDOW], None)?,
            4 => {
                raw.begin(10_056)?;
                raw.send(&[SLICE, 10_000], None)?;
            }
            length => {
                raw.send(&[WINDOW], Some(frame))?;
                raw.begin(200_056)?;
                // Longer than the memory; of no whole words; none.
                let bytes = match length {
                    5 => 65_480,
                    6 => 13,
                    _ => 0,
                };
                raw.send(&[SLICE, bytes], None)?;
            }
        }
        if round == 1 {
            // It is a frame, and large enough.
            drop(raw);
        } else {
            raw.ends()?;
        }
        still_serves(name, &client)?;
    }
    mm_free(small)?;
    mm_free(frame)?;
    drop(client);
    echo.end()
}
