//! ReplyWait: sends a message and waits for the next one, in one entry.
//!
//! **The fast path.** If the receiver waits by the same call, and the caller may wait, the payload goes from registers to registers: no
//! buffer, no upcall, no queue; the receiver has the rest of the caller's slice. It calls nothing, so that it needs no stack. Everything
//! else is the general path, with the same meaning: the message goes into the buffer, and a waiting dispatcher that is made runnable for
//! any reason goes on behind its call with the answer "look".
//!
//! **Who waits.** `Dcb::accepts` is not 0 exactly while a dispatcher is ready, off the run queue, disabled, and all that was delivered to
//! it was seen: so no message in a buffer can be overtaken. [`Scheduler::make_runnable`] and [`Scheduler::remove`] clear it.
//!
//! Barrelfish counterpart: `sys_lrpc` of old, which its AArch64 port does not have.
//!
//! [`Scheduler::make_runnable`]: crate::scheduler::Scheduler::make_runnable
//! [`Scheduler::remove`]: crate::scheduler::Scheduler::remove

use caps::{CteRef, Store};
use core::ptr::NonNull;
use errors::ErrorCode;
use kpi::addr::PhysAddr;
use kpi::cap::EndPointLmp;
use kpi::dispatcher::{DispatcherShared, SaveArea};
use kpi::lmp::LMP_WORDS;
use kpi::rights::CapRights;
use kpi::syscall::{CallWord, ReplyWaitResult};

use crate::arch::vectors::CallRegisters;
use crate::dcb::DcbPtr;
use crate::kernel::{Handled, Kernel, Reply};
use crate::lmp::{Transfer, is_in_frame};
use crate::syscall::endpoint::runs;

/// Waits for a message to any endpoint. No endpoint buffer lies there.
const ANY: u64 = 1;

/// What a dispatcher's frame says about waiting.
struct Wish {
    /// Nothing was delivered that it has not seen.
    may_wait: bool,
    /// When to wake it, 0 = never.
    wakeup: u64,
    /// It is disabled, by its flag.
    disabled: bool,
}

impl Wish {
    #[inline(always)]
    fn of(shared: NonNull<DispatcherShared>) -> Self {
        let shared = shared.as_ptr();
        // SAFETY: the running dispatcher's frame, in the window; single words, each read once.
        unsafe {
            let delivered = (&raw const (*shared).lmp_delivered).read_volatile();
            let seen = (&raw const (*shared).lmp_seen).read_volatile();
            Self {
                may_wait: delivered == seen,
                wakeup: (&raw const (*shared).wakeup).read_volatile(),
                disabled: (&raw const (*shared).disabled).read_volatile() != 0,
            }
        }
    }
}

impl Kernel {
    /// The call. `Some`: the save area for the caller's registers, and the other's are to be loaded as `registers` says.
    #[inline(always)]
    pub fn reply_wait(&mut self, registers: &mut CallRegisters) -> Option<*mut SaveArea> {
        let [first, target, accepts, ..] = registers.words;
        let word = CallWord(first);
        let (caller, slot) = self.invoked(word, target)?;
        let endpoint = self.env.cte(slot).cap().as_end_point_lmp()?;
        let words = word.payload_words();
        if words > LMP_WORDS as u64 || word.argc() != words + 3 {
            return None;
        }
        // SAFETY: the address comes from an endpoint capability of the database.
        let receiver = unsafe { DcbPtr::of_listener(PhysAddr(endpoint.listener)) };
        let accepted = receiver.accepts.get();
        // Whose buffer lies elsewhere is not waited for by name by anybody but its owner.
        let is_wanted = match accepted {
            0 => false,
            ANY => is_in_frame(receiver, &endpoint),
            named => named == endpoint.epoffset,
        };
        if !is_wanted {
            return None;
        }
        let (ours, theirs) = (caller.shared()?, receiver.shared()?);
        let wish = Wish::of(ours);
        if !wish.may_wait || wish.wakeup != 0 || !wish.disabled {
            return None;
        }
        let number = self.env.asids.live_number(receiver.asid.get())?;
        if !self.env.scheduler.can_hand_over(caller, receiver) {
            return None;
        }
        receiver.accepts.set(0);
        caller.accepts.set(if accepts == 0 { ANY } else { accepts });
        caller.disabled.set(true);
        self.env.enter(receiver, theirs, number);
        let (ours, theirs) = (ours.as_ptr(), theirs.as_ptr());
        registers.set_result(ReplyWaitResult::message(endpoint.epoffset, words).0);
        // SAFETY: live frames in the window; only addresses are taken, and a single word is written.
        unsafe {
            (&raw mut (*theirs).systime).write_volatile(hal::timer::now());
            registers.load_from(&raw const (*theirs).disabled_area);
            Some(&raw mut (*ours).disabled_area)
        }
    }

    /// The same in all other cases.
    #[inline(never)]
    #[optimize(size)]
    pub fn reply_wait_slowly(&mut self, words: &mut [u64; 12]) -> *mut SaveArea {
        let handled = self.reply_wait_generally(words);
        self.end_otherwise(handled, words)
    }

    #[optimize(size)]
    fn reply_wait_generally(&mut self, words: &mut [u64; 12]) -> Handled {
        let [first, target, accepts, payload @ ..] = words;
        let word = CallWord(*first);
        let (Some(caller), true) = (self.env.current, self.called_disabled()) else {
            return Err(ErrorCode::SysCallerEnabled.into());
        };
        let count = word.payload_words() as usize;
        let payload = payload
            .get(..count)
            .filter(|_| count <= LMP_WORDS)
            .ok_or(ErrorCode::SysInvargsSyscall)?;
        Self::check_argc(word.argc(), count as u8 + 3)?;
        let receiver = match word.level() {
            // Only waits.
            0 => None,
            level => {
                let endpoint = self.endpoint(caller, *target, level)?;
                let nothing = None::<fn(&mut Self) -> Result<Transfer, errors::Error>>;
                Some(self.deliver(&endpoint, payload, nothing)?).filter(|&to| runs(to))
            }
        };
        let accepts = if *accepts == 0 { ANY } else { *accepts };
        let [_, result, ..] = words;
        *result = ReplyWaitResult::LOOK.0;
        let Some(shared) = caller.shared() else {
            return Err(ErrorCode::SysDispFrame.into());
        };
        let wish = Wish::of(shared);
        if !wish.may_wait || (wish.wakeup != 0 && wish.wakeup <= hal::timer::now()) {
            return Ok(Reply::Answered);
        }
        if wish.wakeup != 0 {
            self.env.scheduler.remove(caller);
            self.env.scheduler.wake_at(caller, wish.wakeup);
        } else {
            self.env.scheduler.rest(caller);
        }
        caller.accepts.set(accepts);
        caller.disabled.set(true);
        let [error, ..] = words;
        *error = 0;
        Ok(self.leave(receiver))
    }

    fn endpoint(
        &self,
        caller: DcbPtr,
        target: u64,
        level: u64,
    ) -> Result<EndPointLmp, errors::Error> {
        let slot: CteRef = self.find(caller.cspace(), target, level, CapRights::READ)?;
        let endpoint = self.env.cte(slot).cap().as_end_point_lmp();
        Ok(endpoint.ok_or(ErrorCode::SysIllegalInvocation)?)
    }
}
