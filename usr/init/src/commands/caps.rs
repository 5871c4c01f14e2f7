//! `caps`: capability spaces, slot by slot; the derivation forest; who can reach an address.
//!
//! Everything is printed while it is read, so the memory for it is bounded, however many capabilities there are.

use super::{Context, STATUS_USAGE, captree, capwhy};
use alloc::string::String;
use aos::cap::{CNodeRef, CapRef, cap_direct_identify, cap_state};
use aos::kpi::addr::{CapLevel, L2_SLOTS};
use aos::kpi::cap::{Capability, ObjType};
use aos::kpi::layout::SLOT_BYTES;
use aos::println;

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
        ["tree", address] => match number(address) {
            Some(address) => captree::tree(Some(address), context.json),
            None => usage(),
        },
        ["why", address] => match number(address) {
            Some(address) => capwhy::why(context, address),
            None => usage(),
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

/// A number, decimal or with 0x.
fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// `ROOT SLOT TYPE BASE BYTES RIGHTS OWNER` of one domain. A root slot itself has `-` for SLOT.
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
    for l1 in 0..u32::try_from(slots).unwrap_or(0) {
        let slot = CNodeRef::root_of(root.addr()).slot(l1);
        let Ok(capability) = cap_direct_identify(slot) else {
            continue;
        };
        show(slot, &capability, pid, json);
        if capability.objtype() != ObjType::L2CNode {
            continue;
        }
        for l2 in 0..L2_SLOTS {
            let slot = CNodeRef::foreign(root.addr(), l1).slot(l2);
            if let Ok(capability) = cap_direct_identify(slot) {
                show(slot, &capability, pid, json);
            }
        }
    }
    true
}

fn show(slot: CapRef, capability: &Capability, pid: Option<u32>, json: bool) {
    let (l1, l2) = (slot.addr().l1(), slot.addr().l2());
    let is_root_slot = slot.level() == CapLevel::L1;
    let foreign = cap_state(slot).is_ok_and(|state| state.foreign);
    let core = aos::core_id().0;
    let (name, base, bytes, rights) = (
        capability.objtype().name(),
        capability.address(),
        capability.size(),
        capability.rights(),
    );
    if json {
        let owner = if foreign { -1 } else { i32::from(core) };
        let l2 = if is_root_slot { -1 } else { l2 as i32 };
        if let Some(pid) = pid {
            aos::print!("{{\"pid\":{pid},");
        } else {
            aos::print!("{{");
        }
        println!(
            "\"root\":{l1},\"slot\":{l2},\"type\":\"{name}\",\"base\":{base},\"bytes\":{bytes},\
             \"rights\":\"{rights}\",\"owner\":{owner}}}"
        );
        return;
    }
    if is_root_slot {
        aos::print!("{l1:>4}    - ");
    } else {
        aos::print!("{l1:>4} {l2:>4} ");
    }
    aos::print!("{name:24} {base:>#14x} {bytes:>12} {rights}  ");
    if foreign {
        println!("other");
    } else {
        println!("{core}");
    }
}
