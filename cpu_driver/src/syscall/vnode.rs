//! Invocations of page tables and Mappings.

use caps::vnode::aarch64::{
    ENTRY_BYTES, MemoryType, entry_bytes, level_of_leaf, memory_of, output,
};
use caps::{CteRef, DestSlot, Machine, MapArgs, Store, slot_below};
use errors::{Error, ErrorCode};
use kpi::addr::{CapLevel, PhysAddr};
use kpi::cap::{Capability, ObjType};
use kpi::invocation::{MapWord, MappingCommand, OWN_CSPACE, VNodeCommand};
use kpi::rights::{CapRights, PageFlags};
use kpi::syscall::CallWord;

use super::{EMPTYING, Invocation, stepped};
use crate::dcb::DcbPtr;
use crate::kernel::{Handled, Kernel, Reply};

/// The bits of a call word that say which command of an object it is, and how many words it has.
const COMMAND_AND_ARGC: u64 = 0xfff0;
const MAP: u64 = command(VNodeCommand::Map);
const UNMAP: u64 = command(VNodeCommand::Unmap);

/// Those bits for a command.
const fn command(command: VNodeCommand) -> u64 {
    CallWord::invoke(command as u8, 0, command.argc()).0 & COMMAND_AND_ARGC
}

/// The arguments of Map.
struct MapCall {
    source_root: u64,
    source: u64,
    flags: u64,
    offset: u64,
    count: u64,
    mapping_root: u64,
    mapping_cnode: u64,
    word: MapWord,
}

impl MapCall {
    #[inline(always)]
    fn of(args: &[u64; 10]) -> Self {
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
        ] = *args;
        Self {
            source_root,
            source,
            flags,
            offset,
            count,
            mapping_root,
            mapping_cnode,
            word: MapWord(word),
        }
    }

    /// What the database is to do, when both are found.
    #[inline(always)]
    fn request(&self, source: CteRef, dest: DestSlot) -> MapArgs {
        MapArgs {
            source,
            flags: self.flags,
            offset: self.offset,
            count: self.count,
            entry: self.word.entry(),
            dest,
        }
    }
}

/// Entries of a page table, of memory, that a call makes or changes.
struct Entries {
    /// The first one.
    at: PhysAddr,
    count: u64,
    /// Bytes that each translates.
    bytes: u64,
    flags: u64,
}

impl Entries {
    fn is_uncached(&self) -> bool {
        self.flags & PageFlags::NOCACHE.0 != 0
    }
}

impl Kernel {
    #[inline(always)]
    pub(super) fn invoke_vnode(&mut self, invocation: &Invocation<'_>) -> Handled {
        match invocation.word.0 & COMMAND_AND_ARGC {
            MAP => self.invoke_map(invocation),
            UNMAP => self.invoke_unmap(invocation),
            _ => self.invoke_vnode_carefully(invocation),
        }
    }

    #[inline(never)]
    fn invoke_map(&mut self, invocation: &Invocation<'_>) -> Handled {
        match self.map_page(invocation) {
            Some(()) => Ok(Reply::OK),
            None => self.invoke_vnode_carefully(invocation),
        }
    }

    #[inline(never)]
    fn invoke_unmap(&mut self, invocation: &Invocation<'_>) -> Handled {
        match self.unmap_page(invocation) {
            Some(()) => Ok(Reply::OK),
            None => self.invoke_vnode_carefully(invocation),
        }
    }

    /// What programs map most: one page of a frame ([`caps::Database::map_page`]). `None`: something else, or an error.
    #[inline(always)]
    fn map_page(&mut self, invocation: &Invocation<'_>) -> Option<()> {
        let call = MapCall::of(invocation.args);
        const LEVELS: u64 = MapWord::new(CapLevel::L2 as u8, CapLevel::L1 as u8, 0, 0).levels();
        if call.source_root != OWN_CSPACE || call.mapping_root != OWN_CSPACE {
            return None;
        }
        // The frame lies in an L2CNode, and the Mapping is to.
        if call.word.levels() != LEVELS {
            return None;
        }
        // The table was found through the root: it is one, readable, and usable.
        let (root, level) = (invocation.caller.cspace(), CapLevel::L2 as u64);
        let source = slot_below(&self.env, root, call.source, level, CapRights::READ)?;
        if !self.env.cte(root).cap().rights().contains(CapRights::WRITE) {
            return None;
        }
        let (rights, level) = (CapRights::WRITE, CapLevel::L1 as u64);
        let cnode = slot_below(&self.env, root, call.mapping_cnode, level, rights)?;
        let index = call.word.mapping_slot();
        let request = call.request(source, DestSlot { cnode, index });
        self.db.map_page(&mut self.env, invocation.slot, &request)?;
        hal::mmu::publish_new_entries();
        Some(())
    }

    /// The reverse.
    #[inline(always)]
    fn unmap_page(&mut self, invocation: &Invocation<'_>) -> Option<()> {
        let [mapping, level, ..] = *invocation.args;
        let root = invocation.caller.cspace();
        let is_writable = self.env.cte(root).cap().rights().contains(CapRights::WRITE);
        if level != CapLevel::L2 as u64 || !is_writable {
            return None;
        }
        let mapping = slot_below(&self.env, root, mapping, level, EMPTYING)?;
        self.db.unmap_page(&mut self.env, invocation.slot, mapping)
    }

    #[optimize(size)]
    #[inline(never)]
    fn invoke_vnode_carefully(&mut self, invocation: &Invocation<'_>) -> Handled {
        let command = VNodeCommand::from_u8(invocation.word.command())
            .ok_or(ErrorCode::SysIllegalInvocation)?;
        Self::check_argc(invocation.word.argc(), command.argc())?;
        match command {
            VNodeCommand::Map => self.map(invocation),
            VNodeCommand::Unmap => {
                let [mapping, level, ..] = *invocation.args;
                let mapping = self.find(invocation.caller.cspace(), mapping, level, EMPTYING)?;
                let step = self
                    .db
                    .unmap_carefully(&mut self.env, invocation.slot, mapping)?;
                Ok(stepped(step))
            }
            VNodeCommand::ModifyFlags => {
                let [first, count, flags, ..] = *invocation.args;
                let entries = Entries {
                    at: entry(&invocation.cap, first),
                    count,
                    bytes: bytes_of_entry(invocation.cap.objtype()),
                    flags,
                };
                self.db
                    .modify_entries(&mut self.env, invocation.slot, first, count, flags)?;
                self.settle(&entries);
                Ok(Reply::OK)
            }
        }
    }

    fn map(&mut self, invocation: &Invocation<'_>) -> Handled {
        let call = MapCall::of(invocation.args);
        if !invocation.cap.rights().contains(CapRights::WRITE) {
            return Err(ErrorCode::SysDestCapRights.into());
        }
        let caller = invocation.caller;
        let source_root = self
            .find_root_of_map(caller, call.source_root)
            .map_err(|error| error.push(ErrorCode::SysSourceRootcnLookup))?;
        if self.env.cte(source_root).cap().objtype() != ObjType::L1CNode {
            return Err(ErrorCode::SysCnodeNotRoot.into());
        }
        let source = self
            .find(
                source_root,
                call.source,
                call.word.source_level(),
                CapRights::READ,
            )
            .map_err(|error| error.push(ErrorCode::SysSourceCapLookup))?;
        let mapping_root = self
            .find_root_of_map(caller, call.mapping_root)
            .map_err(|error| error.push(ErrorCode::SysDestRootcnLookup))?;
        let dest = self.find_destination(
            mapping_root,
            call.mapping_cnode,
            call.word.mapping_level(),
            u64::from(call.word.mapping_slot()),
        )?;
        let request = call.request(source, dest);
        let source = self.env.cte(source).cap().objtype();
        let entries = Entries {
            at: entry(&invocation.cap, request.entry),
            count: call.count,
            bytes: bytes_of_entry(invocation.cap.objtype()),
            flags: if matches!(
                source,
                ObjType::Frame | ObjType::EndPointUmp | ObjType::DevFrame
            ) {
                call.flags
            } else {
                0
            },
        };
        self.db
            .map_carefully(&mut self.env, invocation.slot, request)?;
        self.settle(&entries);
        Ok(Reply::OK)
    }

    /// What is to be the root of a CSpace.
    fn find_root_of_map(&self, caller: DcbPtr, word: u64) -> Result<CteRef, Error> {
        match word {
            OWN_CSPACE => Ok(caller.cspace()),
            _ => self.find_own(caller, word, CapRights::READ),
        }
    }

    /// Entries were made or changed: the table walker must see them, and what is reached through them must be what was written.
    ///
    /// Memory that is mapped uncached leaves the cache first: what the kernel zeroed, or a former owner wrote, may not have
    /// reached memory yet. Memory that becomes executable may be in the instruction cache as it was before.
    fn settle(&mut self, entries: &Entries) {
        if entries.is_uncached() {
            for index in 0..entries.count {
                let leaf = self
                    .env
                    .read_entry(PhysAddr(entries.at.0 + index * ENTRY_BYTES));
                // Else it is device memory, which no cache holds.
                if memory_of(leaf) == MemoryType::NonCacheable {
                    let start = hal::window::phys_to_virt(output(leaf));
                    // SAFETY: only RAM is mapped like this, and all of it is in the window.
                    unsafe {
                        hal::cache::clean_and_invalidate_to_poc(start, entries.bytes as usize)
                    };
                }
            }
        }
        hal::mmu::publish_new_entries();
        if entries.flags & PageFlags::EXECUTE.0 != 0 {
            hal::cache::invalidate_instructions();
        }
    }

    /// `target` is the invoked address: to destroy a Mapping empties its slot, which the CNodes on the way must permit, as for a delete.
    #[inline(never)]
    pub(super) fn invoke_mapping(&mut self, invocation: &Invocation<'_>, target: u64) -> Handled {
        let command = MappingCommand::from_u8(invocation.word.command())
            .ok_or(ErrorCode::SysIllegalInvocation)?;
        Self::check_argc(invocation.word.argc(), command.argc())?;
        match command {
            MappingCommand::Modify => {
                let [first, count, flags, ..] = *invocation.args;
                let slot = invocation.slot;
                if count == 1
                    && self
                        .db
                        .modify_page(&mut self.env, slot, first, flags)
                        .is_some()
                {
                    hal::mmu::publish_new_entries();
                    return Ok(Reply::OK);
                }
                self.modify(invocation)
            }
            MappingCommand::Destroy => {
                let (root, level) = (invocation.caller.cspace(), invocation.word.level());
                let mapping = self.find(root, target, level, EMPTYING)?;
                let step = self.db.destroy_mapping(&mut self.env, mapping)?;
                Ok(stepped(step))
            }
        }
    }

    /// Modify of a Mapping.
    #[optimize(size)]
    #[inline(never)]
    fn modify(&mut self, invocation: &Invocation<'_>) -> Handled {
        let [first, count, flags, ..] = *invocation.args;
        let mapping = invocation
            .cap
            .as_mapping()
            .ok_or(ErrorCode::SysWrongMapping)?;
        let leaf = self.env.read_entry(PhysAddr(mapping.pte));
        let entries = Entries {
            at: PhysAddr(mapping.pte.wrapping_add(first.wrapping_mul(ENTRY_BYTES))),
            count,
            bytes: entry_bytes(level_of_leaf(leaf)),
            flags,
        };
        self.db
            .modify_carefully(&mut self.env, invocation.slot, first, count, flags)?;
        self.settle(&entries);
        Ok(Reply::OK)
    }
}

/// Entry `index` of the table that `table` names.
fn entry(table: &Capability, index: u64) -> PhysAddr {
    PhysAddr(
        table
            .address()
            .wrapping_add(index.wrapping_mul(ENTRY_BYTES)),
    )
}

/// Bytes that an entry of a table of that type translates when it does not lead to a table.
fn bytes_of_entry(table: ObjType) -> u64 {
    entry_bytes(match table {
        ObjType::VNodeAarch64L0 => 0,
        ObjType::VNodeAarch64L1 => 1,
        ObjType::VNodeAarch64L2 => 2,
        _ => 3,
    })
}
