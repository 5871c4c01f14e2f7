//! From the first instruction to `main`.

use crate::args::Args;
use crate::exit::{self, Status};
use crate::lmp::Shortcut;
use core::sync::atomic::{AtomicUsize, Ordering};

unsafe extern "Rust" {
    /// Made by `#[aos::main]`.
    safe fn __aos_main(args: Args) -> Status;
}

/// Where the arguments page is.
static PAGE: AtomicUsize = AtomicUsize::new(0);

/// This domain's arguments.
pub(crate) fn args() -> Args {
    match PAGE.load(Ordering::Relaxed) {
        // Before `main`.
        0 => Args::NONE,
        page => Args::from_page(crate::arch::memory::args_page(page)),
    }
}

/// Runs the program on the main stack, with the dispatcher enabled.
pub(crate) fn run(args: usize) -> ! {
    PAGE.store(args, Ordering::Relaxed);
    let args = self::args();
    let without = args.var("LMP_FAST_PATH").unwrap_or_default();
    for shortcut in without.split(',').filter_map(Shortcut::named) {
        shortcut.set(false);
    }
    exit::exit(__aos_main(args))
}
