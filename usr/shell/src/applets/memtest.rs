//! Writes memory and reads it again.
//!
//! Patterns find bits that stay as they are; the address of each word finds words that are the same memory.

use super::in_range;
use alloc::vec;
use alloc::vec::Vec;
use aos::kpi::rights::PageFlags;
use aos::paging::MappedFrame;
use aos::ram::{frame_alloc, mm_free};
use aos::{Error, Status, println};

/// Mebibytes without an argument, and at most.
const DEFAULT: u32 = 4;
const MOST: u32 = 12;
/// Bytes written at a time.
const BLOCK: usize = 4096;

type Pattern = (&'static str, fn(u64) -> u64);

const PATTERNS: [Pattern; 5] = [
    ("zeroes", |_| 0),
    ("ones", |_| u64::MAX),
    ("stripes", |_| 0x5555_5555_5555_5555),
    ("stripes, the other way", |_| 0xaaaa_aaaa_aaaa_aaaa),
    ("addresses", |address| address),
];

/// Tests so many mebibytes.
///
/// # Errors
/// There is not that much memory.
pub fn run(mebibytes: Option<u32>) -> Result<Status, Error> {
    let mebibytes = mebibytes.unwrap_or(DEFAULT);
    if !in_range("memtest", mebibytes, MOST) {
        return Ok(crate::USAGE);
    }
    let bytes = (mebibytes as usize) << 20;
    let frame = frame_alloc(bytes as u64)?;
    let mut mapped = MappedFrame::new(frame, PageFlags::READ_WRITE)?;
    let mut wrong = 0u64;
    for (name, pattern) in PATTERNS {
        for at in (0..bytes).step_by(BLOCK) {
            mapped.view_mut().write(at, &block(at, pattern));
        }
        let mut bad = 0;
        let mut read = vec![0; BLOCK];
        for at in (0..bytes).step_by(BLOCK) {
            let is_read = mapped.view().read(at, &mut read);
            bad += u64::from(!is_read || read != block(at, pattern));
        }
        println!("{name}: {bad} pages of {} differ", bytes / BLOCK);
        wrong += bad;
    }
    mapped.unmap()?;
    mm_free(frame)?;
    println!(
        "memtest: {mebibytes} MiB, {}",
        if wrong == 0 { "all well" } else { "DAMAGED" }
    );
    Ok(Status(u8::from(wrong > 0)))
}

/// What a page from that offset on holds.
fn block(at: usize, pattern: fn(u64) -> u64) -> Vec<u8> {
    let words = (at..at + BLOCK).step_by(8).map(|at| pattern(at as u64));
    words.flat_map(u64::to_le_bytes).collect()
}
