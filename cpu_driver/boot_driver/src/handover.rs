//! The handover page (see `handover.s`): exception vectors and the jump into the CPU driver.

use core::arch::{asm, global_asm};

use kpi::addr::PhysAddr;
use kpi::layout::{BASE_PAGE_SIZE, KERNEL_OFFSET};

use crate::console::FALLBACK_UART;

global_asm!(include_str!("handover.s"), fallback = const FALLBACK_UART.0);

unsafe extern "C" {
    static handover_page: u8;
    static handover_uart: u8;
    static handover_enter: u8;
    static handover_end: u8;
}

/// What the CPU driver is entered with.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Physical address of the handover page's copy, mapped executable in the window.
    pub page: PhysAddr,
    /// Kernel-virtual address of the first instruction.
    pub entry: u64,
    /// Kernel-virtual address of the core data.
    pub core_data: u64,
    /// The empty user half.
    pub empty_table: PhysAddr,
}

/// Offset of a symbol in the handover page.
fn offset(symbol: *const u8) -> usize {
    symbol.addr() - (&raw const handover_page).addr()
}

/// Exceptions are reported from now on.
pub fn install_vectors() {
    // SAFETY: the page holds exception vectors, aligned by the assembler; they never return.
    unsafe {
        asm!("msr vbar_el1, {}", "isb", in(reg) &raw const handover_page, options(nostack, preserves_flags));
    }
}

/// Exceptions are reported to the PL011 at `base` from now on.
pub fn report_to(base: PhysAddr) {
    // SAFETY: the word is in our own image, aligned, written only here, and never executed. Volatile because only assembler
    // reads it.
    unsafe {
        (&raw const handover_uart)
            .cast_mut()
            .cast::<u64>()
            .write_volatile(base.0)
    };
}

/// Copies the handover page to `page`, to report to the console's window address.
///
/// # Safety
/// `page` is a page of memory, identity-mapped, that nothing else uses.
pub unsafe fn copy_to(page: PhysAddr, uart: PhysAddr) {
    let target: *mut u8 = core::ptr::with_exposed_provenance_mut(page.0 as usize);
    let bytes = offset(&raw const handover_end);
    // SAFETY: the source is our own code, `bytes` long; the linker script asserts that it fits into a page; the word is inside.
    unsafe {
        target.copy_from_nonoverlapping(&raw const handover_page, bytes);
        target
            .add(offset(&raw const handover_uart))
            .cast::<u64>()
            .write_volatile(uart.0.wrapping_add(KERNEL_OFFSET));
        hal::cache::synchronise_code(target, BASE_PAGE_SIZE as usize);
    }
}

/// Leaves for the CPU driver.
///
/// # Safety
/// The kernel half is set up as `entry` says.
pub unsafe fn enter(entry: Entry) -> ! {
    let jump = entry.page.0 + KERNEL_OFFSET + offset(&raw const handover_enter) as u64;
    // SAFETY: the copy is mapped there and never returns; nothing of this program is used again.
    unsafe {
        asm!(
            "br {}",
            in(reg) jump,
            in("x0") entry.core_data,
            in("x1") entry.entry,
            in("x2") entry.empty_table.0,
            options(noreturn)
        )
    }
}
