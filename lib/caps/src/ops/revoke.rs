//! Revoke, as far as this core can do it alone.

use errors::ErrorCode;

use super::copy::usable;
use crate::budget::{Step, Work};
use crate::code;
use crate::cte::{CteRef, Flags, SharedState};
use crate::env::Env;
use crate::mdb::Database;
use crate::objects::holds_entries;

impl Database {
    /// Removes all other copies of the capability in an entry, and everything made from it.
    ///
    /// Copies go first, so that from then on only this entry can make more; then descendants, the last in order first: each is
    /// then without descendants itself, so a frame's Mappings go before the frame. Kernel objects that hold one of them are told
    /// before it goes. In steps; when it returns [`Step::Done`] nothing is left. What was removed before an error stays removed.
    ///
    /// # Errors
    /// `SYS_ERR_CAP_NOT_FOUND`: the entry is empty. `SYS_ERR_CAP_LOCKED`: it, or something made from it, is locked, or it is half made or
    /// half deleted. `SYS_ERR_RETRY_THROUGH_MONITOR`: other cores have relatives of it, or the last copy of a CNode, Dispatcher or
    /// KernelControlBlock is next to be removed: see [`Self::revoke_mark_target`].
    pub fn revoke<E: Env>(&mut self, env: &mut E, at: CteRef) -> Result<Step, ErrorCode> {
        let cap = usable(env, at)?.cap;
        self.may_revoke(self.state_of(env, at))?;
        let mut budget = self.budget(env);
        while let Some(other) = self.other_copy(env, at) {
            if !budget.spend(Work::Remove) {
                return Ok(Step::Again);
            }
            self.take_out(env, other);
        }
        let end = if cap.objtype().is_mapping() {
            0
        } else {
            cap.end()
        };
        // Whatever has an address before the end and comes behind this entry was made from it.
        while end > cap.address()
            && let Some(first) = self.last_before(env, end)
            && first != at
        {
            if !budget.spend(Work::Remove) {
                return Ok(Step::Again);
            }
            let entry = env.cte(first);
            let state = entry.shared();
            self.may_revoke(state)?;
            let last = entry.previous_copy().unwrap_or(first);
            if last == first
                && holds_entries(entry.cap.objtype())
                && !entry.flags.has(Flags::CREATING)
            {
                return Err(code::RETRY_THROUGH_MONITOR);
            }
            if self.delete_with_state(env, last, state, &mut budget)? == Step::Again {
                return Ok(Step::Again);
            }
        }
        debug_assert!(!self.has_descendants(env, &cap));
        Ok(Step::Done)
    }

    /// Whether this core may remove copies of a capability with that state on its own.
    pub(super) fn may_revoke(&self, state: SharedState) -> Result<(), ErrorCode> {
        if state.flags.has(Flags::LOCKED) {
            return Err(code::CAP_LOCKED);
        }
        let remote = Flags::REMOTE_COPIES.with(Flags::REMOTE_DESCS);
        if state.owner != self.core() || state.flags.has(remote) {
            return Err(code::RETRY_THROUGH_MONITOR);
        }
        Ok(())
    }
}
