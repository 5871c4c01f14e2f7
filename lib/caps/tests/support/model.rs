//! The naive model: a list of capabilities, every question answered by looking at all of them.
//!
//! It knows nothing of trees, first copies, steps or budgets. Error codes and their order are written down from the
//! specification (the doc comments of the operations), not from the code.

use std::collections::{BTreeMap, VecDeque};

use caps::Range;
use caps::vnode::aarch64::{self, MemoryType};
use errors::ErrorCode as E;
use kpi::addr::PhysAddr;
use kpi::cap::{
    Capability, Domain, Id, IrqSrc, L1CNode, L2CNode, Mapping, Memory, ObjType, VNode, compare,
    is_copy, is_well_founded,
};
use kpi::cap::{Dispatcher, EndPointLmp, EndPointUmp, KernelControlBlock};
use kpi::rights::{CapRights, PageFlags};

use super::{BASE, BYTES};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct State {
    pub foreign: bool,
    pub locked: bool,
    pub remote_copies: bool,
    pub remote_ancs: bool,
    pub remote_descs: bool,
    pub retained: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    pub cap: Capability,
    pub in_object: bool,
    pub state: State,
}

#[derive(Clone, Default)]
pub struct Model {
    /// By address of the entry.
    pub caps: BTreeMap<u64, Held>,
    /// The entries in an order in which copies stand as in the database: each directly behind what it was copied from.
    pub order: Vec<u64>,
    /// Valid page-table entries.
    pub entries: BTreeMap<u64, u64>,
    /// Entries of kernel objects that lost something, in order.
    pub lost: Vec<u64>,
    /// Ranges below retained RAM that became free.
    pub free: Vec<(u64, u64)>,
    /// Which object each entry's capability stands for. Copies stand for one.
    objects: BTreeMap<u64, u32>,
    /// The derivation forest: what each object was made from, objects that are gone included.
    made_from: BTreeMap<u32, u32>,
    last_object: u32,
    pub last_id: u32,
    pub last_domain: u32,
}

type Slot = u64;

/// What a whole deletion has marked.
#[derive(Default)]
struct Marked {
    /// Whose contents are still to be marked, first come first served.
    waiting: VecDeque<Slot>,
    /// What goes in the end.
    empty: Vec<Slot>,
}

fn end(cap: &Capability) -> u64 {
    cap.address() + cap.size()
}

fn in_memory(cap: &Capability) -> bool {
    cap.objtype().has_address()
}

fn holds_entries(objtype: ObjType) -> bool {
    use ObjType::{Dispatcher, KernelControlBlock, L1CNode, L2CNode};
    matches!(objtype, L1CNode | L2CNode | Dispatcher | KernelControlBlock)
}

fn level(objtype: ObjType) -> Option<u64> {
    match objtype {
        ObjType::VNodeAarch64L0 => Some(0),
        ObjType::VNodeAarch64L1 => Some(1),
        ObjType::VNodeAarch64L2 => Some(2),
        ObjType::VNodeAarch64L3 => Some(3),
        _ => None,
    }
}

fn is_ram(base: u64, bytes: u64) -> bool {
    base >= BASE && base + bytes <= BASE + BYTES
}

/// A descriptor, or why not.
fn leaf(base: u64, bytes: u64, flags: u64, rights: CapRights, device: bool) -> Result<u64, E> {
    let device = device || !is_ram(base, bytes);
    let wrong = flags > 15
        || flags & 1 == 0
        || flags & 6 == 6
        || flags & 7 & !u64::from(rights.0) != 0
        || (device && flags & 4 != 0);
    if wrong {
        return Err(E::SysVmMapRights);
    }
    let memory = match (device, flags & 8 != 0) {
        (true, _) => MemoryType::Device,
        (false, true) => MemoryType::NonCacheable,
        (false, false) => MemoryType::Normal,
    };
    Ok(aarch64::page(PhysAddr(base), PageFlags(flags), memory))
}

/// Bytes that an entry of a table of that level translates.
pub fn entry_bytes(level: u64) -> u64 {
    [1 << 39, 1 << 30, 1 << 21, 4096][level as usize]
}

/// The leaf as it stands in a table of that level.
fn in_table(page: u64, level: u64, rights: CapRights) -> u64 {
    let bound = u64::from(rights.0 >> 1 & 3) << 55;
    match level {
        3 => page | bound,
        2 => page & !2 | bound,
        _ => page & !2 | bound | 1 << 57,
    }
}

/// The number of a kernel object's Mapping type in an entry that shows it.
fn object_number(objtype: ObjType) -> Option<u64> {
    match objtype {
        ObjType::L1CNode => Some(4),
        ObjType::L2CNode => Some(5),
        _ => level(objtype),
    }
}

impl Model {
    fn get(&self, at: Slot) -> Result<&Held, E> {
        self.caps.get(&at).ok_or(E::SysCapNotFound)
    }

    fn copies_of(&self, at: Slot) -> Vec<Slot> {
        let cap = self.caps[&at].cap;
        let others = self
            .caps
            .iter()
            .filter(|(other, held)| **other != at && is_copy(&held.cap, &cap));
        others.map(|(other, _)| *other).collect()
    }

    /// Puts a capability in; copies share their state.
    pub fn put(&mut self, at: Slot, cap: Capability, in_object: bool, own: State) {
        let copy = self.caps.iter().find(|(_, held)| is_copy(&held.cap, &cap));
        let state = copy.map_or(own, |(_, held)| held.state);
        let object = match copy.and_then(|(other, _)| self.objects.get(other)) {
            Some(object) => *object,
            None => {
                self.last_object += 1;
                self.last_object
            }
        };
        self.objects.insert(at, object);
        let held = Held {
            cap,
            in_object,
            state,
        };
        self.caps.insert(at, held);
        self.order.push(at);
    }

    /// What is in `at` was made from what is in `source`.
    fn derive(&mut self, at: Slot, source: Slot) {
        if let (Some(made), Some(origin)) = (self.objects.get(&at), self.objects.get(&source))
            && made != origin
        {
            self.made_from.insert(*made, *origin);
        }
    }

    /// By the intervals the descendants are those that the forest says.
    pub fn check_forest(&self) {
        for (at, object) in &self.objects {
            let Some(held) = self.caps.get(at) else {
                continue;
            };
            if !in_memory(&held.cap) || held.cap.objtype().is_mapping() {
                continue;
            }
            let stems = |slot: &Slot| {
                let mut next = self.objects.get(slot);
                while let Some(one) = next {
                    next = self.made_from.get(one);
                    if next == Some(object) {
                        return true;
                    }
                }
                false
            };
            let inside = self.descendants(*at);
            for slot in self.caps.keys() {
                let (stems, inside) = (stems(slot), inside.contains(slot));
                let cap = self.caps[slot].cap;
                assert_eq!(
                    stems, inside,
                    "{cap} was made from {}: {stems}; by its place: {inside}",
                    held.cap
                );
            }
        }
    }

    /// The same with a copy of what is in `source`.
    fn put_copy(&mut self, at: Slot, source: Slot, cap: Capability, in_object: bool) {
        self.put(at, cap, in_object, State::default());
        self.order.pop();
        let place = self.place(source) + 1;
        self.order.insert(place, at);
    }

    fn place(&self, at: Slot) -> usize {
        let place = self.order.iter().position(|other| *other == at);
        place.unwrap()
    }

    fn destination(
        &self,
        cnode: Slot,
        first: u64,
        count: u64,
        objtype: ObjType,
    ) -> Result<Slot, E> {
        let cap = self
            .caps
            .get(&cnode)
            .map_or(Capability::NULL, |held| held.cap);
        match cap.objtype() {
            ObjType::L1CNode
                if !matches!(objtype, ObjType::L2CNode | ObjType::KernelControlBlock) =>
            {
                return Err(E::SysDestTypeInvalid);
            }
            ObjType::L1CNode | ObjType::L2CNode => {}
            _ => return Err(E::SysCnodeType),
        }
        if cap.rights().0 & 2 == 0 {
            return Err(E::SysCnodeRights);
        }
        if first + count > cap.size() / 64 {
            return Err(E::SysSlotsInvalid);
        }
        Ok(cap.address() + 64 * first)
    }

    fn empty_slot(&self, dest: (Slot, u32), objtype: ObjType) -> Result<Slot, E> {
        let slot = self.destination(dest.0, u64::from(dest.1), 1, objtype)?;
        if self.caps.contains_key(&slot) {
            return Err(E::SysSlotInUse);
        }
        Ok(slot)
    }

    pub fn copy(&mut self, dest: (Slot, u32), source: Slot) -> Result<(), E> {
        let cap = self.get(source)?.cap;
        let slot = self.empty_slot(dest, cap.objtype())?;
        self.put_copy(slot, source, cap, false);
        Ok(())
    }

    pub fn copy_into_object(&mut self, dest: Slot, source: Slot) -> Result<(), E> {
        let cap = self.get(source)?.cap;
        if self.caps.contains_key(&dest) {
            return Err(E::SysSlotInUse);
        }
        self.put_copy(dest, source, cap, true);
        Ok(())
    }

    pub fn mint(&mut self, dest: (Slot, u32), source: Slot, p1: u64, p2: u64) -> Result<(), E> {
        let Held { cap, state, .. } = self.get(source)?.clone();
        let slot = self.empty_slot(dest, cap.objtype())?;
        let mut own = State::default();
        let minted = if let Some(mut endpoint) = cap.as_end_point_lmp() {
            if endpoint.epbuflen > 0 {
                return Err(E::SysInvalidSourceType);
            }
            if !cap.rights().contains(CapRights::WRITE) {
                return Err(E::SysDestCapRights);
            }
            let words = p2 & 0xffff;
            let shared = kpi::dispatcher::offsets::SHARED_BYTES as u128;
            let last = u128::from(p1) + 16 + 8 * u128::from(words);
            if p2 >> 32 > 0
                || words < 2
                || !p1.is_multiple_of(8)
                || u128::from(p1) < shared
                || last > 512 << 10
            {
                return Err(E::SysInvalidEplen);
            }
            own.foreign = state.foreign;
            endpoint.epoffset = p1;
            endpoint.epbuflen = words as u32;
            endpoint.iftype = (p2 >> 16) as u16;
            Capability::new_end_point_lmp(endpoint, cap.rights())
        } else if let Some(mut endpoint) = cap.as_end_point_ump() {
            endpoint.iftype = p1 as u16;
            Capability::new_end_point_ump(endpoint, cap.rights())
        } else {
            cap.with_rights(CapRights(cap.rights().0 & (p1 as u8)))
        };
        if is_copy(&minted, &cap) && !matches!(cap.objtype(), ObjType::EndPointLmp) {
            self.put_copy(slot, source, minted, false);
        } else {
            self.put(slot, minted, false, own);
            let origin = self.objects.get(&source);
            if let (Some(object), Some(origin)) = (
                self.objects.get(&slot),
                origin.and_then(|origin| self.made_from.get(origin)),
            ) {
                self.made_from.insert(*object, *origin);
            }
        }
        Ok(())
    }

    pub fn create(&mut self, objtype: u8, dest: (Slot, u32)) -> Result<(), E> {
        if objtype != ObjType::Id as u8 {
            return Err(E::SysTypeNotCreatable);
        }
        let slot = self
            .empty_slot(dest, ObjType::Id)
            .map_err(|error| match error {
                E::SysSlotInUse => E::SysSlotsInUse,
                other => other,
            })?;
        self.last_id += 1;
        let id = Id {
            coreid: 0,
            core_local_id: self.last_id,
        };
        self.put(
            slot,
            Capability::new_id(id, CapRights::ALL),
            false,
            State::default(),
        );
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "the arguments of the invocation")]
    pub fn retype(
        &mut self,
        source: Slot,
        objtype: u8,
        bytes: u64,
        count: u64,
        offset: u64,
        dest: (Slot, u32),
        from_monitor: bool,
    ) -> Result<(), E> {
        let Held {
            cap: src, state, ..
        } = self.get(source)?.clone();
        let objtype = match ObjType::from_u8(objtype) {
            None | Some(ObjType::Null) => return Err(E::SysInvalidRetype),
            Some(objtype) => objtype,
        };
        let alignment = if objtype == ObjType::Dispatcher {
            1024
        } else {
            4096
        };
        if src.objtype() != ObjType::IrqSrc && !offset.is_multiple_of(alignment) {
            return Err(E::SysRetypeInvalidOffset);
        }
        let unit = match objtype {
            ObjType::L1CNode => 16384,
            _ if objtype.is_memory() || objtype.is_vnode() => 4096,
            _ => 1,
        };
        if !bytes.is_multiple_of(unit) || (objtype == ObjType::L2CNode && bytes != 16384) {
            return Err(E::SysInvalidSize);
        }
        if objtype.is_mapping() {
            return Err(E::SysRetypeMappingExplicit);
        }
        if !is_well_founded(src.objtype(), objtype) || objtype == ObjType::DeviceId {
            return Err(E::SysInvalidRetype);
        }
        if state.locked {
            return Err(E::SysCapLocked);
        }
        let endpoint = objtype == ObjType::EndPointLmp;
        if !from_monitor && (state.foreign || (state.remote_descs && !endpoint)) {
            return Err(E::SysRetryThroughMonitor);
        }
        let carves = objtype.has_address() && !endpoint;
        let each = match objtype {
            ObjType::Dispatcher => 1024,
            ObjType::KernelControlBlock => 131_072,
            ObjType::L2CNode => 16384,
            _ if objtype.is_vnode() => 4096,
            _ => bytes,
        };
        let most = match objtype {
            ObjType::Domain => 256,
            _ if !carves => 1,
            _ if each == 0 => 0,
            _ => src.size() / each,
        };
        if most == 0 {
            return Err(E::SysInvalidSize);
        }
        if count == 0 || count > most || count > 256 {
            return Err(E::SysRetypeInvalidCount);
        }
        let wanted = u128::from(offset) + u128::from(count) * u128::from(each);
        if carves && wanted > u128::from(src.size()) {
            return Err(E::SysRetypeInvalidOffset);
        }
        let in_ram = (BASE..BASE + BYTES).contains(&src.address());
        if src.objtype() == ObjType::PhysAddr && objtype == ObjType::Ram && !in_ram {
            return Err(E::SysInvalidRetype);
        }
        if let Some(vectors) = src.as_irq_src() {
            if offset > bytes || offset < vectors.vec_start || offset > vectors.vec_end {
                return Err(E::SysRetypeInvalidOffset);
            }
            if bytes < vectors.vec_start || bytes > vectors.vec_end {
                return Err(E::SysRetypeInvalidObjsize);
            }
        }
        let first = self.destination(dest.0, u64::from(dest.1), count, objtype)?;
        if carves {
            let start = src.address() + offset;
            self.free(&src, start, start + count * each)?;
        }
        if (0..count).any(|index| self.caps.contains_key(&(first + 64 * index))) {
            return Err(E::SysSlotsInUse);
        }
        for index in 0..count {
            let base = src
                .address()
                .wrapping_add(offset)
                .wrapping_add(index.wrapping_mul(each));
            let rights = src.rights();
            let cap = match objtype {
                ObjType::Domain => {
                    self.last_domain += 1;
                    let domain = Domain {
                        coreid: 0,
                        core_local_id: self.last_domain,
                    };
                    Capability::new_domain(domain, rights)
                }
                ObjType::IrqSrc => {
                    let vectors = IrqSrc {
                        vec_start: offset,
                        vec_end: bytes,
                    };
                    Capability::new_irq_src(vectors, rights)
                }
                ObjType::EndPointLmp => made(objtype, src.address(), 0, rights),
                _ => made(objtype, base, each, rights),
            };
            self.put(first + 64 * index, cap, false, State::default());
            self.derive(first + 64 * index, source);
        }
        Ok(())
    }

    /// Whether a range is free below the source.
    fn free(&self, src: &Capability, start: u64, stop: u64) -> Result<(), E> {
        let mut innermost: Option<Capability> = None;
        for held in self.caps.values().filter(|held| in_memory(&held.cap)) {
            let cap = held.cap;
            let (a, b) = (cap.address(), cap.address() + cap.size().max(1));
            if b <= start || a >= stop {
                continue;
            }
            if a > start || b < stop {
                return Err(E::SysRevokeFirst);
            }
            if innermost.is_none_or(|other| compare(&other, &cap).is_le()) {
                innermost = Some(cap);
            }
        }
        match innermost {
            Some(cap) if !is_copy(&cap, src) => Err(E::SysRevokeFirst),
            _ => Ok(()),
        }
    }

    /// Takes an entry out and does what that entails.
    fn remove(&mut self, at: Slot) {
        let others = self.copies_of(at);
        let Some(held) = self.caps.remove(&at) else {
            return;
        };
        self.order.retain(|other| *other != at);
        self.objects.remove(&at);
        if held.in_object {
            self.lost.push(at);
        }
        if !others.is_empty() {
            return;
        }
        let cap = held.cap;
        if let Some(mapping) = cap.as_mapping() {
            for index in 0..u64::from(mapping.pte_count) {
                self.entries.remove(&(mapping.pte + 8 * index));
            }
            return;
        }
        let doomed: Vec<Slot> = self
            .caps
            .iter()
            .filter(|(_, other)| {
                other.cap.as_mapping().is_some_and(|mapping| {
                    let of_it = cap.objtype().mapping() == Some(other.cap.objtype())
                        && cap.address() <= mapping.base
                        && mapping.base < end(&cap)
                        && u64::from(mapping.source_pages) * 4096 == cap.size();
                    let in_it = cap.objtype().is_vnode() && mapping.pte & !0xfff == cap.address();
                    of_it || in_it
                })
            })
            .map(|(slot, _)| *slot)
            .collect();
        for slot in doomed {
            self.remove(slot);
        }
    }

    /// [`Self::remove`] of what tells of its end, if its last copy goes.
    fn end(&mut self, at: Slot) {
        let Some(held) = self.caps.get(&at).cloned() else {
            return;
        };
        let is_last = self.copies_of(at).is_empty();
        self.remove(at);
        if is_last {
            self.tell(&held.cap);
        }
    }

    /// The innermost that encloses what is gone is retained, and nothing is left inside: its memory is free.
    fn tell(&mut self, gone: &Capability) {
        if !in_memory(gone) || gone.objtype().is_mapping() {
            return;
        }
        let bytes = match gone.objtype() {
            // With the last endpoint goes what was left of its dispatcher.
            ObjType::EndPointLmp => 1024,
            _ => gone.size(),
        };
        if let (Range::Surrounding, Some(around)) = self.find_range(gone.address(), bytes) {
            let mut all = self.caps.values();
            if all.any(|held| is_copy(&held.cap, &around) && held.state.retained) {
                self.free.push((gone.address(), bytes));
            }
        }
    }

    pub fn retain(&mut self, at: Slot) -> Result<(), E> {
        if self.get(at)?.cap.objtype() != ObjType::Ram {
            return Err(E::SysInvalidSourceType);
        }
        self.share(at, |state| state.retained = true);
        Ok(())
    }

    pub fn has_copies(&self, at: Slot) -> bool {
        !self.copies_of(at).is_empty()
    }

    /// What a name leads to. Half-made things are not known here.
    pub fn lookup(
        &self,
        root: Slot,
        l1: u32,
        l2: u32,
        level: u64,
        rights: CapRights,
    ) -> Result<Slot, E> {
        let may = |cap: &Capability| cap.rights().0 & rights.0 == rights.0;
        match level {
            0 => return Ok(root),
            1 | 2 => {}
            _ => return Err(E::SysCapLookupDepth),
        }
        let cnode = self.caps[&root].cap;
        if !may(&cnode) {
            return Err(E::SysCnodeRights);
        }
        let first = cnode.address() + 64 * u64::from(l1);
        let found = self.caps.get(&first);
        if level == 1 {
            return found.map(|_| first).ok_or(E::SysCapNotFound);
        }
        let cnode = found.ok_or(E::SysCnodeNotFound)?.cap;
        if cnode.objtype() != ObjType::L2CNode {
            return Err(E::SysCnodeType);
        }
        if !may(&cnode) {
            return Err(E::SysCnodeRights);
        }
        let second = cnode.address() + 64 * u64::from(l2);
        let found = self.caps.get(&second);
        found.map(|_| second).ok_or(E::SysCapNotFound)
    }

    /// How capabilities relate to a range of bytes, and one of those that say so.
    pub fn find_range(&self, start: u64, bytes: u64) -> (Range, Option<Capability>) {
        let stop = start + bytes;
        let mut partial: Option<Capability> = None;
        let mut inner: Option<Capability> = None;
        let mut around: Option<Capability> = None;
        for held in self.caps.values().filter(|held| in_memory(&held.cap)) {
            let cap = held.cap;
            let (a, b) = (cap.address(), cap.address() + cap.size().max(1));
            let less = |other: &Capability| compare(&cap, other).is_lt();
            if a <= start && b >= stop && (bytes > 0 || (a < start && b > stop)) {
                if around.is_none_or(|other| !less(&other)) {
                    around = Some(cap);
                }
            } else if a >= start && b <= stop && bytes > 0 {
                if inner.is_none_or(|other| less(&other)) {
                    inner = Some(cap);
                }
            } else if b > start && a < stop && bytes > 0 {
                let cuts_start = a < start;
                // Laminar: those that cut the start are nested, as are those that cut the end.
                if partial.is_none_or(|other| match (cuts_start, other.address() < start) {
                    (true, true) => !less(&other),
                    (false, false) => less(&other),
                    (cuts, _) => cuts,
                }) {
                    partial = Some(cap);
                }
            }
        }
        match (partial, inner, around) {
            (Some(cap), ..) => (Range::Partial, Some(cap)),
            (_, Some(cap), _) => (Range::Inner, Some(cap)),
            (_, _, Some(cap)) => (Range::Surrounding, Some(cap)),
            _ => (Range::NotFound, None),
        }
    }

    pub fn ancestor(&self, at: Slot) -> Option<Slot> {
        let cap = self.caps[&at].cap;
        let encloses = |other: &Capability| {
            in_memory(other)
                && other.size() > 0
                && compare(other, &cap).is_lt()
                && other.address() <= cap.address()
                && end(other) >= cap.address() + cap.size().max(1)
        };
        let found = self.caps.iter().filter(|(_, held)| encloses(&held.cap));
        found
            .max_by(|a, b| compare(&a.1.cap, &b.1.cap))
            .map(|(slot, _)| *slot)
    }

    pub fn delete(&mut self, at: Slot) -> Result<(), E> {
        let Held { cap, state, .. } = self.get(at)?.clone();
        if state.locked {
            return Err(E::SysCapLocked);
        }
        // Its own core sees to what lies in it.
        let is_elsewhere = state.foreign && holds_entries(cap.objtype());
        if self.copies_of(at).is_empty() {
            if state.foreign {
                if (state.remote_copies || state.remote_descs)
                    && in_memory(&cap)
                    && let Some(ancestor) = self.ancestor(at)
                {
                    self.share(ancestor, |state| state.remote_descs = true);
                }
            } else if state.remote_copies || holds_entries(cap.objtype()) {
                return Err(E::SysRetryThroughMonitor);
            }
        }
        if is_elsewhere {
            self.remove(at);
        } else {
            self.end(at);
        }
        Ok(())
    }

    pub fn release(&mut self, at: Slot) -> Result<(), E> {
        if let Some(held) = self.caps.get_mut(&at) {
            held.in_object = false;
        }
        let result = self.delete(at);
        if result.is_err()
            && let Some(held) = self.caps.get_mut(&at)
        {
            held.in_object = true;
        }
        result
    }

    fn may_revoke(&self, at: Slot) -> Result<(), E> {
        let state = self.caps[&at].state;
        if state.locked {
            return Err(E::SysCapLocked);
        }
        if state.foreign || state.remote_copies || state.remote_descs {
            return Err(E::SysRetryThroughMonitor);
        }
        Ok(())
    }

    /// What was made from a capability, by place and size.
    pub fn descendants(&self, at: Slot) -> Vec<Slot> {
        let bytes = self.caps[&at].cap.size();
        let mut found = self.behind(at);
        // One that maps something larger was made from that.
        found.retain(|slot| {
            let mapping = self.caps[slot].cap.as_mapping();
            mapping.is_none_or(|mapping| u64::from(mapping.source_pages) * 4096 <= bytes)
        });
        found
    }

    /// What has its place in a capability, behind it in order.
    pub fn behind(&self, at: Slot) -> Vec<Slot> {
        let cap = self.caps[&at].cap;
        if !in_memory(&cap) || cap.objtype().is_mapping() {
            return Vec::new();
        }
        let mut found: Vec<(Capability, Slot)> = self
            .caps
            .iter()
            .map(|(slot, held)| (held.cap, *slot))
            .filter(|(other, _)| {
                in_memory(other) && compare(other, &cap).is_gt() && other.address() < end(&cap)
            })
            .collect();
        found.sort_by(|a, b| {
            compare(&a.0, &b.0).then_with(|| self.place(a.1).cmp(&self.place(b.1)))
        });
        found.into_iter().map(|(_, slot)| slot).collect()
    }

    pub fn revoke(&mut self, at: Slot) -> Result<(), E> {
        if self.get(at)?.cap.rights().0 & 2 == 0 {
            return Err(E::SysCapRights);
        }
        self.may_revoke(at)?;
        for other in self.copies_of(at) {
            self.remove(other);
        }
        while let Some(last) = self.descendants(at).last().copied() {
            self.may_revoke(last)?;
            let Held { cap, in_object, .. } = self.caps[&last];
            let objtype = cap.objtype();
            if holds_entries(objtype) && self.copies_of(last).is_empty() {
                return Err(E::SysRetryThroughMonitor);
            }
            // Who revokes knows what becomes free, and is told only of what takes more than to be forgotten.
            if objtype.is_vnode() || in_object {
                self.end(last);
            } else {
                self.remove(last);
            }
        }
        Ok(())
    }

    /// Deletes a capability with all that goes with it. State shared with other cores is not looked at.
    pub fn delete_whole(&mut self, at: Slot) {
        let mut marked = Marked::default();
        self.mark(at, &mut marked);
        self.drain(marked);
    }

    /// Revokes a capability with all that goes with it.
    pub fn revoke_whole(&mut self, at: Slot) {
        for other in self.copies_of(at) {
            self.remove(other);
        }
        let mut marked = Marked::default();
        // The entry itself may lie in something made from it.
        for descendant in self.descendants(at) {
            self.mark(descendant, &mut marked);
        }
        self.drain(marked);
    }

    /// Removes a capability, or marks the last copy of what holds others.
    fn mark(&mut self, at: Slot, marked: &mut Marked) {
        let Some(Held { cap, in_object, .. }) = self.caps.get(&at).cloned() else {
            return;
        };
        if marked.waiting.contains(&at) || marked.empty.contains(&at) {
            return;
        }
        let copies = self.copies_of(at);
        let own = cap.address()..end(&cap);
        let is_cnode = matches!(cap.objtype(), ObjType::L1CNode | ObjType::L2CNode);
        let is_last =
            copies.is_empty() || (is_cnode && copies.iter().all(|copy| own.contains(copy)));
        if !is_last || !holds_entries(cap.objtype()) {
            self.end(at);
            return;
        }
        for copy in copies {
            self.remove(copy);
        }
        if in_object {
            self.lost.push(at);
        }
        if let Some(held) = self.caps.get_mut(&at) {
            held.in_object = false;
        }
        marked.waiting.push_back(at);
    }

    /// What is marked goes, with what lies in it.
    fn drain(&mut self, mut marked: Marked) {
        while let Some(at) = marked.waiting.pop_front() {
            let cap = self.caps[&at].cap;
            marked.empty.push(at);
            let bytes = match cap.objtype() {
                ObjType::Dispatcher => 64 * u64::from(caps::DISPATCHER_ENTRIES),
                ObjType::KernelControlBlock => 64,
                _ => cap.size(),
            };
            let inside = self.caps.range(cap.address()..cap.address() + bytes);
            let inside: Vec<Slot> = inside.map(|(slot, _)| *slot).collect();
            for slot in inside {
                self.mark(slot, &mut marked);
            }
        }
        for at in marked.empty {
            self.end(at);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the arguments of the invocation")]
    pub fn map(
        &mut self,
        table: Slot,
        source: Slot,
        flags: u64,
        offset: u64,
        count: u64,
        entry: u64,
        dest: (Slot, u32),
    ) -> Result<(), E> {
        let table = self.get(table)?.cap;
        if table.rights().0 & 2 == 0 {
            return Err(E::SysDestCapRights);
        }
        let src = self.get(source)?.cap;
        if self.caps.get(&dest.0).map(|held| held.cap.objtype()) != Some(ObjType::L2CNode) {
            return Err(E::SysDestTypeInvalid);
        }
        let slot = self.empty_slot(dest, ObjType::FrameMapping)?;
        let level_of_table = level(table.objtype()).ok_or(E::SysVnodeType)?;
        if entry > 511 {
            return Err(E::SysVnodeSlotInvalid);
        }
        let base = src.address().wrapping_add(offset);
        let is_frame = matches!(
            src.objtype(),
            ObjType::Frame | ObjType::EndPointUmp | ObjType::DevFrame
        );
        let object = object_number(src.objtype()).filter(|_| level_of_table == 3);
        let stride = entry_bytes(level_of_table);
        let value = if (is_frame && level_of_table > 0) || object.is_some() {
            if u128::from(offset) + u128::from(stride) > u128::from(src.size())
                || !base.is_multiple_of(stride)
            {
                return Err(E::SysFrameOffsetInvalid);
            }
            if count == 0
                || u128::from(count) + u128::from(entry) > 512
                || offset + count * stride > src.size()
            {
                return Err(E::SysVmMapSize);
            }
            if let Some(number) = object {
                if flags != 1 || src.rights().0 & 17 != 17 {
                    return Err(E::SysVmMapRights);
                }
                leaf(base, 4096, 1, src.rights(), false)? | 1 << 58 | number << 55
            } else {
                let device = src.objtype() == ObjType::DevFrame;
                let page = leaf(base, count * stride, flags, src.rights(), device)?;
                let number = match src.objtype() {
                    ObjType::Frame => 0,
                    ObjType::EndPointUmp => 1,
                    _ => 2,
                };
                in_table(page, level_of_table, src.rights()) | number << 59
            }
        } else {
            if level_of_table < 3 && count != 1 {
                return Err(E::SysVmMapSize);
            }
            if level(src.objtype()) != Some(level_of_table + 1) {
                return Err(E::SysWrongMapping);
            }
            if offset != 0 {
                return Err(E::SysFrameOffsetInvalid);
            }
            src.address() | 3
        };
        let pte = table.address() + 8 * entry;
        if (0..count).any(|index| self.entries.contains_key(&(pte + 8 * index))) {
            return Err(E::SysVnodeSlotInuse);
        }
        for index in 0..count {
            self.entries.insert(pte + 8 * index, value + stride * index);
        }
        let mapping = Mapping {
            base,
            pte,
            source_pages: (src.size() / 4096) as u32,
            pte_count: count as u16,
        };
        let objtype = src.objtype().mapping().unwrap();
        let cap = Capability::new_mapping(objtype, mapping, src.rights()).unwrap();
        self.put(slot, cap, false, State::default());
        self.derive(slot, source);
        Ok(())
    }

    pub fn unmap(&mut self, table: Slot, mapping: Slot) -> Result<(), E> {
        let table = self.get(table)?.cap;
        if table.rights().0 & 2 == 0 {
            return Err(E::SysDestCapRights);
        }
        if !table.objtype().is_vnode() {
            return Err(E::SysVnodeType);
        }
        let Held { cap, state, .. } = self.get(mapping)?.clone();
        let fields = cap.as_mapping().ok_or(E::SysWrongMapping)?;
        if fields.pte & !0xfff != table.address() {
            return Err(E::SysWrongMapping);
        }
        if state.locked {
            return Err(E::SysCapLocked);
        }
        self.forget(mapping);
        Ok(())
    }

    /// Removes a Mapping with its copies.
    fn forget(&mut self, mapping: Slot) {
        for copy in self.copies_of(mapping) {
            self.remove(copy);
        }
        self.remove(mapping);
    }

    pub fn destroy(&mut self, mapping: Slot) -> Result<(), E> {
        let Held { cap, state, .. } = self.get(mapping)?.clone();
        if !cap.objtype().is_mapping() {
            return Err(E::SysWrongMapping);
        }
        if state.locked {
            return Err(E::SysCapLocked);
        }
        self.forget(mapping);
        Ok(())
    }

    pub fn modify(&mut self, mapping: Slot, first: u64, pages: u64, flags: u64) -> Result<(), E> {
        let cap = self.get(mapping)?.cap;
        if !matches!(
            cap.objtype(),
            ObjType::FrameMapping | ObjType::EndPointUmpMapping | ObjType::DevFrameMapping
        ) {
            return Err(E::SysWrongMapping);
        }
        let fields = cap.as_mapping().unwrap();
        let count = u64::from(fields.pte_count);
        if first >= count {
            return Err(E::SysVmMapOffset);
        }
        if pages == 0 || u128::from(first) + u128::from(pages) > u128::from(count) {
            return Err(E::SysVmMapSize);
        }
        self.rewrite(fields.pte + 8 * first, pages, flags, cap.rights())
    }

    pub fn modify_entries(
        &mut self,
        table: Slot,
        first: u64,
        count: u64,
        flags: u64,
    ) -> Result<(), E> {
        let table = self.get(table)?.cap;
        if table.rights().0 & 2 == 0 {
            return Err(E::SysDestCapRights);
        }
        if !table.objtype().is_vnode() {
            return Err(E::SysVnodeType);
        }
        if first > 511 {
            return Err(E::SysVnodeSlotInvalid);
        }
        if count == 0 || u128::from(first) + u128::from(count) > 512 {
            return Err(E::SysVmMapSize);
        }
        let pte = table.address() + 8 * first;
        let is_memory = |index: u64| {
            let value = self.entries.get(&(pte + 8 * index)).copied().unwrap_or(0);
            value & 1 << 10 > 0 && value & 1 << 58 == 0
        };
        if !(0..count).all(is_memory) {
            return Err(E::SysWrongMapping);
        }
        self.rewrite(pte, count, flags, CapRights::ALL)
    }

    /// Other flags for leaves that are there, if all may have them.
    fn rewrite(&mut self, pte: u64, count: u64, flags: u64, rights: CapRights) -> Result<(), E> {
        let mut changed = Vec::new();
        for index in 0..count {
            let old = self.entries.get(&(pte + 8 * index)).copied().unwrap_or(0);
            let bound = CapRights(((old >> 55 & 3) as u8 * 2) | 1);
            let bound = bound.intersection(rights);
            let device = old >> 2 & 7 == 1;
            let page = leaf(old & 0xffff_ffff_f000, 4096, flags, bound, device)?;
            let kept = 2 | 63 << 55;
            changed.push(page & !kept | old & kept);
        }
        for (index, value) in changed.into_iter().enumerate() {
            self.entries.insert(pte + 8 * index as u64, value);
        }
        Ok(())
    }

    /// Changes the state of a capability and its copies.
    pub fn share(&mut self, at: Slot, change: impl Fn(&mut State)) {
        for slot in self.copies_of(at).into_iter().chain([at]) {
            if let Some(held) = self.caps.get_mut(&slot) {
                change(&mut held.state);
            }
        }
    }
}

fn made(objtype: ObjType, base: u64, bytes: u64, rights: CapRights) -> Capability {
    let all = CapRights::ALL;
    match objtype {
        ObjType::L1CNode => {
            let cnode = L1CNode {
                cnode: base,
                rightsmask: all,
                allocated_bytes: bytes,
            };
            Capability::new_l1_cnode(cnode, rights)
        }
        ObjType::L2CNode => {
            let cnode = L2CNode {
                cnode: base,
                rightsmask: all,
            };
            Capability::new_l2_cnode(cnode, rights)
        }
        ObjType::Dispatcher => Capability::new_dispatcher(Dispatcher { dcb: base }, rights),
        ObjType::KernelControlBlock => {
            Capability::new_kernel_control_block(KernelControlBlock { kcb: base }, rights)
        }
        ObjType::EndPointUmp => {
            let endpoint = EndPointUmp {
                base,
                bytes,
                pasid: 0,
                iftype: 0,
            };
            Capability::new_end_point_ump(endpoint, rights)
        }
        ObjType::EndPointLmp => {
            let endpoint = EndPointLmp {
                listener: base,
                epoffset: 0,
                epbuflen: 0,
                iftype: 0,
            };
            Capability::new_end_point_lmp(endpoint, rights)
        }
        _ if objtype.is_vnode() => Capability::new_vnode(objtype, VNode { base }, rights).unwrap(),
        _ => {
            let memory = Memory {
                base,
                bytes,
                pasid: 0,
            };
            Capability::new_memory(objtype, memory, rights).unwrap()
        }
    }
}
