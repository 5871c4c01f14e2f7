//! Attempts to keep or regain memory that somebody else uses.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod support;

use caps::{MapArgs, Store};
use errors::ErrorCode as E;
use kpi::cap::ObjType;
use support::audit::audit;
use support::{HELD_BASE, RAM, World, at, entry, from_ram, slot};

/// A running dispatcher's L0 table: held by the kernel, and deleted by its owner everywhere else.
fn with_running_table() -> World {
    let mut world = World::new();
    let args = from_ram(ObjType::VNodeAarch64L0, 4096, 1, 0, slot(1, 0));
    world.retype(args).unwrap();
    let World { db, env } = &mut world;
    db.copy_into_object(env, entry(HELD_BASE), at(1, 0))
        .unwrap();
    assert_eq!(world.delete(at(1, 0)), Ok(1));
    world
}

#[test]
fn memory_of_a_table_in_use_cannot_be_made_into_anything_else() {
    let mut world = with_running_table();
    for (objtype, bytes) in [
        (ObjType::Frame, 4096),
        (ObjType::Ram, 4096),
        (ObjType::Frame, 65536),
    ] {
        let again = world.retype(from_ram(objtype, bytes, 1, 0, slot(1, 1)));
        assert_eq!(again, Err(E::SysRevokeFirst));
    }
    assert!(world.env.lost.is_empty());
    audit(&world);
}

#[test]
fn revoking_the_memory_of_a_table_in_use_stops_its_user_first() {
    let mut world = with_running_table();
    let table = world.cap(entry(HELD_BASE));
    // `Env::object_lost` asserts that the entry still holds the capability at that moment.
    assert_eq!(world.revoke(at(0, 0)), Ok(1));
    assert_eq!(world.env.lost, [(entry(HELD_BASE), table)]);
    assert!(world.env.cte(entry(HELD_BASE)).is_empty());
    assert_eq!(
        world.retype(from_ram(ObjType::Frame, 4096, 1, 0, slot(1, 1))),
        Ok(1)
    );
    assert!(world.env.is_zero(RAM, 4096));
    audit(&world);
}

#[test]
fn revoking_a_running_dispatchers_frame_stops_it_and_unmaps_the_frame() {
    let mut world = World::new();
    world
        .retype(from_ram(ObjType::Frame, 512 << 10, 1, 0, slot(1, 0)))
        .unwrap();
    world
        .retype(from_ram(
            ObjType::VNodeAarch64L3,
            4096,
            1,
            1 << 20,
            slot(1, 1),
        ))
        .unwrap();
    let World { db, env } = &mut world;
    db.copy_into_object(env, entry(HELD_BASE), at(1, 0))
        .unwrap();
    let args = MapArgs {
        source: at(1, 0),
        flags: 3,
        offset: 0,
        count: 128,
        entry: 7,
        dest: slot(1, 2),
    };
    db.map(env, at(1, 1), args).unwrap();
    assert_eq!(world.revoke(at(0, 0)).map(|_| ()), Ok(()));
    assert_eq!(world.env.lost.len(), 1);
    assert!(
        world
            .env
            .unmapped
            .iter()
            .any(|what| what.count == 128 && what.first == 7)
    );
    assert!(world.env.cte(at(1, 2)).is_empty());
    audit(&world);
    // Revoking only the frame, through the owner's copy, does the same to the copy in the kernel.
    world
        .retype(from_ram(ObjType::Frame, 512 << 10, 1, 0, slot(1, 0)))
        .unwrap();
    let World { db, env } = &mut world;
    db.copy_into_object(env, entry(HELD_BASE), at(1, 0))
        .unwrap();
    world.revoke(at(1, 0)).unwrap();
    assert_eq!(world.env.lost.len(), 2);
    assert!(!world.env.cte(at(1, 0)).is_empty());
}

#[test]
fn splitting_a_read_only_frame_neither_widens_rights_nor_writes_to_it() {
    let mut world = World::new();
    world
        .retype(from_ram(ObjType::Frame, 8192, 1, 0, slot(1, 0)))
        .unwrap();
    let World { db, env } = &mut world;
    db.mint(env, slot(1, 1), at(1, 0), 1, 0).unwrap();
    env.scribble(RAM, 8192);
    let mut args = from_ram(ObjType::Frame, 4096, 2, 0, slot(1, 2));
    args.source = at(1, 1);
    world.retype(args).unwrap();
    assert_eq!(world.cap(at(1, 2)).rights().0, 1);
    assert!(!world.env.is_zero(RAM, 8));
}

#[test]
fn an_endpoint_cannot_be_pointed_elsewhere_by_who_got_it() {
    let mut world = World::new();
    world
        .retype(from_ram(ObjType::Dispatcher, 0, 1, 0, slot(1, 0)))
        .unwrap();
    let mut args = from_ram(ObjType::EndPointLmp, 0, 1, 0, slot(1, 1));
    args.source = at(1, 0);
    world.retype(args).unwrap();
    let World { db, env } = &mut world;
    db.mint(env, slot(1, 2), at(1, 1), 0x2000, 21).unwrap();
    let stolen = db.mint(env, slot(1, 3), at(1, 2), 0x3000, 21);
    assert_eq!(stolen, Err(E::SysInvalidSourceType));
}
