//! [`AnyCap`]: owns a capability whose type nobody has asked for yet, as one that has come with a message.

use super::owned::{Cap, Own};
use super::{CapRef, cap_copy};
use crate::error::Error;
use crate::slot::{slot_alloc, slot_free};
use core::fmt;
use core::mem::ManuallyDrop;
use kpi::cap::CapType;
use owned::Space;

/// Owns the capability in a slot. Dropped, it waits for the reaper, as [`Cap`] does.
pub struct AnyCap {
    slot: CapRef,
}

impl fmt::Debug for AnyCap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AnyCap({:?})", self.slot)
    }
}

impl AnyCap {
    /// Takes over the slot, empty or not. Nobody may use it by other means from now on.
    ///
    /// # Errors
    /// `LIB_ERR_CAP_OWNED` when a value owns it already; `LIB_ERR_CAP_INVOKE` for a slot of another CSpace.
    pub fn adopt(slot: CapRef) -> Result<Self, Error> {
        let key = Own.key(slot)?;
        Own.ledger(|ledger| ledger.enter(key, false))?;
        Ok(Self { slot })
    }

    /// A copy of a capability, in a slot of its own.
    ///
    /// # Errors
    /// No slot, or the kernel's.
    pub fn copy_of(cap: CapRef) -> Result<Self, Error> {
        let slot = slot_alloc()?;
        let copied = cap_copy(slot, cap).and_then(|()| Self::adopt(slot));
        copied.inspect_err(|_| {
            // Empty, and of the allocator.
            let _ = slot_free(slot);
        })
    }

    /// The slot, for calls that take one.
    pub const fn slot(&self) -> CapRef {
        self.slot
    }

    /// Gives up ownership: whoever has the slot now sees to the capability.
    pub fn into_slot(self) -> CapRef {
        let this = ManuallyDrop::new(self);
        if let Ok(key) = Own.key(this.slot) {
            Own.ledger(|ledger| ledger.leave(key));
        }
        this.slot
    }

    /// The same as a capability of that type.
    ///
    /// # Errors
    /// `LIB_ERR_CAP_TYPE`: it is another; or the kernel's, when it is gone. It waits for the reaper then.
    pub fn into_cap<T: CapType>(self) -> Result<Cap<T>, Error> {
        let slot = self.into_slot();
        Cap::adopt(slot).inspect_err(|_| drop(Self::adopt(slot)))
    }
}

impl<T: CapType> From<Cap<T>> for AnyCap {
    fn from(cap: Cap<T>) -> Self {
        let slot = cap.into_slot();
        // It was owned until now, so it can be again.
        let _ = Own
            .key(slot)
            .and_then(|key| Own.ledger(|ledger| ledger.enter(key, false)));
        Self { slot }
    }
}

impl Drop for AnyCap {
    fn drop(&mut self) {
        if let Ok(key) = Own.key(self.slot) {
            Own.ledger(|ledger| ledger.bury(key));
        }
    }
}
