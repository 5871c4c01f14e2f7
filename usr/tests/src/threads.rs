//! Threads: values, locks, time, messages, exceptions, their end; a crowd of 200; and how a domain ends by one of them.

use crate::harness::{Harness, Outcome, equal, refused, that};
use crate::world::World;
use alloc::sync::Arc;
use alloc::vec::Vec;
use aos::cap::CapRef;
use aos::error::ErrorCode;
use aos::initproto::{FaultCause, Message, STATUS_PANIC};
use aos::kpi::addr::VirtAddr;
use aos::kpi::layout::BASE_PAGE_SIZE;
use aos::kpi::rights::PageFlags;
use aos::kpi::syscall::SendFlags;
use aos::lmp::{MIN_BUFFER_WORDS, endpoint_create, send};
use aos::paging::{OWN_START, paging_map_fixed_attr, paging_unmap};
use aos::sync::{Barrier, Condvar, Mutex, Once, RwLock, Semaphore};
use aos::thread::exception::{Exception, Kind, Outcome as Handled, set_handler};
use aos::thread::{self, Builder, JoinHandle, Thread};
use aos::{Error, event, ram, slot, time};
use core::cell::Cell;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use core::time::Duration;

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
    test("traps and page faults are handled", exceptions);
    test("an exception handler waits for a lock", waiting_handler);
    test("locks lie in memory that faults", faulting_locks);
    test("as many threads as there are places", full);
    test("200 threads, and everything comes back", crowd);
    harness.test(SUITE, "a domain ends by its threads", || ends(world));
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

fn timed() -> Outcome {
    const STEP: Duration = Duration::from_millis(3);
    let order = Arc::new(Mutex::new(Vec::new()));
    let threads: Result<Vec<_>, Error> = [3u32, 1, 4, 2]
        .into_iter()
        .map(|number| {
            let order = order.clone();
            thread::spawn("sleeper", move || {
                let before = time::now();
                let duration = STEP * number * 2;
                thread::sleep(duration);
                order.lock().push(number);
                time::now() >= before + time::frequency() * duration.as_micros() as u64 / 1_000_000
            })
        })
        .collect();
    for thread in threads? {
        that(thread.join()?, "it slept long enough")?;
    }
    equal(order.lock().as_slice(), &[1, 2, 3, 4])?;
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

/// Runs an undefined instruction: 1 if it was skipped.
fn undefined() -> u64 {
    let value: u64;
    // SAFETY: raises an exception; the handler goes on behind it.
    unsafe {
        core::arch::asm!("mov {0}, #0", "udf #0", "mov {0}, #1", out(reg) value, options(nostack))
    };
    value
}

/// Loads from an address in x9, which a handler changes.
fn load(address: u64) -> u64 {
    let value: u64;
    // SAFETY: faults; the handler sets x9 to an address that can be read.
    unsafe {
        core::arch::asm!("ldr {0}, [x9]", out(reg) value, inout("x9") address => _, options(nostack, readonly));
    };
    value
}

static GOOD: u64 = 0x600d;

fn mend(exception: &mut Exception<'_>) -> Handled {
    match exception.kind() {
        Kind::Undefined => exception.skip(),
        Kind::PageFault { address: 0x10, .. } => {
            exception.set_x(9, core::ptr::from_ref(&GOOD) as u64);
        }
        _ => return Handled::Unhandled,
    }
    Handled::Resume
}

fn exceptions() -> Outcome {
    that(set_handler(Some(mend)).is_none(), "no handler yet")?;
    equal(undefined(), 1)?;
    equal(load(0x10), GOOD)?;
    let threads: Result<Vec<_>, Error> = (0..4)
        .map(|_| {
            thread::spawn("faulting", || {
                set_handler(Some(mend));
                (0..50).all(|round| {
                    if round % 7 == 0 {
                        thread::yield_now();
                    }
                    undefined() == 1 && load(0x10) == GOOD
                })
            })
        })
        .collect();
    for thread in threads? {
        that(thread.join()?, "every fault is handled")?;
    }
    that(set_handler(None).is_some(), "the handler")
}

static AWAITED: Mutex<u32> = Mutex::new(0);

fn wait_and_mend(exception: &mut Exception<'_>) -> Handled {
    *AWAITED.lock() += 1;
    thread::yield_now();
    mend(exception)
}

fn waiting_handler() -> Outcome {
    *AWAITED.lock() = 0;
    let holder = thread::spawn("holder", || {
        for _ in 0..20 {
            let guard = AWAITED.lock();
            yields(3);
            drop(guard);
            thread::yield_now();
        }
    })?;
    let threads: Result<Vec<_>, Error> = (0..3)
        .map(|_| {
            thread::spawn("faulting", || {
                set_handler(Some(wait_and_mend));
                (0..20).all(|_| undefined() == 1 && load(0x10) == GOOD)
            })
        })
        .collect();
    for thread in threads? {
        that(thread.join()?, "every fault is handled")?;
    }
    holder.join()?;
    equal(*AWAITED.lock(), 3 * 20 * 2)
}

/// What lies in a page that comes and goes.
struct Paged {
    count: Mutex<u64>,
    tickets: Semaphore,
    changed: Condvar,
}

/// Where, far from all other mappings.
const PAGED: VirtAddr = VirtAddr(OWN_START.0 + (1 << 38));
/// The page's frame, and whether it is mapped.
static PAGE: Mutex<(Option<CapRef>, bool)> = Mutex::new((None, false));

/// Maps the page if it is not.
fn page_in() -> Result<(), Error> {
    let mut page = PAGE.lock();
    if let (Some(frame), false) = *page {
        paging_map_fixed_attr(PAGED, frame, BASE_PAGE_SIZE, PageFlags::READ_WRITE)?;
        page.1 = true;
    }
    Ok(())
}

fn page_out() -> Result<(), Error> {
    let mut page = PAGE.lock();
    if core::mem::replace(&mut page.1, false) {
        // SAFETY: whoever uses it faults and brings it back as it was.
        unsafe { paging_unmap(PAGED) }?;
    }
    Ok(())
}

static PAGED_IN: AtomicU32 = AtomicU32::new(0);

fn pager(exception: &mut Exception<'_>) -> Handled {
    let Kind::PageFault { address, .. } = exception.kind() else {
        return Handled::Unhandled;
    };
    PAGED_IN.fetch_add(1, Ordering::Relaxed);
    match VirtAddr(address).align_down(BASE_PAGE_SIZE) == PAGED && page_in().is_ok() {
        true => Handled::Resume,
        false => Handled::Unhandled,
    }
}

fn use_paged(number: u64) {
    set_handler(Some(pager));
    let address: *const Paged = core::ptr::with_exposed_provenance(PAGED.0 as usize);
    // SAFETY: written before the threads began, and brought back whenever it is not there.
    let paged = unsafe { &*address };
    let mut random = Random(number + 77);
    for _ in 0..60 {
        paged.tickets.wait();
        let mut count = paged.count.lock();
        let before = *count;
        yields(random.below(3) as u32);
        *count = before + 1;
        drop(count);
        paged.tickets.post();
        paged.changed.notify_all();
        let deadline = time::after(Duration::from_micros(random.below(100)));
        let mut count = paged.count.lock();
        paged.changed.wait_until(&mut count, Some(deadline));
    }
}

fn faulting_locks() -> Outcome {
    static DONE: AtomicU32 = AtomicU32::new(0);
    const THREADS: u32 = 5;
    PAGE.lock().0 = Some(ram::frame_alloc(BASE_PAGE_SIZE)?);
    page_in()?;
    let paged: *mut Paged = core::ptr::with_exposed_provenance_mut(PAGED.0 as usize);
    let fresh = Paged {
        count: Mutex::new(0),
        tickets: Semaphore::new(2),
        changed: Condvar::new(),
    };
    // SAFETY: just mapped.
    unsafe { paged.write(fresh) };
    let threads: Result<Vec<_>, Error> = (0..u64::from(THREADS))
        .map(|number| {
            thread::spawn("paged", move || {
                use_paged(number);
                DONE.fetch_add(1, Ordering::Relaxed);
            })
        })
        .collect();
    let threads = threads?;
    let mut random = Random(5);
    while DONE.load(Ordering::Relaxed) < THREADS {
        page_out()?;
        match random.below(8) {
            0 => thread::sleep(Duration::from_micros(random.below(50))),
            turns => yields(turns as u32),
        }
    }
    for thread in threads {
        thread.join()?;
    }
    page_in()?;
    // SAFETY: mapped, and the threads have ended.
    let count = *unsafe { &*paged }.count.lock();
    equal(count, u64::from(THREADS) * 60)?;
    that(PAGED_IN.load(Ordering::Relaxed) > 100, "a hundred faults")?;
    page_out()?;
    let frame = PAGE.lock().0.take();
    frame.map_or(Ok(()), ram::mm_free).map_err(Into::into)
}

fn full() -> Outcome {
    let gate = Arc::new(Semaphore::new(0));
    let small = Builder::new("one of many").stack_bytes(thread::MIN_STACK_BYTES);
    let mut threads = Vec::new();
    let refusal = loop {
        let gate = gate.clone();
        match small.spawn(move || gate.wait()) {
            Ok(thread) => threads.push(thread),
            Err(error) => break error,
        }
    };
    equal(threads.len(), thread::MAX_THREADS - 1)?;
    refused(Err::<(), _>(refusal), ErrorCode::LibThreadCreate)?;
    for _ in &threads {
        gate.post();
    }
    for thread in threads {
        thread.join()?;
    }
    thread::trim();
    equal(thread::count(), 1)
}

/// Numbers that look random.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

#[derive(Default)]
struct Shared {
    /// Guarded, and what it should be.
    count: Mutex<u64>,
    expected: AtomicU32,
    changed: Condvar,
}

fn one_of_crowd(number: u64, shared: &Shared, tickets: &Semaphore) -> u64 {
    let mut random = Random(number * 0x9e37_79b9_7f4a_7c15 + 1);
    set_handler(Some(mend));
    NUMBER.with(|own| own.set(number as u32));
    let mut faults = 0;
    for _ in 0..25 {
        match random.below(8) {
            0 => yields(random.below(4) as u32),
            1 => thread::sleep(Duration::from_micros(random.below(300))),
            2 | 3 => {
                let mut count = shared.count.lock();
                let before = *count;
                if random.below(2) == 0 {
                    thread::yield_now();
                }
                *count = before + 1;
                shared.expected.fetch_add(1, Ordering::Relaxed);
                shared.changed.notify_one();
            }
            4 => {
                tickets.wait();
                yields(random.below(2) as u32);
                tickets.post();
            }
            5 => {
                let deadline = time::after(Duration::from_micros(random.below(200)));
                if tickets.wait_until(Some(deadline)) {
                    tickets.post();
                }
            }
            6 => {
                let deadline = time::after(Duration::from_micros(random.below(200)));
                let mut count = shared.count.lock();
                shared.changed.wait_until(&mut count, Some(deadline));
            }
            _ => faults += u64::from(undefined() == 1 && load(0x10) == GOOD),
        }
    }
    match NUMBER.with(Cell::get) == number as u32 {
        true => faults,
        false => 1_000_000,
    }
}

const CROWD: u64 = 200;

fn crowd_once() -> Outcome {
    let shared: Arc<Shared> = Arc::default();
    let tickets = Arc::new(Semaphore::new(5));
    let threads: Result<Vec<_>, Error> = (0..CROWD)
        .map(|number| {
            let (shared, tickets) = (shared.clone(), tickets.clone());
            thread::spawn("crowd", move || one_of_crowd(number, &shared, &tickets))
        })
        .collect();
    let mut faults = 0;
    for thread in threads? {
        faults += thread.join()?;
    }
    that(
        (CROWD..1_000_000).contains(&faults),
        "every fault handled, every value its thread's own",
    )?;
    let count = *shared.count.lock();
    equal(count, u64::from(shared.expected.load(Ordering::Relaxed)))?;
    for _ in 0..5 {
        that(tickets.try_wait(), "five tickets")?;
    }
    that(!tickets.try_wait(), "no more")?;
    thread::trim();
    equal(thread::count(), 1)
}

fn crowd() -> Outcome {
    // Page tables that the first round makes stay.
    crowd_once()?;
    let before = (ram::mm_usage(), slot::free_slots());
    for _ in 0..2 {
        crowd_once()?;
        let after = (ram::mm_usage(), slot::free_slots());
        equal(alloc::format!("{after:?}"), alloc::format!("{before:?}"))?;
    }
    Ok(())
}

/// Parts of children.
pub fn play(part: &str) -> Result<(), Error> {
    ram::add_system_memory()?;
    match part {
        "thread-overflow" => in_thread(|| {
            deeper(1);
        }),
        "thread-fault" => in_thread(|| crate::parts::load(8)),
        "thread-handler" => in_thread(|| {
            set_handler(Some(|_| {
                crate::parts::load(16);
                Handled::Resume
            }));
            undefined();
        }),
        "thread-panic" => in_thread(panics),
        "thread-main" => {
            thread::spawn("endless", || {
                loop {
                    thread::yield_now();
                }
            })?
            .detach();
            yields(5);
            Ok(())
        }
        _ => stuck(),
    }
}

fn in_thread(work: fn()) -> Result<(), Error> {
    thread::spawn("an other thread", work)?.join()
}

#[expect(clippy::panic, reason = "this is the test of panics")]
fn panics() {
    panic!("in a thread");
}

#[expect(
    unconditional_recursion,
    reason = "running off the stack is what this is for"
)]
fn deeper(depth: u64) -> u64 {
    let frame = core::hint::black_box([depth; 32]);
    deeper(depth.wrapping_add(1)).wrapping_add(frame.iter().sum())
}

/// Two threads, each with the lock that the other wants.
fn stuck() -> Result<(), Error> {
    static LOCKS: (Mutex<()>, Mutex<()>) = (Mutex::new(()), Mutex::new(()));
    let other = thread::spawn("right first", || {
        let _right = LOCKS.1.lock();
        yields(2);
        let _left = LOCKS.0.lock();
    })?;
    let _left = LOCKS.0.lock();
    yields(2);
    let _right = LOCKS.1.lock();
    other.join()
}

fn ends(world: &World) -> Outcome {
    let name = *b"an other thread\0";
    let frame = ram::frame_alloc(4096)?;
    let end_of = |part| {
        let child = world.child(part, Some(frame))?;
        child.domain.start()?;
        let message = child.wait();
        child.domain.destroy()?;
        Ok::<_, crate::harness::Failure>(message)
    };
    for (part, cause, far) in [
        ("thread-overflow", FaultCause::StackOverflow, None),
        ("thread-fault", FaultCause::Exception, Some(8)),
        ("thread-handler", FaultCause::Exception, Some(16)),
    ] {
        let Some(Message::Fault(fault)) = end_of(part)? else {
            return that(false, "a fault");
        };
        equal((fault.cause, fault.thread), (cause, name))?;
        that(far.is_none_or(|far| far == fault.far), "the fault address")?;
    }
    let status = |status| Some(Message::Exit { status });
    equal(end_of("thread-panic")?, status(STATUS_PANIC))?;
    equal(end_of("thread-stuck")?, status(STATUS_PANIC))?;
    equal(end_of("thread-main")?, status(crate::parts::DONE))?;
    ram::mm_free(frame)?;
    Ok(())
}
