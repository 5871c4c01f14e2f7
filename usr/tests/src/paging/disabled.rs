//! Nothing that is used while the dispatcher is disabled, or under the lock of the library's books, is lazily backed.
//!
//! A fault there could not be resolved: it would end the domain, or have a thread wait for itself. So all lazy pages are taken away again and again
//! (they come back when they are touched, with what is in them), while threads are switched, interrupted, woken and made.

use super::{SUITE, plus, read, write};
use crate::harness::{Harness, Outcome, equal, that};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use aos::kpi::layout::BASE_PAGE_SIZE as PAGE;
use aos::kpi::rights::PageFlags;
use aos::kpi::syscall::SendFlags;
use aos::lmp::{MIN_BUFFER_WORDS, endpoint_create, send};
use aos::paging::{Kind, paging_alloc_lazy, paging_lookup, paging_rest, paging_unmap};
use aos::sync::{Condvar, Mutex, Semaphore};
use aos::{Error, event, thread, time};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use core::time::Duration;

pub(super) fn run(harness: &mut Harness) {
    let mut test = |name, work: fn() -> Outcome| harness.test(SUITE, name, work);
    test("the heap is taken away while threads work", heap_away);
    test("switches with the stack at any place of a page", positions);
}

/// What the threads use, on the heap.
#[derive(Default)]
struct Shared {
    lock: Mutex<u64>,
    changed: Condvar,
    ends: AtomicBool,
    rounds: AtomicU32,
}

fn heap_away() -> Outcome {
    // So large that it lies in the lazy part of the heap, as all that is made from now on.
    let filler: Box<[u8]> = alloc::vec![1; 512 << 10].into();
    let shared: Arc<Shared> = Arc::default();
    let place = core::ptr::from_ref(&*shared).expose_provenance() as u64;
    let semaphore = Arc::new(Semaphore::new(0));
    let endpoint = Arc::new(endpoint_create(8 * MIN_BUFFER_WORDS)?);
    let lazy = paging_alloc_lazy(64 * PAGE, PageFlags::READ_WRITE)?;
    let mut threads = Vec::new();
    for number in 0..6u64 {
        let (shared, semaphore, endpoint) = (shared.clone(), semaphore.clone(), endpoint.clone());
        threads.push(thread::spawn("at work", move || {
            let mut random = random::Random::new(0xd15ab1ed + number);
            while !shared.ends.load(Ordering::Relaxed) {
                shared.rounds.fetch_add(1, Ordering::Relaxed);
                match random.below(8) {
                    0 => {
                        let mut value = shared.lock.lock();
                        *value += 1;
                        if random.below(2) == 0 {
                            thread::yield_now();
                        }
                        shared.changed.notify_one();
                    }
                    1 => {
                        let mut value = shared.lock.lock();
                        let soon = time::after(Duration::from_micros(300));
                        shared.changed.wait_until(&mut value, Some(soon));
                    }
                    2 => semaphore.post(),
                    3 => {
                        let soon = time::after(Duration::from_micros(300));
                        semaphore.wait_until(Some(soon));
                    }
                    4 => {
                        // A full buffer is no matter.
                        let _ = send(endpoint.cap(), &[number], None, SendFlags::DEFAULT);
                    }
                    5 => {
                        let snapshot = event::snapshot();
                        if endpoint.receive().is_none() {
                            let soon = time::after(Duration::from_micros(300));
                            event::wait_until(snapshot, Some(soon));
                        }
                    }
                    6 => {
                        let page = plus(lazy, PAGE * random.below(64));
                        write(plus(page, 8 * number), read(plus(page, 8 * number)) + 1);
                    }
                    _ => {
                        let list: Vec<u64> = (0..random.below(2000)).collect();
                        if list.iter().sum::<u64>()
                            != (list.len() as u64 * list.len().saturating_sub(1) as u64) / 2
                        {
                            return false;
                        }
                    }
                }
            }
            true
        })?);
    }
    let mut rested = 0;
    for _ in 0..60 {
        rested += paging_rest()?;
        // They touch some of it, and are interrupted.
        let until = shared.rounds.load(Ordering::Relaxed) + 20;
        while shared.rounds.load(Ordering::Relaxed) < until {
            thread::yield_now();
        }
    }
    shared.ends.store(true, Ordering::Relaxed);
    for thread in threads {
        that(thread.join()?, "nothing is lost")?;
    }
    that(rested > 60 * PAGE, "pages were taken away")?;
    that(filler.iter().all(|byte| *byte == 1), "nothing is lost")?;
    let kind = paging_lookup(aos::kpi::addr::VirtAddr(place)).map(|found| found.kind);
    // Or it found a place in the program's own arena.
    that(
        matches!(kind, Some(Kind::Lazy) | None),
        "locks that were away",
    )?;
    // SAFETY: no references.
    unsafe { paging_unmap(lazy) }?;
    Ok(())
}

/// Goes down the stack in small steps, and gives the core away at each.
fn down(depth: u32) -> u32 {
    let frame = core::hint::black_box([depth; 4]);
    thread::yield_now();
    if depth == 0 {
        return 0;
    }
    let below = down(depth - 1);
    below + u32::from(frame == core::hint::black_box([depth; 4]))
}

fn positions() -> Outcome {
    thread::trim();
    // Stacks that were never touched.
    let threads: Result<Vec<_>, Error> = (0..3u32)
        .map(|number| {
            thread::Builder::new("down")
                .stack_bytes(96 << 10)
                .spawn(move || down(400 + number * 7))
        })
        .collect();
    for (number, thread) in threads?.into_iter().enumerate() {
        equal(thread.join()?, 400 + number as u32 * 7)?;
    }
    thread::trim();
    Ok(())
}
