//! ReplyWait: sending and waiting in one call, with a child that answers.

use crate::harness::{Failure, Harness, Outcome, equal, refused, that};
use aos::cap::{CapRef, cap_direct_identify};
use aos::error::{Error, ErrorCode, is_transient};
use aos::kpi::lmp::{EndpointBuffer, LMP_DEFAULT_BUFFER_WORDS};
use aos::kpi::slots::task;
use aos::kpi::syscall::{CallWord, SendFlags};
use aos::lmp::{self, Endpoint, Received, Waited, endpoint_create, reply_wait, send_waiting};
use aos::proc::{Child, Command, End, passed};
use aos::slot::{slot_alloc, slot_free};
use aos::{event, lmp::set_fast_path, syscall, thread, time};
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;

const SUITE: &str = "reply-wait";
/// The fast path is switched off.
static SLOW: AtomicBool = AtomicBool::new(false);
const NONE: SendFlags = SendFlags(0);
/// The answer to this word comes to the other endpoint.
const ELSEWHERE: u64 = 0xe15e;
/// The child ends.
const END: u64 = 0xe4d;

/// Runs the suite.
pub fn run(harness: &mut Harness) {
    harness.test(SUITE, "messages of every length, each way, fast", lengths);
    harness.test(SUITE, "the same without the fast path", || slowly(lengths));
    harness.test(
        SUITE,
        "a message to another endpoint ends the wait",
        elsewhere,
    );
    harness.test(
        SUITE,
        "the same answer, where there is no fast path",
        || slowly(elsewhere),
    );
    harness.test(SUITE, "the wait ends when a thread is to be woken", sleeper);
    harness.test(
        SUITE,
        "registers stay, and none of the sender's come",
        registers,
    );
    harness.test(SUITE, "it is refused where it must be", refusals);
}

/// A child that answers.
struct Echo {
    child: Child,
    answers: Endpoint,
    other: Endpoint,
    server: CapRef,
}

impl Echo {
    fn start() -> Result<Self, Failure> {
        let [answers, other] = [
            endpoint_create(LMP_DEFAULT_BUFFER_WORDS as u32)?,
            endpoint_create(LMP_DEFAULT_BUFFER_WORDS as u32)?,
        ];
        let server = slot_alloc()?;
        answers.arm(server);
        let command = Command::of_line("tests --child reply-wait")?;
        let command = match SLOW.load(Ordering::Relaxed) {
            true => command.env("LMP_FAST_PATH", "off"),
            false => command,
        };
        let child = command.pass(answers.cap()).pass(other.cap()).spawn()?;
        let came = receive(&answers)?;
        that(came.has_cap(), "the server's endpoint")?;
        Ok(Self {
            child,
            answers,
            other,
            server,
        })
    }

    fn call<const N: usize>(&self, words: [u64; N]) -> Result<(bool, Received), Failure> {
        match reply_wait(Some(self.server), words, Some(self.answers.id()))? {
            Waited::Message(at, message) => {
                equal(at, self.answers.id())?;
                Ok((true, message))
            }
            Waited::Look => Ok((false, receive(&self.answers)?)),
            Waited::Busy => {
                send_waiting(self.server, &words, None)?;
                Ok((false, receive(&self.answers)?))
            }
        }
    }

    fn end(self) -> Outcome {
        send_waiting(self.server, &[END], None)?;
        equal(self.child.wait()?, End::Exited(crate::parts::DONE))?;
        // Its endpoint went with it.
        Ok(slot_free(self.server)?)
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

/// The child: answers each message with the same words in the other order.
pub fn play() -> Result<(), Error> {
    let missing = Error::new(ErrorCode::LibLmpChanSend);
    let (answers, other) = (passed(0).ok_or(missing)?, passed(1).ok_or(missing)?);
    let endpoint = endpoint_create(LMP_DEFAULT_BUFFER_WORDS as u32)?;
    send_waiting(answers, &[], Some(endpoint.cap()))?;
    let mut request = receive(&endpoint)?;
    loop {
        let mut words = [0; 9];
        let count = request.words().len();
        for (to, from) in words.iter_mut().zip(request.words().iter().rev()) {
            *to = *from;
        }
        let [first, second, third, fourth, ..] = words;
        let to = match first {
            END => return Ok(()),
            ELSEWHERE => other,
            _ => answers,
        };
        let waited = match count {
            0 => reply_wait(Some(to), [], None)?,
            1 => reply_wait(Some(to), [first], None)?,
            4 => reply_wait(Some(to), [first, second, third, fourth], None)?,
            9 => reply_wait(Some(to), words, None)?,
            _ => Waited::Busy,
        };
        request = match waited {
            Waited::Message(at, message) if at == endpoint.id() => message,
            Waited::Message(..) => return Err(missing),
            Waited::Look => receive(&endpoint)?,
            Waited::Busy => {
                send_waiting(to, words.get(..count).unwrap_or_default(), None)?;
                receive(&endpoint)?
            }
        };
    }
}

fn lengths() -> Outcome {
    let echo = Echo::start()?;
    let mut fast = 0;
    for round in 0..600_u64 {
        let (was_fast, message) = match round % 4 {
            0 => echo.call([])?,
            1 => echo.call([round])?,
            2 => echo.call([round, 1, 2, 3])?,
            _ => echo.call([round, 1, 2, 3, 4, 5, 6, 7, u64::MAX])?,
        };
        let expected: &[u64] = match round % 4 {
            0 => &[],
            1 => &[round],
            2 => &[3, 2, 1, round],
            _ => &[u64::MAX, 7, 6, 5, 4, 3, 2, 1, round],
        };
        equal(message.words(), expected)?;
        fast += usize::from(was_fast);
    }
    // The first of each time slice may go the other way.
    match SLOW.load(Ordering::Relaxed) {
        true => equal(fast, 0)?,
        false => that(fast > 500, "most of them came in registers")?,
    }
    echo.end()
}

/// A test without the fast path, at both ends.
fn slowly(test: fn() -> Outcome) -> Outcome {
    set_fast_path(false);
    SLOW.store(true, Ordering::Relaxed);
    let done = test();
    SLOW.store(false, Ordering::Relaxed);
    set_fast_path(true);
    done
}

fn elsewhere() -> Outcome {
    let echo = Echo::start()?;
    echo.call([1])?;
    for _ in 0..20 {
        match reply_wait(Some(echo.server), [ELSEWHERE], Some(echo.answers.id()))? {
            Waited::Message(..) => return Err(Failure::new("nothing for who waits", "a message")),
            Waited::Look => {}
            Waited::Busy => send_waiting(echo.server, &[ELSEWHERE], None)?,
        }
        equal(receive(&echo.other)?.words(), &[ELSEWHERE][..])?;
        that(echo.answers.receive().is_none(), "nothing for the first")?;
    }
    echo.end()
}

/// Who waits by ReplyWait for nothing is there in time for another thread of the domain.
fn sleeper() -> Outcome {
    let endpoint = endpoint_create(LMP_DEFAULT_BUFFER_WORDS as u32)?;
    let before = time::now();
    let sleeping = thread::spawn("sleeper", || thread::sleep(Duration::from_millis(20)))?;
    // It has to be asleep, else it could run.
    thread::yield_now();
    let waited = reply_wait(None, [], Some(endpoint.id()))?;
    that(matches!(waited, Waited::Look), "no message")?;
    let passed = time::now().wrapping_sub(before);
    that(passed >= time::frequency() / 50, "not too early")?;
    sleeping.join()?;
    Ok(())
}

/// Fills every register that the caller may expect to keep, and says which bits differ behind a round trip; and those of the
/// scratch registers, which come as zeroes.
#[inline(never)]
fn differences(echo: &Echo) -> Result<(u64, u64), Failure> {
    let word = CallWord::reply_wait(echo.server.level() as u8, 1);
    let shared = syscall::dispatcher();
    let at = cap_direct_identify(echo.answers.cap())?.as_end_point_lmp();
    let at = at.map_or(0, |cap| cap.epoffset);
    let (result, differing, scratch);
    // SAFETY: as the library does it: disabled from before the call to behind it, so nothing else of this program runs; x19 and x29, which cannot
    // be named as clobbered, are put back.
    unsafe {
        let delivered = (&raw const (*shared).lmp_delivered).read_volatile();
        (&raw mut (*shared).disabled).write_volatile(1);
        (&raw mut (*shared).lmp_seen).write_volatile(delivered);
        (&raw mut (*shared).wakeup).write_volatile(0);
        core::arch::asm!(
            "stp x19, x29, [sp, #-16]!",
            ".irp n,12,13,14,15,16,17,19,20,21,22,23,24,25,26,27,28,29,30",
            "mov x\\n, #\\n",
            ".endr",
            "svc #0",
            "mov x2, xzr",
            ".irp n,19,20,21,22,23,24,25,26,27,28,29,30",
            "sub x\\n, x\\n, #\\n",
            "orr x2, x2, x\\n",
            ".endr",
            "orr x12, x12, x13",
            "orr x14, x14, x15",
            "orr x16, x16, x17",
            "orr x12, x12, x14",
            "orr x12, x12, x16",
            "ldp x19, x29, [sp], #16",
            inlateout("x0") word.0 => _, inlateout("x1") u64::from(echo.server.addr().0) => result,
            inlateout("x2") at => differing, inlateout("x3") 7_u64 => _,
            out("x4") _, out("x5") _, out("x6") _, out("x7") _, out("x8") _, out("x9") _, out("x10") _, out("x11") _,
            out("x12") scratch, out("x13") _, out("x14") _, out("x15") _, out("x16") _, out("x17") _, out("x20") _, out("x21") _,
            out("x22") _, out("x23") _, out("x24") _, out("x25") _, out("x26") _, out("x27") _, out("x28") _, out("x30") _,
        );
        (&raw mut (*shared).disabled).write_volatile(0);
    }
    let result: u64 = result;
    let scratch: u64 = scratch;
    // Only the fast path clears them for the receiver; by the other one they are its own.
    if result == 0 {
        receive(&echo.answers)?;
        return Ok((differing, 0));
    }
    Ok((differing, scratch))
}

fn registers() -> Outcome {
    let echo = Echo::start()?;
    for _ in 0..20 {
        echo.call([1])?;
        equal(differences(&echo)?, (0, 0))?;
    }
    echo.end()
}

fn refusals() -> Outcome {
    // refuses Syscall.ReplyWait: CALLER_ENABLED
    let word = CallWord::reply_wait(0, 0);
    // SAFETY: refused, since this thread runs enabled.
    let results = unsafe { syscall::raw([word.0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]) };
    let error = Error::from_raw(results.error).map_or(Ok(()), Err);
    refused(error, ErrorCode::SysCallerEnabled)?;
    // refuses Syscall.ReplyWait: ILLEGAL_INVOCATION, LMP_NO_TARGET
    let to = |cap| reply_wait(Some(cap), [1], None);
    refused(
        to(CapRef::task(task::DISPATCHER)),
        ErrorCode::SysIllegalInvocation,
    )?;
    refused(to(CapRef::task(task::SELFEP)), ErrorCode::SysLmpNoTarget)?;
    // refuses Syscall.ReplyWait: LMP_EP_STATE_INVALID, LMP_BUF_OVERFLOW
    let endpoint = endpoint_create(21)?;
    let offset = cap_direct_identify(endpoint.cap())?.as_end_point_lmp();
    let offset = offset.map_or(0, |cap| cap.epoffset as usize);
    let buffer = syscall::dispatcher()
        .wrapping_byte_add(offset)
        .cast::<EndpointBuffer>();
    // SAFETY: the kernel says that the buffer is there, in the own frame, which is mapped for good; only this thread uses it.
    let made = unsafe {
        (&raw mut (*buffer).consumed).write_volatile(21);
        let made = to(endpoint.cap());
        (&raw mut (*buffer).consumed).write_volatile(0);
        made
    };
    refused(made, ErrorCode::SysLmpEpStateInvalid)?;
    for _ in 0..2 {
        lmp::send(endpoint.cap(), &[0; 9], None, NONE)?;
    }
    // What waits to be seen is seen first.
    event::yield_now();
    match to(endpoint.cap()) {
        Err(error) => {
            that(is_transient(error), "transient")?;
            refused(Err::<(), _>(error), ErrorCode::SysLmpBufOverflow)?;
        }
        Ok(other) => return Err(Failure::new("a full buffer", alloc::format!("{other:?}"))),
    }
    while endpoint.receive().is_some() {}
    Ok(())
}
