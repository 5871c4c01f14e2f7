//! What belongs to one thread, in memory that never faults: its registers while it does not run, its exception stack, where its
//! stacks are.
//!
//! A hole, the stack, a hole, the exception stack with the context at its end: the main thread's are two segments of the program
//! (`program.ld`), any other thread's are one mapping, made in `thread::stack`.
//!
//! A context is reached by its address, from the thread's place in the book; it lives as long as the thread, and its fields are used by
//! that thread, by code that runs disabled, or by who has a stack that no thread uses.

use core::ops::Range;
use core::sync::atomic::{AtomicPtr, Ordering};
use kpi::dispatcher::offsets::{AREA_PC, AREA_SP, AREA_SPSR};
use threads::Interrupted;

use super::memory::place_context;
use crate::thread::exception::Handler;
use crate::thread::local::Slots;

/// Bytes of an exception stack, the context included.
pub(crate) const EXCEPTION_BYTES: usize = 16384;

/// Registers as a save area has them: x0 to x30, SP, PC, flags.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(16))]
pub(crate) struct Registers {
    pub(crate) x: [u64; 31],
    pub(crate) sp: u64,
    pub(crate) pc: u64,
    pub(crate) flags: u64,
}

impl Registers {
    const ZERO: Self = Self {
        x: [0; 31],
        sp: 0,
        pc: 0,
        flags: 0,
    };
}

const _: () = {
    use core::mem::offset_of;
    assert!(offset_of!(Registers, sp) == AREA_SP);
    assert!(offset_of!(Registers, pc) == AREA_PC);
    assert!(offset_of!(Registers, flags) == AREA_SPSR);
};

/// An exception that a thread handles: on its exception stack, below it what handles it.
#[repr(C, align(16))]
pub(crate) struct Raised {
    /// The registers it goes on with.
    pub(crate) registers: Registers,
    /// Syndrome and address.
    pub(crate) syndrome: [u64; 2],
    /// The wait that it interrupted.
    pub(crate) interrupted: Interrupted,
    /// The one whose handler it happened in.
    pub(crate) outer: *mut Raised,
}

/// A fault that is tried again.
#[derive(Clone, Copy)]
pub(crate) struct Repeated {
    /// Its address.
    pub(crate) address: u64,
    /// What the space was like: as after so many changes.
    pub(crate) changes: u64,
    /// How often it was tried.
    pub(crate) times: u32,
}

impl Repeated {
    pub(crate) const NONE: Self = Self {
        address: 0,
        changes: 0,
        times: 0,
    };
}

/// A thread's own.
#[repr(C, align(16))]
pub(crate) struct Context {
    /// Where its registers are on its stack, if it gave the core away by a call; 0: they are in `area`.
    pub(crate) sp: u64,
    /// Its registers, if it was interrupted.
    pub(crate) area: Registers,
    /// The exception that it handles, the last of them; null: none.
    pub(crate) exception: *mut Raised,
    /// The last fault at memory that is there, and how often it came in a row.
    pub(crate) repeated: Repeated,
    /// What handles its exceptions.
    pub(crate) handler: Option<Handler>,
    pub(crate) stack: Range<u64>,
    pub(crate) exception_stack: Range<u64>,
    pub(crate) locals: Slots,
    /// Next of the stacks that no thread uses.
    pub(crate) next_unused: *mut Context,
    /// Where the mapping begins, and its frame; the main thread has none.
    pub(crate) mapping: Option<crate::thread::stack::Mapping>,
}

impl Context {
    pub(crate) const EMPTY: Self = Self {
        sp: 0,
        area: Registers::ZERO,
        exception: core::ptr::null_mut(),
        repeated: Repeated::NONE,
        handler: None,
        stack: 0..0,
        exception_stack: 0..0,
        locals: Slots::EMPTY,
        next_unused: core::ptr::null_mut(),
        mapping: None,
    };
}

/// Offset of [`Context::area`], which the switch needs.
pub(crate) const AREA: usize = 16;
const _: () = {
    assert!(core::mem::offset_of!(Context, area) == AREA);
    assert!(core::mem::offset_of!(Context, sp) == 0);
    assert!(size_of::<Context>() < EXCEPTION_BYTES / 4);
};

/// The context of the thread that runs, or ran last.
static CURRENT: AtomicPtr<Context> = AtomicPtr::new(core::ptr::null_mut());

/// The context of who runs.
#[inline(always)]
pub(crate) fn current() -> *mut Context {
    CURRENT.load(Ordering::Relaxed)
}

/// Sets it.
#[inline(always)]
pub(crate) fn set_current(context: *mut Context) {
    CURRENT.store(context, Ordering::Relaxed);
}

/// Makes the main thread's, which runs.
pub(super) fn start(stack: Range<u64>, exception_stack: Range<u64>) -> *mut Context {
    let context = Context {
        stack,
        ..Context::EMPTY
    };
    // Called once, with what the linker has kept for this.
    let context = place_context(context, exception_stack);
    set_current(context);
    context
}
