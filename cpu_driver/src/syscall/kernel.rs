//! Invocations of the Kernel capability: the monitor's authority over this core.

use caps::{Flags, Store};
use errors::ErrorCode;
use kpi::addr::PhysAddr;
use kpi::cap::ObjType;
use kpi::invocation::{CapFacts, KernelCommand, RECORD_MAX};
use kpi::rights::CapRights;

use super::{Invocation, stepped};
use crate::kernel::{Handled, Kernel, Reply};

/// What GetPlatform answers (Barrelfish's number).
const ARCHITECTURE_ARM8: u64 = 8;

impl Kernel {
    #[optimize(size)]
    #[inline(never)]
    pub(super) fn invoke_kernel(&mut self, invocation: &Invocation<'_>) -> Handled {
        let command = KernelCommand::from_u8(invocation.word.command())
            .ok_or(ErrorCode::SysIllegalInvocation)?;
        Self::check_argc(invocation.word.argc(), command.argc())?;
        if !only_reads(command) {
            invocation.must_be_writable()?;
        }
        let [first, second, ..] = *invocation.args;
        match command {
            KernelCommand::GetCoreId => Ok(self.answer_one(u64::from(self.env.core.0))),
            KernelCommand::GetArchId => Ok(self.answer_one(self.env.devices.arch_id)),
            KernelCommand::Register => {
                let endpoint = self.find_own(invocation.caller, first, CapRights::WRITE)?;
                if self.env.cte(endpoint).cap().objtype() != ObjType::EndPointLmp {
                    return Err(ErrorCode::SysIrqNotEndpoint.into());
                }
                let slot = self.env.notes.endpoint_slot();
                if self.env.notes.is_registered() {
                    return Err(ErrorCode::SysSlotInUse.into());
                }
                self.db.copy_into_object(&mut self.env, slot, endpoint)?;
                self.env.notes.endpoint_registered();
                Ok(Reply::OK)
            }
            KernelCommand::DomainId => {
                let slot = self.find_own(invocation.caller, first, CapRights::READ)?;
                self.dcb_of(slot)?.domain_id.set(second);
                Ok(Reply::OK)
            }
            KernelCommand::DeleteStep if self.release_orphans() => Ok(Reply::Again),
            KernelCommand::DeleteStep => Ok(stepped(self.db.delete_step(&mut self.env)?)),
            KernelCommand::ClearStep => Ok(stepped(self.db.clear_step(&mut self.env)?)),
            KernelCommand::Shutdown => {
                hal::psci::system_off(self.env.devices.psci);
                Err(ErrorCode::PsciNotSupported.into())
            }
            KernelCommand::Reboot => {
                hal::psci::system_reset(self.env.devices.psci);
                Err(ErrorCode::PsciNotSupported.into())
            }
            KernelCommand::Record => {
                if second > RECORD_MAX {
                    return Err(ErrorCode::SysInvargsSyscall.into());
                }
                if !self.env.console.records_enabled() {
                    return Ok(Reply::OK);
                }
                // An unreadable buffer is found before anything is printed.
                let mut begun = false;
                self.env
                    .with_user_bytes(first, second, |console, bytes| {
                        if !begun {
                            console.begin_record();
                            begun = true;
                        }
                        console.record_bytes(bytes);
                    })
                    .ok_or(ErrorCode::SysInvalidUserBuffer)?;
                if begun {
                    self.env.console.end_record();
                }
                Ok(Reply::OK)
            }
            KernelCommand::SpawnCore => self.start_core(invocation),
            KernelCommand::Retype => self.retype(invocation.caller.cspace(), invocation.args, true),
            KernelCommand::GetPlatform => Ok(self.answer([
                ARCHITECTURE_ARM8,
                hal::cpu::midr(),
                u64::from(self.env.devices.gic.interrupts()),
            ])),
            KernelCommand::CheckInvariants => self.check_invariants(first),
            KernelCommand::Statistics => {
                #[cfg(feature = "check")]
                let longest = self.clock.longest;
                #[cfg(not(feature = "check"))]
                let longest = 0;
                Ok(self.answer([self.db.count(), self.env.scheduler.runnable(), longest]))
            }
            KernelCommand::NextCap => self.next_cap(first),
            other => self.invoke_monitor(other, invocation),
        }
    }

    /// The capability behind the slot at a physical address that the caller alleges.
    fn next_cap(&mut self, cursor: u64) -> Handled {
        let next = if cursor == 0 {
            self.db.first(&self.env)
        } else {
            let found = match self.env.own_slot(PhysAddr(cursor)) {
                Some(own) => self.db.live_entry(&self.env, own),
                None => self.db.entry_at(&self.env, PhysAddr(cursor)),
            };
            let at = found.ok_or(ErrorCode::SysCapNotFound)?;
            self.db.successor(&self.env, at)
        };
        let Some(next) = next else {
            return Ok(self.answer_long([0; 5]));
        };
        let cap = *self.env.cte(next).cap();
        let shown = match cap.objtype().is_mapping() {
            // Who holds the Kernel capability may know the table entry; without it nobody could tell where a mapping is.
            true => cap,
            false => self.db.identify(&self.env, next)?,
        };
        let [first, second, third] = shown.to_words();
        let shared = self.db.state_of(&self.env, next);
        let own = self.env.cte(next).flags().without(Flags::SHARED);
        let facts = CapFacts::new(shared.owner.0, facts_bits(shared.flags), facts_bits(own));
        Ok(self.answer_long([next.address().0, first, second, third, facts.0]))
    }

    /// Some entries further; the cursor is the kernel's, the caller only says whether to start anew.
    #[cfg(feature = "check")]
    fn check_invariants(&mut self, cursor: u64) -> Handled {
        /// Capabilities looked at in one entry.
        const STEP: u64 = 16;
        if cursor == 0 {
            self.check_cursor = caps::CheckCursor::default();
        }
        let report = self
            .db
            .check_invariants(&self.env, &mut self.check_cursor, STEP);
        if report.violations > 0 {
            crate::say!(
                self.env.console,
                "{} invariants of the capability database are violated",
                report.violations
            );
        }
        Ok(self.answer([u64::from(!report.done), report.violations, report.entries]))
    }

    #[cfg(not(feature = "check"))]
    fn check_invariants(&mut self, _cursor: u64) -> Handled {
        Err(ErrorCode::SysIllegalInvocation.into())
    }
}

/// Whether a command changes nothing, so that it takes no right to write: of the Kernel capability, and of the CNodes on the way to what
/// it names.
pub(super) const fn only_reads(command: KernelCommand) -> bool {
    use KernelCommand as K;
    const SET: u64 = bit(K::IdentifyCap)
        | bit(K::IdentifyDomainsCap)
        | bit(K::CapHasRelations)
        | bit(K::GetCoreId)
        | bit(K::GetArchId)
        | bit(K::GetCapOwner)
        | bit(K::HasDescendants)
        | bit(K::IsRetypeable)
        | bit(K::GetPlatform)
        | bit(K::CheckInvariants)
        | bit(K::Statistics)
        | bit(K::NextCap);
    SET & bit(command) != 0
}

const fn bit(command: KernelCommand) -> u64 {
    1 << command as u32
}

/// Flags as [`CapFacts`] counts them.
fn facts_bits(flags: Flags) -> u8 {
    let order = [
        Flags::LOCKED,
        Flags::IN_DELETE,
        Flags::REMOTE_COPIES,
        Flags::REMOTE_ANCS,
        Flags::REMOTE_DESCS,
        Flags::HELD,
        Flags::CREATING,
    ];
    let bits = order.into_iter().enumerate();
    bits.fold(0, |bits, (place, flag)| {
        bits | u8::from(flags.has(flag)) << place
    })
}
