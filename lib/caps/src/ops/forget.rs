//! Taking capabilities away from this core alone: forgetting one (Barrelfish `caps_nullify`), and all copies of another core's
//! (`caps_delete_foreigns`).

use errors::ErrorCode;

use crate::budget::{Step, Work};
use crate::code;
use crate::cte::{CteRef, Flags};
use crate::env::Env;
use crate::mdb::Database;

impl Database {
    /// Empties an entry, whatever other cores have. On this core it ends as by [`Self::delete`]: what is mapped is unmapped.
    ///
    /// # Errors
    /// As [`Self::delete`], with nothing changed; `SYS_ERR_RETRY_THROUGH_MONITOR` only for the last copy of what holds capabilities.
    pub fn nullify<E: Env>(&mut self, env: &mut E, at: CteRef) -> Result<Step, ErrorCode> {
        if env.cte(at).is_empty() {
            return Err(code::CAP_NOT_FOUND);
        }
        let state = self.state_of(env, at);
        if !self.has_copies(env, at) {
            self.set_relations(env, at, Flags::NONE, Flags::REMOTE_COPIES);
        }
        let result = self.delete(env, at);
        if result.is_err() {
            self.set_state(env, at, state);
        }
        result
    }

    /// Unlocks and removes all copies of a capability that another core owns.
    ///
    /// # Errors
    /// `SYS_ERR_CAP_NOT_FOUND`: the entry is empty. `SYS_ERR_DELETE_REMOTE_LOCAL`: this core owns it.
    pub fn delete_foreigns<E: Env>(&mut self, env: &mut E, at: CteRef) -> Result<Step, ErrorCode> {
        if env.cte(at).is_empty() {
            return Err(code::CAP_NOT_FOUND);
        }
        if !self.is_foreign(env, at) {
            return Err(code::DELETE_REMOTE_LOCAL);
        }
        self.set_locked(env, at, false);
        let mut budget = self.budget(env);
        while let Some(other) = self.other_copy(env, at) {
            if !budget.spend(Work::Remove) {
                return Ok(Step::Again);
            }
            self.take_out(env, other);
        }
        self.delete_within(env, at, &mut budget)
    }
}
