//! Capabilities go: deletion and revocation, of single entries and of all that lies in them, and what has to go with them.

use super::{Held, Model, Slot, end, in_memory};
use caps::Range;
use errors::ErrorCode as E;
use kpi::cap::{Capability, ObjType, is_copy};
use std::collections::VecDeque;

/// What a whole deletion has marked.
#[derive(Default)]
struct Marked {
    /// Whose contents are still to be marked, first come first served.
    waiting: VecDeque<Slot>,
    /// What goes in the end.
    empty: Vec<Slot>,
}

fn holds_entries(objtype: ObjType) -> bool {
    use ObjType::{Dispatcher, KernelControlBlock, L1CNode, L2CNode};
    matches!(objtype, L1CNode | L2CNode | Dispatcher | KernelControlBlock)
}

impl Model {
    /// Takes an entry out and does what that entails.
    pub(super) fn remove(&mut self, at: Slot) {
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
}
