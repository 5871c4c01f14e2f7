//! A made-up system: domains with CSpaces, page tables and frames, as many capabilities as wanted.
#![allow(dead_code, reason = "each test binary uses its part")]

use capgraph::Entry;
use capviz::{Domain, Dump};
use kpi::addr::PhysAddr;
use kpi::cap::{self, Capability, Mapping, Memory, ObjType, VNode};
use kpi::invocation::CapFacts;
use kpi::rights::CapRights;

const PAGE: u64 = 4096;
const ALL: CapRights = CapRights::ALL;
/// Start of RAM.
pub const RAM: u64 = 0x4000_0000;

struct Maker {
    entries: Vec<Entry>,
    next: u64,
}

impl Maker {
    /// Memory for an object.
    fn take(&mut self, bytes: u64) -> u64 {
        let at = self.next.next_multiple_of(bytes.min(16384));
        self.next = at + bytes;
        at
    }

    fn put(&mut self, slot: u64, cap: Capability, held: bool) {
        self.entries.push(Entry {
            slot: PhysAddr(slot),
            cap,
            facts: CapFacts::new(0, 0, if held { 32 } else { 0 }),
        });
    }
}

fn memory(objtype: ObjType, base: u64, bytes: u64) -> Capability {
    let memory = Memory {
        base,
        bytes,
        pasid: 0,
    };
    Capability::new_memory(objtype, memory, ALL).unwrap()
}

fn l2(cnode: u64) -> Capability {
    let cnode = cap::L2CNode {
        cnode,
        rightsmask: ALL,
    };
    Capability::new_l2_cnode(cnode, ALL)
}

fn table(objtype: ObjType, base: u64) -> Capability {
    Capability::new_vnode(objtype, VNode { base }, ALL).unwrap()
}

fn mapping(of: &Capability, pte: u64) -> Capability {
    let mapping = Mapping {
        base: of.address(),
        pte,
        source_pages: (of.size() / PAGE) as u32,
        pte_count: 1,
    };
    Capability::new_mapping(of.objtype().mapping().unwrap(), mapping, ALL).unwrap()
}

/// At least `count` capabilities in `domains` domains; the first is init and has copies of all that the others have.
pub fn synthetic(count: usize, domains: usize) -> Dump {
    let mut maker = Maker {
        entries: Vec::new(),
        next: RAM + (1 << 20),
    };
    let mut named = Vec::new();
    let mut init_slots = Vec::new();
    let each = count / domains;
    for number in 0..domains {
        let goal = maker.entries.len() + each;
        let [root, dcb] = [maker.take(16384), maker.take(1024)];
        let mut slots = Vec::new();
        let l1 = cap::L1CNode {
            cnode: root,
            rightsmask: ALL,
            allocated_bytes: 16384,
        };
        let root_cap = Capability::new_l1_cnode(l1, ALL);
        let kinds = [
            ObjType::VNodeAarch64L0,
            ObjType::VNodeAarch64L1,
            ObjType::VNodeAarch64L2,
        ];
        let tables = kinds.map(|kind| table(kind, maker.take(PAGE)));
        let mut root_slot = 0;
        let mut put = |maker: &mut Maker, cap: Capability| {
            if slots.is_empty() {
                let cnode = maker.take(16384);
                maker.put(root + 64 * root_slot, l2(cnode), false);
                root_slot += 1;
                slots = (0..256).rev().map(|n| cnode + 64 * n).collect();
            }
            let slot = slots.pop().unwrap();
            maker.put(slot, cap, false);
        };
        let dispatcher = Capability::new_dispatcher(cap::Dispatcher { dcb }, ALL);
        for cap in [root_cap, dispatcher].into_iter().chain(tables) {
            put(&mut maker, cap);
        }
        maker.put(dcb, root_cap, true);
        maker.put(dcb + 64, tables[0], true);
        put(&mut maker, mapping(&tables[1], tables[0].address()));
        put(&mut maker, mapping(&tables[2], tables[1].address()));
        named.push(Domain {
            pid: number as u64 + 1,
            name: ["init", "hello", "shell", "memeater"][number % 4].into(),
            dispatcher: dcb,
        });
        let mut entry = 512;
        let (mut l3, mut l3s) = (tables[0], 0);
        let mut mine = Vec::new();
        while maker.entries.len() < goal {
            if entry == 512 {
                l3 = table(ObjType::VNodeAarch64L3, maker.take(PAGE));
                put(&mut maker, l3);
                put(&mut maker, mapping(&l3, tables[2].address() + 8 * l3s));
                (entry, l3s) = (0, l3s + 1);
            }
            let pages = 1 + (entry * 7 + number as u64) % 9;
            let frame = memory(ObjType::Frame, maker.take(pages * PAGE), pages * PAGE);
            put(&mut maker, frame);
            put(&mut maker, mapping(&frame, l3.address() + 8 * entry));
            mine.push(frame);
            entry += 1;
        }
        if number == 0 {
            init_slots = slots;
        } else {
            for (slot, cap) in core::iter::repeat_with(|| init_slots.pop()).zip(mine) {
                if let Some(slot) = slot {
                    maker.put(slot, cap, false);
                }
            }
        }
    }
    let end = maker.next.next_multiple_of(1 << 28);
    let first = named.first().map_or(0, |domain| domain.dispatcher);
    maker.put(first + 128, memory(ObjType::Ram, RAM, end - RAM), true);
    maker.put(0x9000, Capability::new_kernel(ALL), false);
    // As the kernel lists them.
    maker.entries.sort_by(|a, b| cap::compare(&a.cap, &b.cap));
    Dump::new(maker.entries, named)
}
