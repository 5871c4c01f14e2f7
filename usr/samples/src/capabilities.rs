//! Capabilities.

// ANCHOR: example
use aos::cap::{cap_copy, cap_delete, cap_direct_identify};
use aos::prelude::*;
use aos::ram::{frame_alloc, mm_free};
use aos::slot::{slot_alloc, slot_free};

pub fn main(_args: Args) -> Result<(), Error> {
    let frame = frame_alloc(4096)?;
    let copy = slot_alloc()?;
    cap_copy(copy, frame)?;
    println!("a copy of a {:?}", cap_direct_identify(copy)?.objtype());
    cap_delete(copy)?;
    if let Err(error) = cap_direct_identify(copy) {
        println!("gone: {}", error.code().name());
    }
    slot_free(copy)?;
    mm_free(frame)
}
// ANCHOR_END: example
