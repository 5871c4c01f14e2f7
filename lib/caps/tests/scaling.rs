//! Cost does not grow faster than the logarithm of the number of capabilities.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod support;

use caps::{CheckCursor, DestSlot, RetypeArgs, Step, Store};
use kpi::cap::{Capability, L2CNode, ObjType};
use kpi::rights::CapRights;
use support::{BASE, RAM, World, entry, memory};

/// Entries of the L2CNodes made here.
const CNODES: u64 = BASE + 0x2_0000;
/// Their slots.
const SLOTS: u64 = RAM;

/// A world with `count` capabilities of device memory, 8 KiB apart, in a shuffled order, and a CNode with free slots.
fn filled(count: u64) -> (World, Vec<u64>) {
    let mut world = World::bare();
    let cnodes = count.div_ceil(256) + 2;
    for n in 0..cnodes {
        let cnode = L2CNode {
            cnode: SLOTS + 16384 * n,
            rightsmask: CapRights::ALL,
        };
        let cap = Capability::new_l2_cnode(cnode, CapRights::ALL);
        world
            .db
            .insert_original(&mut world.env, entry(CNODES + 64 * n), cap)
            .unwrap();
    }
    let mut places = Vec::new();
    for n in 0..count {
        // Odd multiplier: every number below a power of two once.
        let shuffled = n.wrapping_mul(0x9e37_79b1) & (count.next_power_of_two() - 1);
        let base = 0x10_0000_0000 + shuffled * 8192;
        let place = SLOTS + 64 * n;
        let cap = memory(ObjType::PhysAddr, base, 8192);
        world
            .db
            .insert_original(&mut world.env, entry(place), cap)
            .unwrap();
        places.push(place);
    }
    (world, places)
}

/// Entries visited per operation: copy, delete of a copy, retype of one page, delete of it.
fn visits(count: u64) -> [u64; 4] {
    let (mut world, places) = filled(count);
    let mut cursor = CheckCursor::default();
    let report = world.db.check_invariants(&world.env, &mut cursor, u64::MAX);
    assert!(report.done && report.violations == 0);
    let free = DestSlot {
        cnode: entry(CNODES + 64 * (count.div_ceil(256) + 1)),
        index: 0,
    };
    let slot = world.env.slot(
        kpi::addr::PhysAddr(SLOTS + 16384 * (count.div_ceil(256) + 1)),
        0,
    );
    let mut total = [0; 4];
    let rounds = 100;
    for round in 0..rounds {
        let source = entry(places[(round * 7919) as usize % places.len()]);
        let measure = |world: &mut World, kind: usize, total: &mut [u64; 4]| {
            total[kind] += world.env.visits.replace(0);
        };
        world.env.visits.set(0);
        world.copy(free, source).unwrap();
        measure(&mut world, 0, &mut total);
        assert_eq!(world.db.delete(&mut world.env, slot), Ok(Step::Done));
        measure(&mut world, 1, &mut total);
        let args = RetypeArgs {
            source,
            objtype: ObjType::DevFrame as u8,
            bytes: 4096,
            count: 1,
            offset: 4096,
            dest: free,
            from_monitor: false,
        };
        assert_eq!(world.db.retype(&mut world.env, args), Ok(Step::Done));
        measure(&mut world, 2, &mut total);
        assert_eq!(world.db.delete(&mut world.env, slot), Ok(Step::Done));
        measure(&mut world, 3, &mut total);
    }
    total.map(|sum| sum / rounds)
}

#[test]
fn a_thousand_times_more_capabilities_cost_at_most_two_and_a_half_times_more() {
    let (few, many) = (visits(100), visits(100_000));
    println!("copy, delete, retype, delete: {few:?} entries visited at 10^2, {many:?} at 10^5");
    for (few, many) in few.into_iter().zip(many) {
        assert!(many * 2 <= few * 5, "{few} at 10^2, {many} at 10^5");
    }
}

#[test]
fn the_tree_stays_balanced_when_everything_goes_in_order() {
    let (mut world, mut places) = filled(5000);
    places.sort_unstable();
    for (n, place) in places.iter().enumerate() {
        assert_eq!(
            world.db.delete(&mut world.env, entry(*place)),
            Ok(Step::Done)
        );
        if n % 500 == 0 {
            let report =
                world
                    .db
                    .check_invariants(&world.env, &mut CheckCursor::default(), u64::MAX);
            assert_eq!(report.violations, 0);
        }
    }
}
