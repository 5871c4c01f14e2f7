//! The scheduler.
//!
//! The *owner* is the task whose time is passing: the one that the last decision chose. Its user may let others run on it (a
//! message that hands the core over); they are charged to it.
//!
//! All of best effort has one promise in common, made anew every time slice: the part of the core that nobody else was promised,
//! in each slice, by its end. While that lasts, best effort takes part in the order of deadlines; when it is used up, or there are
//! earlier deadlines, it has what the others leave. So the core is never idle while somebody wants it, and every task has its
//! rate.
//!
//! Why no deadline is missed. The rates of promises, with what is left to best effort, never exceed the spectrum less the
//! reserve. Each job asks for no more than its rate between its release and its deadline, and the sum over jobs in any
//! interval is no more than the interval, which is all that earliest deadline first needs. Three places keep it so when
//! things change: [`Rbed::set_promise`] (a new promise begins when what it is made from is free: when the current job of best effort
//! ends, and the jobs of promises taken back), `wake` (a late rest of a job is used only if that is no more than the rate from then on), and the
//! same for best effort when it has had nothing to do.

use crate::task::Timed;
use crate::{BETA, Class, Handle, Promise, Queue, RELEASES, RESERVE, Refused, SPECTRUM};

/// Virtual time of a tick at weight 1.
const UNIT: u64 = 16;

/// What is to happen now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Decision<T> {
    /// Who has the core; nobody is ready if none.
    pub run: Option<T>,
    /// When to decide again at the latest.
    pub until: u64,
}

/// What the owner's time is charged to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum By {
    Promise,
    Share,
}

/// The common promise of best effort.
#[derive(Debug, Default)]
struct Rest {
    deadline: u64,
    left: u64,
}

/// The scheduler: queues of promises `Q`, ordered by [`Task::time_key`](crate::Task::time_key), and of best effort `S`, by
/// [`Task::share_key`](crate::Task::share_key).
#[derive(Debug)]
pub struct Rbed<T, Q, S> {
    deadlines: Q,
    releases: Q,
    shares: S,
    slice: u64,
    owner: Option<(T, By)>,
    /// Up to when the owner was charged.
    charged: u64,
    /// Virtual time of whom best effort served last.
    virtual_now: u64,
    /// Sum of the weights on `shares`.
    weights: u64,
    /// Tasks on `shares`.
    sharing: u64,
    rest: Rest,
    /// Sum of all promises.
    promised: u32,
    /// Sum of promises taken back whose jobs may have used their time already.
    held: u32,
    /// The last deadline of those.
    held_until: u64,
    /// Ready tasks.
    ready: u64,
    urgent: bool,
}

impl<T: Handle, Q: Queue<T>, S: Queue<T>> Rbed<T, Q, S> {
    /// Without tasks. The queues must be empty; a time slice has so many ticks.
    pub fn new(deadlines: Q, releases: Q, shares: S, slice: u64) -> Self {
        Self {
            deadlines,
            releases,
            shares,
            slice: slice.max(1),
            owner: None,
            charged: 0,
            virtual_now: 0,
            weights: 0,
            sharing: 0,
            rest: Rest::default(),
            promised: 0,
            held: 0,
            held_until: 0,
            ready: 0,
            urgent: false,
        }
    }

    /// Ready tasks, those that wait for their next period included.
    pub fn ready(&self) -> u64 {
        self.ready
    }

    /// Sum of all promises, in millionths.
    pub fn promised(&self) -> u32 {
        self.promised
    }

    /// Whose time is passing.
    pub fn owner(&self) -> Option<T> {
        self.owner.map(|(task, _)| task)
    }

    /// Whether the time that is passing was promised: then only its owner should use it.
    pub fn is_promised_time(&self) -> bool {
        matches!(self.owner, Some((_, By::Promise)))
    }

    /// Whether something has happened since this was last asked for which the last decision must not stand until its time.
    pub fn take_urgent(&mut self) -> bool {
        core::mem::take(&mut self.urgent)
    }

    /// Charges the owner, and chooses who has the core now.
    pub fn decide(&mut self, now: u64) -> Decision<T> {
        self.charge(now);
        self.urgent = false;
        for _ in 0..RELEASES {
            match self.releases.first() {
                Some(task) if task.time_key() <= now => {
                    self.take_off(task);
                    self.release(task, task.time_key(), now);
                }
                _ => break,
            }
        }
        let (promise, share) = (self.deadlines.first(), self.shares.first());
        if share.is_some() && self.rest.deadline <= now {
            self.begin_rest(now);
        }
        let rest_first = |first: T| self.rest.left > 0 && self.rest.deadline < first.time_key();
        self.owner = match (promise, share) {
            (Some(first), Some(share)) if rest_first(first) => Some((share, By::Share)),
            (Some(first), _) => Some((first, By::Promise)),
            (None, share) => share.map(|share| (share, By::Share)),
        };
        // Those due already that there was no time for fire at once.
        let mut until = self
            .releases
            .first()
            .map_or(u64::MAX, |next| next.time_key());
        match self.owner {
            Some((task, By::Promise)) => {
                until = until.min(now.saturating_add(task.left.get()));
                if share.is_some() && self.rest.left == 0 {
                    until = until.min(self.rest.deadline);
                }
            }
            Some((task, By::Share)) => {
                self.virtual_now = self.virtual_now.max(task.share_key());
                if task.turn.get() == 0 {
                    // Each once in as many slices as there are tasks.
                    let round = self.slice.saturating_mul(self.sharing);
                    let turn = round.saturating_mul(task.weight()) / self.weights.max(1);
                    task.turn.set(turn.max(1));
                }
                until = until.min(now.saturating_add(task.turn.get()));
                if promise.is_some() {
                    until = until.min(now.saturating_add(self.rest.left));
                }
            }
            None => {}
        }
        Decision {
            run: self.owner(),
            until,
        }
    }

    /// The task wants the core from now on. Does nothing if it did before.
    pub fn make_ready(&mut self, task: T, now: u64) {
        if task.is_ready() {
            return;
        }
        self.ready += 1;
        if task.class() == Class::BestEffort {
            self.share(task, now);
            self.urgent |= self.is_promised_time();
        } else {
            self.wake(task, now);
            self.urgent = true;
        }
    }

    /// The task does not want the core any more, for now. What it was promised stays promised.
    pub fn block(&mut self, task: T, now: u64) {
        if !task.is_ready() {
            return;
        }
        self.give_up(task, now);
        self.ready -= 1;
        self.take_off(task);
    }

    /// The task is done for now, but still wants the core: a promise ends for this period, a share for this turn. Only the owner has
    /// something to end.
    pub fn end_turn(&mut self, task: T, now: u64) {
        if self.owner() != Some(task) {
            return;
        }
        match self.give_up(task, now) {
            Some(By::Promise) if task.timed.get() == Timed::Deadlines => self.end_job(task, now),
            Some(By::Share) if task.turn.get() > 0 => {
                let rest = task.turn.get();
                self.charge_share(task, rest);
            }
            _ => {}
        }
    }

    /// The task is gone: as [`Rbed::block`], and nothing is promised to it any more.
    pub fn forget(&mut self, task: T, now: u64) {
        self.block(task, now);
        self.take_back(task, now);
    }

    /// The task is best effort from now on, with that weight (1 to [`MAX_WEIGHT`](crate::MAX_WEIGHT)).
    pub fn set_weight(&mut self, task: T, weight: u16, now: u64) {
        self.change(task, now, |this| {
            this.take_back(task, now);
            task.weight.set(weight);
        });
    }

    /// The task is promised this from now on, instead of what it was promised before; `weight` is that of what goes beyond, which only
    /// soft real time has.
    ///
    /// # Errors
    /// `Overcommitted`: less than [`BETA`] would stay unpromised; nothing is changed.
    pub fn set_promise(
        &mut self,
        task: T,
        class: Class,
        weight: u16,
        promise: &Promise,
        now: u64,
    ) -> Result<(), Refused> {
        let others = self.promised - task.rate.get();
        // Each term is at most a million.
        if others + promise.rate + BETA > SPECTRUM {
            return Err(Refused::Overcommitted);
        }
        self.change(task, now, |this| {
            this.take_back(task, now);
            task.weight.set(weight);
            task.class.set(class);
            task.rate.set(promise.rate);
            task.time.set(promise.time);
            task.relative_deadline.set(promise.deadline);
            task.period.set(promise.period);
            task.left.set(0);
            task.deadline.set(0);
            // Until then, what is promised now may be in use.
            let free = this.held_until.max(this.rest.deadline);
            let first = now.saturating_add(promise.first).max(free);
            task.next_release.set(first);
            this.promised += promise.rate;
        });
        Ok(())
    }

    /// Changes what decides where a task stands.
    fn change(&mut self, task: T, now: u64, how: impl FnOnce(&mut Self)) {
        let was_ready = task.is_ready();
        self.block(task, now);
        how(self);
        if was_ready {
            self.make_ready(task, now);
        }
    }

    /// Takes a promise back. Its job may have had all its time early, so that the rate is free only at the job's deadline.
    fn take_back(&mut self, task: T, now: u64) {
        let rate = task.rate.replace(0);
        task.class.set(Class::BestEffort);
        self.promised -= rate;
        if self.held_until <= now {
            self.held = 0;
        }
        if rate > 0 && task.deadline.get() > now {
            self.held = self.held.saturating_add(rate);
            self.held_until = self.held_until.max(task.deadline.get());
        }
    }

    /// The rate of best effort by a deadline.
    fn rate_of_rest(&self, now: u64) -> u64 {
        let held = if self.held_until > now { self.held } else { 0 };
        let free = (SPECTRUM - RESERVE).saturating_sub(self.promised);
        u64::from(free.saturating_sub(held))
    }

    /// The common promise of best effort, for the next time slice.
    fn begin_rest(&mut self, now: u64) {
        self.rest.deadline = now.saturating_add(self.slice);
        self.rest.left = self.slice.saturating_mul(self.rate_of_rest(now)) / u64::from(SPECTRUM);
    }

    /// Charges the owner for the time since it was last charged.
    fn charge(&mut self, now: u64) {
        let ticks = now.saturating_sub(self.charged);
        self.charged = now;
        match self.owner {
            Some((task, By::Promise)) => {
                task.left.set(task.left.get().saturating_sub(ticks));
                if task.left.get() == 0 && task.timed.get() == Timed::Deadlines {
                    self.end_job(task, now);
                }
            }
            Some((task, By::Share)) => {
                self.rest.left = self.rest.left.saturating_sub(ticks);
                self.charge_share(task, ticks);
            }
            None => {}
        }
    }

    /// Charges a task's share; the turn's end puts it in its new place.
    fn charge_share(&mut self, task: T, ticks: u64) {
        let passed = ticks.saturating_mul(UNIT).div_ceil(task.weight());
        let virtual_time = task.virtual_time.get().saturating_add(passed);
        task.virtual_time.set(virtual_time);
        task.turn.set(task.turn.get().saturating_sub(ticks));
        if task.turn.get() == 0 && task.sharing.get() {
            self.shares.remove(task);
            task.share_key.set(virtual_time);
            self.shares.insert(task);
        }
    }

    /// Charges the owner, and it is owner no more if it is this task: the next decision is due at once.
    fn give_up(&mut self, task: T, now: u64) -> Option<By> {
        let (owner, by) = self.owner?;
        if owner != task {
            return None;
        }
        self.charge(now);
        self.owner = None;
        self.urgent = true;
        Some(by)
    }

    /// Takes a task off the queues that it is on.
    fn take_off(&mut self, task: T) {
        match task.timed.replace(Timed::No) {
            Timed::Deadlines => self.deadlines.remove(task),
            Timed::Releases => self.releases.remove(task),
            Timed::No => {}
        }
        if task.sharing.replace(false) {
            self.shares.remove(task);
            self.weights -= task.weight();
            self.sharing -= 1;
            task.turn.set(0);
        }
    }

    /// Puts a task among best effort. It brings nothing along from the time that it was away.
    fn share(&mut self, task: T, now: u64) {
        if self.sharing == 0 && self.rest.deadline > now {
            // A late rest is used only as far as the rate allows from now on.
            let most = (self.rest.deadline - now).saturating_mul(self.rate_of_rest(now));
            if self.rest.left.saturating_mul(u64::from(SPECTRUM)) > most {
                self.begin_rest(now);
            }
        }
        let virtual_time = task.virtual_time.get().max(self.virtual_now);
        task.virtual_time.set(virtual_time);
        task.share_key.set(virtual_time);
        task.sharing.set(true);
        self.shares.insert(task);
        self.weights += task.weight();
        self.sharing += 1;
    }

    /// A task with a promise is ready again.
    fn wake(&mut self, task: T, now: u64) {
        if task.next_release.get() <= now {
            self.release(task, now, now);
            return;
        }
        let most = task.deadline.get().saturating_sub(now) * u64::from(task.rate.get());
        let left = task.left.get();
        if left > 0 && left * u64::from(SPECTRUM) <= most {
            self.queue(task, Timed::Deadlines, task.deadline.get());
        } else {
            self.await_release(task, now);
        }
    }

    /// A job begins at `at`, unless that is a period ago.
    fn release(&mut self, task: T, at: u64, now: u64) {
        let at = if at.saturating_add(task.period.get()) <= now {
            now
        } else {
            at
        };
        task.left.set(task.time.get());
        let deadline = at.saturating_add(task.relative_deadline.get());
        task.deadline.set(deadline);
        task.next_release.set(at.saturating_add(task.period.get()));
        self.queue(task, Timed::Deadlines, deadline);
    }

    /// A job has had its time.
    fn end_job(&mut self, task: T, now: u64) {
        task.left.set(0);
        self.take_off(task);
        self.await_release(task, now);
    }

    /// Until its next period a task has nothing, or its share.
    fn await_release(&mut self, task: T, now: u64) {
        self.queue(task, Timed::Releases, task.next_release.get());
        if task.class() == Class::Soft {
            self.share(task, now);
        }
    }

    fn queue(&mut self, task: T, on: Timed, key: u64) {
        task.timed.set(on);
        task.time_key.set(key);
        match on {
            Timed::Deadlines => self.deadlines.insert(task),
            Timed::Releases => self.releases.insert(task),
            Timed::No => {}
        }
    }
}
