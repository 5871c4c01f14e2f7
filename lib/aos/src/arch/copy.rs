//! `memcpy` and `memset`, which the compiler calls for every move of more than a few words: messages, mostly.
//!
//! The compiler's own ones copy a word at a time and take 55 instructions for a message of nine words; these take pairs of words, and 28.
//! Addresses are aligned to what is loaded or stored, as the kernel has unaligned accesses fault: what lies askew is put together by shifts. No word is read
//! that has no byte of the source. (They replace those of `compiler_builtins`, which are weak symbols.)

use super::context::Registers;
use core::arch::global_asm;

global_asm!(
    // memcpy(x0 = to, x1 = from, x2 = bytes) -> x0
    ".section .text.memcpy, \"ax\"",
    ".type memcpy, %function",
    ".global memcpy",
    "memcpy:",
    "mov x3, x0",
    "orr x4, x0, x1",
    "tst x4, #7",
    "b.ne 5f",
    // Both aligned.
    "1: subs x2, x2, #64",
    "b.lo 3f",
    "2: ldp x4, x5, [x1]",
    "ldp x6, x7, [x1, #16]",
    "ldp x8, x9, [x1, #32]",
    "ldp x10, x11, [x1, #48]",
    "add x1, x1, #64",
    "stp x4, x5, [x3]",
    "stp x6, x7, [x3, #16]",
    "stp x8, x9, [x3, #32]",
    "stp x10, x11, [x3, #48]",
    "add x3, x3, #64",
    "subs x2, x2, #64",
    "b.hs 2b",
    // The low six bits are the bytes that are left.
    "3: tbz x2, #5, 30f",
    "ldp x4, x5, [x1], #16",
    "ldp x6, x7, [x1], #16",
    "stp x4, x5, [x3], #16",
    "stp x6, x7, [x3], #16",
    "30: tbz x2, #4, 31f",
    "ldp x4, x5, [x1], #16",
    "stp x4, x5, [x3], #16",
    "31: tbz x2, #3, 32f",
    "ldr x4, [x1], #8",
    "str x4, [x3], #8",
    "32: tst x2, #7",
    "b.eq 35f",
    "tbz x2, #2, 33f",
    "ldr w4, [x1], #4",
    "str w4, [x3], #4",
    "33: tbz x2, #1, 34f",
    "ldrh w4, [x1], #2",
    "strh w4, [x3], #2",
    "34: tbz x2, #0, 35f",
    "ldrb w4, [x1]",
    "strb w4, [x3]",
    "35: ret",
    // Not both aligned.
    "5: cmp x2, #24",
    "b.lo 9f",
    "6: tst x3, #7",
    "b.eq 7f",
    "ldrb w4, [x1], #1",
    "strb w4, [x3], #1",
    "sub x2, x2, #1",
    "b 6b",
    "7: ands x5, x1, #7",
    "b.eq 1b",
    "sub x6, x1, x5",
    "lsl x5, x5, #3",
    "neg x7, x5",
    "ldr x8, [x6], #8",
    "8: ldr x9, [x6], #8",
    "lsr x4, x8, x5",
    "lsl x10, x9, x7",
    "orr x4, x4, x10",
    "str x4, [x3], #8",
    "mov x8, x9",
    "add x1, x1, #8",
    "sub x2, x2, #8",
    "cmp x2, #8",
    "b.hs 8b",
    "9: cbz x2, 11f",
    "10: ldrb w4, [x1], #1",
    "strb w4, [x3], #1",
    "subs x2, x2, #1",
    "b.ne 10b",
    "11: ret",
    ".size memcpy, . - memcpy",
    "__aos_memcpy_end:",
    "",
    // __aos_copy_shared(x0 = to, x1 = from, x2 = bytes) -> x0 = 0, or 1 if an access has faulted: then `escape` has come back here.
    ".section .text.__aos_copy_shared, \"ax\"",
    ".type __aos_copy_shared, %function",
    ".global __aos_copy_shared",
    "__aos_copy_shared:",
    "stp x29, x30, [sp, #-16]!",
    "mov x29, sp",
    "bl memcpy",
    "__aos_copied:",
    "mov x0, #0",
    "12: ldp x29, x30, [sp], #16",
    "ret",
    "__aos_copy_failed:",
    "mov x0, #1",
    "b 12b",
    ".size __aos_copy_shared, . - __aos_copy_shared",
    "",
    // memset(x0 = to, x1 = byte, x2 = bytes) -> x0
    ".section .text.memset, \"ax\"",
    ".type memset, %function",
    ".global memset",
    "memset:",
    "mov x3, x0",
    "cmp x2, #16",
    "b.lo 25f",
    "and x1, x1, #0xff",
    "orr x1, x1, x1, lsl #8",
    "orr x1, x1, x1, lsl #16",
    "orr x1, x1, x1, lsl #32",
    "20: tst x3, #7",
    "b.eq 21f",
    "strb w1, [x3], #1",
    "sub x2, x2, #1",
    "b 20b",
    "21: subs x2, x2, #64",
    "b.lo 23f",
    "22: stp x1, x1, [x3]",
    "stp x1, x1, [x3, #16]",
    "stp x1, x1, [x3, #32]",
    "stp x1, x1, [x3, #48]",
    "add x3, x3, #64",
    "subs x2, x2, #64",
    "b.hs 22b",
    "23: tbz x2, #5, 40f",
    "stp x1, x1, [x3], #16",
    "stp x1, x1, [x3], #16",
    "40: tbz x2, #4, 41f",
    "stp x1, x1, [x3], #16",
    "41: tbz x2, #3, 24f",
    "str x1, [x3], #8",
    "24: and x2, x2, #7",
    "25: cbz x2, 27f",
    "26: strb w1, [x3], #1",
    "subs x2, x2, #1",
    "b.ne 26b",
    "27: ret",
    ".size memset, . - memset",
);

unsafe extern "C" {
    fn memcpy(to: *mut u8, from: *const u8, bytes: usize) -> *mut u8;
    fn __aos_copy_shared(to: *mut u8, from: *const u8, bytes: usize) -> u64;
    fn __aos_memcpy_end();
    fn __aos_copied();
    fn __aos_copy_failed();
}

/// Copies, where one of the two may cease to be there meanwhile: `false` then, and any part is copied.
///
/// # Safety
/// Both are mapped as far as this domain knows, do not overlap, and the destination is the caller's alone or memory that others may write too.
pub(super) unsafe fn copy_shared(to: *mut u8, from: *const u8, bytes: usize) -> bool {
    // SAFETY: the caller's promise; opaque to the compiler.
    unsafe { __aos_copy_shared(to, from, bytes) == 0 }
}

/// If these registers are those of [`copy_shared`] at an access that nobody can help: it goes on behind it, as failed.
pub(super) fn escape(registers: &mut Registers) -> bool {
    let start = memcpy as *const () as u64;
    let end = __aos_memcpy_end as *const () as u64;
    // Its return address says who has called it; it has no frame of its own.
    let is_shared = registers.x[30] == __aos_copied as *const () as u64;
    if !is_shared || !(start..end).contains(&registers.pc) {
        return false;
    }
    registers.pc = __aos_copy_failed as *const () as u64;
    true
}
