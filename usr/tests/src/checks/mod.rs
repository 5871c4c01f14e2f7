//! Memory and processes as a course on operating systems would have them checked, at full size: `module /sbin/tests boot checks` for
//! what is here, [`heap`] and [`faults`]; an ordinary program starts and suspends others, see [`programs`].

mod faults;
mod heap;
mod programs;

pub use programs::play;

use crate::harness::{Failure, Harness, Outcome, equal, that};
use alloc::vec::Vec;
use aos::cap::CapRef;
use aos::kpi::addr::VirtAddr;
use aos::kpi::layout::{BASE_PAGE_SIZE as PAGE, LARGE_PAGE_SIZE as LARGE, SLOT_BYTES};
use aos::kpi::rights::PageFlags;
use aos::paging::{
    Choice, PageSize, Part, paging_lookup, paging_map_frame_attr, paging_map_part, paging_unmap,
};
use aos::ram::{frame_alloc, mm_free, mm_usage};
use aos::slot::slot_usage;
use aos::{Error, heap as own_heap};
use random::Random;

const SUITE: &str = "checks";
const RW: PageFlags = PageFlags::READ_WRITE;
/// Frames that are there at once: their slots fill several CNodes, and their holes more nodes than one refill brings.
const MANY: u64 = 1000;

/// Runs the suite.
pub fn run(harness: &mut Harness) {
    let mut test = |name, work: fn() -> Outcome| harness.test(SUITE, name, work);
    test("1,000 frames at once", || twice(many));
    test("a frame of 5 MiB", || twice(|| frame(5 << 20)));
    test("a frame of 100 MiB", || twice(|| frame(100 << 20)));
    test("64 MiB in small pieces, 100 times", heap::pieces);
    test("a million random steps of the heap", heap::random);
    test("100 threads fault at once", || twice(faults::crowd));
}

/// Bytes of free memory, that of free slots included: a CNode that came because several threads needed slots at the same time is not lost.
fn free() -> u64 {
    own_heap::trim();
    mm_usage().free + u64::from(slot_usage().1) * SLOT_BYTES
}

/// The second time, books and tables are there: it takes nothing for good.
fn twice(work: fn() -> Outcome) -> Outcome {
    work()?;
    let before = free();
    work()?;
    equal(free(), before)
}

/// Reads a word.
fn read(address: u64) -> u64 {
    let place: *const u64 = core::ptr::with_exposed_provenance(address as usize);
    // SAFETY: the tests map what they read; volatile, since it is written by other ways.
    unsafe { place.read_volatile() }
}

/// Writes a word.
fn write(address: u64, value: u64) {
    let place: *mut u64 = core::ptr::with_exposed_provenance_mut(address as usize);
    // SAFETY: the tests map what they write, and nothing else is there.
    unsafe { place.write_volatile(value) };
}

fn unmap(address: VirtAddr) -> Result<(), Error> {
    // SAFETY: the tests keep no references to what they map.
    unsafe { paging_unmap(address) }
}

/// A frame, where it is mapped, and what is in it.
struct Held {
    frame: CapRef,
    address: VirtAddr,
    value: u64,
}

impl Held {
    fn new(value: u64) -> Result<Self, Error> {
        let frame = frame_alloc(PAGE)?;
        let address = paging_map_frame_attr(frame, PAGE, RW)?;
        write(address.0 + 8 * (value % 512), value);
        Ok(Self {
            frame,
            address,
            value,
        })
    }

    fn free(self) -> Outcome {
        equal(read(self.address.0 + 8 * (self.value % 512)), self.value)?;
        unmap(self.address)?;
        mm_free(self.frame).map_err(Into::into)
    }
}

fn many() -> Outcome {
    let taken = || {
        let (slots, free) = slot_usage();
        u64::from(slots.saturating_sub(free))
    };
    let (slots, holes) = (taken(), mm_usage().holes as u64);
    let held: Result<Vec<_>, Error> = (0..MANY).map(Held::new).collect();
    that(taken() >= slots + MANY, "slots of several CNodes")?;
    // Every second goes, so that each leaves a hole; then the others, in any order.
    let (odd, mut even): (Vec<_>, Vec<_>) = held?.into_iter().partition(|held| held.value % 2 == 1);
    odd.into_iter().try_for_each(Held::free)?;
    that(
        mm_usage().holes as u64 >= holes + MANY / 3,
        "nodes for many holes",
    )?;
    let mut random = Random::new(1);
    while !even.is_empty() {
        let index = random.below(even.len() as u64) as usize;
        even.swap_remove(index).free()?;
    }
    // The books are larger now. That nothing else is left is seen the second time.
    let (slots_left, holes_left) = (
        taken().saturating_sub(slots),
        (mm_usage().holes as u64).saturating_sub(holes),
    );
    match slots_left.max(holes_left) < MANY / 10 {
        true => Ok(()),
        false => Err(Failure::new(
            "slots are free, holes are joined",
            alloc::format!("{slots_left} slots and {holes_left} holes more"),
        )),
    }
}

/// Mapped by pages and by the largest blocks that fit, at once: what is written by one way is read by the other.
fn frame(bytes: u64) -> Outcome {
    let frame = frame_alloc(bytes)?;
    let map = |pages| {
        let part = Part {
            pages,
            ..Part::first(bytes, RW)
        };
        paging_map_part(frame, &part)
    };
    let by_pages = map(Choice::Exactly(PageSize::Base))?;
    let by_blocks = map(Choice::Auto)?;
    let size_at = |address: u64| Some(paging_lookup(VirtAddr(address))?.page?.size);
    let last = bytes - 8;
    let size_of_last = match bytes % LARGE {
        0 => PageSize::Large,
        _ => PageSize::Base,
    };
    for offset in [0, last] {
        equal(size_at(by_pages.0 + offset), Some(PageSize::Base))?;
    }
    equal(size_at(by_blocks.0), Some(PageSize::Large))?;
    equal(size_at(by_blocks.0 + last), Some(size_of_last))?;
    for (from, to) in [(by_pages.0, by_blocks.0), (by_blocks.0, by_pages.0)] {
        for (offset, value) in [(0, from), (last, !from)] {
            write(from + offset, value);
            equal(read(from + offset), value)?;
            equal(read(to + offset), value)?;
        }
    }
    // And every page between.
    for page in 0..bytes / PAGE {
        write(by_pages.0 + page * PAGE + 16, page);
    }
    let is_wrong = |page: &u64| read(by_blocks.0 + page * PAGE + 16) != *page;
    equal((0..bytes / PAGE).find(is_wrong), None)?;
    for address in [by_pages, by_blocks] {
        unmap(address)?;
        equal(size_at(address.0), None)?;
    }
    mm_free(frame).map_err(Into::into)
}
