//! `cargo bench -p caps`: what the database's operations take on this machine, with 10^2 to 10^6 capabilities in three shapes.
//!
//! Prints lines `shape,operation,capabilities,nanoseconds`; `--example plot` draws them:
//! `cargo bench -p caps | cargo run -p caps --example plot > docs/src/img/caps-bench.svg`. A figure is the least of several batches' averages:
//! other work on the machine only adds. It is for looking at, never judged; the bar that tests hold is counted in entries visited.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a measurement may stop at the first surprise"
)]

use std::hint::black_box;
use std::time::Instant;

use caps::{Cte, CteRef, Database, DestSlot, Machine, Range, RetypeArgs, Step, Store, Unmapped};
use kpi::addr::{CoreId, PhysAddr};
use kpi::cap::{Capability, L2CNode, Memory, ObjType};
use kpi::rights::CapRights;

/// Where entries lie.
const BASE: u64 = 0x4000_0000;
/// Bytes between the starts of ranges that lie side by side.
const STRIDE: u64 = 64 << 12;
/// Ranges inside each other in a chain.
const DEPTH: u64 = 40;
const PAGE: u64 = 4096;
/// Operations in a batch, and batches.
const BATCH: u64 = 2_000;
const BATCHES: u32 = 9;

/// Memory that holds nothing but entries.
struct Env(Vec<Cte>);

impl Env {
    fn place(at: CteRef) -> usize {
        ((at.address().0 - BASE) / 64) as usize
    }
}

fn entry(number: u64) -> CteRef {
    // SAFETY: `Env` has an entry for every number that is used here, and checks.
    unsafe { CteRef::new(PhysAddr(BASE + 64 * number)) }
}

// SAFETY: each handle names a place of the vector, checked at each access.
unsafe impl Store for Env {
    fn cte(&self, at: CteRef) -> &Cte {
        &self.0[Self::place(at)]
    }
    fn cte_mut(&mut self, at: CteRef) -> &mut Cte {
        &mut self.0[Self::place(at)]
    }
    fn slot(&self, cnode_base: PhysAddr, index: u32) -> CteRef {
        entry((cnode_base.0 - BASE) / 64 + u64::from(index))
    }
    fn retire(&mut self, _base: PhysAddr, _bytes: u64) {}
}

impl Machine for Env {
    fn zero(&mut self, _base: PhysAddr, _bytes: u64) {}
    fn is_ram(&self, _base: PhysAddr, _bytes: u64) -> bool {
        false
    }
    fn read_entry(&self, _entry: PhysAddr) -> u64 {
        0
    }
    fn write_entry(&mut self, _entry: PhysAddr, _value: u64) {}
    fn unmapped(&mut self, _what: Unmapped) {}
    fn object_lost(&mut self, _holder: CteRef, _cap: &Capability) {}
    fn dispatcher_deleted(&mut self, _dcb: PhysAddr) {}
}

fn range(base: u64, bytes: u64) -> Capability {
    let memory = Memory {
        base,
        bytes,
        pasid: 0,
    };
    Capability::new_memory(ObjType::PhysAddr, memory, CapRights::ALL).unwrap()
}

/// The `n`th of `count` capabilities of a shape.
fn shape(name: &str, n: u64, count: u64) -> Capability {
    const DEVICES: u64 = 1 << 44;
    match (name, n) {
        ("chains", _) => {
            let (chain, level) = (n / DEPTH, n % DEPTH);
            range(DEVICES + chain * STRIDE, STRIDE - level * PAGE)
        }
        ("fan", 0) => range(DEVICES, count * STRIDE),
        _ => range(DEVICES + n * STRIDE, STRIDE / 2),
    }
}

struct World {
    env: Env,
    db: Database,
    /// Entries of the innermost ones: what operations are tried on.
    sources: Vec<u64>,
    free: DestSlot,
}

/// A database of that many, put in at random.
fn world(name: &str, count: u64) -> World {
    let mut env = Env(Vec::new());
    // The CNode that holds the one free slot begins on a page.
    let slots = (count + 1).next_multiple_of(PAGE / 64);
    env.0.resize_with(slots as usize + 256, Cte::default);
    let mut db = Database::new(CoreId(0));
    let cnode = L2CNode {
        cnode: BASE + 64 * slots,
        rightsmask: CapRights::ALL,
    };
    let cap = Capability::new_l2_cnode(cnode, CapRights::ALL);
    db.insert_original(&mut env, entry(count), cap).unwrap();
    let mut sources = Vec::new();
    let bits = count.next_power_of_two();
    let order = (0..bits).map(|n| n.wrapping_mul(0x9e37_79b1) & (bits - 1));
    for n in order.filter(|n| *n < count) {
        db.insert_original(&mut env, entry(n), shape(name, n, count))
            .unwrap();
        let leaf = match name {
            "chains" => n % DEPTH == DEPTH - 1,
            "fan" => n > 0,
            _ => true,
        };
        if leaf {
            sources.push(n);
        }
    }
    let free = DestSlot {
        cnode: entry(count),
        index: 0,
    };
    World {
        env,
        db,
        sources,
        free,
    }
}

/// Nanoseconds of an operation: the least of several averages.
fn measure(world: &mut World, mut operation: impl FnMut(&mut World, CteRef)) -> f64 {
    let mut least = f64::MAX;
    let mut at = 0;
    for _ in 0..BATCHES {
        let from = Instant::now();
        for _ in 0..BATCH {
            at = (at + 7919) % world.sources.len();
            let source = entry(world.sources[at]);
            operation(world, source);
        }
        least = least.min(from.elapsed().as_nanos() as f64 / BATCH as f64);
    }
    least
}

fn delete(world: &mut World) {
    let slot = world.env.slot(
        PhysAddr(world.env.cte(world.free.cnode).cap().address()),
        world.free.index,
    );
    assert_eq!(world.db.delete(&mut world.env, slot), Ok(Step::Done));
}

fn main() {
    println!("shape,operation,capabilities,nanoseconds");
    for name in ["random", "chains", "fan"] {
        for count in [100, 1_000, 10_000, 100_000, 1_000_000] {
            let mut world = world(name, count);
            let show = |operation: &str, took: f64| {
                println!("{name},{operation},{count},{took:.0}");
            };
            let took = measure(&mut world, |world, source| {
                world.db.copy(&mut world.env, world.free, source).unwrap();
                delete(world);
            });
            show("copy and delete", took);
            let took = measure(&mut world, |world, source| {
                let args = RetypeArgs {
                    source,
                    objtype: ObjType::DevFrame as u8,
                    bytes: PAGE,
                    count: 1,
                    offset: 0,
                    dest: world.free,
                    from_monitor: false,
                };
                assert_eq!(world.db.retype(&mut world.env, args), Ok(Step::Done));
                delete(world);
            });
            show("retype and delete", took);
            let took = measure(&mut world, |world, source| {
                let address = PhysAddr(world.env.cte(source).cap().address());
                let found = world
                    .db
                    .find_range(&world.env, address, PAGE, Range::Surrounding);
                assert!(black_box(found).1.is_some());
            });
            show("find what covers", took);
        }
    }
}
