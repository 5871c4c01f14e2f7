#[path = "../model/mod.rs"]
mod model;

use errors::Error;
use kpi::cap::{Frame, Ram};
use model::Cap;

// ANCHOR: body
fn back_to_ram(frame: Cap<Frame>) -> Result<Cap<Ram>, Error> {
    Ok(frame.retype::<Ram>()?)
}
// ANCHOR_END: body

fn main() {}
