//! How the work of an operation grows with the number of holes: counted as looks at nodes, so that it is the same on every machine.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod support;

use arena::{Slot, Store};
use mm::Span;
use mm::ram::{Node, PAGE, Ram};
use random::Random;
use std::cell::Cell;

/// Nodes that count how often they are asked for one.
struct Counting {
    slots: Vec<Slot<Node<u32>>>,
    looks: Cell<u64>,
}

impl Store<Node<u32>> for Counting {
    fn slots(&self) -> &[Slot<Node<u32>>] {
        self.looks.set(self.looks.get() + 1);
        &self.slots
    }
    fn slots_mut(&mut self) -> &mut [Slot<Node<u32>>] {
        self.looks.set(self.looks.get() + 1);
        &mut self.slots
    }
}

/// The most looks of an operation of each kind in memory with so many holes: from 1 to 8 pages each, between granted pages.
fn most_looks(holes: u64) -> [u64; 5] {
    let mut random = Random::new(1);
    let mut ram = Ram::new(Counting {
        slots: vec![Slot::default(); 2 * holes as usize + 10],
        looks: Cell::new(0),
    });
    let bytes = holes * 16 * PAGE;
    ram.add(0, 0, bytes).unwrap();
    ram.alloc(bytes, PAGE).unwrap();
    for hole in 0..holes {
        let pages = 1 + random.below(8);
        ram.free(hole * 16 * PAGE, pages * PAGE).unwrap();
    }
    let mut most = [0; 5];
    for _ in 0..300 {
        let size = (1 + random.below(8)) * PAGE;
        let low = random.below(bytes / 2) / PAGE * PAGE;
        let within = Span::new(low, bytes / 2).unwrap();
        let kinds: [(u64, Span); 4] = [
            (PAGE, Span::ALL),
            (4 * PAGE, Span::ALL),
            (32 * PAGE, Span::ALL),
            (PAGE, within),
        ];
        for (kind, (alignment, within)) in kinds.into_iter().enumerate() {
            ram.store().looks.set(0);
            let found = ram.alloc_within(size, alignment, within);
            most[kind] = ram.store().looks.get().max(most[kind]);
            if let Ok(grant) = found {
                ram.store().looks.set(0);
                ram.free(grant.base, grant.bytes).unwrap();
                most[4] = ram.store().looks.get().max(most[4]);
            }
        }
    }
    most
}

#[test]
fn work_grows_with_the_logarithm() {
    let few = most_looks(100);
    let many = most_looks(100_000);
    println!("{few:?} looks with 10^2 holes, {many:?} with 10^5");
    for (few, many) in few.into_iter().zip(many) {
        // log2 of 10^5 is 2.5 times that of 10^2; the worst of 300 random places of each is looked at.
        assert!(many * 10 <= few * 35, "{few} looks became {many}");
    }
}
