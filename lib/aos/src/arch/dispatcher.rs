//! The dispatcher structure that this domain shares with the kernel, and the endpoint buffers behind it.
//!
//! The kernel reads and writes these words at any interruption, so every access is volatile. The frame is mapped by whoever
//! made the domain, and stays.

use core::arch::asm;
use core::mem::offset_of;
use kpi::dispatcher::DispatcherShared;
use kpi::dispatcher::offsets::SHARED_BYTES;
use kpi::layout::DISPATCHER_FRAME_BYTES;

/// First byte of the frame that is free for endpoint buffers.
pub(crate) const PRIVATE_START: u32 = SHARED_BYTES as u32;
/// End of the frame.
pub(crate) const FRAME_END: u32 = DISPATCHER_FRAME_BYTES as u32;

/// Address of the dispatcher structure: the kernel keeps it in TPIDRRO_EL0.
pub(crate) fn base() -> *mut DispatcherShared {
    let address: usize;
    // SAFETY: reads a register that user code cannot write.
    unsafe {
        asm!("mrs {}, tpidrro_el0", out(reg) address, options(pure, nomem, nostack, preserves_flags))
    };
    core::ptr::with_exposed_provenance_mut(address)
}

macro_rules! word {
    ($(#[$doc:meta])* $field:ident, $kind:ty, $get:ident) => {
        $(#[$doc])*
        pub(crate) fn $get() -> $kind {
            // SAFETY: the frame is mapped, aligned and as large as the structure (module header).
            unsafe { (&raw const (*base()).$field).read_volatile() }
        }
    };
}

word! {
    /// Words delivered to all endpoints so far.
    lmp_delivered, u32, lmp_delivered
}
word! {
    /// Offset of the endpoint buffer that got the last message.
    lmp_hint, u64, lmp_hint
}
word! {
    /// Counter frequency, Hz.
    systime_frequency, u64, frequency
}
word! {
    /// The domain's name.
    name, [u8; 16], name
}
word! {
    /// The core this dispatcher runs on.
    curr_core_id, u8, core_id
}

/// Sets the value of `lmp_delivered` last acted on.
pub(crate) fn set_lmp_seen(seen: u32) {
    // SAFETY: the frame is mapped (module header); every value of this word is legal.
    unsafe { (&raw mut (*base()).lmp_seen).write_volatile(seen) };
}

/// Sets the words that decide whether a yield parks the dispatcher.
pub(crate) fn set_parking(seen: u32, haswork: bool, wakeup: u64) {
    set_lmp_seen(seen);
    // SAFETY: the frame is mapped (module header); every value of these words is legal.
    unsafe {
        (&raw mut (*base()).haswork).write_volatile(haswork.into());
        (&raw mut (*base()).wakeup).write_volatile(wakeup);
    }
}

/// Whether the dispatcher is disabled, as far as the flag says.
#[inline]
pub(crate) fn is_disabled() -> bool {
    // SAFETY: the frame is mapped.
    unsafe { (&raw const (*base()).disabled).read_volatile() != 0 }
}

/// Bytes of its stack that a thread uses while disabled, at most.
const DISABLED_STACK_BYTES: usize = 2048;

/// Disables the dispatcher, with the part of the stack that is needed meanwhile touched before.
#[inline(always)]
pub(crate) fn disable() {
    // SAFETY: writes below the stack pointer, where nothing is; a stack that ends there is one that has run over.
    unsafe {
        asm!(
            "sub {at}, sp, #{below}",
            "str xzr, [{at}]",
            at = out(reg) _,
            below = const DISABLED_STACK_BYTES,
            options(preserves_flags),
        );
    }
    set_disabled(true);
}

/// Sets or clears the disabled flag. The fences keep the compiler from moving other accesses across.
#[inline(always)]
pub(crate) fn set_disabled(disabled: bool) {
    use core::sync::atomic::{Ordering, compiler_fence};
    compiler_fence(Ordering::SeqCst);
    // SAFETY: the frame is mapped; see the protocol in `entry`.
    unsafe { (&raw mut (*base()).disabled).write_volatile(disabled.into()) };
    compiler_fence(Ordering::SeqCst);
}

/// The entry points of the upcalls and the range of the resume routine.
pub(crate) struct Entries {
    pub(crate) run: usize,
    pub(crate) pagefault: usize,
    pub(crate) pagefault_disabled: usize,
    pub(crate) trap: usize,
    pub(crate) resume: core::ops::Range<usize>,
}

/// Fills in the entry points.
pub(crate) fn set_entries(entries: &Entries) {
    let shared = base();
    // SAFETY: the frame is mapped; the dispatcher is still disabled, so the kernel does not use the entries meanwhile.
    unsafe {
        (&raw mut (*shared).run).write_volatile(entries.run as u64);
        (&raw mut (*shared).pagefault).write_volatile(entries.pagefault as u64);
        (&raw mut (*shared).pagefault_disabled).write_volatile(entries.pagefault_disabled as u64);
        (&raw mut (*shared).trap).write_volatile(entries.trap as u64);
        (&raw mut (*shared).crit_pc_low).write_volatile(entries.resume.start as u64);
        (&raw mut (*shared).crit_pc_high).write_volatile(entries.resume.end as u64);
    }
}

/// Address of the save area for an enabled dispatcher.
pub(crate) fn enabled_area() -> usize {
    base() as usize + offset_of!(DispatcherShared, enabled_area)
}

/// Address of the save area of a fault while disabled.
pub(crate) fn trap_area() -> usize {
    base() as usize + offset_of!(DispatcherShared, trap_area)
}

/// Reads a 32-bit word of the frame's private part; 0 outside of it.
pub(crate) fn read_u32(offset: u32) -> u32 {
    match private(offset, 4) {
        // SAFETY: `private` checked range and alignment.
        Some(address) => unsafe { address.cast::<u32>().read_volatile() },
        None => 0,
    }
}

/// Writes a 32-bit word of the frame's private part; nothing outside of it.
pub(crate) fn write_u32(offset: u32, value: u32) {
    if let Some(address) = private(offset, 4) {
        // SAFETY: `private` checked range and alignment; nothing but endpoint buffers lies there.
        unsafe { address.cast::<u32>().write_volatile(value) };
    }
}

/// Reads a 64-bit word of the frame's private part; 0 outside of it.
pub(crate) fn read_u64(offset: u32) -> u64 {
    match private(offset, 8) {
        // SAFETY: `private` checked range and alignment.
        Some(address) => unsafe { address.cast::<u64>().read_volatile() },
        None => 0,
    }
}

fn private(offset: u32, bytes: u32) -> Option<*mut u8> {
    let inside =
        offset >= PRIVATE_START && offset <= FRAME_END - bytes && offset.is_multiple_of(bytes);
    inside.then(|| base().cast::<u8>().wrapping_add(offset as usize))
}
