//! Modify: other permissions for pages of a Mapping (Barrelfish `paging_modify_flags`).

use errors::ErrorCode;
use kpi::addr::PhysAddr;
use kpi::cap::ObjType;
use kpi::layout::BASE_PAGE_SIZE;

use super::copy::usable;
use super::map::{memory_type, permitted};
use super::mappings::{entry_at, first_entry, table_of};
use crate::code;
use crate::cte::CteRef;
use crate::env::{Env, Unmapped};
use crate::mdb::Database;
use crate::vnode::aarch64;

impl Database {
    /// Gives `pages` pages of a frame's Mapping, from its page `first` on, other flags.
    ///
    /// Where the memory type changes, entries are made invalid and the change announced before they are written again (break
    /// before make); otherwise it is announced after.
    ///
    /// # Errors
    /// `SYS_ERR_CAP_NOT_FOUND`, `SYS_ERR_CAP_LOCKED`: as [`Self::copy`]. `SYS_ERR_WRONG_MAPPING`: not the Mapping of a Frame or DevFrame.
    /// `SYS_ERR_VM_MAP_OFFSET`: `first` is not inside. `SYS_ERR_VM_MAP_SIZE`: no pages, or more than there are behind `first`.
    /// `SYS_ERR_VM_MAP_RIGHTS`: as [`Self::map`], against the rights of the Mapping.
    pub fn modify<E: Env>(
        &mut self,
        env: &mut E,
        mapping: CteRef,
        first: u64,
        pages: u64,
        flags: u64,
    ) -> Result<(), ErrorCode> {
        let cap = usable(env, mapping)?.cap;
        let is_device = match cap.objtype() {
            ObjType::FrameMapping => false,
            ObjType::DevFrameMapping => true,
            _ => return Err(code::WRONG_MAPPING),
        };
        let fields = cap.as_mapping().ok_or(code::WRONG_MAPPING)?;
        let behind = u64::from(fields.pte_count)
            .checked_sub(first)
            .filter(|behind| *behind > 0)
            .ok_or(code::VM_MAP_OFFSET)?;
        if pages == 0 || pages > behind {
            return Err(code::VM_MAP_SIZE);
        }
        let base = PhysAddr(fields.base.wrapping_add(first * BASE_PAGE_SIZE));
        let (flags, memory) = permitted(flags, cap.rights(), |flags| {
            memory_type(env, is_device, base, pages * BASE_PAGE_SIZE, flags)
        })?;
        let pte = entry_at(PhysAddr(fields.pte), first);
        let descriptor = aarch64::page(base, flags, memory);
        let what = Unmapped {
            table: table_of(&fields),
            level: 3,
            first: first_entry(&fields) + first as u16,
            count: pages as u16,
        };
        let type_changes = |index| {
            let old = env.read_entry(entry_at(pte, index));
            (old ^ descriptor) & aarch64::ATTRIBUTE_MASK != 0
        };
        let break_first = (0..pages).any(type_changes);
        if break_first {
            for index in 0..pages {
                env.write_entry(entry_at(pte, index), 0);
            }
            env.unmapped(what);
        }
        for index in 0..pages {
            env.write_entry(entry_at(pte, index), descriptor + index * BASE_PAGE_SIZE);
        }
        if !break_first {
            env.unmapped(what);
        }
        Ok(())
    }
}
