//! The first instructions, and the kernel stack.

use core::arch::global_asm;
use core::cell::UnsafeCell;

/// Bytes of the kernel stack. The deepest path (retype while LMP notes are delivered) stays under 4 KiB; the boot path, which
/// parses the archive and ELFs, under 16 KiB.
pub const STACK_BYTES: usize = 32 << 10;

/// The one kernel stack of this core, with [`vectors`](super::vectors)' emergency stack apart from it.
#[repr(C, align(4096))]
pub struct Stack(UnsafeCell<[u8; STACK_BYTES]>);

// SAFETY: only assembly of this core uses it, as a stack; Rust code never takes a reference.
unsafe impl Sync for Stack {}

/// The kernel stack. The linker script puts it behind read-only pages: running over it is an exception at once.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".bss.stack")]
pub static STACK: Stack = Stack(UnsafeCell::new([0; STACK_BYTES]));

/// Stack for the report of a fault at EL1: the normal one may be the cause.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".bss.stack_emergency")]
pub static EMERGENCY_STACK: Stack = Stack(UnsafeCell::new([0; STACK_BYTES]));

// x0 = kernel address of CoreData, from the boot driver. `kernel_main` returns the save area to start with.
global_asm!(
    ".section .text.start, \"ax\"",
    ".global _start",
    "_start:",
    "   msr daifset, #0xf",
    "   msr spsel, #1",
    "   adrp x1, STACK",
    "   add x1, x1, :lo12:STACK",
    "   add x1, x1, #{stack}",
    "   mov sp, x1",
    "   adrp x1, exception_vectors",
    "   add x1, x1, :lo12:exception_vectors",
    "   msr vbar_el1, x1",
    "   isb",
    "   mov x29, xzr",
    "   mov x30, xzr",
    "   bl kernel_main",
    "   b restore_area",
    stack = const STACK_BYTES,
);

/// Whether two words at `address` lie on a kernel stack: what a backtrace may follow.
pub fn on_a_stack(address: u64) -> bool {
    [&STACK, &EMERGENCY_STACK].into_iter().any(|stack| {
        let base = stack.0.get() as u64;
        address.is_multiple_of(16) && address >= base && address <= base + (STACK_BYTES as u64 - 16)
    })
}
