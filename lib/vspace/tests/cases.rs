//! What a user of a space counts on: which pages it chooses, what things cost.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    reason = "a test may stop at the first surprise"
)]

mod support;

use kpi::addr::{PhysAddr, VirtAddr};
use kpi::rights::{CapRights, PageFlags};
use support::kernel::{Kernel, ROOT};
use support::small::{HUGE, LARGE, PAGE, RW, WITHIN, World, span};
use support::{Cap, Memory, Space};
use vspace::{
    Attributes, BACK_NODES, Backing, Cause, Choice, Counts, Hole, Item, PageSize, Place,
    RESERVE_NODES, Role, SPLIT_NODES, Why,
};

#[test]
fn the_largest_pages_that_suit_are_used() {
    let mut world = World::new(100);
    // One page below a GiB: pages to the next 2 MiB, blocks to the GiB, the GiB, then down again.
    let start = 3 * HUGE - LARGE - PAGE;
    let bytes = PAGE + LARGE + HUGE + LARGE + PAGE;
    world.map(Some(start), bytes, HUGE - LARGE - PAGE);
    let counts = world.space.counts();
    // Level 1: one for all. Level 2 and 3: one before the GiB and one behind.
    let tables = 1 + 2 + 2;
    assert_eq!(
        counts,
        Counts {
            parts: 1,
            tables,
            runs: 5
        }
    );
    let run = |address| {
        let page = world.space.lookup(VirtAddr(address)).unwrap().page.unwrap();
        page.run.bytes()
    };
    assert_eq!(run(start), PAGE);
    assert_eq!(run(start + PAGE), LARGE);
    assert_eq!(run(3 * HUGE + 5), HUGE);
    assert_eq!(world.kernel.leaves().len(), 1);
}

#[test]
fn addresses_are_chosen_for_large_pages() {
    let mut world = World::new(100);
    let small = world.map(None, PAGE, 0);
    let large = world.map(None, LARGE, LARGE);
    let huge = world.map(None, HUGE + LARGE, HUGE);
    let odd = world.map(None, LARGE, PAGE);
    assert_eq!(
        [small.start, large.start, huge.start, odd.start],
        [PAGE, LARGE, HUGE, 2 * LARGE]
    );
    // A block, and 512 pages of a frame whose place suits no block.
    assert_eq!(world.space.counts().runs, 1 + 1 + 2 + 1);
    assert_eq!(world.space.counts().tables, 1 + 2 + 2);
    assert_eq!(small.bytes(), PAGE);
}

#[test]
fn what_is_touched_in_order_comes_ahead() {
    let mut world = World::new(100);
    // From an odd page on, up to a guard.
    let region = span(LARGE + 3 * PAGE, 60 * PAGE);
    let place = Place::At(VirtAddr(region.start));
    world.space.reserve(place, region.bytes(), RW).unwrap();
    world.space.guard(span(region.end - PAGE, PAGE)).unwrap();
    let mut come = Vec::new();
    let mut at = region.start;
    while at < region.end - PAGE {
        let mut hole = Hole::new();
        let found = world.space.lookup_hole(VirtAddr(at), &mut hole).unwrap();
        assert_eq!(found.page, None);
        assert_eq!(hole.pages().end, region.end - PAGE);
        let ahead = hole.ahead(16 * PAGE);
        let backing = world.backing(ahead.start - region.start);
        let (space, kernel) = (&mut world.space, &mut world.kernel);
        let bytes = ahead.bytes();
        space.back_hole(kernel, &mut hole, bytes, backing).unwrap();
        come.push(bytes / PAGE);
        at = ahead.end;
    }
    assert_eq!(come, [1, 2, 2, 4, 4, 8, 8, 16, 8, 4, 2]);
    let mut hole = Hole::new();
    let guard = world.space.lookup_hole(VirtAddr(at), &mut hole).unwrap();
    assert!(guard.region.attributes.is_guard && hole.pages().bytes() == 0);
}

#[test]
fn a_hole_is_good_until_the_space_changes() {
    let mut world = World::new(100);
    let place = Place::At(VirtAddr(LARGE));
    world.space.reserve(place, 8 * PAGE, RW).unwrap();
    let mut hole = Hole::new();
    let mut old = Hole::new();
    world.space.lookup_hole(VirtAddr(LARGE), &mut old).unwrap();
    world.space.lookup_hole(VirtAddr(LARGE), &mut hole).unwrap();
    let backing = world.backing(0);
    let (space, kernel) = (&mut world.space, &mut world.kernel);
    space.back_hole(kernel, &mut hole, PAGE, backing).unwrap();
    let counts = space.counts();
    let refused = space.back_hole(kernel, &mut old, PAGE, backing);
    assert_eq!(refused.unwrap_err().cause, Cause::Space(Why::Backed));
    assert_eq!(space.counts(), counts);
    space.check().unwrap();
}

#[test]
fn page_sizes_can_be_demanded() {
    let mut world = World::new(100);
    let backing = world.backing(0);
    let mut map = |at: Option<u64>, bytes, offset, size| {
        let backing = Backing { offset, ..backing };
        let at = at.map(VirtAddr);
        let exactly = Choice::Exactly(size);
        let (space, kernel) = (&mut world.space, &mut world.kernel);
        space.map(kernel, at, bytes, backing, RW, exactly)
    };
    let refused = Cause::Space(Why::PageSize);
    assert_eq!(
        map(Some(PAGE), LARGE, 0, PageSize::Large)
            .unwrap_err()
            .cause,
        refused
    );
    assert_eq!(
        map(None, PAGE, 0, PageSize::Large).unwrap_err().cause,
        refused
    );
    assert_eq!(
        map(None, LARGE, PAGE, PageSize::Large).unwrap_err().cause,
        refused
    );
    assert_eq!(
        map(None, LARGE, 0, PageSize::Huge).unwrap_err().cause,
        refused
    );
    let small = map(None, LARGE, 0, PageSize::Base).unwrap();
    let large = map(None, HUGE, 0, PageSize::Large).unwrap();
    assert_eq!(small.start, PAGE);
    assert_eq!(large.start, 2 * LARGE);
    let runs = world.space.counts().runs;
    // The first touches two tables of pages, the second two tables of blocks.
    assert_eq!(runs, 4);
}

#[test]
fn a_page_is_cut_from_a_block() {
    let mut world = World::new(100);
    world.map(Some(HUGE), HUGE, 0);
    assert_eq!(world.space.counts().runs, 1);
    let hole = span(HUGE + 3 * LARGE + 7 * PAGE, PAGE);
    world.space.unmap(&mut world.kernel, hole).unwrap();
    // Blocks, pages, hole, pages, blocks; tables of level 1, 2 and 3; two regions.
    assert_eq!(
        world.space.counts(),
        Counts {
            parts: 2,
            tables: 3,
            runs: 4
        }
    );
    assert!(world.space.lookup(VirtAddr(hole.start)).is_none());
    let behind = world.space.next_region(VirtAddr(hole.start)).unwrap();
    assert!(behind.begins && behind.span == span(hole.end, 2 * HUGE - hole.end));
    assert_eq!(world.kernel.released[&world.frame], PAGE);
    assert_eq!(world.kernel.leaves().len(), 2);
    for rest in [span(HUGE, hole.start - HUGE), behind.span] {
        world.space.unmap(&mut world.kernel, rest).unwrap();
    }
    assert_eq!(world.space.counts(), Counts::default());
    assert_eq!(world.kernel.counts(), (0, 0));
    assert_eq!(world.kernel.released[&world.frame], HUGE);
}

#[test]
fn parts_stay_apart_for_the_next_change() {
    let mut world = World::new(100);
    world.space.set_apart(4);
    let all = world.map(Some(HUGE), 64 * PAGE, 0);
    let flags = |world: &World, page: u64| {
        let found = world.space.lookup(VirtAddr(HUGE + page * PAGE)).unwrap();
        (found.region.attributes.flags, found.page.unwrap().flags)
    };
    let change = |world: &mut World, page: u64| {
        let of_page = span(HUGE + page * PAGE, PAGE);
        for new in [PageFlags::READ, RW.flags] {
            let (space, kernel) = (&mut world.space, &mut world.kernel);
            space.protect(kernel, of_page, new).unwrap();
            assert_eq!(flags(&*world, page), (new, new));
            assert_eq!(flags(&*world, page + 1), (RW.flags, RW.flags));
            world.space.check().unwrap();
        }
        world.space.counts().parts
    };
    assert_eq!(change(&mut world, 5), 3);
    assert_eq!(change(&mut world, 5), 3);
    // Another page is too much.
    assert!(change(&mut world, 8) <= 4);
    world.space.set_apart(0);
    change(&mut world, 5);
    change(&mut world, 8);
    assert_eq!(world.space.counts().parts, 1);
    assert_eq!(world.space.extent(VirtAddr(HUGE)), Some(all));
    assert_eq!(world.space.counts().runs, 1);
    world.space.unmap(&mut world.kernel, all).unwrap();
    assert_eq!(world.space.counts(), Counts::default());
}

#[test]
fn reserves_of_nodes_suffice() {
    let mut world = World::new(0);
    let mut offset = 0;
    for at in [PAGE, HUGE - PAGE, HUGE, 512 * HUGE, (1 << 48) - PAGE] {
        let free = world.space.free_nodes();
        let missing = (RESERVE_NODES + BACK_NODES).saturating_sub(free);
        world.space.store().grow(missing);
        world.map(Some(at), PAGE, offset);
        offset += PAGE;
        assert!(world.space.free_nodes() <= BACK_NODES);
    }
    // Nothing is needed to free all; two to free something in the middle of what is backed by single pages.
    let free = world.space.free_nodes();
    world
        .space
        .store()
        .grow(8 + BACK_NODES + RESERVE_NODES - free);
    let region = world
        .space
        .reserve(Place::At(VirtAddr(2 * HUGE)), 8 * PAGE, RW);
    assert_eq!(region, Ok(span(2 * HUGE, 8 * PAGE)));
    for page in 0..8 {
        world.back(span(2 * HUGE + page * PAGE, PAGE), page * PAGE);
    }
    let free = world.space.free_nodes();
    world.space.store().grow(SPLIT_NODES.saturating_sub(free));
    let middle = span(2 * HUGE + 2 * PAGE, PAGE);
    world.space.unmap(&mut world.kernel, middle).unwrap();
    while let Some(region) = world.space.next_region(VirtAddr(0)) {
        world.space.unmap(&mut world.kernel, region.span).unwrap();
    }
    assert_eq!(world.space.counts(), Counts::default());
}

#[test]
fn single_pages_are_protected_together_and_joined() {
    let mut world = World::new(1000);
    let region = world
        .space
        .reserve(Place::At(VirtAddr(4 * LARGE)), LARGE, RW)
        .unwrap();
    for page in 0..512 {
        // Those with even numbers first.
        let page = page * 2 % 512 + page / 256;
        world.back(span(region.start + page * PAGE, PAGE), LARGE + page * PAGE);
    }
    assert_eq!(world.space.counts().runs, 512);
    let calls = world.kernel.calls;
    let flags = PageFlags::READ;
    world
        .space
        .protect(&mut world.kernel, region, flags)
        .unwrap();
    assert_eq!(world.kernel.calls, calls + 1);
    assert_eq!(world.space.join(&mut world.kernel, region), Ok(511));
    let counts = world.space.counts();
    assert_eq!((counts.runs, world.kernel.counts().1), (1, 4));
    assert_eq!(world.kernel.leaves().len(), 1);
    // Protect and back leaves one part.
    let middle = span(region.start + 7 * PAGE, 3 * PAGE);
    for flags in [PageFlags::READ_WRITE, PageFlags::READ] {
        world
            .space
            .protect(&mut world.kernel, middle, flags)
            .unwrap();
    }
    assert_eq!(world.space.counts(), counts);
}

#[test]
fn only_what_follows_is_joined() {
    let mut world = World::new(100);
    let other = world.kernel.frame(3 * HUGE, HUGE, CapRights::ALL);
    let start = VirtAddr(4 * LARGE);
    let region = world
        .space
        .reserve(Place::At(start), 16 * PAGE, RW)
        .unwrap();
    let page = |page| span(region.start + page * PAGE, PAGE);
    // Not further on in the frame; not of the same frame; a gap; not the same limit; not the same flags.
    for (at, offset) in [(0, 5), (1, 9), (2, 3), (4, 6), (5, 7), (7, 8), (8, 9)] {
        world.back(page(at), offset * PAGE);
    }
    let (space, kernel) = (&mut world.space, &mut world.kernel);
    let backing = Backing {
        frame: other,
        offset: 4 * PAGE,
        address: PhysAddr(3 * HUGE),
    };
    let limit = PageFlags::MASK;
    space
        .back(kernel, page(3), backing, limit, Choice::Auto)
        .unwrap();
    let backing = world.backing(8 * PAGE);
    let (space, kernel) = (&mut world.space, &mut world.kernel);
    let limit = PageFlags::READ;
    space
        .back(kernel, page(6), backing, limit, Choice::Auto)
        .unwrap();
    space.protect(kernel, page(8), PageFlags::READ).unwrap();
    let before = (kernel.leaves(), space.counts().runs);
    assert_eq!(before.1, 9);
    // Pages 4 and 5.
    assert_eq!(space.join(kernel, region), Ok(1));
    assert_eq!((kernel.leaves(), space.counts().runs), (before.0, 8));
    space.check().unwrap();
}

#[test]
fn a_fault_handler_learns_what_is_there() {
    let mut world = World::new(100);
    let stack = Attributes { tag: 7, ..RW };
    let region = world
        .space
        .reserve(Place::Anywhere(PageSize::Base), 16 * PAGE, stack)
        .unwrap();
    world.space.guard(span(region.start, PAGE)).unwrap();
    let found = |world: &World, page: u64| {
        let address = VirtAddr(region.start + page * PAGE + 12);
        world.space.lookup(address).unwrap()
    };
    let guard = found(&world, 0).region;
    assert!(guard.attributes.is_guard && guard.attributes.tag == 7);
    assert_eq!(found(&world, 3).page, None);
    let shared = world.backing(PAGE);
    let page = span(region.start + 3 * PAGE, PAGE);
    // Copy-on-write: readable until there is a copy.
    world
        .space
        .back(
            &mut world.kernel,
            page,
            shared,
            PageFlags::READ,
            Choice::Auto,
        )
        .unwrap();
    assert_eq!(found(&world, 3).page.unwrap().flags, PageFlags::READ);
    assert_eq!(
        found(&world, 3).region.attributes.flags,
        PageFlags::READ_WRITE
    );
    world.space.unback(&mut world.kernel, page).unwrap();
    world.back(page, 5 * PAGE);
    let copy = found(&world, 3).page.unwrap();
    assert_eq!((copy.flags, copy.offset), (PageFlags::READ_WRITE, 5 * PAGE));
    // No memory for a guard, and the whole region is still one.
    let refused = world.space.back(
        &mut world.kernel,
        span(region.start, PAGE),
        shared,
        PageFlags::MASK,
        Choice::Auto,
    );
    assert_eq!(refused.unwrap_err().cause, Cause::Space(Why::Guard));
    assert_eq!(world.space.extent(VirtAddr(region.end - 1)), Some(region));
}

#[test]
fn uncached_memory_is_mapped_by_few_pages_at_a_time() {
    let mut world = World::new(100);
    let uncached = Attributes::memory(PageFlags::READ_WRITE.union(PageFlags::NOCACHE));
    let backing = world.backing(0);
    let (space, kernel) = (&mut world.space, &mut world.kernel);
    let mapped = space
        .map(
            kernel,
            Some(VirtAddr(LARGE)),
            LARGE,
            backing,
            uncached,
            Choice::Auto,
        )
        .unwrap();
    assert_eq!(space.counts().runs, 8);
    space
        .protect(kernel, mapped, PageFlags::READ_WRITE)
        .unwrap();
    space.protect(kernel, mapped, uncached.flags).unwrap();
    let block = space
        .map(kernel, None, LARGE, backing, RW, Choice::Auto)
        .unwrap();
    let refused = space.protect(kernel, block, uncached.flags).unwrap_err();
    assert_eq!(
        (refused.cause, refused.stopped),
        (Cause::Space(Why::PageSize), None)
    );
}

#[test]
fn a_child_gets_the_books() {
    let mut world = World::new(100);
    world.map(None, 3 * PAGE, 0);
    world.map(None, LARGE, LARGE);
    world.map(Some(512 * HUGE), HUGE, HUGE);
    let child_name = |role, cap: Cap| match role {
        Role::Frame => Ok(cap),
        Role::Table | Role::Mapping => u32::checked_add(cap, 1000).ok_or(()),
    };
    let mut child = Space::new(ROOT, WITHIN, Memory::with(world.space.counts().nodes()));
    for item in world.space.items() {
        let words = item.try_map(child_name).unwrap().to_words();
        child.add(Item::from_words(words).unwrap()).unwrap();
    }
    child.check().unwrap();
    assert_eq!(child.counts(), world.space.counts());
    let (parent, child) = (world.space.items(), child.items());
    for (parent, child) in parent.zip(child) {
        assert_eq!(parent.try_map(child_name), Ok(child));
    }
}

#[test]
fn a_hundred_thousand_regions_cost_little() {
    const REGIONS: u64 = 100_000;
    let mut space = Space::new(ROOT, WITHIN, Memory::with(REGIONS as usize));
    for index in 0..REGIONS {
        let pages = 1 + index % 3;
        let place = Place::Anywhere(PageSize::Base);
        space.reserve(place, pages * PAGE, RW).unwrap();
    }
    let mut kernel = Kernel::new();
    // Gaps of one, two and three pages are found again, lowest first.
    let mut freed = Vec::new();
    for index in 0..1000 {
        let at = space.next_region(VirtAddr(index * 97 * PAGE)).unwrap().span;
        space.unmap(&mut kernel, at).unwrap();
        freed.push(at);
    }
    for pages in 1..=3 {
        let gaps = freed.iter().filter(|span| span.bytes() == pages * PAGE);
        let lowest = gaps.map(|span| span.start).min().unwrap();
        let found = space.reserve(Place::Anywhere(PageSize::Base), pages * PAGE, RW);
        assert!(found.unwrap().start <= lowest);
    }
    space.check().unwrap();
}
