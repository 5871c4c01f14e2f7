#[path = "../model/mod.rs"]
mod model;

use errors::Error;
use kpi::cap::Frame;
use model::Cap;
use owned::give;

// ANCHOR: body
fn give_and_keep(endpoint: u32, frame: Cap<Frame>) -> Result<Frame, Error> {
    give(endpoint, &[], frame)?;
    frame.identify()
}
// ANCHOR_END: body

fn main() {}
