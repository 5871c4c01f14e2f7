//! Exceptions of a thread: from the fault upcall to its handler and back.
//!
//! The upcall copies the enabled area to the thread's context and goes on, enabled, on the thread's exception stack. When the handler is
//! done the thread goes on from those registers, which nobody else uses: an interruption of the handler saves to the context's other area.

use super::context::{self, Context};
use super::dispatcher;
use super::scheduler::{__aos_copy_area, book};
use crate::thread::exception::{Handler, Outcome, default_handler, deliver};
use core::arch::global_asm;
use kpi::dispatcher::offsets::DISABLED;

global_asm!(
    // __aos_raise(x0 = context, x1 = dispatcher, x2 = stack): on to the exception stack, enabled.
    ".section .text.__aos_raise, \"ax\"",
    ".type __aos_raise, %function",
    ".global __aos_raise",
    "__aos_raise:",
    "mov sp, x2",
    "mov x29, xzr",
    "mov x30, xzr",
    "str wzr, [x1, #{disabled}]",
    "b {handle}",
    ".size __aos_raise, . - __aos_raise",
    disabled = const DISABLED,
    handle = sym handle,
);

unsafe extern "C" {
    fn __aos_raise(context: usize, dispatcher: usize, stack: u64) -> !;
}

/// A fault upcall while enabled. Comes back when the thread that runs does not handle it.
pub(super) fn raise(dispatcher: usize, far: u64, esr: u64) {
    let context = context::current();
    // SAFETY: disabled; the context of who runs, which was interrupted while it did not use it.
    let thread = unsafe { &mut *context };
    if thread.in_exception || thread.handler.or_else(default_handler).is_none() {
        return;
    }
    // SAFETY: an upcall runs disabled.
    thread.interrupted = unsafe { book() }.threads.interrupt();
    thread.in_exception = true;
    thread.syndrome = [esr, far];
    let (registers, stack) = (
        (&raw mut thread.exception) as usize,
        thread.exception_stack.end,
    );
    // SAFETY: the enabled area holds the thread that runs; its exception stack is not in use.
    unsafe {
        __aos_copy_area(registers, dispatcher::enabled_area());
        __aos_raise(context as usize, dispatcher, stack)
    }
}

/// Handles the exception of who runs: enabled, on its exception stack.
extern "C" fn handle(context: usize) -> ! {
    let context: *mut Context = core::ptr::with_exposed_provenance_mut(context);
    // SAFETY: the context of who runs. Only the registers are referred to while the handler runs, which has no other way to them.
    let (handler, syndrome, registers) = unsafe {
        (
            (*context).handler.or_else(default_handler),
            (*context).syndrome,
            &mut (*context).exception,
        )
    };
    let pc = registers.pc;
    if deliver(handler, registers, syndrome) == Outcome::Resume {
        handled();
    }
    dispatcher::disable();
    let [esr, far] = syndrome;
    crate::exit::fault(far, esr, pc, false)
}

/// Sets the calling thread's handler; answers which it had.
pub(crate) fn replace_handler(handler: Option<Handler>) -> Option<Handler> {
    // SAFETY: the context of who runs; nobody refers to this field for longer than a statement.
    core::mem::replace(unsafe { &mut (*context::current()).handler }, handler)
}

/// The handler with that address; 0 is none.
pub(crate) fn handler_at(address: usize) -> Option<Handler> {
    // SAFETY: made from a handler's address, or 0, by `set_default_handler`; an `Option` of a function pointer is that.
    unsafe { core::mem::transmute::<usize, Option<Handler>>(address) }
}

/// The ends of the calling thread's stack and exception stack, if holes are before them.
pub(crate) fn own_stacks() -> Option<[u64; 2]> {
    let context = context::current();
    // SAFETY: the context of who runs; these fields do not change while it lives.
    unsafe {
        let bottoms = [(*context).stack.start, (*context).exception_stack.start];
        (*context).mapping.is_some().then_some(bottoms)
    }
}

/// The exception of who runs is handled: goes on with the registers in its context.
fn handled() -> ! {
    dispatcher::disable();
    let context = context::current();
    // SAFETY: disabled; the context of who runs, whose registers nobody changes while they are being loaded, except by an exception of
    // the thread when they are.
    unsafe {
        (*context).in_exception = false;
        book().threads.restore((*context).interrupted);
        super::entry::resume(
            dispatcher::base() as usize,
            (&raw const (*context).exception) as usize,
        )
    }
}
