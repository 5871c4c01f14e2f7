//! What the crate needs from the kernel around it: access to capability table entries, and to the machine.
//!
//! Both are passed to every operation as one `env`, so that nothing here is global and the same code runs on the board and in
//! host tests.

use kpi::addr::PhysAddr;
use kpi::cap::Capability;

use crate::budget::PER_CALL;
use crate::cte::{Cte, CteRef};
use crate::ops::Reach;
use crate::vnode::aarch64::entry_bytes;

/// Memory in which capability table entries live.
///
/// # Safety
/// The implementor promises:
/// * `cte` and `cte_mut` return the one [`Cte`] at that address for every [`CteRef`] that it made and that has not been retired;
///   two different references name entries that do not overlap. That memory is reached in no other way while the returned
///   borrow lives: not by user programs (kernel objects are never mapped for writing, and who may read one runs on this core,
///   when the kernel does not), not by devices, not by other cores.
/// * `slot(base, index)` is called only with the base of a CNode, Dispatcher or KernelControlBlock capability that is in the
///   database and an index inside it (Dispatcher: below [`DISPATCHER_ENTRIES`](crate::DISPATCHER_ENTRIES)); it
///   names the entry at `base + 64 * index`, which holds what was last written there, or zeroes.
/// * After `retire(base, bytes)` no reference into that range is given out until new objects are made there.
///
/// In return the crate promises that it keeps no reference to entries of an object whose last capability went: the
/// database holds an entry only while the object around it has a capability in the database, and memory is zeroed or
/// handed out only when [`Database::find_range`](crate::Database::find_range) shows no object there.
#[expect(
    unsafe_code,
    reason = "entries lie in memory that user programs donated: exclusive access is the implementor's promise"
)]
pub unsafe trait Store {
    /// The entry.
    fn cte(&self, at: CteRef) -> &Cte;
    /// The entry, to change it.
    fn cte_mut(&mut self, at: CteRef) -> &mut Cte;
    /// The entry at slot `index` of the CNode whose slots begin at `cnode_base`.
    fn slot(&self, cnode_base: PhysAddr, index: u32) -> CteRef;
    /// The object that filled this range is gone; its memory may become anything.
    fn retire(&mut self, base: PhysAddr, bytes: u64);
}

/// Entries of a page table that became invalid or narrower.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unmapped {
    /// Base of the table.
    pub table: PhysAddr,
    /// Level of the table, 0 to 3. The entries were pages and blocks, or led to tables and with them whole subtrees went.
    pub level: u8,
    /// First entry.
    pub first: u16,
    /// Number of entries, at least 1.
    pub count: u16,
    /// Where the first of them took effect. `Many` also when they were too many to be told one by one, or led to tables: no
    /// translation of before may stay. Else only those of `count` successive pages or blocks have to go, in every address space
    /// identifier, as the root may be that of several dispatchers.
    pub reach: Reach,
}

impl Unmapped {
    /// Bytes that each of the entries translated.
    #[inline]
    pub fn entry_bytes(&self) -> u64 {
        entry_bytes(self.level)
    }
}

/// The machine: memory contents, page tables, and the kernel objects that hold capabilities.
pub trait Machine {
    /// Fills memory with zeroes. At most 64 KiB a call; never overlaps an object in the database that anybody can use.
    fn zero(&mut self, base: PhysAddr, bytes: u64);
    /// Whether all of the range is RAM that the kernel maps as Normal memory.
    fn is_ram(&self, base: PhysAddr, bytes: u64) -> bool;
    /// Reads an entry of a page table that is in the database.
    fn read_entry(&self, pte: PhysAddr) -> u64;
    /// Writes an entry of a page table that is in the database. After an operation that returned without error, and before
    /// user code runs again, the kernel makes the writes visible to the table walker (DSB, ISB).
    fn write_entry(&mut self, pte: PhysAddr, value: u64);
    /// Entries were made invalid or narrower: no stale translation may be used once the call returns to user space.
    fn unmapped(&mut self, what: Unmapped);
    /// `holder` lies inside a kernel object ([`Flags::HELD`](crate::Flags::HELD)) and is about to lose its capability because
    /// somebody deleted or revoked it. The kernel stops whatever depends on it (a dispatcher; an empty TTBR0 is loaded) before
    /// it returns. It must not change the database.
    fn object_lost(&mut self, holder: CteRef, cap: &Capability);
    /// The last capability of the dispatcher at `dcb` is being deleted. When this returns the kernel has taken it off every queue and
    /// off the core, and keeps no reference to it: its memory is given back later. Called again for one that had to wait for others. It
    /// must not change the database.
    fn dispatcher_deleted(&mut self, dcb: PhysAddr);
    /// An object went whose memory was made from a retained capability ([`Database::retain`](crate::Database::retain)), and nothing lies there
    /// any more. It must not change the database.
    fn memory_free(&mut self, _base: PhysAddr, _bytes: u64) {}
    /// Pages of memory that one call may make uncached: the kernel takes each out of the cache.
    #[inline]
    fn most_uncached_pages(&self) -> u64 {
        u64::MAX
    }
    /// Instructions that one call may use for work in pieces, fixed costs apart. The kernel keeps this; tests choose less, so that
    /// what is small takes many calls too.
    #[inline]
    fn work_per_call(&self) -> u32 {
        PER_CALL
    }
}

/// Both.
pub trait Env: Store + Machine {}

impl<T: Store + Machine> Env for T {}
