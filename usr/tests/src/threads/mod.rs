//! Threads: values, locks, time, messages, exceptions, their end; a crowd of 200; and how a domain ends by one of them.

use crate::harness::{Failure, Harness, Outcome, equal, refused, that};
use crate::world::World;
use alloc::sync::Arc;
use alloc::vec::Vec;
use aos::error::ErrorCode;
use aos::kpi::syscall::SendFlags;
use aos::lmp::{MIN_BUFFER_WORDS, endpoint_create, send};
use aos::sync::{Barrier, Condvar, Mutex, Once, RwLock, Semaphore};
use aos::thread::{self, JoinHandle, Thread};
use aos::{Error, event, time};
use core::cell::Cell;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use core::time::Duration;

mod crowd;
mod ends;
mod exceptions;

pub use ends::play;

const SUITE: &str = "threads";

/// Runs the suite.
pub fn run(harness: &mut Harness, world: &World) {
    let mut test = |name, work: fn() -> Outcome| harness.test(SUITE, name, work);
    test("join brings the value", values);
    test("a detached thread ends alone", detached);
    test("a thread that never yields is interrupted", preempted);
    test("a mutex lets one in at a time", mutex);
    test("a mutex is handed over in turn", handed_over);
    test("producers and consumers", producers);
    test("a semaphore counts", semaphores);
    test("waits end in time", timed);
    test("parked and unparked", parked);
    test("once, all together, readers and a writer", others);
    test("values of a thread's own", locals);
    test("a message wakes who waits for it", messages);
    test("traps and page faults are handled", exceptions::exceptions);
    test(
        "an exception handler waits for a lock",
        exceptions::waiting_handler,
    );
    test(
        "locks lie in memory that faults",
        exceptions::faulting_locks,
    );
    test("as many threads as there are places", crowd::full);
    test("200 threads, and everything comes back", crowd::crowd);
    harness.test(SUITE, "a domain ends by its threads", || ends::ends(world));
}

fn yields(count: u32) {
    for _ in 0..count {
        thread::yield_now();
    }
}

fn values() -> Outcome {
    let name = thread::spawn("named", || thread::current().name())?;
    let word = thread::spawn("word", || 42u64)?;
    // ANCHOR: spawn
    let text = alloc::string::String::from("moved in");
    let thread = thread::spawn("text", move || {
        thread::yield_now();
        text + " and out"
    })?;
    equal(thread.join()?.as_str(), "moved in and out")?;
    // ANCHOR_END: spawn
    let large = thread::spawn("large", || [7u64; 512])?;
    equal(name.thread().name().as_str(), "named")?;
    equal(name.join()?.as_str(), "named")?;
    equal(word.join()?, 42)?;
    equal(large.join()?.iter().sum(), 7u64 * 512)?;
    equal(thread::current().name().as_str(), "main")?;
    // What has ended is joined as well.
    let early = thread::spawn("early", || 1)?;
    yields(3);
    that(early.is_finished(), "it has ended")?;
    equal(early.join()?, 1)?;
    // No value, and a thread that waits for itself.
    let none = thread::spawn("none", || -> u32 { thread::exit() })?;
    refused(none.join(), ErrorCode::LibThreadJoin)?;
    let own: Arc<Mutex<Option<JoinHandle<()>>>> = Arc::default();
    let theirs = own.clone();
    let itself = thread::spawn("itself", move || {
        let handle = theirs.lock().take();
        let joined = handle.map(|handle: JoinHandle<()>| handle.join());
        WAITED_FOR_ITSELF.store(matches!(joined, Some(Err(_))), Ordering::Relaxed);
    })?;
    *own.lock() = Some(itself);
    yields(3);
    that(WAITED_FOR_ITSELF.load(Ordering::Relaxed), "an error")?;
    // A closure too large for the stack.
    let huge = [0u8; 40_000];
    let made = thread::spawn("huge", move || huge.len());
    refused(made.map(|_| ()), ErrorCode::LibThreadCreate)?;
    equal(thread::count(), 1)
}

static WAITED_FOR_ITSELF: AtomicBool = AtomicBool::new(false);
static DROPPED: AtomicU32 = AtomicU32::new(0);

struct Counted;

impl Drop for Counted {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

fn detached() -> Outcome {
    DROPPED.store(0, Ordering::Relaxed);
    // Detached before it ends, when it has ended, and by dropping.
    thread::spawn("first", || Counted)?.detach();
    let second = thread::spawn("second", || Counted)?;
    yields(4);
    equal(DROPPED.load(Ordering::Relaxed), 1)?;
    second.detach();
    equal(DROPPED.load(Ordering::Relaxed), 2)?;
    drop(thread::spawn("third", || Counted)?);
    yields(4);
    equal(DROPPED.load(Ordering::Relaxed), 3)?;
    equal(thread::count(), 1)
}

fn preempted() -> Outcome {
    static GO: AtomicBool = AtomicBool::new(false);
    static AROUND: AtomicU32 = AtomicU32::new(0);
    GO.store(false, Ordering::Relaxed);
    let spinners: Result<Vec<_>, Error> = (0..3u64)
        .map(|number| {
            thread::spawn("spinner", move || {
                // Live values in as many registers as there are: they must survive being interrupted.
                let mut words = [number; 12];
                let mut rounds = 0u64;
                while !GO.load(Ordering::Relaxed) || rounds < 1000 {
                    for (index, word) in words.iter_mut().enumerate() {
                        *word = core::hint::black_box(word.wrapping_add(index as u64));
                    }
                    rounds += 1;
                    AROUND.fetch_add(1, Ordering::Relaxed);
                }
                words
                    .iter()
                    .enumerate()
                    .all(|(index, word)| *word == number + rounds * index as u64)
            })
        })
        .collect();
    let spinners = spinners?;
    thread::yield_now();
    GO.store(true, Ordering::Relaxed);
    for spinner in spinners {
        that(spinner.join()?, "every register as it was")?;
    }
    that(AROUND.load(Ordering::Relaxed) > 0, "some rounds")
}

fn mutex() -> Outcome {
    let count = Arc::new(Mutex::new(0u32));
    let threads: Result<Vec<_>, Error> = (0..8)
        .map(|number| {
            let count = count.clone();
            thread::spawn("adder", move || {
                for round in 0..100u32 {
                    let mut guard = count.lock();
                    let before = *guard;
                    if (round + number) % 3 == 0 {
                        thread::yield_now();
                    }
                    *guard = before + 1;
                }
            })
        })
        .collect();
    for thread in threads? {
        thread.join()?;
    }
    equal(*count.lock(), 800)?;
    that(!count.is_locked(), "free at the end")
}

fn handed_over() -> Outcome {
    let order = Arc::new(Mutex::new(Vec::new()));
    let gate = Arc::new(Mutex::new(()));
    let guard = gate.lock();
    let threads: Result<Vec<_>, Error> = (0..6u32)
        .map(|number| {
            let (order, gate) = (order.clone(), gate.clone());
            let made = thread::spawn("in line", move || {
                let _guard = gate.lock();
                order.lock().push(number);
                thread::yield_now();
            });
            // It queues before the next is made.
            yields(2);
            made
        })
        .collect();
    let threads = threads?;
    drop(guard);
    // Nobody gets in before those who wait.
    let _guard = gate.lock();
    equal(order.lock().as_slice(), &[0, 1, 2, 3, 4, 5])?;
    drop(_guard);
    for thread in threads {
        thread.join()?;
    }
    Ok(())
}

/// A queue of at most four.
#[derive(Default)]
struct Channel {
    queue: Mutex<Vec<u32>>,
    changed: Condvar,
}

fn producers() -> Outcome {
    let channel: Arc<Channel> = Arc::default();
    let makers: Result<Vec<_>, Error> = (0..3)
        .map(|_| {
            let channel = channel.clone();
            thread::spawn("producer", move || {
                for value in 1..=100u32 {
                    let mut queue = channel.queue.lock();
                    channel.changed.wait_while(&mut queue, |q| q.len() >= 4);
                    queue.push(value);
                    channel.changed.notify_all();
                }
            })
        })
        .collect();
    let takers: Result<Vec<_>, Error> = (0..2)
        .map(|_| {
            let channel = channel.clone();
            thread::spawn("consumer", move || {
                let mut sum = 0;
                for _ in 0..150 {
                    let mut queue = channel.queue.lock();
                    channel.changed.wait_while(&mut queue, |q| q.is_empty());
                    sum += queue.pop().unwrap_or(0);
                    channel.changed.notify_all();
                }
                sum
            })
        })
        .collect();
    for maker in makers? {
        maker.join()?;
    }
    let mut sum = 0;
    for taker in takers? {
        sum += taker.join()?;
    }
    equal(sum, 3 * 5050)
}

fn semaphores() -> Outcome {
    let free = Arc::new(Semaphore::new(3));
    let inside = Arc::new((AtomicU32::new(0), AtomicU32::new(0)));
    let threads: Result<Vec<_>, Error> = (0..9)
        .map(|_| {
            let (free, inside) = (free.clone(), inside.clone());
            thread::spawn("guest", move || {
                for _ in 0..20 {
                    free.wait();
                    let now = inside.0.fetch_add(1, Ordering::Relaxed) + 1;
                    inside.1.fetch_max(now, Ordering::Relaxed);
                    thread::yield_now();
                    inside.0.fetch_sub(1, Ordering::Relaxed);
                    free.post();
                }
            })
        })
        .collect();
    for thread in threads? {
        thread.join()?;
    }
    equal(inside.1.load(Ordering::Relaxed), 3)?;
    for _ in 0..3 {
        that(free.try_wait(), "three are free")?;
    }
    that(!free.try_wait(), "not four")
}

/// In which order threads go on that wait until different times; `None`: one of them had no turn to begin with before the first of these, as the machine
/// under the emulator was busy.
fn order_of_waits(step: Duration) -> Result<Option<Vec<u32>>, Failure> {
    let order = Arc::new(Mutex::new(Vec::new()));
    let first = time::after(step);
    let threads: Result<Vec<_>, Error> = [3u32, 1, 4, 2]
        .into_iter()
        .map(|number| {
            let order = order.clone();
            thread::spawn("sleeper", move || {
                let deadline = first + time::ticks(step) * u64::from(number);
                let is_early = time::now() < first;
                Semaphore::new(0).wait_until(Some(deadline));
                order.lock().push(number);
                (is_early, time::now() >= deadline)
            })
        })
        .collect();
    let mut are_early = true;
    for thread in threads? {
        let (is_early, is_late_enough) = thread.join()?;
        that(is_late_enough, "it waited long enough")?;
        are_early &= is_early;
    }
    let order = order.lock().clone();
    Ok(are_early.then_some(order))
}

fn timed() -> Outcome {
    const STEP: Duration = Duration::from_millis(3);
    let mut order = None;
    for attempt in 1..=8 {
        order = order_of_waits(STEP * attempt)?;
        if order.is_some() {
            break;
        }
    }
    equal(order.as_deref(), Some(&[1, 2, 3, 4][..]))?;
    let before = time::now();
    thread::sleep(STEP);
    that(
        time::now() >= before + time::ticks(STEP),
        "it slept long enough",
    )?;
    // Nobody posts, notifies, unlocks or unparks.
    let semaphore = Semaphore::new(0);
    that(!semaphore.wait_until(Some(time::after(STEP))), "a time-out")?;
    let (pair, condition) = (Mutex::new(()), Condvar::new());
    let mut guard = pair.lock();
    let notified = condition.wait_until(&mut guard, Some(time::after(STEP)));
    that(!notified, "a time-out")?;
    that(pair.try_lock_for(STEP).is_none(), "a time-out")?;
    drop(guard);
    that(pair.try_lock_for(STEP).is_some(), "free")?;
    thread::park_timeout(STEP);
    // Somebody does, in time.
    let semaphore = Arc::new(semaphore);
    let theirs = semaphore.clone();
    let poster = thread::spawn("poster", move || {
        thread::sleep(STEP);
        theirs.post();
    })?;
    let later = time::after(Duration::from_secs(5));
    that(semaphore.wait_until(Some(later)), "posted")?;
    that(time::now() < later, "long before the deadline")?;
    poster.join().map_err(Into::into)
}

fn parked() -> Outcome {
    let count = Arc::new(AtomicU32::new(0));
    let theirs = count.clone();
    let parker = thread::spawn("parker", move || {
        for _ in 0..10 {
            thread::park();
            theirs.fetch_add(1, Ordering::Relaxed);
        }
    })?;
    let handle: Thread = *parker.thread();
    for round in 0..10 {
        // Before it parks, or while it does.
        yields(round % 3);
        handle.unpark();
        while count.load(Ordering::Relaxed) <= round {
            thread::yield_now();
        }
    }
    parker.join()?;
    // It is gone; whoever has its place now is not meant.
    handle.unpark();
    let other = thread::spawn("other", || thread::park_timeout(Duration::from_millis(2)))?;
    handle.unpark();
    other.join().map_err(Into::into)
}

fn others() -> Outcome {
    static VALUE: Once<u32> = Once::new();
    static MADE: AtomicU32 = AtomicU32::new(0);
    let barrier = Arc::new(Barrier::new(5));
    let shared = Arc::new(RwLock::new((0u32, 0u32)));
    let threads: Result<Vec<_>, Error> = (0..5u32)
        .map(|number| {
            let (barrier, shared) = (barrier.clone(), shared.clone());
            thread::spawn("together", move || {
                let mut last = 0;
                for round in 0..10 {
                    last += u32::from(barrier.wait());
                    if (round + number) % 5 == 0 {
                        let mut both = shared.write();
                        both.0 += 1;
                        thread::yield_now();
                        both.1 += 1;
                    } else {
                        let both = shared.read();
                        thread::yield_now();
                        if both.0 != both.1 {
                            return 100;
                        }
                    }
                }
                let value = VALUE.call_once(|| {
                    MADE.fetch_add(1, Ordering::Relaxed);
                    thread::yield_now();
                    17
                });
                if *value == 17 { last } else { 200 }
            })
        })
        .collect();
    let mut last = 0;
    for thread in threads? {
        last += thread.join()?;
    }
    equal(last, 10)?;
    equal(*shared.read(), (10, 10))?;
    equal(
        (VALUE.get().copied(), MADE.load(Ordering::Relaxed)),
        (Some(17), 1),
    )?;
    let failing: Once<u32> = Once::new();
    equal(failing.try_call_once(|| Err(1)), Err(1))?;
    equal(failing.get(), None)?;
    equal(failing.try_call_once(|| Ok::<_, u32>(2)), Ok(&2))
}

aos::thread_local! {
    static NUMBER: Cell<u32> = Cell::new(5);
    static HELD: Counted = Counted;
}

fn locals() -> Outcome {
    DROPPED.store(0, Ordering::Relaxed);
    NUMBER.with(|number| number.set(1));
    let threads: Result<Vec<_>, Error> = (10..20u32)
        .map(|own| {
            thread::spawn("own", move || {
                let first = NUMBER.with(Cell::get);
                NUMBER.with(|number| number.set(own));
                HELD.with(|_| ());
                thread::yield_now();
                (first, NUMBER.with(Cell::get) == own)
            })
        })
        .collect();
    for thread in threads? {
        equal(thread.join()?, (5, true))?;
    }
    equal(NUMBER.with(Cell::get), 1)?;
    equal(DROPPED.load(Ordering::Relaxed), 10)
}

fn messages() -> Outcome {
    let endpoint = Arc::new(endpoint_create(4 * MIN_BUFFER_WORDS)?);
    let to = endpoint.cap();
    let theirs = endpoint.clone();
    let receiver = thread::spawn("receiver", move || {
        let mut sum = 0;
        for _ in 0..20 {
            loop {
                let snapshot = event::snapshot();
                if let Some(message) = theirs.receive() {
                    sum += message.words().iter().sum::<u64>();
                    break;
                }
                event::wait_until(snapshot, None);
            }
        }
        sum
    })?;
    for number in 0..20u64 {
        if number % 3 == 0 {
            thread::yield_now();
        }
        if number % 4 == 0 {
            thread::sleep(Duration::from_micros(200));
        }
        while let Err(error) = send(to, &[number, 1], None, SendFlags::DEFAULT) {
            that(aos::error::is_transient(error), "a full buffer")?;
            thread::yield_now();
        }
    }
    equal(receiver.join()?, 190 + 20)
}
