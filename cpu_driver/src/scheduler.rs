//! Round robin over the runnable dispatchers, and the queue of those that sleep until a time.
//!
//! Both queues link through the DCBs: nothing is allocated, every operation is O(1) or O(log n). (Barrelfish:
//! `kernel/schedule_rr.c`, `kernel/wakeup.c`; its wake-up queue is a sorted list, whose insertion is O(n).)

use intrusive_collections::{KeyAdapter, LinkedList, RBTree, UnsafeRef, intrusive_adapter};

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
    run: LinkedList<RunAdapter>,
    wakeups: RBTree<WakeupAdapter>,
    runnable: u64,
}

/// A link to a dispatcher, for a queue.
pub fn queue_ref(dcb: DcbPtr) -> UnsafeRef<Dcb> {
    // SAFETY: the DCB stays valid while it is on a queue: it is removed from both before its memory can be given back
    // (invariant of DcbPtr).
    unsafe { UnsafeRef::from_raw(dcb.as_non_null().as_ptr()) }
}

fn pointer(dcb: &Dcb) -> DcbPtr {
    DcbPtr::from_non_null(core::ptr::NonNull::from(dcb))
}

impl Scheduler {
    /// Empty queues.
    pub fn new() -> Self {
        Self {
            run: LinkedList::new(RunAdapter::new()),
            wakeups: RBTree::new(WakeupAdapter::new()),
            runnable: 0,
        }
    }

    /// Dispatchers on the run queue.
    pub fn runnable(&self) -> u64 {
        self.runnable
    }

    /// Puts a ready dispatcher at the end of the run queue, unless it is there.
    #[inline]
    pub fn make_runnable(&mut self, dcb: DcbPtr) {
        if dcb.state.get() == DcbState::Ready && !dcb.run_link.is_linked() {
            self.run.push_back(queue_ref(dcb));
            self.runnable += 1;
        }
    }

    /// Takes a dispatcher off both queues. One that is dead is on neither: its link belongs to [`crate::notes`].
    pub fn remove(&mut self, dcb: DcbPtr) {
        if dcb.state.get() != DcbState::Dead && dcb.run_link.is_linked() {
            // SAFETY: it is linked, and of one that is not dead only ever in this list.
            let _ = unsafe { self.run.cursor_mut_from_ptr(dcb.as_non_null().as_ptr()) }.remove();
            self.runnable -= 1;
        }
        self.cancel_wakeup(dcb);
    }

    /// The next to run, which goes to the end of the queue.
    pub fn next(&mut self) -> Option<DcbPtr> {
        let first = self.run.pop_front()?;
        let dcb = pointer(&first);
        self.run.push_back(first);
        Some(dcb)
    }

    /// Wakes the dispatcher at counter value `at`.
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
    pub fn next_wakeup(&self) -> Option<u64> {
        self.wakeups.front().get().map(|dcb| dcb.wakeup.get())
    }

    /// Makes dispatchers runnable whose time has come: at most [`WAKEUPS_PER_ENTRY`]; the timer fires again for the rest.
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
