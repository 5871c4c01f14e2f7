//! Threads of this domain.
//!
//! The kernel knows nothing of them: it runs the domain's dispatcher, and this library runs its threads, in turn. A thread gives the core
//! away when it waits or yields, without a system call; at the end of a time slice, or when a message comes, the kernel upcalls and
//! the next thread runs. Only when no thread could run does the domain give the core away.
//!
//! The domain begins with the main thread and ends with it, whoever else runs. A panic or an unhandled exception of any thread ends the
//! domain, and so does the state in which all wait and nothing can wake any. Messages for the user name the thread.
//!
//! | Module | What |
//! |---|---|
//! | here | making, joining, detaching, yielding, sleeping, parking |
//! | [`exception`] | handlers of traps and page faults |
//! | [`local`] | values that each thread has for itself |
//! | `stack` | their memory |
//!
//! Barrelfish counterpart: `lib/barrelfish/threads.c`. `thread_create` is [`create`], `thread_join` is [`JoinHandle::join`],
//! `thread_detach` [`JoinHandle::detach`], `thread_yield` [`yield_now`], `thread_exit` [`exit()`]; mutexes, condition variables and
//! semaphores are in [`sync`](crate::sync).

pub mod exception;
pub mod local;
pub(crate) mod stack;

pub use local::LocalKey;
pub use spawn as create;
pub use threads::Name;

use crate::arch::context::Context;
use crate::arch::packet::{self, Place};
use crate::arch::scheduler;
use crate::error::{Error, ErrorCode, ResultExt};
use core::time::Duration;
use threads::{Ended, Handle, Id, Key};

/// Most threads of a domain, the main thread included.
pub const MAX_THREADS: usize = scheduler::MAX_THREADS;
/// Bytes of a stack, unless the maker says otherwise.
pub const STACK_BYTES: u64 = 64 << 10;
/// Least bytes of a stack.
pub const MIN_STACK_BYTES: u64 = 16 << 10;

/// A thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Thread {
    handle: Handle,
    name: Name,
}

impl Thread {
    /// Its name.
    pub const fn name(&self) -> Name {
        self.name
    }

    /// Lets its [`park`] return, or its next one if it does not wait in one. Nothing when it has ended.
    pub fn unpark(&self) {
        scheduler::with(|book| book.threads.unpark(self.handle));
    }
}

/// What a thread waits for, in words.
pub(crate) struct What(pub(crate) Key);

impl core::fmt::Display for What {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Key(key) = self.0;
        match key {
            0 => f.write_str("time"),
            1 => f.write_str("a message"),
            0x400..0x800 => f.write_str("the end of a thread"),
            0x800..0xc00 => f.write_str("being unparked"),
            address => write!(f, "a lock at {address:#x}"),
        }
    }
}

/// How a thread is made.
#[derive(Clone, Copy, Debug)]
pub struct Builder {
    name: Name,
    stack_bytes: u64,
}

impl Builder {
    /// A thread of that name, which is cut to 16 bytes.
    pub fn new(name: &str) -> Self {
        Self {
            name: Name::new(name),
            stack_bytes: STACK_BYTES,
        }
    }

    /// Sets the size of its stack, at least [`MIN_STACK_BYTES`]; it is rounded up to pages.
    pub fn stack_bytes(self, bytes: u64) -> Self {
        Self {
            stack_bytes: bytes.max(MIN_STACK_BYTES),
            ..self
        }
    }

    /// Makes it.
    ///
    /// # Errors
    /// As [`spawn`].
    pub fn spawn<F, T>(self, closure: F) -> Result<JoinHandle<T>, Error>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let code = ErrorCode::LibThreadCreate;
        let context = stack::take(self.stack_bytes).push_err(code)?;
        let place = packet::prepare(context, closure);
        let Some(place) = place else {
            scheduler::with(|book| book.keep_stack(context));
            return Err(Error::new(code));
        };
        let name = self.name;
        let made = scheduler::with(|book| book.threads.spawn(name, context as usize));
        match made {
            Ok(handle) => Ok(JoinHandle {
                thread: Thread { handle, name },
                place,
                joinable: true,
            }),
            Err(threads::Full) => {
                packet::discard::<F, T>(place);
                give_back(context);
                Err(Error::new(code))
            }
        }
    }
}

/// Makes a thread that calls the closure. It is ready at once, and runs when it is its turn.
///
/// # Errors
/// `LIB_ERR_THREAD_CREATE`: there are [`MAX_THREADS`] already, or the closure is larger than half of the stack, or on top of why its stack could not be made.
pub fn spawn<F, T>(name: &str, closure: F) -> Result<JoinHandle<T>, Error>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    Builder::new(name).spawn(closure)
}

/// A thread to wait for. Dropping it detaches the thread.
pub struct JoinHandle<T> {
    thread: Thread,
    place: Place<T>,
    joinable: bool,
}

impl<T> core::fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("JoinHandle").field(&self.thread).finish()
    }
}

impl<T> JoinHandle<T> {
    /// The thread.
    pub const fn thread(&self) -> &Thread {
        &self.thread
    }

    /// Waits until the thread has ended; its value.
    ///
    /// # Errors
    /// `LIB_ERR_THREAD_JOIN`: it ended without one ([`exit()`]), or is the caller.
    pub fn join(mut self) -> Result<T, Error> {
        let error = Error::new(ErrorCode::LibThreadJoin);
        let context = scheduler::join(self.thread.handle).map_err(|_| error)?;
        self.joinable = false;
        let value = self.place.take();
        give_back(context);
        value.ok_or(error)
    }

    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        let id = self.thread.handle.id();
        scheduler::with(|book| book.threads.state(id)) == threads::State::Ended
    }

    /// Lets it run for itself: nobody waits for it, its value is dropped.
    pub fn detach(self) {}
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        if !self.joinable {
            return;
        }
        let handle = self.thread.handle;
        let ended = scheduler::with(|book| book.threads.detach(handle));
        if let Ok(Ended::Free(context)) = ended {
            drop(self.place.take());
            give_back(core::ptr::with_exposed_provenance_mut(context));
        }
    }
}

/// Keeps or gives back the memory of a thread that ended.
#[inline]
fn give_back(context: *mut Context) {
    let many = scheduler::with(|book| {
        book.keep_stack(context);
        book.unused_count
    });
    stack::trim_some(many);
}

/// Gives back all memory that is kept for threads to come.
pub fn trim() {
    stack::trim(0);
}

/// The thread that runs.
pub fn current() -> Thread {
    scheduler::with(|book| {
        let id = book.threads.current().unwrap_or(Id::MAIN);
        Thread {
            handle: book.threads.handle(id),
            name: book.threads.name(id),
        }
    })
}

/// How many threads there are, ended ones that were not joined included.
pub fn count() -> usize {
    scheduler::with(|book| book.threads.live())
}

/// Lets the next thread run; when there is none, the next dispatcher.
pub fn yield_now() {
    scheduler::yield_now();
}

/// Ends the calling thread without a value; values on its stack are not dropped. The main thread ends the domain.
pub fn exit() -> ! {
    if scheduler::with(|book| book.threads.current()) == Some(Id::MAIN) {
        crate::exit::exit(crate::Status::SUCCESS);
    }
    local::end();
    loop {
        scheduler::exit(|_| true);
    }
}

/// Waits that long.
pub fn sleep(duration: Duration) {
    sleep_until(crate::time::after(duration));
}

/// Waits until the counter has that value.
pub fn sleep_until(deadline: u64) {
    while crate::time::now() < deadline {
        scheduler::with(|book| book.threads.prepare(Key::TIME));
        scheduler::commit(Some(deadline));
    }
}

/// Waits until another thread calls [`Thread::unpark`]; not at all if one has since the last park.
pub fn park() {
    park_until(None);
}

/// The same, at most that long.
pub fn park_timeout(duration: Duration) {
    park_until(Some(crate::time::after(duration)));
}

fn park_until(deadline: Option<u64>) {
    if scheduler::with(|book| book.threads.park()) {
        scheduler::commit(deadline);
    }
}
