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
    /// The only one that may be on the queue though it waits for a message: who waits and is answered keeps its place, at no cost.
    resting: Option<DcbPtr>,
    slice_ticks: u64,
}

/// Whether it waits though it is on the queue.
fn rests(dcb: DcbPtr) -> bool {
    dcb.run_link.is_linked() && dcb.accepts.get() != 0
}

impl Runs {
    /// Nobody runs.
    pub fn new(slice_ticks: u64) -> Self {
        Self {
            run: LinkedList::new(RunAdapter::new()),
            runnable: 0,
            resting: None,
            slice_ticks,
        }
    }

    /// Dispatchers on the queue.
    pub fn count(&self) -> u64 {
        let resting = self.resting.is_some_and(rests);
        self.runnable - u64::from(resting)
    }

    /// Whether a dispatcher is on the queue.
    #[inline]
    pub fn has(&self, dcb: DcbPtr) -> bool {
        dcb.run_link.is_linked()
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
        if self.resting == Some(dcb) {
            self.resting = None;
        }
    }

    /// Whether the running dispatcher can wait, and another one run on its time, with the queue as it is: who waits may keep its place if
    /// it is the one that rests, and who runs need not be on the queue. (When that is to leave the core and wants it back, it is
    /// [added](Self::add).)
    #[inline(always)]
    pub fn can_hand_over(&self, from: DcbPtr) -> bool {
        !from.run_link.is_linked() || self.resting == Some(from)
    }

    /// The running dispatcher is going to wait for a message only: it keeps its place on the queue, if that is not another's privilege.
    pub fn rest(&mut self, dcb: DcbPtr) {
        match self.resting {
            Some(other) if other != dcb => self.remove(dcb),
            _ => self.resting = Some(dcb),
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
        let mut first = self.run.pop_front()?;
        if self
            .resting
            .is_some_and(|resting| resting == pointer(&first) && resting.accepts.get() != 0)
        {
            self.resting = None;
            self.runnable -= 1;
            first = self.run.pop_front()?;
        }
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
