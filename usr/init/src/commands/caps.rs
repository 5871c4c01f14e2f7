//! `caps`: capability spaces, slot by slot; the derivation forest; who can reach an address.
//!
//! Everything is printed while it is read, so the memory for it is bounded, however many capabilities there are.

use super::{Context, STATUS_USAGE, captree, capwhy};
use alloc::string::String;
use aos::cap::CapRef;
use aos::cap::dispatcher::dispatcher_capabilities;
use aos::kpi::addr::CapLevel;
use aos::kpi::cap::Capability;
use aos::kpi::invocation::CapPosition;
use aos::{Error, menu, println};

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
        println!(
            "{:>4} {:>4} {:24} {:>14} {:>12} {:6} OWNER",
            "ROOT", "SLOT", "TYPE", "BASE", "BYTES", "RIGHTS"
        );
    }
}

/// The CSpace that a dispatcher has now: it may have got another root CNode.
///
/// # Errors
/// The kernel's, when there is none, or init has the dispatcher no more.
fn space(dispatcher: CapRef, pid: Option<u32>, json: bool) -> Result<(), Error> {
    let mut rows = Rows::new(pid, json);
    let mut result = Ok(());
    for found in dispatcher_capabilities(dispatcher) {
        match found {
            Ok((position, capability)) => rows.add(position, capability),
            Err(error) => result = Err(error),
        }
    }
    rows.end_run();
    result
}

/// One or more capabilities alike, of objects one behind the other, in slots one behind the other.
#[derive(Clone, Copy)]
struct Row {
    first: CapPosition,
    capability: Capability,
    /// How many more follow.
    more: u32,
    /// Base of the last.
    last: u64,
}

impl Row {
    /// Whether another capability belongs to this row.
    fn goes_on(&self, slot: CapPosition, capability: &Capability) -> bool {
        let is_next = slot.address().0 == self.first.address().0 + self.more + 1;
        let same = &self.capability;
        slot.level() == CapLevel::L2 as u64
            && self.first.level() == CapLevel::L2 as u64
            && is_next
            && capability.address() == self.last.wrapping_add(same.size())
            && capability.objtype() == same.objtype()
            && capability.size() == same.size()
            && capability.rights() == same.rights()
            && slot.is_foreign() == self.first.is_foreign()
    }
}

/// Prints slots; for people, those that are alike are one line.
struct Rows {
    pid: Option<u32>,
    json: bool,
    run: Option<Row>,
}

impl Rows {
    const fn new(pid: Option<u32>, json: bool) -> Self {
        Self {
            pid,
            json,
            run: None,
        }
    }

    fn add(&mut self, slot: CapPosition, capability: Capability) {
        if self.json {
            self.print_json(slot, &capability);
            return;
        }
        if let Some(row) = &mut self.run
            && row.goes_on(slot, &capability)
        {
            row.more += 1;
            row.last = capability.address();
            return;
        }
        self.end_run();
        self.run = Some(Row {
            first: slot,
            capability,
            more: 0,
            last: capability.address(),
        });
    }

    fn end_run(&mut self) {
        let Some(row) = self.run.take() else {
            return;
        };
        let address = row.first.address();
        match row.first.level() {
            level if level == CapLevel::L2 as u64 => {
                aos::print!("{:>4} {:>4} ", address.l1(), address.l2())
            }
            _ => aos::print!("{:>4}    - ", address.l1()),
        }
        let capability = row.capability;
        aos::print!(
            "{:24} {:>#14x} {:>12} {}  ",
            capability.objtype().name(),
            capability.address(),
            capability.size(),
            capability.rights()
        );
        if row.first.is_foreign() {
            aos::print!("other");
        } else {
            aos::print!("{}", aos::core_id().0);
        }
        if row.more > 0 {
            let (last, base) = (address.l2() + row.more, row.last);
            aos::print!(" and {} like it, to slot {last} at {base:#x}", row.more);
        }
        println!();
    }

    fn print_json(&self, slot: CapPosition, capability: &Capability) {
        let l1 = slot.address().l1();
        let l2 = match slot.level() {
            level if level == CapLevel::L2 as u64 => slot.address().l2() as i32,
            _ => -1,
        };
        let owner = match slot.is_foreign() {
            true => -1,
            false => i32::from(aos::core_id().0),
        };
        let (name, base, bytes, rights) = (
            capability.objtype().name(),
            capability.address(),
            capability.size(),
            capability.rights(),
        );
        aos::print!("{{");
        if let Some(pid) = self.pid {
            aos::print!("\"pid\":{pid},");
        }
        println!(
            "\"root\":{l1},\"slot\":{l2},\"type\":\"{name}\",\"base\":{base},\"bytes\":{bytes},\
             \"rights\":\"{rights}\",\"owner\":{owner}}}"
        );
    }
}
