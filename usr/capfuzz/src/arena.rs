//! The slots that all children share, and what one child believes to be in them.
//!
//! | Slots | CNode in the root of every child | Who fills them |
//! |---|---|---|
//! | 0 to [`SLOTS`] | the *arena*, [`CNODES`] L2CNodes from root slot [`FIRST`] on, which all may write | children and parent |
//! | from [`SLOTS`] to [`ALL`] | the *stock*, the next one, which children may read only | the parent ([`crate::supply`]) |
//!
//! What a child believes may be wrong at any moment, since the others work in the same slots: a wrong belief is a refused call, and
//! looking again mends it.

use aos::kpi::addr::CapAddr;
use aos::kpi::cap::{Capability, ObjType};
use core::ops::Range;

/// L2CNodes of the arena.
pub const CNODES: u32 = 2;
/// Root slot of the first.
pub const FIRST: u32 = 200;
/// Root slot of the stock.
pub const STOCK: u32 = FIRST + CNODES;
/// Slots of the arena.
pub const SLOTS: usize = CNODES as usize * 256;
/// Slots of arena and stock.
pub const ALL: usize = SLOTS + STOCK_SLOTS;
/// Slots of the stock that are in use.
pub const STOCK_SLOTS: usize = 24;

/// Slots in the CNode of the CSpace that dispatchers are set up with: an L0 table.
pub const VSPACE: u8 = 1;
/// The dispatcher's frame.
pub const FRAME: u8 = 2;

/// Address of a slot, for level 2.
pub const fn address(slot: usize) -> u64 {
    CapAddr::new(FIRST + slot as u32 / 256, slot as u8).0 as u64
}

/// Address of the L2CNode that a slot is in, for level 1.
pub const fn cnode(slot: usize) -> u64 {
    CapAddr::new(FIRST + slot as u32 / 256, 0).0 as u64
}

/// Entries of a table that a Mapping stands for, known to who made it.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Address of the table.
    pub table: u64,
    /// First entry.
    pub entry: u16,
    /// Number of entries.
    pub count: u16,
}

/// What a child believes.
pub struct Belief {
    slots: [Option<Capability>; ALL],
    places: [Option<Place>; SLOTS],
    filled: usize,
}

impl Belief {
    /// All empty.
    pub const fn new() -> Self {
        Self {
            slots: [None; ALL],
            places: [None; SLOTS],
            filled: 0,
        }
    }

    /// What is in a slot.
    pub fn get(&self, slot: usize) -> Option<Capability> {
        self.slots.get(slot).copied().flatten()
    }

    /// Slots of the arena that are in use.
    pub const fn filled(&self) -> usize {
        self.filled
    }

    /// What was seen in a slot.
    pub fn set(&mut self, slot: usize, cap: Option<Capability>) {
        let cap = cap.filter(|cap| cap.objtype() != ObjType::Null);
        let Some(seen) = self.slots.get_mut(slot) else {
            return;
        };
        let before = core::mem::replace(seen, cap);
        if let Some(place) = self.places.get_mut(slot) {
            self.filled =
                (self.filled + usize::from(cap.is_some())) - usize::from(before.is_some());
            if before != cap {
                *place = None;
            }
        }
    }

    /// Where the Mapping in a slot lies.
    pub fn set_place(&mut self, slot: usize, at: Place) {
        if let Some(place) = self.places.get_mut(slot) {
            *place = Some(at);
        }
    }

    /// Where the Mapping in a slot lies, if that is known.
    pub fn place(&self, slot: usize) -> Option<Place> {
        self.places.get(slot).copied().flatten()
    }

    /// A random slot of the range whose content satisfies a condition.
    fn pick_in(
        &self,
        random: &mut fastrand::Rng,
        range: Range<usize>,
        condition: impl Fn(&Capability) -> bool,
    ) -> Option<(usize, Capability)> {
        let start = random.usize(range.clone());
        (start..range.end)
            .chain(range.start..start)
            .filter_map(|slot| self.get(slot).map(|cap| (slot, cap)))
            .find(|(_, cap)| condition(cap))
    }

    /// A random slot whose content satisfies a condition.
    pub fn pick(
        &self,
        random: &mut fastrand::Rng,
        condition: impl Fn(&Capability) -> bool,
    ) -> Option<(usize, Capability)> {
        self.pick_in(random, 0..ALL, condition)
    }

    /// The same, in the arena.
    pub fn pick_own(
        &self,
        random: &mut fastrand::Rng,
        condition: impl Fn(&Capability) -> bool,
    ) -> Option<(usize, Capability)> {
        self.pick_in(random, 0..SLOTS, condition)
    }

    /// A random slot with a capability of that type.
    pub fn of_type(
        &self,
        random: &mut fastrand::Rng,
        objtype: ObjType,
    ) -> Option<(usize, Capability)> {
        self.pick(random, |cap| cap.objtype() == objtype)
    }

    /// A random slot with a Mapping whose place is known.
    pub fn placed(&self, random: &mut fastrand::Rng) -> Option<(usize, Capability, Place)> {
        let start = random.usize(..SLOTS);
        (start..SLOTS).chain(0..start).find_map(|slot| {
            let place = self.place(slot)?;
            self.get(slot).map(|cap| (slot, cap, place))
        })
    }

    /// The first of `count` empty slots in one CNode of the arena.
    pub fn empty(&self, random: &mut fastrand::Rng, count: usize) -> Option<usize> {
        let start = random.usize(..SLOTS);
        (start..SLOTS).chain(0..start).find(|&slot| {
            slot % 256 + count <= 256 && (slot..slot + count).all(|slot| self.get(slot).is_none())
        })
    }

    /// Whether nothing is known that lies in these addresses, apart from what encloses them.
    pub fn is_free(&self, base: u64, bytes: u64) -> bool {
        let end = base + bytes;
        !self.slots.iter().flatten().any(|cap| {
            let (first, behind) = (cap.address(), cap.end());
            let encloses = first <= base && end <= behind;
            let equals = first == base && end == behind;
            first < end && base < behind && (!encloses || equals) && cap.objtype().has_address()
        })
    }

    /// A revoke went through: what derives from `cap`, and its copies, are gone.
    pub fn revoked(&mut self, target: usize, cap: &Capability) {
        for slot in 0..ALL {
            let gone = self.get(slot).is_some_and(|other| {
                let below = match cap.objtype().has_address() {
                    true => other.address() >= cap.address() && other.end() <= cap.end(),
                    false => other == *cap,
                };
                below && slot != target
            });
            if gone {
                self.set(slot, None);
            }
        }
    }
}
