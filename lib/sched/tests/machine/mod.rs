//! A machine of one core for the scheduler: sorted sets as queues, loads that work and sleep, a clock that jumps from event to
//! event. A tick is a microsecond.

use random::Random;
use sched::{Class, Promise, Queue, Rbed, Refused, Task};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Deref;

/// Ticks of a time slice.
pub const SLICE: u64 = 10_000;
/// Ticks a second.
pub const HZ: u64 = 1_000_000;

thread_local! {
    static OPERATIONS: Cell<u64> = const { Cell::new(0) };
    static COMES: Cell<u64> = const { Cell::new(0) };
}

/// Queue operations since the last call.
pub fn take_operations() -> u64 {
    OPERATIONS.take()
}

/// Where a task is kept.
#[derive(Default, Debug)]
pub struct Place {
    task: Task,
    index: usize,
    came: Cell<u64>,
}

/// A way to it.
#[derive(Clone, Copy, Debug)]
pub struct Id<'a>(&'a Place);

impl PartialEq for Id<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl Deref for Id<'_> {
    type Target = Task;
    fn deref(&self) -> &Task {
        &self.0.task
    }
}

/// A queue by this key.
pub struct Sorted<'a> {
    key: fn(&Task) -> u64,
    tasks: BTreeMap<(u64, u64), Id<'a>>,
}

impl<'a> Queue<Id<'a>> for Sorted<'a> {
    fn insert(&mut self, task: Id<'a>) {
        OPERATIONS.set(OPERATIONS.get() + 1);
        COMES.set(COMES.get() + 1);
        task.0.came.set(COMES.get());
        let old = self.tasks.insert(((self.key)(&task), COMES.get()), task);
        assert!(old.is_none());
    }

    fn remove(&mut self, task: Id<'a>) {
        OPERATIONS.set(OPERATIONS.get() + 1);
        let key = ((self.key)(&task), task.0.came.get());
        // Soft tasks are on two queues at once: the other one's number is another.
        let key = match self.tasks.contains_key(&key) {
            true => key,
            false => {
                let mut range = self.tasks.range((key.0, 0)..=(key.0, u64::MAX));
                *range.find(|(_, id)| **id == task).expect("it is here").0
            }
        };
        assert_eq!(self.tasks.remove(&key), Some(task));
    }

    fn first(&self) -> Option<Id<'a>> {
        OPERATIONS.set(OPERATIONS.get() + 1);
        self.tasks.values().next().copied()
    }
}

pub type Scheduler<'a> = Rbed<Id<'a>, Sorted<'a>, Sorted<'a>>;

/// What a task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// Always wants the core.
    Spin,
    /// Works and sleeps, for random times up to these.
    Blocks { work: u64, sleep: u64 },
    /// Works for so long every period, and must be done by the deadline.
    Periodic {
        work: u64,
        deadline: u64,
        period: u64,
    },
    /// Nothing.
    Gone,
}

/// What is known of a task.
#[derive(Debug)]
pub struct Life {
    pub load: Load,
    /// Of its present burst.
    work: u64,
    wakes: u64,
    due: u64,
    /// Time that it has had.
    pub had: u64,
    /// By how much it was late at worst.
    pub late: u64,
    pub jobs: u64,
}

pub fn places(count: usize) -> Vec<Place> {
    let place = |index| Place {
        index,
        ..Place::default()
    };
    (0..count).map(place).collect()
}

pub struct Machine<'a> {
    pub scheduler: Scheduler<'a>,
    places: &'a [Place],
    pub lives: Vec<Life>,
    pub now: u64,
    /// Ticks that timers may be late.
    pub latency: u64,
    pub random: Random,
    /// Time that nobody had, though somebody wanted it.
    pub lost: u64,
    pub idle: u64,
    /// Most queue operations of one call.
    pub most_operations: u64,
}

impl<'a> Machine<'a> {
    pub fn new(places: &'a [Place], seed: u64) -> Self {
        let queue = |key: fn(&Task) -> u64| Sorted {
            key,
            tasks: BTreeMap::new(),
        };
        let (deadlines, releases) = (queue(Task::time_key), queue(Task::time_key));
        let lives = places.iter().map(|_| Life {
            load: Load::Gone,
            work: 0,
            wakes: u64::MAX,
            due: 0,
            had: 0,
            late: 0,
            jobs: 0,
        });
        Self {
            scheduler: Rbed::new(deadlines, releases, queue(Task::share_key), SLICE),
            places,
            lives: lives.collect(),
            now: 0,
            latency: 0,
            random: Random::new(seed),
            lost: 0,
            idle: 0,
            most_operations: 0,
        }
    }

    pub fn id(&self, index: usize) -> Id<'a> {
        Id(&self.places[index])
    }

    /// A best-effort task begins.
    pub fn best_effort(&mut self, index: usize, weight: u16, load: Load) {
        self.scheduler.set_weight(self.id(index), weight, self.now);
        self.begin(index, load, self.now);
    }

    /// A task gets a promise (time, deadline, period) and begins at the time `from`.
    pub fn promise(
        &mut self,
        index: usize,
        class: Class,
        [time, deadline, period]: [u64; 3],
        load: Load,
        from: u64,
    ) -> Result<(), Refused> {
        let promise = Promise::new(time, deadline, period, 0, HZ)?;
        let id = self.id(index);
        self.scheduler
            .set_promise(id, class, 1, &promise, self.now)?;
        self.begin(index, load, from.max(self.now));
        Ok(())
    }

    fn begin(&mut self, index: usize, load: Load, from: u64) {
        let life = &mut self.lives[index];
        life.load = load;
        if !self.places[index].task.is_ready() {
            life.wakes = from;
        }
    }

    /// A task goes away.
    pub fn forget(&mut self, index: usize) {
        self.scheduler.forget(self.id(index), self.now);
        self.lives[index].load = Load::Gone;
        self.lives[index].wakes = u64::MAX;
    }

    fn wake(&mut self, index: usize) {
        let life = &mut self.lives[index];
        let planned = std::mem::replace(&mut life.wakes, u64::MAX);
        match life.load {
            Load::Spin => life.work = u64::MAX,
            Load::Blocks { work, .. } => life.work = 1 + self.random.below(work),
            Load::Periodic { work, deadline, .. } => {
                life.work = work;
                life.due = planned + deadline;
            }
            Load::Gone => return,
        }
        self.scheduler.make_ready(self.id(index), self.now);
    }

    fn sleep(&mut self, index: usize) {
        let life = &mut self.lives[index];
        life.jobs += 1;
        let wakes = match life.load {
            Load::Blocks { sleep, .. } => self.now + self.random.below(sleep),
            Load::Periodic {
                deadline, period, ..
            } => {
                life.late = life.late.max(self.now.saturating_sub(life.due));
                life.due - deadline + period
            }
            Load::Spin | Load::Gone => u64::MAX,
        };
        life.wakes = wakes;
        self.scheduler.block(self.id(index), self.now);
        if wakes <= self.now {
            self.wake(index);
        }
    }

    fn count(&mut self) {
        self.most_operations = self.most_operations.max(take_operations());
    }

    /// Runs the machine up to that time.
    pub fn run(&mut self, end: u64) {
        while self.now < end {
            take_operations();
            let decision = self.scheduler.decide(self.now);
            self.count();
            let alarm = decision
                .until
                .saturating_add(self.random.below(self.latency + 1));
            self.run_until(decision.run.map(|id| id.0.index), alarm, end);
        }
    }

    /// Until the alarm, the end, or something that cannot wait for it.
    fn run_until(&mut self, running: Option<usize>, alarm: u64, end: u64) {
        loop {
            let wakes = self.lives.iter().map(|life| life.wakes).min();
            let mut next = alarm.min(end).min(wakes.unwrap_or(u64::MAX));
            if let Some(index) = running {
                next = next.min(self.now.saturating_add(self.lives[index].work));
            }
            let next = next.max(self.now);
            let passed = next - self.now;
            match running {
                Some(index) => {
                    self.lives[index].had += passed;
                    self.lives[index].work -= passed;
                }
                None if self.wants() => self.lost += passed,
                None => self.idle += passed,
            }
            self.now = next;
            let done = running.filter(|index| self.lives[*index].work == 0);
            if let Some(index) = done {
                take_operations();
                self.sleep(index);
                self.count();
                return;
            }
            let mut woken = false;
            for index in 0..self.lives.len() {
                if self.lives[index].wakes <= self.now {
                    take_operations();
                    self.wake(index);
                    self.count();
                    woken = true;
                }
            }
            let urgent = self.scheduler.take_urgent() || (woken && running.is_none());
            if urgent || self.now >= alarm || self.now >= end {
                return;
            }
        }
    }

    /// Whether somebody wants the core that may have it: who has used up a hard promise may not.
    fn wants(&self) -> bool {
        let ready = |place: &&Place| place.task.is_ready();
        let mut ready = self.places.iter().filter(ready);
        ready.any(|place| place.task.class() != Class::Hard)
    }
}
