//! What only AArch64 knows: the first instructions, the exception vectors, switching to a dispatcher.
//!
//! All assembly of the CPU driver is here. The rules it keeps:
//!
//! * Interrupts are masked at EL1 from the first instruction on; only `eret` unmasks them. So the kernel is never interrupted and
//!   an exception at EL1 is a kernel bug.
//! * SP_EL1 holds [`entry::STACK`]'s top whenever EL0 runs; each entry starts on an empty stack.
//! * TPIDR_EL1 holds the kernel address of the running dispatcher's frame, TPIDRRO_EL0 its user address.

pub mod context;
pub mod entry;
pub mod vectors;
