//! Invocations of IRQTable and IRQDest.

use caps::Store;
use errors::{Error, ErrorCode};
use hal::gic::{InterruptId, Trigger};
use kpi::addr::PhysAddr;
use kpi::cap::IrqDest;
use kpi::invocation::{IrqDestCommand, IrqTableCommand};
use kpi::rights::CapRights;

use super::Invocation;
use crate::dcb::DcbPtr;
use crate::kernel::{Handled, Kernel, Reply};

impl Kernel {
    pub(super) fn invoke_irq_table(&mut self, invocation: &Invocation<'_>) -> Handled {
        let command = IrqTableCommand::from_u8(invocation.word.command())
            .ok_or(ErrorCode::SysIllegalInvocation)?;
        Self::check_argc(invocation.word.argc(), command.argc())?;
        match command {
            IrqTableCommand::AllocDestCap => {
                let [level, cnode, slot, vector, ..] = *invocation.args;
                invocation.must_be_writable()?;
                self.env
                    .receiver_of(vector)
                    .ok_or(ErrorCode::SysIrqInvalid)?;
                let root = invocation.caller.cspace();
                let dest = self.locate_destination(root, cnode, level, slot)?;
                self.db.create_irq_dest(&mut self.env, vector, dest)?;
                Ok(Reply::OK)
            }
        }
    }

    pub(super) fn invoke_irq_dest(
        &mut self,
        invocation: &Invocation<'_>,
        dest: &IrqDest,
    ) -> Handled {
        let command = IrqDestCommand::from_u8(invocation.word.command())
            .ok_or(ErrorCode::SysIllegalInvocation)?;
        Self::check_argc(invocation.word.argc(), command.argc())?;
        match command {
            IrqDestCommand::GetVector => return Ok(self.answer_one(dest.vector)),
            IrqDestCommand::GetCpu => return Ok(self.answer_one(dest.cpu)),
            IrqDestCommand::Connect | IrqDestCommand::Ack => {}
        }
        invocation.must_be_writable()?;
        if dest.cpu != u64::from(self.env.core.0) {
            return Err(ErrorCode::SysIrqWrongController.into());
        }
        if command == IrqDestCommand::Ack {
            let (interrupt, entry) = self
                .env
                .receiver_of(dest.vector)
                .ok_or(ErrorCode::SysIrqNoListener)?;
            if self.env.cte(entry).is_empty() {
                return Err(ErrorCode::SysIrqNoListener.into());
            }
            return self.unmask(interrupt);
        }
        let [endpoint, trigger, ..] = *invocation.args;
        let endpoint = self
            .find_own(invocation.caller, endpoint, CapRights::WRITE)
            .map_err(|error| error.push(ErrorCode::SysIrqLookup))?;
        let cap = self.env.cte(endpoint).cap().as_end_point_lmp();
        let cap = cap.ok_or(ErrorCode::SysIrqNotEndpoint)?;
        // SAFETY: the address comes from an endpoint capability of the database.
        let listener = unsafe { DcbPtr::from_phys(PhysAddr(cap.listener)) };
        if cap.epbuflen == 0 || listener.and_then(DcbPtr::shared).is_none() {
            return Err(ErrorCode::SysIrqNoListener.into());
        }
        let trigger = match trigger {
            0 => Trigger::Level,
            1 => Trigger::Edge,
            _ => return Err(ErrorCode::SysIrqInvalid.into()),
        };
        let (interrupt, entry) = self
            .env
            .receiver_of(dest.vector)
            .ok_or(ErrorCode::SysIrqInvalid)?;
        self.connect_interrupt(entry, endpoint)?;
        let gic = &mut self.env.devices.gic;
        gic.disable(interrupt)
            .and_then(|()| gic.set_trigger(interrupt, trigger))
            .map_err(|_| ErrorCode::SysIrqInvalid)?;
        self.unmask(interrupt)
    }

    fn unmask(&mut self, interrupt: InterruptId) -> Handled {
        match self.env.devices.gic.enable(interrupt) {
            Ok(()) => Ok(Reply::OK),
            Err(_) => Err(Error::from(ErrorCode::SysIrqInvalid)),
        }
    }
}
