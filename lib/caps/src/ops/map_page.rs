//! Map, Unmap and Modify of one page of a frame, plainly: what programs do most, in few instructions.
//!
//! The same as [`Database::map`], [`Database::unmap`] and [`Database::modify`] do in that case, without an error to choose: whatever is unusual is left to
//! them. The Mapping's place in the database is mostly known from its frame: directly behind it, when the next capability begins behind
//! the page.

use kpi::addr::{L2_SLOTS, PhysAddr};
use kpi::cap::{Capability, Mapping, ObjType};
use kpi::layout::{BASE_PAGE_SIZE, PTABLE_ENTRIES};
use kpi::rights::{CapRights, PageFlags};

use super::map::MapArgs;
use super::mappings::{entry_at, first_entry, table_of};
use crate::cte::{CteRef, Flags};
use crate::env::{Env, Store};
use crate::lookup::leads_on;
use crate::mdb::{Database, MEMORY_ROOT, first_word, next_above};
use crate::vnode::aarch64;

/// Frames of fewer bytes have a number of pages that a Mapping can keep.
const COUNTABLE: u64 = BASE_PAGE_SIZE << u32::BITS;

/// What CNodes and table must allow; plain maps need less of none.
const READ_WRITE: CapRights = CapRights::READ.union(CapRights::WRITE);

/// Whether flags are READ, perhaps WRITE, and rights cover them.
#[inline(always)]
fn may_read_perhaps_write(flags: PageFlags, rights: CapRights) -> bool {
    // READ and WRITE have the same numbers as flags and as rights.
    flags.0 & !PageFlags::WRITE.0 == PageFlags::READ.0 && rights.contains(CapRights(flags.0 as u8))
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
        if !leads_on(table, ObjType::VNodeAarch64L3, READ_WRITE)
            || args.entry >= PTABLE_ENTRIES
            || args.count != 1
        {
            return None;
        }
        let source = env.cte(args.source);
        let [frame, bytes, _] = source.cap.to_words();
        let rights = source.cap.rights();
        let flags = PageFlags(args.flags);
        if !may_read_perhaps_write(flags, rights)
            || source.cap.objtype() != ObjType::Frame
            || !source.is_usable()
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
        if !leads_on(cnode, ObjType::L2CNode, READ_WRITE) || args.dest.index >= L2_SLOTS {
            return None;
        }
        let slot = env.slot(PhysAddr(first_word(&cnode.cap)), args.dest.index);
        if !env.cte(slot).is_empty() || aarch64::is_valid(env.read_entry(pte)) {
            return None;
        }
        let leaf = aarch64::cached_leaf(page, flags.contains(PageFlags::WRITE), rights);
        let mapping = Mapping {
            base: page.0,
            pte: pte.0,
            source_pages: (bytes / BASE_PAGE_SIZE) as u32,
            pte_count: 1,
        };
        let cap = Capability::new_mapping(ObjType::FrameMapping, mapping, rights)?;
        env.write_entry(pte, leaf);
        self.write_leaf(env, slot, cap, page.0 + 1);
        if is_next_behind(env, args.source, page) {
            self.attach_inside(env, slot, args.source);
        } else {
            self.attach_searching(env, slot);
        }
        Some(slot)
    }

    /// [`Self::unmap`] of one page of a frame whose Mapping has no copies; `None`: it is not that, or there is an error, and nothing has
    /// changed.
    #[inline(always)]
    pub fn unmap_page<E: Env>(
        &mut self,
        env: &mut E,
        table: CteRef,
        mapping: CteRef,
    ) -> Option<()> {
        let table = env.cte(table);
        let entry = env.cte(mapping);
        if entry.cap.objtype() != ObjType::FrameMapping {
            return None;
        }
        let fields = entry.cap.as_mapping()?;
        let base = table_of(&fields);
        if fields.pte_count != 1
            || entry.flags != Flags::NONE
            || entry.shape.has_copies()
            || !leads_on(table, ObjType::VNodeAarch64L3, READ_WRITE)
            || base.0 != first_word(&table.cap)
        {
            return None;
        }
        env.write_entry(PhysAddr(fields.pte), 0);
        self.announce_page(env, base, first_entry(&fields));
        if self.remove_leaf(env, mapping) {
            env.cte_mut(mapping).clear();
        } else {
            self.take_out(env, mapping);
        }
        Some(())
    }

    /// [`Self::modify`] of one cached page of a frame, not to become executable; `None`: it is not that, or there is an error, and nothing has
    /// changed.
    #[inline(always)]
    pub fn modify_page<E: Env>(
        &mut self,
        env: &mut E,
        mapping: CteRef,
        first: u64,
        flags: u64,
    ) -> Option<()> {
        let entry = env.cte(mapping);
        if entry.cap.objtype() != ObjType::FrameMapping || !entry.is_usable() {
            return None;
        }
        let fields = entry.cap.as_mapping()?;
        let flags = PageFlags(flags);
        if first >= u64::from(fields.pte_count)
            || !may_read_perhaps_write(flags, entry.cap.rights())
        {
            return None;
        }
        let pte = entry_at(PhysAddr(fields.pte), first);
        let leaf = env.read_entry(pte);
        let leaf = aarch64::cached_page(leaf, flags.contains(PageFlags::WRITE))?;
        env.write_entry(pte, leaf);
        let first = u64::from(first_entry(&fields)) + first;
        self.announce_page(env, table_of(&fields), first as u16);
        Some(())
    }

    /// Gives what [`Self::write_leaf`] wrote, a Mapping, its place.
    #[cfg_attr(feature = "small", optimize(size))]
    #[inline(never)]
    fn attach_searching<S: Store>(&mut self, store: &mut S, new: CteRef) {
        let node = store.cte(new);
        let (cap, end) = (node.cap, node.max_end);
        let spot = self.spot_of_mapping(store, &cap);
        self.attach(store, new, spot, MEMORY_ROOT, end);
    }
}

/// Whether what is mapped at `page` of the frame in `source` belongs directly on its right in the tree: nothing lies between the two, and
/// it is the first copy.
#[inline(always)]
fn is_next_behind<S: Store>(store: &S, source: CteRef, page: PhysAddr) -> bool {
    let entry = store.cte(source);
    if entry.shape.is_follower() || entry.links.right().is_some() {
        return false;
    }
    next_above(store, source).is_none_or(|next| {
        let next = store.cte(next);
        // What begins at the page too is for a search to order.
        next.root > MEMORY_ROOT || first_word(&next.cap) > page.0 && next.root == MEMORY_ROOT
    })
}
