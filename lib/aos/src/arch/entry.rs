//! First instruction, upcalls, leaving disabled mode, giving the core away.
//!
//! **Start.** The kernel enters `_start` with the dispatcher disabled, x0 = arguments page, no stack. The main stack is a
//! segment of its own (program.ld). [`start`] fills in the upcall entries, then clears `disabled`: from there an interruption
//! saves to the enabled area and comes back as a `run` upcall.
//!
//! **Upcalls** enter disabled and without a stack; each routine takes one of two stacks in `.bss`: `run` and `pagefault` the
//! upcall stack, `trap` and `pagefault_disabled` the trap stack. None of them nests in itself: while disabled there are no
//! upcalls but `pagefault_disabled` (and `trap`), and a fault in those ends at the kernel's limit of faults.
//!
//! **Leaving disabled mode** (`__aos_resume`, up to `__aos_resume_end`): behind the store that clears
//! `disabled` the flag is clear but the PC is in the range, which the kernel counts as disabled: an interruption there saves to the disabled area and continues exactly there, and so the enabled area,
//! which is being loaded, stays as it is. The target PC is in x18, which no other code uses (`-Zfixed-x18`).
//!
//! What runs behind an upcall and when a thread waits is in [`scheduler`]. The enabled area holds the thread that runs, whenever the
//! dispatcher does not.

use super::backtrace::Calls;
use super::context::Registers;
use super::{call, dispatcher, exception, heap, scheduler};
use crate::report;
use core::arch::global_asm;
use core::cell::UnsafeCell;
use kpi::dispatcher::offsets::{AREA_PC, AREA_SP, AREA_SPSR, DISABLED};
use kpi::syscall::{CallWord, Syscall};

pub(super) const UPCALL_STACK_BYTES: usize = 16384;
const TRAP_STACK_BYTES: usize = 8192;

/// A stack. Only the assembly below uses it, one upcall at a time.
#[repr(C, align(16))]
pub(super) struct Stack<const BYTES: usize>(UnsafeCell<[u8; BYTES]>);

// SAFETY: Rust code never touches the contents through the static; the processor does, as a stack.
unsafe impl<const BYTES: usize> Sync for Stack<BYTES> {}

pub(super) static UPCALL_STACK: Stack<UPCALL_STACK_BYTES> =
    Stack(UnsafeCell::new([0; UPCALL_STACK_BYTES]));
static TRAP_STACK: Stack<TRAP_STACK_BYTES> = Stack(UnsafeCell::new([0; TRAP_STACK_BYTES]));

global_asm!(
    // x0 = arguments page
    ".section .text._start, \"ax\"",
    ".global _start",
    ".type _start, %function",
    "_start:",
    "adrp x9, __stack_top",
    "add x9, x9, :lo12:__stack_top",
    "mov sp, x9",
    "mov x29, xzr",
    "mov x30, xzr",
    "bl {start}",
    "brk #1",
    ".size _start, . - _start",
    "",
    ".section .text.__aos_upcalls, \"ax\"",
    // Upcalls: x0 = dispatcher, faults also x1 = FAR, x2 = ESR, x3 = PC; x9 is free.
    ".macro AOS_STACK stack, pages",
    "adrp x9, \\stack",
    "add x9, x9, :lo12:\\stack",
    "add x9, x9, #\\pages, lsl #12",
    "mov sp, x9",
    "mov x29, xzr",
    "mov x30, xzr",
    ".endm",
    ".type __aos_run, %function",
    ".global __aos_run",
    "__aos_run:",
    "AOS_STACK {upcall_stack}, {upcall_pages}",
    "b {run}",
    ".size __aos_run, . - __aos_run",
    ".type __aos_pagefault, %function",
    ".global __aos_pagefault",
    "__aos_pagefault:",
    "AOS_STACK {upcall_stack}, {upcall_pages}",
    "mov x4, #0",
    "b {fault}",
    ".size __aos_pagefault, . - __aos_pagefault",
    ".type __aos_trap, %function",
    ".global __aos_trap",
    "__aos_trap:",
    "AOS_STACK {trap_stack}, {trap_pages}",
    "mov x4, #0",
    "b {fault}",
    ".size __aos_trap, . - __aos_trap",
    ".type __aos_pagefault_disabled, %function",
    ".global __aos_pagefault_disabled",
    "__aos_pagefault_disabled:",
    "AOS_STACK {trap_stack}, {trap_pages}",
    "mov x4, #1",
    "b {fault}",
    ".size __aos_pagefault_disabled, . - __aos_pagefault_disabled",
    "",
    // __aos_resume(x0 = dispatcher, x1 = save area): does not return.
    ".section .text.__aos_resume, \"ax\"",
    ".type __aos_resume, %function",
    ".global __aos_resume",
    ".global __aos_resume_end",
    "__aos_resume:",
    "ldr x18, [x1, #{area_pc}]",
    "ldr x2, [x1, #{area_spsr}]",
    "msr nzcv, x2",
    "ldr x2, [x1, #{area_sp}]",
    "mov sp, x2",
    "str wzr, [x0, #{disabled}]",
    "ldp x2, x3, [x1, #16]",
    "ldp x4, x5, [x1, #32]",
    "ldp x6, x7, [x1, #48]",
    "ldp x8, x9, [x1, #64]",
    "ldp x10, x11, [x1, #80]",
    "ldp x12, x13, [x1, #96]",
    "ldp x14, x15, [x1, #112]",
    "ldp x16, x17, [x1, #128]",
    "ldp x19, x20, [x1, #152]",
    "ldp x21, x22, [x1, #168]",
    "ldp x23, x24, [x1, #184]",
    "ldp x25, x26, [x1, #200]",
    "ldp x27, x28, [x1, #216]",
    "ldp x29, x30, [x1, #232]",
    "ldp x0, x1, [x1]",
    "br x18",
    "__aos_resume_end:",
    ".size __aos_resume, . - __aos_resume",
    "",
    // __aos_yield(x0 = enabled area, x1 = call word) -> x0: saves what a call preserves so that the `run` upcall can return 0
    // from here, then yields. Returns at once, with the error, when the kernel refuses. Runs disabled.
    ".section .text.__aos_yield, \"ax\"",
    ".type __aos_yield, %function",
    ".global __aos_yield",
    "__aos_yield:",
    "str xzr, [x0]",
    "stp x19, x20, [x0, #152]",
    "stp x21, x22, [x0, #168]",
    "stp x23, x24, [x0, #184]",
    "stp x25, x26, [x0, #200]",
    "stp x27, x28, [x0, #216]",
    "stp x29, x30, [x0, #232]",
    "mov x9, sp",
    "str x9, [x0, #{area_sp}]",
    "adr x9, 1f",
    "str x9, [x0, #{area_pc}]",
    "str xzr, [x0, #{area_spsr}]",
    "mov x0, x1",
    "mov x1, xzr",
    "svc #0",
    "1: ret",
    ".size __aos_yield, . - __aos_yield",
    start = sym start,
    run = sym scheduler::run,
    fault = sym fault,
    upcall_stack = sym UPCALL_STACK,
    upcall_pages = const UPCALL_STACK_BYTES / 4096,
    trap_stack = sym TRAP_STACK,
    trap_pages = const TRAP_STACK_BYTES / 4096,
    area_sp = const AREA_SP,
    area_pc = const AREA_PC,
    area_spsr = const AREA_SPSR,
    disabled = const DISABLED,
);

unsafe extern "C" {
    fn __aos_run();
    fn __aos_pagefault();
    fn __aos_pagefault_disabled();
    fn __aos_trap();
    fn __aos_resume(dispatcher: usize, area: usize) -> !;
    fn __aos_yield(area: usize, call: u64) -> u64;
    static __aos_resume_end: u8;
    static __stack_guard: u8;
    static __stack_bottom: u8;
    static __stack_top: u8;
    static __exception_guard: u8;
    static __exception_bottom: u8;
    static __exception_top: u8;
}

/// Runs on the main stack, with the dispatcher disabled.
extern "C" fn start(args: usize) -> ! {
    dispatcher::set_entries(&dispatcher::Entries {
        run: __aos_run as *const () as usize,
        pagefault: __aos_pagefault as *const () as usize,
        pagefault_disabled: __aos_pagefault_disabled as *const () as usize,
        trap: __aos_trap as *const () as usize,
        resume: __aos_resume as *const () as usize..(&raw const __aos_resume_end) as usize,
    });
    heap::claim();
    let range = |from: *const u8, to: *const u8| from as u64..to as u64;
    scheduler::start(
        range(&raw const __stack_bottom, &raw const __stack_top),
        range(&raw const __exception_bottom, &raw const __exception_top),
    );
    dispatcher::set_disabled(false);
    crate::start::run(args)
}

/// Loads the registers of a save area and leaves disabled mode.
///
/// # Safety
/// The dispatcher is disabled, and the area holds the registers of the thread that is to run.
pub(super) unsafe fn resume(dispatcher: usize, area: usize) -> ! {
    // SAFETY: the caller's promise.
    unsafe { __aos_resume(dispatcher, area) }
}

/// Every fault upcall.
extern "C" fn fault(dispatcher: usize, far: u64, esr: u64, pc: u64, disabled: u64) -> ! {
    if disabled == 0 && !crate::exit::is_ending() {
        exception::raise(dispatcher, far, esr);
    }
    if !crate::exit::is_ending() {
        let area = match disabled {
            0 => dispatcher::enabled_area(),
            _ => dispatcher::trap_area(),
        };
        let area: *const Registers = core::ptr::with_exposed_provenance(area);
        // SAFETY: part of the mapped frame; the kernel saved the registers there, and nobody uses them before this domain has ended.
        let registers = unsafe { area.read() };
        // A fault now would be the last, so only a stack is looked at that is all there.
        let calls = Calls::from_pinned(registers.x[29]);
        report::fault(&Registers { pc, ..registers }, [esr, far], calls);
    }
    crate::exit::fault(far, esr, pc, disabled != 0)
}

/// The stack that upcalls run on.
pub(super) fn upcall_stack() -> core::ops::Range<u64> {
    let start = (&raw const UPCALL_STACK) as u64;
    start..start + UPCALL_STACK_BYTES as u64
}

/// Whether the address lies in the hole below the main stack, or in that below the main thread's exception stack.
pub(crate) fn in_stack_guard(address: u64) -> bool {
    let holes = [
        (&raw const __stack_guard) as u64..(&raw const __stack_bottom) as u64,
        (&raw const __exception_guard) as u64..(&raw const __exception_bottom) as u64,
    ];
    holes.iter().any(|hole| hole.contains(&address))
}

/// Gives the core to another dispatcher, staying runnable: all threads of this one wait for its next turn.
pub(crate) fn yield_core() {
    dispatcher::disable();
    yield_disabled();
}

/// The same, disabled already. Returns enabled.
pub(super) fn yield_disabled() {
    // SAFETY: disabled.
    unsafe { super::scheduler::book() }.held.send();
    dispatcher::set_parking(dispatcher::lmp_delivered(), true, 0);
    let word = CallWord::simple(Syscall::Yield, 2).0;
    // SAFETY: the dispatcher is disabled, so nobody else uses the enabled area; it is part of the mapped frame.
    let error = unsafe { __aos_yield(dispatcher::enabled_area(), word) };
    if error != 0 {
        // A refused yield is one that returns early.
        dispatcher::set_disabled(false);
    }
}

/// Parks the dispatcher for good; for an ending domain. Every wake-up comes back through [`run`].
pub(crate) fn park(haswork: bool) -> ! {
    dispatcher::set_parking(dispatcher::lmp_delivered(), haswork, 0);
    let word = CallWord::simple(Syscall::Yield, 2).0;
    call::call([word, 0], &[]);
    give_up()
}

/// Faults until the kernel takes the dispatcher off the scheduler and says so to the monitor.
pub(crate) fn give_up() -> ! {
    dispatcher::set_disabled(true);
    loop {
        // SAFETY: raises an undefined-instruction exception, which is what is wanted.
        unsafe { core::arch::asm!("udf #0", options(nomem, nostack)) };
    }
}
