#[path = "../model/mod.rs"]
mod model;

use kpi::cap::{DevFrame, Frame};
use model::Cap;

// ANCHOR: body
fn fill(memory: Cap<Frame>) {
    drop(memory);
}

fn fill_a_device(registers: Cap<DevFrame>) {
    fill(registers)
}
// ANCHOR_END: body

fn main() {}
