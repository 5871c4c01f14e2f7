//! Random reads and writes through a squeezed region, against plain memory.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use pagers::PAGE;
use pagers::squeeze::{Frames, Squeezer};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Slots, and which page is there in which.
struct Memory {
    slots: Vec<[u8; PAGE]>,
    there: BTreeMap<usize, usize>,
    refuses: bool,
}

impl Frames for Memory {
    type Error = ();

    fn slot(&mut self, slot: usize) -> &mut [u8; PAGE] {
        &mut self.slots[slot]
    }

    fn take(&mut self, page: usize) -> Result<(), ()> {
        if self.refuses {
            return Err(());
        }
        self.there.remove(&page).map(|_| ()).ok_or(())
    }
}

fn memory(slots: usize) -> Memory {
    // Not zero: what a page finds there must not be seen.
    Memory {
        slots: vec![[0xee; PAGE]; slots],
        there: BTreeMap::new(),
        refuses: false,
    }
}

/// The slot of a page that is touched.
fn touch(squeezer: &mut Squeezer, memory: &mut Memory, page: usize) -> usize {
    if let Some(slot) = memory.there.get(&page) {
        return *slot;
    }
    let slot = squeezer.fault(page, memory).unwrap().unwrap();
    assert!(!memory.there.values().any(|other| *other == slot));
    memory.there.insert(page, slot);
    slot
}

#[derive(Clone, Debug)]
enum Step {
    Read(usize),
    Write(usize, usize, u8),
    Noise(usize, u64),
}

fn step() -> impl Strategy<Value = Step> {
    let page = 0..12usize;
    prop_oneof![
        page.clone().prop_map(Step::Read),
        (page.clone(), 0..PAGE, any::<u8>())
            .prop_map(|(page, at, byte)| Step::Write(page, at, byte)),
        (page, any::<u64>()).prop_map(|(page, seed)| Step::Noise(page, seed)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn what_is_written_is_read(slots in 1..5usize, steps in prop::collection::vec(step(), 1..120)) {
        let mut squeezer = Squeezer::new(12, slots);
        let mut memory = memory(slots);
        let mut model = vec![[0u8; PAGE]; 12];
        for step in steps {
            let page = match step {
                Step::Read(page) => page,
                Step::Write(page, at, byte) => {
                    let slot = touch(&mut squeezer, &mut memory, page);
                    memory.slots[slot][at] = byte;
                    model[page][at] = byte;
                    page
                }
                // Does not get smaller.
                Step::Noise(page, seed) => {
                    let slot = touch(&mut squeezer, &mut memory, page);
                    let mut noise = random::Random::new(seed);
                    for byte in &mut model[page] {
                        *byte = noise.next() as u8;
                    }
                    memory.slots[slot] = model[page];
                    page
                }
            };
            let slot = touch(&mut squeezer, &mut memory, page);
            prop_assert!(memory.slots[slot] == model[page]);
            prop_assert!(memory.there.len() <= slots);
        }
        for (page, model) in model.iter().enumerate() {
            let slot = touch(&mut squeezer, &mut memory, page);
            prop_assert!(&memory.slots[slot] == model);
        }
    }
}

#[test]
fn what_is_used_stays() {
    let mut squeezer = Squeezer::new(100, 4);
    let mut memory = memory(4);
    // One page is used all the time, the others once.
    for page in 1..100 {
        let slot = touch(&mut squeezer, &mut memory, page);
        memory.slots[slot].fill(page as u8);
        let slot = touch(&mut squeezer, &mut memory, 0);
        memory.slots[slot][0] = 1;
    }
    let statistics = squeezer.statistics();
    assert_eq!(statistics.restored, 0, "page 0 was never put away");
    assert!(statistics.woken > 10, "it was looked whether it is used");
    assert_eq!(statistics.packed, 96);
    assert!(squeezer.packed_bytes() < 96 * 64);
}

#[test]
fn errors_lose_nothing() {
    let mut squeezer = Squeezer::new(3, 2);
    let mut memory = memory(2);
    for page in 0..2 {
        let slot = touch(&mut squeezer, &mut memory, page);
        memory.slots[slot].fill(7 + page as u8);
    }
    memory.refuses = true;
    assert_eq!(squeezer.fault(2, &mut memory), Err(()));
    memory.refuses = false;
    for page in [2, 0, 1, 2] {
        let slot = touch(&mut squeezer, &mut memory, page);
        let expected = if page == 2 { 0 } else { 7 + page as u8 };
        assert!(memory.slots[slot].iter().all(|byte| *byte == expected));
    }
    assert_eq!(squeezer.fault(3, &mut memory), Ok(None));
    assert_eq!(Squeezer::new(1, 0).fault(0, &mut memory), Ok(None));
}
