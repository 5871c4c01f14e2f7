//! No call does much, however much there is to do.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod support;

use caps::MapArgs;
use kpi::cap::ObjType;
use kpi::rights::PageFlags;
use support::{World, at, from_ram, slot};

const FRAME_BYTES: u64 = 2 << 20;
const TABLES: u32 = 30;

/// A frame of 512 pages in L2CNode 0, slot 20, all of it mapped in each of the page tables in L2CNode 1.
fn mapped_often() -> World {
    let mut world = World::new();
    let frame = from_ram(ObjType::Frame, FRAME_BYTES, 1, 0, slot(0, 20));
    world.retype(frame).unwrap();
    let tables = from_ram(
        ObjType::VNodeAarch64L3,
        4096,
        TABLES.into(),
        FRAME_BYTES,
        slot(1, 0),
    );
    world.retype(tables).unwrap();
    for table in 0..TABLES {
        let request = MapArgs {
            source: at(0, 20),
            flags: PageFlags::READ_WRITE.0,
            offset: 0,
            count: 512,
            entry: 0,
            dest: slot(2, table),
        };
        world.db.map(&mut world.env, at(1, table), request).unwrap();
    }
    world
}

#[test]
fn revoke_of_what_is_mapped_often_works_in_steps() {
    let mut world = mapped_often();
    assert!(world.revoke(at(0, 20)).unwrap() > 1);
    assert!((0..TABLES).all(|table| world.cap(at(2, table)).objtype() == ObjType::Null));
}

#[test]
fn deletion_of_what_is_mapped_often_works_in_steps() {
    let mut world = mapped_often();
    assert!(world.delete(at(0, 20)).unwrap() > 1);
    assert!((0..TABLES).all(|table| world.cap(at(2, table)).objtype() == ObjType::Null));
}

/// The worst tree: everything has one address.
#[test]
fn many_copies_are_removed_in_steps() {
    let mut world = World::new();
    let frames = from_ram(ObjType::Frame, 4096, 1, 0, slot(0, 20));
    world.retype(frames).unwrap();
    for cnode in 1..3 {
        for index in 0..256 {
            world.copy(slot(cnode, index), at(0, 20)).unwrap();
        }
    }
    assert!(world.revoke(at(0, 20)).unwrap() > 1);
}

#[test]
fn retype_of_many_objects_works_in_steps() {
    let mut world = World::new();
    let frames = from_ram(ObjType::Frame, 4096, 256, 0, slot(1, 0));
    assert!(world.retype(frames).unwrap() > 1);
    assert!(world.revoke(at(0, 0)).unwrap() > 1);
}
