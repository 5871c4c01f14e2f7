//! What must hold whatever happened, found out the slow way.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use caps::{CheckCursor, Cte, CteRef, Flags, SharedState, Store};
use kpi::cap::{Capability, ObjType, compare, is_copy};

use super::model::entry_bytes;
use super::{HELD, HELD_BASE, L1, L2, ROOT, World, entry};

/// All entries that hold something: in CNodes that anybody has a capability for, in those of the boot, and in kernel objects.
pub fn entries(world: &World) -> BTreeMap<u64, Capability> {
    let mut places: BTreeSet<u64> = (0..HELD).map(|i| HELD_BASE + 64 * i).collect();
    places.insert(ROOT);
    let mut arrays: BTreeSet<(u64, u64)> = L2.iter().map(|base| (*base, 256)).collect();
    arrays.insert((L1, 256));
    let mut next = world.db.first(&world.env);
    while let Some(at) = next {
        let cte: &Cte = world.env.cte(at);
        let cap = cte.cap();
        let is_cnode = matches!(cap.objtype(), ObjType::L1CNode | ObjType::L2CNode);
        if is_cnode && !cte.flags().has(Flags::CREATING) {
            arrays.insert((cap.address(), cap.size() / 64));
        }
        if cap.objtype() == ObjType::Dispatcher && !cte.flags().has(Flags::CREATING) {
            arrays.insert((cap.address(), caps::DISPATCHER_ENTRIES.into()));
        }
        if cap.objtype() == ObjType::KernelControlBlock && !cte.flags().has(Flags::CREATING) {
            arrays.insert((cap.address(), 1));
        }
        next = world.db.successor(&world.env, at);
    }
    for (base, slots) in arrays {
        places.extend((0..slots).map(|i| base + 64 * i));
    }
    let filled = places
        .into_iter()
        .map(|at| (at, *world.env.cte(entry(at)).cap()));
    filled
        .filter(|(_, cap)| cap.objtype() != ObjType::Null)
        .collect()
}

fn end(cap: &Capability) -> u64 {
    cap.address() + cap.size()
}

/// Panics if something is wrong.
pub fn audit(world: &World) {
    let found = entries(world);
    // The database holds exactly these, in order.
    let mut walked: Vec<CteRef> = Vec::new();
    let mut next = world.db.first(&world.env);
    while let Some(at) = next {
        walked.push(at);
        next = world.db.successor(&world.env, at);
        assert!(walked.len() <= found.len(), "more nodes than entries");
    }
    assert_eq!(walked.len() as u64, world.db.count());
    let in_tree: BTreeSet<u64> = walked.iter().map(|at| at.address().0).collect();
    let in_slots: BTreeSet<u64> = found.keys().copied().collect();
    assert_eq!(in_tree, in_slots);
    let mut last_group_state: Option<(Capability, SharedState)> = None;
    for pair in walked.windows(2) {
        let [a, b] = pair else { continue };
        let (x, y) = (world.cap(*a), world.cap(*b));
        assert_ne!(compare(&x, &y), Ordering::Greater, "{x} before {y}");
        assert_eq!(world.db.predecessor(&world.env, *b), Some(*a));
    }
    for at in &walked {
        let cap = world.cap(*at);
        let state = world.db.state_of(&world.env, *at);
        if let Some((previous, previous_state)) = last_group_state
            && is_copy(&previous, &cap)
        {
            assert_eq!(state, previous_state);
        }
        last_group_state = Some((cap, state));
    }
    let mut cursor = CheckCursor::default();
    let mut checked = 0;
    loop {
        let report = world.db.check_invariants(&world.env, &mut cursor, 7);
        assert_eq!(report.violations, 0);
        checked += report.entries;
        if report.done {
            break;
        }
    }
    assert_eq!(checked, world.db.count());
    laminar(&found);
    page_tables(world, &found);
}

fn laminar(found: &BTreeMap<u64, Capability>) {
    let ranges: BTreeSet<(u64, u64)> = found
        .values()
        .filter(|cap| cap.objtype().has_address() && cap.size() > 0)
        .map(|cap| (cap.address(), end(cap)))
        .collect();
    for (a, a_end) in &ranges {
        for (b, b_end) in ranges.range((*a, 0)..(*a_end, 0)) {
            assert!(
                b_end <= a_end || b == a,
                "{a:#x} to {a_end:#x} is cut by {b:#x} to {b_end:#x}"
            );
        }
    }
}

/// How much an entry of the table at that address translates.
fn bytes_of_entries(found: &BTreeMap<u64, Capability>, table: u64) -> u64 {
    let is_it = |cap: &&Capability| cap.objtype().is_vnode() && cap.address() == table;
    match found.values().find(is_it).map(|cap| cap.objtype()) {
        Some(ObjType::VNodeAarch64L0) => entry_bytes(0),
        Some(ObjType::VNodeAarch64L1) => entry_bytes(1),
        Some(ObjType::VNodeAarch64L2) => entry_bytes(2),
        _ => entry_bytes(3),
    }
}

/// Valid entries are exactly those that Mappings stand for; tables and sources of Mappings exist.
fn page_tables(world: &World, found: &BTreeMap<u64, Capability>) {
    let mut covered: BTreeMap<u64, u64> = BTreeMap::new();
    let mut known = BTreeSet::new();
    for cap in found.values() {
        let Some(mapping) = cap.as_mapping() else {
            continue;
        };
        assert!(mapping.pte_count > 0);
        let table = mapping.pte & !0xfff;
        let stride = bytes_of_entries(found, table);
        let source = found.values().find(|source| {
            source.objtype().mapping() == Some(cap.objtype())
                && source.size() == u64::from(mapping.source_pages) * 4096
                && source.address() <= mapping.base
                && (source.objtype().is_vnode()
                    || mapping.base + u64::from(mapping.pte_count) * stride <= end(source))
        });
        assert!(source.is_some(), "{cap} maps what is not there");
        assert!(
            found
                .values()
                .any(|cap| cap.objtype().is_vnode() && cap.address() == table),
            "{cap} lies in no table"
        );
        if !known.insert((cap.objtype(), mapping.base, mapping.pte)) {
            continue;
        }
        for index in 0..u64::from(mapping.pte_count) {
            let twice = covered.insert(mapping.pte + 8 * index, mapping.base + stride * index);
            assert_eq!(twice, None, "an entry has two Mappings");
        }
    }
    let tables: BTreeSet<u64> = found
        .iter()
        .filter(|(at, cap)| {
            cap.objtype().is_vnode() && !world.env.cte(entry(**at)).flags().has(Flags::CREATING)
        })
        .map(|(_, cap)| cap.address())
        .collect();
    for table in tables {
        for index in 0..512 {
            let pte = table + 8 * index;
            let value = world.env.word(pte);
            let output = (value & 1 == 1).then_some(value & 0xffff_ffff_f000);
            assert_eq!(
                output,
                covered.get(&pte).copied(),
                "entry {index} of {table:#x}"
            );
        }
    }
}
