//! The end of what holds capabilities itself: CNodes, Dispatchers, KernelControlBlocks (Barrelfish `caps_delete_last`,
//! `caps_mark_revoke`, `caps_delete_step`, `caps_clear_step`; `kernel/capabilities.c`, `kernel/cap_delete.c`).
//!
//! *Mark*: the last copy is flagged and put on the delete list; nobody can use it any more. *Delete step*: what lies in the
//! first marked object is deleted, or marked in turn; Mappings that show its memory go first. Then the object's own capability is **moved into the object**, into an
//! entry that has become empty, and the object is put on the clear list. *Clear step*, when nothing is marked any more: the capability is
//! removed, and the memory is free.
//!
//! The move is what makes cycles harmless (a CNode that lies in itself; a dispatcher that holds the CSpace in which its only
//! capability lies): an object on the clear list depends on no other's memory, so the order of clearing does not matter, and memory
//! is never given back while a live entry is in it. (Barrelfish clears in the reverse order of staging, which cycles defeat.) If
//! an object is full of others that are marked, it waits for another turn at the end of the list. Each of those fills one entry
//! only and has three or more itself, so at most a third of the list can be full, and every round settles the rest.
//!
//! An object that holds a capability in which other cores have a say (locked, or with remote copies) goes to the end of the list: it
//! keeps no other from its turn. A step fails only when a whole round has settled nothing; it goes on when it is repeated after that
//! was mended. Until then clear steps clear what holds nothing that waits, so that no domain's memory is kept by what another core
//! does with another domain's capabilities; what does hold something goes back to the delete list.

use errors::ErrorCode;
use kpi::addr::PhysAddr;
use kpi::cap::ObjType;

use crate::budget::{Budget, Step, Work};
use crate::code;
use crate::cte::{Cte, CteRef, Flags};
use crate::env::Env;
use crate::facts::type_root;
use crate::mdb::{Database, MEMORY_ROOT, first_word};
use crate::objects::{holds_entries, inner_entries};

/// Instructions to look at an entry.
const LOOK: u32 = 12;
/// Instructions to look at the next copy.
const NEXT_COPY: u32 = 16;

/// The work of finding the first copy of what is in an entry: mostly there is nothing to do, at most a search.
fn to_first_copy(entry: &Cte) -> Work {
    if !entry.shape.is_follower() {
        Work::Finish(0)
    } else if type_root(entry.cap.objtype()) == MEMORY_ROOT {
        Work::Search
    } else {
        Work::SearchByAllKeys
    }
}

impl Database {
    /// Deletes a capability even if it is the last copy of what holds capabilities: that is marked, and the steps do the rest. Everything
    /// else is deleted as by [`Self::delete`]. Copies of a CNode that lie in the CNode itself do not count. Larger cycles are not
    /// seen (a root CNode has a copy in its task CNode): who wants such an object gone revokes it first.
    ///
    /// # Errors
    /// `SYS_ERR_CAP_NOT_FOUND`, `SYS_ERR_CAP_LOCKED`: as [`Self::delete`]. `SYS_ERR_RETRY_THROUGH_MONITOR`: other cores have copies.
    pub fn delete_last<E: Env>(&mut self, env: &mut E, at: CteRef) -> Result<Step, ErrorCode> {
        if env.cte(at).is_empty() {
            return Err(code::CAP_NOT_FOUND);
        }
        let mut budget = self.budget(env);
        self.mark(env, at, &mut budget)
    }

    /// Deletes what can be deleted at once or in pieces; marks what cannot.
    pub(super) fn mark<E: Env>(
        &mut self,
        env: &mut E,
        at: CteRef,
        budget: &mut Budget,
    ) -> Result<Step, ErrorCode> {
        if env.cte(at).is_staged() {
            return Ok(Step::Done);
        }
        // For telling of its end.
        if self.retains && !budget.spend(Work::Announce) {
            return Ok(Step::Again);
        }
        let Some(alone) = self.is_kept_by_itself(env, at, budget) else {
            return Ok(Step::Again);
        };
        if alone && self.may_stage(env, at) {
            while let Some(other) = self.other_copy(env, at) {
                if !budget.spend(Work::Remove) {
                    return Ok(Step::Again);
                }
                self.take_out(env, other);
            }
        }
        match self.delete_within(env, at, budget) {
            Err(code::RETRY_THROUGH_MONITOR) if self.may_stage(env, at) => {
                self.stage(env, at);
                Ok(Step::Done)
            }
            other => other,
        }
    }

    /// Whether all other copies of the CNode capability in `at` lie in that CNode: without `at` nobody could reach it. `None`: looking
    /// does not fit into this call.
    fn is_kept_by_itself<E: Env>(&self, env: &E, at: CteRef, budget: &mut Budget) -> Option<bool> {
        let cap = &env.cte(at).cap;
        if !matches!(cap.objtype(), ObjType::L1CNode | ObjType::L2CNode) {
            return Some(false);
        }
        let inside = cap.address()..cap.end();
        // A CNode has only so many slots, and few when its type may lie in it at all; the first copy elsewhere decides.
        let mut next = env.cte(at).next_copy();
        while let Some(copy) = next
            && copy != at
        {
            if !inside.contains(&copy.address().0) {
                return Some(false);
            }
            if !budget.spend_instructions(NEXT_COPY) {
                return None;
            }
            next = env.cte(copy).next_copy();
        }
        Some(true)
    }

    /// Whether the capability in `at`, a last copy that cannot be deleted plainly, may be marked: this core alone decides.
    pub(super) fn may_stage<E: Env>(&self, env: &E, at: CteRef) -> bool {
        let state = self.state_of(env, at);
        holds_entries(env.cte(at).cap.objtype())
            && state.owner == self.core()
            && !state.flags.has(Flags::REMOTE_COPIES.with(Flags::LOCKED))
    }

    /// Marks a last copy. A kernel object that holds it is told.
    pub(super) fn stage<E: Env>(&mut self, env: &mut E, at: CteRef) {
        let entry = env.cte(at);
        if entry.flags.has(Flags::HELD) {
            let cap = entry.cap;
            env.object_lost(at, &cap);
        }
        let entry = env.cte_mut(at);
        entry.flags = entry.flags.without(Flags::HELD).with(Flags::IN_DELETE);
        self.pending.push(env, at);
        self.pending.all_wait = false;
    }

    /// Works on the first marked object: deletes or marks what lies in it, and puts it on the clear list.
    ///
    /// [`Step::Again`]: that object is not finished, or has to wait for others. [`Step::Done`]: it is; there may be others.
    ///
    /// # Errors
    /// `SYS_ERR_CAP_NOT_FOUND`: nothing is marked. `SYS_ERR_CAP_LOCKED`, `SYS_ERR_RETRY_THROUGH_MONITOR`: all that is marked waits for
    /// others, and other cores have a say in something that lies in one of them.
    pub fn delete_step<E: Env>(&mut self, env: &mut E) -> Result<Step, ErrorCode> {
        self.pending.all_wait = false;
        let at = match self.pending.working {
            Some(at) => at,
            None => {
                let at = self.pending.pop(env).ok_or(code::CAP_NOT_FOUND)?;
                self.pending.working = Some(at);
                let cap = env.cte(at).cap;
                if cap.objtype() == ObjType::Dispatcher {
                    env.dispatcher_deleted(PhysAddr(cap.address()));
                }
                at
            }
        };
        let mut budget = self.budget(env);
        // It cannot be mapped any more, so this is found done from some time on.
        if !self.drop_views(env, at, &mut budget) {
            return Ok(Step::Again);
        }
        match self.mark_contents(env, at, &mut budget) {
            Ok(Step::Done) => self.settle(env, at, &mut budget),
            Ok(Step::Again) => Ok(Step::Again),
            Err(error) => self.postpone(env, at, error),
        }
    }

    /// Lets the others go first. An error if all of them have had their turn since an object was settled.
    #[cold]
    fn postpone<E: Env>(
        &mut self,
        env: &mut E,
        at: CteRef,
        error: ErrorCode,
    ) -> Result<Step, ErrorCode> {
        self.pending.working = None;
        self.pending.push(env, at);
        if self.pending.stuck == Some(at) {
            self.pending.stuck = None;
            self.pending.all_wait = true;
            return Err(error);
        }
        self.pending.stuck.get_or_insert(at);
        Ok(Step::Again)
    }

    /// Deletes or marks what lies in the object. `page` of its entry counts the entries looked at; `link` remembers an empty one, as its
    /// index plus 1.
    fn mark_contents<E: Env>(
        &mut self,
        env: &mut E,
        at: CteRef,
        budget: &mut Budget,
    ) -> Result<Step, ErrorCode> {
        let entry = env.cte(at);
        let (base, entries) = (PhysAddr(first_word(&entry.cap)), inner_entries(&entry.cap));
        let (mut index, mut empty) = (entry.page, entry.link);
        let mut result = Ok(Step::Done);
        while index < entries {
            let inner = env.slot(base, index);
            if !budget.spend_instructions(LOOK) {
                result = Ok(Step::Again);
                break;
            }
            let found = env.cte(inner);
            if found.is_empty() {
                empty = u64::from(index) + 1;
            } else if !found.is_staged() {
                if !budget.spend(Work::Remove) || !budget.spend(to_first_copy(found)) {
                    result = Ok(Step::Again);
                    break;
                }
                result = self.mark(env, inner, budget);
                if result != Ok(Step::Done) {
                    break;
                }
                if env.cte(inner).is_empty() {
                    empty = u64::from(index) + 1;
                }
            }
            index += 1;
        }
        let entry = env.cte_mut(at);
        (entry.page, entry.link) = (index, empty);
        result
    }

    /// Moves the capability of a worked-through object into the object, and puts it on the clear list.
    fn settle<E: Env>(
        &mut self,
        env: &mut E,
        at: CteRef,
        budget: &mut Budget,
    ) -> Result<Step, ErrorCode> {
        let entry = env.cte(at);
        let (cap, empty) = (entry.cap, entry.link);
        let base = first_word(&cap);
        let is_inside = (base..base.saturating_add(cap.size())).contains(&at.address().0);
        let home = if is_inside {
            at
        } else if let Some(index) = empty.checked_sub(1) {
            if !budget.spend(Work::Remove) || !budget.spend(Work::Insert) {
                return Ok(Step::Again);
            }
            let home = env.slot(PhysAddr(base), index as u32);
            self.move_entry(env, at, home)?;
            home
        } else {
            // Full of others that are marked: these go first.
            self.pending.working = None;
            self.pending.push(env, at);
            return Ok(Step::Done);
        };
        self.pending.working = None;
        self.pending.stuck = None;
        self.pending.push_cleared(env, home);
        Ok(Step::Done)
    }

    /// Moves a last copy into an empty entry.
    fn move_entry<E: Env>(
        &mut self,
        env: &mut E,
        from: CteRef,
        to: CteRef,
    ) -> Result<(), ErrorCode> {
        let entry = env.cte(from);
        let (cap, flags, state) = (entry.cap, entry.flags, entry.shared());
        self.remove(env, from);
        env.cte_mut(from).clear();
        self.fill(env, to, cap, flags, state)
    }

    /// Removes the capability of one object on the clear list: its memory is free. If something is marked that waits for other cores
    /// and lies in it, puts it back on the delete list.
    ///
    /// # Errors
    /// `SYS_ERR_CAP_NOT_FOUND`: there is none. `SYS_ERR_CAP_LOCKED`: something is marked, and [`Self::delete_step`] has not said since
    /// that it waits; that comes first.
    pub fn clear_step<E: Env>(&mut self, env: &mut E) -> Result<Step, ErrorCode> {
        let waiting = self.pending.has_marked();
        if waiting && !self.pending.all_wait {
            return Err(code::CAP_LOCKED);
        }
        let at = self.pending.first_cleared().ok_or(code::CAP_NOT_FOUND)?;
        if waiting {
            let mut budget = self.budget(env);
            match self.holds_others(env, at, &mut budget) {
                Some(false) => {}
                Some(true) => {
                    self.pending.drop_cleared(env, at);
                    self.pending.push(env, at);
                    return Ok(Step::Done);
                }
                None => return Ok(Step::Again),
            }
        }
        self.pending.drop_cleared(env, at);
        let cap = env.cte(at).cap;
        self.take_out(env, at);
        env.retire(PhysAddr(cap.address()), cap.size());
        self.announce_end(env, &cap);
        Ok(Step::Done)
    }

    /// Whether an object on the clear list holds a capability besides its own. Nobody can put one there any more, so what was looked at
    /// stays so: `page` counts it. `None`: looking goes on in another call.
    fn holds_others<E: Env>(&self, env: &mut E, at: CteRef, budget: &mut Budget) -> Option<bool> {
        let entry = env.cte(at);
        let (base, entries) = (PhysAddr(first_word(&entry.cap)), inner_entries(&entry.cap));
        let mut index = entry.page;
        while index < entries {
            let inner = env.slot(base, index);
            if !budget.spend_instructions(LOOK) {
                env.cte_mut(at).page = index;
                return None;
            }
            if inner != at && !env.cte(inner).is_empty() {
                return Some(true);
            }
            index += 1;
        }
        env.cte_mut(at).page = index;
        budget.spend(Work::Remove).then_some(false)
    }
}
