//! System calls: their entries, and the two ways to end one: back to the caller, or others run first.
//!
//! A call that ends at once returns null, and the vectors return to the caller with the words as they are. After any other the vectors save the
//! caller's registers where the entry says, and call `syscall_leave`, which chooses who runs.

use errors::Error;
use kpi::dispatcher::SaveArea;
use kpi::syscall::Syscall;

use super::{Handled, Kernel, Reply, kernel};
use crate::arch::context;
use crate::arch::vectors::{CallRegisters, SWAP};
use crate::dcb::DcbPtr;

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

impl Kernel {
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
}
