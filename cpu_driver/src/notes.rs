//! Notes from the kernel to the monitor: a dispatcher died, a dispatcher was stopped, memory has become free.
//!
//! A note is an LMP message without sender. If the monitor's endpoint is full, the note waits here, and is delivered at a later
//! kernel entry. The queue is bounded: when it overflows, notes are counted instead and the count is said on the console; the
//! monitor can still see every dispatcher's state by asking. Of free memory one range waits, which grows until it covers all of it: it is
//! only a hint where to look, so it may be too large, and no delete ever fails for want of room.

use core::cell::UnsafeCell;

use caps::{Cte, CteRef};
use kpi::addr::PhysAddr;
use kpi::layout::KERNEL_OFFSET;
use kpi::lmp::KernelNote;

/// Words of a note.
const NOTE_WORDS: usize = 6;
/// Notes that can wait.
const WAITING: usize = 32;

/// A note.
#[derive(Clone, Copy)]
pub struct Note {
    /// Payload of the message.
    pub words: [u64; NOTE_WORDS],
}

impl Note {
    /// The note `kind` with its arguments.
    pub fn new(kind: KernelNote, args: [u64; NOTE_WORDS - 1]) -> Self {
        let [a, b, c, d, e] = args;
        Self {
            words: [kind as u64, a, b, c, d, e],
        }
    }
}

/// The slot of the registered endpoint: in the kernel image, so that the database can hold it.
#[repr(transparent)]
struct EndpointSlot(UnsafeCell<Cte>);

// SAFETY: only the capability database of this core's single-threaded kernel touches it.
unsafe impl Sync for EndpointSlot {}

static MONITOR_ENDPOINT: EndpointSlot = EndpointSlot(UnsafeCell::new(Cte::EMPTY));

/// The queue.
pub struct Notes {
    waiting: [Note; WAITING],
    first: usize,
    length: usize,
    /// Free memory that was not told yet: base and end.
    free: Option<(u64, u64)>,
    /// There is a note, or else a reason not to go back to the caller plainly.
    attention: bool,
    /// Notes lost to a full queue since the last report.
    pub dropped: u64,
    registered: bool,
}

impl Notes {
    /// Nothing waiting, nobody registered.
    pub const fn new() -> Self {
        Self {
            waiting: [Note {
                words: [0; NOTE_WORDS],
            }; WAITING],
            first: 0,
            length: 0,
            free: None,
            attention: false,
            dropped: 0,
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

    /// Queues a note.
    pub fn push(&mut self, note: Note) {
        let at = (self.first + self.length) % WAITING;
        match self.waiting.get_mut(at) {
            Some(place) if self.length < WAITING => {
                *place = note;
                self.length += 1;
                self.attention = true;
            }
            _ => self.dropped += 1,
        }
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
        self.attention = self.length > 0 || self.free.is_some();
    }

    /// The oldest note.
    pub fn front(&self) -> Option<Note> {
        if self.length > 0 {
            return self.waiting.get(self.first).copied();
        }
        let (base, end) = self.free?;
        Some(Note::new(KernelNote::Free, [base, end - base, 0, 0, 0]))
    }

    /// Removes the oldest note.
    pub fn pop(&mut self) {
        if self.length > 0 {
            self.first = (self.first + 1) % WAITING;
            self.length -= 1;
        } else {
            self.free = None;
        }
        self.attended();
    }
}
