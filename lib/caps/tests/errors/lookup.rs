//! Finding a capability by its name.

use super::ALL;
use crate::support::{L1, ROOT, World, at, entry, from_ram, slot};
use caps::{DestSlot, OpenRoot, Store, lookup, lookup_quickly, slot_below};
use errors::ErrorCode as E;
use kpi::addr::CapAddr;
use kpi::cap::ObjType;
use kpi::rights::CapRights;

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
