//! Page faults of a hundred threads at once: in one region, where several want the same page, in regions of their own, on their stacks, and in
//! the heap.

use super::{RW, read, unmap, write};
use crate::harness::{Outcome, equal, that};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use aos::kpi::layout::BASE_PAGE_SIZE as PAGE;
use aos::paging::paging_alloc_lazy;
use aos::sync::Barrier;
use aos::{Error, thread};
use random::Random;

const THREADS: u64 = 100;
/// Pages that all of them touch, each its own word.
const SHARED: u64 = 64;
/// Pages of each thread's own region.
const OWN: u64 = 20;

/// Uses some pages of the stack.
fn deep(depth: u64) -> u64 {
    let block = core::hint::black_box([depth; 300]);
    match depth {
        0 => 0,
        _ => block.last().copied().unwrap_or(0) + deep(depth - 1),
    }
}

/// Answers whether all is as it was written.
fn one(number: u64, region: u64, start: &Barrier) -> Result<bool, Error> {
    let mut random = Random::new(number);
    let own = paging_alloc_lazy(OWN * PAGE, RW)?;
    start.wait();
    for page in 0..SHARED {
        // Each in its own order.
        let page = (page * (2 * number + 1) + number) % SHARED;
        write(region + page * PAGE + 8 * number, page + number + 1);
        let page = random.below(OWN);
        write(own.0 + page * PAGE, page + 1);
        match random.below(8) {
            0 => thread::yield_now(),
            1 => {
                let mut block = vec![0_u8; 70_000];
                if let Some(last) = block.last_mut() {
                    *last = 1;
                }
                core::hint::black_box(&block);
            }
            _ => {}
        }
    }
    let is_deep = deep(6) == 21;
    let shared =
        (0..SHARED).all(|page| read(region + page * PAGE + 8 * number) == page + number + 1);
    let own_words = (0..OWN).all(|page| [0, page + 1].contains(&read(own.0 + page * PAGE)));
    unmap(own)?;
    Ok(is_deep && shared && own_words)
}

pub(super) fn crowd() -> Outcome {
    let region = paging_alloc_lazy(SHARED * PAGE, RW)?;
    let start = Arc::new(Barrier::new(THREADS as usize));
    let threads: Result<Vec<_>, Error> = (0..THREADS)
        .map(|number| {
            let start = start.clone();
            thread::spawn("one of 100", move || one(number, region.0, &start))
        })
        .collect();
    for thread in threads? {
        that(thread.join()??, "every word as it was written")?;
    }
    unmap(region)?;
    thread::trim();
    equal(thread::count(), 1)
}
