//! More pages than there is memory for.

use aos::kpi::layout::BASE_PAGE_SIZE;
use aos::paging::pager::{Paged, paging_map_pager};
use aos::prelude::*;
use aos_pagers::Squeeze;
use random::Random;

/// Pages of the region.
pub const PAGES: usize = 1000;
/// Pages that there is memory for.
pub const ROOM: usize = 100;

const PAGE: usize = BASE_PAGE_SIZE as usize;
const WORDS: usize = PAGE / 8;
/// A page has so many different words.
const DIFFERENT: usize = 40;

const fn content(page: usize, word: usize) -> u64 {
    (page * 1000 + word % DIFFERENT) as u64
}

/// Writes all pages, reads them in any order, and then works on as many as there is almost room for.
///
/// # Errors
/// Why memory could not be had.
pub fn show(pages: usize, room: usize) -> Result<(), Error> {
    let region = paging_map_pager(Squeeze::new(pages, room)?, (pages * PAGE) as u64)?;
    println!("{pages} pages with room for {room}");
    println!("               ACCESSES FAULTS COMPRESSED RESTORED  KEPT AS BYTES");
    let mut random = Random::new(1);
    let mut wrong = 0;
    report(&region, "all written", || {
        for page in 0..pages {
            for word in 0..WORDS {
                region.store(page * PAGE + word * 8, content(page, word));
            }
        }
        pages * WORDS
    });
    report(&region, "read anywhere", || {
        for _ in 0..pages {
            let (page, word) = (index(&mut random, pages), index(&mut random, WORDS));
            let found = region.load(page * PAGE + word * 8);
            wrong += usize::from(found != Some(content(page, word)));
        }
        pages
    });
    let few = (room * 4 / 5).max(1);
    report(&region, "a few of them", || {
        for _ in 0..100 * few {
            let (page, word) = (index(&mut random, few), index(&mut random, WORDS));
            let found = region.load(page * PAGE + word * 8);
            wrong += usize::from(found != Some(content(page, word)));
        }
        100 * few
    });
    println!("words that were not what was written: {wrong}");
    // SAFETY: nothing refers to it.
    unsafe { region.unmap() }?.free()
}

fn index(random: &mut Random, end: usize) -> usize {
    random.below(end as u64) as usize
}

/// Does some work, and says what came of it. Nothing is printed meanwhile.
fn report(region: &Paged<Squeeze>, what: &str, work: impl FnOnce() -> usize) {
    let figures = || region.with(|pager, _| (pager.faults(), pager.statistics()));
    let (faults, before) = figures();
    let accesses = work();
    let (all_faults, now) = figures();
    let packed = region.with(|pager, _| pager.packed_bytes());
    println!(
        "{what:<14} {accesses:>8} {:>6} {:>10} {:>8} {packed:>14}",
        all_faults - faults,
        now.packed - before.packed,
        now.restored - before.restored,
    );
}
