//! Exceptions that a thread handles itself.
//!
//! A handler is a function that gets the thread's registers at the exception, may change them, and says whether the thread goes on with
//! them. It runs as the thread, enabled, on an exception stack that is always mapped, so it may wait for locks, and a stack that ran over
//! does not harm it. It may use memory that comes into being by page faults; any other exception in a handler ends the domain. It runs
//! between any two instructions of the thread, so it may wait only for locks that the thread does not hold there. Rust knows nothing of
//! a thread that goes on elsewhere or with other registers, so changing these is unsafe.
//!
//! Barrelfish counterpart: `thread_set_exception_handler`.

use crate::arch::context::Registers;
use crate::arch::exception as arch;
use crate::paging::GUARD_BYTES;
use core::sync::atomic::{AtomicUsize, Ordering};

/// What becomes of a thread whose handler was called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It goes on with the registers as they are now.
    Resume,
    /// The domain ends, as without a handler.
    Unhandled,
}

/// A handler.
pub type Handler = fn(&mut Exception<'_>) -> Outcome;

/// How memory was used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// A load.
    Read,
    /// A store.
    Write,
    /// An instruction fetch.
    Execute,
}

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The address cannot be used like that.
    PageFault {
        /// The address.
        address: u64,
        /// How it was used.
        access: Access,
    },
    /// An instruction that does not exist, or that programs may not use.
    Undefined,
    /// A breakpoint instruction.
    Breakpoint,
    /// Anything else: the exception class (Arm ARM D24.2, ESR_EL1.EC).
    Other(u8),
}

/// What a syndrome (Arm ARM D24.2, ESR_EL1) and an address mean.
pub(crate) const fn kind_of([esr, far]: [u64; 2]) -> Kind {
    let class = (esr >> 26 & 0x3f) as u8;
    let access = match (class, esr & 0x40) {
        (0x20, _) => Access::Execute,
        (_, 0) => Access::Read,
        _ => Access::Write,
    };
    match class {
        // Translation, access flag and permission faults; others, such as alignment, have nothing to do with what is mapped.
        0x20 | 0x24 if matches!(esr & 0x3c, 0x04 | 0x08 | 0x0c) => Kind::PageFault {
            address: far,
            access,
        },
        0x00 => Kind::Undefined,
        0x3c => Kind::Breakpoint,
        class => Kind::Other(class),
    }
}

/// An exception of the thread that the handler runs as.
#[derive(Debug)]
pub struct Exception<'a> {
    registers: &'a mut Registers,
    esr: u64,
    far: u64,
}

impl Exception<'_> {
    /// What happened.
    pub const fn kind(&self) -> Kind {
        kind_of([self.esr, self.far])
    }

    /// The syndrome, as ESR_EL1 has it.
    pub const fn esr(&self) -> u64 {
        self.esr
    }

    /// The address of the instruction.
    pub const fn pc(&self) -> u64 {
        self.registers.pc
    }

    /// Lets the thread go on there.
    ///
    /// # Safety
    /// If the handler answers [`Outcome::Resume`], the thread can go on there with its registers as they are then: the code behind the
    /// exception was written for that.
    pub const unsafe fn set_pc(&mut self, pc: u64) {
        self.registers.pc = pc;
    }

    /// Lets the thread go on behind the instruction.
    ///
    /// # Safety
    /// As [`Exception::set_pc`]: what the instruction was to do is not done, and what it was to load is not there.
    pub const unsafe fn skip(&mut self) {
        self.registers.pc = self.registers.pc.wrapping_add(4);
    }

    /// The stack pointer.
    pub const fn sp(&self) -> u64 {
        self.registers.sp
    }

    /// The register x`number`; 0 from x31 on.
    pub fn x(&self, number: usize) -> u64 {
        self.registers.x.get(number).copied().unwrap_or(0)
    }

    /// Sets x`number`. x18 is not a thread's: it is lost.
    ///
    /// # Safety
    /// As [`Exception::set_pc`]: the code that goes on expects that value there, or any.
    pub unsafe fn set_x(&mut self, number: usize, value: u64) {
        if let Some(register) = self.registers.x.get_mut(number) {
            *register = value;
        }
    }
}

/// The handler of threads that have none of their own: its address, or 0.
static DEFAULT: AtomicUsize = AtomicUsize::new(0);

/// Sets the handler of the calling thread; answers which it had.
pub fn set_handler(handler: Option<Handler>) -> Option<Handler> {
    arch::replace_handler(handler)
}

/// Sets the handler of all threads that have none of their own.
pub fn set_default_handler(handler: Option<Handler>) {
    let address = handler.map_or(0, |handler| handler as usize);
    DEFAULT.store(address, Ordering::Release);
}

/// The handler of threads that have none of their own.
pub(crate) fn default_handler() -> Option<Handler> {
    arch::handler_at(DEFAULT.load(Ordering::Acquire))
}

/// Calls a handler, enabled, on the exception stack.
pub(crate) fn deliver(
    handler: Option<Handler>,
    registers: &mut Registers,
    [esr, far]: [u64; 2],
) -> Outcome {
    let mut exception = Exception {
        registers,
        esr,
        far,
    };
    handler.map_or(Outcome::Unhandled, |handler| handler(&mut exception))
}

/// Whether a fault at this address is the calling thread running off one of its stacks. The main thread's holes are the linker's.
pub(crate) fn is_overflow(address: u64) -> bool {
    let near = |bottom: u64| (bottom.saturating_sub(GUARD_BYTES)..bottom).contains(&address);
    arch::own_stacks().is_some_and(|bottoms| bottoms.into_iter().any(near))
}
