//! Properties under the scheduler RBED: shares by weight, deadlines, what is refused. For a kernel built with it, and a clock that counts
//! instructions: `module /sbin/tests kernel rbed`.

use crate::harness::{Failure, Harness, Outcome, refused, that};
use crate::longest::bounded;
use crate::parts::periodic;
use crate::world::{Child, World, sleep};
use alloc::vec::Vec;
use aos::cap::dispatcher::{
    Properties, RealTime, dispatcher_set_properties, dispatcher_set_weight,
};
use aos::cap::{CapRef, invoke};
use aos::error::ErrorCode;
use aos::kpi::cap::ObjType;
use aos::kpi::invocation::DispatcherCommand;
use aos::kpi::layout::BASE_PAGE_SIZE;
use aos::kpi::rights::PageFlags;
use aos::paging::MappedFrame;
use aos::ram::{frame_alloc, mm_free, object_alloc};
use aos::time;
use core::time::Duration;

const SUITE: &str = "rbed";

/// Runs the suite.
pub fn run(harness: &mut Harness, world: &World) {
    harness.test(SUITE, "shares of 1 to 2 to 4", || shares(world));
    harness.test(SUITE, "a hard promise beside three that spin", || {
        deadlines(world)
    });
    harness.test(SUITE, "without the promise it is late", || late(world));
    harness.test(SUITE, "a hard promise is a limit", || limit(world));
    harness.test(SUITE, "a soft promise is no limit", || soft(world));
    harness.test(SUITE, "refused where it must be", || refusals(world));
    harness.test(SUITE, "no kernel entry was too long", || bounded(SUITE));
}

/// A child that works, and where it counts.
pub struct Worker {
    /// The child, which was not started yet.
    pub child: Child,
    frame: CapRef,
    view: MappedFrame,
}

impl Worker {
    /// Plays that part, with these words told.
    pub fn new(world: &World, part: &str, told: &[(usize, u64)]) -> Result<Self, Failure> {
        let frame = frame_alloc(BASE_PAGE_SIZE)?;
        let view = MappedFrame::new(frame, PageFlags::READ_WRITE)?;
        for (offset, value) in told {
            view.view().store(*offset, *value);
        }
        let child = world.child(part, Some(frame))?;
        Ok(Self { child, frame, view })
    }

    /// One that counts without ever giving the core away, of that weight.
    pub fn spinner(world: &World, weight: u16) -> Result<Self, Failure> {
        let worker = Self::new(world, "count", &[])?;
        worker.set(&Properties::BestEffort(weight))?;
        Ok(worker)
    }

    /// Sets how it is scheduled.
    pub fn set(&self, properties: &Properties) -> Result<(), aos::Error> {
        dispatcher_set_properties(self.child.domain.dispatcher(), properties)
    }

    /// A word of its frame; the first is its count.
    pub fn word(&self, offset: usize) -> u64 {
        self.view.view().load(offset).unwrap_or(0)
    }

    /// Ends it.
    pub fn end(self) -> Outcome {
        self.child.domain.destroy()?;
        self.view.unmap()?;
        mm_free(self.frame)?;
        Ok(())
    }
}

/// Weights of those that spin.
const WEIGHTS: [u16; 3] = [1, 2, 4];

fn spinners(world: &World) -> Result<Vec<Worker>, Failure> {
    let workers: Result<Vec<_>, _> = WEIGHTS
        .into_iter()
        .map(|weight| Worker::spinner(world, weight))
        .collect();
    let workers = workers?;
    for worker in &workers {
        worker.child.domain.start()?;
    }
    sleep(Duration::from_millis(100));
    Ok(workers)
}

/// What each counts in that time.
fn counted(workers: &[Worker], duration: Duration) -> Vec<u64> {
    let counts = || workers.iter().map(|worker| worker.word(0));
    let before: Vec<u64> = counts().collect();
    sleep(duration);
    counts().zip(before).map(|(now, then)| now - then).collect()
}

/// Fails unless these are by weight, to three hundredths of the whole.
fn by_weight(counts: &[u64]) -> Outcome {
    let sum: u64 = counts.iter().sum();
    for (count, weight) in counts.iter().zip(WEIGHTS) {
        let (share, wanted) = (count * 1000 / sum.max(1), u64::from(weight) * 1000 / 7);
        if share.abs_diff(wanted) > 30 {
            let seen = alloc::format!("{share} of {counts:?}");
            return Err(Failure::new(wanted, seen));
        }
    }
    Ok(())
}

fn end(workers: Vec<Worker>) -> Outcome {
    workers.into_iter().try_for_each(Worker::end)
}

fn shares(world: &World) -> Outcome {
    let workers = spinners(world)?;
    let counts = counted(&workers, Duration::from_millis(700));
    aos::println!("rbed: counted by weights 1, 2, 4: {counts:?}");
    by_weight(&counts)?;
    // Another weight holds at once.
    if let [first, ..] = workers.as_slice() {
        dispatcher_set_weight(first.child.domain.dispatcher(), 16)?;
        let counts = counted(&workers, Duration::from_millis(500));
        let sum: u64 = counts.iter().sum();
        let most = counts.first().copied().unwrap_or(0);
        that(most > sum * 16 / 22 - sum * 4 / 100, "16 of 22")?;
    }
    end(workers)
}

/// Counts a millisecond, by one that has the core for itself.
pub fn rate(world: &World) -> Result<u64, Failure> {
    let alone = Worker::spinner(world, 1)?;
    alone.child.domain.start()?;
    sleep(Duration::from_millis(20));
    let (start, before) = (time::now(), alone.word(0));
    sleep(Duration::from_millis(50));
    let counted = alone.word(0) - before;
    let micros = time::micros(time::now() - start);
    alone.end()?;
    Ok(counted * 1000 / micros.max(1))
}

const PERIOD: Duration = Duration::from_millis(10);

/// What 4 ms in each 10 ms need, with 3 ms of counting.
fn worker(world: &World) -> Result<Worker, Failure> {
    let work = 3 * rate(world)?;
    let told = [
        (periodic::PERIOD, PERIOD.as_micros() as u64),
        (periodic::WORK, work),
    ];
    Worker::new(world, "periodic", &told)
}

fn deadlines(world: &World) -> Outcome {
    let worker = worker(world)?;
    let workers = spinners(world)?;
    // ANCHOR: properties
    // 4 ms in each 10 ms, from now on, and no more.
    let promise = Properties::Hard(RealTime::new(Duration::from_millis(4), PERIOD));
    dispatcher_set_properties(worker.child.domain.dispatcher(), &promise)?;
    // ANCHOR_END: properties
    worker.child.domain.start()?;
    sleep(Duration::from_millis(50));
    let counts = counted(&workers, Duration::from_millis(700));
    let (jobs, late) = (worker.word(periodic::JOBS), worker.word(periodic::LATE));
    aos::println!("rbed: {jobs} jobs, {late} late; beside them {counts:?}");
    worker.end()?;
    end(workers)?;
    that(jobs >= 70, "a job each period")?;
    that(late == 0, "no job late")?;
    by_weight(&counts)
}

/// The same program as best effort, of the smallest weight: so the other test means something.
fn late(world: &World) -> Outcome {
    let worker = worker(world)?;
    let workers = spinners(world)?;
    worker.set(&Properties::BestEffort(1))?;
    worker.child.domain.start()?;
    sleep(Duration::from_millis(500));
    let late = worker.word(periodic::LATE);
    worker.end()?;
    end(workers)?;
    that(late > 10, "late jobs")
}

/// Thousandths of the core that who spins with these properties has, beside one of weight 1.
fn share_of(world: &World, properties: &Properties) -> Result<u64, Failure> {
    let pair = [Worker::spinner(world, 1)?, Worker::spinner(world, 1)?];
    let [first, _] = &pair;
    first.set(properties)?;
    for worker in &pair {
        worker.child.domain.start()?;
    }
    sleep(Duration::from_millis(100));
    let counts = counted(&pair, Duration::from_millis(500));
    for worker in pair {
        worker.end()?;
    }
    let sum: u64 = counts.iter().sum();
    Ok(counts.first().copied().unwrap_or(0) * 1000 / sum.max(1))
}

fn limit(world: &World) -> Outcome {
    let promise = RealTime::new(Duration::from_millis(2), PERIOD);
    let share = share_of(world, &Properties::Hard(promise))?;
    if share.abs_diff(200) <= 15 {
        return Ok(());
    }
    Err(Failure::new("two tenths", share))
}

/// Two tenths, and of the rest what best effort has while it waits for its next period: well more than a hard promise gives.
fn soft(world: &World) -> Outcome {
    let promise = RealTime::new(Duration::from_millis(2), PERIOD);
    let share = share_of(world, &Properties::Soft(1, promise))?;
    if (450..=620).contains(&share) {
        return Ok(());
    }
    Err(Failure::new("about half", share))
}

fn refusals(world: &World) -> Outcome {
    let second = Duration::from_secs(1);
    let tenths = |tenths: u32| Properties::Hard(RealTime::new(second * tenths / 10, second));
    let worker = Worker::spinner(world, 1)?;
    let other = Worker::spinner(world, 1)?;
    // refuses Dispatcher.Properties: DISP_PROPERTIES
    let hard = 2 << 16;
    for words in [
        // No such type, a weight where there is none, none where there is one.
        [3 << 16, 1000, 1000, 1000, 0],
        [hard | 1, 1000, 1000, 1000, 0],
        [1 << 16, 1000, 500, 1000, 0],
        [1 << 16 | 17, 1000, 500, 1000, 0],
        [1 << 32 | hard, 1000, 500, 1000, 0],
        // Too short, too long, in the wrong order.
        [hard, 1000, 99, 1000, 0],
        [hard, 1000, 1001, 1000, 0],
        [hard, 1001, 500, 1000, 0],
        [hard, 1000, 500, 10_000_001, 0],
        [hard, 1000, 500, 1000, 10_000_001],
        [hard, u64::MAX, u64::MAX, u64::MAX, u64::MAX],
    ] {
        let command = DispatcherCommand::Properties;
        let target = worker.child.domain.dispatcher();
        refused(
            invoke(target, command as u8, command.argc(), &words),
            ErrorCode::SysDispProperties,
        )?;
    }
    // refuses Dispatcher.Properties: DISP_NOT_RUNNABLE
    let empty = object_alloc(ObjType::Dispatcher, 0)?;
    refused(
        dispatcher_set_properties(empty, &tenths(1)),
        ErrorCode::SysDispNotRunnable,
    )?;
    mm_free(empty)?;
    // refuses Dispatcher.Properties: DISP_UTILISATION
    refused(worker.set(&tenths(10)), ErrorCode::SysDispUtilisation)?;
    worker.set(&tenths(5))?;
    other.set(&tenths(4))?;
    // Nine tenths are all, and who has some may have them in another way.
    worker.set(&tenths(5))?;
    refused(worker.set(&tenths(6)), ErrorCode::SysDispUtilisation)?;
    refused(other.set(&tenths(5)), ErrorCode::SysDispUtilisation)?;
    // What was refused changed nothing; what ends gives back.
    other.end()?;
    worker.set(&tenths(9))?;
    worker.set(&Properties::BestEffort(1))?;
    let third = Worker::spinner(world, 1)?;
    third.set(&tenths(9))?;
    third.child.domain.start()?;
    // It began where it may, and does not keep this program from the core.
    sleep(Duration::from_millis(200));
    third.end()?;
    worker.end()
}
