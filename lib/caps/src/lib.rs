//! Capabilities: the mapping database and every operation on capability spaces.
//!
//! A pure state machine, used unchanged in the kernel and in host tests: it owns nothing but the root of a tree. Entries
//! are reached through [`Store`], memory, page tables and kernel objects through [`Machine`]; both are handed to each call as
//! `env`. [`Database`] is the state of one core, and every operation is a method of it.
//!
//! | Module | What |
//! |---|---|
//! | [`Cte`], [`CteRef`], [`Flags`] | a slot, its handle, its flags |
//! | [`Store`], [`Machine`], [`Env`] | what the kernel provides |
//! | [`lookup`], [`lookup_any`], [`OpenRoot`], [`DestSlot`] | capability addresses to entries |
//! | [`Database`] | tree, queries, operations |
//! | [`next_run`], [`next_in_cspace`] | what an address space maps, what a capability space holds |
//! | [`vnode`] | page-table descriptors |
//!
//! # Invariants
//!
//! 1. An entry holds a capability if and only if it is in the database.
//! 2. Ranges of capabilities are disjoint or nested; memory is zeroed or handed out only where nothing lies inside.
//! 3. A half-made capability ([`Flags::CREATING`]) and a half-deleted one cannot be used, copied or mapped; only deleted.
//! 4. A page-table entry is valid if and only if a Mapping covers it, and a Mapping is there only while what it maps and its
//!    table are.
//! 5. A kernel object that depends on a capability holds it in an entry of its own and is told before it goes.
//! 6. Memory of what holds entries (CNodes, Dispatchers) is free only when none of these entries holds a capability.
//!
//! # Bounded
//!
//! No call uses more than 20,000 instructions. Retype, delete, revoke, unmap and the steps of deletion return [`Step::Again`] when there
//! is more to do; the kernel repeats the system call. Trees are walked in loops, never by recursion, so the stack need is constant.
//!
//! # Where Barrelfish is mended
//!
//! * Retype asks the monitor about foreign sources and remote descendants *before* it looks at local descendants.
//! * Retype gives its results the source's rights, not all: splitting a read-only frame does not make it writable. It does not wipe
//!   a frame that is split, for the same reason. Sizes of RAM are whole pages, so that nothing comes to lie unaligned. Sizes and counts do not
//!   overflow. A half-made result is unusable until all are zeroed.
//! * Map checks every entry and every page, not the first ones; occupied entries are refused at all levels, not overwritten; flags beyond
//!   the capability's rights, unknown flags, WRITE with EXECUTE and EXECUTE of device memory are refused. A Mapping has an owner, and
//!   its source's rights.
//! * Map makes blocks of 2 MiB and 1 GiB, and shows page tables and CNodes, read-only.
//! * Modify checks offset, count and rights; changes of the memory type break before make. Changing entries by their table is bounded
//!   by the rights of what they map. Destroy of a Mapping works.
//! * Unmapping invalidates the pages that went where they took effect at one place, and everything otherwise.
//! * Mappings depend on the object, not on the slot it was mapped from: deleting one of several copies of a frame unmaps nothing, the
//!   last copy and revoke unmap all.
//! * An endpoint buffer must lie in the free part of a dispatcher frame; an endpoint that has a buffer cannot be minted again.
//! * The last KernelControlBlock capability cannot be deleted like plain memory; it holds entries, like a CNode.
//! * Shared state is kept once, in the first copy, so it cannot disagree; capabilities on the wrong core are not assumed.
//!
//! # Not here yet
//!
//! Deletion and revocation over several cores need the protocol that monitors drive; these operations
//! answer `SYS_ERR_RETRY_THROUGH_MONITOR`.
#![cfg_attr(not(test), no_std)]
#![cfg_attr(feature = "small", feature(optimize_attribute))]
#![deny(unsafe_code)]

mod budget;
mod code;
mod cte;
mod env;
mod facts;
mod lookup;
mod mdb;
mod objects;
mod ops;
pub mod vnode;

pub use budget::Step;
pub use cte::{Cte, CteRef, Flags, SharedState};
pub use env::{Env, Machine, Store, Unmapped};
pub use lookup::{DestSlot, OpenRoot, cnode_slots, lookup, lookup_any, lookup_quickly, slot_below};
pub use mdb::{CheckCursor, CheckReport, Database, Range};
pub use objects::DISPATCHER_ENTRIES;
pub use ops::{
    Listed, MapArgs, PageDump, PageRun, Reach, ResizeArgs, RetypeArgs, next_in_cspace, next_run,
};
