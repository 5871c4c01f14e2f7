//! The root CNode grows.

use crate::harness::{Harness, Outcome, equal, refused, that};
use alloc::vec;
use alloc::vec::Vec;
use aos::cap::objects::root_cnode_bytes;
use aos::cap::{CNodeRef, CapRef, cap_copy, cap_destroy, cap_direct_identify, root_cnode_resize};
use aos::error::ErrorCode;
use aos::kpi::cap::ObjType;
use aos::kpi::layout::{BASE_PAGE_SIZE, L2CNODE_BYTES};
use aos::ram::{cnode_create_l1, frame_alloc, mm_free, object_alloc};
use aos::slot::{slot_alloc, slot_free};

const SUITE: &str = "root";
/// L2CNodes to have: more than the first root CNode has slots.
const CNODES: u32 = 270;

/// Runs the suite.
pub fn run(harness: &mut Harness) {
    harness.test(SUITE, "resize is refused where it must be", refusals);
    harness.test(SUITE, "more CNodes than the root had slots", many);
}

fn refusals() -> Outcome {
    let before = root_cnode_bytes()?;
    let (small, frame, old) = (
        cnode_create_l1()?,
        frame_alloc(BASE_PAGE_SIZE)?,
        slot_alloc()?,
    );
    // refuses CNode.Resize: INVALID_SIZE, RESIZE_NOT_L1, CNODE_NOT_ROOT, SLOT_IN_USE, DEST_CNODE_LOOKUP
    refused(root_cnode_resize(small, old), ErrorCode::SysInvalidSize)?;
    refused(root_cnode_resize(frame, old), ErrorCode::SysResizeNotL1)?;
    refused(root_cnode_resize(old, old), ErrorCode::SysCapNotFound)?;
    let large = object_alloc(ObjType::L1CNode, 4 * L2CNODE_BYTES)?;
    refused(root_cnode_resize(large, frame), ErrorCode::SysSlotInUse)?;
    let nowhere = CNodeRef::own(200).slot(1);
    refused(
        root_cnode_resize(large, nowhere),
        ErrorCode::SysDestCnodeLookup,
    )?;
    let words = [
        u64::from(large.addr().0),
        u64::from(old.cnode.cnode.0),
        u64::from(old.slot),
    ];
    refused(
        aos::cap::invoke(small, 8, 5, &words),
        ErrorCode::SysCnodeNotRoot,
    )?;
    equal(root_cnode_bytes()?, before)?;
    mm_free(frame)?;
    slot_free(old)?;
    Ok(())
}

/// Allocates slots until CNodes lie behind the first root's end, uses one there, and gives all back.
fn many() -> Outcome {
    let before = root_cnode_bytes()?;
    let frame = frame_alloc(BASE_PAGE_SIZE)?;
    // One bit a slot: the heap is smaller than so many references.
    let mut taken: Vec<[u64; 4]> = vec![[0; 4]; CNODES as usize];
    let last = loop {
        let slot = slot_alloc()?;
        let place = taken.get_mut(slot.cnode.cnode.l1() as usize);
        let Some(word) = place.and_then(|words| words.get_mut(slot.slot as usize / 64)) else {
            break slot;
        };
        *word |= 1 << (slot.slot % 64);
    };
    that(root_cnode_bytes()? >= 2 * before, "a larger root CNode")?;
    cap_copy(last, frame)?;
    equal(cap_direct_identify(last)?, cap_direct_identify(frame)?)?;
    // The old addresses still mean the same.
    equal(
        cap_direct_identify(CapRef::OWN_ROOT)?.objtype(),
        ObjType::L1CNode,
    )?;
    equal(
        cap_direct_identify(CapRef::OWN_ROOT)?.size(),
        root_cnode_bytes()?,
    )?;
    cap_destroy(last)?;
    for (l1, words) in (0..).zip(taken) {
        for slot in 0..256u32 {
            let bits = words.get(slot as usize / 64).copied().unwrap_or(0);
            if bits >> (slot % 64) & 1 == 1 {
                slot_free(CNodeRef::own(l1).slot(slot))?;
            }
        }
    }
    mm_free(frame)?;
    Ok(())
}
