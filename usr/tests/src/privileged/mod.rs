//! Tests of what takes init's authority: interrupts, cores, counters, names, and the commands that monitors use.

mod devices;
mod interrupts;
mod monitor;
mod objects;

use crate::harness::Harness;
use aos::{Status, ram};

/// Runs them all.
pub fn run() -> Status {
    let mut harness = Harness::new();
    if let Err(error) = ram::add_system_memory() {
        aos::println!("tests: start them with `module /sbin/tests kernel privileged`: {error}");
        return Status(1);
    }
    objects::run(&mut harness);
    interrupts::run(&mut harness);
    monitor::run(&mut harness);
    harness.end()
}
