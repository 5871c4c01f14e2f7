//! Invocations of types that have little to say: RAM, ID, KernelControlBlock.

use errors::ErrorCode;
use kpi::cap::{Id, KernelControlBlock, OBJSIZE_KERNELCONTROLBLOCK};
use kpi::invocation::{IdCommand, KcbCommand, RamCommand};

use super::Invocation;
use crate::kernel::{Handled, Kernel, Reply};

impl Kernel {
    pub(super) fn invoke_ram(invocation: &Invocation<'_>) -> Handled {
        let command = RamCommand::from_u8(invocation.word.command())
            .ok_or(ErrorCode::SysIllegalInvocation)?;
        Self::check_argc(invocation.word.argc(), command.argc())?;
        match command {
            RamCommand::Noop => Ok(Reply::OK),
        }
    }

    pub(super) fn invoke_id(&mut self, invocation: &Invocation<'_>, id: &Id) -> Handled {
        let command =
            IdCommand::from_u8(invocation.word.command()).ok_or(ErrorCode::SysIllegalInvocation)?;
        Self::check_argc(invocation.word.argc(), command.argc())?;
        match command {
            IdCommand::Identify => {
                Ok(self.answer_one(u64::from(id.coreid) << 32 | u64::from(id.core_local_id)))
            }
        }
    }

    pub(super) fn invoke_kcb(
        &mut self,
        invocation: &Invocation<'_>,
        kcb: &KernelControlBlock,
    ) -> Handled {
        let command = KcbCommand::from_u8(invocation.word.command())
            .ok_or(ErrorCode::SysIllegalInvocation)?;
        Self::check_argc(invocation.word.argc(), command.argc())?;
        match command {
            KcbCommand::Identify => Ok(self.answer([kcb.kcb, OBJSIZE_KERNELCONTROLBLOCK, 0])),
            KcbCommand::Clone => Err(ErrorCode::SysNotImplemented.into()),
        }
    }
}
