//! Yield: a disabled dispatcher gives the core away and asks for a run upcall later.

use caps::Store;
use errors::{Error, ErrorCode};
use kpi::addr::PhysAddr;
use kpi::rights::CapRights;
use kpi::syscall::CallWord;

use crate::dcb::{DcbPtr, DcbState};
use crate::kernel::{Handled, Kernel};

impl Kernel {
    /// Yield, to `target` (0: to whoever is next). Off the scheduler goes who has no work, no message it has not seen, and no
    /// wake-up that is due: a message or the wake-up time brings it back.
    pub(super) fn yield_core(&mut self, word: CallWord, target: u64) -> Handled {
        Self::check_argc(word.argc(), 2)?;
        let (Some(caller), true) = (self.env.current, self.called_disabled()) else {
            return Err(ErrorCode::SysCallerEnabled.into());
        };
        let target = if target == 0 {
            None
        } else {
            Some(self.yield_target(caller, target)?)
        };
        let Some(shared) = caller.shared() else {
            return Err(ErrorCode::SysDispFrame.into());
        };
        let shared = shared.as_ptr();
        // SAFETY: the running dispatcher's frame, in the window; single words, each read once.
        let (haswork, delivered, seen, wakeup) = unsafe {
            (
                (&raw const (*shared).haswork).read_volatile(),
                (&raw const (*shared).lmp_delivered).read_volatile(),
                (&raw const (*shared).lmp_seen).read_volatile(),
                (&raw const (*shared).wakeup).read_volatile(),
            )
        };
        caller.disabled.set(false);
        // Who yields to itself runs on, and who runs is on the queue.
        let idle = haswork == 0 && delivered == seen && target != Some(caller);
        if idle && (wakeup == 0 || wakeup > hal::timer::now()) {
            self.env.scheduler.remove(caller);
            if wakeup != 0 {
                self.env.scheduler.wake_at(caller, wakeup);
            }
        }
        if !idle {
            self.env.scheduler.make_runnable(caller);
            if target.is_none() {
                self.env.scheduler.end_turn(caller);
            }
        }
        Ok(self.leave(target))
    }

    fn yield_target(&mut self, caller: DcbPtr, target: u64) -> Result<DcbPtr, Error> {
        let slot = self.find_own(caller, target, CapRights::READ)?;
        let cap = self.env.cte(slot).cap();
        let base = match (cap.as_end_point_lmp(), cap.as_dispatcher()) {
            (Some(endpoint), _) => endpoint.listener,
            (_, Some(dispatcher)) => dispatcher.dcb,
            _ => return Err(ErrorCode::SysInvalidYieldTarget.into()),
        };
        // SAFETY: the address comes from a capability of the database.
        let dcb =
            unsafe { DcbPtr::from_phys(PhysAddr(base)) }.ok_or(ErrorCode::SysInvalidYieldTarget)?;
        if dcb.state.get() != DcbState::Ready {
            return Err(ErrorCode::SysInvalidYieldTarget.into());
        }
        self.env.scheduler.make_runnable(dcb);
        Ok(dcb)
    }
}
