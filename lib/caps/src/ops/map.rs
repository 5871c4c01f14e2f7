//! Map: fill page-table entries and make the Mapping capability for them (Barrelfish `caps_copy_to_vnode`).

use errors::ErrorCode;
use kpi::addr::PhysAddr;
use kpi::cap::{Capability, Mapping, ObjType};
use kpi::layout::{BASE_PAGE_SIZE, PTABLE_ENTRIES};
use kpi::rights::{CapRights, PageFlags};

use super::copy::usable;
use super::mappings::entry_at;
use crate::code;
use crate::cte::{CteRef, Flags};
use crate::env::{Env, Machine};
use crate::lookup::{DestSlot, empty_slot};
use crate::mdb::Database;
use crate::objects::{is_mappable, table_level};
use crate::vnode::aarch64::{self, MemoryType, entry_bytes};

/// Arguments of [`Database::map`].
#[derive(Clone, Copy, Debug)]
pub struct MapArgs {
    /// What to map: a frame, the table of the next level, or (level 3) a kernel object to look at.
    pub source: CteRef,
    /// Page flags; of no account when a table is hung up.
    pub flags: u64,
    /// Offset into the source, bytes.
    pub offset: u64,
    /// Number of entries.
    pub count: u64,
    /// First entry.
    pub entry: u64,
    /// Where the Mapping capability goes.
    pub dest: DestSlot,
}

/// What a Map writes.
struct Plan {
    /// The first descriptor.
    descriptor: u64,
    /// By how much the next one's address is higher.
    stride: u64,
    /// Type of the Mapping.
    objtype: ObjType,
}

/// The memory type of a mapping: Device for what is not RAM, whatever the flags say.
fn memory_type<M: Machine>(
    machine: &M,
    is_device: bool,
    base: PhysAddr,
    bytes: u64,
    flags: PageFlags,
) -> MemoryType {
    if is_device || !machine.is_ram(base, bytes) {
        MemoryType::Device
    } else if flags.contains(PageFlags::NOCACHE) {
        MemoryType::NonCacheable
    } else {
        MemoryType::Normal
    }
}

/// The flags, if a mapping may have them given these rights.
///
/// # Errors
/// `SYS_ERR_VM_MAP_RIGHTS`: unknown flags, no READ, WRITE with EXECUTE, more than the rights.
pub(super) fn permitted(flags: u64, rights: CapRights) -> Result<PageFlags, ErrorCode> {
    let flags = PageFlags::from_word(flags).ok_or(code::VM_MAP_RIGHTS)?;
    let write_and_execute = PageFlags::WRITE.union(PageFlags::EXECUTE);
    // READ, WRITE and EXECUTE have the same numbers as flags and as rights.
    let needed = CapRights((flags.0 & PageFlags::READ.union(write_and_execute).0) as u8);
    if !flags.contains(PageFlags::READ)
        || flags.contains(write_and_execute)
        || !rights.contains(needed)
    {
        return Err(code::VM_MAP_RIGHTS);
    }
    Ok(flags)
}

const _: () = {
    assert!(PageFlags::READ.0 == CapRights::READ.0 as u64);
    assert!(PageFlags::WRITE.0 == CapRights::WRITE.0 as u64);
    assert!(PageFlags::EXECUTE.0 == CapRights::EXECUTE.0 as u64);
};

impl Database {
    /// Maps a frame's pages or blocks, or a table, into a page table; returns the entry that got the Mapping capability.
    ///
    /// A table of level 3 maps pages, of level 2 blocks of 2 MiB, of level 1 blocks of 1 GiB. The Mapping has the rights of its source
    /// capability, which bound what [`Self::modify`] may allow later.
    ///
    /// A table of level 3 also maps the memory of page tables and CNodes, for looking at: read-only for ever. That takes the right
    /// IDENTIFY too, for it shows what no other call does.
    ///
    /// # Errors
    /// `SYS_ERR_`, in the order of the tests: `CAP_NOT_FOUND`, `CAP_LOCKED`, `DEST_CAP_RIGHTS` (table not writable through this capability),
    /// those two of the source; `DEST_TYPE_INVALID` (the Mapping must go into an L2CNode), then as the destination of [`Self::copy`];
    /// `VNODE_TYPE` (not a page table), `VNODE_SLOT_INVALID` (entry beyond the table).
    ///
    /// Frame, EndPointUMP or DevFrame at level 1 to 3, page table or CNode at level 3: `FRAME_OFFSET_INVALID` (offset not inside, or no whole page
    /// or block, or its address not aligned), `VM_MAP_SIZE` (no entries, beyond table or object, or an object of 2^32 pages),
    /// `VM_MAP_RIGHTS` (unknown flags, no READ, WRITE with EXECUTE, more than the source's rights, EXECUTE of device memory; flags
    /// other than READ for a kernel object, or the right IDENTIFY missing), `VM_MAP_SIZE` (more uncached memory than
    /// [`most_uncached_pages`](crate::Machine::most_uncached_pages)).
    ///
    /// Else, at level 0 to 2: `VM_MAP_SIZE` (count not 1), `WRONG_MAPPING` (source is no table of the next level),
    /// `FRAME_OFFSET_INVALID` (offset not 0). Level 3: `WRONG_MAPPING`.
    ///
    /// `VNODE_SLOT_INUSE`: an entry is in use.
    pub fn map<E: Env>(
        &mut self,
        env: &mut E,
        table: CteRef,
        args: MapArgs,
    ) -> Result<CteRef, ErrorCode> {
        match self.map_page(env, table, &args) {
            Some(slot) => Ok(slot),
            None => self.map_carefully(env, table, args),
        }
    }

    /// The same, for who has tried [`Self::map_page`] before.
    ///
    /// # Errors
    /// As [`Self::map`].
    #[cfg_attr(feature = "small", optimize(size))]
    pub fn map_carefully<E: Env>(
        &mut self,
        env: &mut E,
        table: CteRef,
        args: MapArgs,
    ) -> Result<CteRef, ErrorCode> {
        let table_cap = self.writable_table(env, table)?;
        let source = usable(env, args.source)?.cap;
        if env.cte(args.dest.cnode).cap.objtype() != ObjType::L2CNode {
            return Err(code::DEST_TYPE_INVALID);
        }
        let slot = empty_slot(env, args.dest, ObjType::FrameMapping)?;
        let level = table_level(table_cap.objtype()).ok_or(code::VNODE_TYPE)?;
        if args.entry >= PTABLE_ENTRIES {
            return Err(code::VNODE_SLOT_INVALID);
        }
        let plan = match (level, source.objtype()) {
            (1..=3, objtype) if is_mappable(objtype) => memory(env, &source, level, &args)?,
            (3, _) => object(&source, &args)?,
            _ => next_table(&source, level, &args)?,
        };
        let table_base = PhysAddr(table_cap.address());
        let in_use = |index| aarch64::is_valid(env.read_entry(entry_at(table_base, index)));
        if (args.entry..args.entry + args.count).any(in_use) {
            return Err(code::VNODE_SLOT_INUSE);
        }

        let pte = entry_at(table_base, args.entry);
        let mapping = Mapping {
            base: source.address().wrapping_add(args.offset),
            pte: pte.0,
            source_pages: (source.size() / BASE_PAGE_SIZE) as u32,
            pte_count: args.count as u16,
        };
        let cap = Capability::new_mapping(plan.objtype, mapping, source.rights())
            .ok_or(code::WRONG_MAPPING)?;
        self.fill(env, slot, cap, Flags::NONE, self.local())?;
        for index in 0..args.count {
            // The output address is the only part of a descriptor that changes from one to the next.
            let value = plan.descriptor + index * plan.stride;
            env.write_entry(entry_at(pte, index), value);
        }
        if !aarch64::is_leaf(plan.descriptor) {
            self.forget_places();
        }
        Ok(slot)
    }
}

/// Where mapping begins, if `count` entries of so many bytes each fit the source and the table.
fn fitting(source: &Capability, bytes: u64, args: &MapArgs) -> Result<PhysAddr, ErrorCode> {
    let base = PhysAddr(source.address().wrapping_add(args.offset));
    let room = source
        .size()
        .checked_sub(args.offset)
        .filter(|room| *room >= bytes && base.is_aligned(bytes))
        .ok_or(code::FRAME_OFFSET_INVALID)?;
    let most = (PTABLE_ENTRIES - args.entry).min(room / bytes);
    let countable = source.size() / BASE_PAGE_SIZE <= u64::from(u32::MAX);
    if args.count == 0 || args.count > most || !countable {
        return Err(code::VM_MAP_SIZE);
    }
    Ok(base)
}

/// Pages or blocks of a frame.
#[cfg_attr(feature = "small", optimize(size))]
fn memory<E: Env>(
    env: &E,
    source: &Capability,
    level: u8,
    args: &MapArgs,
) -> Result<Plan, ErrorCode> {
    let stride = entry_bytes(level);
    let base = fitting(source, stride, args)?;
    let rights = source.rights();
    let flags = permitted(args.flags, rights)?;
    let is_device = source.objtype() == ObjType::DevFrame;
    let memory = memory_type(env, is_device, base, args.count * stride, flags);
    if memory == MemoryType::Device && flags.contains(PageFlags::EXECUTE) {
        return Err(code::VM_MAP_RIGHTS);
    }
    let pages = args.count * stride / BASE_PAGE_SIZE;
    if memory == MemoryType::NonCacheable && pages > env.most_uncached_pages() {
        return Err(code::VM_MAP_SIZE);
    }
    let objtype = source.objtype().mapping().ok_or(code::WRONG_MAPPING)?;
    let leaf = aarch64::memory_leaf(level, base, flags, memory, rights);
    Ok(Plan {
        descriptor: aarch64::mapped_by(leaf, objtype),
        stride,
        objtype,
    })
}

/// Pages of a kernel object, to look at.
#[cfg_attr(feature = "small", optimize(size))]
fn object(source: &Capability, args: &MapArgs) -> Result<Plan, ErrorCode> {
    let objtype = source.objtype().mapping().ok_or(code::WRONG_MAPPING)?;
    let blank = aarch64::object_page(PhysAddr(0), objtype).ok_or(code::WRONG_MAPPING)?;
    let base = fitting(source, BASE_PAGE_SIZE, args)?;
    let needed = CapRights::READ.union(CapRights::IDENTIFY);
    if args.flags != PageFlags::READ.0 || !source.rights().contains(needed) {
        return Err(code::VM_MAP_RIGHTS);
    }
    Ok(Plan {
        descriptor: blank | base.0,
        stride: BASE_PAGE_SIZE,
        objtype,
    })
}

/// A table of the next level.
#[cfg_attr(feature = "small", optimize(size))]
fn next_table(source: &Capability, level: u8, args: &MapArgs) -> Result<Plan, ErrorCode> {
    if args.count != 1 {
        return Err(code::VM_MAP_SIZE);
    }
    let objtype = source.objtype();
    if table_level(objtype) != Some(level + 1) {
        return Err(code::WRONG_MAPPING);
    }
    if args.offset != 0 {
        return Err(code::FRAME_OFFSET_INVALID);
    }
    Ok(Plan {
        descriptor: aarch64::table(PhysAddr(source.address())),
        stride: 0,
        objtype: objtype.mapping().ok_or(code::WRONG_MAPPING)?,
    })
}
