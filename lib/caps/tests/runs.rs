//! Revokes that take out many neighbours at once: after each call every largest end in the tree is exact.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod support;

use caps::{CheckCursor, Database, Step};
use errors::ErrorCode as E;
use kpi::addr::CoreId;
use kpi::cap::{Capability, Id, ObjType, VNode};
use kpi::rights::CapRights;
use proptest::prelude::*;
use support::{Env, RAM, World, at, memory};

const PAGE: u64 = 4096;
/// Pages of the revoked memory, which begins at [`RAM`] + as many pages.
const PAGES: u64 = 64;

/// What lies in the revoked memory, and beside it. Pages are counted from [`RAM`].
#[derive(Clone, Copy, Debug)]
enum What {
    /// `1 << level` pages from the n-th so large.
    Ram(u32, u64),
    Frame(u64),
    /// Ends in several steps, by itself.
    Table(u64),
    /// Behind all memory, without address.
    Token(u32),
    Locked(u64),
}

impl What {
    fn cap(self) -> Capability {
        let all = CapRights::ALL;
        match self {
            Self::Ram(level, n) => memory(ObjType::Ram, RAM + (n << level) * PAGE, PAGE << level),
            Self::Frame(page) | Self::Locked(page) => {
                memory(ObjType::Frame, RAM + page * PAGE, PAGE)
            }
            Self::Table(page) => {
                let table = VNode {
                    base: RAM + page * PAGE,
                };
                Capability::new_vnode(ObjType::VNodeAarch64L3, table, all).unwrap()
            }
            Self::Token(number) => {
                let id = Id {
                    coreid: 0,
                    core_local_id: number,
                };
                Capability::new_id(id, all)
            }
        }
    }
}

const TARGET: What = What::Ram(6, 1);

/// A database with nothing but these in it, and the place of [`TARGET`].
fn world(whats: &[What]) -> (World, u32) {
    let mut world = World {
        env: Env::new(),
        db: Database::new(CoreId(0)),
    };
    let mut target = None;
    for (index, what) in whats.iter().enumerate() {
        let place = at(index / 256, index as u32 % 256);
        let cap = what.cap();
        let World { db, env } = &mut world;
        db.insert_original(env, place, cap).unwrap();
        if matches!(what, What::Locked(_)) {
            db.set_locked(env, place, true);
        }
        if cap == TARGET.cap() {
            target.get_or_insert(index as u32);
        }
    }
    check(&world);
    (world, target.unwrap())
}

fn check(world: &World) {
    let mut cursor = CheckCursor::default();
    let report = (world.db).check_invariants(&world.env, &mut cursor, u64::MAX);
    assert_eq!((report.violations, report.done), (0, true));
}

/// Revokes all, and checks after each call.
fn revoke(world: &mut World, target: u32) -> Result<(), E> {
    loop {
        let step = world.once(&mut |db, env| db.revoke(env, at(0, target)));
        check(world);
        match step {
            Ok(Step::Again) => {}
            other => return other.map(|_| ()),
        }
    }
}

/// A table between two frames goes by itself, in the middle of their run. Nothing is rotated when these are inserted: the token 2 is
/// above frame 105, which is above token 1, and that takes the place of the table in the end.
#[test]
fn a_table_goes_in_the_middle_of_a_run() {
    let whats = [
        What::Table(100),
        What::Frame(90),
        What::Token(2),
        TARGET,
        What::Frame(105),
        What::Token(3),
        What::Token(1),
    ];
    let (mut world, target) = world(&whats);
    revoke(&mut world, target).unwrap();
    assert_eq!(world.db.count(), 4);
}

/// The locked frame is above the one that goes, and ends before it.
#[test]
fn an_error_in_the_middle_of_a_run() {
    let whats = [TARGET, What::Frame(0), What::Locked(70), What::Frame(80)];
    let (mut world, target) = world(&whats);
    assert_eq!(revoke(&mut world, target), Err(E::SysCapLocked));
    assert_eq!(world.db.count(), 3);
}

fn what() -> impl Strategy<Value = What> {
    let page = || PAGES..2 * PAGES;
    prop_oneof![
        2 => (0..5u32, page()).prop_map(|(level, n)| What::Ram(level, n >> level)),
        6 => page().prop_map(What::Frame),
        2 => page().prop_map(What::Table),
        6 => (0..200u32).prop_map(What::Token),
        1 => Just(TARGET),
        3 => (0..PAGES).prop_map(What::Frame),
        1 => (0..20u64).prop_map(|n| What::Frame(2 * PAGES + n)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn revokes_leave_every_largest_end_exact(
        whats in prop::collection::vec(what(), 20..150),
        place in any::<prop::sample::Index>(),
        locked in prop::option::weighted(0.1, PAGES..2 * PAGES),
        per_call in prop::sample::select(&[9_000u32, 4_000, 1_500][..]),
    ) {
        let mut whats = whats;
        whats.insert(place.index(whats.len()), TARGET);
        whats.extend(locked.map(What::Locked));
        let (mut world, target) = world(&whats);
        world.env.per_call = per_call;
        let result = revoke(&mut world, target);
        prop_assert!(locked.is_some() || result.is_ok());
    }
}
