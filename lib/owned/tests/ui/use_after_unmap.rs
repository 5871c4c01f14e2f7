#[path = "../model/mod.rs"]
mod model;

use errors::Error;
use kpi::cap::Frame;
use kpi::rights::PageFlags;
use model::Cap;

// ANCHOR: body
fn read_late(frame: Cap<Frame>) -> Result<Option<u8>, Error> {
    let mapped = frame.map(PageFlags::READ)?;
    let bytes = mapped.view();
    mapped.unmap()?;
    Ok(bytes.first().copied())
}
// ANCHOR_END: body

fn main() {}
