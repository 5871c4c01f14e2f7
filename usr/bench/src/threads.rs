//! Threads: switching, making, locks, exceptions.

use aos::sync::{Mutex, Semaphore};
use aos::thread::exception::{Exception, Outcome, set_handler};
use aos::{Error, thread};
use core::cell::Cell;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::meter::{Meter, each, one};

/// Switches in one sample.
const ROUNDS: u64 = 8;

/// Runs all of them.
///
/// # Errors
/// The first that an operation returns.
pub fn run(meter: &mut Meter) -> Result<(), Error> {
    meter.suite = "threads";
    meter.caps = 0;
    switches(meter)?;
    making(meter)?;
    locks(meter)?;
    exceptions(meter)
}

static STOP: AtomicBool = AtomicBool::new(false);

fn switches(meter: &mut Meter) -> Result<(), Error> {
    STOP.store(false, Ordering::Relaxed);
    let partner = thread::spawn("partner", || {
        while !STOP.load(Ordering::Relaxed) {
            thread::yield_now();
        }
    })?;
    meter.measure(
        each("switch between two threads", 2 * ROUNDS, 80),
        || {
            (0..ROUNDS).for_each(|_| thread::yield_now());
            Ok(())
        },
        || Ok(()),
    )?;
    STOP.store(true, Ordering::Relaxed);
    partner.join()
}

fn making(meter: &mut Meter) -> Result<(), Error> {
    let made = Cell::new(None);
    meter.measure(
        one("create a thread", 400),
        || {
            made.set(Some(thread::spawn("made", || 1u64)?));
            Ok(())
        },
        || match made.take() {
            Some(thread) => thread.join().map(|_| ()),
            None => Ok(()),
        },
    )?;
    meter.measure(
        one("create + join a thread", 400),
        || thread::spawn("made", || 1u64)?.join().map(|_| ()),
        || Ok(()),
    )
}

fn locks(meter: &mut Meter) -> Result<(), Error> {
    static MUTEX: Mutex<u64> = Mutex::new(0);
    static PING: Semaphore = Semaphore::new(0);
    static PONG: Semaphore = Semaphore::new(0);
    meter.measure(
        each("mutex: lock + unlock, free", ROUNDS, 30),
        || {
            (0..ROUNDS).for_each(|_| *MUTEX.lock() += 1);
            Ok(())
        },
        || Ok(()),
    )?;
    STOP.store(false, Ordering::Relaxed);
    let held = Cell::new(Some(MUTEX.lock()));
    let partner = thread::spawn("partner", || {
        while !STOP.load(Ordering::Relaxed) {
            *MUTEX.lock() += 1;
        }
    })?;
    thread::yield_now();
    // Each of the two hands it to the other and waits for it again.
    meter.measure(
        each("mutex: handed over", 2, 0),
        || {
            drop(held.take());
            held.set(Some(MUTEX.lock()));
            Ok(())
        },
        || Ok(()),
    )?;
    STOP.store(true, Ordering::Relaxed);
    drop(held.take());
    partner.join()?;
    STOP.store(false, Ordering::Relaxed);
    let partner = thread::spawn("partner", || {
        while !STOP.load(Ordering::Relaxed) {
            PING.wait();
            PONG.post();
        }
    })?;
    meter.measure(
        each("semaphore: post, the other waits", 2, 0),
        || {
            PING.post();
            PONG.wait();
            Ok(())
        },
        || Ok(()),
    )?;
    STOP.store(true, Ordering::Relaxed);
    PING.post();
    partner.join()?;
    meter.measure(
        each("a thread's own value", ROUNDS, 0),
        || {
            (0..ROUNDS).for_each(|_| COUNT.with(|count| count.set(count.get() + 1)));
            Ok(())
        },
        || Ok(()),
    )
}

aos::thread_local! {
    static COUNT: Cell<u64> = Cell::new(0);
}

fn skip(exception: &mut Exception<'_>) -> Outcome {
    // SAFETY: set only while the instructions below run, which do nothing that is missed.
    unsafe { exception.skip() };
    Outcome::Resume
}

fn exceptions(meter: &mut Meter) -> Result<(), Error> {
    set_handler(Some(skip));
    meter.measure(
        one("undefined instruction to handler and back", 500),
        || {
            // SAFETY: raises an exception; the handler goes on behind it.
            unsafe { core::arch::asm!("udf #0", options(nostack, nomem)) };
            Ok(())
        },
        || Ok(()),
    )?;
    meter.measure(
        one("page fault to handler and back", 450),
        || {
            // SAFETY: raises an exception; the handler goes on behind it.
            unsafe { core::arch::asm!("str xzr, [{}]", in(reg) 8u64, options(nostack)) };
            Ok(())
        },
        || Ok(()),
    )?;
    set_handler(None);
    Ok(())
}
