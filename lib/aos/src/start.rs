//! From the first instruction to `main`.

use crate::args::Args;
use crate::exit::{self, Status};

unsafe extern "Rust" {
    /// Made by `#[aos::main]`.
    safe fn __aos_main(args: Args) -> Status;
}

/// Runs the program on the main stack, with the dispatcher enabled.
pub(crate) fn run(args: usize) -> ! {
    let args = Args::from_page(crate::arch::memory::args_page(args));
    exit::exit(__aos_main(args))
}
