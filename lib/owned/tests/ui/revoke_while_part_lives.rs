#[path = "../model/mod.rs"]
mod model;

use errors::Error;
use kpi::cap::{Frame, Ram};
use model::Cap;

// ANCHOR: body
fn revoke_under_it(ram: &mut Cap<Ram>) -> Result<Frame, Error> {
    let part = ram.carve::<Frame>(0, 4096)?;
    ram.revoke()?;
    part.identify()
}
// ANCHOR_END: body

fn main() {}
