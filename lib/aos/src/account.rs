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
use crate::nodes::{self, Nodes};
use crate::ram::{alignment_of, mm_alloc_from_range_aligned, mm_free};
use crate::slot::{slot_alloc, slot_free};
use crate::sync::Mutex;
use alloc::sync::Arc;
use alloc::vec::Vec;
use kpi::addr::PhysAddr;
use kpi::cap::ObjType;
use kpi::layout::{BASE_PAGE_SIZE, L2CNODE_BYTES};
use mm::ram::{Grant, NODES_TO_ADD, NODES_TO_CHANGE, Node, Ram, Usage};
use mm::{MmError, Span};

/// Least bytes of a chunk.
const CHUNK_BYTES: u64 = 1 << 20;
/// Bytes at the start of each chunk that are never used, so that no object is a copy of the chunk.
const UNUSED_BYTES: u64 = BASE_PAGE_SIZE;
/// Limits that all memory is within. With limits the lowest place is taken instead of the one that fits best: what short-lived domains
/// use stays together, and is the same from one domain to the next.
const LOWEST: PhysAddr = PhysAddr(0);
const LIMIT: PhysAddr = PhysAddr(1 << 48);

#[derive(Debug, Default)]
struct State {
    chunks: Vec<CapRef>,
    books: Ram<CapRef, Nodes<Node<CapRef>>>,
    slots: Vec<CapRef>,
    /// Those of the chunks of which the kernel tells.
    watched: Vec<CapRef>,
    /// It takes no more memory.
    is_fixed: bool,
}

impl State {
    fn keep_nodes(&mut self, wanted: usize) -> Result<(), Error> {
        let free = self.books.free_nodes();
        nodes::keep(self.books.store(), free, wanted)
    }

    fn take(&mut self, bytes: u64, alignment: u64, within: Span) -> Result<Grant<CapRef>, MmError> {
        self.keep_nodes(NODES_TO_CHANGE)
            .map_err(|_| MmError::NoMemory)?;
        self.books.alloc_within(bytes, alignment, within)
    }

    fn free(&mut self, base: u64, bytes: u64) -> Result<(), Error> {
        self.keep_nodes(NODES_TO_CHANGE)?;
        self.books.free(base, bytes).map_err(from_mm)
    }
}

/// An account. Clones are the same account.
#[derive(Clone, Debug, Default)]
pub struct Account(Arc<Mutex<State>>);

impl Account {
    /// An account without memory; it takes some when it needs it.
    pub fn new() -> Self {
        Self::default()
    }

    /// An account of this RAM alone: it takes no more. The capability stays where it is, and is not used otherwise from now on.
    ///
    /// # Errors
    /// `SYS_ERR_INVALID_SOURCE_TYPE`: it is no RAM; `LIB_ERR_MALLOC_FAIL`; less than two pages.
    pub fn of(ram: CapRef) -> Result<Self, Error> {
        if cap_direct_identify(ram)?.objtype() != ObjType::Ram {
            return Err(Error::new(ErrorCode::SysInvalidSourceType));
        }
        let account = Self::default();
        account.0.lock().is_fixed = true;
        account.adopt(ram)?;
        Ok(account)
    }

    /// How much memory the account has.
    pub fn usage(&self) -> Usage {
        self.0.lock().books.usage()
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
        self.make(slot, objtype, bytes, alignment_of(objtype), Span::ALL)
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
        self.make(slot, objtype, bytes, alignment, Span::ALL)
    }

    /// As [`Account::object_at_aligned`], between two physical addresses, in what the account has.
    ///
    /// # Errors
    /// As [`Account::object`].
    pub fn object_between(
        &self,
        slot: CapRef,
        objtype: ObjType,
        bytes: u64,
        alignment: u64,
        between: (PhysAddr, PhysAddr),
    ) -> Result<(), Error> {
        let (base, limit) = between;
        let within = Span {
            base: base.0,
            end: limit.0,
        };
        self.make(slot, objtype, bytes, alignment, within)
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
            let take = || self.0.lock().take(bytes, alignment, within);
            match take() {
                Err(MmError::Exhausted) if within == Span::ALL => {
                    self.grow(bytes, alignment)?;
                    take().map_err(from_mm)
                }
                found => found.map_err(from_mm),
            }
        };
        make_of(slot, objtype, bytes, alloc, |base, bytes| {
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
        self.0.lock().free(base, bytes).push_err(code)
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
        let _ = self.0.lock().free(base, bytes);
    }

    /// Takes another chunk, large enough for an object of so many bytes at that alignment.
    fn grow(&self, bytes: u64, alignment: u64) -> Result<(), Error> {
        let too_large = Error::new(ErrorCode::LibRamAlloc);
        if self.0.lock().is_fixed {
            return Err(too_large);
        }
        let wanted = bytes
            .checked_add(alignment.max(UNUSED_BYTES))
            .ok_or(too_large)?;
        let bytes = wanted.max(CHUNK_BYTES);
        let chunk = mm_alloc_from_range_aligned(LOWEST, LIMIT, bytes, L2CNODE_BYTES)?;
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
        state.keep_nodes(NODES_TO_ADD + NODES_TO_CHANGE)?;
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
        let State {
            chunks,
            slots,
            is_fixed,
            ..
        } = state;
        for slot in slots {
            // What was put there from elsewhere; mostly the slot is empty.
            match cap_delete(slot) {
                Err(error) if !error.contains(ErrorCode::SysCapNotFound) => {
                    result = result.and(Err(error));
                }
                _ => result = result.and(slot_free(slot)),
            }
        }
        // What came from elsewhere is not this allocator's.
        for chunk in chunks.into_iter().filter(|_| !is_fixed) {
            result = result.and(mm_free(chunk));
        }
        result
    }
}

/// Most ranges that one allocation passes over because the kernel finds them in use.
const MAX_PASSED_OVER: usize = 64;

/// Makes an object in an empty slot of any CSpace, in a range that `alloc` finds and `give_back` takes back.
///
/// The kernel refuses a range in which an object still lives (a copy of a freed capability elsewhere). Such a range stays
/// out of the books for good, and the next one is tried.
fn make_of(
    slot: CapRef,
    objtype: ObjType,
    bytes: u64,
    alloc: impl Fn(u64) -> Result<Grant<CapRef>, Error>,
    give_back: impl Fn(u64, u64),
) -> Result<(), Error> {
    let bytes = objtype.fixed_size().unwrap_or(bytes);
    let mut passed_over = 0;
    loop {
        let grant = alloc(bytes).push_err(ErrorCode::LibRamAlloc)?;
        let objsize = objtype.fixed_size().unwrap_or(grant.bytes);
        match cap_retype(slot, grant.root, grant.offset, objtype, objsize, 1) {
            Err(error)
                if error.contains(ErrorCode::SysRevokeFirst) && passed_over < MAX_PASSED_OVER =>
            {
                passed_over += 1;
            }
            Err(error) => {
                give_back(grant.base, grant.bytes);
                return Err(error);
            }
            Ok(()) => return Ok(()),
        }
    }
}
