//! Invocations of page tables and Mappings.

use super::{Call, Effect, Grammar, L2, ROOT, invoke};
use crate::arena::{self, Belief, Place};
use crate::tally::Class;
use aos::kpi::cap::{Capability, ObjType};
use aos::kpi::invocation::{MapWord, MappingCommand, VNodeCommand};
use aos::kpi::layout::{BASE_PAGE_SIZE, PTABLE_ENTRIES};
use aos::kpi::rights::{CapRights, PageFlags};

/// Bytes of a block at level 2.
const BLOCK: u64 = 2 << 20;

const fn is_memory(objtype: ObjType) -> bool {
    matches!(objtype, ObjType::Frame | ObjType::DevFrame)
}

/// What is shown, not mapped, by a table of level 3.
const fn is_object(objtype: ObjType) -> bool {
    objtype.is_vnode() || objtype.is_cnode()
}

const fn next_table(table: ObjType) -> Option<ObjType> {
    match table {
        ObjType::VNodeAarch64L0 => Some(ObjType::VNodeAarch64L1),
        ObjType::VNodeAarch64L1 => Some(ObjType::VNodeAarch64L2),
        ObjType::VNodeAarch64L2 => Some(ObjType::VNodeAarch64L3),
        _ => None,
    }
}

/// A part of something, in entries.
#[derive(Clone, Copy)]
struct Part {
    offset: u64,
    count: u64,
    flags: u64,
}

impl Grammar {
    pub(super) fn map(&mut self, belief: &Belief) -> Option<Call> {
        let (table, found) = belief.pick(&mut self.random, |cap| cap.objtype().is_vnode())?;
        let next = next_table(found.objtype());
        let blocks = found.objtype() == ObjType::VNodeAarch64L2 && self.random.u32(..3) == 0;
        let shows = next.is_none() && self.random.u32(..8) == 0;
        let fits = |cap: &Capability| match next {
            _ if blocks => cap.objtype() == ObjType::Frame && cap.size() >= BLOCK,
            Some(next) => cap.objtype() == next,
            None if shows => is_object(cap.objtype()),
            None => is_memory(cap.objtype()),
        };
        let favourite = belief
            .get(self.favourite)
            .filter(|cap| fits(cap) && self.random.u32(..2) == 0);
        let (source, cap) = match favourite {
            Some(cap) => (self.favourite, cap),
            None => belief.pick(&mut self.random, fits)?,
        };
        let part = match next {
            _ if blocks => Part {
                offset: 0,
                count: cap.size() / BLOCK,
                flags: self.flags(&cap),
            },
            Some(_) => Part {
                offset: 0,
                count: 1,
                flags: 0,
            },
            None => self.pages(&cap, shows),
        };
        let slot = belief.empty(&mut self.random, 1)?;
        let last = PTABLE_ENTRIES.saturating_sub(part.count) as u16;
        let entry = self.random.u16(..=last);
        let args = [
            ROOT,
            arena::address(source),
            part.flags,
            part.offset,
            part.count,
            ROOT,
            arena::cnode(slot),
            MapWord::new(2, 1, slot as u8, entry).0,
        ];
        let place = Place {
            table: found.address(),
            entry,
            count: part.count as u16,
        };
        let command = VNodeCommand::Map;
        let target = arena::address(table);
        let call = invoke(Class::VNode, command as u8, command.argc(), target, &args);
        Some(
            call.about(table, Some(source))
                .does(Effect::Maps(slot, place)),
        )
    }

    /// Some pages of a frame or an object, seldom many.
    fn pages(&mut self, cap: &Capability, shows: bool) -> Part {
        let pages = (cap.size() / BASE_PAGE_SIZE).max(1);
        let most = match self.random.u32(..16) {
            0 => PTABLE_ENTRIES,
            _ => 8,
        };
        let first = self.random.u64(..pages);
        Part {
            offset: first * BASE_PAGE_SIZE,
            count: self.random.u64(1..=(pages - first).min(most)),
            flags: match shows {
                true => PageFlags::READ.0,
                false => self.flags(cap),
            },
        }
    }

    /// Flags that these rights allow, most of the time.
    fn flags(&mut self, cap: &Capability) -> u64 {
        let device = !matches!(cap.objtype(), ObjType::Frame | ObjType::FrameMapping);
        let execute = !device && cap.rights().contains(CapRights::EXECUTE);
        let write = cap.rights().contains(CapRights::WRITE);
        match self.random.u32(..8) {
            0..3 if write => PageFlags::READ_WRITE.0,
            3 if execute => PageFlags::READ_EXECUTE.0,
            4 => PageFlags::READ.union(PageFlags::NOCACHE).0,
            5 => self.random.u64(..16),
            _ => PageFlags::READ.0,
        }
    }

    pub(super) fn unmap(&mut self, belief: &Belief) -> Option<Call> {
        let (mapping, _, place) = belief.placed(&mut self.random)?;
        let table = self.table_at(belief, place)?;
        let command = VNodeCommand::Unmap;
        let args = [arena::address(mapping), L2];
        let target = arena::address(table);
        let call = invoke(Class::VNode, command as u8, command.argc(), target, &args);
        Some(
            call.about(mapping, Some(table))
                .does(Effect::Empties(mapping)),
        )
    }

    pub(super) fn modify_flags(&mut self, belief: &Belief) -> Option<Call> {
        let (mapping, cap, place) = belief.placed(&mut self.random)?;
        let table = self.table_at(belief, place)?;
        let first = self.random.u16(..place.count.max(1));
        let count = self
            .random
            .u16(1..=place.count.saturating_sub(first).max(1));
        let args = [
            u64::from(place.entry + first),
            count.into(),
            self.flags(&cap),
        ];
        let command = VNodeCommand::ModifyFlags;
        let target = arena::address(table);
        let call = invoke(Class::VNode, command as u8, command.argc(), target, &args);
        Some(call.about(mapping, Some(table)))
    }

    /// A slot with the table of a place.
    fn table_at(&mut self, belief: &Belief, place: Place) -> Option<usize> {
        let table = belief.pick(&mut self.random, |cap| {
            cap.as_vnode()
                .is_some_and(|vnode| vnode.base == place.table)
        });
        table.map(|(slot, _)| slot)
    }

    pub(super) fn mapping(&mut self, belief: &Belief) -> Option<Call> {
        let destroys = self.random.u32(..4) == 0;
        let (mapping, cap) = belief.pick(&mut self.random, |cap| match cap.objtype() {
            ObjType::FrameMapping | ObjType::DevFrameMapping => true,
            objtype => destroys && objtype.is_mapping(),
        })?;
        let target = arena::address(mapping);
        if destroys {
            let command = MappingCommand::Destroy;
            let call = invoke(Class::Mapping, command as u8, command.argc(), target, &[]);
            return Some(call.about(mapping, None).does(Effect::Empties(mapping)));
        }
        let pages = u64::from(cap.as_mapping()?.pte_count).max(1);
        let first = self.random.u64(..pages);
        let args = [first, self.random.u64(1..=pages - first), self.flags(&cap)];
        let command = MappingCommand::Modify;
        let call = invoke(Class::Mapping, command as u8, command.argc(), target, &args);
        Some(call.about(mapping, None))
    }
}
