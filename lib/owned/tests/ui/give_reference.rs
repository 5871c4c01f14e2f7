#[path = "../model/mod.rs"]
mod model;

use errors::Error;
use owned::give;

// ANCHOR: body
fn give_a_slot(endpoint: u32, slot: u32) -> Result<(), Error> {
    give(endpoint, &[], slot)?;
    Ok(())
}
// ANCHOR_END: body

fn main() {}
