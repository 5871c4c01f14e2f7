//! Invocations of endpoints: sending a message.

use errors::{Error, ErrorCode};
use kpi::addr::PhysAddr;
use kpi::cap::EndPointLmp;
use kpi::lmp::LMP_WORDS;
use kpi::rights::CapRights;
use kpi::syscall::{CallWord, SendFlags};

use super::EMPTYING;
use crate::dcb::{DcbPtr, DcbState};
use crate::kernel::{Handled, Kernel, Reply};
use crate::lmp::Transfer;

impl Kernel {
    #[inline(never)]
    pub(super) fn send(
        &mut self,
        word: CallWord,
        endpoint: &EndPointLmp,
        caller: DcbPtr,
        args: &[u64; 10],
    ) -> Handled {
        let [cap, payload @ ..] = args;
        let words = word.payload_words() as usize;
        let payload = payload
            .get(..words)
            .filter(|_| words <= LMP_WORDS)
            .ok_or(ErrorCode::SysInvargsSyscall)?;
        Self::check_argc(word.argc(), words as u8 + 3)?;
        let (cap, level, flags) = (*cap, u64::from(word.command()), word.flags());
        let give_away = flags.contains(SendFlags::GIVEAWAY);
        // To give away is to empty a slot.
        let rights = if give_away { EMPTYING } else { CapRights::READ };
        let find = move |kernel: &mut Kernel| -> Result<Transfer, Error> {
            Ok(Transfer {
                source: kernel.find(caller.cspace(), cap, level, rights)?,
                give_away,
            })
        };
        match self.deliver(endpoint, payload, (cap != 0).then_some(find)) {
            Ok(receiver) if flags.contains(SendFlags::SYNC) && runs(receiver) => {
                Ok(Reply::Switch(Ok(()), Some(receiver)))
            }
            Ok(_) => Ok(Reply::OK),
            Err(error) if flags.contains(SendFlags::YIELD) && is_transient(&error) => {
                // SAFETY: the address comes from an endpoint capability of the database.
                match unsafe { DcbPtr::from_phys(PhysAddr(endpoint.listener)) } {
                    Some(receiver) if runs(receiver) => {
                        self.env.scheduler.make_runnable(receiver);
                        Ok(Reply::Switch(Err(error), Some(receiver)))
                    }
                    _ => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }
}

fn runs(dcb: DcbPtr) -> bool {
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
