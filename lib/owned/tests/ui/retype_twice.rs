#[path = "../model/mod.rs"]
mod model;

use errors::Error;
use kpi::cap::{Frame, Ram, VNodeAarch64L3};
use model::Cap;

// ANCHOR: body
fn frame_and_table(ram: Cap<Ram>) -> Result<(), Error> {
    let frame: Cap<Frame> = ram.retype()?;
    let table: Cap<VNodeAarch64L3> = ram.retype()?;
    frame.delete()?;
    Ok(table.delete()?)
}
// ANCHOR_END: body

fn main() {}
