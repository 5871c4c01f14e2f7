//! Notes from the kernel to the monitor: a dispatcher was stopped, a dispatcher is gone, memory has become free.
//!
//! A note is an LMP message without sender. If the monitor's endpoint is full, the note waits here, and is delivered at a later
//! kernel entry. None is ever lost, and nothing is allocated for one:
//!
//! | Note | Where it waits |
//! |---|---|
//! | Fault | in the DCB: those that are stopped and not told are a list through the link of the run queue, on which they are no more |
//! | Death | here, with its domain id, if there is room; else it is counted: of several the monitor hears how many, and asks for each that it cares for |
//! | Free | here, as one range that grows until it covers all of it: a hint where to look, so it may be too large |
//!
//! A dispatcher that is deleted before its Fault was told is told as a Death alone.

use core::cell::UnsafeCell;

use caps::{Cte, CteRef};
use intrusive_collections::LinkedList;
use kpi::addr::PhysAddr;
use kpi::layout::KERNEL_OFFSET;
use kpi::lmp::KernelNote;

use crate::dcb::DcbPtr;
use crate::scheduler::{RunAdapter, queue_ref};

/// Words of a note.
const NOTE_WORDS: usize = 6;
/// Deaths that can wait with their domain ids.
const WAITING: usize = 32;

/// Payload of the message.
pub type Note = [u64; NOTE_WORDS];

/// The slot of the registered endpoint: in the kernel image, so that the database can hold it.
#[repr(transparent)]
struct EndpointSlot(UnsafeCell<Cte>);

// SAFETY: only the capability database of this core's single-threaded kernel touches it.
unsafe impl Sync for EndpointSlot {}

static MONITOR_ENDPOINT: EndpointSlot = EndpointSlot(UnsafeCell::new(Cte::EMPTY));

/// What waits.
pub struct Notes {
    /// Dispatchers that were stopped.
    stopped: LinkedList<RunAdapter>,
    /// Domain ids of deleted ones, from the first that waits on.
    deleted: [u64; WAITING],
    first: usize,
    length: usize,
    /// Deleted ones besides these.
    more_deleted: u64,
    /// Free memory that was not told yet: base and end.
    free: Option<(u64, u64)>,
    /// There is a note, or else a reason not to go back to the caller plainly.
    attention: bool,
    registered: bool,
}

impl Notes {
    /// Nothing waiting, nobody registered.
    pub fn new() -> Self {
        Self {
            stopped: LinkedList::new(RunAdapter::new()),
            deleted: [0; WAITING],
            first: 0,
            length: 0,
            more_deleted: 0,
            free: None,
            attention: false,
            registered: false,
        }
    }

    /// Handle of the endpoint's slot.
    pub fn endpoint_slot(&self) -> CteRef {
        let address = MONITOR_ENDPOINT.0.get() as u64;
        // SAFETY: a CTE of the kernel image, which lies in the window.
        unsafe { CteRef::new(PhysAddr(address.wrapping_sub(KERNEL_OFFSET))) }
    }

    /// Whether `slot` is the endpoint's.
    pub fn is_endpoint_slot(&self, slot: CteRef) -> bool {
        slot == self.endpoint_slot()
    }

    /// An endpoint was registered.
    pub fn endpoint_registered(&mut self) {
        self.registered = true;
    }

    /// The registered endpoint is about to be deleted.
    pub fn endpoint_lost(&mut self) {
        self.registered = false;
    }

    /// Whether there is somebody to tell.
    pub fn is_registered(&self) -> bool {
        self.registered
    }

    /// Notes that a dispatcher was stopped, which is on no queue. It keeps why.
    pub fn push_stopped(&mut self, dcb: DcbPtr) {
        self.stopped.push_back(queue_ref(dcb));
        self.attention = true;
    }

    /// Notes that a dispatcher is gone, which is on no queue of the scheduler.
    pub fn push_deleted(&mut self, dcb: DcbPtr) {
        if dcb.run_link.is_linked() {
            // SAFETY: it is linked, and of a dispatcher that is on no queue of the scheduler only in this list.
            let _ =
                unsafe { self.stopped.cursor_mut_from_ptr(dcb.as_non_null().as_ptr()) }.remove();
        }
        let at = (self.first + self.length) % WAITING;
        match self.deleted.get_mut(at) {
            Some(place) if self.length < WAITING => {
                *place = dcb.domain_id.get();
                self.length += 1;
            }
            _ => self.more_deleted += 1,
        }
        self.attention = true;
    }

    /// Notes that memory has become free.
    pub fn push_free(&mut self, base: u64, bytes: u64) {
        let end = base.saturating_add(bytes);
        let (first, last) = self.free.unwrap_or((base, end));
        self.free = Some((first.min(base), last.max(end)));
        self.attention = true;
    }

    /// Whether there is a note, or something else to look after before the caller goes on.
    #[inline]
    pub fn need_attention(&self) -> bool {
        self.attention
    }

    /// The dispatcher that runs is not to go on: who ends the system call has to look.
    pub fn ask_attention(&mut self) {
        self.attention = true;
    }

    /// Somebody looked: only a note that still waits is a reason to look again.
    pub fn attended(&mut self) {
        self.attention = !self.is_empty();
    }

    #[inline]
    fn is_empty(&self) -> bool {
        self.stopped.is_empty() && self.length == 0 && self.more_deleted == 0 && self.free.is_none()
    }

    /// What is to be told next.
    #[optimize(size)]
    pub fn front(&self) -> Option<Note> {
        if let Some(dcb) = self.stopped.front().get() {
            let [kind, esr, far, pc] = dcb.why_stopped.get();
            let fault = KernelNote::Fault as u64;
            return Some([fault, dcb.domain_id.get(), kind, esr, far, pc]);
        }
        let (kind, first, second) = if self.length > 0 {
            let id = self.deleted.get(self.first).copied();
            (KernelNote::Death, id.unwrap_or(0), 1)
        } else if self.more_deleted > 0 {
            (KernelNote::Death, 0, self.more_deleted)
        } else {
            let (base, end) = self.free?;
            (KernelNote::Free, base, end - base)
        };
        Some([kind as u64, first, second, 0, 0, 0])
    }

    /// That was told.
    #[optimize(size)]
    pub fn pop(&mut self) {
        if self.stopped.pop_front().is_some() {
            return;
        }
        if self.length > 0 {
            self.first = (self.first + 1) % WAITING;
            self.length -= 1;
        } else if self.more_deleted > 0 {
            self.more_deleted = 0;
        } else {
            self.free = None;
        }
    }
}
