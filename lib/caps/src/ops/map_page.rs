//! Map of one page of a frame, plainly: what programs do most, in few instructions.
//!
//! The same as [`Database::map`] does in that case, without an error to choose: whatever is unusual is left to it. The Mapping's place in
//! the database is mostly known from its frame: directly behind it, when the next capability begins behind the page.

use kpi::addr::{L2_SLOTS, PhysAddr};
use kpi::cap::{Capability, Mapping, ObjType};
use kpi::layout::{BASE_PAGE_SIZE, PTABLE_ENTRIES};
use kpi::rights::{CapRights, PageFlags};

use super::map::MapArgs;
use super::mappings::entry_at;
use crate::cte::{Cte, CteRef, Flags};
use crate::env::{Env, Store};
use crate::mdb::{Database, MEMORY_ROOT, Spot, first_word};
use crate::vnode::aarch64::{self, MemoryType};

/// Frames of fewer bytes have a number of pages that a Mapping can keep.
const COUNTABLE: u64 = BASE_PAGE_SIZE << u32::BITS;

/// Whether an entry may be used and has a capability of that type with these rights.
#[inline(always)]
pub(super) fn is_usable_as(entry: &Cte, objtype: ObjType, rights: CapRights) -> bool {
    let [_, _, word] = entry.cap.to_words();
    let rights = u16::from(rights.0) << 8;
    (word >> 48) as u16 & (rights | 0xff) == rights | objtype as u16 && entry.is_usable()
}

impl Database {
    /// [`Self::map`] of one page of a frame in RAM, cached and not executable; `None`: it is not that, or there is an error, and nothing has
    /// changed.
    #[inline(always)]
    pub fn map_page<E: Env>(
        &mut self,
        env: &mut E,
        table: CteRef,
        args: &MapArgs,
    ) -> Option<CteRef> {
        let table = env.cte(table);
        let pte = entry_at(PhysAddr(first_word(&table.cap)), args.entry);
        if !is_usable_as(table, ObjType::VNodeAarch64L3, CapRights::WRITE)
            || args.entry >= PTABLE_ENTRIES
            || args.count != 1
        {
            return None;
        }
        let source = env.cte(args.source);
        let [frame, bytes, _] = source.cap.to_words();
        let rights = source.cap.rights();
        let flags = PageFlags(args.flags & PageFlags::WRITE.0).union(PageFlags::READ);
        // READ and WRITE have the same numbers as flags and as rights.
        if args.flags != flags.0
            || !is_usable_as(source, ObjType::Frame, CapRights(flags.0 as u8))
            || bytes >= COUNTABLE
        {
            return None;
        }
        let page = PhysAddr(frame.wrapping_add(args.offset));
        if bytes.checked_sub(args.offset)? < BASE_PAGE_SIZE
            || !page.is_aligned(BASE_PAGE_SIZE)
            || !env.is_ram(page, BASE_PAGE_SIZE)
        {
            return None;
        }
        let cnode = env.cte(args.dest.cnode);
        if !is_usable_as(cnode, ObjType::L2CNode, CapRights::WRITE) || args.dest.index >= L2_SLOTS {
            return None;
        }
        let slot = env.slot(PhysAddr(first_word(&cnode.cap)), args.dest.index);
        if !env.cte(slot).is_empty() || aarch64::is_valid(env.read_entry(pte)) {
            return None;
        }
        let mapping = Mapping {
            base: page.0,
            pte: pte.0,
            source_pages: (bytes / BASE_PAGE_SIZE) as u32,
            pte_count: 1,
        };
        let cap = Capability::new_mapping(ObjType::FrameMapping, mapping, rights)?;
        match behind_frame(env, args.source, page) {
            Some(spot) => self.fill_at(env, slot, spot, cap, page.0 + 1, Flags::NONE),
            None => self.fill(env, slot, cap, Flags::NONE, self.local()).ok()?,
        }
        let leaf = aarch64::memory_leaf(3, page, flags, MemoryType::Normal, rights);
        env.write_entry(pte, leaf);
        Some(slot)
    }
}

/// Where the Mapping of a page of the frame in `source` belongs, if nothing lies between the two; `None` if something does, or
/// it is not the first copy of the frame.
#[inline(always)]
fn behind_frame<S: Store>(store: &S, source: CteRef, page: PhysAddr) -> Option<Spot> {
    let entry = store.cte(source);
    if entry.shape.is_follower() {
        return None;
    }
    let (next, spot) = Spot::and_next_behind(store, source);
    let is_behind = next.is_none_or(|next| {
        let next = store.cte(next);
        // What equals the page in address is for a search to order.
        next.root > MEMORY_ROOT || first_word(&next.cap) > page.0 && next.root == MEMORY_ROOT
    });
    is_behind.then_some(spot)
}
