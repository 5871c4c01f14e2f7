#[path = "../model/mod.rs"]
mod model;

use errors::Error;
use kpi::cap::Frame;
use model::Mapped;
use owned::give;

// ANCHOR: body
fn give_while_mapped(endpoint: u32, mapped: Mapped<Frame>) -> Result<(), Error> {
    give(endpoint, &[], mapped)?;
    Ok(())
}
// ANCHOR_END: body

fn main() {}
