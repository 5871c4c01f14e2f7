//! Exceptions of a thread: from the fault upcall to its handler and back.
//!
//! The upcall puts the registers at the end of the thread's exception stack and goes on there, enabled. First the page fault is for
//! [`paging`](crate::paging) to resolve, else the exception is for the thread's handler. Then the thread goes on from those registers, which
//! nobody else uses: an interruption of the handler saves to the context's area.
//!
//! A handler may itself touch memory that is not there yet: that exception is put below it on the same stack. One that nobody resolves
//! there ends the domain.

use super::backtrace::Calls;
use super::context::{self, Raised, Registers, Repeated};
use super::dispatcher;
use super::scheduler::book;
use super::switch::__aos_copy_area;
use crate::memory::changes;
use crate::paging::fault::{Resolution, resolve};
use crate::report;
use crate::thread::exception::{Handler, Kind, Outcome, default_handler, deliver, kind_of};
use core::arch::global_asm;
use kpi::dispatcher::offsets::DISABLED;

global_asm!(
    // __aos_raise(x0 = exception, at the stack pointer to be, x1 = dispatcher): on to the exception stack, enabled.
    ".section .text.__aos_raise, \"ax\"",
    ".type __aos_raise, %function",
    ".global __aos_raise",
    "__aos_raise:",
    "mov sp, x0",
    "mov x29, xzr",
    "mov x30, xzr",
    "str wzr, [x1, #{disabled}]",
    "b {handle}",
    ".size __aos_raise, . - __aos_raise",
    disabled = const DISABLED,
    handle = sym handle,
);

unsafe extern "C" {
    fn __aos_raise(exception: usize, dispatcher: usize) -> !;
}

/// Bytes of stack that a handler must have: what the library's own takes to bring memory.
const LEAST_STACK: u64 = 6 << 10;
/// How often a fault at memory that is there is tried again while nothing changes: another thread may just have mapped it anew, or taken it away once
/// more since then.
const MOST_REPEATED: u32 = 64;

/// A fault upcall while enabled. Comes back when nobody could handle it.
pub(super) fn raise(dispatcher: usize, far: u64, esr: u64) {
    let context = context::current();
    // SAFETY: disabled; the context of who runs, which was interrupted while it did not use it.
    let thread = unsafe { &mut *context };
    let is_fault = matches!(kind_of([esr, far]), Kind::PageFault { .. });
    if !is_fault && thread.handler.or_else(default_handler).is_none() {
        return;
    }
    let area: *const Registers = core::ptr::with_exposed_provenance(dispatcher::enabled_area());
    // SAFETY: the enabled area holds the thread that was interrupted.
    let sp = unsafe { (*area).sp };
    // In a handler the stack goes on below; a handler that left its stack cannot be helped.
    let top = match thread.exception.is_null() {
        true => thread.exception_stack.end,
        false if thread.exception_stack.contains(&sp) => sp,
        false => return,
    };
    let Some(place) = top
        .checked_sub(size_of::<Raised>() as u64)
        .map(|place| place & !15)
        .filter(|place| *place >= thread.exception_stack.start + LEAST_STACK)
    else {
        return;
    };
    let place: *mut Raised = core::ptr::with_exposed_provenance_mut(place as usize);
    // SAFETY: an upcall runs disabled.
    let interrupted = unsafe { book() }.threads.interrupt();
    // SAFETY: part of the exception stack that is not in use.
    unsafe {
        (&raw mut (*place).syndrome).write([esr, far]);
        (&raw mut (*place).interrupted).write(interrupted);
        (&raw mut (*place).outer).write(thread.exception);
        __aos_copy_area((&raw mut (*place).registers) as usize, area as usize);
    }
    thread.exception = place;
    // SAFETY: the stack below is not in use.
    unsafe { __aos_raise(place as usize, dispatcher) }
}

/// Handles the exception of who runs: enabled, on its exception stack.
extern "C" fn handle(raised: usize) -> ! {
    let raised: *mut Raised = core::ptr::with_exposed_provenance_mut(raised);
    // SAFETY: of who runs, and its last: nobody else uses it before it is handled.
    let exception = unsafe { &mut *raised };
    let [esr, far] = exception.syndrome;
    let pc = exception.registers.pc;
    if let Kind::PageFault { address, access } = kind_of(exception.syndrome) {
        match resolve(address, access) {
            Resolution::Done => handled(),
            Resolution::Again if may_repeat(address, changes()) => handled(),
            Resolution::Unhelped if may_repeat(address, 0) => handled(),
            Resolution::Again | Resolution::Unhelped | Resolution::Not => {}
        }
    }
    if super::copy::escape(&mut exception.registers) {
        handled();
    }
    // A handler is not called for what happens in it.
    if exception.outer.is_null() {
        // SAFETY: the context of who runs.
        let handler = unsafe { (*context::current()).handler };
        let handler = handler.or_else(default_handler);
        if deliver(handler, &mut exception.registers, [esr, far]) == Outcome::Resume {
            handled();
        }
    }
    if exception.outer.is_null() {
        let calls = Calls::from(exception.registers.x[29]);
        report::fault(&exception.registers, [esr, far], calls);
    }
    dispatcher::disable();
    crate::exit::fault(far, esr, pc, false)
}

/// Whether it is worthwhile to try again a fault that came when the space was like that.
fn may_repeat(address: u64, changes: u64) -> bool {
    // SAFETY: the context of who runs; nobody else uses this field.
    let repeated = unsafe { &mut (*context::current()).repeated };
    let is_same = (repeated.address, repeated.changes) == (address, changes);
    let times = if is_same { repeated.times } else { 0 };
    *repeated = Repeated {
        address,
        changes,
        times: times + 1,
    };
    times < MOST_REPEATED
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

/// The last exception of who runs is handled: goes on with the registers in it.
fn handled() -> ! {
    dispatcher::disable();
    let context = context::current();
    // SAFETY: disabled; the context of who runs, whose registers nobody changes while they are being loaded, except by an exception of
    // the thread when they are.
    unsafe {
        let raised = (*context).exception;
        (*context).exception = (*raised).outer;
        book().threads.restore((*raised).interrupted);
        super::entry::resume(
            dispatcher::base() as usize,
            (&raw const (*raised).registers) as usize,
        )
    }
}
