//! Copies, minted capabilities, and what is made out of others.

use crate::support::{DEVICE, HELD_BASE, L1, RAM, ROOT, World, at, entry, from_ram, memory, slot};
use caps::{DestSlot, RetypeArgs, Store};
use errors::ErrorCode as E;
use kpi::addr::CoreId;
use kpi::cap::{Capability, ObjType};

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
