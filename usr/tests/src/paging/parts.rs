//! Parts of frames, pages of 2 MiB and 4 KiB, other flags, unmapping of parts, addresses without memory.

use super::{SUITE, balanced, plus, read, write};
use crate::harness::{Harness, Outcome, equal, refused, that};
use aos::error::ErrorCode;
use aos::kpi::addr::VirtAddr;
use aos::kpi::layout::{BASE_PAGE_SIZE as PAGE, HUGE_PAGE_SIZE, LARGE_PAGE_SIZE as LARGE};
use aos::kpi::rights::PageFlags;
use aos::paging::{
    Choice, Kind, OWN_START, PageSize, Part, paging_alloc, paging_alloc_lazy, paging_join,
    paging_lookup, paging_map_fixed_attr, paging_map_frame_attr, paging_map_part,
    paging_map_part_at, paging_protect, paging_unmap, paging_unmap_part,
};
use aos::ram::{frame_alloc, mm_free};
use aos::thread::exception::{Exception, Kind as Trap, Outcome as Handled, set_handler};
use aos::{Error, ram};
use core::sync::atomic::{AtomicU64, Ordering};

const RW: PageFlags = PageFlags::READ_WRITE;

pub(super) fn run(harness: &mut Harness) {
    let mut test = |name, work: fn() -> Outcome| harness.test(SUITE, name, work);
    test("a part of a frame from any page on", offsets);
    test("pages of a size of one's choice", sizes);
    test("other flags for some pages", || balanced(flags));
    test("a part of a mapping is unmapped", || balanced(holes));
    test("addresses are taken, then mapped", || balanced(reserved));
    test("several mappings become one", || balanced(joined));
    test("paging is refused where it must be", refusals);
}

fn part(offset: u64, bytes: u64, pages: Choice) -> Part {
    Part {
        offset,
        bytes,
        flags: RW,
        pages,
    }
}

fn unmap(address: VirtAddr) -> Result<(), Error> {
    // SAFETY: the tests keep no references to what they map.
    unsafe { paging_unmap(address) }
}

fn unmap_part(address: VirtAddr, bytes: u64) -> Result<(), Error> {
    // SAFETY: as above.
    unsafe { paging_unmap_part(address, bytes) }
}

fn offsets() -> Outcome {
    let frame = frame_alloc(5 * LARGE)?;
    let all = paging_map_frame_attr(frame, 5 * LARGE, RW)?;
    for page in 0..5 * LARGE / PAGE {
        write(plus(all, page * PAGE), page);
    }
    for (first, count) in [
        (0, 1),
        (3, 1),
        (1, 700),
        (511, 2),
        (512, 512),
        (512, 1100),
        (2559, 1),
    ] {
        let some = paging_map_part(frame, &part(first * PAGE, count * PAGE, Choice::Auto))?;
        for page in 0..count {
            equal(read(plus(some, page * PAGE)), first + page)?;
        }
        let last = plus(some, (count - 1) * PAGE);
        let page = paging_lookup(last).and_then(|found| found.page);
        equal(
            page.map(|page| (page.frame, page.offset)),
            Some((frame, (first + count - 1) * PAGE)),
        )
        .or_else(|failure| {
            // The offset of a block is that of the page in it.
            match page {
                Some(page) if page.size == PageSize::Large => Ok(()),
                _ => Err(failure),
            }
        })?;
        unmap(some)?;
    }
    unmap(all)?;
    mm_free(frame)?;
    Ok(())
}

fn sizes() -> Outcome {
    let frame = frame_alloc(4 * LARGE)?;
    let size_at = |address| Some(paging_lookup(address)?.page?.size);
    for (pages, bytes, expected) in [
        (Choice::Auto, 4 * LARGE, PageSize::Large),
        (Choice::Auto, LARGE - PAGE, PageSize::Base),
        (Choice::Exactly(PageSize::Base), 4 * LARGE, PageSize::Base),
        (Choice::Exactly(PageSize::Large), 4 * LARGE, PageSize::Large),
    ] {
        let address = paging_map_part(frame, &part(0, bytes, pages))?;
        equal(size_at(address), Some(expected))?;
        write(plus(address, bytes - 8), 7);
        equal(read(plus(address, bytes - 8)), 7)?;
        unmap(address)?;
    }
    // Blocks of the frame that do not begin where its pages do.
    let odd = part(PAGE, 2 * LARGE, Choice::Exactly(PageSize::Large));
    refused(
        paging_map_part(frame, &odd),
        ErrorCode::LibVregionBadAlignment,
    )?;
    let odd = part(0, LARGE + PAGE, Choice::Exactly(PageSize::Large));
    refused(
        paging_map_part(frame, &odd),
        ErrorCode::LibVregionBadAlignment,
    )?;
    let huge = part(0, HUGE_PAGE_SIZE, Choice::Exactly(PageSize::Huge));
    let mapped = paging_map_part(frame, &huge);
    that(mapped.is_err(), "no 1 GiB in 8 MiB")?;
    let uncached = Part {
        flags: RW.union(PageFlags::NOCACHE),
        ..part(0, LARGE, Choice::Exactly(PageSize::Large))
    };
    refused(
        paging_map_part(frame, &uncached),
        ErrorCode::LibVregionBadAlignment,
    )?;
    let uncached = Part {
        pages: Choice::Auto,
        ..uncached
    };
    let address = paging_map_part(frame, &uncached)?;
    equal(size_at(address), Some(PageSize::Base))?;
    unmap(address)?;
    mm_free(frame)?;
    Ok(())
}

/// Where a handler counted a fault, and how many.
static FAULTS: AtomicU64 = AtomicU64::new(0);

/// Goes on behind the access.
fn skip(exception: &mut Exception<'_>) -> Handled {
    match exception.kind() {
        Trap::PageFault { .. } => {
            FAULTS.fetch_add(1, Ordering::Relaxed);
            // SAFETY: the works of `faults_in` fault by volatile loads and stores of single words, which the tests do not need.
            unsafe { exception.skip() };
            Handled::Resume
        }
        _ => Handled::Unhandled,
    }
}

/// How many faults a work takes.
pub(super) fn faults_in(work: impl FnOnce()) -> u64 {
    let before = FAULTS.load(Ordering::Relaxed);
    let old = set_handler(Some(skip));
    work();
    set_handler(old);
    FAULTS.load(Ordering::Relaxed) - before
}

fn flags() -> Outcome {
    let frame = frame_alloc(4 * LARGE)?;
    for pages in [Choice::Exactly(PageSize::Base), Choice::Auto] {
        let address = paging_map_part(frame, &part(0, 4 * LARGE, pages))?;
        let at = |page| plus(address, page * PAGE);
        write(at(3), 1);
        // Over the edge of a table, and in the middle of a block.
        for (first, count) in [(3, 1), (511, 2), (700, 600)] {
            paging_protect(at(first), count * PAGE, PageFlags::READ)?;
            equal(faults_in(|| write(at(first), 2)), 1)?;
            equal(faults_in(|| write(at(first + count - 1), 2)), 1)?;
            equal(faults_in(|| write(at(first - 1), 2)), 0)?;
            equal(faults_in(|| write(at(first + count), 2)), 0)?;
            let found = paging_lookup(at(first)).map(|found| (found.flags, found.kind));
            equal(found, Some((PageFlags::READ, Kind::Mapped)))?;
        }
        equal(read(at(3)), 1)?;
        paging_protect(address, 4 * LARGE, RW)?;
        equal(faults_in(|| write(at(700), 3)), 0)?;
        equal(read(at(700)), 3)?;
        unmap(address)?;
    }
    mm_free(frame)?;
    // Lazy memory that is not there yet.
    let lazy = paging_alloc_lazy(8 * PAGE, RW)?;
    paging_protect(plus(lazy, PAGE), PAGE, PageFlags::READ)?;
    equal(faults_in(|| write(plus(lazy, PAGE), 2)), 1)?;
    equal(faults_in(|| write(plus(lazy, 2 * PAGE), 2)), 0)?;
    equal(read(plus(lazy, PAGE)), 0)?;
    unmap(lazy).map_err(Into::into)
}

fn holes() -> Outcome {
    let frame = frame_alloc(4 * LARGE)?;
    for pages in [Choice::Exactly(PageSize::Base), Choice::Auto] {
        let address = paging_map_part(frame, &part(0, 4 * LARGE, pages))?;
        let at = |page| plus(address, page * PAGE);
        for page in 0..2048 {
            write(at(page), page);
        }
        for (first, count) in [(0, 1), (700, 1), (1000, 600), (2047, 1)] {
            unmap_part(at(first), count * PAGE)?;
            equal(faults_in(|| _ = read(at(first))), 1)?;
            equal(paging_lookup(at(first + count - 1)), None)?;
            // Its addresses can be used.
            paging_map_fixed_attr(at(first), frame, PAGE, PageFlags::READ)?;
            equal(read(at(first)), 0)?;
            unmap(at(first))?;
        }
        for page in [1, 699, 701, 999, 1600, 2046] {
            equal(read(at(page)), page)?;
        }
        // What is left is three mappings.
        refused(unmap(at(699)), ErrorCode::LibPmapNotMapped)?;
        for first in [1, 701, 1600] {
            unmap(at(first))?;
        }
        equal(paging_lookup(at(1)), None)?;
    }
    // Several mappings at once, with lazy memory among them.
    let first = VirtAddr(OWN_START.0 + (20 << 30));
    paging_map_fixed_attr(first, frame, PAGE, RW)?;
    paging_map_fixed_attr(plus(first, PAGE), frame, 2 * PAGE, RW)?;
    unmap_part(first, 3 * PAGE)?;
    equal(paging_lookup(plus(first, PAGE)), None)?;
    mm_free(frame)?;
    Ok(())
}

fn reserved() -> Outcome {
    for alignment in [1, PAGE, LARGE, HUGE_PAGE_SIZE] {
        let address = paging_alloc(10 * PAGE, alignment)?;
        equal(address.0 % alignment, 0)?;
        unmap(address)?;
    }
    refused(
        paging_alloc(PAGE, 3 * PAGE),
        ErrorCode::LibVregionBadAlignment,
    )?;
    refused(
        paging_alloc(PAGE, 2 * HUGE_PAGE_SIZE),
        ErrorCode::LibVregionBadAlignment,
    )?;
    let frame = frame_alloc(4 * PAGE)?;
    let address = paging_alloc(10 * PAGE, PAGE)?;
    let at = |page| plus(address, page * PAGE);
    let kind_at = |page| paging_lookup(at(page)).map(|found| found.kind);
    equal(faults_in(|| write(at(0), 1)), 1)?;
    paging_map_fixed_attr(at(2), frame, 4 * PAGE, RW)?;
    write(at(5), 9);
    equal(
        (kind_at(1), kind_at(2), kind_at(6)),
        (
            Some(Kind::Reserved),
            Some(Kind::Mapped),
            Some(Kind::Reserved),
        ),
    )?;
    // Not across what is mapped; the frame is too small: the addresses stay taken.
    refused(
        paging_map_fixed_attr(at(1), frame, 2 * PAGE, RW),
        ErrorCode::LibPmapAddrNotFree,
    )?;
    let too_much = part(3 * PAGE, 2 * PAGE, Choice::Auto);
    refused(
        paging_map_part_at(at(7), frame, &too_much),
        ErrorCode::SysVmMapSize,
    )?;
    equal(kind_at(7), Some(Kind::Reserved))?;
    refused(
        paging_protect(at(0), PAGE, RW),
        ErrorCode::LibPmapAddrNotFree,
    )?;
    unmap_part(address, 10 * PAGE)?;
    equal(kind_at(7), None)?;
    mm_free(frame)?;
    Ok(())
}

fn joined() -> Outcome {
    let frame = frame_alloc(32 * PAGE)?;
    let address = paging_alloc(32 * PAGE, LARGE)?;
    for page in 0..32 {
        let one = part(page * PAGE, PAGE, Choice::Auto);
        paging_map_part_at(plus(address, page * PAGE), frame, &one)?;
        write(plus(address, page * PAGE), page);
    }
    // Each is a region of its own, and stays one.
    equal(paging_join(address, 32 * PAGE)?, 0)?;
    unmap_part(address, 32 * PAGE)?;
    mm_free(frame)?;
    // A block that was cut in two, since a page had other flags.
    let frame = frame_alloc(LARGE)?;
    let address = paging_map_frame_attr(frame, LARGE, RW)?;
    let page = plus(address, 5 * PAGE);
    write(plus(page, PAGE), 6);
    paging_protect(page, PAGE, PageFlags::READ)?;
    equal(paging_join(address, LARGE)?, 0)?;
    paging_protect(page, PAGE, RW)?;
    equal(paging_join(address, LARGE)?, 1)?;
    write(page, 5);
    equal((read(page), read(plus(page, PAGE))), (5, 6))?;
    unmap(address)?;
    mm_free(frame)?;
    Ok(())
}

fn refusals() -> Outcome {
    let frame = frame_alloc(2 * PAGE)?;
    let address = paging_map_frame_attr(frame, 2 * PAGE, RW)?;
    let odd = VirtAddr(address.0 + 8);
    refused(
        paging_protect(odd, PAGE, RW),
        ErrorCode::LibVregionBadAlignment,
    )?;
    refused(unmap_part(odd, PAGE), ErrorCode::LibVregionBadAlignment)?;
    refused(
        paging_map_part(frame, &part(8, PAGE, Choice::Auto)),
        ErrorCode::LibVregionBadAlignment,
    )?;
    refused(
        paging_map_part(frame, &part(u64::MAX - PAGE + 1, PAGE, Choice::Auto)),
        ErrorCode::LibVregionBadAlignment,
    )?;
    refused(
        paging_map_part(frame, &part(0, 0, Choice::Auto)),
        ErrorCode::LibVregionBadAlignment,
    )?;
    refused(
        paging_map_part(frame, &part(PAGE, 2 * PAGE, Choice::Auto)),
        ErrorCode::SysVmMapSize,
    )?;
    // Write and execute, neither, unknown ones.
    for flags in [7, 2, 0, 0x101] {
        refused(
            paging_protect(address, PAGE, PageFlags(flags)),
            ErrorCode::LibPmapModifyFlags,
        )?;
        refused(
            paging_map_frame_attr(frame, PAGE, PageFlags(flags)),
            ErrorCode::LibPmapDoMap,
        )?;
    }
    // More than is mapped, where nothing is, below what is the program's.
    let beyond = [
        (address, 1 << 30),
        (VirtAddr(OWN_START.0 + (30 << 30)), PAGE),
    ];
    for (address, bytes) in beyond {
        refused(
            paging_protect(address, bytes, RW),
            ErrorCode::LibPmapNotMapped,
        )
        .or_else(|_| {
            // Something of another kind may come first.
            refused(
                paging_protect(address, bytes, RW),
                ErrorCode::LibPmapOtherKind,
            )
        })?;
    }
    refused(
        unmap_part(VirtAddr(OWN_START.0 + (30 << 30)), PAGE),
        ErrorCode::LibPmapNotMapped,
    )?;
    refused(
        paging_protect(VirtAddr(0x40_0000), PAGE, RW),
        ErrorCode::LibVregionBadAlignment,
    )?;
    // The library's own books.
    refused(unmap(OWN_START), ErrorCode::LibPmapOtherKind)?;
    refused(
        paging_protect(OWN_START, PAGE, PageFlags::READ),
        ErrorCode::LibPmapOtherKind,
    )?;
    equal(
        paging_lookup(OWN_START).map(|found| found.kind),
        Some(Kind::Library),
    )?;
    unmap(address)?;
    mm_free(frame)?;
    Ok(())
}

/// A child that touches addresses without memory.
pub(super) fn reserved_part() -> Result<(), Error> {
    let address = paging_alloc(ram::mm_usage().free, PAGE)?;
    crate::parts::load(address.0 + PAGE);
    Ok(())
}
