//! Device memory does not become memory of the kernel.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod support;

use caps::{MapArgs, RetypeArgs, Step};
use errors::ErrorCode;
use kpi::cap::ObjType;
use kpi::rights::PageFlags;
use support::{World, at, from_ram, slot};

#[test]
fn registers_become_device_frames_but_not_ram() {
    let mut world = World::new();
    let from_devices = |objtype| RetypeArgs {
        source: at(0, 1),
        ..from_ram(objtype, 4096, 1, 0, slot(0, 20))
    };
    assert_eq!(
        world.retype(from_devices(ObjType::Ram)),
        Err(ErrorCode::SysInvalidRetype)
    );
    world.retype(from_devices(ObjType::DevFrame)).unwrap();
}

/// What the kernel cleans from the cache is bounded; registers are in no cache.
#[test]
fn much_may_be_uncached_where_nothing_is_cached() {
    let mut world = World::new();
    world.env.most_uncached = 64;
    let device = RetypeArgs {
        source: at(0, 11),
        ..from_ram(ObjType::DevFrame, 2 << 20, 1, 0, slot(1, 0))
    };
    world.retype(device).unwrap();
    let frame = from_ram(ObjType::Frame, 2 << 20, 1, 0, slot(1, 1));
    world.retype(frame).unwrap();
    let table = from_ram(ObjType::VNodeAarch64L3, 4096, 1, 2 << 20, slot(1, 2));
    world.retype(table).unwrap();
    let World { db, env } = &mut world;
    let uncached = PageFlags::READ_WRITE.union(PageFlags::NOCACHE).0;
    let whole = |source, flags| MapArgs {
        source,
        flags,
        offset: 0,
        count: 512,
        entry: 0,
        dest: slot(2, 0),
    };
    db.map(env, at(1, 2), whole(at(1, 0), uncached)).unwrap();
    db.modify(env, at(2, 0), 0, 512, PageFlags::READ.0).unwrap();
    db.modify(env, at(2, 0), 0, 512, uncached).unwrap();
    assert_eq!(db.delete(env, at(2, 0)), Ok(Step::Done));
    let size = Err(ErrorCode::SysVmMapSize);
    assert_eq!(
        db.map(env, at(1, 2), whole(at(1, 1), uncached)).map(|_| ()),
        size
    );
    // Other errors come first.
    let taken = MapArgs {
        dest: slot(1, 2),
        ..whole(at(1, 1), uncached)
    };
    let in_use = Err(ErrorCode::SysSlotInUse);
    assert_eq!(db.map(env, at(1, 2), taken).map(|_| ()), in_use);
    let cached = PageFlags::READ_WRITE.0;
    db.map(env, at(1, 2), whole(at(1, 1), cached)).unwrap();
    assert_eq!(db.modify(env, at(2, 0), 0, 65, uncached), size);
    assert_eq!(db.modify(env, at(2, 0), 0, 64, uncached), Ok(()));
    assert_eq!(db.modify_entries(env, at(1, 2), 100, 65, uncached), size);
}
