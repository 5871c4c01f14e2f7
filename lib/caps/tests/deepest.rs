//! The largest pieces of work in the deepest tree there can be: none is too large for a call, or that would answer Again for ever.
//!
//! How deep the tree may be, and so what a piece is charged, says the rank of its root, which removals do not lower. It is at most 58
//! after 2^40 insertions, which no test makes; here the root is given that rank before every call. Lower ones are tried too.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod support;

use caps::{Database, DestSlot, MapArgs, RetypeArgs, Step};
use errors::ErrorCode as E;
use kpi::cap::ObjType;
use kpi::rights::PageFlags;
use support::audit::{audit, entries};
use support::{Env, World, at, entry, from_ram, slot};

const MIB: u64 = 1 << 20;
const FRAME_BYTES: u64 = 2 * MIB;
/// What a call of the kernel may do.
const PER_CALL: u32 = 16_000;
/// Ranks of the root.
const RANKS: [u8; 5] = [20, 32, 38, 47, 58];
/// Where the shape of an entry is (`Cte`): the rank plus 1 in the lower 7 bits.
const SHAPE: u64 = 48;

/// Gives the root of the tree that rank.
fn raise(db: &Database, env: &mut Env, rank: u8) {
    let mut next = db.first(env);
    while let Some(at) = next {
        next = db.successor(env, at);
        let place = at.address().0;
        let (low, high, shape) = (
            env.word(place + 24),
            env.word(place + 32),
            env.word(place + SHAPE),
        );
        let is_follower = shape & 0xff == 0xff;
        // It has no parent.
        if !is_follower && low >> 42 == 0 && high >> 44 == 0 {
            env.set_word(place + SHAPE, shape & !0x7f | u64::from(rank + 1));
            return;
        }
    }
    panic!("no root");
}

/// Repeats a call until it is done.
fn repeat(
    world: &mut World,
    rank: u8,
    mut call: impl FnMut(&mut Database, &mut Env) -> Result<Step, E>,
) -> Result<(), E> {
    for _ in 0..2_000 {
        raise(&world.db, &mut world.env, rank);
        if world.once(&mut call)? == Step::Done {
            return Ok(());
        }
    }
    panic!("never done with a root of rank {rank}");
}

/// The steps of deletion, to the end.
fn drain(world: &mut World, rank: u8) {
    while repeat(world, rank, |db, env| db.delete_step(env)).is_ok() {}
    while repeat(world, rank, |db, env| db.clear_step(env)).is_ok() {}
}

fn make(world: &mut World, source: u32, objtype: ObjType, bytes: u64, offset: u64, dest: DestSlot) {
    let args = RetypeArgs {
        source: at(1, source),
        ..from_ram(objtype, bytes, 1, offset, dest)
    };
    world.retype(args).unwrap();
}

/// What is mapped.
#[derive(Clone, Copy, Debug)]
enum Mapped {
    Frame,
    Device,
}

/// At (1, 0) RAM, retained. Made from it: at (1, 1) a CNode, in which lies a page table, and in the root's slot 9 another CNode. The table's 512 entries are one Mapping, which lies
/// in the other CNode, of what is at (1, 2): not made from the RAM.
fn world(mapped: Mapped) -> World {
    let mut world = World::new();
    world.env.per_call = PER_CALL;
    world
        .retype(from_ram(ObjType::Ram, 4 * MIB, 1, 0, slot(1, 0)))
        .unwrap();
    world.db.retain(&mut world.env, at(1, 0)).unwrap();
    make(&mut world, 0, ObjType::L2CNode, 16384, 0, slot(1, 1));
    match mapped {
        Mapped::Frame => {
            let frame = from_ram(ObjType::Frame, FRAME_BYTES, 1, 4 * MIB, slot(1, 2));
            world.retype(frame).unwrap();
        }
        Mapped::Device => {
            let device = RetypeArgs {
                source: at(0, 11),
                ..from_ram(ObjType::DevFrame, FRAME_BYTES, 1, 0, slot(1, 2))
            };
            world.retype(device).unwrap();
        }
    }
    let inside = DestSlot {
        cnode: at(1, 1),
        index: 200,
    };
    make(&mut world, 0, ObjType::VNodeAarch64L3, 4096, 16384, inside);
    let map = MapArgs {
        source: at(1, 2),
        flags: PageFlags::READ_WRITE.0,
        offset: 0,
        count: 512,
        entry: 0,
        dest: slot(2, 0),
    };
    let table = entry(world.cap(at(1, 1)).address() + 64 * 200);
    world.db.map(&mut world.env, table, map).unwrap();
    world
}

fn each(mut test: impl FnMut(World, u8)) {
    for mapped in [Mapped::Frame, Mapped::Device] {
        for rank in RANKS {
            test(world(mapped), rank);
        }
    }
}

fn mapping_is_gone(world: &World) {
    audit(world);
    assert_eq!(world.cap(at(2, 0)).objtype(), ObjType::Null);
}

#[test]
fn a_table_is_deleted() {
    each(|mut world, rank| {
        let table = entry(world.cap(at(1, 1)).address() + 64 * 200);
        repeat(&mut world, rank, |db, env| db.delete(env, table)).unwrap();
        mapping_is_gone(&world);
    });
}

#[test]
fn a_table_in_a_cnode_goes_with_it() {
    each(|mut world, rank| {
        repeat(&mut world, rank, |db, env| db.delete_last(env, at(1, 1))).unwrap();
        drain(&mut world, rank);
        mapping_is_gone(&world);
        assert_eq!(world.cap(at(1, 1)).objtype(), ObjType::Null);
    });
}

#[test]
fn a_table_is_marked_for_a_revoke() {
    each(|mut world, rank| {
        repeat(&mut world, rank, |db, env| {
            db.revoke_mark_target(env, at(1, 0))
        })
        .unwrap();
        mapping_is_gone(&world);
        drain(&mut world, rank);
        repeat(&mut world, rank, |db, env| db.revoke(env, at(1, 0))).unwrap();
        assert!(
            entries(&world)
                .iter()
                .all(|(place, _)| *place < support::RAM)
        );
        audit(&world);
    });
}

#[test]
fn a_table_is_marked_for_another_core() {
    each(|mut world, rank| {
        let target = world.cap(at(1, 0));
        repeat(&mut world, rank, |db, env| {
            db.revoke_mark_relations(env, &target)
        })
        .unwrap();
        mapping_is_gone(&world);
    });
}

#[test]
fn a_table_is_revoked() {
    each(|mut world, rank| {
        // The CNode that the table is in may not be made from the RAM that is revoked.
        let table = entry(world.cap(at(1, 1)).address() + 64 * 200);
        world.copy(slot(2, 9), table).unwrap();
        repeat(&mut world, rank, |db, env| db.delete_last(env, at(1, 1))).unwrap();
        drain(&mut world, rank);
        repeat(&mut world, rank, |db, env| db.revoke(env, at(1, 0))).unwrap();
        mapping_is_gone(&world);
    });
}

#[test]
fn what_is_mapped_is_deleted_and_revoked() {
    each(|mut world, rank| {
        repeat(&mut world, rank, |db, env| db.delete(env, at(1, 2))).unwrap();
        mapping_is_gone(&world);
    });
    each(|mut world, rank| {
        let source = match world.cap(at(1, 2)).objtype() {
            ObjType::Frame => at(0, 0),
            _ => at(0, 11),
        };
        repeat(&mut world, rank, |db, env| {
            db.revoke_mark_target(env, source)
        })
        .unwrap();
        mapping_is_gone(&world);
    });
}

#[test]
fn a_mapping_is_unmapped() {
    each(|mut world, rank| {
        let table = entry(world.cap(at(1, 1)).address() + 64 * 200);
        repeat(&mut world, rank, |db, env| db.unmap(env, table, at(2, 0))).unwrap();
        mapping_is_gone(&world);
    });
}
