//! Who runs next, and the queue of those that sleep until a time.
//!
//! There are two schedulers, each behind the same few functions (`Runs`); the feature `rbed` chooses, when the kernel is built:
//! [`round_robin`] and [`rbed`]. All queues link through the DCBs: nothing is allocated, every operation is O(1) or O(log n).
//! (Barrelfish: `kernel/schedule_rr.c`, `kernel/schedule_rbed.c`, `kernel/wakeup.c`; its wake-up queue is a sorted list, whose
//! insertion is O(n).)

#[cfg(feature = "rbed")]
mod rbed;
#[cfg(not(feature = "rbed"))]
mod round_robin;

#[cfg(feature = "rbed")]
use rbed::Runs;
#[cfg(not(feature = "rbed"))]
use round_robin::Runs;

use errors::ErrorCode;
use intrusive_collections::{KeyAdapter, RBTree, UnsafeRef, intrusive_adapter};

use crate::dcb::{Dcb, DcbPtr, DcbState};

intrusive_adapter!(pub RunAdapter = UnsafeRef<Dcb>: Dcb { run_link => intrusive_collections::LinkedListLink });
intrusive_adapter!(WakeupAdapter = UnsafeRef<Dcb>: Dcb { wakeup_link => intrusive_collections::RBTreeLink });

impl<'a> KeyAdapter<'a> for WakeupAdapter {
    type Key = u64;
    fn get_key(&self, dcb: &'a Dcb) -> u64 {
        dcb.wakeup.get()
    }
}

/// The queues of this core.
pub struct Scheduler {
    runs: Runs,
    wakeups: RBTree<WakeupAdapter>,
}

/// A link to a dispatcher, for a queue.
pub fn queue_ref(dcb: DcbPtr) -> UnsafeRef<Dcb> {
    // SAFETY: the DCB stays valid while it is on a queue: it is removed from all before its memory can be given back
    // (invariant of DcbPtr).
    unsafe { UnsafeRef::from_raw(dcb.as_non_null().as_ptr()) }
}

fn pointer(dcb: &Dcb) -> DcbPtr {
    DcbPtr::from_non_null(core::ptr::NonNull::from(dcb))
}

impl Scheduler {
    /// Empty queues; a time slice has so many ticks.
    pub fn new(slice_ticks: u64) -> Self {
        Self {
            runs: Runs::new(slice_ticks),
            wakeups: RBTree::new(WakeupAdapter::new()),
        }
    }

    /// Dispatchers that want the core.
    pub fn runnable(&self) -> u64 {
        self.runs.count()
    }

    /// Lets a ready dispatcher run when its turn comes.
    #[inline]
    pub fn make_runnable(&mut self, dcb: DcbPtr) {
        dcb.accepts.set(0);
        if dcb.state.get() == DcbState::Ready {
            self.runs.add(dcb);
        }
    }

    /// The running dispatcher leaves the core and wants it back, if it is still ready: by ReplyWait it may have got it without being on the
    /// queue.
    #[inline(always)]
    pub fn keep(&mut self, dcb: DcbPtr) {
        if !self.runs.has(dcb) {
            self.keep_now(dcb);
        }
    }

    #[cold]
    #[inline(never)]
    fn keep_now(&mut self, dcb: DcbPtr) {
        self.make_runnable(dcb);
    }

    /// Whether the running dispatcher can wait, and another one run on its time instead, with the queues as they are.
    #[inline(always)]
    pub fn can_hand_over(&self, from: DcbPtr, to: DcbPtr) -> bool {
        !to.wakeup_link.is_linked() && self.runs.can_hand_over(from)
    }

    /// The running dispatcher is going to wait for a message only.
    pub fn rest(&mut self, dcb: DcbPtr) {
        self.runs.rest(dcb);
    }

    /// Takes a dispatcher off all queues.
    pub fn remove(&mut self, dcb: DcbPtr) {
        dcb.accepts.set(0);
        self.runs.remove(dcb);
        self.cancel_wakeup(dcb);
    }

    /// As [`Self::remove`], for good: nothing is kept for it any more.
    pub fn forget(&mut self, dcb: DcbPtr) {
        dcb.accepts.set(0);
        self.runs.forget(dcb);
        self.cancel_wakeup(dcb);
    }

    /// The next to run.
    #[inline]
    pub fn next(&mut self) -> Option<DcbPtr> {
        self.runs.next()
    }

    /// When the time that [`Self::next`] gave to this dispatcher ends.
    #[inline]
    pub fn slice_end(&self, dcb: DcbPtr) -> u64 {
        self.runs.slice_end(dcb)
    }

    /// After an interrupt: until when the running dispatcher goes on, if it does; it was given time until `slice_end`.
    #[inline]
    pub fn goes_on(&mut self, current: DcbPtr, slice_end: u64) -> Option<u64> {
        self.runs.goes_on(current, slice_end)
    }

    /// Whether the receiver of an interrupt may run on the time of whom it interrupted.
    #[inline]
    pub fn lends_time(&self) -> bool {
        self.runs.lends_time()
    }

    /// The dispatcher gives the core away, and still has work.
    #[inline]
    pub fn end_turn(&mut self, dcb: DcbPtr) {
        self.runs.end_turn(dcb);
    }

    /// The Properties of a dispatcher, as their invocation has them.
    ///
    /// # Errors
    /// DISP_PROPERTIES, DISP_NOT_RUNNABLE, DISP_UTILISATION.
    pub fn set_properties(&mut self, dcb: DcbPtr, words: &[u64; 5]) -> Result<(), ErrorCode> {
        self.runs.set_properties(dcb, words)
    }

    /// Wakes the dispatcher at counter value `at`.
    #[optimize(size)]
    pub fn wake_at(&mut self, dcb: DcbPtr, at: u64) {
        self.cancel_wakeup(dcb);
        dcb.wakeup.set(at);
        self.wakeups.insert(queue_ref(dcb));
    }

    /// Forgets a wake-up.
    #[inline]
    pub fn cancel_wakeup(&mut self, dcb: DcbPtr) {
        if dcb.wakeup_link.is_linked() {
            // SAFETY: it is linked, and only ever in this tree.
            let _ =
                unsafe { self.wakeups.cursor_mut_from_ptr(dcb.as_non_null().as_ptr()) }.remove();
            dcb.wakeup.set(0);
        }
    }

    /// Counter value of the next wake-up.
    #[inline]
    pub fn next_wakeup(&self) -> Option<u64> {
        self.wakeups.front().get().map(|dcb| dcb.wakeup.get())
    }

    /// Counter value at which something is to be done though nobody runs.
    pub fn next_event(&self) -> Option<u64> {
        match (self.next_wakeup(), self.runs.next_release()) {
            (Some(wakeup), Some(release)) => Some(wakeup.min(release)),
            (wakeup, release) => wakeup.or(release),
        }
    }

    /// Makes dispatchers runnable whose time has come: at most [`WAKEUPS_PER_ENTRY`]; the timer fires again for the rest.
    #[optimize(size)]
    pub fn wake_due(&mut self, now: u64) {
        for _ in 0..WAKEUPS_PER_ENTRY {
            match self.wakeups.front().get() {
                Some(dcb) if dcb.wakeup.get() <= now => {
                    let dcb = pointer(dcb);
                    self.cancel_wakeup(dcb);
                    self.make_runnable(dcb);
                }
                _ => return,
            }
        }
    }
}

/// Most dispatchers woken in one kernel entry.
const WAKEUPS_PER_ENTRY: usize = 32;
