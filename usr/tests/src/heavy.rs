//! What makes the kernel work most: large retypes, revokes, CNodes and roots. Each test ends by looking at the longest entry of the
//! kernel so far, which only means something under a clock that counts instructions.
//!
//! `module /sbin/tests kernel heavy` in the boot menu, on a machine with 3 GiB, of which init is to give 2304 MiB (`trusted=2304`).

use crate::dispatchers::make_receiver;
use crate::harness::{Outcome, equal, refused, that};
use crate::longest::{self, space};
use crate::tables::{hang, own_root};
use aos::cap::irq::{Trigger, irq_connect, irq_dest_alloc};
use aos::cap::kernel::statistics;
use aos::cap::vnode::{Entries, vnode_map};
use aos::cap::{
    CNodeRef, CapRef, cap_copy, cap_delete, cap_destroy, cap_direct_identify, cap_retype,
    cap_revoke, root_cnode_resize,
};
use aos::error::ErrorCode;
use aos::kpi::cap::ObjType;
use aos::kpi::layout::{BASE_PAGE_SIZE, HUGE_PAGE_SIZE, L2CNODE_BYTES, SLOT_BYTES};
use aos::kpi::rights::PageFlags;
use aos::kpi::slots::{root, task};
use aos::ram::{
    cnode_create_foreign_l2, mm_alloc, mm_alloc_aligned, mm_free, mm_usage, object_alloc,
    vnode_create,
};
use aos::slot::{slot_alloc, slot_free};
use aos::{Error, Status};

const SUITE: &str = "heavy";
/// Children of the revoke.
const CHILDREN: u64 = 100_000;
/// Slots of an L2CNode.
const SLOTS: u64 = L2CNODE_BYTES / SLOT_BYTES;
/// Slots of the root CNodes in which things are made here.
const ROOT_SLOTS: u64 = 1024;
/// Slots of the domain's own root: larger and larger.
const OWN_ROOTS: [u64; 2] = [65_536, 131_072];
/// Root slots that are filled before.
const FILLED: core::ops::Range<u32> = 1_000..4_000;
/// Root table entry that nothing else uses, and the first address below it.
const ENTRY: u16 = 5;
const AREA: usize = (ENTRY as usize) << 39;

/// Runs the suite.
pub fn run() -> Status {
    longest::run(
        SUITE,
        &[
            ("a frame of 1 GiB, and mapping it by one block", gigabyte),
            ("100,000 children are revoked", revoke),
            ("a space full of everything is deleted", full),
            ("a space full of everything is revoked", full_revoked),
            ("256 names of domains, among many", names),
            ("a root of 65,536 slots becomes larger", resize),
            ("the driver of every interrupt is deleted", driver),
        ],
    )
}

/// Memory in use, and live capabilities.
fn in_use() -> Result<(u64, u64), Error> {
    Ok((mm_usage().free, statistics()?.capabilities))
}

fn word(address: usize) -> *mut u64 {
    core::ptr::with_exposed_provenance_mut(address)
}

fn gigabyte() -> Outcome {
    let (memory, frame, mapping) = (
        mm_alloc_aligned(HUGE_PAGE_SIZE, HUGE_PAGE_SIZE)?,
        slot_alloc()?,
        slot_alloc()?,
    );
    cap_retype(frame, memory, 0, ObjType::Frame, HUGE_PAGE_SIZE, 1)?;
    equal(cap_direct_identify(frame)?.size(), HUGE_PAGE_SIZE)?;
    let table = vnode_create(1)?;
    let hung = hang(own_root(), table, ENTRY)?;
    let entries = Entries { entry: 3, count: 1 };
    let rw = PageFlags::READ_WRITE;
    // A block that begins between two multiples of its size, and one that ends behind the frame.
    for offset in [BASE_PAGE_SIZE, 2 << 20, HUGE_PAGE_SIZE] {
        let mapped = vnode_map(table, frame, rw, offset, entries, mapping);
        refused(mapped, ErrorCode::SysFrameOffsetInvalid)?;
    }
    let two = Entries { entry: 3, count: 2 };
    refused(
        vnode_map(table, frame, rw, 0, two, mapping),
        ErrorCode::SysVmMapSize,
    )?;
    vnode_map(table, frame, rw, 0, entries, mapping)?;
    let (first, bytes) = (AREA + 3 * HUGE_PAGE_SIZE as usize, HUGE_PAGE_SIZE as usize);
    for offset in [0, bytes / 2, bytes - 8] {
        let at = word(first + offset);
        // SAFETY: mapped above, readable and writable, and nobody else's.
        let seen = unsafe {
            let before = at.read_volatile();
            at.write_volatile(offset as u64 + 1);
            before
        };
        equal(seen, 0)?;
    }
    cap_delete(mapping)?;
    // The same bytes elsewhere, as pages of a table of level 3.
    let (l2, l3) = (vnode_create(2)?, vnode_create(3)?);
    let hung_too = [hang(table, l2, 0)?, hang(l2, l3, 0)?];
    let page = Entries { entry: 7, count: 1 };
    vnode_map(
        l3,
        frame,
        rw,
        HUGE_PAGE_SIZE - BASE_PAGE_SIZE,
        page,
        mapping,
    )?;
    let last = AREA + 8 * BASE_PAGE_SIZE as usize - 8;
    // SAFETY: mapped above.
    equal(unsafe { word(last).read_volatile() }, HUGE_PAGE_SIZE - 7)?;
    // With the last capability of the frame its Mappings go.
    cap_destroy(frame)?;
    refused(cap_direct_identify(mapping), ErrorCode::SysCapNotFound)?;
    for table in [l3, l2, table] {
        mm_free(table)?;
    }
    for slot in hung_too.into_iter().chain([hung, mapping]) {
        slot_free(slot)?;
    }
    mm_free(memory)?;
    Ok(())
}

/// As many children as fill 391 CNodes, all of one capability.
fn revoke() -> Outcome {
    let root = space(ROOT_SLOTS)?;
    let memory = mm_alloc(CHILDREN * BASE_PAGE_SIZE)?;
    let cnodes = mm_alloc_aligned(CHILDREN.div_ceil(SLOTS) * L2CNODE_BYTES, L2CNODE_BYTES)?;
    let before = statistics()?.capabilities;
    let (mut made, mut l1) = (0, 0);
    while made < CHILDREN {
        let count = SLOTS.min(CHILDREN - made);
        let slot = CNodeRef::root_of(root.addr()).slot(l1);
        let offset = u64::from(l1) * L2CNODE_BYTES;
        cap_retype(slot, cnodes, offset, ObjType::L2CNode, L2CNODE_BYTES, 1)?;
        let dest = CNodeRef::foreign(root.addr(), l1).slot(0);
        let from = made * BASE_PAGE_SIZE;
        cap_retype(dest, memory, from, ObjType::Ram, BASE_PAGE_SIZE, count)?;
        (made, l1) = (made + count, l1 + 1);
    }
    equal(
        statistics()?.capabilities,
        before + CHILDREN + u64::from(l1),
    )?;
    cap_revoke(memory)?;
    equal(statistics()?.capabilities, before + u64::from(l1))?;
    // What it was made of can be used again, all of it.
    let whole = slot_alloc()?;
    let bytes = CHILDREN * BASE_PAGE_SIZE;
    cap_retype(whole, memory, 0, ObjType::Ram, bytes, 1)?;
    cap_destroy(whole)?;
    cap_revoke(cnodes)?;
    equal(statistics()?.capabilities, before)?;
    for cap in [cnodes, memory, root] {
        mm_free(cap)?;
    }
    Ok(())
}

/// CNodes in CNodes, dispatchers, page tables with mappings in them, frames that are mapped, endpoints.
struct Full {
    root: CapRef,
    memory: CapRef,
}

/// Bytes from which the things in a full space are made.
const FULL_BYTES: u64 = 64 << 20;

impl Full {
    fn new() -> Result<Self, Error> {
        let memory = mm_alloc_aligned(FULL_BYTES, L2CNODE_BYTES)?;
        let mut used = 0;
        let mut make = |slot: CapRef, objtype: ObjType, bytes: u64, count: u64| {
            let from = used;
            used += (bytes * count).next_multiple_of(L2CNODE_BYTES);
            cap_retype(slot, memory, from, objtype, bytes, count)
        };
        let root = slot_alloc()?;
        make(root, ObjType::L1CNode, ROOT_SLOTS * SLOT_BYTES, 1)?;
        let at = |l1: u32, slot: u32| CNodeRef::foreign(root.addr(), l1).slot(slot);
        let l2s = CNodeRef::root_of(root.addr()).slot(0);
        make(l2s, ObjType::L2CNode, L2CNODE_BYTES, 32)?;
        let page = BASE_PAGE_SIZE;
        // One CNode full of each.
        make(at(0, 0), ObjType::Dispatcher, 1024, SLOTS)?;
        for slot in 0..SLOTS as u32 {
            cap_retype(at(1, slot), at(0, slot), 0, ObjType::EndPointLmp, 0, 1)?;
        }
        make(at(2, 0), ObjType::VNodeAarch64L3, page, SLOTS)?;
        make(at(3, 0), ObjType::L2CNode, L2CNODE_BYTES, SLOTS)?;
        for slot in 0..SLOTS as u32 {
            // Each has a copy of the next in it: cycles do not keep anything.
            let next = at(3, (slot + 1) % SLOTS as u32);
            cap_copy(at(4, slot), next)?;
        }
        // A frame that is mapped by all entries of a table, one that is mapped many times, by Mappings that lie in both spaces.
        make(at(5, 0), ObjType::Frame, 512 * page, 8)?;
        make(at(5, 8), ObjType::VNodeAarch64L3, page, 8)?;
        for frame in 0..8 {
            let (table, whole) = (
                at(5, 8 + frame),
                Entries {
                    entry: 0,
                    count: 512,
                },
            );
            let (frame, mapping) = (at(5, frame), at(5, 16 + frame));
            map(table, frame, whole, mapping)?;
        }
        make(at(6, 0), ObjType::Frame, page, 1)?;
        make(at(6, 1), ObjType::VNodeAarch64L3, page, 1)?;
        for entry in 0..254u32 {
            let one = Entries {
                entry: entry as u16,
                count: 1,
            };
            map(at(6, 1), at(6, 0), one, at(6, 2 + entry))?;
        }
        // 8,192 copies of a frame, and the root in itself.
        for l1 in 8..32 {
            for slot in 0..SLOTS as u32 {
                cap_copy(at(l1, slot), at(6, 0))?;
            }
        }
        cap_copy(at(7, 0), root)?;
        Ok(Self { root, memory })
    }
}

/// Maps by invoking copies in this CSpace, which alone can be invoked.
fn map(table: CapRef, frame: CapRef, entries: Entries, mapping: CapRef) -> Result<(), Error> {
    let own = slot_alloc()?;
    cap_copy(own, table)?;
    let result = vnode_map(own, frame, PageFlags::READ_WRITE, 0, entries, mapping);
    cap_destroy(own)?;
    result
}

fn full() -> Outcome {
    let before = in_use()?;
    let full = Full::new()?;
    // A root that holds a copy of itself in one of its CNodes: it is revoked first, and then all else goes with it.
    cap_revoke(full.root)?;
    cap_destroy(full.root)?;
    equal(statistics()?.capabilities, before.1 + 1)?;
    mm_free(full.memory)?;
    equal(in_use()?, before)
}

fn full_revoked() -> Outcome {
    let before = in_use()?;
    let full = Full::new()?;
    cap_revoke(full.memory)?;
    equal(statistics()?.capabilities, before.1 + 1)?;
    slot_free(full.root)?;
    mm_free(full.memory)?;
    equal(in_use()?, before)
}

/// What has no address is compared by its fields, which takes longer.
fn names() -> Outcome {
    const CNODES: u32 = 20;
    let root = space(ROOT_SLOTS)?;
    let manager = CapRef::task(task::PROC_MNG);
    let before = statistics()?.capabilities;
    for l1 in 0..CNODES {
        let cnode = cnode_create_foreign_l2(root, l1)?;
        for first in (0..SLOTS as u32).step_by(16) {
            cap_retype(cnode.slot(first), manager, 0, ObjType::Domain, 0, 16)?;
        }
        for slot in 0..SLOTS as u32 {
            cap_delete(cnode.slot(slot))?;
        }
        cap_retype(cnode.slot(0), manager, 0, ObjType::Domain, 0, SLOTS)?;
    }
    equal(
        statistics()?.capabilities,
        before + u64::from(CNODES) * (SLOTS + 1),
    )?;
    mm_free(root)?;
    equal(statistics()?.capabilities, before - 1)
}

fn resize() -> Outcome {
    let copied = CNodeRef::ROOT.slot(root::TASKCN);
    let before = cap_direct_identify(copied)?;
    for (step, slots) in OWN_ROOTS.into_iter().enumerate() {
        let new = object_alloc(ObjType::L1CNode, slots * SLOT_BYTES)?;
        let old = slot_alloc()?;
        root_cnode_resize(new, old)?;
        equal(
            cap_direct_identify(CapRef::OWN_ROOT)?.size(),
            slots * SLOT_BYTES,
        )?;
        // The former root is deleted with all that is left in it.
        cap_destroy(old)?;
        cap_destroy(new)?;
        if step == 0 {
            for slot in FILLED {
                cap_copy(CNodeRef::ROOT.slot(slot), copied)?;
            }
        }
    }
    for slot in FILLED {
        let slot = CNodeRef::ROOT.slot(slot);
        equal(cap_direct_identify(slot)?, before)?;
        cap_delete(slot)?;
    }
    Ok(())
}

/// First interrupt that devices share.
const FIRST_SHARED: u64 = 32;

/// One dispatcher gets all interrupts of devices that there are; it goes with all that it received.
fn driver() -> Outcome {
    let memory = mm_alloc(BASE_PAGE_SIZE)?;
    let [dispatcher, whole, endpoint, dest] =
        [slot_alloc()?, slot_alloc()?, slot_alloc()?, slot_alloc()?];
    let before = statistics()?.capabilities;
    make_receiver(memory, dispatcher, whole, endpoint)?;
    let mut vector = FIRST_SHARED;
    while irq_dest_alloc(dest, vector).is_ok() {
        irq_connect(dest, endpoint, Trigger::Edge)?;
        cap_delete(dest)?;
        vector += 1;
    }
    that(vector > 200, "a table of interrupts")?;
    let received = vector - FIRST_SHARED;
    // The dispatcher holds three.
    equal(statistics()?.capabilities, before + 6 + received)?;
    for cap in [endpoint, whole, dispatcher] {
        cap_delete(cap)?;
    }
    equal(statistics()?.capabilities, before)?;
    for slot in [dispatcher, whole, endpoint, dest] {
        slot_free(slot)?;
    }
    mm_free(memory)?;
    Ok(())
}
