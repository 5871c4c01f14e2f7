//! Invocations of page tables and Mappings.

use caps::{MapArgs, Step, Store};
use errors::ErrorCode;
use kpi::cap::ObjType;
use kpi::invocation::{MapWord, MappingCommand, VNodeCommand};
use kpi::rights::{CapRights, PageFlags};

use super::Invocation;
use crate::kernel::{Handled, Kernel, Reply};

impl Kernel {
    pub(super) fn invoke_vnode(&mut self, invocation: &Invocation<'_>) -> Handled {
        let command = VNodeCommand::from_u8(invocation.word.command())
            .ok_or(ErrorCode::SysIllegalInvocation)?;
        Self::check_argc(invocation.word.argc(), command.argc())?;
        match command {
            VNodeCommand::Map => self.map(invocation),
            VNodeCommand::Unmap => {
                let [mapping, level, ..] = *invocation.args;
                let mapping =
                    self.find(invocation.caller.cspace(), mapping, level, CapRights::READ)?;
                match self.db.unmap(&mut self.env, invocation.slot, mapping)? {
                    Step::Done => Ok(Reply::OK),
                    Step::Again => Ok(Reply::Again),
                }
            }
        }
    }

    fn map(&mut self, invocation: &Invocation<'_>) -> Handled {
        let [
            source_root,
            source,
            flags,
            offset,
            count,
            mapping_root,
            mapping_cnode,
            word,
            ..,
        ] = *invocation.args;
        if !invocation.cap.rights().contains(CapRights::WRITE) {
            return Err(ErrorCode::SysDestCapRights.into());
        }
        let caller = invocation.caller;
        let word = MapWord(word);
        let source_root = self
            .find_own(caller, source_root, CapRights::READ)
            .map_err(|error| error.push(ErrorCode::SysSourceRootcnLookup))?;
        if self.env.cte(source_root).cap().objtype() != ObjType::L1CNode {
            return Err(ErrorCode::SysCnodeNotRoot.into());
        }
        let source = self
            .find(source_root, source, word.source_level(), CapRights::READ)
            .map_err(|error| error.push(ErrorCode::SysSourceCapLookup))?;
        let mapping_root = self
            .find_own(caller, mapping_root, CapRights::READ)
            .map_err(|error| error.push(ErrorCode::SysDestRootcnLookup))?;
        let dest = self.find_destination(
            mapping_root,
            mapping_cnode,
            word.mapping_level(),
            u64::from(word.mapping_slot()),
        )?;
        let request = MapArgs {
            source,
            flags,
            offset,
            count,
            entry: word.entry(),
            dest,
        };
        self.db.map(&mut self.env, invocation.slot, request)?;
        hal::mmu::publish_new_entries();
        if flags & PageFlags::EXECUTE.0 != 0 {
            hal::cache::invalidate_instructions();
        }
        Ok(Reply::OK)
    }

    pub(super) fn invoke_mapping(&mut self, invocation: &Invocation<'_>) -> Handled {
        let command = MappingCommand::from_u8(invocation.word.command())
            .ok_or(ErrorCode::SysIllegalInvocation)?;
        Self::check_argc(invocation.word.argc(), command.argc())?;
        match command {
            MappingCommand::Modify => {
                let [first, pages, flags, ..] = *invocation.args;
                self.db
                    .modify(&mut self.env, invocation.slot, first, pages, flags)?;
                hal::mmu::publish_new_entries();
                if flags & PageFlags::EXECUTE.0 != 0 {
                    hal::cache::invalidate_instructions();
                }
                Ok(Reply::OK)
            }
        }
    }
}
