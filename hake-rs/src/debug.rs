//! `gdb`: the machine stopped at its first instruction, and a debugger that knows kernel and programs.

use crate::cli::GdbArgs;
use crate::failure::Exit;
use anyhow::Result;

/// `gdb`.
pub fn gdb(_args: &GdbArgs) -> Result<Exit> {
    Ok(Exit::Bug)
}
