//! `caps`: init's own CSpace, slot by slot.

use super::Context;
use aos::cap::{CNodeRef, CapRef, cap_direct_identify, cap_state};
use aos::kpi::addr::{CapLevel, L2_SLOTS};
use aos::kpi::cap::{Capability, ObjType};
use aos::println;

/// Slots of init's root CNode.
const ROOT_SLOTS: u32 = 256;

/// `ROOT SLOT TYPE BASE BYTES RIGHTS OWNER`. A root slot itself has `-` for SLOT.
pub fn caps(context: &mut Context<'_>) -> u8 {
    if !context.json {
        println!(
            "{:>4} {:>4} {:24} {:>14} {:>12} {:6} OWNER",
            "ROOT", "SLOT", "TYPE", "BASE", "BYTES", "RIGHTS"
        );
    }
    for l1 in 0..ROOT_SLOTS {
        let slot = CNodeRef::ROOT.slot(l1);
        let Ok(capability) = cap_direct_identify(slot) else {
            continue;
        };
        show(slot, &capability, context.json);
        if capability.objtype() != ObjType::L2CNode {
            continue;
        }
        for l2 in 0..L2_SLOTS {
            let slot = CNodeRef::own(l1).slot(l2);
            if let Ok(capability) = cap_direct_identify(slot) {
                show(slot, &capability, context.json);
            }
        }
    }
    0
}

fn show(slot: CapRef, capability: &Capability, json: bool) {
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
        println!(
            "{{\"root\":{l1},\"slot\":{l2},\"type\":\"{name}\",\"base\":{base},\"bytes\":{bytes},\
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
