//! Switching between stacks: from one thread's registers to another's, and a thread's first ones.
//!
//! A thread that gives the core away by a call pushes the registers that a call preserves and leaves its stack
//! pointer in its context; one that was interrupted has all its registers in the enabled area, and the `run` upcall copies them to the
//! context only if somebody else runs next. `__aos_enter` takes either, and leaves disabled mode as `entry` describes.

use super::context::{self, AREA, Context, Registers};
use super::dispatcher;
use super::entry::{UPCALL_STACK, UPCALL_STACK_BYTES};
use super::scheduler::idle;
use core::arch::global_asm;
use kpi::dispatcher::offsets::{AREA_BYTES, DISABLED};

global_asm!(
    // __aos_switch(x0 = context to leave, x1 = context to enter, x2 = dispatcher). Runs disabled, returns enabled.
    ".section .text.__aos_switch, \"ax\"",
    ".type __aos_switch, %function",
    ".global __aos_switch",
    ".global __aos_enter",
    "__aos_switch:",
    "stp x29, x30, [sp, #-96]!",
    "stp x19, x20, [sp, #16]",
    "stp x21, x22, [sp, #32]",
    "stp x23, x24, [sp, #48]",
    "stp x25, x26, [sp, #64]",
    "stp x27, x28, [sp, #80]",
    "mov x9, sp",
    "str x9, [x0]",
    // __aos_enter(-, x1 = context, x2 = dispatcher): does not return.
    "__aos_enter:",
    "ldr x9, [x1]",
    "cbz x9, 1f",
    "mov sp, x9",
    // From here on an interruption saves to the enabled area, as of the thread whose stack this is.
    "str wzr, [x2, #{disabled}]",
    "ldp x19, x20, [sp, #16]",
    "ldp x21, x22, [sp, #32]",
    "ldp x23, x24, [sp, #48]",
    "ldp x25, x26, [sp, #64]",
    "ldp x27, x28, [sp, #80]",
    "ldp x29, x30, [sp], #96",
    "ret",
    "1: mov x0, x2",
    "add x1, x1, #{area}",
    "b __aos_resume",
    ".size __aos_switch, . - __aos_switch",
    "",
    // __aos_leave(x0 = context to leave, x1 = dispatcher): as __aos_switch, to whoever can run, when somebody can.
    ".section .text.__aos_leave, \"ax\"",
    ".type __aos_leave, %function",
    ".global __aos_leave",
    "__aos_leave:",
    "stp x29, x30, [sp, #-96]!",
    "stp x19, x20, [sp, #16]",
    "stp x21, x22, [sp, #32]",
    "stp x23, x24, [sp, #48]",
    "stp x25, x26, [sp, #64]",
    "stp x27, x28, [sp, #80]",
    "mov x9, sp",
    "str x9, [x0]",
    "adrp x9, {upcall_stack}",
    "add x9, x9, :lo12:{upcall_stack}",
    "add x9, x9, #{upcall_pages}, lsl #12",
    "mov sp, x9",
    "mov x29, xzr",
    "mov x30, xzr",
    "mov x0, x1",
    "b {idle}",
    ".size __aos_leave, . - __aos_leave",
    "",
    // A thread's first instruction: x19 = argument, x20 = function.
    ".section .text.__aos_thread, \"ax\"",
    ".type __aos_thread, %function",
    ".global __aos_thread",
    "__aos_thread:",
    "mov x0, x19",
    "blr x20",
    "brk #1",
    ".size __aos_thread, . - __aos_thread",
    "",
    // __aos_copy_area(x0 = to, x1 = from): the 34 words of a save area.
    ".section .text.__aos_copy_area, \"ax\"",
    ".type __aos_copy_area, %function",
    ".global __aos_copy_area",
    "__aos_copy_area:",
    ".irp at, 0, 32, 64, 96, 128, 160, 192, 224",
    "ldp x2, x3, [x1, #\\at]",
    "ldp x4, x5, [x1, #\\at + 16]",
    "stp x2, x3, [x0, #\\at]",
    "stp x4, x5, [x0, #\\at + 16]",
    ".endr",
    "ldp x2, x3, [x1, #256]",
    "stp x2, x3, [x0, #256]",
    "ret",
    ".size __aos_copy_area, . - __aos_copy_area",
    disabled = const DISABLED,
    area = const AREA,
    idle = sym idle,
    upcall_stack = sym UPCALL_STACK,
    upcall_pages = const UPCALL_STACK_BYTES / 4096,
);

const _: () = assert!(size_of::<Registers>() == 272 && size_of::<Registers>() <= AREA_BYTES);

unsafe extern "C" {
    // Addresses of contexts, save areas and the dispatcher, as the comments above say.
    pub(super) fn __aos_switch(from: usize, to: usize, dispatcher: usize);
    pub(super) fn __aos_enter(unused: usize, context: usize, dispatcher: usize) -> !;
    pub(super) fn __aos_leave(from: usize, dispatcher: usize);
    pub(super) fn __aos_copy_area(to: usize, from: usize);
    fn __aos_thread();
}

/// Goes on as another thread. Returns when this one is entered again, enabled.
///
/// # Safety
/// The dispatcher is disabled; the book says that `to` runs; no reference into the book is used afterwards.
#[inline]
pub(super) unsafe fn switch(to: *mut Context) {
    let from = context::current();
    context::set_current(to);
    // SAFETY: both are contexts; `to` left its registers on its stack or in its area.
    unsafe { __aos_switch(from as usize, to as usize, dispatcher::base() as usize) };
}

/// The start of a thread: `function(argument)` on the stack that ends at `top`, a multiple of 16.
///
/// # Safety
/// `[top - 96, top)` is the caller's to write and part of a stack for that function.
pub(crate) unsafe fn first_frame(top: u64, function: usize, argument: usize) -> u64 {
    let frame: *mut [u64; 12] = core::ptr::with_exposed_provenance_mut(top as usize - 96);
    let start = __aos_thread as *const () as u64;
    let words = [
        0,
        start,
        argument as u64,
        function as u64,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
    ];
    // SAFETY: the caller's promise.
    unsafe { frame.write(words) };
    top - 96
}
