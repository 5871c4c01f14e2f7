//! Services: calls of `echo`, many at once, its death, the name server, binding, and clients that obey no rule.
//!
//! Each test starts its own `echo`. Nothing waits without an end: a call that is not answered in time is a failure.

mod binding;
mod calls;
mod death;
pub mod hostile;
mod large;
mod naming;

use crate::harness::{Failure, Harness, Outcome, at_most, equal};
use crate::processes::Test;
use crate::world::sleep;
use aos::binding::bind;
use aos::cap::reap;
use aos::channel::{Channel, closing};
use aos::flounder::{Call, Limits, within};
use aos::kpi::layout::SLOT_BYTES;
use aos::lmp::set_fast_path;
use aos::proc::{Child, Command, End};
use aos::ram::mm_usage;
use aos::slot::slot_usage;
use aos::sync::Shared;
use aos::{Error, ErrorCode, event, heap, names, time};
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use services::echo::EchoClient;

const SUITE: &str = "services";
const SLOW_SUITE: &str = "services-slow";
/// Services are started without the fast path.
static SLOW: AtomicBool = AtomicBool::new(false);
/// Longer than anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes that may stay in use after the whole suite: books and endpoints that are kept to be used again.
const KEPT: u64 = 512 << 10;

/// What is tested, with the shortcuts of messages and without.
const ALL: [&[Test]; 6] = [
    calls::TESTS,
    death::TESTS,
    naming::TESTS,
    binding::TESTS,
    hostile::TESTS,
    large::TESTS,
];

/// The client's side.
pub type Client = EchoClient<Channel, Shared>;

/// Runs the suite.
pub fn run(harness: &mut Harness) {
    let mut before = None;
    harness.test(SUITE, "a service is started, found, and ends", || {
        let echo = Echo::start("svc/first")?;
        soon(echo.client()?.null())?;
        echo.end()?;
        before = Some(free());
        Ok(())
    });
    for (name, test) in ALL.into_iter().flatten() {
        harness.test(SUITE, name, test);
    }
    // The same without ReplyWait, at both ends.
    set_fast_path(false);
    SLOW.store(true, Ordering::Relaxed);
    for (name, test) in ALL.into_iter().flatten() {
        harness.test(SLOW_SUITE, name, test);
    }
    SLOW.store(false, Ordering::Relaxed);
    set_fast_path(true);
    harness.test(SUITE, "what was used comes back", || {
        let before = before.ok_or(Failure::new("the first test", "failed"))?;
        let kept = before.saturating_sub(free());
        aos::println!("services: {kept} bytes were kept");
        at_most(kept, KEPT, "bytes kept")
    });
}

/// What the children do: `tests --child svc-PART SEED`.
pub fn play(part: &str, seed: u64) -> Result<(), Error> {
    match part {
        "svc-client" => calls::crowd_client(seed),
        "svc-hangs" => death::hang(),
        "svc-other" => naming::other(),
        "svc-full" => hostile::full(),
        "svc-hostile" => hostile::dies(seed),
        _ => Err(Error::new(ErrorCode::SpawnGetCmdlineArgs)),
    }
}

/// A service that runs.
pub struct Echo {
    name: &'static str,
    child: Child,
}

impl Echo {
    /// Starts it, and waits until it is known.
    pub fn start(name: &'static str) -> Result<Self, Failure> {
        let command = Command::of_line(&alloc::format!("echo {name}"))?;
        let child = match SLOW.load(Ordering::Relaxed) {
            true => command.env("LMP_FAST_PATH", "off").spawn()?,
            false => command.spawn()?,
        };
        names::nameservice_wait_for(name, PATIENCE)?;
        Ok(Self { name, child })
    }

    /// A connection to it.
    pub fn client(&self) -> Result<Client, Failure> {
        Ok(client_of(self.name)?)
    }

    /// Has it end by itself.
    pub fn end(self) -> Outcome {
        let client = self.client()?;
        soon(client.end())?;
        drop(client);
        equal(self.child.wait()?, End::Exited(0))?;
        forgotten(self.name)
    }
}

/// Connects to the echo service of that name.
pub fn client_of(name: &str) -> Result<Client, Error> {
    let found = names::nameservice_lookup(name)?;
    event::block_on(async { Client::bind(bind(found.handle).await?, Limits::large()).await })
}

/// A call's answer, which must come in time.
pub fn soon<V>(call: Call<'_, Channel, Shared, V>) -> Result<V, Error> {
    event::block_on(within(call, event::sleep_until(time::after(PATIENCE))))
}

/// Waits until a name stands for nothing.
#[track_caller]
pub fn forgotten(name: &str) -> Outcome {
    let deadline = time::after(PATIENCE);
    loop {
        match names::nameservice_lookup(name) {
            Err(error) if error.contains(ErrorCode::LibNameserviceUnknownName) => return Ok(()),
            Err(error) => return Err(error.into()),
            Ok(_) if time::now() > deadline => {
                return Err(Failure::new("an unknown name", "still known"));
            }
            Ok(_) => sleep(Duration::from_millis(1)),
        }
    }
}

/// Bytes of free memory, that of free slots included, when nothing is left to be done.
pub fn free() -> u64 {
    while closing() > 0 {
        sleep(Duration::from_millis(1));
    }
    reap();
    heap::trim();
    mm_usage().free + u64::from(slot_usage().1) * SLOT_BYTES
}

/// Bytes that look like nothing else.
pub fn pattern(bytes: usize, seed: u64) -> alloc::vec::Vec<u8> {
    let mut random = random::Random::new(seed);
    (0..bytes).map(|_| random.below(256) as u8).collect()
}
