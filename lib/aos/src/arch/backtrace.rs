//! Who called whom: return addresses along the chain of frame pointers.
//!
//! Everything is compiled with frame pointers (`hake build`), so x29 leads to a record of two words on the stack: the caller's x29, and
//! where the call returns to. Only records that lie on a stack of the running thread, or on the upcall stack, are followed, each above the one before it:
//! a chain that a bug has damaged ends early and never leads elsewhere. Above a record a stack has been used, so its pages are there.

use super::context;
use super::entry::upcall_stack;
use core::arch::asm;
use core::ops::Range;

/// Most callers that are told.
const MOST: usize = 16;
/// Bytes of a record.
const RECORD_BYTES: u64 = 16;
/// Bytes of an instruction: the call is the one before the return address.
const CALL_BYTES: u64 = 4;

/// The calls, innermost first, by their addresses.
#[derive(Clone, Debug)]
pub(crate) struct Calls {
    /// Where the next record is.
    record: u64,
    stack: Range<u64>,
    left: usize,
}

impl Calls {
    /// From a record on.
    pub(crate) fn from(record: u64) -> Self {
        Self {
            record,
            stack: stack_of(record),
            left: MOST,
        }
    }

    /// The same, if the record is on the thread's exception stack or on the upcall stack, which never fault; else none.
    pub(crate) fn from_pinned(record: u64) -> Self {
        let mut calls = Self::from(record);
        let current = context::current();
        // SAFETY: the context of who runs; this does not change while it lives.
        let lazy = (!current.is_null()).then(|| unsafe { (*current).stack.clone() });
        if lazy == Some(calls.stack.clone()) {
            calls.left = 0;
        }
        calls
    }

    /// Of the function that calls this.
    #[inline(always)]
    pub(crate) fn here() -> Self {
        let record;
        // SAFETY: reads a register.
        unsafe { asm!("mov {}, x29", out(reg) record, options(nomem, nostack, preserves_flags)) };
        Self::from(record)
    }
}

impl Iterator for Calls {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let end = self.record.checked_add(RECORD_BYTES)?;
        let is_there = self.stack.contains(&self.record) && end <= self.stack.end;
        if self.left == 0 || !is_there || !self.record.is_multiple_of(8) {
            return None;
        }
        self.left -= 1;
        let record: *const [u64; 2] = core::ptr::with_exposed_provenance(self.record as usize);
        // SAFETY: two aligned words of a stack that is mapped and in use (module header); volatile, since they belong to running code.
        let [next, back] = unsafe { record.read_volatile() };
        // The next record lies further up, or there is none.
        self.record = if next > self.record { next } else { 0 };
        (back != 0).then(|| back.wrapping_sub(CALL_BYTES))
    }
}

/// The stack that an address is on.
fn stack_of(address: u64) -> Range<u64> {
    let current = context::current();
    let stacks = match current.is_null() {
        true => [0..0, 0..0],
        // SAFETY: the context of who runs; these fields do not change while it lives.
        false => unsafe { [(*current).stack.clone(), (*current).exception_stack.clone()] },
    };
    let mut stacks = stacks.into_iter().chain([upcall_stack()]);
    stacks
        .find(|stack| stack.contains(&address))
        .unwrap_or(0..0)
}
