//! Invocations of page tables and Mappings.

use caps::{Machine, MapArgs, Step, Store};
use errors::{Error, ErrorCode};
use kpi::addr::PhysAddr;
use kpi::cap::ObjType;
use kpi::invocation::{MapWord, MappingCommand, VNodeCommand};
use kpi::layout::BASE_PAGE_SIZE;
use kpi::rights::{CapRights, PageFlags};

use super::Invocation;
use crate::kernel::{Handled, Kernel, Reply};

/// Most pages that one call maps uncached: cleaning them from the cache takes some 150 instructions each.
const UNCACHED_PAGES: u64 = 64;

/// # Errors
/// `SYS_ERR_VM_MAP_SIZE`.
fn check_uncached(flags: u64, pages: u64) -> Result<(), Error> {
    if flags & PageFlags::NOCACHE.0 != 0 && pages > UNCACHED_PAGES {
        return Err(ErrorCode::SysVmMapSize.into());
    }
    Ok(())
}

impl Kernel {
    #[inline(never)]
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
        check_uncached(flags, count)?;
        let mapping = self.db.map(&mut self.env, invocation.slot, request)?;
        let base = self.env.cte(mapping).cap().address();
        self.settle(PhysAddr(base), count, flags);
        Ok(Reply::OK)
    }

    /// Entries were made or changed: the table walker must see them, and what is reached through them must be what was written.
    ///
    /// Memory that is mapped uncached leaves the cache first: what the kernel zeroed, or a former owner wrote, may not have
    /// reached memory yet. Memory that becomes executable may be in the instruction cache as it was before.
    fn settle(&mut self, base: PhysAddr, pages: u64, flags: u64) {
        let bytes = pages * BASE_PAGE_SIZE;
        if flags & PageFlags::NOCACHE.0 != 0 && self.env.is_ram(base, bytes) {
            let start = hal::window::phys_to_virt(base);
            // SAFETY: RAM, so the window maps it.
            unsafe { hal::cache::clean_and_invalidate_to_poc(start, bytes as usize) };
        }
        hal::mmu::publish_new_entries();
        if flags & PageFlags::EXECUTE.0 != 0 {
            hal::cache::invalidate_instructions();
        }
    }

    #[inline(never)]
    pub(super) fn invoke_mapping(&mut self, invocation: &Invocation<'_>) -> Handled {
        let command = MappingCommand::from_u8(invocation.word.command())
            .ok_or(ErrorCode::SysIllegalInvocation)?;
        Self::check_argc(invocation.word.argc(), command.argc())?;
        match command {
            MappingCommand::Modify => {
                let [first, pages, flags, ..] = *invocation.args;
                check_uncached(flags, pages)?;
                self.db
                    .modify(&mut self.env, invocation.slot, first, pages, flags)?;
                // `modify` found the pages inside the mapping, so this is inside what is mapped.
                let base = invocation.cap.address() + first * BASE_PAGE_SIZE;
                self.settle(PhysAddr(base), pages, flags);
                Ok(Reply::OK)
            }
        }
    }
}
