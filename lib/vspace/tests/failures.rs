//! What is said, and what is left, when something fails.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    reason = "a test may stop at the first surprise"
)]

mod support;

use kpi::addr::VirtAddr;
use kpi::rights::PageFlags;
use random::Random;
use support::kernel::{Faults, ROOT, Refusal};
use support::small::{HUGE, LARGE, PAGE, RW, WITHIN, World, span};
use support::{Memory, Space};
use vspace::{Cause, Choice, Counts, Item, PageSize, Place, RunItem, Span, TableItem, Why};

#[test]
fn a_map_that_fails_leaves_nothing() {
    for after in 0.. {
        let mut world = World::new(100);
        let backing = world.backing(PAGE);
        world.fail_after(after, 0);
        let (space, kernel) = (&mut world.space, &mut world.kernel);
        let start = Some(VirtAddr(512 * HUGE - 3 * LARGE / 2));
        let mapped = space.map(kernel, start, 3 * LARGE, backing, RW, Choice::Auto);
        if mapped.is_ok() {
            // 2 + 1 + 1 tables each on both sides of 512 GiB, 4 runs.
            assert_eq!((after, space.counts().nodes()), (4 + 4 + 4, 4 + 4 + 4 + 1));
            break;
        }
        let error = mapped.unwrap_err();
        let cause = Cause::Environment(Refusal::Injected);
        assert_eq!((error.cause, error.stopped), (cause, None));
        assert_eq!(space.counts(), Counts::default());
        assert_eq!(kernel.counts(), (0, 0));
    }
}

#[test]
fn a_protect_that_fails_gives_all_flags_back() {
    for after in 0.. {
        let mut world = World::new(100);
        // Two tables of pages; three parts, one of which is uncached, in the first.
        let start = 5 * LARGE - 200 * PAGE;
        let mapped = world.map(Some(start), 400 * PAGE, PAGE);
        let uncached = PageFlags::READ_WRITE.union(PageFlags::NOCACHE);
        let parts = [(10, 20, PageFlags::READ), (30, 150, uncached)];
        for (first, pages, flags) in parts {
            let part = span(start + first * PAGE, pages * PAGE);
            world.space.protect(&mut world.kernel, part, flags).unwrap();
        }
        let before = world.kernel.leaves();
        let counts = world.space.counts();
        world.fail_after(after, 0);
        let inner = span(start + 15 * PAGE, mapped.bytes() - 20 * PAGE);
        let flags = PageFlags::READ_EXECUTE;
        if world.space.protect(&mut world.kernel, inner, flags).is_ok() {
            assert_eq!(after, 2);
            break;
        }
        assert_eq!(
            (world.kernel.leaves(), world.space.counts()),
            (before, counts)
        );
    }
}

#[test]
fn what_cannot_be_undone_is_told() {
    let mut world = World::new(100);
    // The second run fails, and the first cannot be taken away then.
    world.fail_after(5, 1);
    let backing = world.backing(PAGE);
    let (space, kernel) = (&mut world.space, &mut world.kernel);
    let start = 5 * LARGE - 4 * PAGE;
    let at = Some(VirtAddr(start));
    let error = space
        .map(kernel, at, 8 * PAGE, backing, RW, Choice::Auto)
        .unwrap_err();
    let stopped = error.stopped.unwrap();
    assert_eq!(
        (stopped.span.start, stopped.at, stopped.lost),
        (start, 5 * LARGE, None)
    );
    kernel.faults = None;
    space.unmap(kernel, stopped.span).unwrap();
    space.trim(kernel);
    assert_eq!(kernel.counts(), (0, 0));
    // The rest of a run cannot be mapped again.
    let mapped = space
        .map(kernel, at, 4 * PAGE, backing, RW, Choice::Auto)
        .unwrap();
    let hole = span(start, PAGE);
    kernel.hostile = true;
    kernel.faults = Some(Faults {
        after: 2,
        then: 1,
        random: Random::new(1),
    });
    let error = space.unmap(kernel, hole).unwrap_err();
    let stopped = error.stopped.unwrap();
    assert_eq!(
        (stopped.at, stopped.lost),
        (start, Some(span(hole.end, 3 * PAGE)))
    );
    assert_eq!(space.lookup(VirtAddr(start)), None);
    assert_eq!(
        space.extent(VirtAddr(hole.end)),
        Some(span(hole.end, mapped.end - hole.end))
    );
    assert_eq!(space.lookup(VirtAddr(hole.end)).unwrap().page, None);
}

#[test]
fn what_cannot_be_is_not_added() {
    let mut space = Space::new(ROOT, WITHIN, Memory::with(100));
    let run = |start, level, count| {
        Item::Run(RunItem {
            start,
            level,
            count,
            limit: PageFlags::MASK,
            frame: 1,
            offset: 0,
            mapping: 2,
        })
    };
    let table = |level, base| {
        Item::Table(TableItem {
            level,
            base,
            table: 3,
            mapping: 4,
        })
    };
    let region = |start, bytes| {
        let mut space = Space::new(ROOT, WITHIN, Memory::with(1));
        space
            .reserve(Place::At(VirtAddr(start)), bytes, RW)
            .unwrap();
        space.items().next().unwrap()
    };
    assert_eq!(space.add(run(HUGE, 3, 1)), Err(Why::NotReserved));
    assert_eq!(space.add(region(HUGE, HUGE)), Ok(()));
    assert_eq!(space.add(region(HUGE + PAGE, PAGE)), Err(Why::NotFree));
    assert_eq!(space.add(run(HUGE, 3, 1)), Err(Why::PageSize));
    assert_eq!(space.add(table(2, HUGE)), Err(Why::PageSize));
    assert_eq!(space.add(table(1, HUGE)), Err(Why::Range));
    assert_eq!(space.add(table(4, 0)), Err(Why::Range));
    assert_eq!(space.add(table(0, 0)), Err(Why::Range));
    assert_eq!(space.add(table(1, 0)), Ok(()));
    assert_eq!(space.add(table(2, HUGE)), Ok(()));
    assert_eq!(space.add(table(2, HUGE)), Err(Why::NotFree));
    assert_eq!(space.add(run(HUGE, 2, 0)), Err(Why::Range));
    assert_eq!(space.add(run(HUGE + PAGE, 2, 1)), Err(Why::Range));
    assert_eq!(space.add(run(HUGE + LARGE, 2, 512)), Err(Why::Range));
    assert_eq!(space.add(run(HUGE + LARGE, 2, 2)), Ok(()));
    assert_eq!(space.add(run(HUGE + 2 * LARGE, 2, 1)), Err(Why::Backed));
    assert_eq!(space.add(table(3, HUGE + 2 * LARGE)), Err(Why::Backed));
    assert_eq!(space.add(table(3, HUGE)), Ok(()));
    assert_eq!(space.add(run(HUGE, 2, 1)), Err(Why::PageSize));
    assert_eq!(space.add(run(HUGE, 3, 5)), Ok(()));
    space.check().unwrap();
    for words in [[3, 0, 0], [0, 0, 0], [0, u64::MAX, 0], [0, 1, u64::MAX]] {
        assert_eq!(Item::from_words(words), None);
    }
}

#[test]
fn bad_ranges_are_refused() {
    let mut world = World::new(100);
    for (start, bytes) in [
        (PAGE + 1, PAGE),
        (PAGE, 0),
        (PAGE, 17),
        (1 << 48, PAGE),
        (u64::MAX - PAGE + 1, PAGE),
        (PAGE, 1 << 48),
        (PAGE, u64::MAX - PAGE + 1),
    ] {
        assert_eq!(Span::new(VirtAddr(start), bytes), Err(Why::Range));
        let reserved = world.space.reserve(Place::At(VirtAddr(start)), bytes, RW);
        assert_eq!(reserved, Err(Why::Range), "{start:#x} {bytes:#x}");
        let span = Span {
            start,
            end: start.wrapping_add(bytes),
        };
        assert!(world.space.unmap(&mut world.kernel, span).is_err());
        let flags = PageFlags::READ;
        assert!(world.space.protect(&mut world.kernel, span, flags).is_err());
        assert!(world.space.guard(span).is_err());
    }
    let outside = world.space.reserve(Place::At(VirtAddr(0)), PAGE, RW);
    assert_eq!(outside, Err(Why::Range));
    let place = Place::Anywhere(PageSize::Huge);
    assert_eq!(world.space.reserve(place, 1 << 48, RW), Err(Why::NoSpace));
    assert!(world.space.reserve(place, (1 << 48) - HUGE, RW).is_ok());
    assert_eq!(world.space.reserve(place, PAGE, RW), Err(Why::NoSpace));
    let rest = world
        .space
        .reserve(Place::Anywhere(PageSize::Base), HUGE - PAGE, RW);
    assert_eq!(rest, Ok(span(PAGE, HUGE - PAGE)));
}
