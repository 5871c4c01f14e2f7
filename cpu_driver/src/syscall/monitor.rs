//! Invocations of the Kernel capability that monitors use to keep capabilities on several cores: they look at, make, lock and take
//! away what belongs to relatives elsewhere. (Barrelfish: `kernel/monitor.c`.)

use caps::{CteRef, Flags, Store};
use errors::{Error, ErrorCode};
use kpi::addr::CoreId;
use kpi::cap::{Capability, ObjType};
use kpi::invocation::KernelCommand;
use kpi::rights::CapRights;

use super::kernel::only_reads;
use super::{EMPTYING, Invocation, stepped};
use crate::kernel::{Handled, Kernel, Reply};

/// The relations to other cores are numbered 1, 2, 4 for user space, in the order of the flags.
const RELATIONS_SHIFT: u32 = Flags::REMOTE_COPIES.bits().trailing_zeros();
/// Cores have numbers below this.
const CORES: u64 = 255;

/// A capability from three words.
fn raw(words: [u64; 3]) -> Result<Capability, Error> {
    Capability::from_words(words).ok_or(ErrorCode::SysIllegalDestType.into())
}

/// Numbers of relations as flags.
fn relations(bits: u64) -> Flags {
    [
        Flags::REMOTE_COPIES,
        Flags::REMOTE_ANCS,
        Flags::REMOTE_DESCS,
    ]
    .into_iter()
    .filter(|flag| u64::from(flag.bits() >> RELATIONS_SHIFT) & bits != 0)
    .fold(Flags::NONE, Flags::with)
}

fn numbers(flags: Flags) -> u64 {
    u64::from(flags.only(Flags::REMOTE).bits() >> RELATIONS_SHIFT)
}

impl Kernel {
    /// The commands that are not in [`super::kernel`].
    #[cold]
    #[inline(never)]
    #[optimize(size)]
    pub(super) fn invoke_monitor(
        &mut self,
        command: KernelCommand,
        invocation: &Invocation<'_>,
    ) -> Handled {
        let rights = if only_reads(command) {
            CapRights::READ
        } else {
            EMPTYING
        };
        match command {
            KernelCommand::RevokeMarkRelations
            | KernelCommand::HasDescendants
            | KernelCommand::IsRetypeable => self.ask_about_raw(command, invocation.args),
            KernelCommand::CreateCap | KernelCommand::CopyExisting => {
                self.make_from_raw(command, invocation)
            }
            KernelCommand::IdentifyCap
            | KernelCommand::CapHasRelations
            | KernelCommand::NullifyCap
            | KernelCommand::Retain
            | KernelCommand::DeleteForeigns => {
                let [address, level, rest, ..] = *invocation.args;
                let root = invocation.caller.cspace();
                let slot = self.find_any(root, address, level, rights)?;
                self.on_slot(command, slot, rest)
            }
            _ => {
                let [_, _, _, _, rest, ..] = *invocation.args;
                let slot = self.find_target(invocation, rights)?;
                self.on_slot(command, slot, rest)
            }
        }
    }

    /// Commands about a capability that was found.
    #[optimize(size)]
    fn on_slot(&mut self, command: KernelCommand, slot: CteRef, word: u64) -> Handled {
        match command {
            KernelCommand::IdentifyCap | KernelCommand::IdentifyDomainsCap => {
                let words = self.env.cte(slot).cap().to_words();
                Ok(self.answer(words))
            }
            KernelCommand::CapHasRelations => {
                let found = self.db.local_relations(&self.env, slot)?;
                Ok(self.answer_one(numbers(found) & word))
            }
            KernelCommand::RemoteRelations => {
                let (bits, mask) = (relations(word), relations(word >> 8));
                self.db.set_relations(&mut self.env, slot, bits, mask);
                let state = self.db.state_of(&self.env, slot);
                Ok(self.answer_one(numbers(state.flags)))
            }
            KernelCommand::GetCapOwner => {
                let state = self.db.state_of(&self.env, slot);
                Ok(self.answer_one(u64::from(state.owner.0)))
            }
            KernelCommand::SetCapOwner => {
                let owner = core(word)?;
                self.db.set_owner(&mut self.env, slot, owner);
                Ok(Reply::OK)
            }
            KernelCommand::LockCap => {
                self.db.lock(&mut self.env, slot)?;
                Ok(Reply::OK)
            }
            KernelCommand::UnlockCap => {
                self.db.set_locked(&mut self.env, slot, false);
                Ok(Reply::OK)
            }
            KernelCommand::Retain => {
                self.db.retain(&mut self.env, slot)?;
                Ok(Reply::OK)
            }
            KernelCommand::NullifyCap => Ok(stepped(self.db.nullify(&mut self.env, slot)?)),
            KernelCommand::DeleteForeigns => {
                Ok(stepped(self.db.delete_foreigns(&mut self.env, slot)?))
            }
            KernelCommand::DeleteLast => Ok(stepped(self.db.delete_last(&mut self.env, slot)?)),
            KernelCommand::RevokeMarkTarget => {
                Ok(stepped(self.db.revoke_mark_target(&mut self.env, slot)?))
            }
            _ => Err(ErrorCode::SysIllegalInvocation.into()),
        }
    }

    /// Commands about a capability of another core.
    #[optimize(size)]
    fn ask_about_raw(&mut self, command: KernelCommand, args: &[u64; 10]) -> Handled {
        let [a, b, c, offset, bytes, count, ..] = *args;
        let cap = raw([a, b, c])?;
        match command {
            KernelCommand::RevokeMarkRelations => {
                Ok(stepped(self.db.revoke_mark_relations(&mut self.env, &cap)?))
            }
            KernelCommand::HasDescendants => {
                let found = self.db.has_descendants(&self.env, &cap);
                Ok(self.answer_one(u64::from(found)))
            }
            _ => {
                self.db
                    .is_retypeable(&self.env, &cap, offset, bytes, count)?;
                Ok(Reply::OK)
            }
        }
    }

    /// Commands that fill a slot with a capability of another core.
    #[optimize(size)]
    fn make_from_raw(&mut self, command: KernelCommand, invocation: &Invocation<'_>) -> Handled {
        let [a, b, c, d, e, f, g, ..] = *invocation.args;
        let cap = raw([e, f, g])?;
        let root = invocation.caller.cspace();
        if command == KernelCommand::CreateCap {
            let owner = core(d)?;
            let dest = self.locate_destination(root, a, b, c)?;
            self.db.create_raw(&mut self.env, dest, cap, owner)?;
        } else {
            let base = self
                .locate(root, a, 2)
                .map_err(|error| error.push(ErrorCode::SysDestRootcnLookup))?;
            if self.env.cte(base).cap().objtype() != ObjType::L1CNode {
                return Err(ErrorCode::SysCnodeNotRoot.into());
            }
            let dest = self.locate_destination(base, b, c, d)?;
            self.db.copy_existing(&mut self.env, dest, &cap)?;
        }
        Ok(Reply::OK)
    }

    /// A slot of any CSpace: root, its level (in the caller's CSpace), address, level.
    fn find_target(&self, invocation: &Invocation<'_>, rights: CapRights) -> Result<CteRef, Error> {
        let [root, root_level, address, level, ..] = *invocation.args;
        let root = self.find_any(invocation.caller.cspace(), root, root_level, rights)?;
        self.find_any(root, address, level, rights)
    }
}

/// # Errors
/// `SYS_ERR_CORE_NOT_FOUND`.
fn core(number: u64) -> Result<CoreId, Error> {
    match u8::try_from(number) {
        Ok(number) if u64::from(number) < CORES => Ok(CoreId(number)),
        _ => Err(ErrorCode::SysCoreNotFound.into()),
    }
}
