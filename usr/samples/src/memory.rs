//! A frame, mapped.

// ANCHOR: example
use aos::kpi::rights::PageFlags;
use aos::paging::MappedFrame;
use aos::prelude::*;
use aos::ram::{frame_alloc, mm_free};

pub fn main(_args: Args) -> Result<(), Error> {
    let frame = frame_alloc(64 << 10)?;
    let mut mapped = MappedFrame::new(frame, PageFlags::READ_WRITE)?;
    mapped.view_mut().fill(7);
    // Others may have it mapped too, so Rust sees a copy.
    let mut bytes = vec![0; 64 << 10];
    mapped.view().read(0, &mut bytes);
    let sum: u64 = bytes.iter().map(|byte| u64::from(*byte)).sum();
    println!("the frame's bytes add up to {sum}");
    mapped.unmap()?;
    mm_free(frame)
}
// ANCHOR_END: example
