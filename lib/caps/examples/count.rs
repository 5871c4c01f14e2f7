//! What the hot paths cost, for counting instructions: runs one operation so and so often among so many capabilities.
//!
//! `valgrind --tool=callgrind target/release/examples/count OPERATION ROUNDS CAPABILITIES`; the difference of two runs with
//! different ROUNDS, divided by the difference of rounds, is the cost of one round.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a measurement may stop at the first surprise"
)]

use caps::{Cte, CteRef, Database, DestSlot, Machine, MapArgs, RetypeArgs, Step, Store, Unmapped};
use kpi::addr::{CoreId, PhysAddr};
use kpi::cap::{Capability, L2CNode, Memory, ObjType};
use kpi::rights::{CapRights, PageFlags};

const BASE: u64 = 0x4000_0000;
const CNODE_BYTES: u64 = 16384;
/// Where memory capabilities point to: the operations measured do not touch it.
const RAM: u64 = 0x10_0000_0000;

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u64; 8]);

/// Entries in one block; page tables are all empty.
struct Env {
    memory: Vec<Line>,
}

fn entry(address: u64) -> CteRef {
    // SAFETY: only entries of the block are named.
    unsafe { CteRef::new(PhysAddr(address)) }
}

// SAFETY: each reference names its own line of `memory`, which holds zeroes or what was last written there as an entry.
unsafe impl Store for Env {
    #[inline(always)]
    fn cte(&self, at: CteRef) -> &Cte {
        let offset = (at.address().0 - BASE) as usize;
        debug_assert!(offset / 64 < self.memory.len());
        // SAFETY: the offset is inside, see `entry`.
        unsafe { &*self.memory.as_ptr().byte_add(offset).cast::<Cte>() }
    }

    #[inline(always)]
    fn cte_mut(&mut self, at: CteRef) -> &mut Cte {
        let offset = (at.address().0 - BASE) as usize;
        debug_assert!(offset / 64 < self.memory.len());
        // SAFETY: as above.
        unsafe { &mut *self.memory.as_mut_ptr().byte_add(offset).cast::<Cte>() }
    }

    #[inline(always)]
    fn slot(&self, cnode_base: PhysAddr, index: u32) -> CteRef {
        entry(cnode_base.0 + 64 * u64::from(index))
    }

    fn retire(&mut self, _: PhysAddr, _: u64) {}
}

impl Machine for Env {
    #[inline(never)]
    fn zero(&mut self, _: PhysAddr, _: u64) {}
    #[inline(always)]
    fn is_ram(&self, _: PhysAddr, _: u64) -> bool {
        true
    }
    #[inline(always)]
    fn read_entry(&self, _: PhysAddr) -> u64 {
        0
    }
    #[inline(always)]
    fn write_entry(&mut self, _: PhysAddr, _: u64) {}
    #[inline(always)]
    fn unmapped(&mut self, _: Unmapped) {}
    #[inline(always)]
    fn dispatcher_deleted(&mut self, _dcb: PhysAddr) {}

    fn object_lost(&mut self, _: CteRef, _: &Capability) {}
}

struct World {
    env: Env,
    db: Database,
    cnodes: u64,
    count: u64,
}

fn memory(objtype: ObjType, base: u64, bytes: u64) -> Capability {
    let memory = Memory {
        base,
        bytes,
        pasid: 0,
    };
    Capability::new_memory(objtype, memory, CapRights::ALL).unwrap()
}

impl World {
    /// A RAM capability in slot 0, `count` frames made from it 8 KiB apart in a shuffled order behind, and free CNodes.
    fn new(count: u64) -> Self {
        let cnodes = (count + 2).div_ceil(256) + 6;
        let lines = cnodes * (64 + CNODE_BYTES) / 64 + 64;
        let mut world = Self {
            env: Env {
                memory: vec![Line([0; 8]); lines as usize],
            },
            db: Database::new(CoreId(0)),
            cnodes,
            count: count.next_power_of_two(),
        };
        for n in 0..cnodes {
            let cap = L2CNode {
                cnode: world.slots(n),
                rightsmask: CapRights::ALL,
            };
            let cap = Capability::new_l2_cnode(cap, CapRights::ALL);
            world
                .db
                .insert_original(&mut world.env, entry(BASE + 64 * n), cap)
                .unwrap();
        }
        let ram = memory(ObjType::Ram, RAM, world.count * 8192 + 0x100_0000);
        let at = world.at(0);
        world.db.insert_original(&mut world.env, at, ram).unwrap();
        for n in 0..count {
            let shuffled = n.wrapping_mul(0x9e37_79b1) & (world.count - 1);
            world.retype(0, n + 1, ObjType::Frame, shuffled * 8192, 1);
        }
        world
    }

    fn slots(&self, cnode: u64) -> u64 {
        BASE + (64 * self.cnodes).next_multiple_of(4096) + CNODE_BYTES * cnode
    }

    fn at(&self, slot: u64) -> CteRef {
        entry(self.slots(0) + 64 * slot)
    }

    /// A free slot: slot `index` of the CNodes at the end.
    fn free(&self, index: u64) -> u64 {
        (self.cnodes - 5) * 256 + index
    }

    fn dest(&self, slot: u64) -> DestSlot {
        DestSlot {
            cnode: entry(BASE + slot / 256 * 64),
            index: (slot % 256) as u32,
        }
    }

    fn retype(&mut self, source: u64, slot: u64, objtype: ObjType, offset: u64, count: u64) {
        let args = RetypeArgs {
            source: self.at(source),
            objtype: objtype as u8,
            bytes: 4096,
            count,
            offset,
            dest: self.dest(slot),
            from_monitor: false,
        };
        while self.db.retype(&mut self.env, args).unwrap() == Step::Again {}
    }

    fn copy(&mut self, slot: u64, source: u64) {
        let (dest, source) = (self.dest(slot), self.at(source));
        self.db.copy(&mut self.env, dest, source).unwrap();
    }

    fn delete(&mut self, slot: u64) {
        let at = self.at(slot);
        while self.db.delete(&mut self.env, at).unwrap() == Step::Again {}
    }

    fn revoke(&mut self, slot: u64) {
        let at = self.at(slot);
        while self.db.revoke(&mut self.env, at).unwrap() == Step::Again {}
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let [_, operation, rounds, count] = args.as_slice() else {
        panic!("usage: count OPERATION ROUNDS CAPABILITIES");
    };
    let (rounds, count): (u64, u64) = (rounds.parse().unwrap(), count.parse().unwrap());
    let mut world = World::new(count);
    let (free, table) = (world.free(1), world.free(0));
    let top = world.count * 8192;
    world.retype(0, table, ObjType::VNodeAarch64L3, top, 1);
    world.retype(0, world.free(2), ObjType::Frame, top + 4096, 256 - 2);
    for slot in 2..256 {
        world.delete(world.free(slot));
    }
    for round in 0..rounds {
        let number = round * 7919 % count;
        let source = number + 1;
        let hole = (number.wrapping_mul(0x9e37_79b1) & (world.count - 1)) * 8192 + 4096;
        match operation.as_str() {
            "copy" => world.copy(free + round, source),
            "copy+delete" => {
                world.copy(free, source);
                world.delete(free);
            }
            "mint+delete" => {
                let (dest, source) = (world.dest(free), world.at(source));
                world.db.mint(&mut world.env, dest, source, 1, 0).unwrap();
                world.delete(free);
            }
            "retype" => world.retype(0, free + round, ObjType::Frame, hole, 1),
            "retype+delete" => {
                world.retype(0, free, ObjType::Frame, hole, 1);
                world.delete(free);
            }
            "retype16+delete" => {
                world.retype(0, free, ObjType::Frame, top + 4096, 16);
                for n in 0..16 {
                    world.delete(free + n);
                }
            }
            "retype16+revoke" => {
                world.retype(0, free, ObjType::Ram, top + 4096, 1);
                world.delete(free);
                let args = RetypeArgs {
                    source: world.at(0),
                    objtype: ObjType::Ram as u8,
                    bytes: 65536,
                    count: 1,
                    offset: top + 65536,
                    dest: world.dest(free),
                    from_monitor: false,
                };
                assert_eq!(world.db.retype(&mut world.env, args), Ok(Step::Done));
                world.retype(free, free + 1, ObjType::Frame, 0, 16);
                world.revoke(free);
                world.delete(free);
            }
            "map" | "map+unmap" => {
                let request = MapArgs {
                    source: world.at(source),
                    flags: PageFlags::READ_WRITE.0,
                    offset: 0,
                    count: 1,
                    entry: round % 512,
                    dest: world.dest(free + if operation == "map" { round } else { 0 }),
                };
                let table = world.at(table);
                let at = world.db.map(&mut world.env, table, request).unwrap();
                if operation == "map+unmap" {
                    let step = world.db.unmap(&mut world.env, table, at);
                    assert_eq!(step, Ok(Step::Done));
                }
            }
            _ => panic!("no operation {operation}"),
        }
    }
}
