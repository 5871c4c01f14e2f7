//! Reports of the kernel's own bugs: a Rust panic, or an exception at EL1. Both stop this core for good: the first one is parked, for whoever wants to look
//! at it; others are turned off, so that who started them can have their memory back.
//!
//! Code addresses are printed as `[cpu_driver:0x...]`, relative to the link base, and `hake` turns them into names and lines.

use core::cell::UnsafeCell;
use core::fmt::Write;
use core::panic::PanicInfo;

use kpi::addr::PhysAddr;
use kpi::coredata::{CoreData, PsciConduit};
use kpi::dispatcher::SaveArea;

use crate::arch::context;
use crate::console::Console;

/// What a report needs: set at boot, read when everything else may be broken.
struct Report {
    uart: u64,
    nonce: [u8; 32],
    nonce_bytes: usize,
    core: u32,
    psci: u32,
}

struct ReportCell(UnsafeCell<Report>);

// SAFETY: written once at boot, before anything can fail; read only by a report, after which nothing runs.
unsafe impl Sync for ReportCell {}

static REPORT: ReportCell = ReportCell(UnsafeCell::new(Report {
    uart: 0,
    nonce: [0; 32],
    nonce_bytes: 0,
    core: 0,
    psci: 0,
}));

/// Tells reports where the console is, what nonce records carry, and which core this is.
#[optimize(size)]
pub fn set_report(core_data: &CoreData, nonce: &str) {
    // SAFETY: called once at boot, by the only code that runs.
    let report = unsafe { &mut *REPORT.0.get() };
    report.uart = core_data.uart.base;
    report.core = core_data.core_id;
    report.psci = core_data.psci;
    if let Some(place) = report.nonce.get_mut(..nonce.len()) {
        place.copy_from_slice(nonce.as_bytes());
        report.nonce_bytes = nonce.len();
    }
}

#[optimize(size)]
fn console() -> Console {
    // SAFETY: nothing else runs any more.
    let report = unsafe { &*REPORT.0.get() };
    // SAFETY: the console's registers, mapped in the window; the one other user of them will not run again.
    let uart =
        unsafe { hal::console::Console::new(hal::window::phys_to_virt(PhysAddr(report.uart))) };
    let mut console = uart
        .filter(|_| report.uart != 0)
        .map_or(Console::none(), Console::new);
    let nonce = report.nonce.get(..report.nonce_bytes).unwrap_or_default();
    console.set_nonce(core::str::from_utf8(nonce).unwrap_or_default());
    console
}

/// The core stops for good.
#[optimize(size)]
fn stop() -> ! {
    // SAFETY: nothing else runs any more.
    let report = unsafe { &*REPORT.0.get() };
    if report.core != 0 {
        // Where the firmware cannot, it is parked too.
        hal::psci::cpu_off(PsciConduit::from_u32(report.psci));
    }
    hal::cpu::park()
}

/// Nothing can go on without this. On the first core that is the machine's end, and the report a panic's; another core was given too little.
#[expect(
    clippy::panic,
    reason = "the machine cannot start, and the panic handler is the report"
)]
#[optimize(size)]
pub fn cannot_start(what: &str) -> ! {
    let core = core_number();
    if core == 0 {
        panic!("cannot start: {what}");
    }
    let _ = writeln!(console(), "kernel: core {core} cannot start: {what}");
    stop()
}

/// The number of this core.
fn core_number() -> u32 {
    // SAFETY: nothing else runs any more.
    unsafe { (*REPORT.0.get()).core }
}

/// Where this image was relocated to: code addresses are reported relative to it.
#[optimize(size)]
pub fn image_base() -> u64 {
    let base: u64;
    // The page where the code begins is the image's first: the file's headers lie before it.
    // SAFETY: computes an address.
    unsafe {
        core::arch::asm!("adrp {0}, __text_start", out(reg) base, options(nomem, nostack, preserves_flags));
    }
    base
}

#[panic_handler]
#[optimize(size)]
fn panic(info: &PanicInfo<'_>) -> ! {
    let mut console = console();
    let (file, line) = info
        .location()
        .map_or(("?", 0), |location| (location.file(), location.line()));
    let _ = writeln!(
        console,
        "\nkernel panic: {} ({file}:{line})",
        info.message()
    );
    if console.records_enabled() {
        console.begin_record();
        let _ = write!(
            console,
            "{{\"t\":\"panic\",\"core\":{},\"invariant\":\"rust panic\",\"file\":\"",
            core_number()
        );
        console.record_bytes(file.as_bytes());
        let _ = write!(console, "\",\"line\":{line}}}");
        console.end_record();
    }
    stop()
}

/// Names of the exception classes that the kernel itself can meet (Arm ARM D17.2.37).
#[optimize(size)]
fn class_name(esr: u64) -> &'static str {
    match esr >> 26 {
        0x00 => "undefined instruction",
        0x07 => "floating point",
        0x0e => "illegal execution state",
        0x21 => "instruction abort",
        0x22 => "misaligned PC",
        0x25 => "data abort",
        0x26 => "misaligned SP",
        0x2f => "SError",
        0x3c => "breakpoint",
        _ => "unexpected exception",
    }
}

#[unsafe(no_mangle)]
#[optimize(size)]
extern "C" fn kernel_fault(vector: u64, area: &SaveArea) -> ! {
    let (esr, far) = context::exception_syndrome();
    let mut console = console();
    let base = image_base();
    let pc = area.pc.wrapping_sub(base);
    let _ = writeln!(
        console,
        "\nkernel fault: {} at [cpu_driver:{pc:#x}], address {far:#x}, ESR {esr:#x}, vector {vector}",
        class_name(esr)
    );
    for (index, row) in area.x.chunks(4).enumerate() {
        let _ = write!(console, "  x{:<2}", index * 4);
        for word in row {
            let _ = write!(console, " {word:016x}");
        }
        let _ = writeln!(console);
    }
    let _ = writeln!(console, "  sp  {:016x} spsr {:x}", area.sp, area.spsr);
    backtrace(&mut console, area, base);
    if console.records_enabled() {
        console.begin_record();
        let _ = write!(
            console,
            "{{\"t\":\"panic\",\"core\":{},\"invariant\":\"no exception at EL1: {}\",\"file\":\"[cpu_driver:{pc:#x}]\",\"line\":0}}",
            core_number(),
            class_name(esr)
        );
        console.end_record();
    }
    stop()
}

/// Return addresses along the frame pointers, as far as they stay on the kernel stacks.
#[optimize(size)]
fn backtrace(console: &mut Console, area: &SaveArea, base: u64) {
    let _ = writeln!(
        console,
        "  called from [cpu_driver:{:#x}]",
        area.x[30].wrapping_sub(base)
    );
    let mut frame = area.x[29];
    for _ in 0..16 {
        if !crate::arch::entry::on_a_stack(frame) {
            return;
        }
        // SAFETY: two aligned words on a kernel stack.
        let [next, back] = unsafe { (frame as *const [u64; 2]).read_volatile() };
        let _ = writeln!(
            console,
            "  called from [cpu_driver:{:#x}]",
            back.wrapping_sub(base)
        );
        if next <= frame {
            return;
        }
        frame = next;
    }
}
