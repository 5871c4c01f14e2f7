//! Round robin: in a circle, each for its time slices. A weight is a number of slices.

use errors::ErrorCode;
use intrusive_collections::LinkedList;
use kpi::invocation::WEIGHT_MAX;

use super::{RunAdapter, pointer, queue_ref};
use crate::dcb::{DcbPtr, DcbState};

/// The run queue.
pub struct Runs {
    run: LinkedList<RunAdapter>,
    runnable: u64,
    slice_ticks: u64,
}

impl Runs {
    /// Nobody runs.
    pub fn new(slice_ticks: u64) -> Self {
        Self {
            run: LinkedList::new(RunAdapter::new()),
            runnable: 0,
            slice_ticks,
        }
    }

    /// Dispatchers on the queue.
    pub fn count(&self) -> u64 {
        self.runnable
    }

    /// Puts a dispatcher at the end of the queue, unless it is on it.
    #[inline]
    pub fn add(&mut self, dcb: DcbPtr) {
        if !dcb.run_link.is_linked() {
            self.run.push_back(queue_ref(dcb));
            self.runnable += 1;
        }
    }

    /// Takes a dispatcher off the queue. One that is dead is not on it: its link belongs to [`crate::notes`].
    #[inline]
    pub fn remove(&mut self, dcb: DcbPtr) {
        if dcb.state.get() != DcbState::Dead && dcb.run_link.is_linked() {
            // SAFETY: it is linked, and of one that is not dead only ever in this list.
            let _ = unsafe { self.run.cursor_mut_from_ptr(dcb.as_non_null().as_ptr()) }.remove();
            self.runnable -= 1;
        }
    }

    /// The same for good.
    #[inline]
    pub fn forget(&mut self, dcb: DcbPtr) {
        self.remove(dcb);
    }

    /// The next to run, which goes to the end of the queue.
    #[inline]
    pub fn next(&mut self) -> Option<DcbPtr> {
        let first = self.run.pop_front()?;
        let dcb = pointer(&first);
        self.run.push_back(first);
        Some(dcb)
    }

    /// The end of the slices that a dispatcher gets at a time.
    #[inline]
    pub fn slice_end(&self, dcb: DcbPtr) -> u64 {
        let slices = 1 + u64::from(dcb.more_slices.get());
        hal::timer::now().saturating_add(slices * self.slice_ticks)
    }

    /// To the end of its slices. Who was woken waits for its turn: else a dispatcher that sleeps briefly could end others' slices at will.
    #[inline]
    pub fn goes_on(&mut self, _current: DcbPtr, slice_end: u64) -> Option<u64> {
        (hal::timer::now() < slice_end).then_some(slice_end)
    }

    /// Always: a driver does not wait.
    #[inline]
    pub fn lends_time(&self) -> bool {
        true
    }

    /// It is at the end of the queue already.
    #[inline]
    pub fn end_turn(&mut self, _dcb: DcbPtr) {}

    /// Nobody waits for a time here.
    #[inline]
    pub fn next_release(&self) -> Option<u64> {
        None
    }

    /// Best effort is all that there is; a weight is a number of slices.
    pub fn set_properties(&mut self, dcb: DcbPtr, words: &[u64; 5]) -> Result<(), ErrorCode> {
        let [kind_and_weight, times @ ..] = words;
        if !(1..=WEIGHT_MAX).contains(kind_and_weight) || *times != [0; 4] {
            return Err(ErrorCode::SysDispProperties);
        }
        dcb.more_slices.set((kind_and_weight - 1) as u8);
        Ok(())
    }
}
