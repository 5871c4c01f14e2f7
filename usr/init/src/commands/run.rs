//! Programs: any first word that is no command.

use super::Context;
use crate::children::{Limit, Trust, conclude};
use alloc::string::String;
use alloc::vec::Vec;
use aos::boot::Module;
use aos::initproto::{STATUS_NOT_FOUND, STATUS_NOT_STARTED};
use aos::println;

/// Runs the program that the first word names.
pub fn program(context: &mut Context<'_>) -> u8 {
    let words = core::mem::take(&mut context.words);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let Some(name) = words.first().copied() else {
        return 0;
    };
    let boot = context.boot;
    let Ok(module) = boot.module(name) else {
        println!("{name}: no such command or program; `help` lists what there is");
        return STATUS_NOT_FOUND;
    };
    match run(context, &module, &words) {
        Ok(status) => status,
        Err(error) => {
            println!("{name}: could not be started: {error}");
            STATUS_NOT_STARTED
        }
    }
}

fn run(
    context: &mut Context<'_>,
    module: &Module<'_>,
    words: &[&str],
) -> Result<u8, aos::spawn::SpawnError> {
    let mapped = module.map()?;
    let elf = mapped.view().bytes().get(..module.file_bytes() as usize);
    let ended = context.children.run(
        elf.unwrap_or_default(),
        words,
        Trust::Plain,
        Limit::Interrupt,
    );
    // What cannot be unmapped only costs addresses.
    let _ = mapped.unmap();
    ended.map(conclude)
}
