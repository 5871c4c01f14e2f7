//! The slots that all children share, and what one child believes to be in them.
//!
//! The arena is [`CNODES`] L2CNodes, copied into the root CNode of every child at the same places. What a child believes may be
//! wrong at any moment, since the others work in the same slots: a wrong belief is a refused call, and looking again mends it.

use aos::kpi::addr::CapAddr;
use aos::kpi::cap::{Capability, ObjType};

/// L2CNodes of the arena.
pub const CNODES: u32 = 2;
/// Root slot of the first.
pub const FIRST: u32 = 200;
/// Slots in all.
pub const SLOTS: usize = CNODES as usize * 256;

/// Slots of the CNode inside the CSpace that the parent makes for dispatchers: an L0 table and a dispatcher's frame.
pub const VSPACE: u8 = 1;
/// The frame.
pub const FRAME: u8 = 2;

/// Address of a slot, for level 2.
pub const fn address(slot: usize) -> u64 {
    CapAddr::new(FIRST + slot as u32 / 256, slot as u8).0 as u64
}

/// Address of the L2CNode that a slot is in, for level 1.
pub const fn cnode(slot: usize) -> u64 {
    CapAddr::new(FIRST + slot as u32 / 256, 0).0 as u64
}

/// What a child believes.
pub struct Belief {
    slots: [Option<Capability>; SLOTS],
}

impl Belief {
    /// All empty.
    pub const fn new() -> Self {
        Self {
            slots: [None; SLOTS],
        }
    }

    /// What is in a slot.
    pub fn get(&self, slot: usize) -> Option<Capability> {
        self.slots.get(slot).copied().flatten()
    }

    /// What was seen in a slot.
    pub fn set(&mut self, slot: usize, cap: Option<Capability>) {
        if let Some(place) = self.slots.get_mut(slot) {
            *place = cap.filter(|cap| cap.objtype() != ObjType::Null);
        }
    }

    /// A random slot whose content satisfies a condition.
    pub fn pick(
        &self,
        random: &mut fastrand::Rng,
        condition: impl Fn(&Capability) -> bool,
    ) -> Option<(usize, Capability)> {
        let start = random.usize(..SLOTS);
        (start..SLOTS)
            .chain(0..start)
            .filter_map(|slot| self.get(slot).map(|cap| (slot, cap)))
            .find(|(_, cap)| condition(cap))
    }

    /// A random slot with a capability of that type.
    pub fn of_type(
        &self,
        random: &mut fastrand::Rng,
        objtype: ObjType,
    ) -> Option<(usize, Capability)> {
        self.pick(random, |cap| cap.objtype() == objtype)
    }

    /// The first of `count` empty slots in one CNode.
    pub fn empty(&self, random: &mut fastrand::Rng, count: usize) -> Option<usize> {
        let start = random.usize(..SLOTS);
        (start..SLOTS).chain(0..start).find(|&slot| {
            slot % 256 + count <= 256 && (slot..slot + count).all(|slot| self.get(slot).is_none())
        })
    }

    /// A revoke went through: what derives from `cap`, and its copies, are gone.
    pub fn revoked(&mut self, target: usize, cap: &Capability) {
        for (slot, place) in self.slots.iter_mut().enumerate() {
            let gone = place.is_some_and(|other| {
                other.address() >= cap.address() && other.end() <= cap.end() && slot != target
            });
            if gone {
                *place = None;
            }
        }
    }
}
