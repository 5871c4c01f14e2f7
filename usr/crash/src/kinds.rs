//! The ways to crash. Each is one instruction that user code must not get away with, written in assembly so that the
//! compiler has no say in it.

use core::arch::asm;
use core::hint::black_box;

/// A way to crash.
pub struct Kind {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it does.
    pub what: &'static str,
    /// Does it.
    pub run: fn(),
}

/// All of them.
pub const ALL: &[Kind] = &[
    kind("null", "reads address 0", null),
    kind("undefined", "an undefined instruction", undefined),
    kind("fp", "a floating-point instruction", floating_point),
    kind("stack", "recursion without end", stack),
    kind(
        "kernel-address",
        "reads the kernel's memory",
        kernel_address,
    ),
    kind("jump", "jumps to where nothing is mapped", jump),
    kind("readonly", "writes to its own code", read_only),
    kind("execute-stack", "jumps to its stack", execute_stack),
    kind("unaligned", "jumps to an unaligned address", unaligned),
    kind("breakpoint", "a breakpoint instruction", breakpoint),
    kind("system", "a system instruction", system),
    kind(
        "disabled",
        "reads address 0 with upcalls disabled",
        disabled,
    ),
    kind("no-handler", "faults without a fault handler", no_handler),
    kind("panic", "panics", panics),
    kind("spin", "no crash: runs until it is killed", spin),
];

const fn kind(name: &'static str, what: &'static str, run: fn()) -> Kind {
    Kind { name, what, run }
}

fn read(address: u64) {
    // SAFETY: the load faults; if it did not, the value would be dropped.
    unsafe { asm!("ldr {0}, [{0}]", inout(reg) address => _, options(nostack, readonly)) };
}

fn write(address: u64) {
    // SAFETY: the store faults, the memory is not writeable.
    unsafe { asm!("str xzr, [{}]", in(reg) address, options(nostack)) };
}

fn branch(address: u64) {
    // SAFETY: the target cannot be executed; if it could, the call would return to here by the link register.
    unsafe { asm!("blr {}", in(reg) address, clobber_abi("C")) };
}

#[inline(never)]
fn null() {
    read(0);
}

#[inline(never)]
fn undefined() {
    // SAFETY: raises an exception.
    unsafe { asm!("udf #0", options(nostack)) };
}

#[inline(never)]
fn floating_point() {
    // SAFETY: `fmov d0, #1.0`: raises an exception; compiled code uses no vector registers.
    unsafe { asm!(".inst 0x1e6e1000", options(nostack)) };
}

#[inline(never)]
fn stack() {
    deeper(1);
}

#[inline(never)]
#[expect(
    unconditional_recursion,
    reason = "running off the stack is what this is for"
)]
fn deeper(depth: u64) -> u64 {
    let frame = black_box([depth; 32]);
    deeper(depth.wrapping_add(1)).wrapping_add(frame.iter().sum())
}

#[inline(never)]
fn kernel_address() {
    read(0xffff_0000_4000_0000);
}

#[inline(never)]
fn jump() {
    branch(0x1f0_0000);
}

#[inline(never)]
fn read_only() {
    // Aligned, or else that is the fault.
    write(read_only as *const () as u64 & !7);
}

#[inline(never)]
fn execute_stack() {
    // ret
    let code = black_box([0xd65f_03c0u32; 2]);
    branch(code.as_ptr() as u64);
}

#[inline(never)]
fn unaligned() {
    branch(unaligned as *const () as u64 + 2);
}

#[inline(never)]
fn breakpoint() {
    // SAFETY: raises an exception.
    unsafe { asm!("brk #0", options(nostack)) };
}

#[inline(never)]
fn system() {
    // SAFETY: raises an exception: EL0 may not read EL1's registers.
    unsafe { asm!("mrs {}, sctlr_el1", out(reg) _, options(nostack)) };
}

/// The dispatcher structure: `disabled` is its first word, the entry points are words 4 to 8 of 64 bits.
fn dispatcher() -> u64 {
    aos::syscall::dispatcher().expose_provenance() as u64
}

#[inline(never)]
fn disabled() {
    // SAFETY: turns upcalls off for this domain, which ends at the next instruction.
    unsafe { asm!("str {:w}, [{}]", in(reg) 1, in(reg) dispatcher(), options(nostack)) };
    read(0);
}

#[inline(never)]
fn no_handler() {
    let entries =
        dispatcher() + core::mem::offset_of!(aos::kpi::dispatcher::DispatcherShared, run) as u64;
    for entry in 0..5 {
        write(entries + 8 * entry);
    }
    read(0);
}

#[inline(never)]
#[expect(clippy::panic, reason = "this is the test of panics")]
fn panics() {
    panic!("on request");
}

#[inline(never)]
fn spin() {
    loop {
        core::hint::spin_loop();
    }
}
