//! Running threads: the book of `threads`, switching between stacks, the `run` upcall, giving the core away when nobody could run.
//!
//! **Who may use the book.** Whoever runs disabled: an upcall, or a thread inside of [`with`]. While disabled nothing else of this
//! domain runs, so the reference is the only one. The book, the contexts and the upcall stacks lie in memory that never
//! faults.
//!
//! A thread disables on its own stack, which may be one that grows by page faults. So [`dispatcher::disable`] first touches the
//! stack as far down as disabled code of a thread goes.
//!
//! **Switching.** A thread that gives the core away by a call pushes the registers that a call preserves and leaves its stack
//! pointer in its context; one that was interrupted has all its registers in the enabled area, and the `run` upcall copies them to the
//! context only if somebody else runs next. `__aos_enter` takes either, and leaves disabled mode as `entry` describes.
//!
//! **Messages.** Threads that wait for something from outside wait for `Key::OUTSIDE`. `noticed` is the value of `lmp_delivered`
//! when they were last woken; whenever it differs they are woken, and look themselves. So, in [`wait_outside`]: a message after the
//! caller's snapshot is seen by the comparison (disabled), or it comes after the thread is in the queue; then `lmp_delivered` differs
//! from `noticed` at the next upcall or before the core is given away, whichever is first. And a message after *that* comparison makes
//! the kernel, which compares `lmp_delivered` with `lmp_seen` = `noticed`, keep the dispatcher runnable.
//!
//! **ReplyWait.** [`park`] waits for a message to any endpoint, and only when all that was delivered is read (`consumed`): so what comes in registers
//! is older than all that comes into a buffer afterwards, and whoever reads its endpoint takes it first (`stash`). A last message that may wait
//! (`held`) is sent by the same call. It is sent before the core is given away in any other way, to another thread too, after the core was taken away, and before
//! anything else is sent to the same receiver.

use super::call::{self, Swapped};
use super::context::{self, AREA, Context, Registers};
use super::dispatcher;
use super::entry::{UPCALL_STACK, UPCALL_STACK_BYTES};
use crate::cap::{CNodeRef, CapRef};
use core::arch::global_asm;
use core::cell::UnsafeCell;
use kpi::addr::CapAddr;
use kpi::dispatcher::offsets::{AREA_BYTES, DISABLED};
use kpi::lmp::{LMP_WORDS, LmpHeader};
use kpi::syscall::{CallWord, ReplyWaitResult, SendFlags, Syscall};
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

/// A message to an own endpoint, out of registers.
pub(crate) struct Stash {
    /// The endpoint's place in the frame; 0: there is none.
    pub(crate) endpoint: u32,
    pub(crate) header: LmpHeader,
    pub(crate) words: [u64; LMP_WORDS],
}

/// A message that is not sent yet.
#[derive(Clone, Copy)]
pub(crate) struct Held {
    pub(crate) to: CapRef,
    /// The endpoint of the connection that it belongs to; 0: there is none.
    pub(crate) owner: u32,
    pub(crate) count: u8,
    /// There was no room for it.
    pub(crate) is_stuck: bool,
    pub(crate) words: [u64; LMP_WORDS],
}

/// Where [`park`] was left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Parked {
    /// It did not wait: others could run, or not all is read.
    NotNow,
    /// Look whether something has come.
    Look,
    /// This endpoint has a message.
    Message(u32),
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
    stash: Stash {
        endpoint: 0,
        header: LmpHeader(0),
        words: [0; LMP_WORDS],
    },
    held: Held {
        to: CNodeRef::root_of(CapAddr::NULL).slot(0),
        owner: 0,
        count: 0,
        is_stuck: false,
        words: [0; LMP_WORDS],
    },
}));

global_asm!(
    // __aos_switch(x0 = context to leave, x1 = context to enter, x2 = dispatcher). Runs disabled, returns enabled.
    ".section .text.__aos_switch, \"ax\"",
    ".type __aos_switch, %function",
    ".global __aos_switch",
    ".global __aos_enter",
    "__aos_switch:",
    "stp x29, x30, [sp, #-96]!",
    "stp x19, x20, [sp, #16]",
    "stp x21, x22, [sp, #32]",
    "stp x23, x24, [sp, #48]",
    "stp x25, x26, [sp, #64]",
    "stp x27, x28, [sp, #80]",
    "mov x9, sp",
    "str x9, [x0]",
    // __aos_enter(-, x1 = context, x2 = dispatcher): does not return.
    "__aos_enter:",
    "ldr x9, [x1]",
    "cbz x9, 1f",
    "mov sp, x9",
    // From here on an interruption saves to the enabled area, as of the thread whose stack this is.
    "str wzr, [x2, #{disabled}]",
    "ldp x19, x20, [sp, #16]",
    "ldp x21, x22, [sp, #32]",
    "ldp x23, x24, [sp, #48]",
    "ldp x25, x26, [sp, #64]",
    "ldp x27, x28, [sp, #80]",
    "ldp x29, x30, [sp], #96",
    "ret",
    "1: mov x0, x2",
    "add x1, x1, #{area}",
    "b __aos_resume",
    ".size __aos_switch, . - __aos_switch",
    "",
    // __aos_leave(x0 = context to leave, x1 = dispatcher): as __aos_switch, to whoever can run, when somebody can.
    ".section .text.__aos_leave, \"ax\"",
    ".type __aos_leave, %function",
    ".global __aos_leave",
    "__aos_leave:",
    "stp x29, x30, [sp, #-96]!",
    "stp x19, x20, [sp, #16]",
    "stp x21, x22, [sp, #32]",
    "stp x23, x24, [sp, #48]",
    "stp x25, x26, [sp, #64]",
    "stp x27, x28, [sp, #80]",
    "mov x9, sp",
    "str x9, [x0]",
    "adrp x9, {upcall_stack}",
    "add x9, x9, :lo12:{upcall_stack}",
    "add x9, x9, #{upcall_pages}, lsl #12",
    "mov sp, x9",
    "mov x29, xzr",
    "mov x30, xzr",
    "mov x0, x1",
    "b {idle}",
    ".size __aos_leave, . - __aos_leave",
    "",
    // A thread's first instruction: x19 = argument, x20 = function.
    ".section .text.__aos_thread, \"ax\"",
    ".type __aos_thread, %function",
    ".global __aos_thread",
    "__aos_thread:",
    "mov x0, x19",
    "blr x20",
    "brk #1",
    ".size __aos_thread, . - __aos_thread",
    "",
    // __aos_copy_area(x0 = to, x1 = from): the 34 words of a save area.
    ".section .text.__aos_copy_area, \"ax\"",
    ".type __aos_copy_area, %function",
    ".global __aos_copy_area",
    "__aos_copy_area:",
    ".irp at, 0, 32, 64, 96, 128, 160, 192, 224",
    "ldp x2, x3, [x1, #\\at]",
    "ldp x4, x5, [x1, #\\at + 16]",
    "stp x2, x3, [x0, #\\at]",
    "stp x4, x5, [x0, #\\at + 16]",
    ".endr",
    "ldp x2, x3, [x1, #256]",
    "stp x2, x3, [x0, #256]",
    "ret",
    ".size __aos_copy_area, . - __aos_copy_area",
    disabled = const DISABLED,
    area = const AREA,
    idle = sym idle,
    upcall_stack = sym UPCALL_STACK,
    upcall_pages = const UPCALL_STACK_BYTES / 4096,
);

const _: () = assert!(size_of::<Registers>() == 272 && size_of::<Registers>() <= AREA_BYTES);

unsafe extern "C" {
    // Addresses of contexts, save areas and the dispatcher, as the comments above say.
    fn __aos_switch(from: usize, to: usize, dispatcher: usize);
    fn __aos_enter(unused: usize, context: usize, dispatcher: usize) -> !;
    fn __aos_leave(from: usize, dispatcher: usize);
    pub(super) fn __aos_copy_area(to: usize, from: usize);
    fn __aos_thread();
}

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

/// Goes on as another thread. Returns when this one is entered again, enabled.
///
/// # Safety
/// The dispatcher is disabled; the book says that `to` runs; no reference into the book is used afterwards.
#[inline]
unsafe fn switch(to: *mut Context) {
    let from = context::current();
    context::set_current(to);
    // SAFETY: both are contexts; `to` left its registers on its stack or in its area.
    unsafe { __aos_switch(from as usize, to as usize, dispatcher::base() as usize) };
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
extern "C" fn idle(dispatcher: usize) -> ! {
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

/// Sends a message, if an endpoint is given, and waits for the next one in one call to the kernel, if nobody else of this domain could run
/// or has to be told of something. `None`: that is not so, and nothing was sent.
#[inline(always)]
pub(crate) fn reply_wait(
    word: CallWord,
    endpoint: u64,
    accepts: u64,
    payload: [u64; LMP_WORDS],
) -> Option<Swapped> {
    dispatcher::disable();
    // SAFETY: disabled.
    let book = unsafe { book() };
    if book.held.is_waiting() {
        book.held.send();
    }
    let is_pending = dispatcher::lmp_delivered() != book.noticed || book.stash.endpoint != 0;
    if book.threads.has_ready() || is_pending || book.slow != 0 {
        dispatcher::set_disabled(false);
        return None;
    }
    let wakeup = book.threads.next_deadline().map_or(0, |first| first.max(1));
    dispatcher::set_parking(book.noticed, false, wakeup);
    let swapped = call::reply_wait(word, endpoint, accepts, payload);
    if swapped.result == ReplyWaitResult::LOOK {
        // SAFETY: disabled.
        let book = unsafe { self::book() };
        book.notice();
        book.expire();
    }
    dispatcher::set_disabled(false);
    Some(swapped)
}

/// Sends what is held, and waits until the counter has reached `deadline` or a message comes, to any endpoint, if nobody else of this domain could
/// run, all that was delivered is read, and `nothing_came`. That is asked disabled; `announce` is called so when a message has come.
#[inline]
pub(crate) fn park(
    nothing_came: impl FnOnce() -> bool,
    announce: impl FnOnce(),
    deadline: Option<u64>,
) -> Parked {
    dispatcher::disable();
    // SAFETY: disabled.
    let book = unsafe { book() };
    let delivered = dispatcher::lmp_delivered();
    let may_wait = delivered == book.noticed
        && delivered == book.consumed
        && book.stash.endpoint == 0
        && !book.held.is_stuck
        && !book.threads.has_ready()
        && book.slow == 0
        && nothing_came();
    if !may_wait {
        dispatcher::set_disabled(false);
        return Parked::NotNow;
    }
    let first = match (book.threads.next_deadline(), deadline) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    dispatcher::set_parking(delivered, false, first.map_or(0, |first| first.max(1)));
    let (endpoint, level, count) = match &book.held {
        Held { owner: 0, .. } => (0, 0, 0),
        held => (held.to.addr().0.into(), held.to.level() as u8, held.count),
    };
    let word = CallWord::reply_wait(level, count);
    let swapped = call::reply_wait(word, endpoint, 0, book.held.words);
    // SAFETY: disabled, and nothing of this domain ran meanwhile.
    let book = unsafe { self::book() };
    let parked = match swapped.result.get() {
        _ if swapped.error != 0 => {
            book.held.refused(swapped.error);
            Parked::NotNow
        }
        None => {
            book.held.owner = 0;
            book.notice();
            book.expire();
            Parked::Look
        }
        Some((endpoint, count)) => {
            book.held.owner = 0;
            book.stash.endpoint = endpoint as u32;
            book.stash.header = LmpHeader::new(count, false);
            book.stash.words = swapped.payload;
            // Who waits for messages in another way looks too.
            announce();
            book.threads.wake_all(Key::OUTSIDE);
            Parked::Message(endpoint as u32)
        }
    };
    dispatcher::set_disabled(false);
    parked
}

/// Keeps a message until the next wait, after what was kept before is sent. `false`: it cannot be kept.
#[inline]
pub(crate) fn hold(owner: u32, to: CapRef, words: &[u64]) -> bool {
    with(|book| {
        book.held.send();
        let keeps_nothing = book.slow != 0 || book.keeps_nothing;
        if keeps_nothing || book.held.owner != 0 || words.len() > LMP_WORDS {
            return false;
        }
        for (place, word) in book.held.words.iter_mut().zip(words) {
            *place = *word;
        }
        book.held.to = to;
        book.held.count = words.len() as u8;
        book.held.owner = owner;
        true
    })
}

/// Sends what is kept of this owner, if something is. `false`: there was no room.
#[inline]
pub(crate) fn send_held(owner: u32) -> bool {
    with(|book| {
        if book.held.owner != owner {
            return true;
        }
        book.held.send();
        book.held.owner != owner
    })
}

/// Takes what is kept out, if it could not be sent, or is of this owner.
pub(crate) fn take_held(of: Option<u32>) -> Option<Held> {
    with(|book| {
        let wanted = match of {
            Some(owner) => book.held.owner == owner,
            None => book.held.owner != 0 && book.held.is_stuck,
        };
        let held = book.held;
        if wanted {
            book.held.owner = 0;
            book.held.is_stuck = false;
        }
        wanted.then_some(held)
    })
}

impl Held {
    /// Whether there is one that could be sent.
    #[inline]
    pub(crate) fn is_waiting(&self) -> bool {
        self.owner != 0 && !self.is_stuck
    }

    /// Sends it, if there is one; disabled.
    #[inline]
    pub(crate) fn send(&mut self) {
        if self.is_waiting() {
            self.send_now();
        }
    }

    #[cold]
    fn send_now(&mut self) {
        let word = CallWord::send(self.to.level() as u8, 0, SendFlags::DEFAULT, self.count);
        let mut args = [0; LMP_WORDS + 1];
        for (place, word) in args.iter_mut().skip(1).zip(self.words) {
            *place = word;
        }
        match call::call([word.0, self.to.addr().0.into()], &args).error {
            0 => self.owner = 0,
            error => self.refused(error),
        }
    }

    /// It waits on if there was no room. Else it is lost, with the connection that it belongs to.
    #[cold]
    fn refused(&mut self, error: u64) {
        let error = crate::error::Error::from_raw(error);
        match error.is_some_and(crate::error::is_transient) {
            true => self.is_stuck = true,
            false => self.owner = 0,
        }
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

/// The start of a thread: `function(argument)` on the stack that ends at `top`, a multiple of 16.
///
/// # Safety
/// `[top - 96, top)` is the caller's to write and part of a stack for that function.
pub(crate) unsafe fn first_frame(top: u64, function: usize, argument: usize) -> u64 {
    let frame: *mut [u64; 12] = core::ptr::with_exposed_provenance_mut(top as usize - 96);
    let start = __aos_thread as *const () as u64;
    let words = [
        0,
        start,
        argument as u64,
        function as u64,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
    ];
    // SAFETY: the caller's promise.
    unsafe { frame.write(words) };
    top - 96
}
