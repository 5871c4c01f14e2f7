//! Owned capabilities: the types of [`owned`] over this domain's CSpace.
//!
//! [`Cap<T>`](Cap) owns the capability in a slot, [`Derived`] one that comes from another, [`Mapped`] one that is mapped. The
//! calls over [`CapRef`] stay beside them: [`Cap::slot`](owned::Cap::slot) names the slot for one, `Cap::adopt` and
//! `into_slot` cross between the two. What is dropped waits for the reaper, which runs
//!
//! * before every wait for an event, a few at a time;
//! * when slots or memory run out;
//! * when a part of a capability is wanted that a dead one still covers;
//! * when [`reap`] is called.

use crate::arch::memory;
use crate::cap::{
    CNodeRef, CapRef, cap_copy, cap_delete, cap_mint, cap_retype, cap_revoke, identify,
};
use crate::error::{Error, ErrorCode, ResultExt};
use crate::lmp;
use crate::paging::{paging_map_frame_attr, paging_try_unmap, paging_unmap};
use crate::ram::{memory_free, object_alloc};
use crate::slot::{slot_alloc, slot_free};
use crate::sync::Mutex;
use kpi::addr::{CapAddr, CapLevel, L2_BITS, VirtAddr};
use kpi::cap::{Capability, ObjType};
use kpi::rights::{CapRights, PageFlags};
use kpi::syscall::SendFlags;
use owned::ledger::Key;
use owned::space::Cut;
use owned::{Ledger, Reaped, Refused, Space, Which};

pub use owned::Owner;

/// Most capabilities that are reaped before one wait.
const REAPED_BEFORE_WAIT: usize = 8;

/// Marks the keys of slots of the root CNode.
const ROOT_SLOTS: u64 = 1 << 40;

static LEDGER: Mutex<Ledger> = Mutex::new(Ledger::new());

/// This domain's CSpace.
#[derive(Clone, Copy, Default, Debug)]
pub struct Own;

/// Owns a capability of type `T`.
pub type Cap<T> = owned::Cap<T, Own>;
/// Owns a capability that comes from another, and borrows that.
pub type Derived<'p, T> = owned::Derived<'p, T, Own>;
/// Owns a capability that is mapped here, and gives access to the memory.
pub type Mapped<T> = owned::Mapped<Cap<T>>;

/// Memory that is mapped. Other holders of the frame may write it at any time, so it is read and written by copying.
#[derive(Debug)]
pub struct View {
    memory: memory::Mapped,
    writeable: bool,
}

impl View {
    /// Reads a word. `None` outside of the view or when it is not aligned.
    pub fn load(&self, offset: usize) -> Option<u64> {
        self.memory.load(offset)
    }

    /// Writes a word. Answers whether it is in the view, aligned, and mapped to be written.
    pub fn store(&mut self, offset: usize, value: u64) -> bool {
        self.writeable && self.memory.store(offset, value)
    }

    /// Writes bytes. Answers whether all of them are in the view, which is mapped to be written; otherwise nothing happens.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) -> bool {
        self.writeable && self.memory.write(offset, bytes)
    }

    /// Reads bytes. Answers whether all of them are in the view; otherwise nothing happens.
    pub fn read(&self, offset: usize, bytes: &mut [u8]) -> bool {
        self.memory.read(offset, bytes)
    }

    /// The memory as Rust sees it.
    ///
    /// # Safety
    /// Nobody else writes the frame while the slice lives: no other mapping of it, here or elsewhere, and no DMA.
    pub unsafe fn bytes(&self) -> &[u8] {
        // SAFETY: the caller's promise.
        unsafe { self.memory.bytes() }
    }

    /// The memory to write. `None` when it is mapped to be read.
    ///
    /// # Safety
    /// As [`View::bytes`], and nobody else reads it either.
    pub unsafe fn bytes_mut(&mut self) -> Option<&mut [u8]> {
        // SAFETY: the caller's promise.
        self.writeable.then(|| unsafe { self.memory.bytes_mut() })
    }

    /// Makes instructions in it visible to whoever runs them, in whatever address space.
    pub fn publish_code(&self) {
        self.memory.publish_code();
    }
}

/// An empty slot needs no deleting.
fn gone(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(error) if error.contains(ErrorCode::SysCapNotFound) => Ok(()),
        result => result,
    }
}

impl Space for Own {
    type Slot = CapRef;
    type View = View;

    fn ledger<R>(&self, work: impl FnOnce(&mut Ledger) -> R) -> R {
        work(&mut LEDGER.lock())
    }

    /// An L2CNode's slots are a block of the books, and so are 256 slots of the root CNode.
    fn key(&self, slot: CapRef) -> Result<Key, Error> {
        let addr = u64::from(slot.addr().0);
        match (slot.is_own(), slot.level()) {
            (true, CapLevel::L2) => Ok(Key(addr)),
            (true, CapLevel::L1) => Ok(Key(ROOT_SLOTS | addr >> L2_BITS)),
            _ => Err(Error::new(ErrorCode::LibCapInvoke)),
        }
    }

    fn slot(&self, key: Key) -> CapRef {
        match key.0 & ROOT_SLOTS {
            0 => {
                let addr = CapAddr(key.0 as u32);
                CNodeRef::own(addr.l1()).slot(addr.l2())
            }
            _ => CNodeRef::ROOT.slot(key.0 as u32),
        }
    }

    fn slot_alloc(&self) -> Result<CapRef, Error> {
        slot_alloc()
    }

    fn slot_free(&self, slot: CapRef) -> Result<(), Error> {
        slot_free(slot)
    }

    fn object_alloc(&self, objtype: ObjType, bytes: u64) -> Result<CapRef, Error> {
        object_alloc(objtype, bytes)
    }

    fn identify(&self, slot: CapRef) -> Result<Capability, Error> {
        identify(slot).push_err(ErrorCode::LibCapIdentify)
    }

    fn copy(&self, dest: CapRef, src: CapRef) -> Result<(), Error> {
        cap_copy(dest, src)
    }

    fn mint(&self, dest: CapRef, src: CapRef, rights: CapRights) -> Result<(), Error> {
        cap_mint(dest, src, u64::from(rights.0), 0)
    }

    fn retype(&self, dest: CapRef, src: CapRef, cut: Cut) -> Result<(), Error> {
        cap_retype(dest, src, cut.offset, cut.objtype, cut.bytes, 1)
    }

    fn revoke(&self, slot: CapRef) -> Result<(), Error> {
        cap_revoke(slot)
    }

    fn delete(&self, slot: CapRef, accounted: bool) -> Result<(), Error> {
        if !accounted {
            return gone(cap_delete(slot));
        }
        let capability = match identify(slot) {
            Ok(capability) => capability,
            Err(error) => return gone(Err(error)),
        };
        cap_delete(slot)?;
        // Of this account, as the books said; what they refuse nobody can mend.
        let _ = memory_free(capability.address(), capability.size());
        Ok(())
    }

    fn map(&self, slot: CapRef, bytes: u64, flags: PageFlags) -> Result<(VirtAddr, View), Error> {
        let address = paging_map_frame_attr(slot, bytes, flags)?;
        // SAFETY: just mapped at fresh addresses that only this value knows; unmapped in `unmap`, when it is gone.
        let memory = unsafe { memory::Mapped::new(address, bytes as usize) };
        let writeable = flags.contains(PageFlags::WRITE);
        Ok((address, View { memory, writeable }))
    }

    fn unmap(&self, address: VirtAddr) -> Result<(), Error> {
        // SAFETY: `owned` calls this with the view consumed.
        unsafe { paging_unmap(address) }
    }

    fn try_unmap(&self, address: VirtAddr) -> Result<(), Error> {
        // SAFETY: as above.
        unsafe { paging_try_unmap(address) }
    }

    fn give(&self, endpoint: CapRef, words: &[u64], slot: CapRef) -> Result<(), Error> {
        lmp::send(endpoint, words, Some(slot), SendFlags::GIVEAWAY)
    }
}

/// Sends a message of up to nine words with a capability, which goes over to the receiver. There it is a slot: the receiver
/// adopts it.
///
/// # Errors
/// As [`lmp::send`]. The capability comes back.
pub fn give<C: Owner<Space = Own>>(
    endpoint: CapRef,
    words: &[u64],
    cap: C,
) -> Result<(), Refused<C>> {
    owned::give(endpoint, words, cap)
}

/// Deletes all that was dropped, what was refused before included.
pub fn reap() -> Reaped {
    owned::reap(&Own, usize::MAX, Which::All)
}

/// As [`reap`], for who may be in the middle of a page fault: not if somebody is at the books, since he may be who faulted, or wait for what that has
/// locked.
pub(crate) fn reap_if_free() -> Reaped {
    match LEDGER.try_lock() {
        Some(mut books) => owned::reap_locked(&Own, &mut books, usize::MAX, Which::All),
        None => Reaped::default(),
    }
}

/// Deletes a few, before a wait.
pub(crate) fn reap_some() {
    owned::reap(&Own, REAPED_BEFORE_WAIT, Which::New);
}

/// Whether something was dropped that is not deleted yet, nor refused to be.
pub(crate) fn is_any_dead() -> bool {
    LEDGER.lock().dead() > 0
}

/// Owned capabilities, and dropped ones that are not reaped yet.
pub fn count() -> (usize, usize) {
    let ledger = LEDGER.lock();
    (ledger.live(), ledger.dead() + ledger.refused())
}
