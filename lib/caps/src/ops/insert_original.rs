//! Boot: capabilities that come from nothing.

use errors::ErrorCode;
use kpi::addr::PhysAddr;
use kpi::cap::{Capability, ObjType};

use crate::code;
use crate::cte::{CteRef, Flags};
use crate::env::Store;
use crate::facts::stores_size;
use crate::mdb::{Database, MEMORY_ROOT, Range};
use crate::objects::base_alignment;

impl Database {
    /// Puts a capability that was made from no other into the empty entry `dest`: the kernel's way to hand out the machine.
    /// Memory is not zeroed; a CNode's must be.
    ///
    /// # Errors
    /// `SYS_ERR_SLOT_IN_USE`: the entry is not empty. `CAPS_ERR_INVALID_ARGS`: the capability is Null or a Mapping; its range
    /// wraps around, is not aligned, is empty where it must not be, or cuts the edge of another capability's range.
    pub fn insert_original<S: Store>(
        &mut self,
        store: &mut S,
        dest: CteRef,
        cap: Capability,
    ) -> Result<(), ErrorCode> {
        let objtype = cap.objtype();
        if !store.cte(dest).is_empty() {
            return Err(code::SLOT_IN_USE);
        }
        if objtype == ObjType::Null || objtype.is_mapping() {
            return Err(code::INVALID_ARGS);
        }
        if objtype.type_root() == MEMORY_ROOT && objtype != ObjType::EndPointLmp {
            let (base, bytes) = (PhysAddr(cap.address()), cap.size());
            let alignment = base_alignment(objtype);
            let whole = !stores_size(objtype) || bytes % alignment == 0;
            let in_range = base.0.checked_add(bytes).is_some() && bytes > 0;
            if !base.is_aligned(alignment) || !whole || !in_range {
                return Err(code::INVALID_ARGS);
            }
            let (relation, _) = self.find_range(store, base, bytes, Range::Partial);
            if relation == Range::Partial {
                return Err(code::INVALID_ARGS);
            }
        }
        self.fill(store, dest, cap, Flags::NONE, self.local())
    }
}
