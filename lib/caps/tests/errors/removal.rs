//! Delete and revoke.

use crate::support::{World, at, from_ram, slot};
use errors::ErrorCode as E;
use kpi::addr::CoreId;
use kpi::cap::ObjType;

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
