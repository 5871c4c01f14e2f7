//! Map, Unmap, Modify, Destroy.

use crate::support::{BASE, RAM, ROOT, World, at, entry, from_ram, slot};
use caps::{DestSlot, MapArgs, Reach, RetypeArgs, Store};
use errors::ErrorCode as E;
use kpi::addr::{PhysAddr, VirtAddr};
use kpi::cap::ObjType;

/// Tables of the four levels at (1, 0) to (1, 3), a frame of 4 pages at (1, 4), a device frame at (1, 5).
fn tables() -> World {
    let mut world = World::new();
    let levels = [
        ObjType::VNodeAarch64L0,
        ObjType::VNodeAarch64L1,
        ObjType::VNodeAarch64L2,
        ObjType::VNodeAarch64L3,
    ];
    for (n, objtype) in levels.into_iter().enumerate() {
        let args = from_ram(objtype, 4096, 1, 4096 * n as u64, slot(1, n as u32));
        world.retype(args).unwrap();
    }
    world
        .retype(from_ram(ObjType::Frame, 16384, 1, 1 << 20, slot(1, 4)))
        .unwrap();
    let device = RetypeArgs {
        source: at(0, 1),
        ..from_ram(ObjType::DevFrame, 4096, 1, 0, slot(1, 5))
    };
    world.retype(device).unwrap();
    world
}

fn args(source: u32, flags: u64, offset: u64, count: u64, first: u64) -> MapArgs {
    MapArgs {
        source: at(1, source),
        flags,
        offset,
        count,
        entry: first,
        dest: slot(2, 0),
    }
}

#[test]
fn map_errors() {
    let mut world = tables();
    let World { db, env } = &mut world;
    db.mint(env, slot(1, 6), at(1, 3), 1, 0).unwrap();
    db.mint(env, slot(1, 7), at(1, 4), 1, 0).unwrap();
    let mut fails = |table, args: MapArgs, error| {
        assert_eq!(db.map(env, at(1, table), args), Err(error), "{args:?}");
        assert!(env.cte(at(2, 0)).is_empty());
    };
    fails(6, args(4, 3, 0, 1, 0), E::SysDestCapRights);
    fails(9, args(4, 3, 0, 1, 0), E::SysCapNotFound);
    fails(3, args(9, 3, 0, 1, 0), E::SysCapNotFound);
    fails(
        3,
        MapArgs {
            dest: DestSlot {
                cnode: entry(ROOT),
                index: 9,
            },
            ..args(4, 3, 0, 1, 0)
        },
        E::SysDestTypeInvalid,
    );
    fails(
        3,
        MapArgs {
            dest: slot(0, 0),
            ..args(4, 3, 0, 1, 0)
        },
        E::SysSlotInUse,
    );
    fails(
        3,
        MapArgs {
            dest: slot(0, 300),
            ..args(4, 3, 0, 1, 0)
        },
        E::SysSlotsInvalid,
    );
    fails(4, args(4, 3, 0, 1, 0), E::SysVnodeType);
    fails(3, args(4, 3, 0, 1, 512), E::SysVnodeSlotInvalid);
    for table in 0..3 {
        fails(table, args(table + 1, 0, 0, 2, 0), E::SysVmMapSize);
        // A frame too small for a block; at level 0 there are none.
        let frame = match table {
            0 => E::SysWrongMapping,
            _ => E::SysFrameOffsetInvalid,
        };
        fails(table, args(4, 0, 0, 1, 0), frame);
        fails(table, args(table, 0, 0, 1, 0), E::SysWrongMapping);
        fails(
            table,
            args(table + 1, 0, 4096, 1, 0),
            E::SysFrameOffsetInvalid,
        );
    }
    fails(
        3,
        MapArgs {
            source: at(0, 2),
            ..args(0, 3, 0, 1, 0)
        },
        E::SysWrongMapping,
    );
    fails(3, args(4, 3, 8, 1, 0), E::SysFrameOffsetInvalid);
    fails(3, args(4, 3, 16384, 1, 0), E::SysFrameOffsetInvalid);
    fails(
        3,
        args(4, 3, u64::MAX - 4095, 1, 0),
        E::SysFrameOffsetInvalid,
    );
    fails(3, args(4, 3, 0, 0, 0), E::SysVmMapSize);
    fails(3, args(4, 3, 0, 5, 0), E::SysVmMapSize);
    fails(3, args(4, 3, 8192, 3, 0), E::SysVmMapSize);
    fails(3, args(4, 3, 0, 2, 511), E::SysVmMapSize);
    fails(3, args(4, 3, 0, u64::MAX, 1), E::SysVmMapSize);
    for flags in [0, 2, 4, 7, 16, 17] {
        fails(3, args(4, flags, 0, 1, 0), E::SysVmMapRights);
    }
    fails(3, args(7, 3, 0, 1, 0), E::SysVmMapRights);
    fails(3, args(5, 5, 0, 1, 0), E::SysVmMapRights);

    assert!(db.map(env, at(1, 3), args(4, 3, 0, 2, 5)).is_ok());
    for table in 0..3 {
        let dest = slot(2, 10 + table);
        assert!(
            db.map(
                env,
                at(1, table),
                MapArgs {
                    dest,
                    ..args(table + 1, 0, 0, 1, 1)
                }
            )
            .is_ok()
        );
        let dest = slot(2, 20 + table);
        let again = db.map(
            env,
            at(1, table),
            MapArgs {
                dest,
                ..args(table + 1, 0, 0, 1, 1)
            },
        );
        assert_eq!(again, Err(E::SysVnodeSlotInuse));
    }
    for first in [4, 6] {
        let again = MapArgs {
            dest: slot(2, 1),
            ..args(4, 3, 0, 2, first)
        };
        assert_eq!(db.map(env, at(1, 3), again), Err(E::SysVnodeSlotInuse));
    }
    // The whole way from the root.
    let table = PhysAddr(RAM + 3 * 4096);
    let address = VirtAddr(1 << 39 | 1 << 30 | 1 << 21 | 5 << 12);
    let root = PhysAddr(RAM);
    assert_eq!(db.reach(env, table, 3, 5), Reach::Once { root, address });
    let again = MapArgs {
        dest: slot(2, 30),
        ..args(3, 0, 0, 1, 2)
    };
    db.map(env, at(1, 2), again).unwrap();
    assert_eq!(db.reach(env, table, 3, 5), Reach::Many);
}

#[test]
fn unmap_and_modify_errors() {
    let mut world = tables();
    let World { db, env } = &mut world;
    db.map(env, at(1, 3), args(4, 3, 0, 3, 5)).unwrap();
    let table = MapArgs {
        dest: slot(2, 1),
        ..args(3, 0, 0, 1, 0)
    };
    db.map(env, at(1, 2), table).unwrap();
    db.mint(env, slot(1, 6), at(1, 3), 1, 0).unwrap();
    db.mint(env, slot(2, 2), at(2, 0), 1, 0).unwrap();

    assert_eq!(db.unmap(env, at(1, 6), at(2, 0)), Err(E::SysDestCapRights));
    assert_eq!(db.unmap(env, at(1, 4), at(2, 0)), Err(E::SysVnodeType));
    assert_eq!(db.unmap(env, at(1, 3), at(2, 9)), Err(E::SysCapNotFound));
    assert_eq!(db.unmap(env, at(1, 3), at(1, 4)), Err(E::SysWrongMapping));
    assert_eq!(db.unmap(env, at(1, 3), at(2, 1)), Err(E::SysWrongMapping));
    db.set_locked(env, at(2, 0), true);
    // refuses VNode.Unmap: CAP_LOCKED
    // refuses Mapping.Destroy: CAP_LOCKED
    assert_eq!(db.unmap(env, at(1, 3), at(2, 0)), Err(E::SysCapLocked));
    assert_eq!(db.destroy_mapping(env, at(2, 0)), Err(E::SysCapLocked));
    assert_eq!(db.destroy_mapping(env, at(1, 4)), Err(E::SysWrongMapping));
    assert_eq!(db.destroy_mapping(env, at(2, 9)), Err(E::SysCapNotFound));
    db.set_locked(env, at(2, 0), false);

    assert_eq!(db.modify(env, at(1, 4), 0, 1, 1), Err(E::SysWrongMapping));
    assert_eq!(db.modify(env, at(2, 1), 0, 1, 1), Err(E::SysWrongMapping));
    assert_eq!(db.modify(env, at(2, 9), 0, 1, 1), Err(E::SysCapNotFound));
    assert_eq!(db.modify(env, at(2, 0), 3, 1, 1), Err(E::SysVmMapOffset));
    assert_eq!(
        db.modify(env, at(2, 0), u64::MAX, 1, 1),
        Err(E::SysVmMapOffset)
    );
    assert_eq!(db.modify(env, at(2, 0), 1, 3, 1), Err(E::SysVmMapSize));
    assert_eq!(db.modify(env, at(2, 0), 0, 0, 1), Err(E::SysVmMapSize));
    assert_eq!(db.modify(env, at(2, 0), 0, 1, 7), Err(E::SysVmMapRights));
    assert_eq!(db.modify(env, at(2, 2), 0, 1, 3), Err(E::SysVmMapRights));

    // Same memory type: one announcement, after; another type: broken first. Neighbours keep theirs.
    let first = RAM + 3 * 4096 + 8 * 5;
    let untouched = env.word(first);
    env.unmapped.clear();
    db.modify(env, at(2, 0), 1, 2, 1).unwrap();
    assert_eq!(env.unmapped.len(), 1);
    assert_eq!((env.unmapped[0].first, env.unmapped[0].count), (6, 2));
    db.modify(env, at(2, 0), 1, 2, 9).unwrap();
    assert_eq!(env.unmapped.len(), 2);
    assert_eq!(env.word(first), untouched);
    assert_eq!(env.word(first + 8) & 0xffff_ffff_f000, BASE + 0x20_1000);
    assert!(db.unmap(env, at(1, 3), at(2, 2)).is_ok());
    assert!(env.cte(at(2, 0)).is_empty() && env.is_zero(first, 24));
}
