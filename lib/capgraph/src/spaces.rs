//! Where slots are: in CNodes, which form CSpaces, and in kernel objects.

use alloc::vec::Vec;

use kpi::addr::{CapAddr, PhysAddr};
use kpi::cap::{Capability, ObjType};
use kpi::layout::SLOT_BYTES;

use crate::{Entry, Graph, NodeId};

/// Slots at the start of a dispatcher.
const DISPATCHER_SLOTS: u64 = 3;

/// What a dispatcher keeps in one of its slots.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Held {
    /// The root of its CSpace.
    CSpace,
    /// Its root page table.
    VSpace,
    /// Its frame.
    Frame,
}

/// Where a capability is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// In a CSpace.
    CSpace {
        /// The root CNode (its first copy).
        root: NodeId,
        /// The address there.
        addr: CapAddr,
        /// In a slot of the root CNode itself: `addr` is for level 1.
        in_root: bool,
    },
    /// In a CNode that is in no CSpace.
    Loose {
        /// The CNode (its first copy).
        cnode: NodeId,
        /// The slot in it.
        index: u32,
    },
    /// In a dispatcher, which uses it.
    Dispatcher {
        /// The dispatcher (its first copy).
        dispatcher: NodeId,
        /// As what.
        held: Held,
    },
    /// In the kernel.
    Kernel,
}

/// Bytes of slots in an object, from its first byte on.
fn slots_bytes(cap: &Capability) -> u64 {
    match cap.objtype() {
        ObjType::L1CNode | ObjType::L2CNode => cap.size(),
        ObjType::Dispatcher => DISPATCHER_SLOTS * SLOT_BYTES,
        _ => 0,
    }
}

/// Objects with slots, ascending.
pub(crate) fn holders(entries: &[Entry], first: &[NodeId]) -> Vec<(u64, u64, NodeId)> {
    let ids = (0..).map(NodeId);
    let objects = entries.iter().zip(first).zip(ids);
    objects
        .filter(|((_, first), id)| **first == *id)
        .filter_map(|((entry, _), id)| {
            let last = slots_bytes(&entry.cap).checked_sub(1)?;
            let base = entry.cap.address();
            Some((base, base.saturating_add(last), id))
        })
        .collect()
}

impl Graph {
    /// The object that a slot lies in (its first copy) and the slot's number there. `None`: the kernel's own memory.
    #[must_use]
    pub fn holder(&self, slot: PhysAddr) -> Option<(NodeId, u32)> {
        let behind = self.holders.partition_point(|(base, _, _)| *base <= slot.0);
        let (base, last, id) = *self.holders.get(behind.checked_sub(1)?)?;
        let index = slot.0.checked_sub(base)? / SLOT_BYTES;
        (slot.0 <= last).then_some((id, u32::try_from(index).ok()?))
    }

    /// Where a capability is. More than one place only when its CNode is in several CSpaces.
    #[must_use]
    pub fn places(&self, id: NodeId) -> Vec<Place> {
        let Some((holder, index)) = self.get(id).and_then(|entry| self.holder(entry.slot)) else {
            return alloc::vec![Place::Kernel];
        };
        match self.cap(holder).map(Capability::objtype) {
            Some(ObjType::L1CNode) => alloc::vec![Place::CSpace {
                root: holder,
                addr: CapAddr::new(index, 0),
                in_root: true,
            }],
            Some(ObjType::Dispatcher) => alloc::vec![Place::Dispatcher {
                dispatcher: holder,
                held: match index {
                    0 => Held::CSpace,
                    1 => Held::VSpace,
                    _ => Held::Frame,
                },
            }],
            _ => {
                // An L2CNode has 256 slots.
                let l2 = u8::try_from(index).unwrap_or(u8::MAX);
                let places: Vec<_> = self
                    .root_slots(holder)
                    .map(|(root, l1)| Place::CSpace {
                        root,
                        addr: CapAddr::new(l1, l2),
                        in_root: false,
                    })
                    .collect();
                if places.is_empty() {
                    return alloc::vec![Place::Loose {
                        cnode: holder,
                        index,
                    }];
                }
                places
            }
        }
    }

    /// The slots of root CNodes that an L2CNode is in.
    fn root_slots(&self, cnode: NodeId) -> impl Iterator<Item = (NodeId, u32)> + use<'_> {
        self.copies(cnode).filter_map(|copy| {
            let (root, l1) = self.holder(self.get(copy)?.slot)?;
            let is_root = self.cap(root)?.objtype() == ObjType::L1CNode;
            is_root.then_some((root, l1))
        })
    }

    /// All dispatchers (first copies).
    pub fn dispatchers(&self) -> impl Iterator<Item = NodeId> + use<'_> {
        self.holders
            .iter()
            .map(|(_, _, id)| *id)
            .filter(|id| self.cap(*id).map(Capability::objtype) == Some(ObjType::Dispatcher))
    }

    /// All root CNodes (first copies).
    pub fn cspaces(&self) -> impl Iterator<Item = NodeId> + use<'_> {
        self.holders
            .iter()
            .map(|(_, _, id)| *id)
            .filter(|id| self.cap(*id).map(Capability::objtype) == Some(ObjType::L1CNode))
    }

    /// The dispatchers that use a capability or a copy of it: whose CSpace root, page table or frame it is.
    pub fn users(&self, id: NodeId) -> impl Iterator<Item = (NodeId, Held)> + use<'_> {
        self.copies(id).filter_map(|copy| {
            let (holder, index) = self.holder(self.get(copy)?.slot)?;
            let dispatcher = self.cap(holder)?.objtype() == ObjType::Dispatcher;
            let held = match index {
                0 => Held::CSpace,
                1 => Held::VSpace,
                _ => Held::Frame,
            };
            dispatcher.then_some((holder, held))
        })
    }
}
