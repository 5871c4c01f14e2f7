//! The end of CNodes and Dispatchers with all that lies in them.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod support;

use caps::{DestSlot, Step, Store, lookup};
use errors::ErrorCode as E;
use kpi::addr::CapAddr;
use kpi::cap::ObjType;
use kpi::rights::CapRights;
use support::audit::{audit, entries};
use support::{L1, RAM, RAM_BYTES, ROOT, World, at, entry, from_ram, slot};

/// Makes objects from RAM at `offset`, in slot `index` of the second L2CNode.
fn make(world: &mut World, objtype: ObjType, bytes: u64, offset: u64, index: u32) {
    let args = from_ram(objtype, bytes, 1, offset, slot(1, index));
    world.retype(args).unwrap();
}

fn within(cnode: (usize, u32), index: u32) -> DestSlot {
    DestSlot {
        cnode: at(cnode.0, cnode.1),
        index,
    }
}

/// Nothing made from RAM is left, and all of it can be used again.
fn ram_is_free(world: &mut World) {
    audit(world);
    for (place, cap) in entries(world) {
        let inside = (RAM..RAM + RAM_BYTES).contains(&cap.address());
        assert!(
            !inside || cap.objtype() == ObjType::Ram,
            "{cap} is left at {place:#x}"
        );
    }
    let whole = from_ram(ObjType::Frame, RAM_BYTES, 1, 0, slot(2, 200));
    world.retype(whole).unwrap();
    world.delete(at(2, 200)).unwrap();
}

/// Root CNode at (1, 0), an L2CNode in its slot 3, in that: a frame, a mapped table, copies of both CNodes.
fn space(world: &mut World) {
    make(world, ObjType::L1CNode, 16384, 0, 0);
    let args = from_ram(ObjType::L2CNode, 16384, 1, 16384, within((1, 0), 3));
    world.retype(args).unwrap();
    let inner = entry(RAM + 64 * 3);
    let in_inner = |index| DestSlot {
        cnode: inner,
        index,
    };
    let args = from_ram(ObjType::Frame, 65536, 4, 1 << 20, in_inner(10));
    world.retype(args).unwrap();
    world.copy(in_inner(0), inner).unwrap();
    world.copy(in_inner(1), at(1, 0)).unwrap();
}

#[test]
fn a_cnode_goes_with_everything_in_it() {
    let mut world = World::new();
    space(&mut world);
    assert_eq!(
        world.delete(entry(RAM + 64 * 3)),
        Ok(1),
        "a copy lies in the CNode itself"
    );
    // Now the inner CNode is reachable through itself only; the root has a copy in it.
    world
        .repeat(|db, env| db.delete_last(env, at(1, 0)))
        .unwrap();
    audit(&world);
    let World { db, env } = &mut world;
    assert_eq!(
        db.delete_step(env),
        Err(E::SysCapNotFound),
        "a copy was left"
    );
    world.revoke_whole(at(0, 0)).unwrap();
    ram_is_free(&mut world);
}

#[test]
fn a_copy_elsewhere_keeps_a_cnode_that_also_lies_in_itself() {
    let mut world = World::new();
    make(&mut world, ObjType::L2CNode, 16384, 0, 0);
    let (first, elsewhere, inside) = (at(1, 0), slot(1, 1), within((1, 0), 5));
    world.copy(inside, first).unwrap();
    // In order: the first, the one elsewhere, the one inside.
    world.copy(elsewhere, first).unwrap();
    world.repeat(|db, env| db.delete_last(env, first)).unwrap();
    audit(&world);
    assert!(
        !world.env.cte(at(1, 1)).is_empty(),
        "it was somebody else's"
    );
    world.delete_whole(at(1, 1)).unwrap();
    ram_is_free(&mut world);
}

#[test]
fn the_last_root_takes_its_tree_along_step_by_step() {
    let mut world = World::new();
    space(&mut world);
    world.revoke(at(1, 0)).unwrap();
    world
        .repeat(|db, env| db.delete_last(env, at(1, 0)))
        .unwrap();
    let name = CapAddr::new(1, 0);
    let found = lookup(&world.env, entry(ROOT), name, 2, CapRights::default());
    assert_eq!(found, Err(E::SysCapLocked));
    let World { db, env } = &mut world;
    assert_eq!(db.clear_step(env), Err(E::SysCapLocked));
    assert_eq!(db.delete_last(env, at(1, 0)), Ok(Step::Done), "again");
    world.drain(audit).unwrap();
    assert!(world.env.cte(at(1, 0)).is_empty());
    assert_eq!(world.env.retired.len(), 2);
    ram_is_free(&mut world);
}

#[test]
fn cnodes_that_hold_each_other_go() {
    let mut world = World::new();
    for index in 0..4 {
        make(
            &mut world,
            ObjType::L2CNode,
            16384,
            16384 * u64::from(index),
            index,
        );
    }
    // Each holds the next one, in all of its slots but none empty; the last holds the first and itself.
    for index in 0..4 {
        for slot in 0..256 {
            world
                .copy(within((1, index), slot), at(1, (index + 1) % 4))
                .unwrap();
        }
    }
    audit(&world);
    let World { db, env } = &mut world;
    let mut calls = 0;
    while db.revoke_mark_target(env, at(0, 0)).unwrap() == Step::Again {
        calls += 1;
        assert!(calls < 200);
    }
    world.drain(audit).unwrap();
    ram_is_free(&mut world);
}

#[test]
fn cnodes_full_of_last_copies_of_each_other_go() {
    let mut world = World::new();
    // A root of 256 slots, each with the last copy of a CNode; one of these has the root in slot 0.
    make(&mut world, ObjType::L1CNode, 16384, 0, 0);
    let args = from_ram(ObjType::L2CNode, 16384, 256, 16384, within((1, 0), 0));
    world.retype(args).unwrap();
    let first = entry(RAM);
    let dest = DestSlot {
        cnode: first,
        index: 0,
    };
    world.copy(dest, at(1, 0)).unwrap();
    world.delete(at(1, 0)).unwrap();
    assert_eq!(world.revoke(at(0, 0)), Err(E::SysRetryThroughMonitor));
    world
        .repeat(|db, env| db.revoke_mark_target(env, at(0, 0)))
        .unwrap();
    world.drain(audit).unwrap();
    ram_is_free(&mut world);
}

#[test]
fn a_dispatcher_in_the_space_that_it_holds_goes() {
    let mut world = World::new();
    space(&mut world);
    make(&mut world, ObjType::Dispatcher, 0, 1 << 16, 1);
    make(&mut world, ObjType::VNodeAarch64L0, 4096, 1 << 17, 2);
    let dcb = RAM + (1 << 16);
    for (index, source) in [at(1, 0), at(1, 2)].into_iter().enumerate() {
        let World { db, env } = &mut world;
        let held = entry(dcb + 64 * index as u64);
        db.copy_into_object(env, held, source).unwrap();
    }
    // Its only capability goes into its own CSpace, whose root it alone keeps.
    let inner = DestSlot {
        cnode: entry(RAM + 64 * 3),
        index: 77,
    };
    world.copy(inner, at(1, 1)).unwrap();
    world.delete(entry(RAM + 16384 + 64)).unwrap();
    for index in 0..3 {
        world.delete(at(1, index)).unwrap();
    }
    audit(&world);
    world
        .repeat(|db, env| db.revoke_mark_target(env, at(0, 0)))
        .unwrap();
    // The table was made from RAM too; the root was not marked before its holder was told.
    assert_eq!(world.env.lost.len(), 2);
    world.drain(audit).unwrap();
    assert_eq!(world.env.deleted.len(), 1);
    ram_is_free(&mut world);
}

#[test]
fn a_dispatcher_is_deleted_with_what_it_holds() {
    let mut world = World::new();
    make(&mut world, ObjType::Dispatcher, 0, 1 << 16, 1);
    make(&mut world, ObjType::Frame, 16384, 1 << 17, 2);
    let dcb = RAM + (1 << 16);
    let World { db, env } = &mut world;
    db.copy_into_object(env, entry(dcb + 128), at(1, 2))
        .unwrap();
    world.delete_whole(at(1, 1)).unwrap();
    assert_eq!(world.env.lost.len(), 1);
    assert!(world.env.cte(at(1, 1)).is_empty());
    assert!(!world.env.cte(at(1, 2)).is_empty(), "a copy of it was held");
    audit(&world);
}

#[test]
fn a_root_of_thousands_of_slots_is_marked_in_pieces() {
    let mut world = World::new();
    make(&mut world, ObjType::L1CNode, 4 << 20, 0, 0);
    for index in (0..65536).step_by(5000) {
        world.copy(within((1, 0), index), entry(L1 + 64)).unwrap();
    }
    world
        .repeat(|db, env| db.delete_last(env, at(1, 0)))
        .unwrap();
    let calls = world.repeat(|db, env| db.delete_step(env)).unwrap();
    assert!((40..100).contains(&calls), "{calls} calls");
    world.drain(audit).unwrap();
    ram_is_free(&mut world);
}

#[test]
fn what_other_cores_have_a_say_in_stops_the_steps_until_it_is_mended() {
    let mut world = World::new();
    space(&mut world);
    world.revoke(at(1, 0)).unwrap();
    let frame = entry(RAM + 16384 + 64 * 11);
    world.db.set_locked(&mut world.env, frame, true);
    world
        .repeat(|db, env| db.delete_last(env, at(1, 0)))
        .unwrap();
    assert_eq!(world.drain(audit), Err(E::SysCapLocked));
    assert_eq!(world.drain(audit), Err(E::SysCapLocked));
    world.db.set_locked(&mut world.env, frame, false);
    world.drain(audit).unwrap();
    ram_is_free(&mut world);
}

/// Copies stand in the order in which they were made, wherever their slots are.
#[test]
fn a_copy_outside_keeps_a_cnode_whatever_the_order_of_copies() {
    for order in [[0, 1, 2], [1, 0, 2], [0, 2, 1], [2, 1, 0]] {
        let mut world = World::new();
        make(&mut world, ObjType::L2CNode, 16384, 0, 0);
        for place in order {
            let dest = if place == 1 {
                slot(2, 7)
            } else {
                within((1, 0), place)
            };
            world.copy(dest, at(1, 0)).unwrap();
        }
        world.delete_whole(at(1, 0)).unwrap();
        assert!(world.env.cte(at(1, 0)).is_empty());
        assert!(!world.env.cte(at(2, 7)).is_empty(), "the copy was lost");
        // That one has no other copies outside.
        world.delete_whole(at(2, 7)).unwrap();
        assert!(world.env.cte(at(2, 7)).is_empty());
        world.revoke_whole(at(0, 0)).unwrap();
        ram_is_free(&mut world);
    }
}

#[test]
fn a_cnode_full_of_copies_of_itself_is_deleted_in_steps() {
    let mut world = World::new();
    make(&mut world, ObjType::L2CNode, 16384, 0, 0);
    for index in 0..256 {
        world.copy(within((1, 0), index), at(1, 0)).unwrap();
    }
    let calls = world
        .repeat(|db, env| db.delete_last(env, at(1, 0)))
        .unwrap();
    assert!((10..100).contains(&calls), "{calls} calls");
    world.drain(audit).unwrap();
    ram_is_free(&mut world);
}

/// CNode A holds a frame that is locked, CNode B a dispatcher; marked in this order.
#[test]
fn what_is_locked_keeps_no_other_from_its_turn() {
    let mut world = World::new();
    make(&mut world, ObjType::L2CNode, 16384, 0, 0);
    make(&mut world, ObjType::L2CNode, 16384, 16384, 1);
    let frame = from_ram(ObjType::Frame, 4096, 1, 1 << 20, within((1, 0), 7));
    world.retype(frame).unwrap();
    let dcb = from_ram(ObjType::Dispatcher, 1024, 1, 2 << 20, within((1, 1), 7));
    world.retype(dcb).unwrap();
    let frame = entry(RAM + 64 * 7);
    let World { db, env } = &mut world;
    db.lock(env, frame).unwrap();
    for cnode in [at(1, 0), at(1, 1)] {
        assert_eq!(db.delete_last(env, cnode), Ok(Step::Done));
    }
    let mut settled = 0;
    let refused = loop {
        match world.repeat(|db, env| db.delete_step(env)) {
            Ok(_) => settled += 1,
            Err(error) => break error,
        }
        audit(&world);
        assert!(settled < 10, "for ever");
    };
    assert_eq!(refused, E::SysCapLocked);
    assert_eq!(settled, 2, "CNode B and its dispatcher");
    assert_eq!(world.env.deleted.len(), 1, "the dispatcher is stopped");
    // CNode A waits, and nothing else does: what is settled goes.
    for _ in 0..2 {
        world.repeat(|db, env| db.clear_step(env)).unwrap();
        audit(&world);
    }
    let World { db, env } = &mut world;
    assert_eq!(db.clear_step(env), Err(E::SysCapNotFound));
    let (cnode_b, dcb) = (RAM + 16384, RAM + (2 << 20));
    let left = entries(&world);
    assert!(
        left.iter()
            .all(|(_, cap)| ![cnode_b, dcb].contains(&cap.address()))
    );
    for _ in 0..3 {
        let again = world.repeat(|db, env| db.delete_step(env));
        assert_eq!(again, Err(E::SysCapLocked));
    }
    world.db.set_locked(&mut world.env, frame, false);
    world.drain(audit).unwrap();
    ram_is_free(&mut world);
}

/// CNode A lies in CNode B alone, and holds a frame that is locked: B is settled, and cannot be cleared while A is in it.
#[test]
fn what_holds_something_that_waits_is_not_cleared() {
    let mut world = World::new();
    make(&mut world, ObjType::L2CNode, 16384, 16384, 1);
    let inner = from_ram(ObjType::L2CNode, 16384, 1, 0, within((1, 1), 200));
    world.retype(inner).unwrap();
    let a = entry(RAM + 16384 + 64 * 200);
    let frame_slot = DestSlot { cnode: a, index: 7 };
    world
        .retype(from_ram(ObjType::Frame, 4096, 1, 1 << 20, frame_slot))
        .unwrap();
    let frame = entry(RAM + 64 * 7);
    world.db.lock(&mut world.env, frame).unwrap();
    world
        .repeat(|db, env| db.delete_last(env, at(1, 1)))
        .unwrap();
    // Not before the delete steps have said that all wait.
    let World { db, env } = &mut world;
    assert_eq!(db.clear_step(env), Err(E::SysCapLocked));
    for _ in 0..3 {
        assert_eq!(world.drain(audit), Err(E::SysCapLocked));
        let result = loop {
            match world.repeat(|db, env| db.clear_step(env)) {
                Ok(_) => audit(&world),
                Err(error) => break error,
            }
        };
        assert_eq!(result, E::SysCapNotFound);
        let bases: Vec<u64> = entries(&world).values().map(|cap| cap.address()).collect();
        assert!(bases.contains(&RAM) && bases.contains(&(RAM + 16384)));
    }
    world.db.set_locked(&mut world.env, frame, false);
    world.drain(audit).unwrap();
    ram_is_free(&mut world);
}

/// Two that cannot go on, and one that can: the round ends, whichever comes first.
#[test]
fn several_that_are_locked_take_turns() {
    let mut world = World::new();
    for index in 0..3 {
        let offset = u64::from(index) * 16384;
        make(&mut world, ObjType::L2CNode, 16384, offset, index);
        let frame = from_ram(
            ObjType::Frame,
            4096,
            1,
            (1 << 20) + offset,
            within((1, index), 7),
        );
        world.retype(frame).unwrap();
    }
    let frames = [0, 2].map(|index| entry(RAM + 16384 * index + 64 * 7));
    for frame in frames {
        world.db.lock(&mut world.env, frame).unwrap();
    }
    for index in 0..3 {
        world
            .repeat(|db, env| db.delete_last(env, at(1, index)))
            .unwrap();
    }
    assert_eq!(world.drain(audit), Err(E::SysCapLocked));
    world.db.set_locked(&mut world.env, frames[0], false);
    assert_eq!(world.drain(audit), Err(E::SysCapLocked));
    let left = entries(&world);
    let cnodes = left.iter().filter(|(_, cap)| {
        cap.objtype() == ObjType::L2CNode && (RAM..RAM + RAM_BYTES).contains(&cap.address())
    });
    let staged = cnodes.count();
    assert_eq!(staged, 3, "clear steps come behind");
    world.db.set_locked(&mut world.env, frames[1], false);
    world.drain(audit).unwrap();
    ram_is_free(&mut world);
}
