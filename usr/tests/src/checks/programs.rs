//! 1,000 programs one after the other, and one that is suspended at 300 random moments. The tests are run by an ordinary program, and init
//! looks for what is lost: `tests --child checks-programs`, then `balance`.

use super::free;
use crate::busy;
use crate::harness::{Outcome, equal, that};
use crate::processes::{Test, all};
use crate::world::sleep;
use alloc::vec::Vec;
use aos::kpi::layout::BASE_PAGE_SIZE as PAGE;
use aos::kpi::rights::PageFlags;
use aos::paging::MappedFrame;
use aos::proc::{self, Command, End};
use aos::ram::{frame_alloc, mm_free};
use aos::sync::Mutex;
use aos::{Error, ErrorCode, thread};
use core::time::Duration;
use random::Random;

const TESTS: [Test; 2] = [
    ("1,000 programs", cycles),
    ("suspended at 300 random moments", moments),
];

/// What the children do: `tests --child checks-PART`.
pub fn play(part: &str) -> Result<(), Error> {
    match part {
        "checks-programs" => all("checks", &TESTS),
        "checks-few" => all("checks", &[("suspended at 30 random moments", few)]),
        "checks-work" => work(),
        _ => Err(Error::new(ErrorCode::SpawnGetCmdlineArgs)),
    }
}

fn cycles() -> Outcome {
    let cycle = || -> Outcome { equal(proc::spawn("hello")?.wait()?, End::Exited(0)) };
    cycle()?;
    let before = free();
    for _ in 0..1000 {
        cycle()?;
    }
    equal(free(), before)
}

/// How often the child is suspended.
const MOMENTS: u64 = 300;
/// Offsets in the shared frame: rounds that the child has done, and whether it is to end.
const DONE: usize = 0;
const STOP: usize = 8;

fn few() -> Outcome {
    moments_of(0, MOMENTS / 10)
}

fn moments() -> Outcome {
    few()?;
    let before = free();
    moments_of(1, MOMENTS)?;
    equal(free(), before)
}

fn moments_of(seed: u64, moments: u64) -> Outcome {
    let frame = frame_alloc(PAGE)?;
    let view = MappedFrame::new(frame, PageFlags::READ_WRITE)?;
    let rounds = || view.view().load(DONE).unwrap_or_default();
    let child = Command::of_line("tests --child checks-work")?
        .pass(frame)
        .spawn()?;
    while rounds() == 0 {
        sleep(Duration::from_millis(1));
    }
    let mut random = Random::new(seed);
    let mut went_on = 0;
    let mut seen = 0;
    for _ in 0..moments {
        sleep(Duration::from_micros(random.below(1200)));
        child.suspend()?;
        let before = rounds();
        went_on += u64::from(before != seen);
        seen = before;
        sleep(Duration::from_micros(random.below(400)));
        equal(rounds(), before)?;
        child.resume()?;
    }
    that(went_on > moments / 10, "it went on between")?;
    // It still works, and comes to its end.
    let before = rounds();
    while rounds() < before + 20 {
        sleep(Duration::from_millis(1));
    }
    view.view().store(STOP, 1);
    equal(child.wait()?, End::Exited(crate::parts::DONE))?;
    view.unmap()?;
    mm_free(frame).map_err(Into::into)
}

/// Works with init, the kernel, the heap and threads, and looks whether all is well, until it is told to end.
fn work() -> Result<(), Error> {
    /// A tree of CNodes is deleted, one revoked; frames, slots, memory come and go.
    const KINDS: [u64; 6] = [0, 1, 2, 3, 5, 6];
    let frame = proc::passed(0).ok_or(Error::new(ErrorCode::SpawnSetCaps))?;
    let frame = MappedFrame::new(frame, PageFlags::READ_WRITE)?;
    let mut random = Random::new(7);
    let before = free();
    for round in 1_u64.. {
        let kind = KINDS.get(random.below(6) as usize).copied();
        busy::work(kind.unwrap_or(0), &mut random)?;
        let is_well = threads(round)?;
        if !is_well {
            return Err(Error::new(ErrorCode::LibThreadJoin));
        }
        frame.view().store(DONE, round);
        if frame.view().load(STOP) == Some(1) {
            break;
        }
    }
    // What it had is still there.
    match free() >= before {
        true => Ok(()),
        false => Err(Error::new(ErrorCode::LibRamAlloc)),
    }
}

/// Three threads count in turn, in pieces of the heap.
fn threads(round: u64) -> Result<bool, Error> {
    static COUNT: Mutex<Vec<u64>> = Mutex::new(Vec::new());
    *COUNT.lock() = alloc::vec![round; 1000];
    let threads: Result<Vec<_>, Error> = (0..3)
        .map(|_| {
            thread::spawn("counter", || {
                for _ in 0..5 {
                    let mut count = COUNT.lock();
                    count.iter_mut().for_each(|word| *word += 1);
                    thread::yield_now();
                }
            })
        })
        .collect();
    for thread in threads? {
        thread.join()?;
    }
    Ok(COUNT.lock().iter().all(|word| *word == round + 15))
}
