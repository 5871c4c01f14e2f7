//! Chunks, with a kernel that refuses what the real one refuses.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod support;

use arena::Slot;
use mm::chunks::{CHUNK, Chunks, Found, NODES_TO_CUT};
use mm::ram::{Grant, NODES_TO_CHANGE, Node, PAGE};
use mm::{MmError, Span};
use std::collections::BTreeMap;
use support::{new_random, size, steps};

const MIB: u64 = 1 << 20;

/// Regions: base, bytes. Only the first and the third are larger than a chunk.
const REGIONS: [(u64, u64); 3] = [
    (0x4000_0000 - 5 * MIB, 300 * MIB),
    (0x6000_0000, 40 * MIB),
    (0x8010_0000, CHUNK + 16 * MIB),
];

/// RAM capabilities by number, and objects; an object or a chunk is a child of where it was retyped from.
#[derive(Default)]
struct Kernel {
    rams: BTreeMap<u32, (Span, Option<u32>)>,
    objects: BTreeMap<u64, (Span, u32)>,
    next: u32,
}

impl Kernel {
    fn ram(&mut self, span: Span, parent: Option<u32>) -> u32 {
        self.next += 1;
        self.rams.insert(self.next, (span, parent));
        self.next
    }

    /// A range of the capability without anything in it.
    fn retype(&self, grant: &Grant<u32>) -> Span {
        let (source, _) = self.rams[&grant.root];
        let span = Span::new(grant.base, grant.bytes).unwrap();
        assert!(source.contains(span), "{grant:?} is not in its root");
        assert_eq!(source.base + grant.offset, grant.base);
        for (ram, (inside, parent)) in &self.rams {
            let is_child = *parent == Some(grant.root);
            assert!(!is_child || !inside.overlaps(span), "chunk {ram} is there");
        }
        let before = self.objects.range(..span.end).next_back();
        assert!(before.is_none_or(|(_, (object, _))| !object.overlaps(span)));
        span
    }
}

struct World {
    kernel: Kernel,
    books: Chunks<u32, Vec<Slot<Node<u32>>>>,
    cuts: usize,
    joins: usize,
}

impl World {
    fn new() -> Self {
        let store = || vec![Slot::default(); 5000];
        let mut world = Self {
            kernel: Kernel::default(),
            books: Chunks::new(store(), store()),
            cuts: 0,
            joins: 0,
        };
        for (base, bytes) in REGIONS {
            let root = world.kernel.ram(Span::new(base, bytes).unwrap(), None);
            world.books.add(root, base, bytes).unwrap();
        }
        world
    }

    /// As the library OS does it.
    fn alloc(&mut self, bytes: u64, alignment: u64, within: Span) -> Result<Span, MmError> {
        let before = self.books.free_nodes();
        let (mut cuts, mut joins) = (0, 0);
        loop {
            match self.books.alloc(bytes, alignment, within)? {
                Found::Grant(grant) => {
                    let span = self.kernel.retype(&grant);
                    self.kernel.objects.insert(span.base, (span, grant.root));
                    let after = self.books.free_nodes();
                    let joined = joins * NODES_TO_CHANGE;
                    let most = (NODES_TO_CUT.0 + joined, NODES_TO_CUT.1 + NODES_TO_CHANGE);
                    assert!(after.0 + most.0 >= before.0 && after.1 + most.1 >= before.1);
                    self.cuts += cuts;
                    self.joins += joins;
                    assert_eq!(span.base % alignment, 0);
                    assert!(within.contains(span));
                    return Ok(span);
                }
                Found::Cut(cell) => {
                    cuts += 1;
                    assert_eq!(cuts, 1, "one cut is enough");
                    assert!(cell.bytes <= CHUNK);
                    assert_eq!(
                        cell.base / CHUNK,
                        (cell.base + cell.bytes - 1) / CHUNK,
                        "two cells"
                    );
                    let span = self.kernel.retype(&cell);
                    let chunk = self.kernel.ram(span, Some(cell.root));
                    self.books.cut(cell, chunk).unwrap();
                }
                Found::Join(chunk) => {
                    joins += 1;
                    let (span, parent) = self.kernel.rams.remove(&chunk.root).unwrap();
                    assert!(parent.is_some(), "a region is not a chunk that was cut");
                    assert_eq!(span, chunk.span);
                    let mut objects = self.kernel.objects.values();
                    assert!(objects.all(|(_, root)| *root != chunk.root));
                    self.books.joined(chunk).unwrap();
                }
            }
        }
    }

    fn free(&mut self, span: Span) {
        let (whole, root) = self.kernel.objects.remove(&span.base).unwrap();
        assert_eq!(whole, span);
        self.books.free(span.base, span.bytes()).unwrap();
        assert_eq!(
            self.books.free(span.base, span.bytes()),
            Err(MmError::Overlap)
        );
        assert!(self.kernel.rams.contains_key(&root));
    }

    fn check(&self) {
        let usage = self.books.usage();
        let total: u64 = REGIONS.into_iter().map(|(_, bytes)| bytes).sum();
        assert_eq!(usage.total, total);
        let used = self.kernel.objects.values().map(|(span, _)| span.bytes());
        assert_eq!(usage.free, total - used.sum::<u64>());
    }
}

#[test]
fn the_kernel_never_refuses() {
    let mut random = new_random();
    let mut world = World::new();
    let mut held: Vec<Span> = Vec::new();
    let mut refused = 0;
    for step in 0..steps() {
        let full = step / 500 % 2 == 0;
        if held.is_empty() || random.below(5) < if full { 3 } else { 2 } {
            let bytes = size(&mut random, 15) * PAGE;
            let alignment = [PAGE, PAGE, 4 * PAGE, 512 * PAGE][random.below(4) as usize];
            let within = match random.below(6) {
                0 => Span::new(0x4000_0000 + random.below(300) * MIB, 80 * MIB).unwrap(),
                _ => Span::ALL,
            };
            match world.alloc(bytes, alignment, within) {
                Ok(span) => held.push(span),
                Err(error) => {
                    assert_eq!(error, MmError::Exhausted);
                    refused += 1;
                }
            }
        } else {
            let span = held.swap_remove(random.below(held.len() as u64) as usize);
            world.free(span);
        }
        if step % 100 == 0 {
            world.check();
        }
    }
    println!(
        "{} cuts, {} joins, {refused} refused",
        world.cuts, world.joins
    );
    assert!(world.cuts > 10 && world.joins > 5 && refused > 10);
    held.into_iter().for_each(|span| world.free(span));
    world.check();
    // What was cut is joined when it is needed.
    let large = world.alloc(256 * MIB, PAGE, Span::ALL).unwrap();
    world.free(large);
}

#[test]
fn small_things_come_from_chunks_and_large_ones_from_regions() {
    let mut world = World::new();
    let root_of = |world: &World, span: Span| world.kernel.objects[&span.base].1;
    // The region that is a chunk itself has room.
    let small = world.alloc(PAGE, PAGE, Span::ALL).unwrap();
    assert_eq!((root_of(&world, small), world.cuts), (2, 0));
    let larger = world.alloc(50 * MIB, PAGE, Span::ALL).unwrap();
    assert_eq!(world.cuts, 1);
    let largest = world.alloc(100 * MIB, PAGE, Span::ALL).unwrap();
    assert_eq!((root_of(&world, largest), world.cuts), (1, 1));
    world.free(larger);
    world.free(largest);
    world.free(small);
}

#[test]
fn what_cannot_be_cut_comes_from_the_region() {
    let store = || vec![Slot::default(); 50];
    let mut books = Chunks::new(store(), store());
    books.add('a', 0, 4 * CHUNK).unwrap();
    assert_eq!(books.add('b', CHUNK, PAGE), Err(MmError::Overlap));
    assert_eq!(books.add('b', CHUNK, 2 * CHUNK), Err(MmError::Overlap));
    let Ok(Found::Cut(cell)) = books.alloc(PAGE, PAGE, Span::ALL) else {
        unreachable!("there is no chunk");
    };
    books.not_cut(cell).unwrap();
    let grant = books.alloc_uncut(PAGE, PAGE, Span::ALL).unwrap();
    assert_eq!(grant.root, 'a');
    books.free(grant.base, grant.bytes).unwrap();
    assert_eq!(books.usage().free, 4 * CHUNK);
    assert_eq!(Chunks::<char, Vec<Slot<Node<char>>>>::cuts(0, 4 * CHUNK), 4);
    assert_eq!(
        Chunks::<char, Vec<Slot<Node<char>>>>::cuts(PAGE, 4 * CHUNK),
        5
    );
    assert_eq!(Chunks::<char, Vec<Slot<Node<char>>>>::cuts(PAGE, CHUNK), 0);
}
