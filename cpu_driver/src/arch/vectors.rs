//! The exception vectors.
//!
//! **A fault or an interrupt at EL0**: choose the save area, save x0 to x30, SP, PC and SPSR there, call Rust, restore the area
//! that Rust returns. The area is the *enabled* one if the dispatcher was enabled; else the *disabled* one, but the *trap* one
//! for a fault. Disabled means: its `disabled` word is set, or the PC lies in its critical range. Both lie in memory that the
//! user may write: whatever stands there, the choice is among three areas of its own frame.
//!
//! **A system call** nearly always goes back to its caller. So only what Rust may change, x0 to x17, x29 and x30, is saved, on
//! the kernel stack ([`CallRegisters`]); x19 to x28 the Rust function itself preserves, x18 no kernel code touches, and SP, PC
//! and SPSR stay in their system registers. `syscall_entry` finds the words of the call there, writes the results there, and
//! returns 0. If another dispatcher is to run it returns a save area instead: the caller's whole state goes into that
//! (by now x19 to x28 are the caller's again), and `syscall_leave` says which area to go on with. (Barrelfish:
//! `kernel/arch/armv8/exceptions.S`, after which the caller's scratch registers are lost.)
//!
//! By the fast path of ReplyWait the state of one dispatcher goes into its area, and that of another comes from its own, but x0 to x11
//! come from the call: `syscall_entry` returns the first area with bit 0 set ([`SWAP`]), and has the second in [`CallRegisters`].
//!
//! From EL1: a kernel bug. All registers go to the emergency stack, then `kernel_fault` reports.

use core::arch::global_asm;
use core::mem::offset_of;
use kpi::dispatcher::offsets;

use super::entry::STACK_BYTES;
use kpi::dispatcher::SaveArea;

/// The caller's registers during a system call, at the bottom of the kernel stack.
#[repr(C, align(16))]
pub struct CallRegisters {
    /// x0 to x11: the words of the call; x0 to x3 become its results.
    pub words: [u64; 12],
    /// x12 to x17.
    scratch: [u64; 6],
    /// x29 and x30.
    frame: [u64; 2],
}

impl CallRegisters {
    /// Success, and one result. The words from x3 on stay.
    #[inline(always)]
    pub fn set_result(&mut self, result: u64) {
        let [error, first, second, ..] = &mut self.words;
        [*error, *first, *second] = [0, result, 0];
    }

    /// Goes on with what that area has, instead of the caller's registers, but for the words.
    ///
    /// # Safety
    /// The area lies in the frame of the dispatcher that runs now.
    #[inline(always)]
    pub unsafe fn load_from(&mut self, area: *const SaveArea) {
        let [first, ..] = &mut self.scratch;
        *first = area as u64;
    }
}

/// Set in the address that `syscall_entry` returns: load another area than that which the registers go to.
pub const SWAP: usize = 1;

const CALL_BYTES: usize = size_of::<CallRegisters>();
const CALL_FRAME: usize = offset_of!(CallRegisters, frame);
const _: () = assert!(CALL_BYTES == 160 && CALL_FRAME == 144);

global_asm!(
    // x0 = area, x1 = PC, w3 = 1 if disabled; x0 to x3 of the user wait below SP (nothing can interrupt us).
    ".macro choose_area",
    "   stp x0, x1, [sp, #-16]",
    "   stp x2, x3, [sp, #-32]",
    "   mrs x0, tpidr_el1",
    "   mrs x1, elr_el1",
    "   ldr w2, [x0, #{disabled}]",
    "   cbnz w2, 8f",
    "   ldp x2, x3, [x0, #{crit}]",
    "   cmp x1, x2",
    "   ccmp x1, x3, #2, hs",
    "   b.lo 8f",
    "   add x0, x0, #{enabled_area}",
    "   mov w3, #0",
    "   b 9f",
    "8: add x0, x0, #{disabled_area}",
    "   mov w3, #1",
    "9:",
    ".endm",
    //
    ".macro save_area",
    "   stp x4, x5, [x0, #32]",
    "   stp x6, x7, [x0, #48]",
    "   stp x8, x9, [x0, #64]",
    "   stp x10, x11, [x0, #80]",
    "   stp x12, x13, [x0, #96]",
    "   stp x14, x15, [x0, #112]",
    "   stp x16, x17, [x0, #128]",
    "   stp x18, x19, [x0, #144]",
    "   stp x20, x21, [x0, #160]",
    "   stp x22, x23, [x0, #176]",
    "   stp x24, x25, [x0, #192]",
    "   stp x26, x27, [x0, #208]",
    "   stp x28, x29, [x0, #224]",
    "   mrs x2, sp_el0",
    "   stp x30, x2, [x0, #240]",
    "   mrs x2, spsr_el1",
    "   stp x1, x2, [x0, #256]",
    "   ldp x4, x5, [sp, #-16]",
    "   ldp x6, x7, [sp, #-32]",
    "   stp x4, x5, [x0]",
    "   stp x6, x7, [x0, #16]",
    "   mov w1, w3",
    "   mov x29, xzr",
    "   mov x30, xzr",
    ".endm",
    //
    ".macro from_el1 kind",
    "   .balign 128",
    "   msr tpidrro_el0, x0",
    "   mov x0, #\\kind",
    "   b el1_exception",
    ".endm",
    //
    ".section .text.vectors, \"ax\"",
    ".balign 2048",
    ".global exception_vectors",
    "exception_vectors:",
    "   from_el1 0",
    "   from_el1 1",
    "   from_el1 2",
    "   from_el1 3",
    "   from_el1 4",
    "   from_el1 5",
    "   from_el1 6",
    "   from_el1 7",
    // A synchronous exception from EL0, in the 32 instructions that a vector has. The class in ESR tells a system call.
    "   .balign 128",
    "   stp x0, x1, [sp, #-{call_bytes}]!",
    "   stp x16, x17, [sp, #128]",
    "   mrs x16, esr_el1",
    "   lsr x16, x16, #26",
    "   cmp x16, #0x15",
    "   b.ne el0_fault",
    "   stp x2, x3, [sp, #16]",
    "   stp x4, x5, [sp, #32]",
    "   stp x6, x7, [sp, #48]",
    "   stp x8, x9, [sp, #64]",
    "   stp x10, x11, [sp, #80]",
    "   stp x12, x13, [sp, #96]",
    "   stp x14, x15, [sp, #112]",
    "   stp x29, x30, [sp, #{call_frame}]",
    // ReplyWait is call 2. Of the others with bit 1 set, which print and read characters, its entry knows.
    "   tbnz x0, #1, el0_reply_wait",
    "   mov x0, sp",
    "   mov x29, xzr",
    "   bl syscall_entry",
    "el0_called:",
    "   cbnz x0, el0_leave",
    "   ldp x29, x30, [sp, #{call_frame}]",
    "   ldp x16, x17, [sp, #128]",
    "   ldp x14, x15, [sp, #112]",
    "   ldp x12, x13, [sp, #96]",
    "   ldp x10, x11, [sp, #80]",
    "   ldp x8, x9, [sp, #64]",
    "   ldp x6, x7, [sp, #48]",
    "   ldp x4, x5, [sp, #32]",
    "   ldp x2, x3, [sp, #16]",
    "   ldp x0, x1, [sp], #{call_bytes}",
    "   eret",
    "   .balign 128",
    "   b el0_interrupt",
    "   .balign 128",
    "   b el0_interrupt",
    "   .balign 128",
    "   b el0_system_error",
    "   from_el1 12",
    "   from_el1 13",
    "   from_el1 14",
    "   from_el1 15",
    "   .balign 128",
    //
    // x0, x1, x16 and x17 are where the vector put them.
    "el0_fault:",
    "   ldp x16, x17, [sp, #128]",
    "   ldp x0, x1, [sp], #{call_bytes}",
    "   choose_area",
    "   cbz w3, 1f",
    "   mrs x0, tpidr_el1",
    "   add x0, x0, #{trap_area}",
    "1: save_area",
    "   bl fault_entry",
    "   b restore_area",
    //
    "el0_reply_wait:",
    "   mov x0, sp",
    "   mov x29, xzr",
    "   bl reply_wait_entry",
    "   b el0_called",
    //
    // ReplyWait: x0 = the caller's save area + 1, and the other one where x12 was. A caller that is resumed from its area gets "look".
    "el0_swap:",
    "   sub x0, x0, #1",
    "   stp x18, x19, [x0, #144]",
    "   stp x20, x21, [x0, #160]",
    "   stp x22, x23, [x0, #176]",
    "   stp x24, x25, [x0, #192]",
    "   stp x26, x27, [x0, #208]",
    "   stp x28, x2, [x0, #224]",
    "   mrs x2, sp_el0",
    "   stp x3, x2, [x0, #240]",
    "   mrs x2, elr_el1",
    "   str x2, [x0, #{area_pc}]",
    "   stp xzr, xzr, [x0]",
    "   ldr x1, [sp, #96]",
    "   ldr x2, [x1, #{area_pc}]",
    "   mov x3, #0x40",
    "   msr elr_el1, x2",
    "   msr spsr_el1, x3",
    "   ldp x30, x2, [x1, #240]",
    "   msr sp_el0, x2",
    "   ldp x18, x19, [x1, #144]",
    "   ldp x20, x21, [x1, #160]",
    "   ldp x22, x23, [x1, #176]",
    "   ldp x24, x25, [x1, #192]",
    "   ldp x26, x27, [x1, #208]",
    "   ldp x28, x29, [x1, #224]",
    "   mov x12, xzr",
    "   mov x13, xzr",
    "   mov x14, xzr",
    "   mov x15, xzr",
    "   mov x16, xzr",
    "   mov x17, xzr",
    "   ldp x10, x11, [sp, #80]",
    "   ldp x8, x9, [sp, #64]",
    "   ldp x6, x7, [sp, #48]",
    "   ldp x4, x5, [sp, #32]",
    "   ldp x2, x3, [sp, #16]",
    "   ldp x0, x1, [sp], #{call_bytes}",
    "   eret",
    //
    // A system call after which others run: x0 = the caller's save area.
    "el0_leave:",
    "   ldp x2, x3, [sp, #{call_frame}]",
    "   tbnz x0, #0, el0_swap",
    "   stp x18, x19, [x0, #144]",
    "   stp x20, x21, [x0, #160]",
    "   stp x22, x23, [x0, #176]",
    "   stp x24, x25, [x0, #192]",
    "   stp x26, x27, [x0, #208]",
    "   stp x28, x2, [x0, #224]",
    "   mrs x2, sp_el0",
    "   stp x3, x2, [x0, #240]",
    "   mrs x2, elr_el1",
    "   mrs x3, spsr_el1",
    "   stp x2, x3, [x0, #256]",
    "   ldp x16, x17, [sp, #128]",
    "   ldp x14, x15, [sp, #112]",
    "   ldp x12, x13, [sp, #96]",
    "   ldp x10, x11, [sp, #80]",
    "   ldp x8, x9, [sp, #64]",
    "   ldp x6, x7, [sp, #48]",
    "   ldp x4, x5, [sp, #32]",
    "   ldp x2, x3, [sp, #16]",
    "   stp x16, x17, [x0, #128]",
    "   stp x14, x15, [x0, #112]",
    "   stp x12, x13, [x0, #96]",
    "   stp x10, x11, [x0, #80]",
    "   stp x8, x9, [x0, #64]",
    "   stp x6, x7, [x0, #48]",
    "   stp x4, x5, [x0, #32]",
    "   stp x2, x3, [x0, #16]",
    "   ldp x4, x5, [sp], #{call_bytes}",
    "   stp x4, x5, [x0]",
    "   mov x29, xzr",
    "   mov x30, xzr",
    "   bl syscall_leave",
    "   b restore_area",
    //
    "el0_interrupt:",
    "   choose_area",
    "   save_area",
    "   bl interrupt_entry",
    "   b restore_area",
    //
    "el0_system_error:",
    "   choose_area",
    "   save_area",
    "   bl system_error_entry",
    //  falls through
    //
    // x0 = area. Of its SPSR only NZCV counts: EL0, AArch64, interrupts on, FIQ masked.
    ".global restore_area",
    "restore_area:",
    "   ldp x1, x2, [x0, #{area_pc}]",
    "   and x2, x2, #0xf0000000",
    "   orr x2, x2, #0x40",
    "   msr elr_el1, x1",
    "   msr spsr_el1, x2",
    "   ldp x30, x1, [x0, #240]",
    "   msr sp_el0, x1",
    "   ldp x2, x3, [x0, #16]",
    "   ldp x4, x5, [x0, #32]",
    "   ldp x6, x7, [x0, #48]",
    "   ldp x8, x9, [x0, #64]",
    "   ldp x10, x11, [x0, #80]",
    "   ldp x12, x13, [x0, #96]",
    "   ldp x14, x15, [x0, #112]",
    "   ldp x16, x17, [x0, #128]",
    "   ldp x18, x19, [x0, #144]",
    "   ldp x20, x21, [x0, #160]",
    "   ldp x22, x23, [x0, #176]",
    "   ldp x24, x25, [x0, #192]",
    "   ldp x26, x27, [x0, #208]",
    "   ldp x28, x29, [x0, #224]",
    "   ldp x0, x1, [x0]",
    "   eret",
    //
    // x0 = vector number, the interrupted x0 in TPIDRRO_EL0, SP possibly unusable. Never returns. EL0's thread registers serve
    // as scratch: no EL0 code runs again.
    "el1_exception:",
    "   msr contextidr_el1, x0",
    "   mov x0, sp",
    "   msr tpidr_el0, x0",
    "   adrp x0, EMERGENCY_STACK",
    "   add x0, x0, :lo12:EMERGENCY_STACK",
    "   add x0, x0, #{stack}",
    "   mov sp, x0",
    "   sub sp, sp, #{area_bytes}",
    "   mrs x0, tpidrro_el0",
    "   stp x0, x1, [sp]",
    "   stp x2, x3, [sp, #16]",
    "   stp x4, x5, [sp, #32]",
    "   stp x6, x7, [sp, #48]",
    "   stp x8, x9, [sp, #64]",
    "   stp x10, x11, [sp, #80]",
    "   stp x12, x13, [sp, #96]",
    "   stp x14, x15, [sp, #112]",
    "   stp x16, x17, [sp, #128]",
    "   stp x18, x19, [sp, #144]",
    "   stp x20, x21, [sp, #160]",
    "   stp x22, x23, [sp, #176]",
    "   stp x24, x25, [sp, #192]",
    "   stp x26, x27, [sp, #208]",
    "   stp x28, x29, [sp, #224]",
    "   mrs x1, tpidr_el0",
    "   stp x30, x1, [sp, #240]",
    "   mrs x1, elr_el1",
    "   mrs x2, spsr_el1",
    "   stp x1, x2, [sp, #256]",
    "   mrs x0, contextidr_el1",
    "   mov x1, sp",
    "   bl kernel_fault",
    "3: wfi",
    "   b 3b",
    call_bytes = const CALL_BYTES,
    call_frame = const CALL_FRAME,
    disabled = const offsets::DISABLED,
    crit = const offsets::CRIT_PC_LOW,
    enabled_area = const offsets::ENABLED_AREA,
    disabled_area = const offsets::DISABLED_AREA,
    trap_area = const offsets::TRAP_AREA,
    area_pc = const offsets::AREA_PC,
    area_bytes = const offsets::AREA_BYTES,
    stack = const STACK_BYTES,
);
