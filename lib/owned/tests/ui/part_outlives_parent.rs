#[path = "../model/mod.rs"]
mod model;

use errors::Error;
use kpi::cap::{Frame, Ram};
use model::Cap;

// ANCHOR: body
fn drop_the_parent(ram: Cap<Ram>) -> Result<Frame, Error> {
    let part = ram.carve::<Frame>(0, 4096)?;
    drop(ram);
    part.identify()
}
// ANCHOR_END: body

fn main() {}
