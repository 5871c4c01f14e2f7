//! The kernel of this core: its state, its four entries, and how it leaves again.
//!
//! Each entry handles one exception on an empty stack and returns the save area to continue with. No entry loops over
//! anything unbounded: calls that have more to do return [`Reply::Again`], and the user's `svc` is executed once more.
//!
//! | Module | What |
//! |---|---|
//! | `calls` | system calls: in and out |
//! | `exceptions` | faults, interrupts, system errors |
//! | `run` | who runs next, upcalls, idle |
//! | `clock` | how long entries take |

mod calls;
mod clock;
mod exceptions;
mod run;

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;

use caps::Database;
use errors::{Error, ErrorCode};
use kpi::dispatcher::SaveArea;

#[cfg(feature = "check")]
use self::clock::EntryClock;
use crate::dcb::DcbPtr;
use crate::env::Env;

/// How a system call ended. A word, so that a handler's result is two registers; what there is more to say stands in the
/// [`Kernel`] meanwhile.
#[repr(u64)]
pub enum Reply {
    /// Success, without results.
    Done,
    /// Success; the results are where the caller finds them.
    Answered,
    /// Success, with three result words: [`Kernel::answer`].
    Answer,
    /// Success, with five result words, for the caller of a command that is documented so: [`Kernel::answer_long`].
    Long,
    /// Not finished: execute the same call again.
    Again,
    /// The caller has its result; others run now: [`Kernel::switch`].
    Switch,
    /// The caller gave the core away for a run upcall later: [`Kernel::leave`].
    Leave,
}

impl Reply {
    /// Success, without results.
    pub const OK: Self = Self::Done;
}

/// What every handler of a system call returns.
pub type Handled = Result<Reply, Error>;

/// The kernel.
pub struct Kernel {
    /// The capability database.
    pub db: Database,
    /// Everything else.
    pub env: Env,
    upcall_area: SaveArea,
    /// Results of the system call being handled.
    results: [u64; 5],
    /// Error of the system call being handled, if others run after it.
    error: Option<Error>,
    /// Who runs after the system call being handled, if that is not its caller. `None`: whoever is next.
    next: Option<DcbPtr>,
    /// Gets the registers of a caller that is gone when its call ends.
    nowhere: SaveArea,
    /// Where a check of the database goes on.
    #[cfg(feature = "check")]
    pub check_cursor: caps::CheckCursor,
    /// How long the entries take.
    #[cfg(feature = "check")]
    pub clock: EntryClock,
}

struct KernelCell(UnsafeCell<MaybeUninit<Kernel>>);

// SAFETY: every core has its own relocated copy of this image, and the kernel of a core is single-threaded and never
// interrupted.
unsafe impl Sync for KernelCell {}

static KERNEL: KernelCell = KernelCell(UnsafeCell::new(MaybeUninit::uninit()));

/// Installs the kernel, once, before the first exception from EL0.
pub fn install(kernel: Kernel) -> &'static mut Kernel {
    // SAFETY: called once at boot, before any exception handler runs.
    unsafe { (*KERNEL.0.get()).write(kernel) }
}

/// # Safety
/// Only the exception entries call it, once each: they run only from EL0, after `install`, and never nest.
unsafe fn kernel() -> &'static mut Kernel {
    // SAFETY: initialised (see above), and the only reference at this time.
    unsafe { (*KERNEL.0.get()).assume_init_mut() }
}

impl Kernel {
    /// A kernel over an empty database.
    pub fn new(db: Database, env: Env) -> Self {
        Self {
            db,
            env,
            upcall_area: SaveArea::ZERO,
            results: [0; 5],
            error: None,
            next: None,
            nowhere: SaveArea::ZERO,
            #[cfg(feature = "check")]
            check_cursor: caps::CheckCursor::default(),
            #[cfg(feature = "check")]
            clock: EntryClock::default(),
        }
    }

    /// Success, with up to three result words.
    pub fn answer(&mut self, words: [u64; 3]) -> Reply {
        let [first, second, third, ..] = &mut self.results;
        [*first, *second, *third] = words;
        Reply::Answer
    }

    /// Success, with one result word.
    pub fn answer_one(&mut self, word: u64) -> Reply {
        self.answer([word, 0, 0])
    }

    /// Success, with five result words.
    pub fn answer_long(&mut self, words: [u64; 5]) -> Reply {
        self.results = words;
        Reply::Long
    }

    /// The caller's result is this; then that dispatcher runs, or whoever is next.
    pub fn switch(&mut self, result: Result<(), Error>, to: Option<DcbPtr>) -> Reply {
        self.error = result.err();
        self.next = to;
        Reply::Switch
    }

    /// The caller gave the core away for a run upcall later; that dispatcher runs, or whoever is next.
    pub fn leave(&mut self, to: Option<DcbPtr>) -> Reply {
        self.next = to;
        Reply::Leave
    }

    /// The error for a word count that does not fit the call.
    pub fn check_argc(found: u64, wanted: u8) -> Result<(), Error> {
        if found == u64::from(wanted) {
            Ok(())
        } else {
            Err(ErrorCode::SysInvargsSyscall.into())
        }
    }
}
