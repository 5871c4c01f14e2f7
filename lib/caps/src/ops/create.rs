//! Create: capabilities made from a counter, or from nothing but authority.

use errors::ErrorCode;
use kpi::cap::{Capability, Id, IrqDest, ObjType};
use kpi::rights::CapRights;

use crate::code;
use crate::cte::{CteRef, Flags};
use crate::env::Store;
use crate::lookup::{DestSlot, empty_slot};
use crate::mdb::Database;

impl Database {
    /// Makes an ID capability that never was before, in an empty slot; returns the slot.
    ///
    /// # Errors
    /// `SYS_ERR_TYPE_NOT_CREATABLE`: `objtype` is not ID. `SYS_ERR_ID_SPACE_EXHAUSTED`: 2^32 were made. And as for the destination
    /// of [`Self::copy`], but `SYS_ERR_SLOTS_IN_USE`.
    pub fn create<S: Store>(
        &mut self,
        store: &mut S,
        objtype: u8,
        dest: DestSlot,
    ) -> Result<CteRef, ErrorCode> {
        if ObjType::from_u8(objtype) != Some(ObjType::Id) {
            return Err(code::TYPE_NOT_CREATABLE);
        }
        let slot = empty_slot(store, dest, ObjType::Id).map_err(|error| match error {
            code::SLOT_IN_USE => code::SLOTS_IN_USE,
            other => other,
        })?;
        let number = self
            .last_id
            .checked_add(1)
            .ok_or(code::ID_SPACE_EXHAUSTED)?;
        let id = Id {
            coreid: self.core().0,
            core_local_id: number,
        };
        let cap = Capability::new_id(id, CapRights::ALL);
        self.fill(store, slot, cap, Flags::NONE, self.local())?;
        self.last_id = number;
        Ok(slot)
    }

    /// Makes an IRQDest for an interrupt of this core in an empty slot; returns the slot.
    ///
    /// # Errors
    /// As for the destination of [`Self::copy`].
    pub fn create_irq_dest<S: Store>(
        &mut self,
        store: &mut S,
        vector: u64,
        dest: DestSlot,
    ) -> Result<CteRef, ErrorCode> {
        let slot = empty_slot(store, dest, ObjType::IrqDest)?;
        let cap = IrqDest {
            cpu: u64::from(self.core().0),
            vector,
        };
        let cap = Capability::new_irq_dest(cap, CapRights::ALL);
        self.fill(store, slot, cap, Flags::NONE, self.local())?;
        Ok(slot)
    }
}
