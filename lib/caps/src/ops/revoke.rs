//! Revoke, as far as this core can do it alone.

use errors::ErrorCode;
use kpi::cap::Capability;
use kpi::rights::CapRights;

use super::copy::usable;
use super::mappings::maps_more_than;
use crate::budget::{Budget, Step, Work};
use crate::code;
use crate::cte::{CteRef, Flags, SharedState};
use crate::env::{Env, Store};
use crate::facts::{is_mapping, is_plain, size, type_root};
use crate::mdb::{Database, MEMORY_ROOT, begins_before, neighbour};

impl Database {
    /// Removes all other copies of the capability in an entry, and everything made from it.
    ///
    /// Copies go first, so that from then on only this entry can make more; then descendants, the last in order first: each is
    /// then without descendants itself, so a frame's Mappings go before the frame. Kernel objects that hold one of them are told
    /// before it goes. What maps a larger frame, from which the capability was split off, stays. In steps; when it returns [`Step::Done`] nothing is left. What was removed before an error stays removed.
    ///
    /// # Errors
    /// `SYS_ERR_CAP_NOT_FOUND`: the entry is empty. `SYS_ERR_CAP_RIGHTS`: the capability lacks the right WRITE: who was given something to look
    /// at does not take it from others. `SYS_ERR_CAP_LOCKED`: it, or something made from it, is locked, or it is half made or
    /// half deleted. `SYS_ERR_RETRY_THROUGH_MONITOR`: other cores have relatives of it, or the last copy of a CNode, Dispatcher or
    /// KernelControlBlock is next to be removed: see [`Self::revoke_mark_target`].
    pub fn revoke<E: Env>(&mut self, env: &mut E, at: CteRef) -> Result<Step, ErrorCode> {
        let cap = self.revocable(env, at)?;
        let changes = self.changes;
        let mut budget = self.budget(env);
        while let Some(other) = self.other_copy(env, at) {
            if !budget.spend(Work::Remove) {
                return Ok(Step::Again);
            }
            self.take_out(env, other);
        }
        let objtype = cap.objtype();
        if is_mapping(objtype) || type_root(objtype) != MEMORY_ROOT || size(&cap) == 0 {
            return Ok(Step::Done);
        }
        match self.revoke_descendants(env, at, cap.end(), &mut budget)? {
            Some(step) => Ok(step),
            // Somebody maps all of what this is a part of. Going forward, what has to stay can be passed over once and for all.
            None if self.changes == changes => self.revoke_mark_target(env, at),
            None => Ok(Step::Again),
        }
    }

    /// Removes everything behind the entry, which has no copies, that begins before `end`: all of it was made from it. `None`: as far as
    /// a Mapping that was not.
    #[inline]
    fn revoke_descendants<E: Env>(
        &mut self,
        env: &mut E,
        at: CteRef,
        end: u64,
        budget: &mut Budget,
    ) -> Result<Option<Step>, ErrorCode> {
        let mut first = self.last_descendant(env, at, end);
        // Something behind `first` went that is still counted.
        let mut unsettled = false;
        let result = loop {
            if first == at {
                break Ok(Some(Step::Done));
            }
            if !budget.spend(Work::RemoveOfRun) {
                break Ok(Some(Step::Again));
            }
            let entry = env.cte(first);
            if is_mapping(entry.cap.objtype()) && maps_more_than(&entry.cap, &env.cte(at).cap) {
                break Ok(None);
            }
            if let Err(error) = self.may_revoke(entry.shared()) {
                break Err(error);
            }
            if let Some(last) = entry.previous_copy() {
                self.take_out(env, last);
                continue;
            }
            let objtype = entry.cap.objtype();
            let flags = entry.flags;
            let before = neighbour(env, first, false).unwrap_or(at);
            // A frame's Mappings were behind it.
            if is_plain(objtype) && !flags.has(Flags::HELD) {
                // The only one leaves everything settled.
                if before == at && !unsettled {
                    self.take_out(env, first);
                } else {
                    self.remove_of_run(env, first);
                    env.cte_mut(first).clear();
                    unsettled = true;
                }
                first = before;
                continue;
            }
            if !budget.spend(Work::Remove) {
                break Ok(Some(Step::Again));
            }
            // What holds entries is refused here, unless it is half made.
            match self.delete_within(env, first, budget) {
                Ok(Step::Done) => {}
                other => break other.map(Some),
            }
            first = if objtype.is_vnode() {
                // Mappings went with it, which may have been anywhere.
                self.last_before(env, end).unwrap_or(at)
            } else {
                before
            };
        };
        if unsettled {
            self.settle_gap(env, first, end);
        }
        result
    }

    /// The last entry that begins before `end`, or `at`, behind which it is. Looks at the next few first.
    #[inline]
    fn last_descendant<S: Store>(&self, store: &S, at: CteRef, end: u64) -> CteRef {
        let mut last = at;
        for _ in 0..2 {
            match neighbour(store, last, true) {
                Some(next) if begins_before(store.cte(next), end) => last = next,
                _ => return last,
            }
        }
        self.last_before(store, end).unwrap_or(at)
    }

    /// The capability in an entry, of which everything else is to be revoked.
    pub(super) fn revocable<E: Env>(&self, env: &E, at: CteRef) -> Result<Capability, ErrorCode> {
        let cap = usable(env, at)?.cap;
        if !cap.rights().contains(CapRights::WRITE) {
            return Err(code::CAP_RIGHTS);
        }
        self.may_revoke(self.state_of(env, at))?;
        Ok(cap)
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
