//! Invocations of endpoints: sending a message.

use caps::{CteRef, Flags, Store};
use errors::{Error, ErrorCode};
use kpi::addr::PhysAddr;
use kpi::lmp::LMP_WORDS;
use kpi::rights::CapRights;
use kpi::syscall::{CallWord, SendFlags};

use crate::dcb::{DcbPtr, DcbState};
use crate::kernel::{Handled, Kernel, Reply};
use crate::lmp::Transfer;

impl Kernel {
    #[inline(never)]
    pub(super) fn send(
        &mut self,
        word: CallWord,
        slot: CteRef,
        caller: DcbPtr,
        args: &[u64; 10],
    ) -> Handled {
        let endpoint = self.env.cte(slot).cap().as_end_point_lmp();
        let endpoint = &endpoint.ok_or(ErrorCode::SysIllegalInvocation)?;
        let [cap, payload @ ..] = args;
        let words = word.payload_words() as usize;
        let payload = payload
            .get(..words)
            .filter(|_| words <= LMP_WORDS)
            .ok_or(ErrorCode::SysInvargsSyscall)?;
        Self::check_argc(word.argc(), words as u8 + 3)?;
        let (cap, level, flags) = (*cap, u64::from(word.command()), word.flags());
        let give_away = flags.contains(SendFlags::GIVEAWAY);
        let find = move |kernel: &mut Kernel| -> Result<Transfer, Error> {
            let root = caller.cspace();
            let source = if give_away {
                kernel.find_to_give_away(root, cap, level)?
            } else {
                kernel.find(root, cap, level, CapRights::READ)?
            };
            let rights = kernel.env.cte(source).cap().rights();
            if !rights.contains(CapRights::GRANT) {
                return Err(ErrorCode::SysCapRights.into());
            }
            Ok(Transfer { source, give_away })
        };
        match self.deliver(endpoint, payload, (cap != 0).then_some(find)) {
            Ok(receiver) if flags.contains(SendFlags::SYNC) && runs(receiver) => {
                Ok(self.switch(Ok(()), Some(receiver)))
            }
            Ok(_) => Ok(Reply::OK),
            Err(error) if flags.contains(SendFlags::YIELD) && is_transient(&error) => {
                // SAFETY: the address comes from an endpoint capability of the database.
                match unsafe { DcbPtr::from_phys(PhysAddr(endpoint.listener)) } {
                    Some(receiver) if runs(receiver) => {
                        self.env.scheduler.make_runnable(receiver);
                        Ok(self.switch(Err(error), Some(receiver)))
                    }
                    _ => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }
}

impl Kernel {
    /// Who gives away empties a slot, as with delete; what could not be deleted then is refused before.
    fn find_to_give_away(&self, root: CteRef, cap: u64, level: u64) -> Result<CteRef, Error> {
        let source = self.find_to_empty(root, cap, level)?;
        if self.db.state_of(&self.env, source).flags.has(Flags::LOCKED) {
            return Err(ErrorCode::SysCapLocked.into());
        }
        Ok(source)
    }
}

/// Whether it may be given the core.
pub(super) fn runs(dcb: DcbPtr) -> bool {
    dcb.state.get() == DcbState::Ready
}

/// The receiver can mend it by running: it reads its buffer, or arms a slot.
fn is_transient(error: &Error) -> bool {
    matches!(
        error.code(),
        ErrorCode::SysLmpBufOverflow
            | ErrorCode::SysLmpCaptransferDstCnodeInvalid
            | ErrorCode::SysLmpCaptransferDstSlotOccupied
    )
}
