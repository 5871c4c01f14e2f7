//! The terminal's line in the profile *course*: the kernel's console, which has no interrupt.
//!
//! init's main thread looks at the console, at the prompt and while a program runs. As long as the program reads from the terminal it passes on what was
//! typed, byte by byte; what is typed otherwise stays for the prompt. Output goes where init's own goes, in the terminal's pieces.

use alloc::vec::Vec;
use aos::service::{Host, Round};
use aos::stdio;
use aos::sync::Mutex;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Poll, Waker};
use services::terminal::TerminalService;

/// Bytes that are taken from the terminal at a time.
const TAKEN_AT_ONCE: usize = 256;

/// Bytes for the terminal, and whom to wake for them.
static TYPED: Mutex<(Vec<u8>, Option<Waker>)> = Mutex::new((Vec::new(), None));
/// A program waits for one.
static IS_WANTED: AtomicBool = AtomicBool::new(false);

/// Whether the terminal wants a byte.
pub fn wants() -> bool {
    IS_WANTED.load(Ordering::Relaxed)
}

/// Gives it one: then it is seen whether it wants another.
pub fn feed(byte: u8) {
    IS_WANTED.store(false, Ordering::Relaxed);
    let waker = {
        let mut typed = TYPED.lock();
        typed.0.push(byte);
        typed.1.take()
    };
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Wakes the service when there is something.
pub fn watch(host: &mut Host) {
    host.set_beside(|cx| {
        let mut typed = TYPED.lock();
        match typed.0.is_empty() {
            true => {
                typed.1 = Some(cx.waker().clone());
                Poll::Pending
            }
            false => Poll::Ready(()),
        }
    });
}

/// What there is to do for the line. It always has all that was taken.
pub fn turn(terminal: &mut TerminalService, _round: &mut Round) -> bool {
    let typed = core::mem::take(&mut TYPED.lock().0);
    if !typed.is_empty() {
        terminal.input(&typed);
    }
    while terminal.has_output() {
        let mut output = terminal.take_output(TAKEN_AT_ONCE);
        // The kernel's console sets the carriage returns itself.
        output.retain(|byte| *byte != b'\r');
        // There is always a console.
        let _ = stdio::write(&output);
    }
    let _ = stdio::flush();
    let wants = terminal.wants_input();
    IS_WANTED.store(wants, Ordering::Relaxed);
    true
}
