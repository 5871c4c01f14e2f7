//! Running threads: the book of `threads`, the `run` upcall, giving the core away when nobody could run.
//!
//! `switch` changes stacks; `park` waits for a message, and `held` keeps the message that goes out with that wait.
//!
//! **Who may use the book.** Whoever runs disabled: an upcall, or a thread inside of [`with`]. While disabled nothing else of this
//! domain runs, so the reference is the only one. The book, the contexts and the upcall stacks lie in memory that never
//! faults.
//!
//! A thread disables on its own stack, which may be one that grows by page faults. So [`dispatcher::disable`] first touches the
//! stack as far down as disabled code of a thread goes.
//!
//! **Messages.** Threads that wait for something from outside wait for `Key::OUTSIDE`. `noticed` is the value of `lmp_delivered`
//! when they were last woken; whenever it differs they are woken, and look themselves. So, in [`wait_outside`]: a message after the
//! caller's snapshot is seen by the comparison (disabled), or it comes after the thread is in the queue; then `lmp_delivered` differs
//! from `noticed` at the next upcall or before the core is given away, whichever is first. And a message after *that* comparison makes
//! the kernel, which compares `lmp_delivered` with `lmp_seen` = `noticed`, keep the dispatcher runnable.

mod held;
mod park;

pub(crate) use held::{Held, hold, send_held, take_held};
pub(crate) use park::{Parked, Stash, park, reply_wait};

use super::call;
use super::context::{self, Context};
use super::dispatcher;
use super::switch::{__aos_copy_area, __aos_enter, __aos_leave, switch};
use core::cell::UnsafeCell;
use kpi::syscall::{CallWord, Syscall};
use threads::{Committed, Ended, Handle, Join, JoinError, Key, Threads, Wake};

/// In [`Scheduler::slow`]: switched off.
pub(crate) const SLOW: u32 = 1 << 31;
/// Most threads of a domain.
pub(crate) const MAX_THREADS: usize = 256;

/// All that is used while disabled.
pub(crate) struct Scheduler {
    pub(crate) threads: Threads<MAX_THREADS>,
    /// Stacks that no thread uses, and how many.
    pub(crate) unused: *mut Context,
    pub(crate) unused_count: usize,
    /// `lmp_delivered` when waiting threads were last told.
    noticed: u32,
    /// Why [`reply_wait`] does nothing: [`SLOW`], if it was switched off, and how many threads wait for a mutex. Who waits in the kernel may hold that one, as
    /// connections are locked meanwhile, and would go on only when a message comes.
    pub(crate) slow: u32,
    /// Nothing is [kept](hold) until the next wait.
    pub(crate) keeps_nothing: bool,
    /// Words that were read from buffers: as many as `lmp_delivered` says when all are empty.
    pub(crate) consumed: u32,
    /// The message that came in registers.
    pub(crate) stash: Stash,
    /// The message that goes out with the next wait.
    pub(crate) held: Held,
}

struct Book(UnsafeCell<Scheduler>);

// SAFETY: used while disabled only, by one at a time (module header).
unsafe impl Sync for Book {}

// All zeroes, so that no program's file has it.
static BOOK: Book = Book(UnsafeCell::new(Scheduler {
    threads: Threads::unstarted(),
    unused: core::ptr::null_mut(),
    unused_count: 0,
    noticed: 0,
    slow: 0,
    keeps_nothing: false,
    consumed: 0,
    stash: Stash::NONE,
    held: Held::NONE,
}));

/// The main thread runs, on that stack.
pub(super) fn start(stack: core::ops::Range<u64>, exception_stack: core::ops::Range<u64>) {
    let context = context::start(stack, exception_stack);
    // SAFETY: the dispatcher is disabled, as at its first instruction.
    let book = unsafe { &mut *BOOK.0.get() };
    book.threads.start();
    book.threads.set_data(threads::Id::MAIN, context as usize);
    book.threads
        .set_name(threads::Id::MAIN, threads::Name::new("main"));
}

/// Uses the book with the dispatcher disabled, and enables it again. `work` calls nothing that waits, faults or enables.
#[inline]
pub(crate) fn with<R>(work: impl FnOnce(&mut Scheduler) -> R) -> R {
    dispatcher::disable();
    // SAFETY: disabled now, and the reference ends before that does (module header).
    let result = work(unsafe { book() });
    dispatcher::set_disabled(false);
    result
}

/// The same, for who may be disabled already: that is so afterwards too.
pub(crate) fn with_disabled<R>(work: impl FnOnce(&mut Scheduler) -> R) -> R {
    let before = dispatcher::is_disabled();
    dispatcher::disable();
    // SAFETY: as above.
    let result = work(unsafe { book() });
    dispatcher::set_disabled(before);
    result
}

/// The book, for who runs disabled.
///
/// # Safety
/// The dispatcher is disabled while the reference lives, and no other lives.
#[inline(always)]
pub(super) unsafe fn book<'a>() -> &'a mut Scheduler {
    // SAFETY: the caller's promise.
    unsafe { &mut *BOOK.0.get() }
}

#[inline]
fn context_of(book: &Scheduler, id: threads::Id) -> *mut Context {
    core::ptr::with_exposed_provenance_mut(book.threads.data(id))
}

impl Scheduler {
    /// Wakes those who wait for something from outside if a message came; answers whether there was anybody.
    #[inline]
    fn notice(&mut self) -> bool {
        let delivered = dispatcher::lmp_delivered();
        if delivered == self.noticed {
            return false;
        }
        self.noticed = delivered;
        self.threads.wake_all(Key::OUTSIDE) > 0
    }

    /// Wakes whose time has come.
    #[inline]
    fn expire(&mut self) -> bool {
        self.threads.next_deadline().is_some() && self.threads.expire(super::counter::now()) > 0
    }

    /// Keeps a stack that no thread uses any more.
    pub(crate) fn keep_stack(&mut self, context: *mut Context) {
        // SAFETY: the caller was the last to use it; contexts stay mapped.
        unsafe { (*context).next_unused = self.unused };
        self.unused = context;
        self.unused_count += 1;
    }

    /// Takes out the first unused stack that fits.
    pub(crate) fn take_stack(&mut self, fits: impl Fn(&Context) -> bool) -> Option<*mut Context> {
        let mut link = &raw mut self.unused;
        loop {
            // SAFETY: a link of the list: the head, or a field of an unused context.
            let context = unsafe { *link };
            // SAFETY: nobody else uses an unused context while disabled.
            let found = unsafe { context.as_ref()? };
            if fits(found) {
                // SAFETY: as above.
                unsafe { *link = found.next_unused };
                self.unused_count -= 1;
                return Some(context);
            }
            // SAFETY: as above.
            link = unsafe { &raw mut (*context).next_unused };
        }
    }
}

/// The `run` upcall.
pub(super) extern "C" fn run(dispatcher: usize) -> ! {
    if crate::exit::is_ending() {
        crate::exit::finish();
    }
    let delivered = dispatcher::lmp_delivered();
    dispatcher::set_lmp_seen(delivered);
    // SAFETY: an upcall runs disabled.
    let book = unsafe { book() };
    if delivered != book.noticed
        && let Some(next) = book.threads.wake_alone(Key::OUTSIDE)
    {
        book.noticed = delivered;
        let next = context_of(book, next);
        context::set_current(next);
        // SAFETY: as in `switch`.
        unsafe { __aos_enter(0, next as usize, dispatcher) };
    }
    book.notice();
    book.expire();
    // Who was interrupted may not wait for long.
    book.held.send();
    if book.threads.current().is_none() {
        idle(dispatcher);
    }
    match book.threads.rotate() {
        // SAFETY: the enabled area holds the thread that runs: an interruption of it, or `__aos_yield`, saved it there.
        None => unsafe { super::entry::resume(dispatcher, dispatcher::enabled_area()) },
        Some((_, to)) => {
            let (from, to) = (context::current(), context_of(book, to));
            context::set_current(to);
            // SAFETY: as above; nobody else uses the context of who was interrupted.
            unsafe {
                (*from).sp = 0;
                __aos_copy_area((&raw mut (*from).area) as usize, dispatcher::enabled_area());
                __aos_enter(0, to as usize, dispatcher)
            }
        }
    }
}

/// Nobody runs: goes on as whoever is ready, or gives the core away until somebody is. Disabled, on the upcall stack.
pub(super) extern "C" fn idle(dispatcher: usize) -> ! {
    // SAFETY: called disabled.
    let book = unsafe { book() };
    loop {
        if let Some(next) = book.threads.run_next() {
            let next = context_of(book, next);
            context::set_current(next);
            // SAFETY: as in `switch`.
            unsafe { __aos_enter(0, next as usize, dispatcher) };
        }
        if book.notice() || book.expire() {
            continue;
        }
        if book.held.is_waiting() {
            book.held.send();
            continue;
        }
        if book.threads.is_stuck() {
            crate::exit::stuck();
        }
        // Word 0 means "no wake-up", so a deadline of 0 becomes the next tick.
        let wakeup = book.threads.next_deadline().map_or(0, |first| first.max(1));
        dispatcher::set_parking(book.noticed, false, wakeup);
        let word = CallWord::simple(Syscall::Yield, 2).0;
        // The next thing is a `run` upcall; it returns only when the kernel refuses, then look again.
        call::call([word, 0], &[]);
    }
}

/// Gives the core to the next thread, or, when there is none, to another dispatcher. Stays ready.
pub(crate) fn yield_now() {
    dispatcher::disable();
    // SAFETY: disabled now.
    let book = unsafe { book() };
    book.notice();
    match book.threads.rotate() {
        // SAFETY: disabled, and the book says so.
        Some((_, to)) => unsafe { switch(context_of(book, to)) },
        None => super::entry::yield_disabled(),
    }
}

/// Blocks who runs, as `Threads::commit` says.
pub(crate) fn commit(deadline: Option<u64>) -> Wake {
    dispatcher::disable();
    block(deadline)
}

/// The same, disabled already.
fn block(deadline: Option<u64>) -> Wake {
    // SAFETY: disabled.
    let book = unsafe { book() };
    if let Committed::Done(wake) = book.threads.commit(deadline) {
        dispatcher::set_disabled(false);
        return wake;
    }
    next();
    with(|book| book.threads.take_wake())
}

/// The book says that nobody runs: goes on as whoever could, and returns when the caller is entered again, enabled. Disabled.
#[inline]
fn next() {
    // SAFETY: disabled.
    let book = unsafe { book() };
    match book.threads.run_next() {
        Some(next) => {
            // Who runs next may do so for long.
            book.held.send();
            // SAFETY: disabled, and the book says so.
            unsafe { switch(context_of(book, next)) }
        }
        // SAFETY: disabled; the book says that nobody runs.
        None => unsafe { __aos_leave(context::current() as usize, dispatcher::base() as usize) },
    }
}

/// Waits until a thread has ended; its context, for the caller alone.
pub(crate) fn join(thread: Handle) -> Result<*mut Context, JoinError> {
    loop {
        dispatcher::disable();
        // SAFETY: disabled.
        let joined = unsafe { book() }.threads.join(thread);
        if joined == Ok(Join::Blocked) {
            next();
            continue;
        }
        dispatcher::set_disabled(false);
        match joined? {
            Join::Done(context) => return Ok(core::ptr::with_exposed_provenance_mut(context)),
            Join::Blocked => {}
        }
    }
}

/// Wakes all who wait for something from outside.
pub(crate) fn wake_outside() {
    with(|book| book.threads.wake_all(Key::OUTSIDE));
}

/// Blocks who runs until something comes from outside, if nothing has come: that is asked disabled.
pub(crate) fn wait_outside(nothing_came: impl FnOnce() -> bool, deadline: Option<u64>) {
    dispatcher::disable();
    if !nothing_came() {
        dispatcher::set_disabled(false);
        return;
    }
    // SAFETY: disabled.
    let book = unsafe { book() };
    book.threads.prepare(Key::OUTSIDE);
    match book.threads.commit(deadline) {
        Committed::Done(_) => dispatcher::set_disabled(false),
        // Why it is woken does not matter; the next to prepare forgets it.
        Committed::Blocked => next(),
    }
}

/// Ends who runs. `last` is asked, disabled, before: `true` ends; `false` enables and returns.
pub(crate) fn exit(last: impl FnOnce(&Threads<MAX_THREADS>) -> bool) {
    dispatcher::disable();
    // SAFETY: disabled.
    let book = unsafe { book() };
    if !last(&book.threads) {
        dispatcher::set_disabled(false);
        return;
    }
    if let Ended::Free(context) = book.threads.exit() {
        // Its stack is this one: nobody takes it before another thread runs.
        book.keep_stack(core::ptr::with_exposed_provenance_mut(context));
    }
    if let Some(next) = book.threads.run_next() {
        let next = context_of(book, next);
        context::set_current(next);
        // SAFETY: as in `switch`; nobody will enter the thread that ended.
        unsafe { __aos_enter(0, next as usize, dispatcher::base() as usize) };
    }
    // SAFETY: disabled; the book says that nobody runs. Nobody will enter this thread again.
    unsafe { __aos_leave(context::current() as usize, dispatcher::base() as usize) }
}
