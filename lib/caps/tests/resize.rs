//! Resize of a root CNode: whoever looks sees the old CSpace or the new one, whatever happens between two calls.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod support;

use caps::{Database, DestSlot, ResizeArgs, Step, Store, lookup};
use errors::ErrorCode as E;
use kpi::addr::CapAddr;
use kpi::cap::{Capability, ObjType};
use kpi::rights::CapRights;
use proptest::prelude::*;
use support::audit::audit;
use support::{Env, HELD_BASE, L1, ROOT, World, at, entry, from_ram, slot};

/// Bytes of the new root.
const NEW_BYTES: u64 = 64 << 10;
/// Slots of the old one.
const SLOTS: u32 = 256;

/// A world with a dispatcher's root in the first held entry, copies of an L2CNode all over the root, and a new root in slot (1, 0).
fn world(filled: u32) -> World {
    let mut world = World::new();
    let World { db, env } = &mut world;
    db.copy_into_object(env, entry(HELD_BASE), entry(ROOT))
        .unwrap();
    for index in 3..filled {
        let dest = in_root(entry(ROOT), index);
        db.copy(env, dest, entry(L1)).unwrap();
    }
    let new = from_ram(ObjType::L1CNode, NEW_BYTES, 1, 0, slot(1, 0));
    world.retype(new).unwrap();
    world
}

fn in_root(root: caps::CteRef, index: u32) -> DestSlot {
    DestSlot { cnode: root, index }
}

/// Slot (0, 9) holds the root as slot ROOTCN of a task CNode would.
fn args() -> ResizeArgs {
    ResizeArgs {
        root: at(0, 9),
        new: at(1, 0),
        returned: slot(1, 1),
        holder: entry(HELD_BASE),
    }
}

/// What the dispatcher finds at each address of level 1, and in one CNode.
fn view(env: &Env) -> Vec<Result<Capability, E>> {
    let look = |addr, level| {
        lookup(env, entry(HELD_BASE), addr, level, CapRights::READ).map(|at| *env.cte(at).cap())
    };
    let roots = (0..SLOTS).map(|index| look(CapAddr::new(index, 0), 1));
    let inner = (0..40).map(|index| look(CapAddr::new(0, index), 2));
    roots.chain(inner).collect()
}

#[test]
fn the_new_root_takes_the_place_of_the_old_one() {
    // ROOTCN of a task CNode is slot 2 of the CNode in root slot 0: there, the Kernel capability makes place for the root.
    let mut world = world(200);
    let World { db, env } = &mut world;
    let old = *env.cte(entry(ROOT)).cap();
    let new = *env.cte(at(1, 0)).cap();
    let _done = db.delete(env, at(0, 2)).unwrap();
    db.copy(env, slot(0, 2), entry(ROOT)).unwrap();
    let request = ResizeArgs {
        root: at(0, 2),
        ..args()
    };
    let calls = world
        .repeat(|db: &mut Database, env| db.resize(env, request))
        .unwrap();
    assert!(calls > 5, "200 copies in {calls} calls");
    assert_eq!(world.cap(entry(HELD_BASE)), new);
    assert_eq!(world.cap(at(0, 2)), new);
    assert_eq!(world.cap(at(1, 1)), old);
    // Other copies of the old root stay what they are.
    assert_eq!(world.cap(at(0, 9)), old);
    for index in 0..200 {
        let (from, to) = (entry(L1 + 64 * index), new.address() + 64 * index);
        assert_eq!(world.cap(from), world.cap(entry(to)));
    }
    support::audit::audit(&world);
    // The old one can go; what lies in it lives on in the new one.
    world.env.lost.clear();
    let World { db, env } = &mut world;
    let _done = db.delete(env, at(0, 9)).unwrap();
    let _done = db.delete(env, entry(ROOT)).unwrap();
    world.delete_whole(at(1, 1)).unwrap();
    assert!(world.env.lost.is_empty());
    let found = lookup(
        &world.env,
        entry(HELD_BASE),
        CapAddr::new(0, 0),
        2,
        CapRights::READ,
    );
    assert_eq!(found, Ok(at(0, 0)));
    // And there is room behind the old end.
    world
        .copy(in_root(entry(HELD_BASE), 1000), entry(new.address()))
        .unwrap();
}

#[test]
fn refusals() {
    let mut world = world(10);
    world
        .retype(from_ram(ObjType::L1CNode, 16384, 1, 1 << 20, slot(1, 5)))
        .unwrap();
    let World { db, env } = &mut world;
    let mut refuses = |args: ResizeArgs, error| {
        let before = view(env);
        assert_eq!(db.resize(env, args), Err(error));
        assert_eq!(view(env), before);
    };
    let of = |root| ResizeArgs { root, ..args() };
    let to = |new| ResizeArgs { new, ..args() };
    let into = |returned| ResizeArgs { returned, ..args() };
    // refuses CNode.Resize: CNODE_NOT_ROOT, RESIZE_NOT_L1, CNODE_RIGHTS, INVALID_SIZE
    refuses(of(at(1, 0)), E::SysCnodeNotRoot);
    refuses(of(entry(L1)), E::SysCnodeNotRoot);
    refuses(of(at(2, 30)), E::SysCapNotFound);
    refuses(to(at(2, 30)), E::SysCapNotFound);
    refuses(to(at(0, 0)), E::SysResizeNotL1);
    refuses(to(at(1, 5)), E::SysInvalidSize);
    refuses(to(entry(ROOT)), E::SysInvalidSize);
    // refuses CNode.Resize: CNODE_TYPE, DEST_TYPE_INVALID, SLOTS_INVALID, SLOT_IN_USE
    refuses(into(slot(0, 0)), E::SysSlotInUse);
    refuses(into(slot(1, 256)), E::SysSlotsInvalid);
    refuses(into(in_root(entry(ROOT), 99)), E::SysDestTypeInvalid);
    refuses(into(in_root(at(0, 0), 0)), E::SysCnodeType);
    db.mint(env, slot(2, 0), entry(ROOT), 1, 0).unwrap();
    db.mint(env, slot(2, 1), at(1, 0), 0xf, 0).unwrap();
    assert_eq!(db.resize(env, of(at(2, 0))), Err(E::SysCnodeRights));
    assert_eq!(db.resize(env, to(at(2, 1))), Err(E::SysCnodeRights));
    // refuses CNode.Resize: CAP_LOCKED, SLOTS_IN_USE
    db.set_locked(env, at(1, 0), true);
    assert_eq!(db.resize(env, args()), Err(E::SysCapLocked));
    db.set_locked(env, at(1, 0), false);
    let new = env.cte(at(1, 0)).cap().address();
    db.copy(env, in_root(at(1, 0), 5), entry(L1 + 64)).unwrap();
    let result = loop {
        match db.resize(env, args()) {
            Ok(Step::Again) => {}
            other => break other,
        }
    };
    assert_eq!(result, Err(E::SysSlotsInUse));
    let _done = db.delete(env, entry(new + 64 * 5)).unwrap();
    world
        .repeat(|db: &mut Database, env| db.resize(env, args()))
        .unwrap();
}

/// What others do between two calls.
#[derive(Clone, Copy, Debug)]
enum Between {
    Nothing,
    /// Copy an L2CNode into a root slot.
    Put(u32),
    /// Empty a root slot.
    Take(u32),
    /// Something that has nothing to do with it.
    Elsewhere,
    /// Somebody else resizes too.
    Rival,
    /// The new root goes.
    Revoke,
}

#[test]
fn what_is_half_made_in_the_old_root_is_waited_for() {
    let mut world = world(10);
    let half = in_root(entry(ROOT), 20);
    let half = from_ram(ObjType::KernelControlBlock, 0, 1, 2 << 20, half);
    let World { db, env } = &mut world;
    assert_eq!(db.retype(env, half), Ok(Step::Again));
    let refused = world.repeat(|db, env| db.resize(env, args()));
    assert_eq!(refused, Err(E::SysCapLocked));
    world.retype(half).unwrap();
    world.repeat(|db, env| db.resize(env, args())).unwrap();
    audit(&world);
}

fn between() -> impl Strategy<Value = Between> {
    prop_oneof![
        6 => Just(Between::Nothing),
        2 => (3..SLOTS).prop_map(Between::Put),
        1 => (3..SLOTS).prop_map(Between::Take),
        1 => Just(Between::Elsewhere),
        1 => Just(Between::Rival),
        1 => Just(Between::Revoke),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn old_or_new_never_half(filled in 3..SLOTS, acts in prop::collection::vec(between(), 0..60)) {
        let mut world = world(filled);
        // A second dispatcher with the same root, and a new root for it.
        {
            let World { db, env } = &mut world;
            db.copy_into_object(env, entry(HELD_BASE + 64), entry(ROOT)).unwrap();
        }
        world.retype(from_ram(ObjType::L1CNode, NEW_BYTES, 1, 1 << 20, slot(1, 3))).unwrap();
        let rival = ResizeArgs {
            root: at(0, 9),
            new: at(1, 3),
            returned: slot(1, 4),
            holder: entry(HELD_BASE + 64),
        };
        let mut acts = acts.into_iter();
        let mut rival_done = false;
        let old = world.cap(entry(ROOT));
        let outcome = loop {
            let before = view(&world.env);
            let step = world.db.resize(&mut world.env, args());
            match step {
                Ok(Step::Again) => assert_eq!(view(&world.env), before),
                Ok(Step::Done) => {
                    // Everything is there; slots of ROOTCN apart nothing changed.
                    for (a, b) in view(&world.env).iter().zip(&before) {
                        let same = a == b || b.as_ref().is_ok_and(|cap| *cap == old);
                        prop_assert!(same, "{a:?} was {b:?}");
                    }
                    break Ok(());
                }
                Err(error) => {
                    prop_assert_eq!(view(&world.env), before);
                    break Err(error);
                }
            }
            let World { db, env } = &mut world;
            match acts.next().unwrap_or(Between::Nothing) {
                Between::Nothing => {}
                Between::Put(index) => {
                    let _ = db.copy(env, in_root(entry(ROOT), index), entry(L1 + 64));
                }
                Between::Take(index) => {
                    if lookup(env, entry(ROOT), CapAddr::new(index, 0), 1, CapRights::READ).is_ok() {
                        let _ = db.delete(env, entry(L1 + 64 * u64::from(index)));
                    }
                }
                Between::Elsewhere => {
                    let _ = db.copy(env, slot(2, 20), at(0, 5));
                    let _ = db.delete(env, at(2, 20));
                }
                Between::Rival => {
                    if !rival_done {
                        rival_done = matches!(db.resize(env, rival), Ok(Step::Done));
                    }
                }
                Between::Revoke => {
                    world.delete_whole(at(1, 0)).unwrap();
                    prop_assert_eq!(world.db.resize(&mut world.env, args()), Err(E::SysCapNotFound));
                }
            }
        };
        support::audit::audit(&world);
        match outcome {
            Ok(()) => {
                let new = world.cap(entry(HELD_BASE));
                prop_assert_eq!(new.size(), NEW_BYTES);
                for index in 0..u64::from(SLOTS) {
                    let copied = world.cap(entry(new.address() + 64 * index));
                    prop_assert_eq!(world.cap(entry(L1 + 64 * index)), copied);
                }
            }
            // A slot of the old root was emptied when its copy was made, or the new root went.
            Err(error) => prop_assert!(
                matches!(error, E::SysSlotsInUse | E::SysCapNotFound),
                "{:?}",
                error
            ),
        }
    }
}
