//! Which pages a binary search comes to.

use aos::kpi::layout::BASE_PAGE_SIZE;
use aos::paging::pager::paging_map_pager;
use aos::prelude::*;
use aos_pagers::Counted;
use random::Random;

const PAGES: usize = 16;
const WORDS: usize = PAGES * (BASE_PAGE_SIZE as usize) / 8;
const SEARCHES: usize = 200;
/// Searches that a `#` stands for.
const SCALE: u32 = 5;

/// Writes a sorted array, searches in it, and shows the counts.
///
/// # Errors
/// Why memory could not be had.
pub fn show() -> Result<(), Error> {
    let bytes = PAGES as u64 * BASE_PAGE_SIZE;
    let region = paging_map_pager(Counted::new(PAGES, 1)?, bytes)?;
    for word in 0..WORDS {
        region.store(word * 8, 3 * word as u64);
    }
    let mut random = Random::new(2);
    let mut found = 0;
    for _ in 0..SEARCHES {
        let wanted = 3 * random.below(WORDS as u64);
        let (mut low, mut high) = (0, WORDS);
        while low < high {
            let middle = low.midpoint(high);
            match region.load(middle * 8) {
                Some(word) if word < wanted => low = middle + 1,
                _ => high = middle,
            }
        }
        found += usize::from(region.load(low * 8) == Some(wanted));
    }
    println!("{found} of {SEARCHES} words found among {WORDS}; one page open at a time");
    println!("PAGE WRITTEN READ");
    region.with(|pager, _| {
        for (page, count) in pager.counts().iter().enumerate() {
            let bar = (count.reads / SCALE) as usize;
            println!(
                "{page:>4} {:>7} {:>4} {:#<bar$}",
                count.writes, count.reads, ""
            );
        }
    });
    // SAFETY: nothing refers to it.
    unsafe { region.unmap() }?.free()
}
