//! `caps`: capability spaces, slot by slot; the derivation forest; who can reach an address.
//!
//! Everything is printed while it is read, so the memory for it is bounded, however many capabilities there are.

use super::{Context, STATUS_USAGE, captree, capwhy};
use alloc::string::String;
use aos::cap::CapRef;
use aos::cap::dispatcher::dispatcher_capabilities;
use aos::listing::{self, caps::Rows};
use aos::{Error, menu, print, println};

/// What the arguments mean.
pub const ARGS: &str = "[PID | all | tree [ADDRESS] | why ADDRESS]";

/// The command.
pub fn caps(context: &mut Context<'_>) -> u8 {
    let before = context.words.len();
    context.words.retain(|word| word != "--json");
    context.json = context.words.len() < before;
    let words = context.words.get(1..).unwrap_or_default();
    let words: alloc::vec::Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => one(context, crate::children::INIT_PID),
        ["all"] => all(context),
        ["tree"] => captree::tree(None, context.json),
        [what @ ("tree" | "why"), text] => match (menu::address(text), *what) {
            (Some(address), "tree") => captree::tree(Some(address), context.json),
            (Some(address), _) => capwhy::why(context, address),
            (None, _) => {
                println!("{text}: no address; write it in hexadecimal, as it is shown: 0x40000000");
                STATUS_USAGE
            }
        },
        [pid] => match pid.parse() {
            Ok(pid) => one(context, pid),
            Err(_) => usage(),
        },
        _ => usage(),
    }
}

fn usage() -> u8 {
    println!("usage: caps {ARGS} [--json]");
    STATUS_USAGE
}

/// `ROOT SLOT TYPE BASE BYTES RIGHTS OWNER` of one domain. A root slot itself has `-` for SLOT. What is alike is one row.
fn one(context: &Context<'_>, pid: u32) -> u8 {
    let Some(domain) = context.children.domains().find(|domain| domain.pid == pid) else {
        println!("no program {pid} runs; `ps` lists those that do");
        return 1;
    };
    header(context.json);
    match space(domain.dispatcher, None, context.json) {
        Ok(()) => 0,
        Err(error) => {
            println!("the CSpace of {} (pid {pid}) is gone: {error}", domain.name);
            1
        }
    }
}

/// As [`one`], of all domains that init knows: a line with the name before each; in JSON a field `pid`.
fn all(context: &Context<'_>) -> u8 {
    header(context.json);
    for domain in context.children.domains() {
        if !context.json {
            println!("{} (pid {})", domain.name, domain.pid);
        }
        // One that gave up its CSpace has nothing.
        let _ = space(domain.dispatcher, Some(domain.pid), context.json);
    }
    0
}

fn header(json: bool) {
    if !json {
        print!("{}", listing::caps::header());
    }
}

/// The CSpace that a dispatcher has now: it may have got another root CNode.
///
/// # Errors
/// The kernel's, when there is none, or init has the dispatcher no more.
fn space(dispatcher: CapRef, pid: Option<u32>, json: bool) -> Result<(), Error> {
    let mut rows = Rows::new(pid, aos::core_id().0, json);
    let mut result = Ok(());
    for found in dispatcher_capabilities(dispatcher) {
        match found {
            Ok((position, capability)) => print!("{}", rows.add(position, capability)),
            Err(error) => result = Err(error),
        }
    }
    print!("{}", rows.finish());
    result
}
