//! Event counters of the performance monitors (Arm ARM D13). The cycle counter is [`super::cpu`]'s.

use aarch64_cpu::asm::barrier;

/// Event counters this core has; 0 without performance monitors.
pub fn counters() -> u32 {
    if super::cpu::has_performance_monitors() {
        (read_register!("PMCR_EL0") >> 11 & 0x1f) as u32
    } else {
        0
    }
}

/// Whether this core counts the event, one of the 64 common ones.
pub fn counts(event: u64) -> bool {
    let implemented = match event {
        0..32 => read_register!("PMCEID0_EL0"),
        32..64 => read_register!("PMCEID1_EL0"),
        _ => 0,
    };
    implemented >> (event % 32) & 1 == 1
}

/// The counter that the next accesses mean. It is below [`counters`].
fn select(counter: u32) {
    write_register!("PMSELR_EL0", u64::from(counter));
    barrier::isb(barrier::SY);
}

/// Lets the counter count the event from 0 on, at EL0 and EL1.
pub fn start(counter: u32, event: u64) {
    stop(counter);
    select(counter);
    write_register!("PMXEVTYPER_EL0", event & 0x3f);
    write_register!("PMXEVCNTR_EL0", 0);
    write_register!("PMCNTENSET_EL0", 1 << counter);
    barrier::isb(barrier::SY);
}

/// Stops the counter.
pub fn stop(counter: u32) {
    write_register!("PMCNTENCLR_EL0", 1 << counter);
    barrier::isb(barrier::SY);
}

/// Sets the counter.
pub fn write(counter: u32, value: u32) {
    select(counter);
    write_register!("PMXEVCNTR_EL0", u64::from(value));
}

/// The counter's value.
pub fn read(counter: u32) -> u32 {
    select(counter);
    read_register!("PMXEVCNTR_EL0") as u32
}
