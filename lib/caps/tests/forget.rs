//! Taking away what other cores have a part in.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod support;

use caps::{Flags, Step};
use errors::ErrorCode as E;
use kpi::cap::ObjType;
use support::audit::audit;
use support::{World, at, from_ram, slot};

/// The monitors' books would be wrong: somebody else still has a copy.
#[test]
fn a_capability_that_cannot_be_forgotten_keeps_its_relatives() {
    let mut world = World::new();
    let cnode = from_ram(ObjType::L2CNode, 16384, 1, 0, slot(1, 0));
    world.retype(cnode).unwrap();
    let frame = from_ram(ObjType::Frame, 4096, 1, 16384, slot(1, 1));
    world.retype(frame).unwrap();
    let World { db, env } = &mut world;
    for (place, locked, code) in [
        (at(1, 0), false, E::SysRetryThroughMonitor),
        (at(1, 0), true, E::SysCapLocked),
        (at(1, 1), true, E::SysCapLocked),
    ] {
        db.set_relations(env, place, Flags::REMOTE, Flags::REMOTE);
        db.set_locked(env, place, locked);
        let before = db.state_of(env, place);
        assert_eq!(db.nullify(env, place), Err(code));
        assert_eq!(db.state_of(env, place), before);
        db.set_locked(env, place, false);
    }
    assert_eq!(db.nullify(env, at(1, 1)), Ok(Step::Done));
    audit(&world);
}
