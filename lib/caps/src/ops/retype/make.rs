//! Making what a [`Plan`] says, at once or in steps.

use errors::ErrorCode;
use kpi::addr::PhysAddr;
use kpi::cap::{Capability, Domain, IrqSrc, ObjType};
use kpi::layout::BASE_PAGE_SIZE;

use super::{Plan, RetypeArgs};
use crate::budget::{Budget, Step, Work};
use crate::code;
use crate::cte::{CteRef, Flags};
use crate::env::{Env, Store};
use crate::mdb::{Database, Spot};
use crate::objects::object;

/// Most bytes zeroed in one call.
const ZERO_MAX: u64 = 64 << 10;
/// In `link` of a half-made result: all its memory is zeroed.
const COMPLETE: u64 = 1 << 63;

/// Results that are made in one call, next to each other.
#[derive(Clone, Copy)]
struct Run {
    first: u64,
    count: u64,
    /// Where the first one belongs.
    spot: Spot,
    flags: Flags,
}

impl Database {
    /// Result `index`.
    fn result(&mut self, plan: &Plan, index: u64) -> Result<Capability, ErrorCode> {
        match plan.objtype {
            ObjType::Domain => {
                let number = self
                    .last_domain
                    .checked_add(1)
                    .ok_or(code::DOMAIN_SPACE_EXHAUSTED)?;
                self.last_domain = number;
                let domain = Domain {
                    coreid: self.core().0,
                    core_local_id: number,
                };
                Ok(Capability::new_domain(domain, plan.rights))
            }
            ObjType::IrqSrc => {
                let vectors = IrqSrc {
                    vec_start: plan.first_vector,
                    vec_end: plan.last_vector,
                };
                Ok(Capability::new_irq_src(vectors, plan.rights))
            }
            objtype => object(objtype, plan.base_of(index), plan.bytes, plan.rights)
                .ok_or(code::INVALID_RETYPE),
        }
    }

    /// All of it in this call: nobody sees it half made.
    #[inline]
    pub(super) fn make_at_once<E: Env>(
        &mut self,
        env: &mut E,
        plan: &Plan,
        cnode: PhysAddr,
        args: &RetypeArgs,
        spot: Option<Spot>,
    ) -> Result<Step, ErrorCode> {
        // Not more than ZERO_MAX.
        let all = plan.zero_bytes.wrapping_mul(plan.count);
        if all > 0 {
            env.zero(PhysAddr(plan.base), all);
        }
        let Some(spot) = spot else {
            for index in 0..plan.count {
                let cap = self.result(plan, index)?;
                let at = slot(env, cnode, args, index);
                self.fill(env, at, cap, Flags::NONE, self.local())?;
            }
            return Ok(Step::Done);
        };
        let source = &env.cte(args.source).cap;
        if plan.objtype == source.objtype() && plan.bytes == source.size() {
            // All of the source as the same type again: a copy.
            let (cap, at) = (*source, slot(env, cnode, args, 0));
            self.fill_copy(env, at, args.source, cap, Flags::NONE);
            return Ok(Step::Done);
        }
        if plan.count == 1 {
            let Some(cap) = object(plan.objtype, plan.base, plan.bytes, plan.rights) else {
                return Err(code::INVALID_RETYPE);
            };
            let at = slot(env, cnode, args, 0);
            self.count_new(1);
            self.fill_counted(env, at, spot, cap, plan.base_of(1), Flags::NONE);
            return Ok(Step::Done);
        }
        let run = Run {
            first: 0,
            count: plan.count,
            spot,
            flags: Flags::NONE,
        };
        self.make_run(env, plan, cnode, args, run)
    }

    /// Makes results that carve, in such an order that the tree has hardly to be repaired: the one in the middle, those in the
    /// middle of both halves, and so on. Each lies between two that are there already.
    #[inline(never)]
    fn make_run<E: Env>(
        &mut self,
        env: &mut E,
        plan: &Plan,
        cnode: PhysAddr,
        args: &RetypeArgs,
        run: Run,
    ) -> Result<Step, ErrorCode> {
        // All of them are alike but for the address. Not by `?`: the compiler keeps in pieces what could be an error.
        let Some(model) = object(plan.objtype, plan.base, plan.bytes, plan.rights) else {
            return Err(code::INVALID_RETYPE);
        };
        self.count_new(run.count);
        // Places are counted from 1: those of one round are the odd multiples of `stride`.
        let mut stride = (run.count + 1).next_power_of_two() / 2;
        while stride > 0 {
            let mut place = stride;
            while place <= run.count {
                let index = run.first + place - 1;
                let before =
                    (place > stride).then(|| slot(env, cnode, args, index.wrapping_sub(stride)));
                let behind = (place + stride <= run.count)
                    .then(|| slot(env, cnode, args, index.wrapping_add(stride)));
                let spot = match (before, behind) {
                    (None, None) => run.spot,
                    _ => Spot::between(env, before, behind),
                };
                let (base, end) = (plan.base_of(index), plan.base_of(index + 1));
                let at = slot(env, cnode, args, index);
                let cap = model.with_address(base);
                self.fill_counted(env, at, spot, cap, end, run.flags);
                place += 2 * stride;
            }
            stride /= 2;
        }
        Ok(Step::Done)
    }

    /// Makes results from `index` on, as many as fit and have empty slots, half made. [`Step::Again`]: none fits.
    fn make_some<E: Env>(
        &mut self,
        env: &mut E,
        plan: &Plan,
        cnode: PhysAddr,
        args: &RetypeArgs,
        index: u64,
        budget: &mut Budget,
    ) -> Result<Step, ErrorCode> {
        let Some(spot) = self.check_range(env, plan, index)? else {
            if !budget.spend(Work::InsertByAllKeys) {
                return Ok(Step::Again);
            }
            let cap = self.result(plan, index)?;
            let at = slot(env, cnode, args, index);
            self.fill(env, at, cap, Flags::CREATING, self.local())?;
            return Ok(Step::Done);
        };
        let mut count = 0;
        while index + count < plan.count
            && env.cte(slot(env, cnode, args, index + count)).is_empty()
            && budget.spend(Work::InsertOfRun)
        {
            count += 1;
        }
        if count == 0 {
            return Ok(Step::Again);
        }
        let run = Run {
            first: index,
            count,
            spot,
            flags: Flags::CREATING,
        };
        self.make_run(env, plan, cnode, args, run)
    }

    /// As much as fits into one call.
    pub(super) fn make_in_steps<E: Env>(
        &mut self,
        env: &mut E,
        plan: &Plan,
        cnode: PhysAddr,
        args: &RetypeArgs,
        budget: &mut Budget,
    ) -> Result<Step, ErrorCode> {
        let first = env.slot(cnode, args.dest.index);
        let mut zero_left = ZERO_MAX;
        let mut index = completed(env.cte(first).link);
        while index < plan.count {
            let at = slot(env, cnode, args, index);
            if env.cte(at).is_empty() {
                if self.make_some(env, plan, cnode, args, index, budget)? == Step::Again {
                    return Ok(Step::Again);
                }
            } else if !self.is_half_made(env, at, plan, index) {
                return Err(code::SLOTS_IN_USE);
            }
            if !zero_some(env, plan, at, index, &mut zero_left, budget) {
                return Ok(Step::Again);
            }
            index += 1;
            env.cte_mut(first).link = COMPLETE | index;
        }
        if !budget.spend(Work::Finish(plan.count as u32)) {
            return Ok(Step::Again);
        }
        if !self.is_half_made(env, first, plan, 0) {
            return Err(code::SLOTS_IN_USE);
        }
        // What was carved is alike but for the address; the rest has type and rights in common.
        let [_, size, kind] = env.cte(first).cap.to_words();
        for index in 0..plan.count {
            let entry = env.cte(slot(env, cnode, args, index));
            let [address, own_size, own_kind] = entry.cap.to_words();
            let alike = if plan.carves {
                own_kind == kind && own_size == size && address == plan.base_of(index)
            } else {
                own_kind >> 48 == kind >> 48
            };
            if !alike || entry.link & COMPLETE == 0 || !entry.flags.has(Flags::CREATING) {
                return Err(code::SLOTS_IN_USE);
            }
        }
        for index in 0..plan.count {
            let entry = env.cte_mut(slot(env, cnode, args, index));
            entry.flags = entry.flags.without(Flags::CREATING);
            entry.link = 0;
        }
        Ok(Step::Done)
    }

    /// Whether the slot holds result `index`, not finished.
    pub(super) fn is_half_made<S: Store>(
        &self,
        store: &S,
        at: CteRef,
        plan: &Plan,
        index: u64,
    ) -> bool {
        let entry = store.cte(at);
        let cap = &entry.cap;
        entry.flags.has(Flags::CREATING)
            && cap.objtype() == plan.objtype
            && cap.rights() == plan.rights
            && (!plan.carves || (cap.address() == plan.base_of(index) && cap.size() == plan.bytes))
    }
}

/// The slot of result `index`.
#[inline]
fn slot<S: Store>(store: &S, cnode: PhysAddr, args: &RetypeArgs, index: u64) -> CteRef {
    store.slot(cnode, args.dest.index.wrapping_add(index as u32))
}

/// Whether all of it fits into one call. Counts are at most [`RETYPE_MAX`].
#[inline]
pub(super) fn fits_at_once(plan: &Plan, budget: &mut Budget) -> bool {
    let count = plan.count as u32;
    let insert = if plan.carves {
        Work::InsertOfRun
    } else {
        Work::InsertByAllKeys
    };
    let mut all = count.saturating_mul(budget.cost(insert));
    if plan.zero_bytes > 0 {
        // All of them fit into the source.
        if plan.zero_bytes.wrapping_mul(plan.count) > ZERO_MAX {
            return false;
        }
        let pages = plan.zero_bytes.div_ceil(BASE_PAGE_SIZE) as u32;
        let zero = pages.saturating_mul(budget.cost(Work::ZeroPage));
        all = all.saturating_add(count.saturating_mul(zero));
    }
    budget.spend_instructions(all)
}

/// How many results are complete, by the first one's `link`.
fn completed(link: u64) -> u64 {
    if link & COMPLETE == 0 {
        0
    } else {
        (link & !COMPLETE).max(1)
    }
}

/// Zeroes what is left of a half-made result, as far as it goes. `true`: complete.
fn zero_some<E: Env>(
    env: &mut E,
    plan: &Plan,
    at: CteRef,
    index: u64,
    zero_left: &mut u64,
    budget: &mut Budget,
) -> bool {
    let mut zeroed = env.cte(at).link;
    if zeroed & COMPLETE != 0 {
        return true;
    }
    while zeroed < plan.zero_bytes {
        let chunk = (plan.zero_bytes - zeroed).min(BASE_PAGE_SIZE);
        if chunk > *zero_left || !budget.spend(Work::ZeroPage) {
            return false;
        }
        *zero_left -= chunk;
        env.zero(PhysAddr(plan.base_of(index).wrapping_add(zeroed)), chunk);
        zeroed += chunk;
        env.cte_mut(at).link = zeroed;
    }
    env.cte_mut(at).link = COMPLETE;
    true
}
