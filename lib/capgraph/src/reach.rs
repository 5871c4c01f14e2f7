//! What covers a physical address.

use alloc::vec::Vec;

use kpi::addr::PhysAddr;
use kpi::cap::ObjType;

use crate::{Graph, NodeId};

impl Graph {
    /// The capabilities whose range holds the byte at `address`, outermost first; first copies, without Mappings. Whoever has one of them or a
    /// copy can reach the byte, or make what can.
    #[must_use]
    pub fn covering(&self, address: PhysAddr) -> Vec<NodeId> {
        let root = ObjType::PhysAddr.type_root();
        let mut found = Vec::new();
        let mut level = self.roots();
        // Down the forest: siblings are disjoint and ascend, but for those of one range (two kinds made from it).
        loop {
            let before = level.partition_point(|id| {
                self.cap(*id).is_some_and(|cap| {
                    let own = cap.objtype().type_root();
                    own < root || own == root && cap.address() <= address.0
                })
            });
            let mut candidates = level.get(..before).unwrap_or_default().iter().rev();
            let inside = candidates.find(|id| !self.is_point(**id));
            let Some(id) = inside.copied().filter(|id| self.holds(*id, address)) else {
                return found;
            };
            found.push(id);
            level = self.children(id);
        }
    }

    /// Mappings and endpoints: places, not ranges.
    fn is_point(&self, id: NodeId) -> bool {
        self.cap(id)
            .is_none_or(|cap| cap.objtype().has_address() && cap.size() <= 1)
    }

    fn holds(&self, id: NodeId, address: PhysAddr) -> bool {
        self.cap(id)
            .is_some_and(|cap| cap.address() <= address.0 && address.0 < cap.end())
    }

    /// The Mappings (first copies) through which the byte at `address` is seen.
    #[must_use]
    pub fn mappings_over(&self, address: PhysAddr) -> Vec<NodeId> {
        let covering = self.covering(address);
        let children = covering.iter().flat_map(|id| self.children(*id));
        children
            .copied()
            .filter(|id| self.maps(*id, address) == Some(true))
            .collect()
    }

    fn maps(&self, id: NodeId, address: PhysAddr) -> Option<bool> {
        let cap = self.cap(id)?;
        let mapping = cap.as_mapping()?;
        let table = self.table(id)?;
        // A table in one of a lower level only hangs there; in one of level 3 its memory is shown.
        let hangs = matches!(
            cap.objtype(),
            ObjType::VNodeAarch64L1Mapping
                | ObjType::VNodeAarch64L2Mapping
                | ObjType::VNodeAarch64L3Mapping
        );
        if hangs && table.level < 3 {
            return Some(false);
        }
        let bytes = table.bytes();
        Some(mapping.base <= address.0 && address.0 - mapping.base < bytes)
    }
}
