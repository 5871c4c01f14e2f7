//! The dispatcher control block: what a Dispatcher capability names. It lives in the 1 KiB that a user retyped for it.
//!
//! Unlike upstream's, it holds real capabilities for its CSpace root, its L0 table and its dispatcher frame: slots that take
//! part in the capability database like any other. Whoever revokes one of them takes it from the dispatcher too, and
//! [`crate::env::Env::object_lost`] stops the dispatcher before the capability goes. So no pointer here can dangle.
//!
//! There are two slots for root tables, which take turns: so that a dispatcher that is given another one holds the new one before
//! it loses the old one, which may take several kernel entries to go.
//!
//! Every field is a cell: the kernel is single-threaded and never holds a `&mut Dcb`, so links, lists and the database may all
//! look at a DCB in the same breath.

use core::cell::{Cell, UnsafeCell};
use core::ops::Deref;
use core::ptr::NonNull;

use caps::{Cte, CteRef};
use intrusive_collections::{LinkedListLink, RBTreeLink};
use kpi::addr::PhysAddr;
use kpi::dispatcher::DispatcherShared;
use kpi::layout::KERNEL_OFFSET;

use crate::asid::AsidTag;

/// Where a dispatcher is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum DcbState {
    /// Made by retype, not set up: zero, because fresh dispatchers are zeroed memory.
    Empty = 0,
    /// Set up; runs when it is on the run queue.
    Ready = 1,
    /// Taken off the scheduler by Stop; Resume brings it back.
    Stopped = 2,
    /// Lost an object it needs, or cannot handle its faults. It never runs again.
    Dead = 3,
    /// Its last capability is being deleted.
    Deleted = 4,
}

/// A dispatcher control block. All zeroes is a valid, empty one.
#[repr(C, align(64))]
pub struct Dcb {
    /// The CSpace root (an L1CNode).
    cspace: UnsafeCell<Cte>,
    /// A root page table.
    vspace: UnsafeCell<Cte>,
    /// The dispatcher frame.
    frame: UnsafeCell<Cte>,
    /// Another root page table.
    other_vspace: UnsafeCell<Cte>,
    /// See [`DcbState`].
    pub state: Cell<DcbState>,
    /// Disabled when it last left the core: resume its disabled area instead of an upcall.
    pub disabled: Cell<bool>,
    /// Its root table is in the other slot.
    pub swapped: Cell<bool>,
    /// Time slices that it gets at a time besides the first.
    #[cfg(not(feature = "rbed"))]
    pub more_slices: Cell<u8>,
    /// The endpoint buffer that it waits for a message to by ReplyWait: an offset in its frame, 1 = any, 0 = it does not wait so.
    pub accepts: Cell<u64>,
    /// Faults taken while disabled since it was last seen enabled.
    pub faults_taken: Cell<u32>,
    /// Identity that notes carry.
    pub domain_id: Cell<u64>,
    /// Counter value to wake it at, 0 = none.
    pub wakeup: Cell<u64>,
    /// Physical base of the root table, 0 = lost.
    pub table: Cell<u64>,
    /// Physical base of the dispatcher frame, 0 = lost.
    pub frame_base: Cell<u64>,
    /// Bytes of the dispatcher frame.
    pub frame_bytes: Cell<u64>,
    /// Its address-space identifier.
    pub asid: Cell<AsidTag>,
    /// Why it is dead: [`kpi::lmp::FaultKind`], ESR, FAR, PC.
    pub why_stopped: Cell<[u64; 4]>,
    /// Link of the run queue (of round robin); of a dead one, of the list of those that the monitor has not been told of.
    pub run_link: LinkedListLink,
    /// What the scheduler keeps of it.
    #[cfg(feature = "rbed")]
    pub task: sched::Task,
    /// Link of the queue of promises that it is on.
    #[cfg(feature = "rbed")]
    pub time_link: RBTreeLink,
    /// Link of the queue of best effort.
    #[cfg(feature = "rbed")]
    pub share_link: RBTreeLink,
    /// Link of the wake-up queue.
    pub wakeup_link: RBTreeLink,
}

/// Bytes of a Dispatcher object.
pub const DCB_BYTES: u64 = 1024;
const _: () = assert!(core::mem::size_of::<Dcb>() as u64 <= DCB_BYTES);
// The database finds the held capabilities at the start.
const _: () = assert!(core::mem::offset_of!(Dcb, state) == caps::DISPATCHER_ENTRIES as usize * 64);

/// Faults while disabled after which a dispatcher is given up.
pub const MAX_DISABLED_FAULTS: u32 = 2;

/// A pointer to a live DCB. Exists only for memory that a Dispatcher capability names; such memory is not given back while
/// a dispatcher is on any queue or runs: [`crate::env::Env`]'s `dispatcher_deleted` takes it off before the last Dispatcher capability goes,
/// and the memory stays in use while there is an endpoint.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DcbPtr(NonNull<Dcb>);

impl DcbPtr {
    /// The DCB at that physical address.
    ///
    /// # Safety
    /// `base` must come from a Dispatcher or endpoint capability of this kernel's database (it names zeroed or live DCB memory
    /// in the kernel window).
    pub unsafe fn from_phys(base: PhysAddr) -> Option<Self> {
        if base.0 == 0 || !base.is_aligned(DCB_BYTES) {
            return None;
        }
        NonNull::new(base.0.wrapping_add(KERNEL_OFFSET) as *mut Dcb).map(Self)
    }

    /// The dispatcher that an endpoint names.
    ///
    /// # Safety
    /// As for [`Self::from_phys`], from an endpoint capability: the database makes none without a dispatcher.
    #[inline(always)]
    pub unsafe fn of_listener(base: PhysAddr) -> Self {
        let address = crate::arch::context::in_window(base.0);
        // SAFETY: an address in the window is not 0.
        Self(unsafe { NonNull::new_unchecked(address as *mut Dcb) })
    }

    /// Its physical address.
    pub fn phys(self) -> PhysAddr {
        // Physical addresses have 48 bits.
        PhysAddr(self.0.as_ptr() as u64 & !KERNEL_OFFSET)
    }

    /// Makes the links of a dispatcher that is not set up yet say "on no queue": zeroed memory says otherwise.
    /// Does nothing for a dispatcher that is set up.
    pub fn init_links(self) {
        if self.state.get() == DcbState::Empty {
            // SAFETY: only a dispatcher that was set up is ever put on a queue, so no queue points here.
            unsafe {
                self.run_link.force_unlink();
                #[cfg(feature = "rbed")]
                {
                    self.time_link.force_unlink();
                    self.share_link.force_unlink();
                }
                self.wakeup_link.force_unlink();
            }
        }
    }

    /// For the intrusive queues.
    pub fn as_non_null(self) -> NonNull<Dcb> {
        self.0
    }

    /// From the intrusive queues.
    pub fn from_non_null(pointer: NonNull<Dcb>) -> Self {
        Self(pointer)
    }

    /// Handle of the CSpace slot.
    #[inline]
    pub fn cspace(self) -> CteRef {
        self.slot(0)
    }

    /// Handle of the slot of the root table that it runs on.
    pub fn vspace(self) -> CteRef {
        self.slot(if self.swapped.get() { 3 } else { 1 })
    }

    /// Handle of the slot of the root table of before, or next.
    pub fn spare_vspace(self) -> CteRef {
        self.slot(if self.swapped.get() { 1 } else { 3 })
    }

    /// Handle of the frame slot.
    pub fn frame(self) -> CteRef {
        self.slot(2)
    }

    #[inline]
    fn slot(self, index: u64) -> CteRef {
        // SAFETY: the four slots lie at the start of a live DCB, which is in the kernel window (invariant of DcbPtr).
        unsafe { CteRef::new(PhysAddr(self.phys().0 + index * 64)) }
    }

    /// Kernel address of the shared structure; `None` when the frame is lost.
    #[inline]
    pub fn shared(self) -> Option<NonNull<DispatcherShared>> {
        let base = self.frame_base.get();
        let address = crate::arch::context::in_window(base) as *mut DispatcherShared;
        // SAFETY: an address in the window is not 0.
        (base != 0).then(|| unsafe { NonNull::new_unchecked(address) })
    }
}

impl Deref for DcbPtr {
    type Target = Dcb;

    #[inline]
    fn deref(&self) -> &Dcb {
        // SAFETY: invariant of DcbPtr: live DCB memory in the window. Only shared references are ever made, and every field
        // is a cell or touched by the capability database alone.
        unsafe { self.0.as_ref() }
    }
}
