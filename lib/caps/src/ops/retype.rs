//! Retype: make new capabilities from part of one (Barrelfish `caps_retype`).
//!
//! What takes longer than one kernel entry may is done in steps. The results are put into their slots one after another,
//! flagged [`Flags::CREATING`]: they keep anybody else from using the memory, but can themselves only be deleted. Each counts in `link`
//! how much of *its own* memory is zeroed, so that progress and memory belong together whatever happens between two steps: if
//! a result is deleted its progress goes with it. When all are complete, one last step that no other call can interrupt
//! checks every slot again and takes the flag off all of them. So either all results become usable, all zeroed, or none.
//!
//! A repeated call recognises what it has made by type, range and flag. It does not have to be the same caller: who finishes
//! a half-made result has a source from which it could have made it. The first result remembers, once it is complete, how far the others
//! are. If results or the source vanish in between, the call fails cleanly, and what is left half made can be deleted.
//!
//! Longer than most files, because a retype at once and one in steps must refuse and make the same: they share one plan.

use errors::ErrorCode;
use kpi::addr::PhysAddr;
use kpi::cap::{Capability, Domain, IrqSrc, ObjType};
use kpi::invocation::RETYPE_MAX;
use kpi::layout::BASE_PAGE_SIZE;
use kpi::rights::CapRights;

use super::copy::usable;
use crate::budget::{Budget, Step, Work};
use crate::code;
use crate::cte::{CteRef, Flags};
use crate::env::{Env, Store};
use crate::facts::{
    is_mapping, is_well_founded, may_have_bytes, object_bytes, size, type_root, zeroes,
};
use crate::lookup::{DestSlot, destination};
use crate::mdb::{Database, MEMORY_ROOT, Spot, first_word};
use crate::objects::{base_alignment, object};

/// Most bytes zeroed in one call.
const ZERO_MAX: u64 = 64 << 10;
/// In `link` of a half-made result: all its memory is zeroed.
const COMPLETE: u64 = 1 << 63;

/// Arguments of [`Database::retype`].
#[derive(Clone, Copy, Debug)]
pub struct RetypeArgs {
    /// What to make them from.
    pub source: CteRef,
    /// Number of the type to make.
    pub objtype: u8,
    /// Bytes of each, where the type leaves a choice. IRQSrc: last vector.
    pub bytes: u64,
    /// How many.
    pub count: u64,
    /// Where in the source the first begins. IRQSrc: first vector.
    pub offset: u64,
    /// Slot of the first; the others follow.
    pub dest: DestSlot,
    /// The monitor asks, having made sure that no other core objects.
    pub from_monitor: bool,
}

/// A request that was found legal, apart from what it would overlap and overwrite.
struct Plan {
    /// First of the copies of what the results are made from.
    source: CteRef,
    /// Results take their own parts of the source.
    carves: bool,
    objtype: ObjType,
    rights: CapRights,
    /// Address of the first result; 0 if they have none.
    base: u64,
    /// Bytes of each result; 0 if they have none.
    bytes: u64,
    count: u64,
    /// Bytes to be zeroed in each result.
    zero_bytes: u64,
    first_vector: u64,
    last_vector: u64,
}

impl Plan {
    #[inline]
    fn base_of(&self, index: u64) -> u64 {
        self.base.wrapping_add(index.wrapping_mul(self.bytes))
    }
}

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
    /// Makes `count` capabilities from a part of the source that nothing else was made from, in successive empty slots.
    ///
    /// They have the source's rights. Frames, UMP endpoints, CNodes, page tables, Dispatchers and KernelControlBlocks are zeroed, unless
    /// made from their own type (what is in a frame belongs to whoever splits it). May return [`Step::Again`]; until it
    /// returns [`Step::Done`] none of them is usable.
    ///
    /// # Errors
    /// `SYS_ERR_`, in the order of the tests. `CAP_NOT_FOUND`, `CAP_LOCKED`: source empty; half made, half deleted or locked.
    /// `INVALID_RETYPE`: no such type, or Null. `RETYPE_INVALID_OFFSET`: not aligned (4096; Dispatcher 1024). `INVALID_SIZE`: size of memory or
    /// tables no multiple of 4096, of an L1CNode no multiple of 16384, of an L2CNode not 16384. `RETYPE_MAPPING_EXPLICIT`: a Mapping type.
    /// `INVALID_RETYPE`: not to be made from this source. `RETRY_THROUGH_MONITOR`: the source is foreign or has remote descendants.
    /// `INVALID_SIZE`: size 0, or larger than the source. `RETYPE_INVALID_COUNT`: none, more than fit, or more than
    /// [`RETYPE_MAX`]. `RETYPE_INVALID_OFFSET`: beyond the source's end; IRQSrc: the first vector is not in it or behind the
    /// last. `INVALID_RETYPE`: RAM where the machine has none. `RETYPE_INVALID_OBJSIZE`: IRQSrc: the last vector is not in the source. Of the destination CNode: `CNODE_TYPE`, `DEST_TYPE_INVALID`,
    /// `CAP_LOCKED`, `CNODE_RIGHTS`, `SLOTS_INVALID`, as for [`Self::copy`]. `REVOKE_FIRST`: something else was made from that part.
    /// `SLOTS_IN_USE`. `DOMAIN_SPACE_EXHAUSTED`.
    ///
    /// After an error in a later step the results made so far stay half made.
    pub fn retype<E: Env>(&mut self, env: &mut E, args: RetypeArgs) -> Result<Step, ErrorCode> {
        let plan = self.plan(env, &args)?;
        let first = u64::from(args.dest.index);
        let cnode = destination(env, args.dest.cnode, first, plan.count, plan.objtype)?;
        let first = env.slot(cnode, args.dest.index);
        let resumes = !env.cte(first).is_empty() && self.is_half_made(env, first, &plan, 0);
        if !resumes {
            if plan.objtype == ObjType::Domain
                && u64::from(u32::MAX - self.last_domain) < plan.count
            {
                return Err(code::DOMAIN_SPACE_EXHAUSTED);
            }
            let spot = self.check_range(env, &plan, 0)?;
            // Counts are at most RETYPE_MAX, and all these slots are in the CNode.
            let end = args.dest.index.wrapping_add(plan.count as u32);
            let mut index = args.dest.index;
            while index < end {
                if !env.cte(env.slot(cnode, index)).is_empty() {
                    return Err(code::SLOTS_IN_USE);
                }
                index += 1;
            }
            let mut budget = self.budget(env);
            if fits_at_once(&plan, &mut budget) {
                return self.make_at_once(env, &plan, cnode, &args, spot);
            }
        }
        let mut budget = self.budget(env);
        self.make_in_steps(env, &plan, cnode, &args, &mut budget)
    }

    /// Tests that need no look at what exists already.
    #[inline]
    fn plan<E: Env>(&self, env: &E, args: &RetypeArgs) -> Result<Plan, ErrorCode> {
        let source = usable(env, args.source)?.cap;
        let from = source.objtype();
        let objtype = ObjType::from_u8(args.objtype)
            .filter(|objtype| *objtype != ObjType::Null)
            .ok_or(code::INVALID_RETYPE)?;
        let of_vectors = from == ObjType::IrqSrc;
        if !of_vectors && !args.offset.is_multiple_of(base_alignment(objtype)) {
            return Err(code::RETYPE_INVALID_OFFSET);
        }
        if !may_have_bytes(objtype, args.bytes) {
            return Err(code::INVALID_SIZE);
        }
        if is_mapping(objtype) {
            return Err(code::RETYPE_MAPPING_EXPLICIT);
        }
        // A DeviceID needs more than a number, and there is nobody yet who would make one.
        if !is_well_founded(from, objtype) || objtype == ObjType::DeviceId {
            return Err(code::INVALID_RETYPE);
        }
        let first = self.first_copy(env, args.source);
        let state = env.cte(first).shared();
        if state.flags.has(Flags::LOCKED) {
            return Err(code::CAP_LOCKED);
        }
        let foreign = state.owner != self.core();
        let monitor_decides =
            foreign || (objtype != ObjType::EndPointLmp && state.flags.has(Flags::REMOTE_DESCS));
        if monitor_decides && !args.from_monitor {
            return Err(code::RETRY_THROUGH_MONITOR);
        }

        let carves = type_root(objtype) == MEMORY_ROOT && objtype != ObjType::EndPointLmp;
        let zero = zeroes(objtype) && from != objtype;
        let mut plan = Plan {
            source: first,
            carves,
            objtype,
            rights: source.rights(),
            base: 0,
            bytes: 0,
            count: args.count,
            zero_bytes: 0,
            first_vector: args.offset,
            last_vector: args.bytes,
        };
        if carves {
            let bytes = object_bytes(objtype, args.bytes);
            let (base, all) = part_of(&source, bytes, args)?;
            // What is made of RAM the kernel zeroes and uses: a device's registers must not become it.
            let may_be_device = objtype == ObjType::Ram && from == ObjType::PhysAddr;
            if may_be_device && !env.is_ram(PhysAddr(base), all) {
                return Err(code::INVALID_RETYPE);
            }
            plan.base = base;
            plan.bytes = bytes;
            plan.zero_bytes = if zero { bytes } else { 0 };
            return Ok(plan);
        }
        let most = match objtype {
            ObjType::Domain => RETYPE_MAX,
            _ => 1,
        };
        if args.count == 0 || args.count > most {
            return Err(code::RETYPE_INVALID_COUNT);
        }
        if let Some(vectors) = source.as_irq_src() {
            let inside = vectors.vec_start..=vectors.vec_end;
            if args.offset > args.bytes || !inside.contains(&args.offset) {
                return Err(code::RETYPE_INVALID_OFFSET);
            }
            if !inside.contains(&args.bytes) {
                return Err(code::RETYPE_INVALID_OBJSIZE);
            }
        }
        plan.base = source.address();
        Ok(plan)
    }

    /// Makes sure that everything from result `index` on is free: what encloses it is the source or its copies, and nothing is
    /// inside. Returns the spot in the database for that result, if results take their parts of the source.
    #[inline]
    fn check_range<S: Store>(
        &self,
        store: &S,
        plan: &Plan,
        index: u64,
    ) -> Result<Option<Spot>, ErrorCode> {
        if !plan.carves {
            return Ok(None);
        }
        let bytes = (plan.count - index) * plan.bytes;
        match self.free_part(store, plan.source, plan.base_of(index), bytes) {
            None => Err(code::REVOKE_FIRST),
            found => Ok(found),
        }
    }

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
    fn make_at_once<E: Env>(
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
    fn make_in_steps<E: Env>(
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
    fn is_half_made<S: Store>(&self, store: &S, at: CteRef, plan: &Plan, index: u64) -> bool {
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

/// The address of the part of the source that the results are made from, and its bytes.
#[inline(always)]
fn part_of(source: &Capability, bytes: u64, args: &RetypeArgs) -> Result<(u64, u64), ErrorCode> {
    let size = size(source);
    if bytes == 0 || bytes > size {
        return Err(code::INVALID_SIZE);
    }
    if args.count == 0 || args.count > RETYPE_MAX {
        return Err(code::RETYPE_INVALID_COUNT);
    }
    // No overflow, sizes and offsets being words: a product that is too large for one is larger than the source.
    let all = args
        .count
        .checked_mul(bytes)
        .filter(|all| *all <= size)
        .ok_or(code::RETYPE_INVALID_COUNT)?;
    if args.offset > size - all {
        return Err(code::RETYPE_INVALID_OFFSET);
    }
    Ok((first_word(source).wrapping_add(args.offset), all))
}

/// Whether all of it fits into one call. Counts are at most [`RETYPE_MAX`].
#[inline]
fn fits_at_once(plan: &Plan, budget: &mut Budget) -> bool {
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
