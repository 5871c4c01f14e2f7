//! `caps`: capability spaces, slot by slot; the derivation forest; who can reach an address.
//!
//! Everything is printed while it is read, so the memory for it is bounded, however many capabilities there are.

use super::{Context, STATUS_USAGE, captree, capwhy};
use alloc::string::String;
use aos::cap::{CNodeRef, CapRef, cap_direct_identify, cap_state};
use aos::kpi::addr::{CapLevel, L2_SLOTS};
use aos::kpi::cap::{Capability, ObjType};
use aos::kpi::layout::SLOT_BYTES;
use aos::{menu, println};

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
    match space(domain.root, None, context.json) {
        true => 0,
        false => {
            println!("the CSpace of {} (pid {pid}) is gone", domain.name);
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
        space(domain.root, Some(domain.pid), context.json);
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

/// A CSpace; false when there is no root CNode.
fn space(root: CapRef, pid: Option<u32>, json: bool) -> bool {
    let Ok(capability) = cap_direct_identify(root) else {
        return false;
    };
    let slots = capability.size() / SLOT_BYTES;
    let mut rows = Rows::new(pid, json);
    for l1 in 0..u32::try_from(slots).unwrap_or(0) {
        let slot = CNodeRef::root_of(root.addr()).slot(l1);
        let Ok(capability) = cap_direct_identify(slot) else {
            continue;
        };
        rows.add(slot, capability);
        if capability.objtype() != ObjType::L2CNode {
            continue;
        }
        for l2 in 0..L2_SLOTS {
            let slot = CNodeRef::foreign(root.addr(), l1).slot(l2);
            if let Ok(capability) = cap_direct_identify(slot) {
                rows.add(slot, capability);
            }
        }
    }
    rows.end_run();
    true
}

/// One or more capabilities alike, of objects one behind the other, in slots one behind the other.
#[derive(Clone, Copy)]
struct Row {
    first: CapRef,
    capability: Capability,
    foreign: bool,
    /// How many more follow.
    more: u32,
    /// Base of the last.
    last: u64,
}

impl Row {
    /// Whether another capability belongs to this row.
    fn goes_on(&self, slot: CapRef, capability: &Capability, foreign: bool) -> bool {
        let is_next = slot.addr().0 == self.first.addr().0 + self.more + 1;
        let same = &self.capability;
        slot.level() == CapLevel::L2
            && self.first.level() == CapLevel::L2
            && is_next
            && capability.address() == self.last.wrapping_add(same.size())
            && capability.objtype() == same.objtype()
            && capability.size() == same.size()
            && capability.rights() == same.rights()
            && foreign == self.foreign
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

    fn add(&mut self, slot: CapRef, capability: Capability) {
        let foreign = cap_state(slot).is_ok_and(|state| state.foreign);
        if self.json {
            self.print_json(slot, &capability, foreign);
            return;
        }
        if let Some(row) = &mut self.run
            && row.goes_on(slot, &capability, foreign)
        {
            row.more += 1;
            row.last = capability.address();
            return;
        }
        self.end_run();
        self.run = Some(Row {
            first: slot,
            capability,
            foreign,
            more: 0,
            last: capability.address(),
        });
    }

    fn end_run(&mut self) {
        let Some(row) = self.run.take() else {
            return;
        };
        let address = row.first.addr();
        match row.first.level() {
            CapLevel::L2 => aos::print!("{:>4} {:>4} ", address.l1(), address.l2()),
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
        if row.foreign {
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

    fn print_json(&self, slot: CapRef, capability: &Capability, foreign: bool) {
        let l1 = slot.addr().l1();
        let l2 = match slot.level() {
            CapLevel::L2 => slot.addr().l2() as i32,
            _ => -1,
        };
        let owner = match foreign {
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
