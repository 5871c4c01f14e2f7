//! What a session asks of the system around it.
//!
//! Each request is a future of its own, which holds what it needs. A server that was started again is the system's business: it connects anew, and tells the user by
//! [`Os::news`].

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use errors::Error;
use services::process::{Ended, Order};
use services::streams::Content;
use services::terminal::{Mode, Signal, Typed};

/// Something under way.
pub type Task<T> = Pin<Box<dyn Future<Output = T>>>;

/// A request under way.
pub type Asked<T> = Task<Result<T, Error>>;

/// What a command of the system's says, and its status.
pub type Said = (String, u8);

/// What programs get that have no input or output of their own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Inherited {
    /// What the shell itself has, by the word that names it in the environment.
    Same(String),
    /// A pipe, since only the shell may use what it has: it passes on what comes.
    Passed,
    /// Nothing: input ends at once.
    Nothing,
}

/// The system around a session.
pub trait Os {
    /// Calls `poll` whenever there may be something to do, until that says that it is done.
    fn block_on(&self, poll: &mut dyn FnMut(&mut Context<'_>) -> Poll<()>);

    /// Serves the clients of the session's streams: what there is now.
    fn serve(&self, context: &mut Context<'_>);

    /// The word by which a program finds a stream: the value of `STDIN` or `STDOUT`.
    fn stream(&self, end: u32) -> String;

    /// What programs without a redirection read.
    fn input(&self) -> Inherited;

    /// What they print to.
    fn output(&self) -> Inherited;

    /// Microseconds since some moment.
    fn micros(&self) -> u64;

    /// The shell's process.
    fn pid(&self) -> u32;

    /// The name of the shell's program.
    fn name(&self) -> String;

    /// What the user has to know of the system, if something has happened.
    fn news(&self) -> Vec<String>;

    // Input and output of the shell itself: a terminal, or a stream.

    /// What was typed, at most a line.
    fn read(&self, most: u32) -> Asked<Typed>;

    /// Prints. At a terminal a line feed begins a new row in either mode.
    fn write(&self, bytes: Vec<u8>) -> Asked<()>;

    /// Whether what is typed comes at once and as it is, or by lines. Nothing happens without a terminal; nor with the following ones.
    fn set_mode(&self, mode: Mode) -> Asked<()>;

    /// Lends the foreground.
    fn lend(&self, pid: u32) -> Asked<()>;

    /// Takes it back.
    fn take_back(&self) -> Asked<()>;

    /// Is done when Ctrl-C or Ctrl-Z is typed; without a terminal, never. Who asks decides what becomes of both.
    fn interrupted(&self) -> Task<Signal>;

    // Processes.

    /// Starts a program.
    fn spawn(&self, order: Order) -> Asked<u32>;

    /// Ends a process.
    fn kill(&self, pid: u32) -> Asked<()>;

    /// Has it stand still, with all that it has started.
    fn suspend(&self, pid: u32) -> Asked<()>;

    /// Has it go on.
    fn resume(&self, pid: u32) -> Asked<()>;

    /// Waits for the end of one that this session has started.
    fn wait(&self, pid: u32) -> Asked<Ended>;

    /// Which of these processes must not be killed by mistake, and why not.
    fn essential(&self, pid: u32) -> Asked<Option<String>>;

    // The rest.

    /// Names and bytes of the files of the boot image.
    fn modules(&self) -> Asked<Vec<(String, u64)>>;

    /// Such a file.
    fn module(&self, name: &str) -> Asked<Rc<dyn Content>>;

    /// Names of services, for completion.
    fn names(&self) -> Asked<Vec<String>>;

    /// Names of supervised services, for completion.
    fn services(&self) -> Asked<Vec<String>>;

    /// Does a command that only the system knows about: `ps`, `mem` and the like.
    fn tell(&self, command: &'static str, args: Vec<String>) -> Task<Said>;

    /// A command line from the prompt has ended with this status.
    fn concluded(&self, line: &str, status: u8) -> Task<()>;
}
