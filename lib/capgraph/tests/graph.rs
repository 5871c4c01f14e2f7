//! The graph against the obvious: every pair of capabilities compared, every way walked.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use capgraph::{Entry, Graph, Held, MAX_TEXT, NodeId, Place, Step, Walk};
use kpi::addr::PhysAddr;
use kpi::cap::{self, Capability, Mapping, Memory, ObjType, VNode, compare, is_copy};
use kpi::invocation::CapFacts;
use kpi::rights::CapRights;
use proptest::prelude::*;

const PAGE: u64 = 4096;
const ALL: CapRights = CapRights::ALL;

fn memory(objtype: ObjType, base: u64, bytes: u64) -> Capability {
    if objtype == ObjType::EndPointUmp {
        let channel = cap::EndPointUmp {
            base,
            bytes,
            pasid: 0,
            iftype: 0,
        };
        return Capability::new_end_point_ump(channel, ALL);
    }
    let memory = Memory {
        base,
        bytes,
        pasid: 0,
    };
    Capability::new_memory(objtype, memory, ALL).unwrap()
}

fn vnode(level: u8, base: u64) -> Capability {
    let objtype = [
        ObjType::VNodeAarch64L0,
        ObjType::VNodeAarch64L1,
        ObjType::VNodeAarch64L2,
        ObjType::VNodeAarch64L3,
    ][usize::from(level)];
    Capability::new_vnode(objtype, VNode { base }, ALL).unwrap()
}

fn mapping(of: &Capability, offset: u64, pte: u64, pte_count: u16) -> Capability {
    let mapping = Mapping {
        base: of.address() + offset,
        pte,
        source_pages: (of.size() / PAGE) as u32,
        pte_count,
    };
    Capability::new_mapping(of.objtype().mapping().unwrap(), mapping, ALL).unwrap()
}

fn l1(base: u64) -> Capability {
    let l1 = cap::L1CNode {
        cnode: base,
        rightsmask: ALL,
        allocated_bytes: 16384,
    };
    Capability::new_l1_cnode(l1, ALL)
}

fn l2(base: u64) -> Capability {
    let l2 = cap::L2CNode {
        cnode: base,
        rightsmask: ALL,
    };
    Capability::new_l2_cnode(l2, ALL)
}

/// Capabilities, each in the slot given.
fn graph(caps: &[(u64, Capability)]) -> Graph {
    let entries = caps.iter().map(|(slot, cap)| Entry {
        slot: PhysAddr(*slot),
        cap: *cap,
        facts: CapFacts::new(0, 0, 0),
    });
    Graph::new(entries.collect())
}

fn find(graph: &Graph, slot: u64) -> NodeId {
    graph
        .ids()
        .find(|id| graph.get(*id).unwrap().slot.0 == slot)
        .unwrap()
}

/// One of what may be made inside a range: splits it, makes objects in it, maps it.
fn fill(next: &mut dyn FnMut() -> u32, cap: Capability, depth: u32, out: &mut Vec<Capability>) {
    out.push(cap);
    if next().is_multiple_of(4) {
        out.push(cap);
    }
    let objtype = cap.objtype();
    if objtype.mapping().is_some() {
        for n in 0..next() % 3 {
            let pages = cap.size() / PAGE;
            let offset = u64::from(next()) % pages * PAGE;
            let pte = 0x7000_0000 + u64::from(next() % 4096) * 8;
            out.push(mapping(&cap, offset, pte, (n + 1) as u16));
        }
    }
    if depth == 0 || !matches!(objtype, ObjType::PhysAddr | ObjType::Ram | ObjType::Frame) {
        return;
    }
    let (mut at, end) = (cap.address(), cap.end());
    while at < end {
        let choice = next();
        let kinds: &[ObjType] = match objtype {
            ObjType::PhysAddr => &[ObjType::PhysAddr, ObjType::Ram, ObjType::DevFrame],
            ObjType::Ram => &[
                ObjType::Ram,
                ObjType::Frame,
                ObjType::VNodeAarch64L3,
                ObjType::EndPointUmp,
            ],
            _ => &[ObjType::Frame],
        };
        let kind = kinds[choice as usize % kinds.len()];
        let mut bytes = (u64::from(choice >> 8) % 8 + 1) * PAGE;
        if kind.is_vnode() {
            bytes = PAGE;
        }
        let bytes = bytes.min(end - at);
        let gap = choice & 64 != 0;
        if !gap && (kind != objtype || bytes < cap.size()) {
            let made = if kind.is_vnode() {
                vnode(3, at)
            } else {
                memory(kind, at, bytes)
            };
            fill(next, made, depth - 1, out);
        }
        at += bytes;
    }
}

/// The nearest one before it that may have made it, by trying all.
fn obvious_parent(graph: &Graph, id: NodeId) -> Option<NodeId> {
    let cap = graph.get(id).unwrap().cap;
    let mut found = None;
    for other in graph.ids().take_while(|other| other.index() < id.index()) {
        let above = graph.get(other).unwrap().cap;
        let encloses = !cap.objtype().has_address()
            || above.address() <= cap.address()
                && cap.address() < above.end()
                && cap.end() <= above.end();
        let source = cap
            .as_mapping()
            .is_none_or(|m| u64::from(m.source_pages) * PAGE == above.size());
        let kind = cap::is_well_founded(above.objtype(), cap.objtype());
        // What has no address is made by the one that can: the manager of such names.
        let is_self = above.objtype() == cap.objtype() && above.size() == cap.size();
        if encloses && source && kind && !is_self {
            found = Some(graph.first_copy(other));
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn parents_children_copies_and_ranges_are_the_obvious_ones(
        seeds in proptest::collection::vec(any::<u32>(), 0..200),
        probes in proptest::collection::vec(0_u64..64 * PAGE, 1..20),
    ) {
        let mut seeds = seeds.into_iter();
        let mut next = || seeds.next().unwrap_or(0);
        let mut caps = vec![
            Capability::new_kernel(ALL),
            Capability::new_kernel(ALL),
            Capability::new_process_manager(ALL),
        ];
        for core_local_id in 1..4 {
            let domain = cap::Domain { coreid: 0, core_local_id };
            caps.push(Capability::new_domain(domain, ALL));
        }
        let base = 0x4000_0000;
        fill(&mut next, memory(ObjType::PhysAddr, base, 64 * PAGE), 4, &mut caps);
        // In any order: the graph sorts.
        caps.reverse();
        let slots: Vec<_> = caps.iter().enumerate().map(|(n, cap)| (0x100 + 64 * n as u64, *cap)).collect();
        let graph = graph(&slots);
        prop_assert_eq!(graph.entries().len(), caps.len());
        for pair in graph.entries().windows(2) {
            prop_assert!(compare(&pair[0].cap, &pair[1].cap).is_le());
        }
        for id in graph.ids() {
            let cap = graph.get(id).unwrap().cap;
            let copies: Vec<_> = graph.ids().filter(|other| is_copy(&graph.get(*other).unwrap().cap, &cap)).collect();
            prop_assert_eq!(graph.copies(id).collect::<Vec<_>>(), copies.clone());
            prop_assert_eq!(graph.first_copy(id), copies[0]);
            prop_assert_eq!(graph.parent(id), obvious_parent(&graph, copies[0]), "{}", cap);
            let children: Vec<_> = graph
                .ids()
                .filter(|child| graph.first_copy(*child) == *child && graph.parent(*child) == Some(copies[0]))
                .collect();
            prop_assert_eq!(graph.children(id), &children[..]);
            let root = copies[0] == id && graph.parent(id).is_none();
            prop_assert_eq!(graph.roots().contains(&id), root);
            prop_assert!(graph.ancestors(id).count() < 10);
        }
        let mut walk = Walk::new();
        for id in graph.ids() {
            let step = walk.next(&graph.get(id).unwrap().cap);
            let depth = graph.ancestors(id).count() as u32;
            let first = graph.first_copy(id) == id;
            prop_assert_eq!(step, if first { Step::Node { depth } } else { Step::Copy });
        }
        for probe in probes {
            let address = PhysAddr(base + probe);
            let covers = |id: &NodeId| {
                let cap = graph.get(*id).unwrap().cap;
                graph.first_copy(*id) == *id && cap.size() > 1 && cap.address() <= address.0 && address.0 < cap.end()
            };
            let obvious: Vec<_> = graph.ids().filter(covers).collect();
            prop_assert_eq!(graph.covering(address), obvious);
        }
    }

    #[test]
    fn text_comes_back_as_it_was(words in any::<[u64; 4]>(), facts in any::<u64>()) {
        let [slot, a, b, c] = words;
        let kind = c % ObjType::COUNT as u64;
        if let Some(cap) = Capability::from_words([a, b, c & 0x1f00_ffff_ffff_ffff | kind << 48]) {
            let entry = Entry { slot: PhysAddr(slot / 64 * 64), cap, facts: CapFacts(facts) };
            let mut text = String::new();
            entry.write(&mut text).unwrap();
            prop_assert!(text.len() <= MAX_TEXT);
            let all = text.clone() + &text;
            prop_assert_eq!(Entry::read_all(&all).collect::<Vec<_>>(), [Some(entry), Some(entry)]);
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in ".{0,40}", hex in "[0-9a-f,;]{0,60}") {
        let _ = (Entry::read_all(&text).count(), Entry::read_all(&hex).count());
        prop_assert!(Entry::read("1,2,3,4,5,6,7,8,9").is_none());
    }

    #[test]
    fn any_list_is_accepted(words in proptest::collection::vec(any::<[u64; 4]>(), 0..60)) {
        let entries = words.into_iter().filter_map(|[slot, a, b, c]| {
            let kind = c % ObjType::COUNT as u64;
            Some((slot, Capability::from_words([a % 0x10_0000, b % 0x4000, c & 0xffff_ffff | kind << 48])?))
        });
        let graph = graph(&entries.collect::<Vec<_>>());
        for id in graph.ids() {
            let address = PhysAddr(graph.get(id).unwrap().cap.address());
            let _ = (graph.places(id), graph.mapped_at(id, 8), graph.covering(address), graph.mappings_over(address));
            prop_assert!(graph.ancestors(id).count() <= graph.entries().len());
        }
    }
}

/// A domain's space: root CNode with its task CNode, tables of all levels, a dispatcher that uses them.
#[test]
fn places_and_virtual_addresses() {
    let (root, task, dcb) = (0x10_0000, 0x20_0000, 0x30_0000);
    let tables = [0x50_0000, 0x51_0000, 0x52_0000, 0x53_0000];
    let frame = memory(ObjType::Frame, 0x60_0000, 4 * PAGE);
    let link = |level: usize, entry: u64| {
        mapping(
            &vnode(level as u8, tables[level]),
            0,
            tables[level - 1] + 8 * entry,
            1,
        )
    };
    let second = mapping(&vnode(3, tables[3]), 0, tables[2] + 8 * 511, 1);
    let seen = mapping(&frame, PAGE, tables[3] + 8 * 3, 2);
    let dispatcher = Capability::new_dispatcher(cap::Dispatcher { dcb }, ALL);
    let graph = graph(&[
        (root + 64 * 5, l2(task)),
        (root + 64 * 9, l2(task)),
        (task + 64 * 2, l1(root)),
        (task + 64 * 7, frame),
        (task + 64 * 8, seen),
        (task + 64 * 9, dispatcher),
        (task + 64 * 10, vnode(0, tables[0])),
        (task + 64 * 11, vnode(1, tables[1])),
        (task + 64 * 12, vnode(2, tables[2])),
        (task + 64 * 13, vnode(3, tables[3])),
        (task + 64 * 14, link(1, 2)),
        (task + 64 * 15, link(2, 1)),
        (task + 64 * 16, link(3, 0)),
        (task + 64 * 17, second),
        (dcb, l1(root)),
        (dcb + 64, vnode(0, tables[0])),
        (0x9000, Capability::new_ipi(ALL)),
    ]);
    let at = |slot| find(&graph, slot);
    let root_id = graph.first_copy(at(dcb));
    let addresses: Vec<_> = graph
        .places(at(task + 64 * 7))
        .into_iter()
        .map(|place| match place {
            Place::CSpace {
                root,
                addr,
                in_root,
            } => (root, addr.l1(), addr.l2(), in_root),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(addresses, [(root_id, 5, 7, false), (root_id, 9, 7, false)]);
    assert_eq!(graph.places(at(0x9000)), [Place::Kernel]);
    let dispatcher_id = graph.first_copy(at(task + 64 * 9));
    assert_eq!(
        graph.places(at(dcb + 64)),
        [Place::Dispatcher {
            dispatcher: dispatcher_id,
            held: Held::VSpace
        }]
    );
    assert_eq!(graph.dispatchers().collect::<Vec<_>>(), [dispatcher_id]);
    assert_eq!(graph.cspaces().collect::<Vec<_>>(), [root_id]);
    let users: Vec<_> = graph.users(root_id).collect();
    assert_eq!(users, [(dispatcher_id, Held::CSpace)]);

    let table = graph.table(at(task + 64 * 8)).unwrap();
    assert_eq!((table.level, table.entry, table.count), (3, 3, 2));
    assert_eq!(table.bytes(), 2 * PAGE);
    let mut mapped: Vec<_> = graph
        .mapped_at(at(task + 64 * 8), 10)
        .iter()
        .map(|mapped| mapped.address)
        .collect();
    mapped.sort_unstable();
    let base = 2 << 39 | 1 << 30;
    assert_eq!(mapped, [base | 3 << 12, base | 511 << 21 | 3 << 12]);
    assert_eq!(graph.mapped_at(at(task + 64 * 8), 1).len(), 1);
    // Bytes 1 and 2 of the frame's pages are mapped, 0 and 3 are not.
    let over = |offset| graph.mappings_over(PhysAddr(0x60_0000 + offset)).len();
    assert_eq!(
        [over(0), over(PAGE), over(3 * PAGE - 1), over(3 * PAGE)],
        [0, 1, 1, 0]
    );
}

/// A fan of many and many copies: no question takes quadratic time.
#[test]
fn large_lists_are_quick() {
    let mut caps = vec![(64, memory(ObjType::Ram, 0, 1 << 40))];
    for n in 0..200_000 {
        caps.push((128 + 64 * n, memory(ObjType::Frame, n * PAGE, PAGE)));
    }
    let graph = graph(&caps);
    let root = graph.id(0).unwrap();
    assert_eq!(graph.children(root).len(), 200_000);
    for n in 0..200_000 {
        let covering = graph.covering(PhysAddr(n * PAGE + 5));
        assert_eq!(covering.len(), 2);
    }
}
