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
//! Here is what is asked for and what is refused, the same for a retype at once and for one in steps: both follow one plan. `make` does them.

mod make;

use errors::ErrorCode;
use kpi::addr::PhysAddr;
use kpi::cap::{Capability, ObjType};
use kpi::invocation::RETYPE_MAX;
use kpi::rights::CapRights;

use self::make::fits_at_once;
use super::copy::usable;
use crate::budget::Step;
use crate::code;
use crate::cte::{CteRef, Flags};
use crate::env::{Env, Store};
use crate::facts::{
    is_mapping, is_well_founded, may_have_bytes, object_bytes, size, type_root, zeroes,
};
use crate::lookup::{DestSlot, destination};
use crate::mdb::{Database, MEMORY_ROOT, Spot, first_word};
use crate::objects::base_alignment;

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
