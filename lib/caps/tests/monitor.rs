//! What a monitor does with capabilities of other cores: make them here, ask and note who else has what, take them away.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod support;

use caps::{Flags, MapArgs, RetypeArgs, Step, Store};
use errors::ErrorCode as E;
use kpi::addr::CoreId;
use kpi::cap::{Capability, Dispatcher, Id, IrqDest, KernelControlBlock, ObjType};
use kpi::rights::CapRights;
use support::audit::audit;
use support::{BASE, BYTES, DEVICE, LARGE, RAM, World, at, from_ram, memory, slot};

const HERE: CoreId = CoreId(0);
const THERE: CoreId = CoreId(1);
const PAGE: u64 = 4096;

fn raw(world: &mut World, index: u32, cap: Capability, owner: CoreId) -> Result<(), E> {
    let World { db, env } = world;
    let made = db.create_raw(env, slot(1, index), cap, owner).map(|_| ());
    audit(world);
    made
}

fn make(world: &mut World, objtype: ObjType, bytes: u64, offset: u64, index: u32) {
    let args = from_ram(objtype, bytes, 1, offset, slot(1, index));
    world.retype(args).unwrap();
}

fn flags(world: &World, index: u32) -> Flags {
    world.db.state_of(&world.env, at(1, index)).flags
}

/// Copy `index` as another core's, of which that has copies.
fn give_away(world: &mut World, index: u32) {
    let World { db, env } = world;
    db.set_owner(env, at(1, index), THERE);
    db.set_relations(env, at(1, index), Flags::REMOTE_COPIES, Flags::REMOTE);
}

#[test]
fn capabilities_of_other_cores_come_in() {
    let mut world = World::new();
    let all = CapRights::ALL;
    let token = |coreid| {
        let id = Id {
            coreid,
            core_local_id: 7,
        };
        Capability::new_id(id, all)
    };
    raw(&mut world, 0, token(1), THERE).unwrap();
    raw(&mut world, 1, token(0), HERE).unwrap();
    raw(&mut world, 2, Capability::new_kernel(all), THERE).unwrap();
    raw(&mut world, 3, memory(ObjType::Frame, RAM, PAGE), HERE).unwrap();
    // A copy of one that is here shares its state.
    let frame = memory(ObjType::Frame, RAM, PAGE);
    raw(&mut world, 4, frame, THERE).unwrap();
    assert_eq!(flags(&world, 0), Flags::REMOTE_COPIES);
    assert_eq!(flags(&world, 1), Flags::NONE);
    assert_eq!(flags(&world, 3), Flags::REMOTE_ANCS);
    assert_eq!(flags(&world, 4), Flags::REMOTE_ANCS);
    let foreign = |index| world.db.is_foreign(&world.env, at(1, index));
    assert_eq!([0, 1, 3, 4].map(foreign), [true, false, false, false]);
}

#[test]
fn no_object_of_the_kernel_comes_from_elsewhere() {
    let mut world = World::new();
    let all = CapRights::ALL;
    let dispatcher = Dispatcher { dcb: RAM };
    let kcb = KernelControlBlock { kcb: RAM };
    for cap in [
        Capability::NULL,
        Capability::new_kernel(all),
        Capability::new_dispatcher(dispatcher, all),
        Capability::new_kernel_control_block(kcb, all),
    ] {
        let result = raw(&mut world, 0, cap, HERE);
        assert_eq!(result, Err(E::SysIllegalDestType), "{cap}");
    }
}

#[test]
fn memory_comes_only_where_it_can_have_been_made() {
    use ObjType::{DevFrame, EndPointUmp, Frame, PhysAddr, Ram};
    let mut world = World::new();
    make(&mut world, Frame, 4 * PAGE, 0, 40);
    make(&mut world, Ram, 16 * PAGE, 16 * PAGE, 41);
    make_from(&mut world, 41, Frame, PAGE, 42);
    let mib = 1 << 20;
    let inside_frame = RAM + PAGE;
    for (objtype, base, bytes, fits) in [
        // In memory that nobody here has.
        (PhysAddr, BASE, PAGE, true),
        (DevFrame, 0x1000, PAGE, true),
        // RAM is in RAM.
        (Ram, BASE + BYTES, PAGE, false),
        (Ram, RAM + 2 * mib, PAGE, true),
        (PhysAddr, RAM + 3 * mib, PAGE, false),
        (DevFrame, DEVICE, PAGE, true),
        (Ram, DEVICE, PAGE, false),
        // Aligned, not empty, not around the end of all addresses.
        (Frame, RAM + 2 * mib + 8, PAGE, false),
        (Frame, RAM + 2 * mib, 100, false),
        (Frame, RAM + 2 * mib, 0, false),
        (DevFrame, u64::MAX - PAGE + 1, PAGE, false),
        // A frame holds frames of its kind.
        (Frame, inside_frame, PAGE, true),
        (Ram, inside_frame, PAGE, false),
        (EndPointUmp, inside_frame, PAGE, false),
        // Around others.
        (Ram, RAM + 8 * PAGE, 24 * PAGE, true),
        (Frame, RAM + 8 * PAGE, 24 * PAGE, false),
        // Through others.
        (Ram, RAM + 24 * PAGE, 16 * PAGE, false),
    ] {
        let cap = kind_of_memory(objtype, base, bytes);
        let result = raw(&mut world, 0, cap, THERE);
        let expected = if fits {
            Ok(())
        } else {
            Err(E::CapsInvalidArgs)
        };
        assert_eq!(result, expected, "{cap}");
        if fits {
            let World { db, env } = &mut world;
            assert_eq!(db.delete_foreigns(env, at(1, 0)), Ok(Step::Done));
        }
    }
    let cap = memory(Frame, RAM + 2 * mib, PAGE);
    assert_eq!(raw(&mut world, 40, cap, THERE), Err(E::SysSlotInUse));
}

fn kind_of_memory(objtype: ObjType, base: u64, bytes: u64) -> Capability {
    if objtype == ObjType::EndPointUmp {
        let endpoint = kpi::cap::EndPointUmp {
            base,
            bytes,
            pasid: 0,
            iftype: 0,
        };
        return Capability::new_end_point_ump(endpoint, CapRights::ALL);
    }
    memory(objtype, base, bytes)
}

#[test]
fn what_is_here_already_is_copied() {
    let mut world = World::new();
    make(&mut world, ObjType::Frame, PAGE, 0, 0);
    let frame = world.cap(at(1, 0));
    let World { db, env } = &mut world;
    assert_eq!(db.copy_existing(env, slot(1, 1), &frame), Ok(at(1, 1)));
    assert_eq!(env.cte(at(1, 1)).cap(), &frame);
    assert_eq!(
        db.copy_existing(env, slot(1, 1), &frame),
        Err(E::SysSlotInUse)
    );
    // As large, in the same place, and something else.
    let ram = memory(ObjType::Ram, RAM, PAGE);
    assert_eq!(
        db.copy_existing(env, slot(1, 2), &ram),
        Err(E::SysCapNotFound)
    );
    let half = from_ram(ObjType::Frame, 1 << 20, 1, 1 << 20, slot(1, 3));
    assert_eq!(db.retype(env, half), Ok(Step::Again));
    let frame = *env.cte(at(1, 3)).cap();
    assert_eq!(
        db.copy_existing(env, slot(1, 2), &frame),
        Err(E::SysCapNotFound)
    );
    audit(&world);
}

#[test]
fn who_else_has_what() {
    let mut world = World::new();
    make(&mut world, ObjType::Ram, 16 * PAGE, 0, 0);
    let World { db, env } = &mut world;
    let relations = |db: &caps::Database, env: &support::Env, index| {
        let found = db.local_relations(env, at(1, index));
        found.map(Flags::bits)
    };
    let bits = |flags: Flags| Ok(flags.bits());
    assert_eq!(relations(db, env, 0), bits(Flags::REMOTE_ANCS));
    assert_eq!(relations(db, env, 9), Err(E::SysCapNotFound));
    world.copy(slot(1, 1), at(1, 0)).unwrap();
    make_from(&mut world, 0, ObjType::Frame, PAGE, 2);
    let World { db, env } = &mut world;
    assert_eq!(relations(db, env, 0), bits(Flags::REMOTE));
    assert_eq!(relations(db, env, 2), bits(Flags::REMOTE_ANCS));
    let token = db.create(env, ObjType::Id as u8, slot(1, 3));
    assert_eq!(token, Ok(at(1, 3)));
    assert_eq!(relations(db, env, 3), bits(Flags::NONE));
}

fn make_from(world: &mut World, source: u32, objtype: ObjType, bytes: u64, index: u32) {
    let args = RetypeArgs {
        source: at(1, source),
        ..from_ram(objtype, bytes, 1, 0, slot(1, index))
    };
    world.retype(args).unwrap();
}

#[test]
fn a_capability_is_locked_once() {
    let mut world = World::new();
    make(&mut world, ObjType::Ram, PAGE, 0, 0);
    world.copy(slot(1, 1), at(1, 0)).unwrap();
    let World { db, env } = &mut world;
    assert_eq!(db.lock(env, at(1, 0)), Ok(()));
    assert_eq!(db.lock(env, at(1, 1)), Err(E::SysCapLocked));
    assert_eq!(db.lock(env, at(1, 2)), Err(E::SysCapNotFound));
    db.set_locked(env, at(1, 1), false);
    assert_eq!(db.lock(env, at(1, 0)), Ok(()));
}

#[test]
fn whether_another_core_may_retype() {
    let mut world = World::new();
    make(&mut world, ObjType::Ram, 16 * PAGE, 0, 0);
    make_from(&mut world, 0, ObjType::Frame, PAGE, 1);
    let ram = world.cap(at(1, 0));
    let whole = world.cap(at(0, 0));
    let may = |source: &Capability, offset, bytes, count| {
        world
            .db
            .is_retypeable(&world.env, source, offset, bytes, count)
    };
    assert_eq!(may(&ram, PAGE, PAGE, 15), Ok(()));
    assert_eq!(may(&ram, 0, PAGE, 1), Err(E::SysRevokeFirst));
    assert_eq!(may(&ram, 0, PAGE, 16), Err(E::SysRevokeFirst));
    assert_eq!(may(&whole, PAGE, PAGE, 1), Err(E::SysRevokeFirst));
    for (offset, bytes, count) in [
        (PAGE, PAGE, 16),
        (0, PAGE, 0),
        (u64::MAX, PAGE, 1),
        (0, 1 << 63, 2),
    ] {
        let result = may(&ram, offset, bytes, count);
        assert_eq!(result, Err(E::SysRetypeInvalidOffset));
    }
    // Nobody here has it, or only something around it.
    let elsewhere = memory(ObjType::PhysAddr, BASE, PAGE);
    assert_eq!(may(&elsewhere, 0, PAGE, 1), Ok(()));
    let part = memory(ObjType::PhysAddr, LARGE + PAGE, PAGE);
    assert_eq!(may(&part, 0, PAGE, 1), Ok(()));
    let token = world.cap(at(0, 2));
    assert_eq!(may(&token, 0, 0, 0), Ok(()));
}

#[test]
fn a_foreign_capability_leaves_word_of_its_descendants() {
    let mut world = World::new();
    make(&mut world, ObjType::Ram, 16 * PAGE, 0, 0);
    make_from(&mut world, 0, ObjType::Frame, PAGE, 1);
    give_away(&mut world, 1);
    world.delete(at(1, 1)).unwrap();
    assert_eq!(flags(&world, 0), Flags::REMOTE_DESCS);
    audit(&world);
}

#[test]
fn a_foreign_object_goes_with_what_shows_it() {
    let mut world = World::new();
    make(&mut world, ObjType::L2CNode, 4 * PAGE, 0, 0);
    make(&mut world, ObjType::VNodeAarch64L3, PAGE, 8 * PAGE, 1);
    let args = MapArgs {
        source: at(1, 0),
        flags: 1,
        offset: 0,
        count: 1,
        entry: 0,
        dest: slot(1, 2),
    };
    let World { db, env } = &mut world;
    db.map(env, at(1, 1), args).unwrap();
    give_away(&mut world, 0);
    world.db.retain(&mut world.env, at(0, 0)).unwrap();
    world.delete(at(1, 0)).unwrap();
    assert!(world.env.cte(at(1, 2)).is_empty());
    // The object is still there, on its own core.
    assert_eq!(world.env.free, []);
    audit(&world);
}

#[test]
fn nullified_whatever_others_have() {
    let mut world = World::new();
    make(&mut world, ObjType::Frame, PAGE, 0, 0);
    make(&mut world, ObjType::L2CNode, 4 * PAGE, 4 * PAGE, 1);
    let World { db, env } = &mut world;
    db.set_relations(env, at(1, 0), Flags::REMOTE_COPIES, Flags::REMOTE);
    assert_eq!(db.delete(env, at(1, 0)), Err(E::SysRetryThroughMonitor));
    assert_eq!(db.nullify(env, at(1, 0)), Ok(Step::Done));
    assert_eq!(db.nullify(env, at(1, 0)), Err(E::SysCapNotFound));
    assert_eq!(db.nullify(env, at(1, 1)), Err(E::SysRetryThroughMonitor));
    // Of copies, one goes, and the others keep what is known.
    world.copy(slot(1, 2), at(1, 1)).unwrap();
    let World { db, env } = &mut world;
    db.set_relations(env, at(1, 1), Flags::REMOTE_COPIES, Flags::REMOTE);
    assert_eq!(db.nullify(env, at(1, 2)), Ok(Step::Done));
    assert_eq!(flags(&world, 1), Flags::REMOTE_COPIES);
    audit(&world);
}

#[test]
fn foreign_capabilities_go_with_all_copies() {
    let mut world = World::new();
    make(&mut world, ObjType::Frame, PAGE, 0, 0);
    for index in 1..200 {
        world.copy(slot(1, index), at(1, 0)).unwrap();
    }
    let World { db, env } = &mut world;
    assert_eq!(
        db.delete_foreigns(env, at(1, 0)),
        Err(E::SysDeleteRemoteLocal)
    );
    assert_eq!(db.delete_foreigns(env, at(2, 0)), Err(E::SysCapNotFound));
    db.set_owner(env, at(1, 0), THERE);
    db.set_locked(env, at(1, 0), true);
    let calls = world.repeat(|db, env| db.delete_foreigns(env, at(1, 7)));
    assert!(calls.unwrap() > 1);
    assert!((0..200).all(|index| world.env.cte(at(1, index)).is_empty()));
    audit(&world);
}

#[test]
fn a_revocation_of_another_core() {
    let mut world = World::new();
    make(&mut world, ObjType::Ram, 64 * PAGE, 0, 0);
    let ram = world.cap(at(1, 0));
    let nothing = memory(ObjType::Ram, RAM + (4 << 20), PAGE);
    let token = world.cap(at(0, 2));
    let World { db, env } = &mut world;
    let refused = db.revoke_mark_relations(env, &nothing);
    assert_eq!(refused, Err(E::SysCapNotFound));
    let args = RetypeArgs {
        source: at(1, 0),
        ..from_ram(ObjType::Frame, PAGE, 32, 0, slot(1, 1))
    };
    world.retype(args).unwrap();
    make_cnode(&mut world);
    for index in 0..50 {
        world.copy(slot(2, index), at(1, 0)).unwrap();
    }
    world.db.set_locked(&mut world.env, at(1, 5), true);
    let refused = world.repeat(|db, env| db.revoke_mark_relations(env, &ram));
    assert_eq!(refused, Err(E::SysCapLocked));
    world.db.set_locked(&mut world.env, at(1, 5), false);
    world.env.per_call = 2_000;
    let calls = world.repeat(|db, env| db.revoke_mark_relations(env, &ram));
    assert!(calls.unwrap() > 10);
    // The CNode is marked. Once more, and nothing else is there.
    let World { db, env } = &mut world;
    assert_eq!(db.revoke_mark_relations(env, &ram), Ok(Step::Done));
    world.drain(audit).unwrap();
    let World { db, env } = &mut world;
    assert!(db.find_equal(env, &ram).is_none() && !db.has_descendants(env, &ram));
    // What has no place in memory has copies.
    world.env.per_call = 9_000;
    world.copy(slot(1, 0), at(0, 2)).unwrap();
    let done = world.repeat(|db, env| db.revoke_mark_relations(env, &token));
    assert_eq!(done, Ok(1));
    assert!(world.env.cte(at(1, 0)).is_empty() && world.env.cte(at(0, 2)).is_empty());
    audit(&world);
}

#[test]
fn a_revocation_of_what_nothing_is_made_from() {
    let mut world = World::new();
    make(&mut world, ObjType::L2CNode, 4 * PAGE, 0, 0);
    make(&mut world, ObjType::VNodeAarch64L3, PAGE, 8 * PAGE, 1);
    make(&mut world, ObjType::Frame, PAGE, 9 * PAGE, 2);
    let args = MapArgs {
        source: at(1, 2),
        flags: 1,
        offset: 0,
        count: 1,
        entry: 0,
        dest: slot(1, 3),
    };
    let World { db, env } = &mut world;
    db.map(env, at(1, 1), args).unwrap();
    for index in [0, 3] {
        let cap = world.cap(at(1, index));
        world.copy(slot(2, index), at(1, index)).unwrap();
        let calls = world.repeat(|db, env| db.revoke_mark_relations(env, &cap));
        assert_eq!(calls, Ok(1));
        assert!(world.env.cte(at(2, index)).is_empty() || world.env.cte(at(1, index)).is_empty());
    }
    world.drain(audit).unwrap();
    assert!([0, 3].map(|index| world.env.cte(at(1, index)).is_empty()) == [true; 2]);
    audit(&world);
}

/// In the memory at (1, 0), behind the frames.
fn make_cnode(world: &mut World) {
    let args = RetypeArgs {
        source: at(1, 0),
        ..from_ram(ObjType::L2CNode, 4 * PAGE, 1, 40 * PAGE, slot(1, 60))
    };
    world.retype(args).unwrap();
}

#[test]
fn an_interrupt_of_this_core() {
    let mut world = World::new();
    let World { db, env } = &mut world;
    assert_eq!(db.create_irq_dest(env, 40, slot(1, 0)), Ok(at(1, 0)));
    let expected = IrqDest { cpu: 0, vector: 40 };
    assert_eq!(env.cte(at(1, 0)).cap().as_irq_dest(), Some(expected));
    let refused = db.create_irq_dest(env, 41, slot(1, 0));
    assert_eq!(refused, Err(E::SysSlotInUse));
    audit(&world);
}

#[test]
fn a_revoke_stops_where_other_cores_have_a_say() {
    let says: [fn(&mut World, u32); 3] = [
        |world, index| world.db.set_owner(&mut world.env, at(1, index), THERE),
        |world, index| {
            let World { db, env } = world;
            db.set_relations(env, at(1, index), Flags::REMOTE_COPIES, Flags::REMOTE);
        },
        |world, index| {
            let World { db, env } = world;
            db.set_relations(env, at(1, index), Flags::REMOTE_DESCS, Flags::REMOTE);
        },
    ];
    for say in says {
        for place in [0, 1] {
            let mut world = World::new();
            make(&mut world, ObjType::Ram, 16 * PAGE, 0, 0);
            make_from(&mut world, 0, ObjType::Frame, PAGE, 1);
            say(&mut world, place);
            let World { db, env } = &mut world;
            let refused = Err(E::SysRetryThroughMonitor);
            assert_eq!(db.revoke(env, at(1, 0)), refused);
            assert_eq!(db.revoke_mark_target(env, at(1, 0)), refused);
            assert!(!env.cte(at(1, 1)).is_empty());
            // Who is above other cores may.
            db.set_owner(env, at(1, place), HERE);
            db.set_relations(env, at(1, place), Flags::REMOTE_ANCS, Flags::REMOTE);
            assert_eq!(db.revoke(env, at(1, 0)), Ok(Step::Done));
        }
    }
}
