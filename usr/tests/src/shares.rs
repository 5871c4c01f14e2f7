//! Who got the core: three programs that spin, of weight 1, 2 and 4, and one that needs 6 ms in each 20 ms, come one after the other; every
//! 20 ms a line says how far each has counted. For the picture in the book: `module /sbin/tests boot shares`.

use crate::harness::Failure;
use crate::parts::periodic;
use crate::rbed::{Worker, rate};
use crate::world::World;
use aos::cap::CapRef;
use aos::cap::dispatcher::{Properties, RealTime, dispatcher_set_properties};
use aos::kpi::slots::task;
use aos::{Status, println, thread, time};
use core::time::Duration;

/// From line to line.
const STEP: Duration = Duration::from_millis(20);
/// Lines in all, and those before which the programs come.
const LINES: u64 = 75;
const COMES: [u64; 4] = [0, 10, 20, 35];
/// The second one is stopped and resumed.
const STOPS: u64 = 55;
const RESUMES: u64 = 65;

/// Prints the lines.
pub fn run(world: &World) -> Status {
    match lines(world) {
        Ok(()) => Status(0),
        Err(failure) => {
            println!("shares: {failure:?}");
            Status(1)
        }
    }
}

fn lines(world: &World) -> Result<(), Failure> {
    let rate = rate(world)?;
    let period = STEP.as_micros() as u64;
    let told = [(periodic::PERIOD, period), (periodic::WORK, 5 * rate)];
    let worker = Worker::new(world, "periodic", &told)?;
    let promise = Properties::Hard(RealTime::new(Duration::from_millis(6), STEP));
    let scheduler = match worker.set(&promise) {
        Ok(()) => "rbed",
        Err(_) => "rr",
    };
    let all = [
        Worker::spinner(world, 1)?,
        Worker::spinner(world, 2)?,
        Worker::spinner(world, 4)?,
        worker,
    ];
    // Who looks at the others must come in time: that is what a promise is for, where there are any.
    let own = CapRef::task(task::DISPATCHER);
    let little = Properties::Hard(RealTime::new(Duration::from_millis(1), STEP));
    let _ = dispatcher_set_properties(own, &little);
    println!("shares: scheduler {scheduler}, {rate} counts a millisecond");
    let [_, second, _, last] = &all;
    let begin = time::now();
    let mut next = begin;
    for line in 0..=LINES {
        let [a, b, c, d] = [0, 1, 2, 3].map(|index: usize| all.get(index).map_or(0, |w| w.word(0)));
        let now = time::micros(time::now() - begin);
        println!("shares: {now} {a} {b} {c} {d}");
        for (worker, comes) in all.iter().zip(COMES) {
            if line == comes {
                worker.child.domain.start()?;
            }
        }
        match line {
            STOPS => second.child.domain.stop()?,
            RESUMES => second.child.domain.start()?,
            _ => {}
        }
        next += STEP.as_micros() as u64 * time::frequency() / 1_000_000;
        thread::sleep_until(next);
    }
    let (jobs, late) = (last.word(periodic::JOBS), last.word(periodic::LATE));
    println!("shares: {late} of {jobs} jobs were late");
    Ok(())
}
