//! Entries by their address: found when they are live, whatever else is alleged is refused without a look at the memory.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod support;

use caps::{Flags, Step, Store};
use kpi::addr::PhysAddr;
use kpi::cap::ObjType;
use std::collections::BTreeSet;
use support::{BASE, BYTES, DEVICE, HELD_BASE, L1, L2, RAM, World, at, from_ram, slot};

/// Every slot address that the database itself would give.
fn walk(world: &World) -> BTreeSet<u64> {
    let mut all = BTreeSet::new();
    let mut next = world.db.first(&world.env);
    while let Some(at) = next {
        assert!(all.insert(at.address().0));
        next = world.db.successor(&world.env, at);
    }
    assert_eq!(all.len() as u64, world.db.count());
    all
}

#[test]
fn exactly_the_live_entries_of_objects_are_found() {
    let mut world = World::new();
    let retype = |world: &mut World, objtype, bytes, count, offset, index| {
        world
            .retype(from_ram(objtype, bytes, count, offset, slot(1, index)))
            .unwrap();
    };
    retype(&mut world, ObjType::L2CNode, 16384, 2, 0, 0);
    retype(&mut world, ObjType::Dispatcher, 1024, 2, 0x8000, 2);
    retype(&mut world, ObjType::Frame, 4096, 1, 0xa000, 4);
    // Frames full of what may look like entries; endpoints at the very address of a dispatcher's first slot.
    world.env.scribble(RAM + 0xa000, 4096);
    let dispatcher = at(1, 2);
    let endpoint = caps::RetypeArgs {
        source: dispatcher,
        objtype: ObjType::EndPointLmp as u8,
        bytes: 0,
        count: 1,
        offset: 0,
        dest: slot(1, 5),
        from_monitor: false,
    };
    world.retype(endpoint).unwrap();
    // A dispatcher holds its CSpace, and a CNode lies in a CNode.
    world
        .db
        .copy_into_object(
            &mut world.env,
            support::entry(RAM + 0x8000),
            support::entry(BASE),
        )
        .unwrap();
    world.copy(slot(2, 7), at(1, 4)).unwrap();
    let live = walk(&world);
    let mut found = BTreeSet::new();
    for address in (BASE..BASE + BYTES).step_by(64) {
        if let Some(at) = world.db.entry_at(&world.env, PhysAddr(address)) {
            assert_eq!(at.address().0, address);
            found.insert(address);
        }
    }
    // The tests' own entries outside of objects are for their owner to know.
    let outside: BTreeSet<u64> = [BASE, HELD_BASE].into();
    let inside: BTreeSet<u64> = live.difference(&outside).copied().collect();
    assert_eq!(found, inside);
    assert!(found.contains(&(RAM + 0x8000)) && !found.contains(&BASE));
    let own = world.db.live_entry(&world.env, support::entry(BASE));
    assert_eq!(own, Some(support::entry(BASE)));
    let empty = world
        .db
        .live_entry(&world.env, support::entry(HELD_BASE + 64));
    assert_eq!(empty, None);
}

/// The kernel then answers CAP_NOT_FOUND; init's `walktest` sees it in the guest.
#[test]
fn what_is_no_slot_is_refused() {
    let world = World::new();
    for address in [
        0,
        1,
        L1 + 1,
        L1 + 32,
        L2[0] + 63,
        L2[0] + 64 * 200,
        RAM,
        DEVICE,
        1 << 40,
        1 << 48,
        1 << 63,
        u64::MAX,
        u64::MAX - 63,
    ] {
        let found = world.db.entry_at(&world.env, PhysAddr(address));
        assert_eq!(found, None, "{address:#x}");
    }
}

#[test]
fn the_memory_of_a_half_made_cnode_is_not_looked_at() {
    let mut world = World::new();
    world.env.scribble(RAM, 16 * 16384);
    let args = from_ram(ObjType::L2CNode, 16384, 16, 0, slot(1, 0));
    // It takes several steps; between them the last CNodes are still full of rubbish.
    let mut half_made = 0;
    while world.db.retype(&mut world.env, args) == Ok(Step::Again) {
        for address in (RAM..RAM + 16 * 16384).step_by(64) {
            assert_eq!(world.db.entry_at(&world.env, PhysAddr(address)), None);
        }
        let first = world.db.entry_at(&world.env, at(1, 0).address());
        half_made += u32::from(first.is_some_and(|at| {
            let entry = world.env.cte(at);
            entry.flags().has(Flags::CREATING)
        }));
    }
    assert!(half_made > 1, "{half_made} steps");
}

#[test]
fn an_endpoint_without_its_dispatcher_leads_nowhere() {
    let mut world = World::new();
    let made = from_ram(ObjType::Dispatcher, 1024, 1, 0, slot(1, 0));
    world.retype(made).unwrap();
    let endpoint = caps::RetypeArgs {
        source: at(1, 0),
        objtype: ObjType::EndPointLmp as u8,
        bytes: 0,
        count: 1,
        offset: 0,
        dest: slot(1, 1),
        from_monitor: false,
    };
    world.retype(endpoint).unwrap();
    world.delete_whole(at(1, 0)).unwrap();
    assert_eq!(world.db.entry_at(&world.env, PhysAddr(RAM)), None);
    assert!(world.db.entry_at(&world.env, at(1, 1).address()).is_some());
}
