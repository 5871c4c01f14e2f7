//! RBED: promises with deadlines, and the rest by weight. The scheduler is the crate `sched`, on DCBs and intrusive trees.
//!
//! Time passes for its *owner*, whom it chose last. A message that hands the core over lends the owner's time to the receiver, until
//! the next decision. What cannot wait for the timer (a promise that is due) sets the timer to now: the interrupt comes when
//! the kernel is left, and the next decision is made there, wherever that was noticed.

use core::ops::Deref;

use errors::ErrorCode;
use intrusive_collections::rbtree::RBTreeOps;
use intrusive_collections::{
    Adapter, DefaultPointerOps, KeyAdapter, RBTree, UnsafeRef, intrusive_adapter,
};
use kpi::invocation::{TaskType, WEIGHT_MAX};
use sched::{Class, Decision, Promise, Queue, Rbed, Refused, Task};

use super::{pointer, queue_ref};
use crate::dcb::{Dcb, DcbPtr, DcbState};

const _: () = assert!(WEIGHT_MAX == sched::MAX_WEIGHT as u64);

intrusive_adapter!(TimeAdapter = UnsafeRef<Dcb>: Dcb { time_link => intrusive_collections::RBTreeLink });
intrusive_adapter!(ShareAdapter = UnsafeRef<Dcb>: Dcb { share_link => intrusive_collections::RBTreeLink });

impl<'a> KeyAdapter<'a> for TimeAdapter {
    type Key = u64;
    fn get_key(&self, dcb: &'a Dcb) -> u64 {
        dcb.task.time_key()
    }
}

impl<'a> KeyAdapter<'a> for ShareAdapter {
    type Key = u64;
    fn get_key(&self, dcb: &'a Dcb) -> u64 {
        dcb.task.share_key()
    }
}

/// A dispatcher, as the scheduler sees it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Run(DcbPtr);

impl Deref for Run {
    type Target = Task;

    #[inline]
    fn deref(&self) -> &Task {
        &self.0.task
    }
}

/// A queue: of promises by their times, or of best effort by its shares.
struct Tree<A: Adapter>(RBTree<A>)
where
    A::LinkOps: RBTreeOps;

impl<A> Queue<Run> for Tree<A>
where
    A: Adapter<PointerOps = DefaultPointerOps<UnsafeRef<Dcb>>> + for<'a> KeyAdapter<'a, Key = u64>,
    A::LinkOps: RBTreeOps,
{
    #[inline(never)]
    fn insert(&mut self, task: Run) {
        self.0.insert(queue_ref(task.0));
    }

    #[inline(never)]
    fn remove(&mut self, task: Run) {
        // SAFETY: it is linked, and in this tree: the scheduler removes only what it inserted, and only from the queue of its class.
        let _ = unsafe { self.0.cursor_mut_from_ptr(task.0.as_non_null().as_ptr()) }.remove();
    }

    fn first(&self) -> Option<Run> {
        self.0.front().get().map(|dcb| Run(pointer(dcb)))
    }
}

/// The run queues.
pub struct Runs {
    core: Rbed<Run, Tree<TimeAdapter>, Tree<ShareAdapter>>,
    /// Made, and not carried out yet.
    decided: Option<Decision<Run>>,
    /// The end of what was carried out last.
    until: u64,
}

impl Runs {
    /// Nobody runs.
    pub fn new(slice_ticks: u64) -> Self {
        let times = || Tree(RBTree::new(TimeAdapter::new()));
        let shares = Tree(RBTree::new(ShareAdapter::new()));
        Self {
            core: Rbed::new(times(), times(), shares, slice_ticks),
            decided: None,
            until: 0,
        }
    }

    /// Dispatchers that want the core, those that wait for their next period included.
    pub fn count(&self) -> u64 {
        self.core.ready()
    }

    /// Lets the next decision come at once, if it has to.
    fn heed(&mut self) {
        if self.core.take_urgent() {
            hal::timer::set_deadline(0);
        }
    }

    /// Whether a dispatcher wants the core.
    #[inline]
    pub fn has(&self, dcb: DcbPtr) -> bool {
        dcb.task.is_ready()
    }

    /// A dispatcher wants the core.
    #[inline]
    pub fn add(&mut self, dcb: DcbPtr) {
        if !dcb.task.is_ready() {
            self.add_now(dcb);
        }
    }

    #[inline(never)]
    fn add_now(&mut self, dcb: DcbPtr) {
        self.core.make_ready(Run(dcb), hal::timer::now());
        self.heed();
    }

    /// A dispatcher does not want the core for now; its promise stays.
    pub fn remove(&mut self, dcb: DcbPtr) {
        self.core.block(Run(dcb), hal::timer::now());
        self.heed();
    }

    /// Always: who waits for a message and is chosen meanwhile, since it is still in its queue, finds that there is none. Whose time it
    /// is stays known, as with every message that hands the core over.
    #[inline(always)]
    pub fn can_hand_over(&self, _from: DcbPtr) -> bool {
        true
    }

    /// The running dispatcher is going to wait for a message only.
    pub fn rest(&mut self, dcb: DcbPtr) {
        self.remove(dcb);
    }

    /// A dispatcher goes, and its promise with it.
    pub fn forget(&mut self, dcb: DcbPtr) {
        self.core.forget(Run(dcb), hal::timer::now());
        self.heed();
    }

    /// Who has the core now.
    pub fn next(&mut self) -> Option<DcbPtr> {
        let decision = match self.decided.take() {
            Some(decision) => decision,
            None => self.core.decide(hal::timer::now()),
        };
        self.until = decision.until;
        decision.run.map(|task| task.0)
    }

    /// When to decide again.
    #[inline]
    pub fn slice_end(&self, _dcb: DcbPtr) -> u64 {
        self.until
    }

    /// Decides. The running dispatcher goes on if it was chosen, or if it runs on the time of whoever was and still has some of that turn.
    pub fn goes_on(&mut self, current: DcbPtr, slice_end: u64) -> Option<u64> {
        let now = hal::timer::now();
        let owner = self.core.owner();
        let decision = self.core.decide(now);
        let lent =
            now < slice_end && owner.is_some() && decision.run == owner && current.task.is_ready();
        if lent || decision.run == Some(Run(current)) {
            self.until = decision.until;
            return Some(decision.until);
        }
        self.decided = Some(decision);
        None
    }

    /// Promised time is not lent to who did not ask for it.
    #[inline]
    pub fn lends_time(&self) -> bool {
        !self.core.is_promised_time()
    }

    /// Its turn, or its time of this period, is over.
    pub fn end_turn(&mut self, dcb: DcbPtr) {
        self.core.end_turn(Run(dcb), hal::timer::now());
    }

    /// When the next promise begins, if nobody has one to use now.
    pub fn next_release(&self) -> Option<u64> {
        (self.until != u64::MAX).then_some(self.until)
    }

    /// A weight, or a promise.
    #[optimize(size)]
    pub fn set_properties(&mut self, dcb: DcbPtr, words: &[u64; 5]) -> Result<(), ErrorCode> {
        let bad = ErrorCode::SysDispProperties;
        let [kind_and_weight, deadline, time, period, first] = *words;
        let kind = TaskType::from_u64(kind_and_weight >> 16).ok_or(bad)?;
        let weight = kind_and_weight as u16;
        let is_weight = (1..=WEIGHT_MAX).contains(&u64::from(weight));
        let now = hal::timer::now();
        let class = match kind {
            TaskType::BestEffort if is_weight && [deadline, time, period, first] == [0; 4] => {
                self.core.set_weight(Run(dcb), weight, now);
                self.heed();
                return Ok(());
            }
            TaskType::SoftRealTime if is_weight => Class::Soft,
            TaskType::HardRealTime if weight == 0 => Class::Hard,
            _ => return Err(bad),
        };
        let frequency = hal::timer::frequency();
        let promise = Promise::new(time, deadline, period, first, frequency).map_err(|_| bad)?;
        // What is promised to who is gone, or was never there, would stay so.
        if !matches!(dcb.state.get(), DcbState::Ready | DcbState::Stopped) {
            return Err(ErrorCode::SysDispNotRunnable);
        }
        let done = self
            .core
            .set_promise(Run(dcb), class, weight, &promise, now);
        self.heed();
        done.map_err(|refused| match refused {
            Refused::Invalid => bad,
            Refused::Overcommitted => ErrorCode::SysDispUtilisation,
        })
    }
}
