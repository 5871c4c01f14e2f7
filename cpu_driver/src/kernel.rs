//! The kernel of this core: its state, its four entries, and how it leaves again.
//!
//! Each entry handles one exception on an empty stack and returns the save area to continue with. No entry loops over
//! anything unbounded: calls that have more to do return [`Reply::Again`], and the user's `svc` is executed once more.
//!
//! Longer than most files, because the ways in and the ways out share the state that is kept between them.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use caps::Database;
use errors::{Error, ErrorCode};
use kpi::dispatcher::{DispatcherShared, SaveArea};
use kpi::lmp::FaultKind;
use kpi::syscall::Syscall;

use crate::arch::context;
use crate::arch::vectors::{CallRegisters, SWAP};
use crate::dcb::{DcbPtr, MAX_DISABLED_FAULTS};
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

/// Measures entries in cycles, which under QEMU's `-icount` are instructions. The vectors' own (about 80) are not in it, and
/// neither is waiting in idle.
#[cfg(feature = "check")]
#[derive(Default)]
pub struct EntryClock {
    started: u64,
    /// The longest entry so far.
    pub longest: u64,
    /// The words of the system call that this entry is; 0 if it is none.
    call: [u64; 12],
}

#[cfg(feature = "check")]
impl EntryClock {
    /// No entry may take longer. (Where a cycle is no instruction, nobody knows.)
    const MOST: u64 = 20_000;

    fn start(&mut self) {
        self.call = [0; 12];
        self.started = hal::cpu::cycles();
    }

    fn stop(&mut self) -> u64 {
        let took = hal::cpu::cycles().wrapping_sub(self.started);
        self.longest = self.longest.max(took);
        took
    }
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

/// A system call: null to go back to the caller, or the save area for its registers if others run now.
#[unsafe(no_mangle)]
extern "C" fn syscall_entry(registers: &mut CallRegisters) -> *mut SaveArea {
    // SAFETY: called by the vectors only.
    unsafe { kernel() }.timed(|kernel| kernel.system_call(registers))
}

/// The same for calls whose number has bit 1 set. A function of its own, so that the fast path of ReplyWait has a stack frame of its own: none.
#[unsafe(no_mangle)]
extern "C" fn reply_wait_entry(registers: &mut CallRegisters) -> *mut SaveArea {
    let [first, ..] = registers.words;
    if first & 0xf != Syscall::ReplyWait as u64 {
        return syscall_entry(registers);
    }
    // SAFETY: called by the vectors only.
    unsafe { kernel() }.timed(|kernel| {
        kernel.note_call(&registers.words);
        match kernel.reply_wait(registers) {
            Some(area) => area.map_addr(|address| address | SWAP),
            None => kernel.reply_wait_slowly(&mut registers.words),
        }
    })
}

/// The end of a system call for which `syscall_entry` returned a save area: the caller's registers are there now.
#[unsafe(no_mangle)]
extern "C" fn syscall_leave() -> *const SaveArea {
    // SAFETY: called by the vectors only.
    unsafe { kernel() }.timed_on(|kernel| {
        let next = kernel.next.take();
        kernel.run_or_schedule(next)
    })
}

#[unsafe(no_mangle)]
extern "C" fn fault_entry(area: NonNull<SaveArea>, disabled: u32) -> *const SaveArea {
    // SAFETY: called by the vectors only.
    unsafe { kernel() }.timed(|kernel| kernel.fault(area, disabled != 0))
}

#[unsafe(no_mangle)]
extern "C" fn interrupt_entry(area: NonNull<SaveArea>, disabled: u32) -> *const SaveArea {
    // SAFETY: called by the vectors only.
    unsafe { kernel() }.timed(|kernel| kernel.interrupt(area, disabled != 0))
}

#[unsafe(no_mangle)]
extern "C" fn system_error_entry(area: NonNull<SaveArea>, _disabled: u32) -> *const SaveArea {
    // SAFETY: called by the vectors only.
    unsafe { kernel() }.timed(|kernel| {
        let (esr, far) = context::exception_syndrome();
        let pc = pc_of(area);
        if let Some(current) = kernel.env.current {
            kernel
                .env
                .stop(current, FaultKind::SystemError, [esr, far, pc]);
        }
        kernel.deliver_notes();
        kernel.schedule()
    })
}

/// PC of the area that the vectors just filled.
fn pc_of(area: NonNull<SaveArea>) -> u64 {
    // SAFETY: a word of the running dispatcher's live frame.
    unsafe { (&raw const (*area.as_ptr()).pc).read_volatile() }
}

/// A page fault goes to the `pagefault` upcalls, every other synchronous exception to `trap`. (ESR.EC: Arm ARM D17.2.37.)
fn is_page_fault(esr: u64) -> bool {
    matches!(esr >> 26, 0x20 | 0x22 | 0x24 | 0x26)
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

    /// Runs an entry; kernels built with `check` note how long it took.
    #[inline(always)]
    fn timed<T>(&mut self, entry: impl FnOnce(&mut Self) -> T) -> T {
        #[cfg(feature = "check")]
        self.clock.start();
        self.timed_on(entry)
    }

    /// The same for the second part of an entry.
    #[inline(always)]
    fn timed_on<T>(&mut self, entry: impl FnOnce(&mut Self) -> T) -> T {
        let result = entry(self);
        #[cfg(feature = "check")]
        {
            let longest = self.clock.longest;
            let took = self.clock.stop();
            if took > EntryClock::MOST && took > longest {
                crate::say!(
                    self.env.console,
                    "an entry took {took} cycles; system call:"
                );
                for word in self.clock.call {
                    crate::say!(self.env.console, "  {word:#x}");
                }
            }
        }
        result
    }

    fn interrupt(&mut self, area: NonNull<SaveArea>, disabled: bool) -> *const SaveArea {
        if let Some(receiver) = self.take_interrupt()
            && self.env.scheduler.lends_time()
        {
            // A driver does not wait: it runs for the rest of this slice, for which the timer stays as it is. (If that was to wake the
            // driver, it fires for nothing.)
            self.left(disabled);
            return self.run(receiver);
        }
        if self.env.slice_goes_on() {
            return area.as_ptr();
        }
        self.left(disabled);
        self.schedule()
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

    #[inline(always)]
    fn system_call(&mut self, registers: &mut CallRegisters) -> *mut SaveArea {
        let words = &mut registers.words;
        self.note_call(words);
        let handled = self.dispatch_call(words);
        // Also when `current` is gone.
        if self.env.notes.need_attention() {
            return self.end_otherwise(handled, words);
        }
        let [error, first, second, third, ..] = words;
        match handled {
            Ok(Reply::Done) => [*error, *first, *second, *third] = [0; 4],
            Ok(Reply::Answered) => *error = 0,
            other => return self.end_otherwise(other, words),
        }
        core::ptr::null_mut()
    }

    /// Remembers the call, in case that it takes too long.
    #[inline(always)]
    #[cfg_attr(
        not(feature = "check"),
        expect(clippy::unused_self, reason = "used with `check`")
    )]
    fn note_call(&mut self, words: &[u64; 12]) {
        #[cfg(feature = "check")]
        {
            self.clock.call = *words;
        }
        let _ = words;
    }

    /// The end of a system call after which there is more to do: null, or the save area for the caller's registers.
    #[inline(never)]
    #[optimize(size)]
    pub fn end_otherwise(&mut self, handled: Handled, words: &mut [u64; 12]) -> *mut SaveArea {
        if self.env.notes.need_attention() {
            self.deliver_notes();
            self.env.notes.attended();
        }
        if self.env.current.is_none() {
            // The call took something away that the caller itself needs.
            self.next = None;
            return &raw mut self.nowhere;
        }
        let [error, results @ ..] = words;
        let reply = match handled {
            Ok(reply) => reply,
            Err(raised) => {
                *error = raised.raw();
                return core::ptr::null_mut();
            }
        };
        match reply {
            Reply::Answered => *error = 0,
            Reply::Done | Reply::Answer => {
                *error = 0;
                let [first, second, third, ..] = results;
                [*first, *second, *third, ..] = match reply {
                    Reply::Answer => self.results,
                    _ => [0; 5],
                };
            }
            Reply::Long => {
                *error = 0;
                let [first, second, third, fourth, fifth, ..] = results;
                [*first, *second, *third, *fourth, *fifth] = self.results;
            }
            // Going back to the user's `svc` unmasks interrupts: a long call delays others no more than a short one.
            Reply::Again => context::repeat_call(),
            Reply::Switch => {
                *error = self.error.map_or(0, Error::raw);
                let disabled = self.called_disabled();
                self.left(disabled);
                return self.area_of_caller(disabled);
            }
            Reply::Leave => return self.area_of_caller(true),
        }
        core::ptr::null_mut()
    }

    /// Whether the caller of the system call being handled is disabled: its flag says so, or the PC lies in its critical range.
    /// The vectors decide the same for other exceptions.
    pub fn called_disabled(&self) -> bool {
        let Some(shared) = self.env.current.and_then(DcbPtr::shared) else {
            return true;
        };
        let shared = shared.as_ptr();
        // SAFETY: the running dispatcher's frame, in the window; single words.
        unsafe {
            let pc = context::user_pc();
            (&raw const (*shared).disabled).read_volatile() != 0
                || (pc >= (&raw const (*shared).crit_pc_low).read_volatile()
                    && pc < (&raw const (*shared).crit_pc_high).read_volatile())
        }
    }

    /// The save area for the registers of the caller of a system call that is left for another dispatcher.
    fn area_of_caller(&mut self, disabled: bool) -> *mut SaveArea {
        let Some(shared) = self.env.current.and_then(DcbPtr::shared) else {
            return &raw mut self.nowhere;
        };
        let shared = shared.as_ptr();
        // SAFETY: the running dispatcher's frame, in the window; only addresses are taken.
        unsafe {
            if disabled {
                &raw mut (*shared).disabled_area
            } else {
                &raw mut (*shared).enabled_area
            }
        }
    }

    fn fault(&mut self, area: NonNull<SaveArea>, disabled: bool) -> *const SaveArea {
        let (esr, far) = context::exception_syndrome();
        let pc = pc_of(area);
        let Some((current, shared)) = self.env.current.and_then(|dcb| Some((dcb, dcb.shared()?)))
        else {
            return self.schedule();
        };
        let shared_at = shared.as_ptr();
        if disabled {
            current.faults_taken.set(current.faults_taken.get() + 1);
            if current.faults_taken.get() > MAX_DISABLED_FAULTS {
                self.env
                    .stop(current, FaultKind::DisabledFaults, [esr, far, pc]);
                self.deliver_notes();
                return self.schedule();
            }
        }
        // SAFETY: the frame of the running dispatcher, in the window; a single word.
        let entry = unsafe {
            match (is_page_fault(esr), disabled) {
                (true, false) => (&raw const (*shared_at).pagefault).read_volatile(),
                (true, true) => (&raw const (*shared_at).pagefault_disabled).read_volatile(),
                (false, _) => (&raw const (*shared_at).trap).read_volatile(),
            }
        };
        self.upcall(shared, entry, [far, esr, pc])
    }

    /// Enters the dispatcher at `entry`, disabled, with nothing in its registers but the arguments.
    fn upcall(
        &mut self,
        shared: NonNull<DispatcherShared>,
        entry: u64,
        arguments: [u64; 3],
    ) -> *const SaveArea {
        let pointer = shared.as_ptr();
        // SAFETY: a live frame in the window; single words.
        let (udisp, got) = unsafe {
            (&raw mut (*pointer).disabled).write_volatile(1);
            (
                (&raw const (*pointer).udisp).read_volatile(),
                (&raw const (*pointer).got_base).read_volatile(),
            )
        };
        let [first, second, third] = arguments;
        let area = &mut self.upcall_area;
        let [x0, x1, x2, x3, ..] = &mut area.x;
        (*x0, *x1, *x2, *x3) = (udisp, first, second, third);
        if let Some(x10) = area.x.get_mut(10) {
            *x10 = got;
        }
        area.pc = entry;
        &raw const self.upcall_area
    }

    /// The current dispatcher left the core in that mode.
    #[cfg_attr(feature = "rbed", inline(never))]
    #[cfg_attr(not(feature = "rbed"), inline(always))]
    fn left(&mut self, disabled: bool) {
        if let Some(current) = self.env.current {
            current.disabled.set(disabled);
            self.env.scheduler.keep(current);
            if !disabled {
                current.faults_taken.set(0);
            }
        }
    }

    /// Runs the next dispatcher of the queue, for a time slice; waits for one if there is none.
    pub fn schedule(&mut self) -> *const SaveArea {
        loop {
            if let Some(next) = self.env.scheduler.next() {
                self.env.start_slice(next);
                return self.run(next);
            }
            self.idle();
        }
    }

    fn run_or_schedule(&mut self, to: Option<DcbPtr>) -> *const SaveArea {
        match to {
            Some(to) => self.run(to),
            None => self.schedule(),
        }
    }

    /// Runs a ready dispatcher where it left off, or by its run upcall.
    pub fn run(&mut self, dcb: DcbPtr) -> *const SaveArea {
        let Some(shared) = dcb.shared() else {
            return self.schedule();
        };
        if self.env.current != Some(dcb) {
            self.env.switch_to(dcb, shared);
        }
        dcb.accepts.set(0);
        let pointer = shared.as_ptr();
        // SAFETY: a live frame in the window; single words.
        unsafe { (&raw mut (*pointer).systime).write_volatile(hal::timer::now()) };
        if dcb.disabled.get() {
            // SAFETY: as above; only the address is taken.
            return unsafe { &raw const (*pointer).disabled_area };
        }
        dcb.faults_taken.set(0);
        // SAFETY: as above.
        let entry = unsafe { (&raw const (*pointer).run).read_volatile() };
        self.upcall(shared, entry, [0; 3])
    }

    /// Nothing is runnable: sleeps until an interrupt.
    #[inline(never)]
    #[optimize(size)]
    fn idle(&mut self) {
        self.env.arm_timer_for_idle();
        #[cfg(feature = "check")]
        let _ = self.clock.stop();
        hal::cpu::wait_for_interrupt();
        #[cfg(feature = "check")]
        self.clock.start();
        self.take_interrupt();
    }

    /// Acknowledges and handles one interrupt, if any is pending. Returns who received it, if it was a device's.
    fn take_interrupt(&mut self) -> Option<DcbPtr> {
        let interrupt = self.env.devices.gic.acknowledge()?;
        let mut receiver = None;
        if interrupt.0 == self.env.devices.timer_interrupt {
            self.env.wake_due();
        } else {
            receiver = self.deliver_interrupt(interrupt);
        }
        self.env.devices.gic.end(interrupt);
        receiver
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
