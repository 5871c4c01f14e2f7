//! Programs: any first word that is no command.

use super::{AUTHORIZED, Context, STATUS_USAGE};
use crate::children::{Limit, Start, Trust, conclude};
use alloc::string::String;
use alloc::vec::Vec;
use aos::boot::Module;
use aos::initproto::{STATUS_NOT_FOUND, STATUS_NOT_STARTED};
use aos::println;

/// Runs the program that the first word names.
pub fn program(context: &mut Context<'_>) -> u8 {
    let words = core::mem::take(&mut context.words);
    named(context, &words, Trust::Plain)
}

/// Runs the program that the second word names, as if the boot menu had said `kernel`.
pub fn authorized(context: &mut Context<'_>) -> u8 {
    let words = core::mem::take(&mut context.words);
    match words.get(1..) {
        Some(words) if !words.is_empty() => named(context, words, Trust::Kernel),
        _ => {
            println!("usage: {AUTHORIZED} PROGRAM ARGUMENTS...");
            STATUS_USAGE
        }
    }
}

fn named(context: &mut Context<'_>, words: &[String], trust: Trust) -> u8 {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let Some(name) = words.first().copied() else {
        return 0;
    };
    if name == "init" {
        println!("init runs already, as the first program: it serves this prompt");
        return STATUS_NOT_STARTED;
    }
    let boot = context.boot;
    let Ok(module) = boot.module(name) else {
        println!("{name}: no such command or program; `help` lists what there is");
        return STATUS_NOT_FOUND;
    };
    match run(context, &module, &words, trust) {
        Ok(status) => status,
        Err(error) => {
            println!("{name}: could not be started: {error}");
            STATUS_NOT_STARTED
        }
    }
}

/// Starts the program, in the background if the line says so.
fn run(
    context: &mut Context<'_>,
    module: &Module<'_>,
    words: &[&str],
    trust: Trust,
) -> Result<u8, aos::spawn::SpawnError> {
    let background = context.background;
    let file = module.open()?;
    let env: Vec<&str> = context.env.iter().map(String::as_str).collect();
    let started = context.children.start(&Start {
        env: &env,
        trust,
        background,
        ..Start::new(&file, words)
    });
    // What cannot be unmapped only costs addresses.
    let _ = file.close();
    let pid = started?;
    if background {
        println!("[{pid}] {}", module.name());
        return Ok(0);
    }
    Ok(conclude(context.children.finish(pid, Limit::Interrupt)))
}
