//! How long booting took: microseconds since power-on (counter value 0) at each stage.
//!
//! With hake's `--icount` the counter counts instructions: a tick of QEMU's 62.5 MHz counter is then 16 instructions.

use crate::records;
use aos::boot::Boot;
use aos::kpi::bootinfo::BootStage;
use aos::{println, time};

/// Prints the stages and sends their records.
pub fn show(boot: &Boot) {
    let prompt = time::now();
    println!("boot, microseconds since power-on:");
    let mut before = 0;
    let kernel = BootStage::ALL.into_iter().filter_map(|stage| {
        let ticks = boot.info().timeline.get(stage as usize).copied()?;
        Some((stage.name(), ticks))
    });
    for (name, ticks) in kernel.chain([("prompt", prompt)]) {
        if ticks == 0 {
            continue;
        }
        let since = time::micros(ticks.saturating_sub(before));
        println!("  {name:14} {:>10}  +{since}", time::micros(ticks));
        records::stage(name, ticks);
        before = ticks;
    }
}
