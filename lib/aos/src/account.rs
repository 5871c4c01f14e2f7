//! Accounts: the memory that one domain costs, so that all of it comes back when the domain ends.
//!
//! An account takes chunks of RAM from this domain's allocator and makes objects of them. The chunks' capabilities never leave
//! this CSpace, and no object fills a whole chunk, so nobody else ever holds a copy of one: whatever the other domain does to its own
//! capabilities, [`Account::release`] revokes the chunks, and with them goes all that was ever made of them, wherever it is.
//!
//! Slots for those objects come from this domain's slot allocator; the account remembers them and gives them back too.
//!
//! Barrelfish counterpart: none; the memory server there forgets whom it gave RAM to.

use crate::cap::kernel::retain;
use crate::cap::{CapRef, cap_delete, cap_direct_identify, cap_retype, cap_revoke};
use crate::error::{Error, ErrorCode, ResultExt, from_mm};
use crate::ram::{self, EVERYWHERE, alignment_of, mm_alloc_aligned, mm_free};
use crate::slot::{slot_alloc, slot_free};
use alloc::sync::Arc;
use alloc::vec::Vec;
use kpi::addr::PhysAddr;
use kpi::cap::ObjType;
use kpi::layout::{BASE_PAGE_SIZE, L2CNODE_BYTES};
use mm::ram::Ram;
use mm::ranges::Span;
use spin::Mutex;

/// Least bytes of a chunk.
const CHUNK_BYTES: u64 = 1 << 20;
/// Bytes at the start of each chunk that are never used, so that no object is a copy of the chunk.
const UNUSED_BYTES: u64 = BASE_PAGE_SIZE;

#[derive(Debug, Default)]
struct State {
    chunks: Vec<CapRef>,
    books: Ram<CapRef>,
    slots: Vec<CapRef>,
    /// Those of the chunks of which the kernel tells.
    watched: Vec<CapRef>,
}

/// An account. Clones are the same account.
#[derive(Clone, Debug, Default)]
pub struct Account(Arc<Mutex<State>>);

impl Account {
    /// An account without memory; it takes some when it needs it.
    pub fn new() -> Self {
        Self::default()
    }

    /// A new object of the type in a new slot of the own CSpace, which belongs to the account. `bytes` counts for types of no fixed
    /// size.
    ///
    /// # Errors
    /// `LIB_ERR_RAM_ALLOC`, `LIB_ERR_SLOT_ALLOC`, `LIB_ERR_MALLOC_FAIL`, `LIB_ERR_CAP_RETYPE`.
    pub fn object(&self, objtype: ObjType, bytes: u64) -> Result<CapRef, Error> {
        let slot = self.slot()?;
        self.object_at(slot, objtype, bytes)?;
        Ok(slot)
    }

    /// As [`Account::object`], in a given empty slot of any CSpace.
    ///
    /// # Errors
    /// As [`Account::object`].
    pub fn object_at(&self, slot: CapRef, objtype: ObjType, bytes: u64) -> Result<(), Error> {
        self.make(slot, objtype, bytes, alignment_of(objtype), EVERYWHERE)
    }

    /// As [`Account::object_at`], at a multiple of `alignment`, a power of two.
    ///
    /// # Errors
    /// As [`Account::object`].
    pub fn object_at_aligned(
        &self,
        slot: CapRef,
        objtype: ObjType,
        bytes: u64,
        alignment: u64,
    ) -> Result<(), Error> {
        self.make(slot, objtype, bytes, alignment, EVERYWHERE)
    }

    /// As [`Account::object_at`], at this physical address.
    ///
    /// # Errors
    /// As [`Account::object`].
    pub fn object_at_address(
        &self,
        slot: CapRef,
        objtype: ObjType,
        bytes: u64,
        address: PhysAddr,
    ) -> Result<(), Error> {
        let within = Span {
            base: address.0,
            end: address.0.saturating_add(bytes),
        };
        self.make(slot, objtype, bytes, BASE_PAGE_SIZE, within)
    }

    fn make(
        &self,
        slot: CapRef,
        objtype: ObjType,
        bytes: u64,
        alignment: u64,
        within: Span,
    ) -> Result<(), Error> {
        let alloc = |bytes| {
            let found = self.0.lock().books.alloc_within(bytes, alignment, within);
            match found {
                Err(mm::MmError::Exhausted) if within == EVERYWHERE => {
                    self.grow(bytes, alignment)?;
                    let found = self.0.lock().books.alloc_within(bytes, alignment, within);
                    found.map_err(from_mm)
                }
                found => found.map_err(from_mm),
            }
        };
        ram::make(slot, objtype, bytes, alloc, |base, bytes| {
            self.forget(base, bytes);
        })
    }

    /// An empty slot of the own CSpace that belongs to the account.
    ///
    /// # Errors
    /// `LIB_ERR_SLOT_ALLOC`, `LIB_ERR_MALLOC_FAIL`.
    pub fn slot(&self) -> Result<CapRef, Error> {
        let mut state = self.0.lock();
        let reserved = state.slots.try_reserve(1);
        reserved.map_err(|_| Error::new(ErrorCode::LibMallocFail))?;
        let slot = slot_alloc()?;
        state.slots.push(slot);
        Ok(slot)
    }

    /// Takes `bytes` bytes at `base` back into the account if nothing lives there any more. The kernel has the last word: the range is
    /// retyped once, into the empty slot `probe`.
    ///
    /// # Errors
    /// `MM_ERR_MM_FREE` on top of why: not granted, or (`SYS_ERR_REVOKE_FIRST`) in use.
    pub fn reclaim(&self, base: u64, bytes: u64, probe: CapRef) -> Result<(), Error> {
        let code = ErrorCode::MmMmFree;
        let chunk = self.chunk_of(base).push_err(code)?;
        let offset = base - cap_direct_identify(chunk).push_err(code)?.address();
        cap_retype(probe, chunk, offset, ObjType::Ram, bytes, 1).push_err(code)?;
        cap_delete(probe).push_err(code)?;
        let freed = self.0.lock().books.free(base, bytes);
        freed.map_err(from_mm).push_err(code)
    }

    /// Has the kernel tell when what was made at `base` goes ([`KernelNote::Free`](kpi::lmp::KernelNote::Free)). Takes the Kernel capability.
    ///
    /// # Errors
    /// `MM_ERR_NOT_FOUND`: not granted. The kernel's.
    pub fn watch(&self, base: u64) -> Result<(), Error> {
        let chunk = self.chunk_of(base)?;
        if self.0.lock().watched.contains(&chunk) {
            return Ok(());
        }
        retain(chunk)?;
        let state = &mut *self.0.lock();
        let reserved = state.watched.try_reserve(1);
        reserved.map_err(|_| Error::new(ErrorCode::LibMallocFail))?;
        state.watched.push(chunk);
        Ok(())
    }

    fn chunk_of(&self, base: u64) -> Result<CapRef, Error> {
        let state = self.0.lock();
        let holds = |chunk: &CapRef| {
            cap_direct_identify(*chunk).is_ok_and(|cap| (cap.address()..cap.end()).contains(&base))
        };
        let found = state.chunks.iter().copied().find(holds);
        found.ok_or(Error::new(ErrorCode::MmNotFound))
    }

    fn forget(&self, base: u64, bytes: u64) {
        // The range comes from the books, so they know it and it is not free.
        let _ = self.0.lock().books.free(base, bytes);
    }

    /// Takes another chunk, large enough for an object of so many bytes at that alignment.
    fn grow(&self, bytes: u64, alignment: u64) -> Result<(), Error> {
        let too_large = Error::new(ErrorCode::LibRamAlloc);
        let wanted = bytes
            .checked_add(alignment.max(UNUSED_BYTES))
            .ok_or(too_large)?;
        let chunk = mm_alloc_aligned(wanted.max(CHUNK_BYTES), L2CNODE_BYTES)?;
        let added = self.adopt(chunk);
        if added.is_err() {
            // Nothing was made of it.
            let _ = mm_free(chunk);
        }
        added
    }

    fn adopt(&self, chunk: CapRef) -> Result<(), Error> {
        let cap = cap_direct_identify(chunk)?;
        let state = &mut *self.0.lock();
        let reserved = state.chunks.try_reserve(1);
        reserved.map_err(|_| Error::new(ErrorCode::LibMallocFail))?;
        let (base, bytes) = (cap.address(), cap.end() - cap.address());
        state.books.add(chunk, base, bytes).map_err(from_mm)?;
        state.chunks.push(chunk);
        let first = Span {
            base,
            end: base + UNUSED_BYTES,
        };
        let taken = state
            .books
            .alloc_within(UNUSED_BYTES, BASE_PAGE_SIZE, first);
        taken.map(|_| ()).map_err(from_mm)
    }

    /// Ends all that was made in this account, whoever has it, and gives memory and slots back. Also what follows an error in the middle
    /// is tried.
    ///
    /// # Errors
    /// The first: of a chunk that could not be revoked or freed. If one could not be revoked, all stays in the account, to be released again.
    pub fn release(&self) -> Result<(), Error> {
        let state = core::mem::take(&mut *self.0.lock());
        let mut result = Ok(());
        for chunk in &state.chunks {
            result = result.and(cap_revoke(*chunk));
        }
        if result.is_err() {
            *self.0.lock() = state;
            return result;
        }
        let State { chunks, slots, .. } = state;
        for slot in slots {
            // What was put there from elsewhere; mostly the slot is empty.
            match cap_delete(slot) {
                Err(error) if !error.contains(ErrorCode::SysCapNotFound) => {
                    result = result.and(Err(error));
                }
                _ => result = result.and(slot_free(slot)),
            }
        }
        for chunk in chunks {
            result = result.and(mm_free(chunk));
        }
        result
    }
}
