//! What the operations know about object types: sizes, zeroing, making a capability.

use kpi::cap::{Capability, L1CNode, L2CNode, Memory, ObjType, VNode};
use kpi::cap::{Dispatcher, EndPointLmp, EndPointUmp, KernelControlBlock};
use kpi::layout::{BASE_PAGE_SIZE, L2CNODE_BYTES};
use kpi::rights::CapRights;

use crate::lookup::cnode_slots;

/// Entries at the start of a dispatcher's memory, for what it runs with: CSpace, VSpace, frame, and the VSpace of before or next.
pub const DISPATCHER_ENTRIES: u32 = 4;

/// Whether the memory of a new object is filled with zeroes.
#[inline]
pub(crate) const fn is_zeroed(objtype: ObjType) -> bool {
    matches!(
        objtype,
        ObjType::Frame
            | ObjType::EndPointUmp
            | ObjType::L1CNode
            | ObjType::L2CNode
            | ObjType::Dispatcher
            | ObjType::KernelControlBlock
    ) || objtype.is_vnode()
}

/// Whether the object holds capability table entries: its end is not the end of its capabilities, so the last copy is deleted only
/// by the whole-deletion protocol.
#[inline]
pub(crate) const fn holds_entries(objtype: ObjType) -> bool {
    matches!(
        objtype,
        ObjType::L1CNode | ObjType::L2CNode | ObjType::Dispatcher | ObjType::KernelControlBlock
    )
}

/// How many entries the object behind a capability holds, from its first byte on.
#[inline]
pub(crate) fn inner_entries(cap: &Capability) -> u32 {
    match cap.objtype() {
        ObjType::L1CNode | ObjType::L2CNode => u32::try_from(cnode_slots(cap)).unwrap_or(u32::MAX),
        ObjType::Dispatcher => DISPATCHER_ENTRIES,
        // Nothing is put into one yet.
        ObjType::KernelControlBlock => 1,
        _ => 0,
    }
}

/// Whether a page table can map it.
#[inline]
pub(crate) const fn is_mappable(objtype: ObjType) -> bool {
    matches!(
        objtype,
        ObjType::Frame | ObjType::DevFrame | ObjType::EndPointUmp
    )
}

/// Level of a page-table type, 0 to 3.
#[inline]
pub(crate) const fn table_level(objtype: ObjType) -> Option<u8> {
    match objtype {
        ObjType::VNodeAarch64L0 => Some(0),
        ObjType::VNodeAarch64L1 => Some(1),
        ObjType::VNodeAarch64L2 => Some(2),
        ObjType::VNodeAarch64L3 => Some(3),
        _ => None,
    }
}

/// Alignment of an object's base address.
#[inline]
pub(crate) const fn base_alignment(objtype: ObjType) -> u64 {
    match objtype {
        ObjType::Dispatcher => kpi::cap::OBJSIZE_DISPATCHER,
        _ => BASE_PAGE_SIZE,
    }
}

/// A capability for a new object of `bytes` at `base`. `None` for types that have no place in memory.
#[inline]
pub(crate) fn object(
    objtype: ObjType,
    base: u64,
    bytes: u64,
    rights: CapRights,
) -> Option<Capability> {
    let all = CapRights::ALL;
    let memory = Memory {
        base,
        bytes,
        pasid: 0,
    };
    // Most are memory.
    if let Some(cap) = Capability::new_memory(objtype, memory, rights) {
        return Some(cap);
    }
    Some(match objtype {
        ObjType::L1CNode => Capability::new_l1_cnode(
            L1CNode {
                cnode: base,
                rightsmask: all,
                allocated_bytes: bytes,
            },
            rights,
        ),
        ObjType::L2CNode => Capability::new_l2_cnode(
            L2CNode {
                cnode: base,
                rightsmask: all,
            },
            rights,
        ),
        ObjType::Dispatcher => Capability::new_dispatcher(Dispatcher { dcb: base }, rights),
        ObjType::KernelControlBlock => {
            Capability::new_kernel_control_block(KernelControlBlock { kcb: base }, rights)
        }
        ObjType::EndPointUmp => Capability::new_end_point_ump(
            EndPointUmp {
                base,
                bytes,
                pasid: 0,
                iftype: 0,
            },
            rights,
        ),
        ObjType::EndPointLmp => Capability::new_end_point_lmp(
            EndPointLmp {
                listener: base,
                epoffset: 0,
                epbuflen: 0,
                iftype: 0,
            },
            rights,
        ),
        _ => return Capability::new_vnode(objtype, VNode { base }, rights),
    })
}

const _: () = assert!(L2CNODE_BYTES == kpi::cap::OBJSIZE_L2CNODE);
