//! Memory that becomes free below a capability whose holder keeps accounts.
//!
//! A memory manager keeps the RAM capabilities that it makes others' memory from, so what those delete leaves no capability behind: the
//! bytes are free, and nobody knows. It *retains* such a capability; when then an object goes that was made from it directly, or from
//! something that went before, the kernel is told. That is a hint: by the time somebody hears of it, the holder of the
//! retained capability may have used the memory again. A retype says whether it is free.
//!
//! Barrelfish counterpart: `cleanup_last`, which makes a new RAM capability and sends it to the monitor. Here an ancestor is always
//! there, so there is nothing to make.

use errors::ErrorCode;
use kpi::addr::PhysAddr;
use kpi::cap::{Capability, OBJSIZE_DISPATCHER, ObjType};

use super::copy::usable;
use crate::code;
use crate::cte::{CteRef, Flags};
use crate::env::Env;
use crate::facts::{size, type_root};
use crate::mdb::{Database, MEMORY_ROOT, Range, first_word};

impl Database {
    /// From now on [`Machine::memory_free`](crate::Machine::memory_free) is called when an object of this RAM goes.
    ///
    /// # Errors
    /// `SYS_ERR_CAP_NOT_FOUND`, `SYS_ERR_CAP_LOCKED`: the entry is empty, half made or half deleted. `SYS_ERR_INVALID_SOURCE_TYPE`: no RAM.
    pub fn retain<E: Env>(&mut self, env: &mut E, at: CteRef) -> Result<(), ErrorCode> {
        if usable(env, at)?.cap.objtype() != ObjType::Ram {
            return Err(code::INVALID_SOURCE_TYPE);
        }
        let mut state = self.state_of(env, at);
        state.flags = state.flags.with(Flags::RETAINED);
        self.set_state(env, at, state);
        self.retains = true;
        Ok(())
    }

    /// The last copy of this capability is gone, which is no Mapping.
    #[inline]
    pub(super) fn announce_end<E: Env>(&self, env: &mut E, cap: &Capability) {
        if self.retains {
            self.announce_free(env, cap);
        }
    }

    /// Tells of the object's memory if what is around it is retained and nothing is inside.
    #[inline(never)]
    fn announce_free<E: Env>(&self, env: &mut E, cap: &Capability) {
        let objtype = cap.objtype();
        if type_root(objtype) != MEMORY_ROOT {
            return;
        }
        let bytes = match objtype {
            // The last thing that keeps the memory of a deleted dispatcher.
            ObjType::EndPointLmp => OBJSIZE_DISPATCHER,
            _ => size(cap),
        };
        let base = PhysAddr(first_word(cap));
        if let (Range::Surrounding, Some(around)) =
            self.find_range(env, base, bytes, Range::Surrounding)
            && self.state_of(env, around).flags.has(Flags::RETAINED)
        {
            env.memory_free(base, bytes);
        }
    }
}
