//! Who retains RAM is told when what was made from it goes, and only then.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod support;

use caps::{DestSlot, RetypeArgs, Step, Store};
use errors::ErrorCode as E;
use kpi::cap::ObjType;
use support::audit::audit;
use support::{RAM, World, at, from_ram, slot};

const MIB: u64 = 1 << 20;

/// A chunk of 1 MiB at (1, 0), retained; a piece of 64 KiB in it, at (1, 1), which somebody else got.
fn chunk() -> World {
    let mut world = World::new();
    make(&mut world, ObjType::Ram, MIB, 0, slot(1, 0));
    world.db.retain(&mut world.env, at(1, 0)).unwrap();
    from(&mut world, 0, ObjType::Ram, PIECE, PIECE, 1);
    world
}

const PIECE: u64 = 64 << 10;

fn make(world: &mut World, objtype: ObjType, bytes: u64, offset: u64, dest: DestSlot) {
    world
        .retype(from_ram(objtype, bytes, 1, offset, dest))
        .unwrap();
}

/// Retypes what is at (1, `source`) to (1, `dest`).
fn from(world: &mut World, source: u32, objtype: ObjType, bytes: u64, offset: u64, dest: u32) {
    let args = RetypeArgs {
        source: at(1, source),
        ..from_ram(objtype, bytes, 1, offset, slot(1, dest))
    };
    world.retype(args).unwrap();
}

fn told(world: &mut World) -> Vec<(u64, u64)> {
    audit(world);
    core::mem::take(&mut world.env.free)
}

#[test]
fn only_ram_can_be_retained() {
    let mut world = chunk();
    from(&mut world, 1, ObjType::Frame, 4096, 0, 2);
    // refuses Kernel.Retain: INVALID_SOURCE_TYPE, CAP_LOCKED
    let World { db, env } = &mut world;
    assert_eq!(db.retain(env, at(1, 2)), Err(E::SysInvalidSourceType));
    assert_eq!(db.retain(env, at(0, 2)), Err(E::SysInvalidSourceType));
    assert_eq!(db.retain(env, at(1, 9)), Err(E::SysCapNotFound));
    let half = from_ram(ObjType::Frame, MIB, 1, 2 * MIB, slot(1, 3));
    assert_eq!(db.retype(env, half), Ok(Step::Again));
    assert_eq!(db.retain(env, at(1, 3)), Err(E::SysCapLocked));
}

#[test]
fn the_last_copy_of_a_piece() {
    let mut world = chunk();
    world.copy(slot(2, 0), at(1, 1)).unwrap();
    world.delete(at(1, 1)).unwrap();
    assert_eq!(told(&mut world), []);
    world.delete(at(2, 0)).unwrap();
    assert_eq!(told(&mut world), [(RAM + PIECE, PIECE)]);
}

#[test]
fn what_the_owner_of_a_piece_makes_and_deletes_is_its_own_affair() {
    let mut world = chunk();
    from(&mut world, 1, ObjType::Frame, 4096, 0, 2);
    world.delete(at(1, 2)).unwrap();
    from(&mut world, 1, ObjType::VNodeAarch64L3, 4096, 4096, 2);
    world.delete(at(1, 2)).unwrap();
    from(&mut world, 1, ObjType::L2CNode, 16384, 16384, 2);
    world.delete_whole(at(1, 2)).unwrap();
    assert_eq!(told(&mut world), []);
}

#[test]
fn what_is_left_of_a_piece_tells_when_it_goes() {
    let mut world = chunk();
    from(&mut world, 1, ObjType::Frame, 8192, 0, 2);
    from(&mut world, 1, ObjType::L2CNode, 16384, 16384, 3);
    from(&mut world, 1, ObjType::Frame, 4096, 8192, 4);
    from(&mut world, 2, ObjType::Frame, 4096, 4096, 5);
    world.delete(at(1, 1)).unwrap();
    assert_eq!(told(&mut world), [], "frames and a CNode are left");
    // The frame goes, a part of it stays.
    world.delete(at(1, 2)).unwrap();
    assert_eq!(told(&mut world), []);
    world.delete(at(1, 5)).unwrap();
    assert_eq!(told(&mut world), [(RAM + PIECE + 4096, 4096)]);
    world.delete(at(1, 4)).unwrap();
    assert_eq!(told(&mut world), [(RAM + PIECE + 8192, 4096)]);
    world.delete_whole(at(1, 3)).unwrap();
    assert_eq!(told(&mut world), [(RAM + PIECE + 16384, 16384)]);
    // All of the piece can be made again.
    from(&mut world, 0, ObjType::Ram, PIECE, PIECE, 1);
}

#[test]
fn a_dispatcher_is_gone_with_its_last_endpoint() {
    let mut world = chunk();
    from(&mut world, 1, ObjType::Dispatcher, 1024, 0, 2);
    from(&mut world, 2, ObjType::EndPointLmp, 0, 0, 3);
    let World { db, env } = &mut world;
    db.mint(env, slot(1, 4), at(1, 3), 4096, 21).unwrap();
    world.delete(at(1, 1)).unwrap();
    world.delete_whole(at(1, 2)).unwrap();
    world.delete(at(1, 3)).unwrap();
    assert_eq!(told(&mut world), []);
    world.delete(at(1, 4)).unwrap();
    assert_eq!(told(&mut world), [(RAM + PIECE, 1024)]);
}

#[test]
fn what_lies_in_a_deleted_cnode_and_what_is_half_made() {
    let mut world = chunk();
    make(&mut world, ObjType::L2CNode, 16384, 4 * MIB, slot(2, 0));
    let inside = DestSlot {
        cnode: at(2, 0),
        index: 5,
    };
    world.copy(inside, at(1, 1)).unwrap();
    world.delete(at(1, 1)).unwrap();
    world.delete_whole(at(2, 0)).unwrap();
    assert_eq!(told(&mut world), [(RAM + PIECE, PIECE)]);
    let half = RetypeArgs {
        source: at(1, 0),
        ..from_ram(ObjType::Frame, MIB / 2, 1, MIB / 2, slot(1, 1))
    };
    let World { db, env } = &mut world;
    assert_eq!(db.retype(env, half), Ok(Step::Again));
    world.delete(at(1, 1)).unwrap();
    assert_eq!(told(&mut world), [(RAM + MIB / 2, MIB / 2)]);
}

#[test]
fn who_revokes_knows_and_copies_stay_retained() {
    let mut world = chunk();
    from(&mut world, 1, ObjType::Frame, 4096, 0, 2);
    world.copy(slot(2, 0), at(1, 0)).unwrap();
    world.delete(at(1, 0)).unwrap();
    assert_eq!(told(&mut world), []);
    world.delete(at(1, 1)).unwrap();
    world.delete(at(1, 2)).unwrap();
    assert_eq!(told(&mut world), [(RAM + PIECE, 4096)]);
    let again = RetypeArgs {
        source: at(2, 0),
        ..from_ram(ObjType::Ram, PIECE, 1, 0, slot(1, 1))
    };
    world.retype(again).unwrap();
    world.revoke(at(2, 0)).unwrap();
    assert!(world.env.cte(at(1, 1)).is_empty());
    assert_eq!(told(&mut world), []);
}

#[test]
fn a_mapping_is_no_memory() {
    let mut world = chunk();
    from(&mut world, 1, ObjType::Frame, 4096, 0, 2);
    from(&mut world, 1, ObjType::VNodeAarch64L3, 4096, 4096, 3);
    let args = caps::MapArgs {
        source: at(1, 2),
        flags: 1,
        offset: 0,
        count: 1,
        entry: 0,
        dest: slot(1, 4),
    };
    let World { db, env } = &mut world;
    db.map(env, at(1, 3), args).unwrap();
    world.delete(at(1, 1)).unwrap();
    world.delete(at(1, 4)).unwrap();
    assert_eq!(told(&mut world), []);
    world.delete(at(1, 3)).unwrap();
    assert_eq!(told(&mut world), [(RAM + PIECE + 4096, 4096)]);
}
