//! What is asked without changing anything: names, ranges of bytes, relatives.

use super::{Model, Slot, end, in_memory};
use caps::Range;
use errors::ErrorCode as E;
use kpi::cap::{Capability, ObjType, compare};
use kpi::rights::CapRights;

impl Model {
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
}
