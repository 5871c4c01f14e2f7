//! The first half of a revocation that another core began (Barrelfish `caps_mark_revoke_relations`).

use errors::ErrorCode;
use kpi::cap::Capability;

use super::pending::Revoking;
use crate::budget::{Budget, Step, Work};
use crate::code;
use crate::cte::{CteRef, Flags};
use crate::env::Env;
use crate::mdb::{Database, Key, is_copy};

impl Database {
    /// Deletes or marks everything on this core that was made from a capability, then its copies, whoever owns them. What is marked goes with
    /// the steps.
    ///
    /// # Errors
    /// `SYS_ERR_CAP_NOT_FOUND`: there is nothing of the kind. `SYS_ERR_CAP_LOCKED`: one of them is locked.
    pub fn revoke_mark_relations<E: Env>(
        &mut self,
        env: &mut E,
        cap: &Capability,
    ) -> Result<Step, ErrorCode> {
        let mut budget = self.budget(env);
        let earlier = self.pending.revoking.take();
        let mut passed = match earlier {
            Some(progress) if progress.at.is_none() && is_copy(&progress.target, cap) => {
                progress.passed
            }
            _ if self.find_equal(env, cap).is_none() && !self.has_descendants(env, cap) => {
                return Err(code::CAP_NOT_FOUND);
            }
            _ => *cap,
        };
        let result = self.mark_relations(env, cap, &mut passed, &mut budget);
        if result != Ok(Step::Done) {
            self.pending.revoking = Some(Revoking {
                at: None,
                target: *cap,
                passed,
            });
        }
        result
    }

    fn mark_relations<E: Env>(
        &mut self,
        env: &mut E,
        cap: &Capability,
        passed: &mut Capability,
        budget: &mut Budget,
    ) -> Result<Step, ErrorCode> {
        let end = if cap.objtype().is_mapping() {
            0
        } else {
            cap.end()
        };
        while let Some(next) = self.upper_bound(env, passed).first.filter(|next| {
            end > cap.address() && Key::of(&env.cte(*next).cap).is_memory_before(end)
        }) {
            if env.cte(next).is_staged() {
                if !budget.spend(Work::Visit) {
                    return Ok(Step::Again);
                }
                *passed = env.cte(next).cap;
            } else if self.mark_relation(env, next, budget)? == Step::Again {
                return Ok(Step::Again);
            }
        }
        while let Some(copy) = self.find_equal(env, cap) {
            if env.cte(copy).is_staged() {
                break;
            }
            if self.mark_relation(env, copy, budget)? == Step::Again {
                return Ok(Step::Again);
            }
        }
        Ok(Step::Done)
    }

    /// Deletes or marks one. What other cores have of it they are told to delete by the same revocation.
    fn mark_relation<E: Env>(
        &mut self,
        env: &mut E,
        at: CteRef,
        budget: &mut Budget,
    ) -> Result<Step, ErrorCode> {
        if !budget.spend(Work::Mark) {
            return Ok(Step::Again);
        }
        let first = self.first_copy(env, at);
        if env.cte(first).shared().flags.has(Flags::LOCKED) {
            return Err(code::CAP_LOCKED);
        }
        self.set_relations(env, first, Flags::NONE, Flags::REMOTE_COPIES);
        self.mark(env, at, budget)
    }
}
