//! Objects to play with: two of each kind, in the first slots of the slot allocator.

use aos::kpi::cap::ObjType;
use aos::ram;

/// Types, and bytes where they have no fixed size.
const OBJECTS: [(ObjType, u64); 11] = [
    (ObjType::Ram, 1 << 20),
    (ObjType::Frame, 64 << 10),
    (ObjType::L1CNode, 16 << 10),
    (ObjType::L2CNode, 0),
    (ObjType::Dispatcher, 0),
    (ObjType::VNodeAarch64L0, 0),
    (ObjType::VNodeAarch64L1, 0),
    (ObjType::VNodeAarch64L2, 0),
    (ObjType::VNodeAarch64L3, 0),
    (ObjType::Frame, 512 << 10),
    (ObjType::EndPointUmp, 4096),
];

/// Makes them, if there is memory; answers how many.
pub fn build() -> usize {
    if ram::add_system_memory().is_err() {
        return 0;
    }
    OBJECTS
        .iter()
        .chain(&OBJECTS)
        .filter(|(objtype, bytes)| ram::object_alloc(*objtype, *bytes).is_ok())
        .count()
}
