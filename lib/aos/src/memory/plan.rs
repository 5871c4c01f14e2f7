//! How much of everything a step takes, and what is kept in reserve.

use kpi::addr::VirtAddr;
use mm::chunks::NODES_TO_CUT;
use mm::ram::{NODES_TO_ADD, NODES_TO_CHANGE};
use mm::reserve::{Plan, Refill};

use crate::paging::OWN_START;

/// Nodes of the regions' books.
pub(super) const REGION_NODES: usize = 0;
/// Nodes of the chunks' books.
pub(super) const CHUNK_NODES: usize = 1;
/// Nodes of the own address space.
pub(super) const SPACE_NODES: usize = 2;
/// Nodes of the slots' books.
pub(super) const SLOT_NODES: usize = 3;
/// Free slots.
pub(super) const SLOTS: usize = 4;
/// Free slots of the root CNode.
pub(super) const ROOT_SLOTS: usize = 5;
/// How many of these there are.
pub(super) const RESOURCES: usize = 6;

/// Taking RAM once: a chunk cut, one joined, the grant; a slot for the chunk.
const RAM: [u32; RESOURCES] = [
    (NODES_TO_CUT.0 + 2 * NODES_TO_CHANGE) as u32,
    (NODES_TO_CUT.1 + NODES_TO_CHANGE) as u32,
    0,
    0,
    1,
    0,
];

/// Adding page tables of all levels: RAM, a slot for the table and one for what it hangs by.
const TABLES: [u32; RESOURCES] = sum(times(3, RAM), [0, 0, 3, 0, 6, 0]);
/// Mapping a run of pages where no tables are.
const RUN: [u32; RESOURCES] = sum(TABLES, [0, 0, 1, 0, 1, 0]);
/// A frame in a slot.
const OBJECT: [u32; RESOURCES] = sum(RAM, [0, 0, 0, 0, 1, 0]);

/// A frame for nodes, mapped.
const NODES: Refill<RESOURCES> = Refill {
    takes: sum(OBJECT, RUN),
    gives: (NODE_BYTES as usize / LARGEST_NODE) as u32,
};
/// An L2CNode in a root slot: a node for it, and perhaps one for another page of root slots.
const CNODE: Refill<RESOURCES> = Refill {
    takes: sum(RAM, [0, 0, 0, 2, 0, 1]),
    gives: 256,
};
/// A root CNode of twice the size, in a slot until it is the root; the old one needs a slot too.
const ROOT: Refill<RESOURCES> = Refill {
    takes: sum(RAM, [0, 0, 0, 0, 2, 0]),
    gives: 256,
};

/// What most steps stay far below: a new region, cut four times, with some runs and tables for two of them; pages to keep at hand.
const STEP: [u32; RESOURCES] = sum(sum(times(2, RUN), OBJECT), [5, 5, 8, 2, 32, 1]);

/// The plan.
pub(super) const PLAN: Plan<RESOURCES> = Plan {
    refills: [NODES, NODES, NODES, NODES, CNODE, ROOT],
    operation: STEP,
    release: [
        (NODES_TO_ADD + 2 * NODES_TO_CHANGE) as u32,
        (NODES_TO_ADD + 2 * NODES_TO_CHANGE) as u32,
        2,
        0,
        0,
        0,
    ],
};
const _: () = assert!(PLAN.is_sound());
/// Free slots that there must be when an operation begins, and as many as it takes.
pub(super) const SLOTS_IN_RESERVE: u32 = PLAN.marks()[SLOTS] + STEP[SLOTS];

/// Bytes that are mapped at a time for nodes.
pub(super) const NODE_BYTES: u64 = 16 << 10;
/// Bytes of a node at most.
pub(super) const LARGEST_NODE: usize = 144;

/// Addresses for nodes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Area {
    /// The first.
    pub(super) start: VirtAddr,
    /// How many.
    pub(super) bytes: u64,
}

/// The areas of the four kinds of nodes.
pub(super) const AREAS: [Area; 4] = [
    area(0, 64 << 20),
    area(64 << 20, 128 << 20),
    area(192 << 20, 256 << 20),
    area(448 << 20, 64 << 20),
];

const fn area(offset: u64, bytes: u64) -> Area {
    Area {
        start: VirtAddr(OWN_START.0 + offset),
        bytes,
    }
}

/// Parts of regions up to which none are joined.
pub(super) const APART: usize = 512;

/// Nodes that there are in the beginning: those that must be there before more can be made, and a few for what is made first.
pub(super) const FIRST_NODES: [usize; 4] = [
    first(REGION_NODES),
    first(CHUNK_NODES),
    first(SPACE_NODES) + AREAS.len(),
    first(SLOT_NODES) + 4,
];

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated for constants only, where an index out of bounds does not compile"
)]
const fn first(of: usize) -> usize {
    let marks = PLAN.marks();
    marks[of] as usize + 4
}

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated for constants only, where an index out of bounds does not compile"
)]
const fn sum(a: [u32; RESOURCES], b: [u32; RESOURCES]) -> [u32; RESOURCES] {
    let mut sum = a;
    let mut i = 0;
    while i < RESOURCES {
        sum[i] += b[i];
        i += 1;
    }
    sum
}

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated for constants only, where an index out of bounds does not compile"
)]
const fn times(n: u32, a: [u32; RESOURCES]) -> [u32; RESOURCES] {
    let mut product = a;
    let mut i = 0;
    while i < RESOURCES {
        product[i] *= n;
        i += 1;
    }
    product
}
