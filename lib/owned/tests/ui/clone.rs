#[path = "../model/mod.rs"]
mod model;

use kpi::cap::Frame;
use model::Cap;

// ANCHOR: body
fn two_of_it(frame: &Cap<Frame>) -> Cap<Frame> {
    Cap::clone(frame)
}
// ANCHOR_END: body

fn main() {}
