//! What the scheduler keeps of a task, and the queues that it wants.

use core::cell::Cell;
use core::ops::Deref;

use crate::MAX_WEIGHT;

/// What a task is promised.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub enum Class {
    /// Nothing but its share of what is not promised.
    #[default]
    BestEffort = 0,
    /// Time in each period; when that is used up it goes on as best effort until the next one.
    Soft = 1,
    /// Time in each period, and no more.
    Hard = 2,
}

/// Which of the two queues of promises a task is on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub(crate) enum Timed {
    /// Neither.
    #[default]
    No = 0,
    /// It has time left in this period: by deadline.
    Deadlines = 1,
    /// It waits for its next period: by release.
    Releases = 2,
}

/// What the scheduler keeps of a task. All zeroes is a valid one: best effort, of weight 1, not ready.
///
/// Fields are cells: queues and scheduler look at a task in the same breath.
#[derive(Debug, Default)]
pub struct Task {
    pub(crate) class: Cell<Class>,
    pub(crate) timed: Cell<Timed>,
    /// On the queue of best effort.
    pub(crate) sharing: Cell<bool>,
    pub(crate) weight: Cell<u16>,
    /// Part of the core that it is promised, in millionths.
    pub(crate) rate: Cell<u32>,
    /// Order on the queue of promises that it is on.
    pub(crate) time_key: Cell<u64>,
    /// Order on the queue of best effort: its virtual time when this turn began.
    pub(crate) share_key: Cell<u64>,
    /// Best-effort time that it has had, divided by its weight; never behind what others had when it came.
    pub(crate) virtual_time: Cell<u64>,
    /// Ticks left of this turn as best effort.
    pub(crate) turn: Cell<u64>,
    /// The promise.
    pub(crate) time: Cell<u64>,
    pub(crate) relative_deadline: Cell<u64>,
    pub(crate) period: Cell<u64>,
    /// No release before this.
    pub(crate) next_release: Cell<u64>,
    /// Of the present job.
    pub(crate) deadline: Cell<u64>,
    /// Ticks left of the present job.
    pub(crate) left: Cell<u64>,
}

impl Task {
    /// Order on a queue of promises.
    pub fn time_key(&self) -> u64 {
        self.time_key.get()
    }

    /// Order on the queue of best effort.
    pub fn share_key(&self) -> u64 {
        self.share_key.get()
    }

    /// What it is promised.
    pub fn class(&self) -> Class {
        self.class.get()
    }

    /// Whether it is on a queue.
    pub fn is_ready(&self) -> bool {
        self.sharing.get() || self.timed.get() != Timed::No
    }

    /// Its weight among best effort.
    pub(crate) fn weight(&self) -> u64 {
        u64::from(self.weight.get().clamp(1, MAX_WEIGHT))
    }
}

/// A way to a task, which stays where it is while it is on a queue. Equal if they lead to the same one.
pub trait Handle: Copy + PartialEq + Deref<Target = Task> {}

impl<T: Copy + PartialEq + Deref<Target = Task>> Handle for T {}

/// Tasks in the order of a key that does not change while they are on it; equal ones in the order in which they came.
pub trait Queue<T> {
    /// Puts a task on it that is not on it.
    fn insert(&mut self, task: T);
    /// Takes a task off it that is on it.
    fn remove(&mut self, task: T);
    /// The one with the least key.
    fn first(&self) -> Option<T>;
}
