//! Saying something, and stopping with a message.
//!
//! The console's address is kept in a static because a panic and the exception vectors must find it too. Until the device tree
//! has named one it is [`FALLBACK_UART`].

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use hal::console::Console;
use hal::{cpu, psci};
use kpi::addr::PhysAddr;
use kpi::coredata::PsciConduit;

use crate::handover;

/// Where a message goes while no device tree was understood: the PL011 of QEMU's `virt`. On another board such a message
/// is lost (or stops the core, which was to happen anyway); all other messages go where the device tree says.
pub const FALLBACK_UART: PhysAddr = PhysAddr(0x0900_0000);

/// Physical address of the console. Plain loads and stores only: exclusives need the MMU on.
static UART: AtomicU64 = AtomicU64::new(FALLBACK_UART.0);

/// As [`use_uart`], of a PL011 that another core set up and uses too.
pub fn share_uart(base: PhysAddr) {
    UART.store(base.0, Ordering::Relaxed);
    handover::report_to(base);
}

/// How the core is turned off when it cannot be booted; as a number, 0 for not at all.
static OFF_BY: AtomicU32 = AtomicU32::new(0);

/// From now on messages go to the PL011 at `base`, which is identity-mapped.
pub fn use_uart(base: PhysAddr) {
    share_uart(base);
    if let Some(mut console) = console() {
        console.init();
    }
}

fn console() -> Option<Console> {
    let base = UART.load(Ordering::Relaxed) as usize;
    // SAFETY: a PL011 as far as anybody knows, identity-mapped as Device memory or used with the MMU off; there is one core and
    // each `Console` lives for one message.
    unsafe { Console::new(core::ptr::with_exposed_provenance_mut(base)) }
}

/// Prints a line.
pub fn print_line(message: fmt::Arguments<'_>) {
    if let Some(mut console) = console() {
        // Console::write_str does not fail; a Display that does cannot be helped here.
        let _ = writeln!(console, "boot driver: {message}");
        console.flush();
    }
}

/// Prints why booting cannot go on, and stops the core: the first one is parked; another one is turned off, so that who started it knows, and has its
/// memory back.
pub fn stop(message: fmt::Arguments<'_>) -> ! {
    print_line(format_args!("cannot boot: {message}"));
    psci::cpu_off(PsciConduit::from_u32(OFF_BY.load(Ordering::Relaxed)));
    cpu::park()
}

/// This is not the first core: it is turned off when it cannot be booted.
pub fn turn_off_by(conduit: u32) {
    OFF_BY.store(conduit, Ordering::Relaxed);
}

/// Prints a line.
macro_rules! say {
    ($($argument:tt)*) => { $crate::console::print_line(format_args!($($argument)*)) };
}

/// Says why booting cannot go on and stops.
macro_rules! fail {
    ($($argument:tt)*) => { $crate::console::stop(format_args!($($argument)*)) };
}

pub(crate) use {fail, say};
