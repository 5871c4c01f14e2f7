//! What monitors do when a capability comes from another core: make it here, or copy one that is here already (Barrelfish
//! `caps_create_from_existing`, `caps_copy_existing`).
//!
//! The monitor is trusted to say what memory other cores gave up; but nothing that it says can make the kernel use memory as an
//! object of its own that is not one. (Upstream refuses only its own Dispatchers, endpoints and tables of interrupts here.)

use errors::ErrorCode;
use kpi::addr::{CoreId, PhysAddr};
use kpi::cap::{Capability, ObjType};

use super::copy::usable;
use crate::code;
use crate::cte::{CteRef, Flags, SharedState};
use crate::env::{Env, Store};
use crate::facts::size;
use crate::lookup::{DestSlot, empty_slot};
use crate::mdb::{Database, MEMORY_ROOT, Range, first_word, is_copy};
use crate::objects::{base_alignment, is_mappable};

impl Database {
    /// Makes a capability of `owner` in an empty slot; returns the slot. If there is a copy on this core, it shares that one's state.
    ///
    /// # Errors
    /// `SYS_ERR_ILLEGAL_DEST_TYPE`: Null, a Mapping, an object of the kernel's (CNode, Dispatcher, endpoint, page table,
    /// KernelControlBlock), or this core's Kernel or IRQTable. As for the destination of [`Self::copy`]. `CAPS_ERR_INVALID_ARGS`: the range
    /// is not aligned, empty or wraps around; it cuts through another; RAM is not in RAM; something encloses it that it cannot have been
    /// made from, or lies in it that cannot have been made from it.
    pub fn create_raw<E: Env>(
        &mut self,
        env: &mut E,
        dest: DestSlot,
        cap: Capability,
        owner: CoreId,
    ) -> Result<CteRef, ErrorCode> {
        let objtype = cap.objtype();
        let own = owner == self.core();
        let is_memory = objtype.type_root() == MEMORY_ROOT;
        let refused = match objtype {
            ObjType::Null => true,
            ObjType::Kernel | ObjType::IrqTable => own,
            _ => is_memory && !is_for_users(objtype),
        };
        if refused {
            return Err(code::ILLEGAL_DEST_TYPE);
        }
        let slot = empty_slot(env, dest, objtype)?;
        if is_memory && self.find_equal(env, &cap).is_none() {
            self.check_place(env, &cap)?;
        }
        let flags = match (own, is_memory) {
            (false, _) => Flags::REMOTE_COPIES,
            (true, true) => Flags::REMOTE_ANCS,
            (true, false) => Flags::NONE,
        };
        self.fill(env, slot, cap, Flags::NONE, SharedState { owner, flags })?;
        Ok(slot)
    }

    /// Whether memory of that kind can be where `cap` says, beside what is there.
    fn check_place<E: Env>(&self, env: &E, cap: &Capability) -> Result<(), ErrorCode> {
        let (base, bytes) = (PhysAddr(first_word(cap)), size(cap));
        let alignment = base_alignment(cap.objtype());
        let whole = bytes > 0 && bytes.is_multiple_of(alignment) && base.is_aligned(alignment);
        let in_range = base.0.checked_add(bytes).is_some();
        let is_source = |objtype| matches!(objtype, ObjType::PhysAddr | ObjType::Ram);
        let objtype = cap.objtype();
        if !whole || !in_range || (objtype == ObjType::Ram && !env.is_ram(base, bytes)) {
            return Err(code::INVALID_ARGS);
        }
        let fits = match self.find_range(env, base, bytes, Range::Partial) {
            (Range::NotFound, _) => true,
            (Range::Surrounding, Some(at)) => {
                let around = env.cte(at).cap.objtype();
                let ram_in_ram = around != ObjType::Ram || objtype != ObjType::PhysAddr;
                (is_source(around) && ram_in_ram) || around == objtype
            }
            (Range::Inner, _) => is_source(objtype),
            _ => false,
        };
        if fits {
            Ok(())
        } else {
            Err(code::INVALID_ARGS)
        }
    }

    /// Copies a capability of this core that equals `cap` into an empty slot; returns the slot.
    ///
    /// # Errors
    /// As for the destination of [`Self::copy`]. `SYS_ERR_CAP_NOT_FOUND`: there is none, or it is half made or half deleted.
    pub fn copy_existing<S: Store>(
        &mut self,
        store: &mut S,
        dest: DestSlot,
        cap: &Capability,
    ) -> Result<CteRef, ErrorCode> {
        let slot = empty_slot(store, dest, cap.objtype())?;
        let source = self
            .find_equal(store, cap)
            .filter(|at| is_copy(&store.cte(*at).cap, cap) && usable(store, *at).is_ok())
            .ok_or(code::CAP_NOT_FOUND)?;
        let cap = store.cte(source).cap;
        self.fill_copy(store, slot, source, cap, Flags::NONE);
        Ok(slot)
    }
}

/// Whether it is memory that the kernel itself keeps nothing in.
fn is_for_users(objtype: ObjType) -> bool {
    matches!(objtype, ObjType::PhysAddr | ObjType::Ram) || is_mappable(objtype)
}
