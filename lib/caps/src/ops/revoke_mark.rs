//! The first half of revoking what includes CNodes or Dispatchers (Barrelfish `caps_mark_revoke_target`).

use errors::ErrorCode;

use super::mappings::maps_more_than;
use super::pending::Revoking;
use crate::budget::{Step, Work};
use crate::cte::CteRef;
use crate::env::Env;
use crate::mdb::{Database, Key, is_copy};

impl Database {
    /// Removes all other copies of the capability in an entry, and deletes or marks everything made from it. What is marked goes with the
    /// steps: [`Self::delete_step`], [`Self::clear_step`].
    ///
    /// Goes through the descendants in order, so that what others could be made from goes first: behind the place that was reached nothing
    /// can be made any more, except from the target itself. So who revokes asks [`Self::revoke`] in the end whether all is gone.
    ///
    /// # Errors
    /// As [`Self::revoke`], but not for the last copies of what holds capabilities.
    #[cfg_attr(feature = "small", optimize(size))]
    pub fn revoke_mark_target<E: Env>(
        &mut self,
        env: &mut E,
        at: CteRef,
    ) -> Result<Step, ErrorCode> {
        let cap = self.revocable(env, at)?;
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
        let mut passed = match self.pending.revoking.take() {
            Some(progress) if progress.at == Some(at) && is_copy(&progress.target, &cap) => {
                progress.passed
            }
            _ => cap,
        };
        let result = loop {
            // Whatever has an address before the end and comes behind the target was made from it.
            let next = self.upper_bound(env, &passed).first;
            let Some(next) = next.filter(|next| {
                end > cap.address() && Key::of(&env.cte(*next).cap).is_memory_before(end)
            }) else {
                return Ok(Step::Done);
            };
            if !budget.spend(Work::Search) {
                break Ok(Step::Again);
            }
            if env.cte(next).is_staged() || maps_more_than(&env.cte(next).cap, &cap) {
                passed = env.cte(next).cap;
                continue;
            }
            if !budget.spend(Work::Remove) {
                break Ok(Step::Again);
            }
            match self.may_revoke(self.state_of(env, next)) {
                Ok(()) => {}
                Err(error) => break Err(error),
            }
            match self.mark(env, next, &mut budget) {
                Ok(Step::Done) => {}
                other => break other,
            }
        };
        self.pending.revoking = Some(Revoking {
            at: Some(at),
            target: cap,
            passed,
        });
        result
    }
}
