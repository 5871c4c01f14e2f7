//! What a capability space must be able to do.

use crate::ledger::{Key, Ledger};
use core::fmt::Debug;
use errors::Error;
use kpi::addr::VirtAddr;
use kpi::cap::{Capability, ObjType};
use kpi::rights::{CapRights, PageFlags};

/// One object of a type, cut out of a capability.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cut {
    /// First byte, counted from the start of the source.
    pub offset: u64,
    /// What it becomes.
    pub objtype: ObjType,
    /// Its size in bytes; 0 for what has none.
    pub bytes: u64,
}

/// A capability space, with its slot allocator and its account of memory. Cloning gives another handle to the same space.
///
/// Every operation answers as the kernel does and may fail at any time; nothing here trusts the other.
pub trait Space: Clone {
    /// Names a slot. Owns nothing.
    type Slot: Copy + Debug;
    /// Access to mapped memory.
    type View;

    /// Works on the books. They are locked for this call only, and `work` calls nothing else of this trait.
    fn ledger<R>(&self, work: impl FnOnce(&mut Ledger) -> R) -> R;

    /// The slot as the books name it.
    ///
    /// # Errors
    /// It is none that a value can own: it lies in another space.
    fn key(&self, slot: Self::Slot) -> Result<Key, Error>;

    /// The slot that [`Space::key`] turned into this.
    fn slot(&self, key: Key) -> Self::Slot;

    /// An empty slot.
    ///
    /// # Errors
    /// No slot.
    fn slot_alloc(&self) -> Result<Self::Slot, Error>;

    /// Gives an empty slot back.
    ///
    /// # Errors
    /// It is not one that was taken.
    fn slot_free(&self, slot: Self::Slot) -> Result<(), Error>;

    /// A new object in a new slot, made of memory of the account.
    ///
    /// # Errors
    /// No memory, no slot, or the retype's.
    fn object_alloc(&self, objtype: ObjType, bytes: u64) -> Result<Self::Slot, Error>;

    /// What is in a slot.
    ///
    /// # Errors
    /// The slot is empty.
    fn identify(&self, slot: Self::Slot) -> Result<Capability, Error>;

    /// Copies into an empty slot.
    ///
    /// # Errors
    /// The kernel's.
    fn copy(&self, dest: Self::Slot, src: Self::Slot) -> Result<(), Error>;

    /// Copies into an empty slot, with these rights at most.
    ///
    /// # Errors
    /// The kernel's.
    fn mint(&self, dest: Self::Slot, src: Self::Slot, rights: CapRights) -> Result<(), Error>;

    /// Makes an object out of a part of `src`.
    ///
    /// # Errors
    /// The kernel's.
    fn retype(&self, dest: Self::Slot, src: Self::Slot, cut: Cut) -> Result<(), Error>;

    /// Deletes every copy and descendant, not the capability itself.
    ///
    /// # Errors
    /// The kernel's.
    fn revoke(&self, slot: Self::Slot) -> Result<(), Error>;

    /// Deletes a capability; its slot stays taken. `accounted`: its memory goes back to the account as well. A slot that is
    /// empty already, because somebody revoked what was in it, is a success.
    ///
    /// # Errors
    /// The kernel's; then the capability is still there.
    fn delete(&self, slot: Self::Slot, accounted: bool) -> Result<(), Error>;

    /// Maps the first `bytes` bytes somewhere.
    ///
    /// # Errors
    /// No address, no page table, or the kernel's.
    fn map(
        &self,
        slot: Self::Slot,
        bytes: u64,
        flags: PageFlags,
    ) -> Result<(VirtAddr, Self::View), Error>;

    /// Unmaps what [`Space::map`] mapped there. Nobody uses the view any more.
    ///
    /// # Errors
    /// The kernel's; then it is still mapped.
    fn unmap(&self, address: VirtAddr) -> Result<(), Error>;

    /// As [`Space::unmap`], for the reaper, which may run inside of a call that works on the books of the address space:
    /// where that would have to wait, it answers an error, and the reaper comes again.
    ///
    /// # Errors
    /// As [`Space::unmap`], or that the books are in use.
    fn try_unmap(&self, address: VirtAddr) -> Result<(), Error> {
        self.unmap(address)
    }

    /// Sends a message with a capability, which leaves its slot.
    ///
    /// # Errors
    /// The kernel's; then the capability is still there.
    fn give(&self, endpoint: Self::Slot, words: &[u64], slot: Self::Slot) -> Result<(), Error>;
}
