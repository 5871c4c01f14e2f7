//! Unmap and Destroy: remove what a Mapping mapped, and the Mapping.

use errors::ErrorCode;
use kpi::addr::PhysAddr;
use kpi::rights::CapRights;

use super::copy::usable;
use super::mappings::table_of;
use crate::budget::Step;
use crate::code;
use crate::cte::{CteRef, Flags};
use crate::env::Env;
use crate::mdb::Database;
use crate::objects::table_level;

impl Database {
    /// Clears the entries that a Mapping fills in a table and deletes the Mapping with all its copies.
    ///
    /// # Errors
    /// `SYS_ERR_DEST_CAP_RIGHTS`: the table is not writable through this capability. `SYS_ERR_VNODE_TYPE`: it is no page table.
    /// `SYS_ERR_CAP_NOT_FOUND`, `SYS_ERR_CAP_LOCKED`: as [`Self::copy`]; also when the Mapping is locked.
    /// `SYS_ERR_WRONG_MAPPING`: no Mapping, or one of another table.
    pub fn unmap<E: Env>(
        &mut self,
        env: &mut E,
        table: CteRef,
        mapping: CteRef,
    ) -> Result<Step, ErrorCode> {
        match self.unmap_page(env, table, mapping) {
            Some(()) => Ok(Step::Done),
            None => self.unmap_carefully(env, table, mapping),
        }
    }

    /// The same, for who has tried [`Self::unmap_page`] before.
    ///
    /// # Errors
    /// As [`Self::unmap`].
    #[cfg_attr(feature = "small", optimize(size))]
    pub fn unmap_carefully<E: Env>(
        &mut self,
        env: &mut E,
        table: CteRef,
        mapping: CteRef,
    ) -> Result<Step, ErrorCode> {
        let table_cap = self.writable_table(env, table)?;
        table_level(table_cap.objtype()).ok_or(code::VNODE_TYPE)?;
        let cap = usable(env, mapping)?.cap;
        let fields = cap.as_mapping().ok_or(code::WRONG_MAPPING)?;
        // A Mapping goes before its table, so this is the table it was made in.
        if table_of(&fields) != PhysAddr(table_cap.address()) {
            return Err(code::WRONG_MAPPING);
        }
        self.destroy_mapping(env, mapping)
    }

    /// The same without the table: whoever has a Mapping can delete all its copies one way or another.
    ///
    /// # Errors
    /// `SYS_ERR_CAP_NOT_FOUND`, `SYS_ERR_CAP_LOCKED`: as [`Self::copy`]; also when the Mapping is locked.
    /// `SYS_ERR_WRONG_MAPPING`: no Mapping.
    pub fn destroy_mapping<E: Env>(
        &mut self,
        env: &mut E,
        mapping: CteRef,
    ) -> Result<Step, ErrorCode> {
        if !usable(env, mapping)?.cap.objtype().is_mapping() {
            return Err(code::WRONG_MAPPING);
        }
        if self.state_of(env, mapping).flags.has(Flags::LOCKED) {
            return Err(code::CAP_LOCKED);
        }
        let mut budget = self.budget(env);
        if self.drop_mapping(env, mapping, &mut budget) {
            Ok(Step::Done)
        } else {
            Ok(Step::Again)
        }
    }

    /// The first test of Map and Unmap, which the kernel makes before it looks other arguments up.
    ///
    /// # Errors
    /// `SYS_ERR_CAP_NOT_FOUND`, `SYS_ERR_CAP_LOCKED`: as [`Self::copy`]. `SYS_ERR_DEST_CAP_RIGHTS`: not writable.
    #[inline]
    pub fn writable_table<E: Env>(
        &self,
        env: &E,
        table: CteRef,
    ) -> Result<kpi::cap::Capability, ErrorCode> {
        let cap = usable(env, table)?.cap;
        if cap.rights().contains(CapRights::WRITE) {
            Ok(cap)
        } else {
            Err(code::DEST_CAP_RIGHTS)
        }
    }
}
