//! Ways that few calls go: much of what otherwise is little, and what is half made where nobody expects it.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod support;

use caps::{CheckCursor, MapArgs, RetypeArgs, Step, Store, lookup_any, next_in_cspace};
use errors::ErrorCode as E;
use kpi::addr::CapAddr;
use kpi::cap::ObjType;
use kpi::invocation::CapPosition;
use kpi::rights::CapRights;
use support::audit::audit;
use support::{World, at, from_ram, slot};

const PAGE: u64 = 4096;

#[test]
fn a_root_that_is_half_made_leads_nowhere() {
    let mut world = World::new();
    let root = from_ram(ObjType::L1CNode, 1 << 20, 1, 0, slot(1, 0));
    let World { db, env } = &mut world;
    assert_eq!(db.retype(env, root), Ok(Step::Again));
    let start = CapPosition::START;
    assert!(next_in_cspace(env, at(1, 0), start).is_err_and(|error| error == E::SysCapLocked));
    let found = lookup_any(env, at(1, 0), CapAddr(0), 2, CapRights::READ);
    assert_eq!(found, Err(E::SysCapLocked));
    world.delete(at(1, 0)).unwrap();
    audit(&world);
}

/// Nothing lies in it yet, so a revoke needs no steps for it.
#[test]
fn what_is_half_made_is_revoked_like_a_frame() {
    let mut world = World::new();
    let root = from_ram(ObjType::L1CNode, 1 << 20, 1, 0, slot(1, 0));
    let World { db, env } = &mut world;
    assert_eq!(db.retype(env, root), Ok(Step::Again));
    world.revoke(at(0, 0)).unwrap();
    assert!(world.env.cte(at(1, 0)).is_empty());
    audit(&world);
}

/// Somebody fills a slot that a retype was to fill.
#[test]
fn a_result_cannot_be_where_another_is_meanwhile() {
    let mut world = World::new();
    world.env.per_call = 2_500;
    let frames = from_ram(ObjType::Frame, PAGE, 60, 0, slot(1, 0));
    let World { db, env } = &mut world;
    assert_eq!(db.retype(env, frames), Ok(Step::Again));
    assert!(env.cte(at(1, 59)).is_empty());
    world.copy(slot(1, 59), at(0, 1)).unwrap();
    assert_eq!(world.retype(frames), Err(E::SysSlotsInUse));
    audit(&world);
    // What was made can be deleted, and is all there was.
    for index in 0..60 {
        let _ = world.delete(at(1, index));
    }
    let World { db, env } = &world;
    assert!(!db.has_descendants(env, env.cte(at(0, 0)).cap()));
}

#[test]
fn who_may_not_write_to_a_dispatcher_makes_no_endpoint_of_it() {
    let mut world = World::new();
    world
        .retype(from_ram(ObjType::Dispatcher, 0, 1, 0, slot(1, 0)))
        .unwrap();
    let World { db, env } = &mut world;
    let read = u64::from(CapRights::READ.0);
    db.mint(env, slot(1, 1), at(1, 0), read, 0).unwrap();
    let endpoint = RetypeArgs {
        source: at(1, 1),
        ..from_ram(ObjType::EndPointLmp, 0, 1, 0, slot(1, 2))
    };
    world.retype(endpoint).unwrap();
    let World { db, env } = &mut world;
    let refused = db.mint(env, slot(1, 3), at(1, 2), 4096, 21);
    assert_eq!(refused, Err(E::SysDestCapRights));
}

/// A frame at (1, 0), mapped by (1, 1) in the table at (1, 2).
fn mapped() -> World {
    let mut world = World::new();
    let frame = from_ram(ObjType::Frame, PAGE, 1, 0, slot(1, 0));
    world.retype(frame).unwrap();
    let table = from_ram(ObjType::VNodeAarch64L3, PAGE, 1, PAGE, slot(1, 2));
    world.retype(table).unwrap();
    let args = MapArgs {
        source: at(1, 0),
        flags: 1,
        offset: 0,
        count: 1,
        entry: 0,
        dest: slot(1, 1),
    };
    let World { db, env } = &mut world;
    db.map(env, at(1, 2), args).unwrap();
    world
}

#[test]
fn a_mapping_with_many_copies_goes_in_steps() {
    let mut world = mapped();
    for index in 10..200 {
        world.copy(slot(1, index), at(1, 1)).unwrap();
    }
    let calls = world.repeat(|db, env| db.unmap(env, at(1, 2), at(1, 77)));
    assert!(calls.unwrap() > 1);
    assert!((10..200).all(|index| world.env.cte(at(1, index)).is_empty()));
    audit(&world);
}

#[test]
fn what_has_many_copies_is_revoked_in_steps() {
    let mut world = mapped();
    for index in 10..200 {
        world.copy(slot(1, index), at(1, 0)).unwrap();
    }
    let calls = world.repeat(|db, env| db.revoke_mark_target(env, at(1, 0)));
    assert!(calls.unwrap() > 1);
    assert!(world.env.cte(at(1, 1)).is_empty());
    audit(&world);
}

#[test]
fn whoever_looks_for_neighbours_finds_them() {
    let world = mapped();
    let World { db, env } = &world;
    let frame = *env.cte(at(1, 0)).cap();
    let before = at(0, 0);
    assert_eq!(db.find_less(env, &frame, false), Some(before));
    assert_eq!(db.find_less(env, &frame, true), Some(at(1, 0)));
    assert_eq!(db.find_greater(env, &frame, true), Some(at(1, 0)));
    assert_eq!(db.find_greater(env, &frame, false), Some(at(1, 1)));
}

/// A check in parts goes on behind the place where it was and its copies, whatever has changed.
#[test]
fn a_check_goes_on_when_things_have_changed() {
    let mut world = mapped();
    let all = world.db.count();
    let mut cursor = CheckCursor::default();
    let mut checked = 0;
    for turn in 0.. {
        let World { db, env } = &mut world;
        let report = db.check_invariants(env, &mut cursor, 2);
        assert_eq!(report.violations, 0);
        checked += report.entries;
        if report.done {
            break;
        }
        // Behind all others.
        db.create(env, ObjType::Id as u8, slot(2, turn % 8))
            .unwrap();
        world.delete(at(2, turn % 8)).unwrap();
    }
    // Four CNodes have a copy each, which may have been left out.
    assert!((all - 4..=all).contains(&checked), "{checked} of {all}");
}
