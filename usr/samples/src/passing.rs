//! Passing a capability to a child: a frame that both map.

// ANCHOR: example
use aos::kpi::rights::PageFlags;
use aos::paging::MappedFrame;
use aos::prelude::*;
use aos::proc::{self, Command};
use aos::ram::frame_alloc;

pub fn main(_args: Args) -> Result<(), Error> {
    if let Some(frame) = proc::passed(0) {
        // The child.
        let mapped = MappedFrame::new(frame, PageFlags::READ_WRITE)?;
        mapped.view().store(0, 42);
        return Ok(());
    }
    let frame = frame_alloc(4096)?;
    let child = Command::new("samples").arg("passing").pass(frame).spawn()?;
    child.wait()?;
    let mapped = MappedFrame::new(frame, PageFlags::READ)?;
    println!("the child wrote {:?}", mapped.view().load(0));
    Ok(())
}
// ANCHOR_END: example
