#[path = "../model/mod.rs"]
mod model;

use errors::Error;
use kpi::cap::Ram;
use kpi::rights::PageFlags;
use model::Cap;

// ANCHOR: body
fn look_inside(ram: Cap<Ram>) -> Result<(), Error> {
    ram.map(PageFlags::READ)?;
    Ok(())
}
// ANCHOR_END: body

fn main() {}
