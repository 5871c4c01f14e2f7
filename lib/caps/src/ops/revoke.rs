//! Revoke, as far as this core can do it alone.

use errors::ErrorCode;
use kpi::cap::is_copy;

use super::copy::usable;
use crate::budget::{REMOVE, Step};
use crate::code;
use crate::cte::{CteRef, Flags};
use crate::env::{Env, Store};
use crate::mdb::{Database, MEMORY_ROOT};
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
    /// KernelControlBlock is next to be removed.
    pub fn revoke<E: Env>(&mut self, env: &mut E, at: CteRef) -> Result<Step, ErrorCode> {
        let cap = usable(env, at)?.cap;
        self.may_revoke(env, at)?;
        let mut budget = self.budget(env);
        while let Some(other) = self.other_copy(env, at) {
            if !budget.spend(REMOVE) {
                return Ok(Step::Again);
            }
            self.take_out(env, other);
        }
        while let Some(last) = self.last_descendant(env, at) {
            if !budget.spend(REMOVE) {
                return Ok(Step::Again);
            }
            self.may_revoke(env, last)?;
            if holds_entries(env.cte(last).cap.objtype())
                && !env.cte(last).flags.has(Flags::CREATING)
                && self.other_copy(env, last).is_none()
            {
                return Err(code::RETRY_THROUGH_MONITOR);
            }
            if self.delete_within(env, last, &mut budget)? == Step::Again {
                return Ok(Step::Again);
            }
        }
        debug_assert!(!self.has_descendants(env, &cap));
        Ok(Step::Done)
    }

    /// Whether this core may remove copies of the capability on its own.
    fn may_revoke<S: Store>(&self, store: &S, at: CteRef) -> Result<(), ErrorCode> {
        let state = self.state_of(store, at);
        if state.flags.has(Flags::LOCKED) {
            return Err(code::CAP_LOCKED);
        }
        let remote = Flags::REMOTE_COPIES.with(Flags::REMOTE_DESCS);
        if state.owner != self.core() || state.flags.has(remote) {
            return Err(code::RETRY_THROUGH_MONITOR);
        }
        Ok(())
    }

    /// The last entry inside the range of the capability in `at`, which has no copies.
    fn last_descendant<S: Store>(&self, store: &S, at: CteRef) -> Option<CteRef> {
        let cap = &store.cte(at).cap;
        if cap.objtype().type_root() != MEMORY_ROOT || cap.objtype().is_mapping() {
            return None;
        }
        // Copies precede descendants, and only what is inside the range is between it and its end.
        self.last_before(store, cap.end()).filter(|last| {
            let other = &store.cte(*last).cap;
            *last != at && other.address() >= cap.address() && !is_copy(other, cap)
        })
    }
}
