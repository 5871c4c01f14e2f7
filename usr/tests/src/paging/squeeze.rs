//! The user pager that compresses cold pages: what is written is read, in less memory.

use super::{plus, read, write};
use crate::harness::{Outcome, equal, that};
use aos::kpi::layout::BASE_PAGE_SIZE;
use aos::paging::pager::paging_map_pager;
use aos::ram::mm_usage;
use aos_pagers::Squeeze;

const PAGES: u64 = 256;
const SLOTS: u64 = 24;

pub(super) fn test() -> Outcome {
    let pager = Squeeze::new(PAGES as usize, SLOTS as usize)?;
    let before = mm_usage().free;
    let region = paging_map_pager(pager, PAGES * BASE_PAGE_SIZE)?;
    let at = |page, word| plus(region.address(), page * BASE_PAGE_SIZE + word * 8);
    // 1 MiB of words that repeat.
    for page in 0..PAGES {
        for word in 0..BASE_PAGE_SIZE / 8 {
            write(at(page, word), page * 1000 + word % 7);
        }
    }
    for page in (0..PAGES).rev() {
        for word in (0..BASE_PAGE_SIZE / 8).step_by(61) {
            equal(read(at(page, word)), page * 1000 + word % 7)?;
        }
    }
    let (statistics, packed) = region.with(|pager, _| (pager.statistics(), pager.packed_bytes()));
    that(statistics.packed >= PAGES - SLOTS, "most were compressed")?;
    that(statistics.restored >= PAGES - SLOTS, "and restored")?;
    that(packed < 64 << 10, "1 MiB in less than 64 KiB")?;
    let used = before.saturating_sub(mm_usage().free);
    that(used < 256 << 10, "all in all less than a quarter")?;
    // SAFETY: no references.
    unsafe { region.unmap() }?.free()?;
    Ok(())
}
