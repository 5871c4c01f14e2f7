//! Slots against sets.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod support;

use arena::Slot;
use mm::MmError;
use mm::slots::{Node, SLOTS, Slots};
use std::collections::{BTreeMap, BTreeSet};
use support::{new_random, size, steps};

type Books = Slots<Vec<Slot<Node>>>;

fn books(nodes: usize) -> Books {
    Slots::new(vec![Slot::default(); nodes])
}

#[test]
fn every_slot_is_handed_out_once() {
    let mut slots = books(2);
    slots.add(7).unwrap();
    slots.add(8).unwrap();
    assert_eq!(slots.add(7), Err(MmError::Overlap));
    assert_eq!(slots.add(9), Err(MmError::NoMemory));
    let mut seen = BTreeSet::new();
    for _ in 0..512 {
        assert!(seen.insert(slots.take(1).unwrap()));
    }
    assert_eq!(slots.take(1), Err(MmError::Exhausted));
    slots.free(8, 200, 1).unwrap();
    assert_eq!(slots.free(8, 200, 1), Err(MmError::Overlap));
    assert_eq!(slots.free(9, 0, 1), Err(MmError::NotFound));
    assert_eq!(slots.free(8, 250, 7), Err(MmError::NotFound));
    assert_eq!(slots.free(8, 199, 3), Err(MmError::Overlap));
    assert_eq!(slots.free(8, 250, 0), Err(MmError::Invalid));
    assert_eq!(slots.take(1), Ok((8, 200)));
    assert_eq!((slots.slots(), slots.free_slots()), (512, 0));
}

#[test]
fn runs_lie_in_one_cnode() {
    let mut slots = books(2);
    slots.add(7).unwrap();
    assert_eq!(slots.take(100), Ok((7, 0)));
    assert_eq!(slots.take(157), Err(MmError::Exhausted));
    slots.add(9).unwrap();
    assert_eq!(slots.take(157), Ok((9, 0)));
    assert_eq!(slots.take(156), Ok((7, 100)));
    assert_eq!(slots.take(257), Err(MmError::Invalid));
    assert_eq!(slots.take(0), Err(MmError::Invalid));
    // Part of a run, across words.
    slots.free(7, 60, 70).unwrap();
    assert_eq!(slots.take(71), Ok((9, 157)));
    assert_eq!(slots.take(70), Ok((7, 60)));
    slots.free(7, 0, 256).unwrap();
    assert_eq!(slots.spare(0), Some(7));
    assert_eq!(slots.take(256), Ok((7, 0)));
}

#[test]
fn empty_cnodes_can_go_but_not_fixed_ones() {
    let mut slots = books(5);
    slots.add_fixed(1).unwrap();
    slots.add(4).unwrap();
    slots.add(6).unwrap();
    assert_eq!((slots.spare(0), slots.spare(5)), (Some(4), Some(6)));
    assert_eq!(slots.remove(1), Err(MmError::InUse));
    assert_eq!(slots.remove(2), Err(MmError::NotFound));
    let (l1, slot) = slots.take(256).unwrap();
    assert_eq!((l1, slot), (1, 0));
    assert_eq!(slots.take(1), Ok((4, 0)));
    assert_eq!(slots.remove(4), Err(MmError::InUse));
    slots.remove(6).unwrap();
    assert_eq!(slots.spare(0), None);
    slots.free(4, 0, 1).unwrap();
    slots.remove(4).unwrap();
    assert_eq!((slots.cnodes(), slots.free_nodes()), (1, 4));
}

#[test]
fn the_root_is_resized_in_time() {
    let mut slots = books(10);
    assert_eq!(slots.take_root(), Err(MmError::Exhausted));
    assert_eq!(slots.add_root(256, 256), Err(MmError::Invalid));
    slots.add_root(256, 250).unwrap();
    assert_eq!(slots.add_root(256, 250), Err(MmError::Invalid));
    assert_eq!(slots.free_root_slots(), 6);
    for slot in 250..256 {
        assert_eq!(slots.take_root(), Ok(slot));
    }
    assert_eq!(slots.take_root(), Err(MmError::Exhausted));
    assert_eq!(slots.resize_root(100), Err(MmError::Invalid));
    slots.resize_root(1024).unwrap();
    assert_eq!(slots.free_root_slots(), 768);
    let nodes = slots.free_nodes();
    assert_eq!(slots.take_root(), Ok(256));
    assert_eq!(slots.free_nodes(), nodes - 1);
    slots.add(252).unwrap();
    assert_eq!(slots.free_root(252), Err(MmError::InUse));
    slots.remove(252).unwrap();
    slots.free_root(252).unwrap();
    assert_eq!(slots.free_root(252), Err(MmError::Overlap));
    assert_eq!(slots.free_root(900), Err(MmError::NotFound));
    assert_eq!(slots.take_root(), Ok(252));
    for slot in 257..1024 {
        assert_eq!(slots.take_root(), Ok(slot));
    }
    assert_eq!(slots.take_root(), Err(MmError::Exhausted));
    assert_eq!(slots.free_root_slots(), 0);
}

#[test]
fn a_long_random_life_keeps_the_books() {
    let mut random = new_random();
    let mut slots = books(400);
    slots.add_root(256, 20).unwrap();
    let mut used: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    let mut held: Vec<(u32, u8, u32)> = Vec::new();
    let (mut most, mut given_back) = (0, 0);
    for step in 0..steps() {
        let full = step / 3000 % 2 == 0;
        if held.is_empty() || random.below(7) < if full { 4 } else { 2 } {
            let bits = if random.below(20) == 0 { 8 } else { 2 };
            let count = size(&mut random, bits) as u32;
            let fits = |used: &BTreeSet<u32>| {
                (0..=SLOTS - count)
                    .find(|first| used.range(first..&(first + count)).next().is_none())
            };
            // As a map with the first fit.
            let found = used.iter().find_map(|(l1, used)| Some((*l1, fits(used)?)));
            match (slots.take(count), found) {
                (Ok((l1, first)), Some(expected)) => {
                    assert_eq!((l1, u32::from(first)), expected);
                    let page = used.get_mut(&l1).unwrap();
                    page.extend(u32::from(first)..u32::from(first) + count);
                    held.push((l1, first, count));
                }
                (Err(MmError::Exhausted), None) => {
                    let l1 = slots.take_root().unwrap_or_else(|_| {
                        slots.resize_root(512).unwrap();
                        slots.take_root().unwrap()
                    });
                    slots.add(l1).unwrap();
                    assert!(used.insert(l1, BTreeSet::new()).is_none());
                }
                (found, expected) => {
                    assert_eq!(found.ok(), expected.map(|(l1, at)| (l1, at as u8)))
                }
            }
        } else {
            let index = random.below(held.len() as u64) as usize;
            let (l1, first, count) = held.swap_remove(index);
            let part = 1 + random.below(count.into()) as u32;
            slots.free(l1, first, part).unwrap();
            let page = used.get_mut(&l1).unwrap();
            for slot in u32::from(first)..u32::from(first) + part {
                assert!(page.remove(&slot));
            }
            if part < count {
                held.push((l1, first + part as u8, count - part));
            }
            let spare = used.iter().find(|(_, used)| used.is_empty());
            let spare = spare.map(|(l1, _)| *l1);
            assert_eq!(slots.spare(0), spare);
            if let Some(l1) = spare.filter(|_| random.below(4) == 0) {
                slots.remove(l1).unwrap();
                slots.free_root(l1).unwrap();
                used.remove(&l1);
                given_back += 1;
            }
        }
        most = slots.cnodes().max(most);
        assert_eq!(slots.cnodes() as usize, used.len());
        let taken: usize = used.values().map(BTreeSet::len).sum();
        assert_eq!(slots.free_slots() as usize, used.len() * 256 - taken);
    }
    println!("up to {most} CNodes, {given_back} given back");
    assert!(most > 5 && given_back > 5);
}
