//! System calls below capabilities, and the raw call for programs that test the kernel.

use crate::arch::{call, dispatcher};
use crate::error::{self, Error};
use kpi::dispatcher::DispatcherShared;
use kpi::syscall::{CallWord, PRINT_MAX, Syscall};

pub use call::Results;

/// Prints bytes on the console, in as many calls as it takes.
///
/// # Errors
/// Those of the kernel: `SYS_ERR_INVALID_USER_BUFFER` cannot happen for a slice.
pub fn print(mut bytes: &[u8]) -> Result<(), Error> {
    while !bytes.is_empty() {
        let part = bytes.len().min(PRINT_MAX as usize) as u64;
        let word = CallWord::simple(Syscall::Print, 3).0;
        let address = bytes.as_ptr() as u64;
        let results = call::call([word, address], &[part]);
        error::check(results.error)?;
        let [printed, ..] = results.values;
        // A kernel that prints nothing must not make this loop for ever.
        let printed = usize::try_from(printed).unwrap_or(usize::MAX).max(1);
        bytes = bytes.get(printed..).unwrap_or_default();
    }
    Ok(())
}

/// A byte from the bootstrap console, if one is there.
pub fn getchar() -> Option<u8> {
    look_at_console().0
}

/// As [`getchar`]; and whether the last output on the console was the end of a line that another domain printed.
pub fn look_at_console() -> (Option<u8>, bool) {
    let word = CallWord::simple(Syscall::Getchar, 1).0;
    let results = call::call([word, 0], &[]);
    let [byte, others, _] = results.values;
    if results.error != 0 {
        return (None, false);
    }
    // The number that stands for none is no byte either.
    (u8::try_from(byte).ok(), others != 0)
}

/// Enters the kernel and comes back: what every system call costs.
///
/// # Errors
/// Those of the kernel: none.
#[inline(always)]
pub fn nop() -> Result<(), Error> {
    let word = CallWord::simple(Syscall::Nop, 1).0;
    error::check(call::call([word, 0], &[]).error)
}

/// Any system call with any words: for programs that test the kernel.
///
/// # Safety
/// The call must not take memory away that the program still uses, nor write to memory that it does not expect to change.
pub unsafe fn raw(words: [u64; 12]) -> Results {
    let [first, second, rest @ ..] = words;
    call::call([first, second], &rest)
}

/// The structure that this domain shares with the kernel: for programs that test the kernel. It is mapped as long as the domain lives; the
/// library uses it at any moment.
pub fn dispatcher() -> *mut DispatcherShared {
    dispatcher::base()
}
