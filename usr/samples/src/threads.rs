//! Threads.

// ANCHOR: example
use aos::prelude::*;
use aos::{sync::Mutex, thread};

pub fn main(_args: Args) -> Result<(), Error> {
    let sum = Arc::new(Mutex::new(0));
    let mut workers = Vec::new();
    for number in 1..=4 {
        let sum = Arc::clone(&sum);
        workers.push(thread::spawn("worker", move || *sum.lock() += number)?);
    }
    for worker in workers {
        worker.join()?;
    }
    println!("the workers' sum is {}", *sum.lock());
    Ok(())
}
// ANCHOR_END: example
