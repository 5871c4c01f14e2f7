//! Every error of every operation, once.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod support;

use caps::{
    DestSlot, MapArgs, OpenRoot, Reach, RetypeArgs, Store, lookup, lookup_quickly, slot_below,
};
use errors::ErrorCode as E;
use kpi::addr::{CapAddr, CoreId, PhysAddr, VirtAddr};
use kpi::cap::{Capability, ObjType};
use kpi::rights::CapRights;
use support::{BASE, DEVICE, HELD_BASE, L1, RAM, ROOT, World, at, entry, from_ram, memory, slot};

const ALL: CapRights = CapRights::ALL;

/// What the quick lookup finds is what the careful one finds, and it leaves it every error.
#[test]
fn the_quick_lookup_agrees_with_the_careful_one() {
    let mut world = World::new();
    world
        .retype(from_ram(ObjType::L1CNode, 16384, 1, 0, slot(1, 0)))
        .unwrap();
    let World { db, env } = &mut world;
    db.mint(env, slot(1, 1), entry(ROOT), 1, 0).unwrap();
    let roots = [entry(ROOT), at(1, 1), at(1, 0), at(0, 0)];
    let (mut found, mut empty) = (0, 0);
    for root in roots {
        for addr in (0..0x900).chain([0x1_0000, 0x2_0000]) {
            for level in 0..4 {
                for rights in [CapRights::READ, ALL] {
                    let careful = lookup(env, root, CapAddr(addr), level, rights).ok();
                    let quick = lookup_quickly(env, root, u64::from(addr), level, rights);
                    if level == 1 || level == 2 {
                        assert_eq!(quick, careful, "{root:?} {addr:#x} {level} {rights:?}");
                    } else {
                        assert_eq!(quick, None);
                    }
                    found += u32::from(quick.is_some());
                    // As far as the root leads, the slots that hold nothing too.
                    let below = OpenRoot::of(env, root, rights)
                        .and_then(|_| slot_below(env, root, u64::from(addr), level, rights));
                    assert_eq!(below.filter(|at| !env.cte(*at).is_empty()), quick);
                    empty += u32::from(below.is_some() && quick.is_none());
                    let beyond = u64::from(addr) | 1 << 32;
                    assert_eq!(lookup_quickly(env, root, beyond, level, rights), None);
                }
            }
        }
    }
    assert!(found > 100 && empty > 100);
    let opened = OpenRoot::of(env, roots[0], CapRights::READ).unwrap();
    let is_root_in = [0, 1, 2].map(|n| opened.is_root_in(env, roots[n]));
    assert_eq!(is_root_in, [true, true, false]);
}

#[test]
fn lookup_errors() {
    let mut world = World::new();
    world
        .retype(from_ram(ObjType::L1CNode, 16384, 1, 0, slot(1, 0)))
        .unwrap();
    let find =
        |world: &World, addr, level, rights| lookup(&world.env, entry(ROOT), addr, level, rights);
    let first = CapAddr::new(0, 0);
    assert_eq!(find(&world, first, 0, ALL), Ok(entry(ROOT)));
    assert_eq!(
        find(&world, CapAddr::new(1, 77), 1, ALL),
        Ok(entry(L1 + 64))
    );
    assert_eq!(find(&world, first, 2, ALL), Ok(at(0, 0)));
    assert_eq!(find(&world, first, 3, ALL), Err(E::SysCapLookupDepth));
    assert_eq!(
        lookup(&world.env, at(0, 0), first, 2, ALL),
        Err(E::SysCnodeType)
    );
    assert_eq!(
        find(&world, CapAddr::new(256, 0), 2, ALL),
        Err(E::SysL1CnodeIndex)
    );
    assert_eq!(
        find(&world, CapAddr::new(3, 0), 1, ALL),
        Err(E::SysCapNotFound)
    );
    assert_eq!(
        find(&world, CapAddr::new(3, 0), 2, ALL),
        Err(E::SysCnodeNotFound)
    );
    assert_eq!(
        find(&world, CapAddr::new(2, 9), 2, ALL),
        Err(E::SysCapNotFound)
    );
    // A root, and an L2CNode, without WRITE; something else in an L1 slot.
    let World { db, env } = &mut world;
    db.mint(env, slot(1, 1), entry(ROOT), 1, 0).unwrap();
    let weak_root = at(1, 1);
    let weak = DestSlot {
        cnode: entry(ROOT),
        index: 4,
    };
    db.mint(env, weak, entry(L1), 1, 0).unwrap();
    assert_eq!(
        lookup(env, weak_root, first, 2, ALL),
        Err(E::SysCnodeRights)
    );
    assert_eq!(
        lookup(env, entry(ROOT), CapAddr::new(4, 0), 2, ALL),
        Err(E::SysCnodeRights)
    );
    assert_eq!(
        lookup(env, entry(ROOT), CapAddr::new(4, 0), 2, CapRights::READ),
        Ok(at(0, 0))
    );
    let kcb = from_ram(
        ObjType::KernelControlBlock,
        0,
        1,
        1 << 20,
        DestSlot {
            cnode: entry(ROOT),
            index: 5,
        },
    );
    world.retype(kcb).unwrap();
    assert_eq!(
        find(&world, CapAddr::new(5, 0), 2, ALL),
        Err(E::SysCnodeType)
    );
}

#[test]
fn insert_original_errors() {
    let mut world = World::new();
    let World { db, env } = &mut world;
    let place = entry(HELD_BASE);
    let frame = |base, bytes| memory(ObjType::Frame, base, bytes);
    let mut insert = |place, cap| db.insert_original(env, place, cap);
    assert_eq!(insert(at(0, 0), frame(1 << 32, 4096)), Err(E::SysSlotInUse));
    for wrong in [
        Capability::NULL,
        frame(1 << 32, 100),
        frame((1 << 32) + 8, 4096),
        frame(1 << 32, 0),
        frame(u64::MAX - 4095, 8192),
        frame(DEVICE - 4096, 8192),
        memory(ObjType::Ram, RAM - 4096, 8192),
    ] {
        assert_eq!(insert(place, wrong), Err(E::CapsInvalidArgs), "{wrong}");
    }
    assert_eq!(insert(place, frame(1 << 32, 4096)), Ok(()));
}

#[test]
fn copy_errors() {
    // refuses CNode.Copy: CNODE_TYPE, DEST_TYPE_INVALID, CNODE_RIGHTS, SLOTS_INVALID, SLOT_IN_USE
    let mut world = World::new();
    assert_eq!(world.copy(slot(1, 0), at(1, 5)), Err(E::SysCapNotFound));
    let in_ram = DestSlot {
        cnode: at(0, 0),
        index: 0,
    };
    assert_eq!(world.copy(in_ram, at(0, 1)), Err(E::SysCnodeType));
    let in_root = DestSlot {
        cnode: entry(ROOT),
        index: 9,
    };
    assert_eq!(world.copy(in_root, at(0, 1)), Err(E::SysDestTypeInvalid));
    assert!(world.copy(in_root, at(0, 6)).is_ok());
    assert_eq!(world.copy(slot(1, 256), at(0, 1)), Err(E::SysSlotsInvalid));
    assert_eq!(world.copy(slot(0, 0), at(0, 1)), Err(E::SysSlotInUse));
    let World { db, env } = &mut world;
    db.mint(env, slot(1, 0), entry(L1 + 64), 1, 0).unwrap();
    let read_only = DestSlot {
        cnode: at(1, 0),
        index: 7,
    };
    assert_eq!(db.copy(env, read_only, at(0, 1)), Err(E::SysCnodeRights));
    assert_eq!(
        db.copy_into_object(env, entry(HELD_BASE), at(1, 9)),
        Err(E::SysCapNotFound)
    );
    assert_eq!(
        db.copy_into_object(env, at(0, 0), at(0, 1)),
        Err(E::SysSlotInUse)
    );
    assert_eq!(
        db.create(env, ObjType::Ram as u8, slot(1, 1)),
        Err(E::SysTypeNotCreatable)
    );
    assert!(db.create(env, ObjType::Id as u8, slot(1, 1)).is_ok());
    assert_eq!(db.identify(env, at(1, 9)), Err(E::SysCapNotFound));
}

#[test]
fn mint_errors() {
    // refuses CNode.Mint: INVALID_EPLEN, INVALID_SOURCE_TYPE
    let mut world = World::new();
    world
        .retype(from_ram(ObjType::Dispatcher, 0, 1, 0, slot(1, 0)))
        .unwrap();
    let endpoint = RetypeArgs {
        source: at(1, 0),
        ..from_ram(ObjType::EndPointLmp, 0, 1, 0, slot(1, 1))
    };
    world.retype(endpoint).unwrap();
    let World { db, env } = &mut world;
    let shared = kpi::dispatcher::offsets::SHARED_BYTES as u64;
    let words = 21;
    let last = (512 << 10) - 16 - 8 * words;
    for (offset, length) in [
        (0, words),
        (shared - 8, words),
        (shared + 4, words),
        (shared, 1),
        (shared, 1 << 32 | words),
        (last + 8, words),
        (u64::MAX - 7, words),
    ] {
        assert_eq!(
            db.mint(env, slot(1, 2), at(1, 1), offset, length),
            Err(E::SysInvalidEplen)
        );
    }
    assert!(
        db.mint(env, slot(1, 2), at(1, 1), shared, 7 << 16 | words)
            .is_ok()
    );
    assert!(db.mint(env, slot(1, 3), at(1, 1), last, 2).is_ok());
    let minted = env.cte(at(1, 2)).cap().as_end_point_lmp().unwrap();
    assert_eq!((minted.iftype, minted.epbuflen), (7, 21));
    assert_eq!(
        db.mint(env, slot(1, 4), at(1, 2), shared, words),
        Err(E::SysInvalidSourceType)
    );
    assert_eq!(
        db.mint(env, slot(1, 4), at(1, 9), 0, 0),
        Err(E::SysCapNotFound)
    );
    assert_eq!(
        db.mint(env, slot(1, 2), at(0, 0), 0, 0),
        Err(E::SysSlotInUse)
    );
}

#[test]
fn numbers_run_out() {
    let mut world = World::new();
    let World { db, env } = &mut world;
    // Nothing of the old database is used: the slots stay in the store.
    *db = caps::Database::going_on(CoreId(0), u32::MAX - 1, u32::MAX - 2);
    // refuses CNode.Create: ID_SPACE_EXHAUSTED
    assert!(db.create(env, ObjType::Id as u8, slot(1, 0)).is_ok());
    let another = db.create(env, ObjType::Id as u8, slot(1, 1));
    assert_eq!(another, Err(E::SysIdSpaceExhausted));
    // refuses CNode.Retype: DOMAIN_SPACE_EXHAUSTED
    let domains = |count, index| RetypeArgs {
        source: at(0, 3),
        ..from_ram(ObjType::Domain, 0, count, 0, slot(1, index))
    };
    assert_eq!(
        db.retype(env, domains(3, 2)),
        Err(E::SysDomainSpaceExhausted)
    );
    assert!(env.cte(at(1, 2)).is_empty());
    assert_eq!(db.retype(env, domains(2, 2)), Ok(caps::Step::Done));
    assert_eq!(
        db.retype(env, domains(1, 4)),
        Err(E::SysDomainSpaceExhausted)
    );
}

#[test]
fn retype_errors() {
    // refuses CNode.Retype: INVALID_RETYPE, INVALID_SIZE, RETYPE_INVALID_COUNT, RETYPE_INVALID_OBJSIZE
    // refuses CNode.Retype: RETYPE_INVALID_OFFSET, RETYPE_MAPPING_EXPLICIT, REVOKE_FIRST, SLOTS_IN_USE
    use ObjType::{
        DevFrame, DeviceId, Dispatcher, Domain, EndPointLmp, Frame, FrameMapping, IrqSrc, L1CNode,
        L2CNode, Null, PhysAddr, Ram, VNodeAarch64L0,
    };
    let mut world = World::new();
    let mut fails = |args: RetypeArgs, error: E| {
        assert_eq!(world.retype(args), Err(error), "{args:?}");
        assert!(world.env.cte(at(1, 0)).is_empty());
    };
    let ram = |objtype, bytes, count, offset| from_ram(objtype, bytes, count, offset, slot(1, 0));
    let of = |index, args| RetypeArgs {
        source: at(0, index),
        ..args
    };
    fails(of(60, ram(Frame, 4096, 1, 0)), E::SysCapNotFound);
    fails(ram(Null, 4096, 1, 0), E::SysInvalidRetype);
    fails(
        RetypeArgs {
            objtype: 99,
            ..ram(Frame, 4096, 1, 0)
        },
        E::SysInvalidRetype,
    );
    fails(ram(Frame, 4096, 1, 100), E::SysRetypeInvalidOffset);
    fails(ram(Dispatcher, 0, 1, 512), E::SysRetypeInvalidOffset);
    fails(ram(Frame, 100, 1, 0), E::SysInvalidSize);
    fails(ram(Ram, 1024, 1, 0), E::SysInvalidSize);
    fails(ram(VNodeAarch64L0, 100, 1, 0), E::SysInvalidSize);
    fails(ram(L1CNode, 4096, 1, 0), E::SysInvalidSize);
    fails(ram(L2CNode, 32768, 1, 0), E::SysInvalidSize);
    fails(ram(FrameMapping, 1, 1, 0), E::SysRetypeMappingExplicit);
    fails(ram(DevFrame, 4096, 1, 0), E::SysInvalidRetype);
    fails(of(1, ram(Frame, 4096, 1, 0)), E::SysInvalidRetype);
    fails(of(10, ram(DeviceId, 0, 1, 0)), E::SysInvalidRetype);
    fails(ram(Frame, 0, 1, 0), E::SysInvalidSize);
    fails(ram(Frame, 1 << 40, 1, 0), E::SysInvalidSize);
    fails(ram(Frame, 4096, 0, 0), E::SysRetypeInvalidCount);
    fails(ram(Frame, 4096, 257, 0), E::SysRetypeInvalidCount);
    fails(ram(Frame, 1 << 20, 8, 0), E::SysRetypeInvalidCount);
    fails(ram(Frame, 1 << 20, u64::MAX, 0), E::SysRetypeInvalidCount);
    fails(of(3, ram(Domain, 0, 257, 0)), E::SysRetypeInvalidCount);
    fails(ram(Frame, 1 << 20, 7, 4096), E::SysRetypeInvalidOffset);
    fails(
        ram(Frame, 4096, 1, u64::MAX - 4095),
        E::SysRetypeInvalidOffset,
    );
    fails(of(4, ram(IrqSrc, 40, 1, 50)), E::SysRetypeInvalidOffset);
    fails(of(4, ram(IrqSrc, 40, 1, 31)), E::SysRetypeInvalidOffset);
    fails(of(4, ram(IrqSrc, 64, 1, 40)), E::SysRetypeInvalidObjsize);
    let elsewhere = |cnode, index, args| RetypeArgs {
        dest: DestSlot { cnode, index },
        ..args
    };
    fails(
        elsewhere(at(0, 0), 0, ram(Frame, 4096, 1, 0)),
        E::SysCnodeType,
    );
    fails(
        elsewhere(entry(ROOT), 20, ram(Frame, 4096, 1, 0)),
        E::SysDestTypeInvalid,
    );
    fails(
        elsewhere(entry(L1), 255, ram(Frame, 4096, 2, 0)),
        E::SysSlotsInvalid,
    );
    fails(
        elsewhere(entry(L1), u32::MAX, ram(Frame, 4096, 2, 0)),
        E::SysSlotsInvalid,
    );
    fails(
        elsewhere(entry(L1), 0, ram(Frame, 4096, 2, 0)),
        E::SysSlotsInUse,
    );

    // What needs another state of the world.
    world
        .retype(from_ram(Frame, 8192, 1, 8192, slot(2, 0)))
        .unwrap();
    for (bytes, count, offset) in [
        (4096, 1, 8192),
        (4096, 4, 4096),
        (16384, 1, 0),
        (8192, 1, 8192),
    ] {
        assert_eq!(
            world.retype(ram(Frame, bytes, count, offset)),
            Err(E::SysRevokeFirst)
        );
    }
    let World { db, env } = &mut world;
    db.mint(env, slot(2, 1), entry(L1 + 64), 1, 0).unwrap();
    let unwritable = elsewhere(at(2, 1), 0, ram(Frame, 4096, 1, 0));
    assert_eq!(db.retype(env, unwritable), Err(E::SysCnodeRights));
    db.set_locked(env, at(0, 0), true);
    assert_eq!(db.retype(env, ram(Frame, 4096, 1, 0)), Err(E::SysCapLocked));
    db.set_locked(env, at(0, 0), false);
    db.set_owner(env, at(0, 0), CoreId(3));
    // Before the local range check: the quirk of the original.
    assert_eq!(
        db.retype(env, ram(Frame, 4096, 1, 8192)),
        Err(E::SysRetryThroughMonitor)
    );
    let trusted = RetypeArgs {
        from_monitor: true,
        ..ram(PhysAddr, 4096, 1, 0)
    };
    assert_eq!(db.retype(env, trusted), Err(E::SysInvalidRetype));
    let trusted = RetypeArgs {
        from_monitor: true,
        ..ram(Frame, 4096, 1, 0)
    };
    assert!(db.retype(env, trusted).is_ok());
    db.set_owner(env, at(0, 0), CoreId(0));
    let descendants = caps::Flags::REMOTE_DESCS;
    db.set_relations(env, at(0, 0), descendants, descendants);
    assert_eq!(
        db.retype(env, ram(Frame, 4096, 1, 1 << 20)),
        Err(E::SysRetryThroughMonitor)
    );
    // An endpoint has only one of itself.
    world
        .retype(from_ram(Dispatcher, 0, 1, 1 << 21, slot(2, 5)))
        .unwrap_err();
    let World { db, env } = &mut world;
    db.set_relations(env, at(0, 0), caps::Flags::NONE, descendants);
    world
        .retype(from_ram(Dispatcher, 0, 1, 1 << 21, slot(2, 5)))
        .unwrap();
    let endpoints = RetypeArgs {
        source: at(2, 5),
        ..from_ram(EndPointLmp, 0, 2, 0, slot(2, 6))
    };
    assert_eq!(world.retype(endpoints), Err(E::SysRetypeInvalidCount));
}

#[test]
fn delete_and_revoke_errors() {
    let mut world = World::new();
    assert_eq!(world.delete(at(1, 0)), Err(E::SysCapNotFound));
    assert_eq!(world.revoke(at(1, 0)), Err(E::SysCapNotFound));
    for (n, objtype) in [
        ObjType::L1CNode,
        ObjType::L2CNode,
        ObjType::Dispatcher,
        ObjType::KernelControlBlock,
    ]
    .into_iter()
    .enumerate()
    {
        let args = from_ram(objtype, 16384, 1, (n as u64) << 18, slot(1, n as u32));
        world.retype(args).unwrap();
        assert_eq!(
            world.delete(at(1, n as u32)),
            Err(E::SysRetryThroughMonitor)
        );
        world.copy(slot(2, 0), at(1, n as u32)).unwrap();
        assert_eq!(world.delete(at(2, 0)), Ok(1));
        assert_eq!(world.revoke(at(0, 0)), Err(E::SysRetryThroughMonitor));
    }
    let World { db, env } = &mut world;
    db.set_locked(env, at(0, 1), true);
    assert_eq!(world.delete(at(0, 1)), Err(E::SysCapLocked));
    assert_eq!(world.revoke(at(0, 1)), Err(E::SysCapLocked));
    let World { db, env } = &mut world;
    db.set_locked(env, at(0, 1), false);
    let remote = caps::Flags::REMOTE_COPIES;
    db.set_relations(env, at(0, 1), remote, remote);
    assert_eq!(world.delete(at(0, 1)), Err(E::SysRetryThroughMonitor));
    assert_eq!(world.revoke(at(0, 1)), Err(E::SysRetryThroughMonitor));
    let World { db, env } = &mut world;
    db.set_owner(env, at(0, 1), CoreId(1));
    assert_eq!(world.revoke(at(0, 1)), Err(E::SysRetryThroughMonitor));
    assert_eq!(world.delete(at(0, 1)), Ok(1));
}

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
