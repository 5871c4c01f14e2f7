//! Threads that count together.

use super::in_range;
use alloc::sync::Arc;
use alloc::vec::Vec;
use aos::listing::{Column, Listing};
use aos::sync::Mutex;
use aos::{Error, Status, print, println, thread};

/// Threads without an argument, and at most.
const DEFAULT: u32 = 4;
const MOST: u32 = 64;
/// How far each counts.
const STEPS: u32 = 1_000;

/// What `--json` says of each thread.
const THREADS: &[Column] = &[Column::right("THREAD", 0), Column::right("COUNTER", 0)];

/// Runs so many.
///
/// # Errors
/// A thread could not be made.
pub fn run(count: Option<u32>, is_json: bool) -> Result<Status, Error> {
    let count = count.unwrap_or(DEFAULT);
    if !in_range("threads", count, MOST) {
        return Ok(crate::USAGE);
    }
    let sum = Arc::new(Mutex::new(0u32));
    let mut workers = Vec::new();
    for number in 1..=count {
        let sum = Arc::clone(&sum);
        workers.push(thread::spawn("worker", move || {
            for step in 0..STEPS {
                *sum.lock() += 1;
                if step % 100 == 0 {
                    thread::yield_now();
                }
            }
            let counter = *sum.lock();
            if is_json {
                let mut list = Listing::bare(THREADS, true);
                list.row([number.into(), counter.into()]);
                print!("{}", list.finish());
            } else {
                println!("thread {number}: done, the counter is {counter}");
            }
        })?);
    }
    for worker in workers {
        worker.join()?;
    }
    let (sum, wanted) = (*sum.lock(), count * STEPS);
    if !is_json || sum != wanted {
        println!("threads: {count} threads counted to {sum} of {wanted}");
    }
    Ok(Status(u8::from(sum != wanted)))
}
