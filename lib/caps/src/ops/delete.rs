//! Delete (Barrelfish `caps_delete`, `caps_try_delete`, `cleanup_copy`, `cleanup_last`).

use errors::ErrorCode;
use kpi::addr::PhysAddr;

use crate::budget::{Budget, Step};
use crate::code;
use crate::cte::{CteRef, Flags, SharedState};
use crate::env::Env;
use crate::mdb::{Database, Key};
use crate::objects::{holds_entries, is_mappable};

impl Database {
    /// Deletes the capability in an entry.
    ///
    /// One of several copies is just taken out. With the last copy on this core the object ends here: a Mapping's page-table entries are
    /// cleared; a frame's or table's Mappings are removed; a table is emptied. What was made from it
    /// otherwise stays. A half-made object is forgotten.
    ///
    /// May return [`Step::Again`]; the capability is then half deleted: it can be used for nothing but this.
    ///
    /// # Errors
    /// `SYS_ERR_CAP_NOT_FOUND`: the entry is empty. `SYS_ERR_CAP_LOCKED`: an operation across cores is under way.
    /// `SYS_ERR_RETRY_THROUGH_MONITOR`: the last local copy of what other cores have copies of, or of what holds capabilities
    /// itself (CNode, Dispatcher, KernelControlBlock): see [`Self::delete_last`]. Nothing was changed.
    pub fn delete<E: Env>(&mut self, env: &mut E, at: CteRef) -> Result<Step, ErrorCode> {
        if env.cte(at).is_empty() {
            return Err(code::CAP_NOT_FOUND);
        }
        let mut budget = self.budget(env);
        self.delete_within(env, at, &mut budget)
    }

    /// Gives up the capability in an entry of a kernel object, on the kernel's own account: as [`Self::delete`], without
    /// [`object_lost`](crate::Machine::object_lost).
    ///
    /// # Errors
    /// As [`Self::delete`].
    pub fn release_from_object<E: Env>(
        &mut self,
        env: &mut E,
        at: CteRef,
    ) -> Result<Step, ErrorCode> {
        let entry = env.cte_mut(at);
        let held = entry.flags.only(Flags::HELD);
        entry.flags = entry.flags.without(Flags::HELD);
        let result = self.delete(env, at);
        if result != Ok(Step::Done) {
            let entry = env.cte_mut(at);
            entry.flags = entry.flags.with(held);
        }
        result
    }

    #[inline]
    pub(super) fn delete_within<E: Env>(
        &mut self,
        env: &mut E,
        at: CteRef,
        budget: &mut Budget,
    ) -> Result<Step, ErrorCode> {
        let entry = env.cte(at);
        if !entry.shape.in_database() {
            return Err(code::MDB_ENTRY_NOTFOUND);
        }
        let state = self.state_of(env, at);
        self.delete_with_state(env, at, state, budget)
    }

    /// Deletes what has that shared state.
    #[inline]
    pub(super) fn delete_with_state<E: Env>(
        &mut self,
        env: &mut E,
        at: CteRef,
        state: SharedState,
        budget: &mut Budget,
    ) -> Result<Step, ErrorCode> {
        let entry = env.cte(at);
        if entry.flags.has(Flags::CREATING) {
            let cap = entry.cap;
            self.take_out(env, at);
            if holds_entries(cap.objtype()) {
                env.retire(PhysAddr(cap.address()), cap.size());
            }
            self.announce_end(env, &cap);
            return Ok(Step::Done);
        }
        if state.flags.has(Flags::LOCKED) {
            return Err(code::CAP_LOCKED);
        }
        if entry.is_staged() {
            // It is on a list: only the steps may take it out.
            return Err(code::RETRY_THROUGH_MONITOR);
        }
        if env.cte(at).shape.has_copies() {
            self.take_out(env, at);
            return Ok(Step::Done);
        }
        if state.owner != self.core() {
            let remote = Flags::REMOTE_COPIES.with(Flags::REMOTE_DESCS);
            if state.flags.has(remote) {
                self.remember_descendants(env, at);
            }
        } else if state.flags.has(Flags::REMOTE_COPIES) || holds_entries(env.cte(at).cap.objtype())
        {
            return Err(code::RETRY_THROUGH_MONITOR);
        }
        self.end_object(env, at, budget)
    }

    /// The end of an object without copies.
    fn end_object<E: Env>(
        &mut self,
        env: &mut E,
        at: CteRef,
        budget: &mut Budget,
    ) -> Result<Step, ErrorCode> {
        let entry = env.cte(at);
        let cap = entry.cap;
        let objtype = cap.objtype();
        if let Some(mapping) = cap.as_mapping() {
            if !budget.spend_on_mapping(self.cost_to_clear(&mapping, budget)) {
                return Ok(Step::Again);
            }
            self.clear_entries(env, &cap);
            self.take_out(env, at);
            return Ok(Step::Done);
        }
        if holds_entries(objtype) {
            // Another core's: its own steps see to what lies in it.
            if !self.drop_views(env, at, budget) {
                return Ok(Step::Again);
            }
            self.take_out(env, at);
            return Ok(Step::Done);
        }
        if !objtype.is_vnode() && !is_mappable(objtype) {
            self.take_out(env, at);
            self.announce_end(env, &cap);
            return Ok(Step::Done);
        }
        let end = cap.end();
        let has_descendants = self
            .successor(env, at)
            .is_some_and(|next| Key::of(&env.cte(next).cap).is_memory_before(end));
        let in_table_phase = objtype.is_vnode() && entry.page > 0;
        let unmapped = !has_descendants || in_table_phase || self.drop_mappings_of(env, at, budget);
        if !unmapped || !self.clear_table(env, at, budget) {
            let entry = env.cte_mut(at);
            entry.flags = entry.flags.with(Flags::IN_DELETE);
            return Ok(Step::Again);
        }
        self.take_out(env, at);
        self.announce_end(env, &cap);
        Ok(Step::Done)
    }

    /// A foreign capability with relatives elsewhere goes: its local ancestor has to know of them.
    fn remember_descendants<E: Env>(&mut self, env: &mut E, at: CteRef) {
        let cap = env.cte(at).cap;
        if let Some(ancestor) = self.find_ancestor(env, &cap) {
            self.set_relations(env, ancestor, Flags::REMOTE_DESCS, Flags::REMOTE_DESCS);
        }
    }

    /// Empties an entry. A kernel object that holds it is told before.
    #[inline]
    pub(super) fn take_out<E: Env>(&mut self, env: &mut E, at: CteRef) {
        let entry = env.cte(at);
        if entry.flags.has(Flags::HELD) {
            let cap = entry.cap;
            env.object_lost(at, &cap);
        }
        if env.cte(at).shape.in_database() {
            self.remove(env, at);
        }
        env.cte_mut(at).clear();
    }
}
