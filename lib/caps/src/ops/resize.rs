//! Resize: a larger root CNode takes the place of a dispatcher's root (Barrelfish `sys_resize_l1cnode`).
//!
//! The slots of the old root are *copied* into the new one, some in each call, so the old root works as before until the last call
//! exchanges the two. That call is reached only when one pass over all slots found each equal to its copy while nothing else
//! changed in the database: a pass that was interrupted by other changes begins again, and then only compares. So whoever
//! looks sees all of the old CSpace or all of the new one, and what was put into the old root meanwhile is not lost.
//!
//! Nothing but the pass's place is remembered: if the caller goes away, or the new CNode, nothing has to be undone. What was copied
//! lies in the new CNode and goes with it.
//!
//! A pass over the largest part of a root takes many calls, and each change anywhere in the database makes it begin again (comparing only, 50
//! instructions a slot). Where others never stop making and deleting capabilities between its calls, a resize may therefore wait for
//! them; it is for them to end, or for the caller to choose a calmer moment. A root of 300 slots is passed in one call.

use errors::ErrorCode;
use kpi::addr::PhysAddr;
use kpi::cap::ObjType;
use kpi::rights::CapRights;
use kpi::slots::ROOTCN;

use super::copy::usable;
use crate::budget::{Step, Work};
use crate::code;
use crate::cte::{CteRef, Flags};
use crate::env::Env;
use crate::lookup::{DestSlot, cnode_slots, empty_slot, lookup_any};
use crate::mdb::{Database, first_word, is_copy};

/// Instructions to compare two slots.
const LOOK: u32 = 50;

/// Arguments of [`Database::resize`].
#[derive(Clone, Copy, Debug)]
pub struct ResizeArgs {
    /// A capability of the old root.
    pub root: CteRef,
    /// The new root.
    pub new: CteRef,
    /// Gets a copy of the old root.
    pub returned: DestSlot,
    /// The entry of the dispatcher that holds its root.
    pub holder: CteRef,
}

/// Place of the one pass under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resizing {
    old: u64,
    new: u64,
    next: u64,
    /// [`Database::changes`] when it stopped.
    changes: u64,
}

impl Database {
    /// Makes `new` the root of the dispatcher whose entry `holder` is, with everything in it that lies in the old one. Where the old one is
    /// in the task CNode's slot for it, the new one comes in its place; any other copy of the old root stays what it is.
    ///
    /// # Errors
    /// `SYS_ERR_`, in the order of the tests. `CAP_NOT_FOUND`, `CAP_LOCKED`: `root` or `new` empty, half made, half deleted or locked.
    /// `CNODE_NOT_ROOT`: `root` is not what `holder` has. `RESIZE_NOT_L1`. `CNODE_RIGHTS`: the old one is not readable and writable, or
    /// the new one lacks a right. `INVALID_SIZE`: the new one is not larger. As for the destination of [`Self::copy`]. `CAP_LOCKED`:
    /// something in the old one is half made or half deleted. `SLOTS_IN_USE`: in the new one lies something that is not in the old one.
    #[cfg_attr(feature = "small", optimize(size))]
    pub fn resize<E: Env>(&mut self, env: &mut E, args: ResizeArgs) -> Result<Step, ErrorCode> {
        let old = usable(env, args.root)?.cap;
        let new = usable(env, args.new)?.cap;
        let held = env.cte(args.holder).cap;
        if old.objtype() != ObjType::L1CNode || !is_copy(&held, &old) {
            return Err(code::CNODE_NOT_ROOT);
        }
        if new.objtype() != ObjType::L1CNode {
            return Err(code::RESIZE_NOT_L1);
        }
        let both = CapRights::READ.union(CapRights::WRITE);
        let allowed = old.rights().intersection(held.rights());
        if !allowed.contains(both) || !new.rights().contains(CapRights::ALL) {
            return Err(code::CNODE_RIGHTS);
        }
        let slots = cnode_slots(&old);
        if cnode_slots(&new) <= slots {
            return Err(code::INVALID_SIZE);
        }
        for at in [args.root, args.new] {
            if self.state_of(env, at).flags.has(Flags::LOCKED) {
                return Err(code::CAP_LOCKED);
            }
        }
        let returned = empty_slot(env, args.returned, ObjType::L1CNode)?;

        let mut pass = Resizing {
            old: first_word(&old),
            new: first_word(&new),
            next: 0,
            changes: 0,
        };
        if let Some(earlier) = self.resizing.take()
            && earlier.changes == self.changes
            && (earlier.old, earlier.new) == (pass.old, pass.new)
        {
            pass.next = earlier.next;
        }
        let mut budget = self.budget(env);
        while pass.next < slots {
            if !budget.spend_instructions(LOOK) {
                return Ok(self.pause(pass));
            }
            let index = pass.next as u32;
            let from = env.slot(PhysAddr(pass.old), index);
            let to = env.slot(PhysAddr(pass.new), index);
            let (source, dest) = (env.cte(from), env.cte(to));
            if !source.is_usable() {
                return Err(code::CAP_LOCKED);
            }
            if source.cap != dest.cap || !dest.is_usable() {
                if source.is_empty() || !dest.is_empty() {
                    return Err(code::SLOTS_IN_USE);
                }
                if !budget.spend(Work::Insert) {
                    return Ok(self.pause(pass));
                }
                let cap = source.cap;
                self.fill_copy(env, to, from, cap, Flags::NONE);
            }
            pass.next += 1;
        }
        for _ in 0..3 {
            if !budget.spend(Work::Insert) || !budget.spend(Work::Remove) {
                return Ok(self.pause(pass));
            }
        }
        self.exchange(env, args, returned)?;
        Ok(Step::Done)
    }

    fn pause(&mut self, mut pass: Resizing) -> Step {
        pass.changes = self.changes;
        self.resizing = Some(pass);
        Step::Again
    }

    /// The last call: everything was tested, and a copy of the old root outside of what is emptied makes each removal that of a copy.
    fn exchange<E: Env>(
        &mut self,
        env: &mut E,
        args: ResizeArgs,
        returned: CteRef,
    ) -> Result<(), ErrorCode> {
        let (old, new) = (env.cte(args.root).cap, env.cte(args.new).cap);
        self.fill_copy(env, returned, args.root, old, Flags::NONE);
        let _done = self.release_from_object(env, args.holder)?;
        self.copy_into_object(env, args.holder, args.new)?;
        if let Ok(at) = lookup_any(env, args.holder, ROOTCN, 2, CapRights::READ)
            && at != returned
            && is_copy(&env.cte(at).cap, &old)
        {
            let _done = self.delete(env, at)?;
            self.fill_copy(env, at, args.new, new, Flags::NONE);
        }
        Ok(())
    }
}
