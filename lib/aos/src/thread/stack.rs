//! Stacks: made, kept for the next thread, given back.
//!
//! A thread's memory is one region: a guard, the stack, which comes into being page by page as the thread goes down, another guard, and the
//! exception stack with the context at its end, which is there from the beginning. Making that takes thousands of instructions, so stacks of
//! ended threads are kept.

use crate::arch::context::{Context, EXCEPTION_BYTES};
use crate::arch::memory;
use crate::arch::scheduler;
use crate::error::{Error, ErrorCode};
use crate::paging::{GUARD_BYTES, OWN_BYTES, Stacks, paging_alloc_stacks, paging_free_stacks};
use kpi::addr::VirtAddr;
use kpi::layout::BASE_PAGE_SIZE;

/// Most stacks that are kept when a thread is made or joined.
const KEPT: usize = 32;

/// What a thread's memory is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mapping(VirtAddr);

/// Memory for a thread with a stack of so many bytes: a kept one, or a new one.
#[inline]
pub(super) fn take(bytes: u64) -> Result<*mut Context, Error> {
    let bytes = bytes
        .checked_next_multiple_of(BASE_PAGE_SIZE)
        .filter(|bytes| *bytes <= OWN_BYTES)
        .ok_or(Error::new(ErrorCode::LibOutOfVirtualAddr))?;
    let fits = |context: &Context| context.stack.end - context.stack.start == bytes;
    match scheduler::with(|book| book.take_stack(fits)) {
        Some(context) => Ok(context),
        None => make(bytes),
    }
}

#[cold]
#[inline(never)]
fn make(bytes: u64) -> Result<*mut Context, Error> {
    let Stacks {
        stack,
        exception_stack,
    } = paging_alloc_stacks(bytes, EXCEPTION_BYTES as u64)?;
    let context = Context {
        stack: stack.start..stack.end,
        mapping: Some(Mapping(VirtAddr(stack.start - GUARD_BYTES))),
        ..Context::EMPTY
    };
    let exception_stack = exception_stack.start..exception_stack.end;
    Ok(memory::place_context(context, exception_stack))
}

/// Gives back a thread's memory.
fn free(context: *mut Context) -> Result<(), Error> {
    let Some(Mapping(address)) = memory::take_mapping(context) else {
        return Ok(());
    };
    // SAFETY: no thread uses it, and nobody can find it any more.
    unsafe { paging_free_stacks(address) }
}

/// Gives back stacks that no thread uses until so many are kept.
#[cold]
#[inline(never)]
pub(super) fn trim(kept: usize) {
    let surplus = || {
        scheduler::with(|book| match book.unused_count > kept {
            true => book.take_stack(|_| true),
            false => None,
        })
    };
    while let Some(context) = surplus() {
        // What cannot be given back stays mapped and unused.
        let _ = free(context);
    }
}

/// Gives back what is too much to keep, when so many are kept.
#[inline]
pub(super) fn trim_some(kept: usize) {
    if kept > KEPT {
        trim(KEPT);
    }
}
