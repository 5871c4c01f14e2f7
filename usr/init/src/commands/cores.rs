//! The command `cores`.

use super::{Context, STATUS_USAGE};
use crate::children::{Limit, rest};
use crate::cores::{MEMORY_BYTES, State};
use aos::kpi::addr::CoreId;
use aos::{event, println, time};
use core::time::Duration;

/// What it takes.
pub const ARGS: &str = "[--json] | start CORE [memory=MIB] [ARGUMENTS...] | start all";
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_millis(500);

/// The cores and how they are; or starts one, with these arguments of its CPU driver, or all.
pub fn cores(context: &mut Context<'_>) -> u8 {
    let words: alloc::vec::Vec<&str> = context.words.iter().skip(1).map(|word| &**word).collect();
    match words.as_slice() {
        [] => list(context, false),
        ["--json"] => list(context, true),
        ["start", "all"] => {
            context.children.cores.start_some(usize::MAX);
            until_up(context)
        }
        ["start", core, arguments @ ..] => {
            let Ok(core) = core.parse() else {
                println!("`{core}` is no core's number");
                return STATUS_USAGE;
            };
            let (memory, arguments) = match arguments {
                [first, rest @ ..] if first.starts_with("memory=") => (Some(*first), rest),
                all => (None, all),
            };
            let Some(bytes) = memory.map_or(Some(MEMORY_BYTES), memory_of) else {
                println!("memory= takes MiB, from 1 to {MEMORY_MAX}");
                return STATUS_USAGE;
            };
            let arguments = arguments.join(" ");
            let cores = &mut context.children.cores;
            match cores.start(CoreId(core), bytes, &arguments) {
                Ok(()) => until_up(context),
                Err(error) => {
                    println!("core {core}: {error}");
                    1
                }
            }
        }
        _ => {
            println!("usage: cores {ARGS}");
            STATUS_USAGE
        }
    }
}

/// Most memory of a core, in MiB.
const MEMORY_MAX: u64 = 1 << 16;

/// `memory=MIB` in bytes.
fn memory_of(word: &str) -> Option<u64> {
    let mebibytes: u64 = word.strip_prefix("memory=")?.parse().ok()?;
    (1..=MEMORY_MAX)
        .contains(&mebibytes)
        .then_some(mebibytes << 20)
}

/// Waits until those that are being started are up, or given up, or Ctrl-C.
fn until_up(context: &mut Context<'_>) -> u8 {
    wait(context, |context| !context.children.cores.is_any_starting());
    let mut all = context.children.cores.others().iter();
    u8::from(all.any(|core| core.state == State::Failed))
}

fn wait(context: &mut Context<'_>, mut done: impl FnMut(&mut Context<'_>) -> bool) {
    loop {
        let snapshot = event::snapshot();
        let busy = context.children.tend();
        if done(context) || context.children.input.interrupted() {
            return;
        }
        rest(busy, snapshot, Limit::Interrupt);
    }
}

fn list(context: &mut Context<'_>, json: bool) -> u8 {
    context.children.cores.ask();
    let deadline = time::after(PATIENCE);
    wait(context, |context| {
        context.children.cores.have_answered() || time::now() >= deadline
    });
    let own = aos::core_id().0;
    let hardware_id = context.boot.info().core_data.arch_id;
    if json {
        println!("{{\"core\":{own},\"hardware\":{hardware_id},\"state\":\"up\"}}");
    } else {
        println!("CORE HARDWARE STATE        UP_US  MEMORY_KIB    FREE_KIB   CAPS");
        println!("{own:>4} {hardware_id:>8} up");
    }
    for core in context.children.cores.others() {
        let (id, hardware_id, state) = (core.id.0, core.hardware_id, core.state.name());
        let took = time::micros(core.took);
        let load = core.load.unwrap_or_default();
        let (memory, free, caps) = (load.memory >> 10, load.free >> 10, load.capabilities);
        match (json, core.state) {
            (true, _) => println!(
                "{{\"core\":{id},\"hardware\":{hardware_id},\"state\":\"{state}\",\"up_us\":{took},\"memory\":{},\"free\":{},\"capabilities\":{caps}}}",
                load.memory, load.free
            ),
            (false, State::Up) => println!(
                "{id:>4} {hardware_id:>8} {state:8} {took:>10} {memory:>11} {free:>11} {caps:>6}"
            ),
            (false, _) => println!("{id:>4} {hardware_id:>8} {state}"),
        }
    }
    0
}
