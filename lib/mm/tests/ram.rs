//! Regions and holes against a model with one entry a page.
//!
//! A long random life has 30,000 steps, 10^6 with `BARRELEYE_LONG` (`./hake.sh test --long`); `BARRELEYE_SEED=N` repeats one.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod support;

use mm::ram::{FITS, LOOKS, NODES_TO_ADD, NODES_TO_CHANGE, PAGE};
use mm::{MmError, Span};
use proptest::prelude::*;
use support::{Model, Page, books, new_random, size, steps};

/// Pages of the small world.
const PAGES: u64 = 96;

#[derive(Clone, Debug)]
enum Op {
    Add(u64, u64),
    Remove(u64),
    Alloc(u64, u64),
    Within(u64, u64, u64, u64),
    Lowest(u64, u64),
    Free(u64, u64),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let at = 0..PAGES;
    let shift = 0u64..5;
    let op = prop_oneof![
        1 => (at.clone(), 1u64..40).prop_map(|(at, pages)| Op::Add(at, pages)),
        1 => at.clone().prop_map(Op::Remove),
        5 => (1u64..12, shift.clone()).prop_map(|(pages, shift)| Op::Alloc(pages, shift)),
        2 => (1u64..9, shift.clone(), at.clone(), 1u64..40)
            .prop_map(|(pages, shift, at, length)| Op::Within(pages, shift, at, length)),
        1 => (1u64..9, shift).prop_map(|(pages, shift)| Op::Lowest(pages, shift)),
        5 => (at, 1u64..12).prop_map(|(at, pages)| Op::Free(at, pages)),
    ];
    prop::collection::vec(op, 0..120)
}

fn pages(at: u64, count: u64) -> Span {
    let span = Span::new(at * PAGE, count * PAGE).unwrap();
    let end = span.end.min(PAGES * PAGE);
    Span { end, ..span }
}

/// Does it in the books and in the model; they say the same.
fn perform(ram: &mut support::Books, model: &mut Model, op: Op, root: u32) {
    match op {
        Op::Add(at, count) => {
            let span = pages(at, count);
            let added = ram.add(root, span.base, span.bytes());
            assert_eq!(added, model.add(root, span));
        }
        Op::Remove(at) => {
            let begins = match model.pages[at as usize] {
                Page::Unknown => None,
                Page::Free(root) | Page::Granted(root) => Some(root),
            };
            let of = |page: &Page| matches!(page, Page::Free(r) | Page::Granted(r) if Some(*r) == begins);
            let first = at == 0 || !of(&model.pages[at as usize - 1]);
            let granted = model
                .pages
                .iter()
                .any(|page| begins.is_some_and(|root| *page == Page::Granted(root)));
            let expected = match begins.filter(|_| first) {
                None => Err(MmError::NotFound),
                Some(_) if granted => Err(MmError::InUse),
                Some(root) => Ok(root),
            };
            assert_eq!(ram.remove(at * PAGE), expected);
            if expected.is_ok() {
                model
                    .pages
                    .iter_mut()
                    .filter(|page| of(page))
                    .for_each(|page| *page = Page::Unknown);
            }
        }
        Op::Alloc(count, shift) => {
            let (bytes, alignment) = (count * PAGE, PAGE << shift);
            // With so few holes all are looked at: the best is found.
            let places = model.places(bytes, alignment, Span::ALL);
            let best = places
                .iter()
                .min_by_key(|(_, hole)| (hole.bytes(), hole.base));
            match ram.alloc(bytes, alignment) {
                Ok(grant) => {
                    if alignment == PAGE || model.holes().len() <= LOOKS {
                        assert_eq!(grant.base, best.unwrap().0.base);
                    }
                    assert_eq!(grant.base % alignment, 0);
                    model.grant(grant);
                }
                Err(error) => {
                    assert_eq!(error, MmError::Exhausted);
                    let exact = FITS.contains(&alignment) || model.holes().len() <= LOOKS;
                    assert!(!exact || best.is_none());
                }
            }
        }
        Op::Within(count, shift, at, length) => {
            let (bytes, alignment, within) = (count * PAGE, PAGE << shift, pages(at, length));
            let places = model.places(bytes, alignment, within);
            let lowest = places.first().map(|(place, _)| place.base);
            let found = ram.alloc_within(bytes, alignment, within);
            assert_eq!(found.as_ref().ok().map(|grant| grant.base), lowest);
            found.into_iter().for_each(|grant| model.grant(grant));
        }
        Op::Lowest(count, shift) => {
            let (bytes, alignment) = (count * PAGE, PAGE << shift);
            let places = model.places(bytes, alignment, Span::ALL);
            let lowest = places.first().map(|(place, _)| place.base);
            let found = ram.alloc_lowest(bytes, alignment, Span::ALL);
            assert_eq!(found.as_ref().ok().map(|grant| grant.base), lowest);
            found.into_iter().for_each(|grant| model.grant(grant));
        }
        Op::Free(at, count) => {
            let span = pages(at, count);
            assert_eq!(ram.free(span.base, span.bytes()), model.free(span));
        }
    }
}

proptest! {
    #[test]
    fn like_pages(ops in ops()) {
        let (mut ram, mut model) = (books(200), Model::new(PAGES as usize));
        for (root, op) in ops.into_iter().enumerate() {
            let (before, adds) = (ram.free_nodes(), matches!(op, Op::Add(..)));
            perform(&mut ram, &mut model, op, root as u32);
            let most = if adds { NODES_TO_ADD } else { NODES_TO_CHANGE };
            assert!(ram.free_nodes() + most >= before);
            model.check(&ram);
        }
    }

    /// However few nodes there are: what is refused changes nothing, and only a lack of nodes is a new reason.
    #[test]
    fn without_nodes_nothing_changes(ops in ops(), nodes in 0usize..10) {
        let (mut ram, mut model) = (books(nodes), Model::new(PAGES as usize));
        for (root, op) in ops.into_iter().enumerate() {
            let needs = if matches!(op, Op::Add(..)) { NODES_TO_ADD } else { NODES_TO_CHANGE };
            if ram.free_nodes() >= needs {
                perform(&mut ram, &mut model, op, root as u32);
            } else if let Op::Alloc(count, shift) = op {
                match ram.alloc(count * PAGE, PAGE << shift) {
                    Ok(grant) => model.grant(grant),
                    Err(error) => assert!(matches!(error, MmError::Exhausted | MmError::NoMemory)),
                }
            } else if let Op::Free(at, count) = op {
                let span = pages(at, count);
                match ram.free(span.base, span.bytes()) {
                    Ok(()) => assert_eq!(model.free(span), Ok(())),
                    Err(MmError::NoMemory) => assert_eq!(ram.free_nodes(), 0),
                    Err(error) => assert_eq!(model.free(span), Err(error)),
                }
            } else if let Op::Add(at, count) = op {
                let span = pages(at, count);
                assert!(ram.add(root as u32, span.base, span.bytes()).is_err());
            }
            model.check(&ram);
        }
    }
}

#[test]
fn a_long_random_life_keeps_the_books() {
    const REGIONS: [(u64, u64); 4] = [(3, 800), (803, 1500), (2400, 9), (3000, 3000)];
    let mut random = new_random();
    let (mut ram, mut model) = (books(3000), Model::new(6100));
    for (root, (at, count)) in REGIONS.into_iter().enumerate() {
        let span = Span::new(at * PAGE, count * PAGE).unwrap();
        ram.add(root as u32, span.base, span.bytes()).unwrap();
        model.add(root as u32, span).unwrap();
    }
    let mut held: Vec<Span> = Vec::new();
    let (mut granted, mut refused, mut split) = (0, 0, 0);
    for step in 0..steps() {
        // Phases in which memory gets full, and empty.
        let full = step / 2000 % 2 == 0;
        if held.is_empty() || random.below(5) < if full { 3 } else { 2 } {
            let bytes = size(&mut random, 7) * PAGE;
            let alignment = PAGE << random.below(10).saturating_sub(4);
            match ram.alloc(bytes, alignment) {
                Ok(grant) => {
                    assert_eq!(grant.base % alignment, 0);
                    assert_eq!(
                        REGIONS[grant.root as usize].0 * PAGE + grant.offset,
                        grant.base
                    );
                    model.grant(grant);
                    held.push(Span::new(grant.base, grant.bytes).unwrap());
                    granted += 1;
                }
                Err(error) => {
                    assert_eq!(error, MmError::Exhausted);
                    if FITS.contains(&alignment) {
                        assert!(model.places(bytes, alignment, Span::ALL).is_empty());
                    }
                    refused += 1;
                }
            }
        } else {
            let index = random.below(held.len() as u64) as usize;
            let span = held.swap_remove(index);
            // All of it, or some pages in it.
            let count = span.bytes() / PAGE;
            let (first, length) = match random.below(3) {
                0 => {
                    let first = random.below(count);
                    (first, 1 + random.below(count - first))
                }
                _ => (0, count),
            };
            let part = Span::new(span.base + first * PAGE, length * PAGE).unwrap();
            ram.free(part.base, part.bytes()).unwrap();
            model.free(part).unwrap();
            assert_eq!(ram.free(part.base, part.bytes()), Err(MmError::Overlap));
            let rest = [(span.base, part.base), (part.end, span.end)];
            let rest = rest.map(|(base, end)| Span { base, end });
            split += usize::from(length < count);
            held.extend(rest.into_iter().filter(|rest| rest.bytes() > 0));
        }
        if step % 1000 == 0 {
            model.check(&ram);
        }
    }
    model.check(&ram);
    println!("{granted} granted, {refused} refused, {split} split");
    assert!(granted > steps() / 5 && refused > 0 && split > steps() / 20);
    for span in held {
        ram.free(span.base, span.bytes()).unwrap();
    }
    assert_eq!(ram.usage().holes, REGIONS.len());
    assert_eq!(ram.usage().free, ram.usage().total);
    for (root, (at, _)) in REGIONS.into_iter().enumerate() {
        assert_eq!(ram.remove(at * PAGE), Ok(root as u32));
    }
    assert_eq!(ram.free_nodes(), 3000);
}

#[test]
fn grants_name_root_and_offset() {
    let mut ram = books(20);
    ram.add(1, 0x4000_1000, 0x3000).unwrap();
    ram.add(2, 0x8000_0000, 0x10000).unwrap();
    let small = ram.alloc(100, 1).unwrap();
    assert_eq!((small.root, small.offset, small.bytes), (1, 0, PAGE));
    let large = ram.alloc(0x4000, 0x4000).unwrap();
    assert_eq!((large.root, large.offset), (2, 0));
    assert_eq!(ram.usage().free, 0x2000 + 0xc000);
    assert_eq!(ram.usage().fragmentation(), 142);
    ram.free(small.base, small.bytes).unwrap();
    ram.free(large.base, large.bytes).unwrap();
    let usage = ram.usage();
    assert_eq!(
        (usage.total, usage.free, usage.largest, usage.holes),
        (0x13000, 0x13000, 0x10000, 2)
    );
    let region = ram.region_of(0x8000_ffff).unwrap();
    assert_eq!((region.root, region.free), (2, 0x10000));
    assert_eq!(ram.region_of(0x8001_0000), None);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mut ram = books(20);
    ram.add(0, 0x1000, 0x1fff).unwrap();
    assert_eq!(ram.usage().total, 0x1000);
    assert_eq!(ram.add(1, 0x1000, 0x1000), Err(MmError::Overlap));
    assert_eq!(ram.add(1, 0x0, 0x2000), Err(MmError::Overlap));
    assert_eq!(ram.add(1, 0x800, 0x1000), Err(MmError::Invalid));
    assert_eq!(ram.add(1, 0x8000, 0x10), Err(MmError::Invalid));
    assert_eq!(ram.add(1, !0xfff, 0x2000), Err(MmError::Invalid));
    assert_eq!(ram.free(0x1000, 0x1000), Err(MmError::Overlap));
    assert_eq!(ram.free(0x1800, 0x800), Err(MmError::Invalid));
    assert_eq!(ram.free(0x5000, 0x1000), Err(MmError::NotFound));
    assert_eq!(ram.free(!0xfff, 0x1000), Err(MmError::Invalid));
    assert_eq!(ram.free(0x1000, 0), Err(MmError::Invalid));
    assert_eq!(ram.alloc(0, 1), Err(MmError::Invalid));
    assert_eq!(ram.alloc(1, 3), Err(MmError::Invalid));
    assert_eq!(ram.alloc(u64::MAX, 1), Err(MmError::Invalid));
    assert_eq!(ram.alloc(!0xfff, 1 << 63), Err(MmError::Exhausted));
    assert_eq!(ram.alloc(0x2000, 1), Err(MmError::Exhausted));
    assert_eq!(ram.alloc(0x1000, 1 << 63), Err(MmError::Exhausted));
    assert_eq!(ram.remove(0x2000), Err(MmError::NotFound));
    ram.alloc(0x1000, 1).unwrap();
    assert_eq!(ram.remove(0x1000), Err(MmError::InUse));
}

/// An alignment far beyond a page, and thousands of holes that are large enough but lie wrong: the one place is found.
#[test]
fn large_alignments_find_the_one_place() {
    const BLOCK: u64 = 2 << 20;
    const BLOCKS: u64 = 64;
    let mut ram = books(200_000);
    ram.add(0, 0, BLOCKS * BLOCK).unwrap();
    let all = ram.alloc(BLOCKS * BLOCK, PAGE).unwrap();
    assert_eq!(all.base, 0);
    // A hole of half a block and more between two block boundaries, in each block.
    for block in 0..BLOCKS {
        ram.free(block * BLOCK + PAGE, BLOCK - PAGE).unwrap();
    }
    assert_eq!(ram.alloc(BLOCK / 2, BLOCK), Err(MmError::Exhausted));
    ram.free(37 * BLOCK, PAGE).unwrap();
    let grant = ram.alloc(BLOCK / 2, BLOCK).unwrap();
    assert_eq!(grant.base, 37 * BLOCK);
}
