//! The naive model: a list of capabilities, every question answered by looking at all of them.
//!
//! It knows nothing of trees, first copies, steps or budgets. Error codes and their order are written down from the
//! specification (the doc comments of the operations), not from the code.

mod make;
mod questions;
mod removal;
mod tables;

pub use tables::entry_bytes;

use errors::ErrorCode as E;
use kpi::cap::{Capability, ObjType, is_copy};
use std::collections::BTreeMap;

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

fn end(cap: &Capability) -> u64 {
    cap.address() + cap.size()
}

fn in_memory(cap: &Capability) -> bool {
    cap.objtype().has_address()
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

    /// Changes the state of a capability and its copies.
    pub fn share(&mut self, at: Slot, change: impl Fn(&mut State)) {
        for slot in self.copies_of(at).into_iter().chain([at]) {
            if let Some(held) = self.caps.get_mut(&slot) {
                change(&mut held.state);
            }
        }
    }
}
