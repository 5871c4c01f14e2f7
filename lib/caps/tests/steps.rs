//! Operations that take several calls, and what others may do in between.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod support;

use caps::{Database, DestSlot, Flags, MapArgs, RetypeArgs, Step, Store, lookup, lookup_any};
use errors::ErrorCode as E;
use kpi::addr::CapAddr;
use kpi::cap::ObjType;
use kpi::rights::CapRights;
use proptest::prelude::*;
use support::audit::{audit, entries};
use support::{Env, L1, RAM, ROOT, World, at, entry, from_ram, slot};

/// All RAM holds what an earlier owner wrote.
fn dirty() -> World {
    let mut world = World::new();
    world.env.scribble(RAM, 4 << 20);
    world
}

/// Every object that can be used and that must have been zeroed is zero.
fn usable_is_zero(world: &World) {
    for (place, cap) in entries(world) {
        let creating = world.env.cte(entry(place)).flags().has(Flags::CREATING);
        let zeroed = matches!(
            cap.objtype(),
            ObjType::Frame | ObjType::L1CNode | ObjType::L2CNode | ObjType::Dispatcher
        ) || cap.objtype().is_vnode();
        if zeroed && !creating && cap.address() >= RAM {
            assert!(
                world.env.is_zero(cap.address(), cap.size()),
                "{cap} is usable and not zero"
            );
        }
    }
}

#[test]
fn a_large_frame_is_zeroed_64_kib_at_a_time_and_not_usable_before() {
    let mut world = dirty();
    let args = from_ram(ObjType::Frame, 1 << 20, 1, 0, slot(1, 0));
    for _ in 0..15 {
        let before = world.env.zeroed;
        assert_eq!(world.db.retype(&mut world.env, args), Ok(Step::Again));
        assert!(world.env.zeroed - before <= 64 << 10);
        assert_eq!(world.copy(slot(1, 9), at(1, 0)), Err(E::SysCapLocked));
        let all = CapRights::ALL;
        let name = CapAddr::new(1, 0);
        assert_eq!(
            lookup(&world.env, entry(ROOT), name, 2, all),
            Err(E::SysCapLocked)
        );
        assert_eq!(
            lookup_any(&world.env, entry(ROOT), name, 2, all),
            Ok(at(1, 0))
        );
        audit(&world);
    }
    let more = world.retype(args).unwrap();
    assert!(more <= 2, "{more} calls more");
    usable_is_zero(&world);
    assert_eq!(world.env.zeroed, 1 << 20);
    assert!(world.copy(slot(1, 9), at(1, 0)).is_ok());
}

#[test]
fn many_small_frames_become_usable_together() {
    let mut world = dirty();
    let args = from_ram(ObjType::Frame, 4096, 256, 0, slot(1, 0));
    let mut calls = 1;
    while world.db.retype(&mut world.env, args) == Ok(Step::Again) {
        calls += 1;
        assert!(calls < 40);
        assert!((0..256).all(|index| {
            let cte = world.env.cte(at(1, index));
            cte.is_empty() || cte.flags().has(Flags::CREATING)
        }));
    }
    assert!(calls > 5);
    assert!((0..256).all(|index| world.copy(slot(2, index), at(1, index)).is_ok()));
    usable_is_zero(&world);
    audit(&world);
}

#[test]
fn small_requests_take_one_call() {
    for count in [1, 2, 8] {
        let mut world = dirty();
        let args = from_ram(ObjType::Frame, 4096, count, 0, slot(1, 0));
        assert_eq!(world.retype(args), Ok(1));
    }
}

#[test]
fn what_is_half_made_is_not_a_cnode_to_look_through_or_fill() {
    let mut world = dirty();
    let dest = DestSlot {
        cnode: entry(ROOT),
        index: 10,
    };
    let args = from_ram(ObjType::L2CNode, 16384, 20, 0, dest);
    assert_eq!(world.db.retype(&mut world.env, args), Ok(Step::Again));
    let half = entry(L1 + 64 * 10);
    let name = CapAddr::new(10, 3);
    let all = CapRights::ALL;
    assert_eq!(
        lookup(&world.env, entry(ROOT), name, 2, all),
        Err(E::SysCapLocked)
    );
    let inside = DestSlot {
        cnode: half,
        index: 0,
    };
    assert_eq!(world.copy(inside, at(0, 0)), Err(E::SysCapLocked));
    assert_eq!(world.revoke(half), Err(E::SysCapLocked));
    // It can be deleted although it is the last copy of a CNode: nothing was ever in it.
    assert_eq!(world.delete(half), Ok(1));
    assert_eq!(world.env.retired.len(), 1);
    audit(&world);
}

#[test]
fn a_result_deleted_meanwhile_makes_the_call_fail_or_start_anew() {
    for victim in [0, 3] {
        let mut world = dirty();
        let args = from_ram(ObjType::Frame, 16384, 40, 0, slot(1, 0));
        for _ in 0..4 {
            assert_eq!(world.db.retype(&mut world.env, args), Ok(Step::Again));
        }
        assert_eq!(world.delete(at(1, victim)), Ok(1));
        let result = world.retype(args);
        assert!(
            matches!(result, Err(E::SysSlotsInUse | E::SysRevokeFirst)),
            "{result:?}"
        );
        usable_is_zero(&world);
        // All can be cleaned up, and the memory is free again.
        for index in 0..40 {
            let _ = world.delete(at(1, index));
        }
        assert!(world.retype(args).is_ok());
        usable_is_zero(&world);
        audit(&world);
    }
}

#[test]
fn a_result_replaced_meanwhile_is_not_handed_out_dirty() {
    // The second result's memory is used by somebody else and given back while the first call waits.
    let mut world = dirty();
    let args = from_ram(ObjType::Frame, 131_072, 2, 0, slot(1, 0));
    while world.env.zeroed < 0x3_0000 {
        assert_eq!(world.db.retype(&mut world.env, args), Ok(Step::Again));
    }
    world.delete(at(1, 1)).unwrap();
    let other = from_ram(ObjType::Frame, 131_072, 1, 131_072, slot(2, 0));
    world.retype(other).unwrap();
    world.env.scribble(RAM + 131_072, 131_072);
    world.delete(at(2, 0)).unwrap();
    assert!(world.retype(args).is_ok());
    usable_is_zero(&world);
    audit(&world);
}

#[test]
fn losing_the_source_meanwhile_ends_the_call() {
    let mut world = dirty();
    world.copy(slot(2, 0), at(0, 0)).unwrap();
    let mut args = from_ram(ObjType::Frame, 1 << 20, 1, 0, slot(1, 0));
    args.source = at(2, 0);
    assert_eq!(world.db.retype(&mut world.env, args), Ok(Step::Again));
    world.delete(at(2, 0)).unwrap();
    assert_eq!(world.retype(args), Err(E::SysCapNotFound));
    // Revoking the RAM removes what was half made.
    world.revoke(at(0, 0)).unwrap();
    assert!(world.env.cte(at(1, 0)).is_empty());
    audit(&world);
}

/// A world with a frame at L2 slot (1, 0) and an L3 table at (1, 1).
fn frame_and_table(frame_bytes: u64) -> World {
    let mut world = World::new();
    world
        .retype(from_ram(ObjType::Frame, frame_bytes, 1, 0, slot(1, 0)))
        .unwrap();
    world
        .retype(from_ram(
            ObjType::VNodeAarch64L3,
            4096,
            1,
            4 << 20,
            slot(1, 1),
        ))
        .unwrap();
    world
}

fn map_page(source: u32, page: u64, first: u64, dest: DestSlot) -> MapArgs {
    MapArgs {
        source: at(1, source),
        flags: 1,
        offset: page * 4096,
        count: 1,
        entry: first,
        dest,
    }
}

#[test]
fn deleting_a_frame_with_many_mappings_is_stepped_and_locks_it() {
    let mut world = frame_and_table(1 << 20);
    // A part of the frame, with Mappings of its own, stays untouched.
    let mut args = from_ram(ObjType::Frame, 8192, 1, 0x8_0000, slot(1, 2));
    args.source = at(1, 0);
    world.retype(args).unwrap();
    for page in 0..256 {
        let args = map_page(0, page, page, slot(2, page as u32));
        world.db.map(&mut world.env, at(1, 1), args).unwrap();
    }
    for page in 0..2 {
        let args = map_page(2, page, 300 + page, slot(1, 3 + page as u32));
        world.db.map(&mut world.env, at(1, 1), args).unwrap();
    }
    assert_eq!(world.db.delete(&mut world.env, at(1, 0)), Ok(Step::Again));
    assert_eq!(world.copy(slot(1, 9), at(1, 0)), Err(E::SysCapLocked));
    let args = map_page(0, 0, 400, slot(1, 9));
    assert_eq!(
        world.db.map(&mut world.env, at(1, 1), args),
        Err(E::SysCapLocked)
    );
    assert_eq!(world.revoke(at(1, 0)), Err(E::SysCapLocked));
    audit(&world);
    let calls = world.delete(at(1, 0)).unwrap();
    assert!((3..100).contains(&calls), "{calls}");
    assert!((0..256).all(|index| world.env.cte(at(2, index)).is_empty()));
    assert!(!world.env.cte(at(1, 3)).is_empty());
    audit(&world);
    // A smaller part that was itself mapped is deleted with its Mappings only.
    world.delete(at(1, 2)).unwrap();
    assert!(world.env.cte(at(1, 3)).is_empty() && world.env.cte(at(1, 4)).is_empty());
    audit(&world);
}

#[test]
fn one_page_mapped_many_times_by_others_does_not_stall_the_delete() {
    let mut world = frame_and_table(1 << 20);
    let mut args = from_ram(ObjType::Frame, 4096, 1, 0, slot(1, 2));
    args.source = at(1, 0);
    world.retype(args).unwrap();
    for first in 0..255 {
        let args = map_page(2, 0, first, slot(2, first as u32));
        world.db.map(&mut world.env, at(1, 1), args).unwrap();
    }
    let args = map_page(0, 0, 500, slot(2, 255));
    world.db.map(&mut world.env, at(1, 1), args).unwrap();
    assert!(world.delete(at(1, 0)).unwrap() > 1);
    assert!(world.env.cte(at(2, 255)).is_empty());
    assert!((0..255).all(|index| !world.env.cte(at(2, index)).is_empty()));
    audit(&world);
}

#[test]
fn deleting_a_full_table_removes_its_mappings_in_steps() {
    let mut world = frame_and_table(2 << 20);
    for page in 0..250 {
        let args = map_page(0, page, 511 - page, slot(2, page as u32));
        world.db.map(&mut world.env, at(1, 1), args).unwrap();
    }
    // A copy of a Mapping goes with it.
    world.copy(slot(1, 20), at(2, 7)).unwrap();
    let unmapped = world.env.unmapped.len();
    let calls = world.delete(at(1, 1)).unwrap();
    assert!((3..100).contains(&calls), "{calls}");
    assert_eq!(world.env.unmapped.len() - unmapped, 250);
    assert!(world.env.cte(at(1, 20)).is_empty());
    assert!((0..250).all(|index| world.env.cte(at(2, index)).is_empty()));
    audit(&world);
}

#[test]
fn revoke_is_stepped_and_leaves_nothing() {
    let mut world = dirty();
    for cnode in [1, 2] {
        let offset = (cnode as u64 - 1) << 20;
        world
            .retype(from_ram(ObjType::Frame, 4096, 200, offset, slot(cnode, 0)))
            .unwrap();
    }
    world.copy(slot(0, 30), at(0, 0)).unwrap();
    world.copy(slot(0, 31), at(1, 5)).unwrap();
    let calls = world.revoke(at(0, 0)).unwrap();
    assert!((6..40).contains(&calls), "{calls}");
    assert!(world.env.cte(at(0, 30)).is_empty() && world.env.cte(at(0, 31)).is_empty());
    let ram = world.cap(at(0, 0));
    assert!(!world.db.has_descendants(&world.env, &ram));
    audit(&world);
}

#[test]
fn revoke_stops_at_a_cnode_and_can_be_continued_when_it_is_a_copy() {
    let mut world = World::new();
    world
        .retype(from_ram(ObjType::L2CNode, 16384, 1, 0, slot(1, 0)))
        .unwrap();
    assert_eq!(world.revoke(at(0, 0)), Err(E::SysRetryThroughMonitor));
    assert!(!world.env.cte(at(1, 0)).is_empty());
    // Other copies of it do not count.
    world.copy(slot(1, 1), at(1, 0)).unwrap();
    assert_eq!(world.revoke(at(0, 0)), Err(E::SysRetryThroughMonitor));
    audit(&world);
}

/// What somebody else does between two steps.
#[derive(Clone, Copy, Debug)]
enum Meanwhile {
    Delete(u32),
    Copy(u32),
    RevokeRam,
    DeleteSource,
    Retype(u64, u32),
    Map(u32),
    Revoke(u32),
}

fn meanwhile() -> impl Strategy<Value = Meanwhile> {
    prop_oneof![
        4 => (0..12u32).prop_map(Meanwhile::Delete),
        2 => (0..12u32).prop_map(Meanwhile::Copy),
        1 => Just(Meanwhile::RevokeRam),
        1 => Just(Meanwhile::DeleteSource),
        4 => (0..12u64, 0..12u32).prop_map(|(n, s)| Meanwhile::Retype(n, s)),
        2 => (0..12u32).prop_map(Meanwhile::Map),
        2 => (0..12u32).prop_map(Meanwhile::Revoke),
    ]
}

/// Does it, once: it may itself stop half way. What frames become usable is written to.
fn interfere(world: &mut World, what: Meanwhile, args: &RetypeArgs) {
    let World { db, env } = world;
    let unit = args.bytes.max(4096);
    let ignore = |_: Result<Step, E>| ();
    match what {
        Meanwhile::Delete(n) => ignore(db.delete(env, at(1, n))),
        Meanwhile::Revoke(n) => ignore(db.revoke(env, at(1, n))),
        Meanwhile::RevokeRam => ignore(db.revoke(env, at(0, 0))),
        Meanwhile::DeleteSource => ignore(db.delete(env, args.source)),
        Meanwhile::Copy(n) => {
            let _ = db.copy(env, slot(2, 60 + n), at(1, n));
        }
        Meanwhile::Map(n) => {
            let args = map_page(n, 0, u64::from(n), slot(2, 40 + n));
            let _ = db.map(env, at(0, 20), args);
        }
        Meanwhile::Retype(n, place) => {
            let mut args = from_ram(ObjType::Frame, unit, 1, n * unit, slot(1, place));
            args.source = at(0, 0);
            if db.retype(env, args) == Ok(Step::Done) {
                scribble_and_delete(db, env, place);
            }
        }
    }
}

/// A frame is used and given back.
fn scribble_and_delete(db: &mut Database, env: &mut Env, place: u32) {
    let cap = *env.cte(at(1, place)).cap();
    env.scribble(cap.address(), cap.size());
    let _ = db.delete(env, at(1, place));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_retype_disturbed_between_steps_never_hands_out_dirty_memory(
        kind in 0..5usize,
        count in 1..12u64,
        events in prop::collection::vec((0..6u32, meanwhile()), 0..8),
    ) {
        let kinds = [
            (ObjType::Frame, 16384u64),
            (ObjType::Frame, 131_072),
            (ObjType::L2CNode, 16384),
            (ObjType::VNodeAarch64L3, 4096),
            (ObjType::L1CNode, 65536),
        ];
        let (objtype, bytes) = kinds[kind];
        let mut world = dirty();
        world.retype(from_ram(ObjType::VNodeAarch64L3, 4096, 1, 6 << 20, slot(0, 20))).unwrap();
        world.copy(slot(0, 30), at(0, 0)).unwrap();
        let mut args = from_ram(objtype, bytes, count, 0, slot(1, 0));
        args.source = at(0, 30);
        let mut events = events.into_iter();
        let mut wait = events.next();
        for _ in 0..200 {
            let step = world.db.retype(&mut world.env, args);
            usable_is_zero_or_mapped(&world);
            audit(&world);
            if step != Ok(Step::Again) {
                break;
            }
            match &mut wait {
                Some((0, what)) => {
                    interfere(&mut world, *what, &args);
                    audit(&world);
                    wait = events.next();
                }
                Some((steps, _)) => *steps -= 1,
                None => {}
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn deletes_and_revokes_disturbed_between_steps_leave_everything_in_order(
        what in 0..5usize,
        events in prop::collection::vec((0..4u32, meanwhile()), 0..8),
    ) {
        // The frame, parts of it, and 160 Mappings of all of them in two tables.
        let mut world = frame_and_table(1 << 20);
        world.retype(from_ram(ObjType::VNodeAarch64L3, 4096, 1, 5 << 20, slot(0, 20))).unwrap();
        let parts = RetypeArgs { source: at(1, 0), ..from_ram(ObjType::Frame, 16384, 6, 0x8_0000, slot(1, 2)) };
        world.retype(parts).unwrap();
        for n in 0..160 {
            let table = if n % 2 == 0 { at(1, 1) } else { at(0, 20) };
            let source = [0, 0, 0, 2, 3, 4][n as usize % 6];
            let args = map_page(source, n % 4, n, slot(2, 90 + n as u32));
            world.db.map(&mut world.env, table, args).unwrap();
        }
        world.copy(slot(0, 30), at(0, 0)).unwrap();
        let mut meanwhile_args = from_ram(ObjType::Frame, 4096, 1, 0, slot(1, 0));
        meanwhile_args.source = at(0, 30);
        let target = [at(1, 0), at(1, 1), at(1, 0), at(0, 0), at(0, 20)][what];
        let revokes = what == 2 || what == 3;
        let mut events = events.into_iter();
        let mut wait = events.next();
        for round in 0.. {
            assert!(round < 200, "never done");
            let World { db, env } = &mut world;
            let step = if revokes { db.revoke(env, target) } else { db.delete(env, target) };
            audit(&world);
            if step == Ok(Step::Done) {
                let cap = world.cap(target);
                assert_eq!(cap.objtype() == ObjType::Null, !revokes);
                if revokes {
                    assert!(!world.db.has_descendants(&world.env, &cap));
                    assert!(!world.db.has_copies(&world.env, target));
                }
            }
            if step != Ok(Step::Again) {
                break;
            }
            match &mut wait {
                Some((0, event)) => {
                    interfere(&mut world, *event, &meanwhile_args);
                    audit(&world);
                    wait = events.next();
                }
                Some((steps, _)) => *steps -= 1,
                None => {}
            }
        }
    }
}

/// As [`usable_is_zero`]; page tables in use are left out.
fn usable_is_zero_or_mapped(world: &World) {
    for (place, cap) in entries(world) {
        let creating = world.env.cte(entry(place)).flags().has(Flags::CREATING);
        let zeroed = matches!(
            cap.objtype(),
            ObjType::Frame | ObjType::L1CNode | ObjType::L2CNode
        );
        if zeroed && !creating && cap.address() >= RAM {
            assert!(
                world.env.is_zero(cap.address(), cap.size()),
                "{cap} is usable and not zero"
            );
        }
    }
}
