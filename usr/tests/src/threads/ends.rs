//! How a domain ends by one of its threads.

use super::exceptions::undefined;
use super::yields;
use crate::harness::{Outcome, equal, that};
use crate::world::World;
use aos::initproto::{FaultCause, Message, STATUS_PANIC};
use aos::sync::Mutex;
use aos::thread::exception::{Outcome as Handled, set_handler};
use aos::{Error, ram, thread};

/// Parts of children.
pub fn play(part: &str) -> Result<(), Error> {
    ram::add_system_memory()?;
    match part {
        "thread-overflow" => in_thread(|| {
            deeper(1);
        }),
        "thread-fault" => in_thread(|| crate::parts::load(8)),
        "thread-handler" => in_thread(|| {
            set_handler(Some(|_| {
                crate::parts::load(16);
                Handled::Resume
            }));
            undefined();
        }),
        "thread-handler-overflow" => in_thread(overflow_in_handler),
        "thread-main-overflow" => {
            overflow_in_handler();
            Ok(())
        }
        "thread-panic" => in_thread(panics),
        "thread-main" => {
            thread::spawn("endless", || {
                loop {
                    thread::yield_now();
                }
            })?
            .detach();
            yields(5);
            Ok(())
        }
        _ => stuck(),
    }
}

fn in_thread(work: fn()) -> Result<(), Error> {
    thread::spawn("an other thread", work)?.join()
}

#[expect(clippy::panic, reason = "this is the test of panics")]
fn panics() {
    panic!("in a thread");
}

#[expect(
    unconditional_recursion,
    reason = "running off the stack is what this is for"
)]
fn deeper(depth: u64) -> u64 {
    let frame = core::hint::black_box([depth; 32]);
    deeper(depth.wrapping_add(1)).wrapping_add(frame.iter().sum())
}

/// A handler that runs off its exception stack. What lies below must not be written: if it is, the domain goes on or ends otherwise.
fn overflow_in_handler() {
    set_handler(Some(|_| {
        deeper(1);
        Handled::Resume
    }));
    undefined();
}

/// Two threads, each with the lock that the other wants.
fn stuck() -> Result<(), Error> {
    static LOCKS: (Mutex<()>, Mutex<()>) = (Mutex::new(()), Mutex::new(()));
    let other = thread::spawn("right first", || {
        let _right = LOCKS.1.lock();
        yields(2);
        let _left = LOCKS.0.lock();
    })?;
    let _left = LOCKS.0.lock();
    yields(2);
    let _right = LOCKS.1.lock();
    other.join()
}

pub(super) fn ends(world: &World) -> Outcome {
    let name = *b"an other thread\0";
    let frame = ram::frame_alloc(4096)?;
    let end_of = |part| {
        let child = world.child(part, Some(frame))?;
        child.domain.start()?;
        let message = child.wait();
        child.domain.destroy()?;
        Ok::<_, crate::harness::Failure>(message)
    };
    for (part, cause, far) in [
        ("thread-overflow", FaultCause::StackOverflow, None),
        ("thread-fault", FaultCause::Exception, Some(8)),
        ("thread-handler", FaultCause::Exception, Some(16)),
    ] {
        let Some(Message::Fault(fault)) = end_of(part)? else {
            return that(false, "a fault");
        };
        equal((fault.cause, fault.thread), (cause, name))?;
        that(far.is_none_or(|far| far == fault.far), "the fault address")?;
    }
    // The main thread's has no name in the report.
    for (part, name) in [
        ("thread-handler-overflow", name),
        ("thread-main-overflow", [0; 16]),
    ] {
        let Some(Message::Fault(fault)) = end_of(part)? else {
            return that(false, "a fault of the handler");
        };
        equal(
            (fault.cause, fault.thread),
            (FaultCause::StackOverflow, name),
        )?;
    }
    let status = |status| Some(Message::Exit { status });
    equal(end_of("thread-panic")?, status(STATUS_PANIC))?;
    equal(end_of("thread-stuck")?, status(STATUS_PANIC))?;
    equal(end_of("thread-main")?, status(crate::parts::DONE))?;
    ram::mm_free(frame)?;
    Ok(())
}
