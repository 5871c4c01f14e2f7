//! System calls that are no invocations: what they refuse.

use crate::harness::{Harness, Outcome, refused};
use aos::cap::CapRef;
use aos::error::ErrorCode;
use aos::kpi::cap::ObjType;
use aos::kpi::layout::BASE_PAGE_SIZE;
use aos::kpi::slots::task;
use aos::kpi::syscall::{CallWord, Syscall};
use aos::ram::{frame_alloc, mm_free, object_alloc};
use aos::slot::{slot_alloc, slot_free};
use aos::{Error, syscall};

const SUITE: &str = "calls";
/// An address of nobody: the null page.
const NOWHERE: u64 = 64;

/// Runs the suite.
pub fn run(harness: &mut Harness) {
    harness.test(SUITE, "unknown calls are refused", unknown);
    harness.test(
        SUITE,
        "calls with too many words are refused",
        too_many_words,
    );
    harness.test(
        SUITE,
        "printing what cannot be read is refused",
        print_refused,
    );
    harness.test(SUITE, "yielding is refused where it must be", yield_refused);
}

fn checked(error: u64) -> Result<(), Error> {
    Error::from_raw(error).map_or(Ok(()), Err)
}

/// A call with a first word and up to two more.
fn call(word: u64, args: [u64; 2]) -> Result<(), Error> {
    let [first, second] = args;
    // SAFETY: none of the calls made here takes memory away or writes to any.
    let results = unsafe { syscall::raw([word, first, second, 0, 0, 0, 0, 0, 0, 0, 0, 0]) };
    checked(results.error)
}

fn unknown() -> Outcome {
    for number in 0..16 {
        if Syscall::from_word(number).is_none() {
            let made = call(number | 1 << 4, [0; 2]);
            refused(made, ErrorCode::SysIllegalSyscall)?;
        }
    }
    Ok(())
}

fn too_many_words() -> Outcome {
    let calls = [
        Syscall::Yield,
        Syscall::Nop,
        Syscall::Print,
        Syscall::Getchar,
    ];
    for made in calls {
        let made = call(CallWord::simple(made, 9).0, [0; 2]);
        refused(made, ErrorCode::SysInvargsSyscall)?;
    }
    Ok(())
}

fn print_refused() -> Outcome {
    // refuses Syscall.Print: INVALID_USER_BUFFER
    let print = CallWord::simple(Syscall::Print, 3).0;
    let text = "calls: this must not be seen\n";
    let place = text.as_ptr().expose_provenance() as u64;
    for (address, length) in [
        (NOWHERE, 1),
        // The kernel's half.
        (place | 0xffff << 48, 1),
        (u64::MAX, 2),
    ] {
        let made = call(print, [address, length]);
        refused(made, ErrorCode::SysInvalidUserBuffer)?;
    }
    Ok(())
}

/// Yields to `target` while the dispatcher is disabled, as only the library does otherwise. It must be refused: nobody would come back here.
fn yield_disabled(target: u64) -> Result<(), Error> {
    let word = CallWord::simple(Syscall::Yield, 2).0;
    let shared = syscall::dispatcher();
    // SAFETY: the frame is mapped for good. An interruption of a disabled dispatcher goes on where it was, so only this thread runs
    // until the flag is cleared, and nothing here waits for another.
    let made = unsafe {
        (&raw mut (*shared).disabled).write_volatile(1);
        let made = syscall::raw([word, target, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        (&raw mut (*shared).disabled).write_volatile(0);
        made
    };
    checked(made.error)
}

fn yield_refused() -> Outcome {
    // refuses Syscall.Yield: CALLER_ENABLED, INVALID_YIELD_TARGET
    let word = CallWord::simple(Syscall::Yield, 2).0;
    let own = CapRef::task(task::DISPATCHER).addr();
    for target in [0, u64::from(own.0)] {
        refused(call(word, [target, 0]), ErrorCode::SysCallerEnabled)?;
    }
    let address = |cap: CapRef| u64::from(cap.addr().0);
    // Of a type that never runs.
    let frame = frame_alloc(BASE_PAGE_SIZE)?;
    let invalid = ErrorCode::SysInvalidYieldTarget;
    refused(yield_disabled(address(frame)), invalid)?;
    // Never set up.
    let dispatcher = object_alloc(ObjType::Dispatcher, 0)?;
    refused(yield_disabled(address(dispatcher)), invalid)?;
    let empty = slot_alloc()?;
    refused(yield_disabled(address(empty)), ErrorCode::SysCapNotFound)?;
    slot_free(empty)?;
    for cap in [frame, dispatcher] {
        mm_free(cap)?;
    }
    Ok(())
}
