//! Whoever works is killed behind entry k of the kernel, for every k of a delete and of a revoke. Nothing is lost: the database is in
//! order, somebody else can do the same again or get all memory back, and that ends.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod support;

use capops::{Next, Operation};
use caps::{DestSlot, MapArgs, RetypeArgs, Step};
use errors::ErrorCode as E;
use kpi::cap::ObjType;
use support::{HOME, MANY, RAM, RAM_SLOT, World, entry};

/// The driver's slots with what it gave the domain.
const CNODE: u64 = HOME + 64;
const DISPATCHER: u64 = HOME + 128;
const FRAME: u64 = HOME + 192;

/// Where these lie.
const CNODE_BASE: u64 = RAM;
const DISPATCHER_BASE: u64 = RAM + 0x1_0000;

fn inner(index: u32) -> DestSlot {
    DestSlot {
        cnode: entry(CNODE),
        index,
    }
}

/// A domain: a CNode and a dispatcher that runs with it; in the CNode the dispatcher, a second CNode that holds the first one, a frame of
/// which a part was split off, both mapped several times in a table.
fn domain() -> World {
    let mut world = World::new();
    let make = |world: &mut World, objtype, bytes, offset, dest| {
        let args = World::from_ram(objtype, bytes, offset, dest);
        world.repeat(|db, env| db.retype(env, args)).unwrap();
    };
    make(&mut world, ObjType::L2CNode, 16384, 0, World::home(1));
    make(&mut world, ObjType::Dispatcher, 0, 0x1_0000, World::home(2));
    make(&mut world, ObjType::Frame, 16384, 0x1_4000, World::home(3));
    make(&mut world, ObjType::L2CNode, 16384, 0x4000, inner(100));
    make(&mut world, ObjType::VNodeAarch64L3, 4096, 0x8000, inner(5));
    make(&mut world, ObjType::Dispatcher, 0, 0x9000, inner(6));
    let World { db, env } = &mut world;
    let second = DestSlot {
        cnode: entry(CNODE_BASE + 6400),
        index: 200,
    };
    db.copy(env, second, entry(CNODE)).unwrap();
    db.copy(env, inner(0), entry(DISPATCHER)).unwrap();
    db.copy(env, inner(1), entry(FRAME)).unwrap();
    let part = RetypeArgs {
        source: entry(FRAME),
        ..World::from_ram(ObjType::Frame, 4096, 4096, inner(2))
    };
    world.repeat(|db, env| db.retype(env, part)).unwrap();
    let World { db, env } = &mut world;
    for n in 0..24u32 {
        let args = MapArgs {
            source: entry(if n % 3 == 0 { CNODE_BASE + 128 } else { FRAME }),
            flags: 1,
            offset: 0,
            count: 1,
            entry: n.into(),
            dest: inner(20 + n),
        };
        db.map(env, entry(CNODE_BASE + 320), args).unwrap();
    }
    db.copy_into_object(env, entry(DISPATCHER_BASE), entry(CNODE))
        .unwrap();
    env.running.insert(DISPATCHER_BASE);
    world.env.tidy();
    world.check().unwrap();
    world
}

/// What is always true behind the death of whoever worked; then the same again, by somebody else.
fn survives(world: &World, again: Operation, at: u64) {
    world.check().unwrap();
    world.nothing_is_lost().unwrap();
    let mut world = world.clone();
    let result = world.run(again, at);
    assert!(
        matches!(
            result,
            Ok(()) | Err(E::SysCapNotFound | E::SysCnodeNotFound | E::SysCapLocked)
        ),
        "{result:?}"
    );
    world.check().unwrap();
    world.nothing_is_lost().unwrap();
}

/// Runs the operation entry by entry, with a death behind each. Says how many entries there are.
fn killed_behind_each_entry(begin: &World, operation: Operation, at: u64) -> u32 {
    let mut world = begin.clone();
    let mut work = operation;
    let mut entries = 0;
    survives(&world, operation, at);
    while let Next::Call(call) = work.next() {
        entries += 1;
        assert!(entries < MANY, "never done");
        if let Some(answer) = world.serve(call, at) {
            work.answered(answer).unwrap();
        }
        survives(&world, operation, at);
    }
    entries
}

#[test]
fn of_a_delete() {
    let begin = domain();
    for at in [
        CNODE,
        DISPATCHER,
        FRAME,
        CNODE_BASE + 6400,
        CNODE_BASE + 320,
    ] {
        let entries = killed_behind_each_entry(&begin, Operation::delete(), at);
        println!("delete of {}: {entries} entries", begin.cap(at));
    }
    // The last capability of each goes with all that the domain had.
    let mut alone = begin.clone();
    for at in [CNODE_BASE, CNODE_BASE + 0x4000 + 64 * 200] {
        alone.repeat(|db, env| db.delete(env, entry(at))).unwrap();
    }
    let entries = killed_behind_each_entry(&alone, Operation::delete(), DISPATCHER);
    println!("delete of the last capability of a dispatcher: {entries} entries");
    assert!(entries > 4);
    let mut alone = begin;
    let World { db, env } = &mut alone;
    let held = entry(DISPATCHER_BASE);
    env.running.clear();
    assert_eq!(db.release_from_object(env, held), Ok(Step::Done));
    let other = entry(CNODE_BASE + 0x4000 + 64 * 200);
    alone.repeat(|db, env| db.delete(env, other)).unwrap();
    let entries = killed_behind_each_entry(&alone, Operation::delete(), CNODE);
    println!("delete of the last capability of a CNode: {entries} entries");
    assert!(entries > 20);
}

#[test]
fn of_a_revoke() {
    let begin = domain();
    for at in [RAM_SLOT, CNODE, DISPATCHER, FRAME, CNODE_BASE + 128] {
        let entries = killed_behind_each_entry(&begin, Operation::revoke(), at);
        println!("revoke of {}: {entries} entries", begin.cap(at));
    }
}

/// The calls that the kernel repeats by itself, too, may be left half-way: their caller is gone.
#[test]
fn of_a_call_in_steps() {
    type Call = fn(&mut World) -> Result<Step, E>;
    let calls: [(&str, Call); 5] = [
        ("retype of a frame", |world| {
            let args = World::from_ram(ObjType::Frame, 0x1_0000, 0x2_0000, World::home(9));
            world.db.retype(&mut world.env, args)
        }),
        ("retype of CNodes in a CNode", |world| {
            let one = World::from_ram(ObjType::L2CNode, 16384, 0x2_0000, inner(9));
            let args = RetypeArgs { count: 4, ..one };
            world.db.retype(&mut world.env, args)
        }),
        ("delete of a frame", |world| {
            world.db.delete(&mut world.env, entry(FRAME))
        }),
        ("delete of a table", |world| {
            world.db.delete(&mut world.env, entry(CNODE_BASE + 320))
        }),
        ("revoke of a frame", |world| {
            world.db.revoke(&mut world.env, entry(FRAME))
        }),
    ];
    for (name, call) in calls {
        let mut world = domain();
        // So that there is more than a copy to delete.
        let copy = entry(CNODE_BASE + 64);
        if name == "delete of a frame" {
            world.repeat(|db, env| db.delete(env, copy)).unwrap();
        }
        let mut entries = 1;
        while call(&mut world).unwrap() == Step::Again {
            entries += 1;
            assert!(entries < MANY, "never done");
            world.env.tidy();
            survives(&world, Operation::delete(), DISPATCHER);
            survives(&world, Operation::revoke(), CNODE);
        }
        println!("{name}: {entries} entries");
        assert!(entries > 1, "{name} is no call in steps");
    }
}
