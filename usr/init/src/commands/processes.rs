//! Programs that run: ps, kill, killall, suspend, resume, wait.

use super::{Context, STATUS_USAGE};
use crate::children::{INIT_PID, conclude};
use alloc::string::ToString;
use aos::exit::DomainName;
use aos::json::Quoted;
use aos::println;

/// Status of a wait that Ctrl-C ended, as shells have it.
const STATUS_INTERRUPTED: u8 = 130;

/// `PID CORE STATE NAME`.
pub fn ps(context: &mut Context<'_>) -> u8 {
    // Who has ended a moment ago is no longer listed.
    context.children.tend();
    let core = aos::core_id().0;
    if !context.json {
        println!("{:>5} {:>4} {:8} NAME", "PID", "CORE", "STATE");
    }
    for domain in context.children.domains() {
        let (pid, name) = (domain.pid, domain.name);
        let state = match domain.suspended {
            true => "stopped",
            false => "running",
        };
        if context.json {
            let name = name.to_string();
            println!(
                "{{\"pid\":{pid},\"core\":{core},\"state\":\"{state}\",\"name\":{}}}",
                Quoted(&name)
            );
        } else {
            println!("{pid:>5} {core:>4} {state:8} {name}");
        }
    }
    0
}

/// Ends a program.
pub fn kill(context: &mut Context<'_>) -> u8 {
    let Some(pid) = pid_of(context) else {
        println!("usage: kill PID");
        return STATUS_USAGE;
    };
    if pid == INIT_PID {
        println!("init cannot be killed; `shutdown` powers the machine off");
        return 1;
    }
    if !context.children.kill(pid) {
        return nobody(pid);
    }
    if let Some(ended) = context.children.take_ended(pid) {
        // 128 is the status of the program, not of this command.
        conclude(ended);
    }
    0
}

/// Ends all programs of a name.
pub fn killall(context: &mut Context<'_>) -> u8 {
    let [_, name] = context.words.as_slice() else {
        println!("usage: killall NAME");
        return STATUS_USAGE;
    };
    let pids = context.children.by_name(DomainName::new(name));
    if pids.is_empty() {
        println!("no program {name} runs; `ps` lists those that do");
        return 1;
    }
    for pid in pids {
        // It may have ended with one before it.
        context.children.kill(pid);
        if let Some(ended) = context.children.take_ended(pid) {
            conclude(ended);
        }
    }
    0
}

/// Has a program stand still.
pub fn suspend(context: &mut Context<'_>) -> u8 {
    set_suspended(context, true, "suspend")
}

/// Has a program go on.
pub fn resume(context: &mut Context<'_>) -> u8 {
    set_suspended(context, false, "resume")
}

fn set_suspended(context: &mut Context<'_>, suspended: bool, command: &str) -> u8 {
    let Some(pid) = pid_of(context) else {
        println!("usage: {command} PID");
        return STATUS_USAGE;
    };
    if pid == INIT_PID {
        println!("init goes on as long as the machine does");
        return 1;
    }
    match context.children.suspend(pid, suspended) {
        Ok(true) => 0,
        Ok(false) => nobody(pid),
        Err(error) => {
            println!("program {pid}: {error}");
            1
        }
    }
}

/// Says that no such program runs.
fn nobody(pid: u32) -> u8 {
    println!("no program {pid} runs; `ps` lists those that do");
    1
}

/// Waits for the end of a program in the background; its status is the command's.
pub fn wait(context: &mut Context<'_>) -> u8 {
    let Some(pid) = pid_of(context) else {
        println!("usage: wait PID");
        return STATUS_USAGE;
    };
    if pid == INIT_PID {
        println!("init goes on as long as the machine does");
        return 1;
    }
    let ended = match context.children.child(pid) {
        Some(_) => context.children.wait(pid),
        None => {
            // Told here, it is not told again.
            let untold = context.children.take_ended(pid);
            let ended = untold.or_else(|| context.children.remembered(pid));
            if ended.is_none() {
                println!("no program {pid} runs or has just ended; `ps` lists those that run");
                return 1;
            }
            ended
        }
    };
    let Some(ended) = ended else {
        return STATUS_INTERRUPTED;
    };
    aos::console::flush();
    ended.outcome.tell_background(ended.name, ended.pid);
    ended.outcome.status()
}

/// The only argument.
fn pid_of(context: &Context<'_>) -> Option<u32> {
    match context.words.as_slice() {
        [_, pid] => pid.parse().ok(),
        _ => None,
    }
}
