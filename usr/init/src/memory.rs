//! The machine's free memory.

use aos::boot;
use aos::cap::CNodeRef;
use aos::kpi::bootinfo::{BootInfo, RegionType};
use aos::kpi::slots::root;
use aos::{println, ram};

/// Adds every free region. One that cannot be added is named and left out.
pub fn add_regions(info: &'static BootInfo) {
    for region in boot::regions(info) {
        if RegionType::from_u32(region.kind) != Some(RegionType::Empty) {
            continue;
        }
        let cap = CNodeRef::own(root::SUPERCN).slot(region.slot);
        if let Err(error) = ram::mm_add(cap) {
            println!("init: memory at {:#x} is not used: {error}", region.base);
        }
    }
}
