//! Invocations about cores: starting one (IPI), counting what this one does (PerfMon).

use errors::{Error, ErrorCode};
use hal::psci::PsciError;
use kpi::addr::PhysAddr;
use kpi::invocation::{IpiCommand, NOTIFICATION, PerfMonCommand};

use super::Invocation;
use crate::kernel::{Handled, Kernel, Reply};

/// The CPU type that this kernel can start (Barrelfish's number).
const CPU_ARM8: u64 = 7;

impl Kernel {
    pub(super) fn invoke_ipi(&mut self, invocation: &Invocation<'_>) -> Handled {
        let command = IpiCommand::from_u8(invocation.word.command())
            .ok_or(ErrorCode::SysIllegalInvocation)?;
        Self::check_argc(invocation.word.argc(), command.argc())?;
        match command {
            IpiCommand::SendStart => {
                invocation.must_be_writable()?;
                self.start_core(invocation)
            }
            IpiCommand::SendInit => Err(ErrorCode::SysNotImplemented.into()),
            IpiCommand::GetState => {
                let [target, ..] = *invocation.args;
                let state = hal::psci::affinity_info(self.env.devices.psci, target);
                let state = state.map_err(|error| Error::from(psci_code(error)))?;
                Ok(self.answer_one(state as u64))
            }
            IpiCommand::Notify => {
                invocation.must_be_writable()?;
                let [target, ..] = *invocation.args;
                if target & !hal::cpu::AFFINITY_MASK != 0 {
                    return Err(ErrorCode::PsciInvalidParameter.into());
                }
                hal::gic::notify(target, hal::gic::InterruptId(NOTIFICATION));
                Ok(Reply::OK)
            }
        }
    }

    /// PSCI CPU_ON. The firmware judges whether the core is there and off; the kernel, that code can be at the entry point.
    #[optimize(size)]
    pub(super) fn start_core(&mut self, invocation: &Invocation<'_>) -> Handled {
        let [target, cpu_type, entry, context, _hvc, ..] = *invocation.args;
        if cpu_type != CPU_ARM8 {
            return Err(ErrorCode::SysArchitectureNotSupported.into());
        }
        let entry = PhysAddr(entry);
        if !caps::Machine::is_ram(&self.env, entry, 4) || !entry.is_aligned(4) {
            return Err(ErrorCode::PsciInvalidAddress.into());
        }
        if target & !hal::cpu::AFFINITY_MASK != 0 {
            return Err(ErrorCode::PsciInvalidParameter.into());
        }
        let psci = self.env.devices.psci;
        // SAFETY: the holder of IPI vouches for code, argument and caches; it is trusted as the kernel is.
        match unsafe { hal::psci::cpu_on(psci, target, entry, context) } {
            Ok(()) => Ok(Reply::OK),
            Err(error) => Err(psci_code(error).into()),
        }
    }

    pub(super) fn invoke_perf_mon(&mut self, invocation: &Invocation<'_>) -> Handled {
        let command = PerfMonCommand::from_u8(invocation.word.command())
            .ok_or(ErrorCode::SysIllegalInvocation)?;
        Self::check_argc(invocation.word.argc(), command.argc())?;
        if command != PerfMonCommand::Read {
            invocation.must_be_writable()?;
        }
        let [counter, second, ..] = *invocation.args;
        let known = counter < u64::from(hal::pmu::counters())
            && (command != PerfMonCommand::Activate || hal::pmu::counts(second));
        if !known {
            return Err(ErrorCode::SysPerfmonNotAvailable.into());
        }
        let counter = counter as u32;
        match command {
            PerfMonCommand::Activate => hal::pmu::start(counter, second),
            PerfMonCommand::Write => hal::pmu::write(counter, second as u32),
            PerfMonCommand::Deactivate => hal::pmu::stop(counter),
            PerfMonCommand::Read => {
                return Ok(self.answer_one(hal::pmu::read(counter).into()));
            }
        }
        Ok(Reply::OK)
    }
}

fn psci_code(error: PsciError) -> ErrorCode {
    match error {
        PsciError::NotSupported => ErrorCode::PsciNotSupported,
        PsciError::InvalidParameters => ErrorCode::PsciInvalidParameter,
        PsciError::Denied => ErrorCode::PsciDenied,
        PsciError::AlreadyOn => ErrorCode::PsciAlreadyOn,
        PsciError::OnPending => ErrorCode::PsciOnPending,
        PsciError::InternalFailure => ErrorCode::PsciInternalFailure,
        PsciError::NotPresent => ErrorCode::PsciNotPresent,
        PsciError::Disabled => ErrorCode::PsciDisabled,
        PsciError::InvalidAddress => ErrorCode::PsciInvalidAddress,
        _ => ErrorCode::PsciUnknownError,
    }
}
