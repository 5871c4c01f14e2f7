//! Messages between two domains, and calls made of them.
//!
//! The server is this program once more, as a child, which answers each message with one as long.

use crate::interrupt;
use crate::meter::{Meter, What, one};
use alloc::vec;
use aos::binding::bind;
use aos::boot::Boot;
use aos::cap::{CNodeRef, CapRef, cap_delete};
use aos::flounder::{Limits, Single};
use aos::kpi::layout::BASE_PAGE_SIZE;
use aos::kpi::lmp::LMP_DEFAULT_BUFFER_WORDS;
use aos::kpi::slots::root;
use aos::kpi::syscall::SendFlags;
use aos::lmp::{Endpoint, Received, Waited, endpoint_create, reply_wait, send, send_waiting};
use aos::proc::Command;
use aos::slot::slot_alloc;
use aos::{Error, ErrorCode, event, names, ram, time};
use core::time::Duration;
use services::echo::EchoClient;

/// The child's argument.
pub const SERVER: &str = "--ipc-server";
/// The same for one that does nothing but send and receive, and hands the core to who gets its answer, or does not.
pub const DIRECTED: &str = "--ipc-directed";
/// See [`DIRECTED`].
pub const PLAIN: &str = "--ipc-plain";

/// The argument to measure nothing but messages: for who traces instructions.
pub const ONLY: &str = "--only-ipc";

/// Where the parent receives.
const ANSWERS: CapRef = CNodeRef::own(root::ARGCN).slot(1);

/// The child.
///
/// # Errors
/// Those of the preparation, and of sending.
pub fn serve() -> Result<(), Error> {
    ram::add_system_memory()?;
    let endpoint = endpoint_create(LMP_DEFAULT_BUFFER_WORDS as u32)?;
    send_waiting(ANSWERS, &[], Some(endpoint.cap()))?;
    let mut request = receive(&endpoint)?;
    loop {
        let waited = match *request.words() {
            [] => reply_wait(Some(ANSWERS), [], None),
            [a, b, c, d] => reply_wait(Some(ANSWERS), [a, b, c, d], None),
            [a, b, c, d, e, f, g, h] => reply_wait(Some(ANSWERS), [a, b, c, d, e, f, g, h], None),
            _ => Ok(Waited::Busy),
        };
        request = match waited? {
            Waited::Message(_, message) => message,
            Waited::Look => receive(&endpoint)?,
            Waited::Busy => {
                send(ANSWERS, request.words(), None, SendFlags::SYNC)?;
                receive(&endpoint)?
            }
        };
    }
}

/// The child without ReplyWait.
///
/// # Errors
/// As [`serve`].
pub fn serve_plainly(flags: SendFlags) -> Result<(), Error> {
    ram::add_system_memory()?;
    let endpoint = endpoint_create(LMP_DEFAULT_BUFFER_WORDS as u32)?;
    send_waiting(ANSWERS, &[], Some(endpoint.cap()))?;
    loop {
        let request = receive(&endpoint)?;
        send(ANSWERS, request.words(), None, flags)?;
    }
}

fn receive(endpoint: &Endpoint) -> Result<Received, Error> {
    loop {
        let snapshot = event::snapshot();
        if let Some(message) = endpoint.receive() {
            return Ok(message);
        }
        event::wait_until(snapshot, None);
    }
}

/// Measures them, where this program may make domains.
///
/// # Errors
/// Those of making a domain, and of messages.
pub fn run(meter: &mut Meter) -> Result<(), Error> {
    meter.suite = "ipc";
    if Boot::of_trusted().is_err() {
        return Ok(());
    }
    let endpoint = endpoint_create(LMP_DEFAULT_BUFFER_WORDS as u32)?;
    let server = slot_alloc()?;
    endpoint.arm(server);
    let frame = ram::frame_alloc(BASE_PAGE_SIZE)?;
    let domain = interrupt::make(SERVER, frame, endpoint.cap())?;
    domain.start()?;
    receive(&endpoint)?;
    // Once round the run queue: one that waits there would keep these two off the kernel's fast path until then.
    event::yield_now();
    let words = [1, 2, 3, 4, 5, 6, 7, 8];
    let to = Calls {
        server,
        answers: &endpoint,
    };
    to.measure(meter, one("call and reply, 0 words", 420), [])?;
    to.measure(meter, one("call and reply, 4 words", 440), [1, 2, 3, 4])?;
    to.measure(meter, one("call and reply, 8 words", 480), words)?;
    meter.measure(
        one("call and reply by buffers, 8 words", 900),
        || {
            send(server, &words, None, SendFlags::SYNC)?;
            receive(&endpoint).map(|_| ())
        },
        || Ok(()),
    )?;
    domain.destroy()?;
    for (argument, name, flags) in [
        (
            DIRECTED,
            "the same, ReplyWait off at both ends",
            SendFlags::SYNC,
        ),
        (PLAIN, "the same, and no directed yield", SendFlags(0)),
    ] {
        let domain = interrupt::make(argument, frame, endpoint.cap())?;
        // It went with its domain, most likely.
        let _ = cap_delete(server);
        endpoint.arm(server);
        domain.start()?;
        receive(&endpoint)?;
        event::yield_now();
        let call = || {
            send(server, &words, None, flags)?;
            receive(&endpoint).map(|_| ())
        };
        meter.measure(one(name, 0), call, || Ok(()))?;
        domain.destroy()?;
    }
    calls(meter)
}

/// Calls of an interface, to the service `echo`, which the name server knows.
fn calls(meter: &mut Meter) -> Result<(), Error> {
    let child = Command::of_line("echo bench/echo")?.spawn()?;
    // ANCHOR: client
    let found = names::nameservice_wait_for("bench/echo", Duration::from_secs(5))?;
    let echo = event::block_on(async {
        let channel = bind(found.handle).await?;
        EchoClient::<_, Single>::bind(channel, Limits::large()).await
    })?;
    let sum = event::call(echo.add(1, 2))?;
    // ANCHOR_END: client
    if sum != 3 {
        return Err(Error::new(ErrorCode::LibLmpChanRecv));
    }
    let nothing = || Ok(());
    meter.measure(
        one("call of an interface, nothing", 0),
        || event::call(echo.null()),
        nothing,
    )?;
    meter.measure(
        one("the same, awaited", 900),
        || event::block_on(echo.null()),
        nothing,
    )?;
    meter.measure(
        one("call of an interface, 8 words", 0),
        || event::call(echo.words(1, 2, 3, 4, 5, 6, 7, 8)).map(drop),
        nothing,
    )?;
    for (name, bytes) in [
        ("call of an interface, 64 bytes", 64),
        ("call of an interface, 4 KiB", 4 << 10),
        ("call of an interface, 64 KiB", 64 << 10),
        ("call of an interface, 1 MiB", 1 << 20),
    ] {
        let data = vec![0x5a; bytes];
        let mut sample = || {
            let before = time::cycles();
            let count = event::call(echo.count(&data))?;
            let took = time::cycles().wrapping_sub(before);
            match count == bytes as u64 {
                true => Ok(took),
                false => Err(Error::new(ErrorCode::LibLmpChanRecv)),
            }
        };
        match bytes {
            0..=65_536 => meter.measure_by(one(name, 0), sample)?,
            _ => meter.measure_few(one(name, 0), &mut sample)?,
        }
    }
    meter.measure(
        one("looking a name up", 0),
        || names::nameservice_lookup("bench/echo").map(drop),
        nothing,
    )?;
    event::call(echo.end())?;
    child.wait().map(drop)
}

/// A server, and where its answers come.
struct Calls<'a> {
    server: CapRef,
    answers: &'a Endpoint,
}

impl Calls<'_> {
    fn measure<const N: usize>(
        &self,
        meter: &mut Meter,
        what: What<'_>,
        words: [u64; N],
    ) -> Result<(), Error> {
        let mut last = words;
        meter.measure(
            what,
            || {
                let message = match reply_wait(Some(self.server), words, Some(self.answers.id()))? {
                    Waited::Message(_, message) => message,
                    _ => receive(self.answers)?,
                };
                let came = message.words().first_chunk();
                last = *came.ok_or(Error::new(ErrorCode::LibLmpChanRecv))?;
                Ok(())
            },
            || Ok(()),
        )?;
        match last == words {
            true => Ok(()),
            false => Err(Error::new(ErrorCode::LibLmpChanRecv)),
        }
    }
}
