//! Modify: other permissions for what is mapped (Barrelfish `paging_modify_flags`, `page_mappings_modify_flags`).

use errors::ErrorCode;
use kpi::addr::PhysAddr;
use kpi::cap::ObjType;
use kpi::layout::{BASE_PAGE_SIZE, PTABLE_ENTRIES};
use kpi::rights::CapRights;

use super::copy::usable;
use super::map::permitted;
use super::mappings::{entry_at, first_entry, table_of};
use crate::code;
use crate::cte::CteRef;
use crate::env::Env;
use crate::mdb::Database;
use crate::objects::table_level;
use crate::vnode::aarch64::{self, FlagChange, MemoryType, entry_bytes};

/// Successive entries of a table.
#[derive(Clone, Copy)]
struct Entries {
    table: PhysAddr,
    first: u64,
    count: u64,
}

impl Database {
    /// Gives `count` pages (or blocks) of a frame's Mapping, from its `first` on, other flags.
    ///
    /// Where the memory type changes, entries are made invalid and the change announced before they are written again (break
    /// before make); otherwise it is announced after.
    ///
    /// # Errors
    /// `SYS_ERR_CAP_NOT_FOUND`, `SYS_ERR_CAP_LOCKED`: as [`Self::copy`]. `SYS_ERR_WRONG_MAPPING`: not the Mapping of a Frame or DevFrame.
    /// `SYS_ERR_VM_MAP_OFFSET`: `first` is not inside. `SYS_ERR_VM_MAP_SIZE`: no pages, or more than there are behind `first`.
    /// `SYS_ERR_VM_MAP_RIGHTS`: as [`Self::map`], against the rights of the Mapping. `SYS_ERR_VM_MAP_SIZE`: too much uncached memory.
    pub fn modify<E: Env>(
        &mut self,
        env: &mut E,
        mapping: CteRef,
        first: u64,
        count: u64,
        flags: u64,
    ) -> Result<(), ErrorCode> {
        if count == 1 && self.modify_page(env, mapping, first, flags).is_some() {
            return Ok(());
        }
        self.modify_carefully(env, mapping, first, count, flags)
    }

    /// The same, for who has tried [`Self::modify_page`] before.
    ///
    /// # Errors
    /// As [`Self::modify`].
    #[cfg_attr(feature = "small", optimize(size))]
    pub fn modify_carefully<E: Env>(
        &mut self,
        env: &mut E,
        mapping: CteRef,
        first: u64,
        count: u64,
        flags: u64,
    ) -> Result<(), ErrorCode> {
        let cap = usable(env, mapping)?.cap;
        if !matches!(
            cap.objtype(),
            ObjType::FrameMapping | ObjType::EndPointUmpMapping | ObjType::DevFrameMapping
        ) {
            return Err(code::WRONG_MAPPING);
        }
        let fields = cap.as_mapping().ok_or(code::WRONG_MAPPING)?;
        let behind = u64::from(fields.pte_count)
            .checked_sub(first)
            .filter(|behind| *behind > 0)
            .ok_or(code::VM_MAP_OFFSET)?;
        if count == 0 || count > behind {
            return Err(code::VM_MAP_SIZE);
        }
        let entries = Entries {
            table: table_of(&fields),
            first: u64::from(first_entry(&fields)) + first,
            count,
        };
        self.rewrite(env, entries, flags, cap.rights())
    }

    /// Gives `count` entries of a table, from `first` on, other flags: all of them pages or blocks of frames, of whatever Mappings.
    ///
    /// # Errors
    /// `SYS_ERR_CAP_NOT_FOUND`, `SYS_ERR_CAP_LOCKED`, `SYS_ERR_DEST_CAP_RIGHTS`: as [`Self::map`]. `SYS_ERR_VNODE_TYPE`: it is no page table.
    /// `SYS_ERR_VNODE_SLOT_INVALID`: `first` is behind the table. `SYS_ERR_VM_MAP_SIZE`: no entries, or more than there are behind `first`.
    /// `SYS_ERR_WRONG_MAPPING`: one of them is empty, or leads to a table, or shows a kernel object.
    /// `SYS_ERR_VM_MAP_RIGHTS`: as [`Self::map`], against the rights of the capabilities that were mapped. `SYS_ERR_VM_MAP_SIZE`: too
    /// much uncached memory. No entry was changed.
    #[cfg_attr(feature = "small", optimize(size))]
    pub fn modify_entries<E: Env>(
        &mut self,
        env: &mut E,
        table: CteRef,
        first: u64,
        count: u64,
        flags: u64,
    ) -> Result<(), ErrorCode> {
        let cap = self.writable_table(env, table)?;
        table_level(cap.objtype()).ok_or(code::VNODE_TYPE)?;
        let behind = PTABLE_ENTRIES
            .checked_sub(first)
            .filter(|behind| *behind > 0)
            .ok_or(code::VNODE_SLOT_INVALID)?;
        if count == 0 || count > behind {
            return Err(code::VM_MAP_SIZE);
        }
        let entries = Entries {
            table: PhysAddr(cap.address()),
            first,
            count,
        };
        self.rewrite(env, entries, flags, CapRights::ALL)
    }

    /// Rewrites leaves, if all of them are of memory and may have these flags: a whole table in three passes stays below the bound of a
    /// kernel entry. (All are of the level of the first: they lie in one table.)
    fn rewrite<E: Env>(
        &mut self,
        env: &mut E,
        entries: Entries,
        flags: u64,
        rights: CapRights,
    ) -> Result<(), ErrorCode> {
        let permitted = permitted(flags, rights);
        let change = FlagChange::to(permitted.unwrap_or_default());
        let Entries {
            table,
            first,
            count,
        } = entries;
        let all = || (first..first + count).map(|index| entry_at(table, index));
        let (mut break_first, mut refused, mut uncached) = (false, false, 0);
        for entry in all() {
            let old = env.read_entry(entry);
            match change.of(old) {
                Some(new) => {
                    break_first |= (old ^ new) & aarch64::ATTRIBUTE_MASK != 0;
                    uncached += u64::from(aarch64::memory_of(new) == MemoryType::NonCacheable);
                }
                None if aarch64::is_memory(old) => refused = true,
                None => return Err(code::WRONG_MAPPING),
            }
        }
        permitted?;
        if refused {
            return Err(code::VM_MAP_RIGHTS);
        }
        let level = aarch64::level_of_leaf(env.read_entry(entry_at(table, first)));
        if uncached * (entry_bytes(level) / BASE_PAGE_SIZE) > env.most_uncached_pages() {
            return Err(code::VM_MAP_SIZE);
        }
        let announce = |db: &mut Self, env: &mut E| {
            db.announce_leaves(env, table, level, first as u16, count as u16);
        };
        if break_first {
            // What was there is kept in the entry, which is only made invalid.
            for entry in all() {
                let old = env.read_entry(entry);
                env.write_entry(entry, old & !aarch64::VALID);
            }
            announce(self, env);
        }
        for entry in all() {
            let old = env.read_entry(entry) | aarch64::VALID;
            // Found possible above.
            env.write_entry(entry, change.of(old).unwrap_or(old));
        }
        if !break_first {
            announce(self, env);
        }
        Ok(())
    }
}
