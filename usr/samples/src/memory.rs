//! A frame, mapped.

// ANCHOR: example
use aos::kpi::rights::PageFlags;
use aos::paging::MappedFrame;
use aos::prelude::*;
use aos::ram::{frame_alloc, mm_free};

pub fn main(_args: Args) -> Result<(), Error> {
    let frame = frame_alloc(64 << 10)?;
    let mut mapped = MappedFrame::new(frame, PageFlags::READ_WRITE)?;
    mapped.view_mut().bytes_mut().fill(7);
    let sum: u64 = mapped
        .view()
        .bytes()
        .iter()
        .map(|byte| u64::from(*byte))
        .sum();
    println!("the frame's bytes add up to {sum}");
    mapped.unmap()?;
    mm_free(frame)
}
// ANCHOR_END: example
