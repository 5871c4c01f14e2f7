//! The system call instruction.

use super::dispatcher;
use core::arch::asm;
use core::mem::MaybeUninit;
use kpi::lmp::LMP_WORDS;
use kpi::syscall::{CallWord, ReplyWaitResult};

/// What a system call returns.
#[derive(Clone, Copy, Debug)]
pub struct Results {
    /// 0, or a stacked error value.
    pub error: u64,
    /// Up to three values.
    pub values: [u64; 3],
}

/// Makes a system call with two words in x0 and x1, and up to ten more from x2 on.
///
/// Not `unsafe` inside this crate, as file and device access is not in ordinary Rust: a call can take memory away from under
/// the program only through capabilities that it names, and the functions that name those own the memory.
#[inline(always)]
pub(crate) fn call(head: [u64; 2], args: &[u64]) -> Results {
    let [w0, w1] = head;
    // Registers that carry no argument are left as they are: the kernel looks at no more words than a call has.
    let mut words = [MaybeUninit::<u64>::uninit(); 10];
    for (place, word) in words.iter_mut().zip(args) {
        place.write(*word);
    }
    let [w2, w3, w4, w5, w6, w7, w8, w9, w10, w11] = words;
    let (error, v1, v2, v3);
    // SAFETY: the kernel changes x0 to x3 only (kpi::syscall) and memory, which an `asm!` without `nomem` may do. x18 is
    // not used by compiled code at all.
    unsafe {
        asm!(
            "svc #0",
            inlateout("x0") w0 => error,
            inlateout("x1") w1 => v1,
            inlateout("x2") w2 => v2,
            inlateout("x3") w3 => v3,
            in("x4") w4,
            in("x5") w5,
            in("x6") w6,
            in("x7") w7,
            in("x8") w8,
            in("x9") w9,
            in("x10") w10,
            in("x11") w11,
            options(nostack),
        );
    }
    Results {
        error,
        values: [v1, v2, v3],
    }
}

/// Makes an invocation that answers in five words, with these words in x0 to x2.
pub(crate) fn call_long([w0, w1, w2]: [u64; 3]) -> (u64, [u64; 5]) {
    let (error, v1, v2, v3, v4, v5);
    // SAFETY: as `call`; the kernel changes x0 to x5.
    unsafe {
        asm!(
            "svc #0",
            inlateout("x0") w0 => error,
            inlateout("x1") w1 => v1,
            inlateout("x2") w2 => v2,
            lateout("x3") v3,
            lateout("x4") v4,
            lateout("x5") v5,
            options(nostack),
        );
    }
    (error, [v1, v2, v3, v4, v5])
}

/// What [`reply_wait`] ended with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Swapped {
    /// 0, or a stacked error value.
    pub(crate) error: u64,
    /// What came.
    pub(crate) result: ReplyWaitResult,
    /// The payload, if something came.
    pub(crate) payload: [u64; LMP_WORDS],
}

/// Sends a message and waits for the next one: [`Syscall::ReplyWait`](kpi::syscall::Syscall::ReplyWait). Called disabled.
#[inline(always)]
pub(crate) fn reply_wait(
    word: CallWord,
    endpoint: u64,
    accepts: u64,
    payload: [u64; LMP_WORDS],
) -> Swapped {
    let [
        mut w3,
        mut w4,
        mut w5,
        mut w6,
        mut w7,
        mut w8,
        mut w9,
        mut w10,
        mut w11,
    ] = payload;
    let (error, result);
    // SAFETY: as `call`; the kernel changes x0 to x17. All other registers of this domain come back as they were.
    unsafe {
        asm!(
            "svc #0",
            inlateout("x0") word.0 => error,
            inlateout("x1") endpoint => result,
            inlateout("x2") accepts => _,
            inlateout("x3") w3,
            inlateout("x4") w4,
            inlateout("x5") w5,
            inlateout("x6") w6,
            inlateout("x7") w7,
            inlateout("x8") w8,
            inlateout("x9") w9,
            inlateout("x10") w10,
            inlateout("x11") w11,
            lateout("x12") _,
            lateout("x13") _,
            lateout("x14") _,
            lateout("x15") _,
            lateout("x16") _,
            lateout("x17") _,
            options(nostack),
        );
    }
    Swapped {
        error,
        result: ReplyWaitResult(result),
        payload: [w3, w4, w5, w6, w7, w8, w9, w10, w11],
    }
}

/// Makes calls one after the other, up to the first that fails; answers its error, or 0. Disabled meanwhile: nothing of this domain runs between
/// them, and nothing of its memory is used but the stack, the dispatcher frame and this code.
#[inline(never)]
pub(crate) fn calls_in_a_row(calls: &[([u64; 2], [u64; 8])]) -> u64 {
    dispatcher::disable();
    let mut error = 0;
    for (head, args) in calls {
        error = call(*head, args).error;
        if error != 0 {
            break;
        }
    }
    dispatcher::set_disabled(false);
    error
}
