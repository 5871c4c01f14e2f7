//! The books behind drop and reaper.
//!
//! Every slot that a value owns has an entry, from the birth of the value until the reaper is done with the slot. Memory for
//! the entry is taken when the value is made; dropping it only turns the entry over and hangs it into a list. So a drop
//! cannot fail, allocates nothing and calls nobody: the list cannot be full, because what would be added has its place
//! in it already.
//!
//! Entries that the kernel refused to delete wait in a second list, so that the small reaping of every wait does not try them
//! again and again.

use alloc::collections::BTreeMap;
use kpi::addr::VirtAddr;

/// Which list an entry hangs in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State<K> {
    /// A value owns the slot.
    Live,
    /// No value does; the next of its list.
    Dead(Option<K>),
    /// The reaper works on it.
    Reaping,
}

#[derive(Clone, Copy, Debug)]
struct Entry<K> {
    state: State<K>,
    accounted: bool,
    mapped_at: Option<VirtAddr>,
}

/// A list through the entries, oldest first.
#[derive(Clone, Copy, Debug)]
struct List<K> {
    ends: Option<(K, K)>,
    length: usize,
}

/// What the reaper has to undo.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dead<K> {
    /// The slot.
    pub slot: K,
    /// Its memory goes back to the account.
    pub accounted: bool,
    /// It is mapped here.
    pub mapped_at: Option<VirtAddr>,
}

/// Which slots are owned and which are dead.
#[derive(Debug)]
pub struct Ledger<K> {
    entries: BTreeMap<K, Entry<K>>,
    dead: List<K>,
    refused: List<K>,
}

impl<K: Copy + Ord> Ledger<K> {
    /// Nothing owned.
    pub const fn new() -> Self {
        let empty = List {
            ends: None,
            length: 0,
        };
        Self {
            entries: BTreeMap::new(),
            dead: empty,
            refused: empty,
        }
    }

    /// A value owns this slot from now on. Answers `false` when one does already, or the reaper is not done with it.
    #[must_use]
    pub fn enter(&mut self, slot: K, accounted: bool) -> bool {
        let entry = Entry {
            state: State::Live,
            accounted,
            mapped_at: None,
        };
        match self.entries.entry(slot) {
            alloc::collections::btree_map::Entry::Vacant(place) => {
                place.insert(entry);
                true
            }
            alloc::collections::btree_map::Entry::Occupied(_) => false,
        }
    }

    /// No value owns this slot any more, and nobody has to delete it. Answers whether its memory is of the account.
    pub fn leave(&mut self, slot: K) -> bool {
        self.entries
            .remove(&slot)
            .is_some_and(|entry| entry.accounted)
    }

    /// Whether its memory is of the account.
    pub fn is_accounted(&self, slot: K) -> bool {
        self.entries.get(&slot).is_some_and(|entry| entry.accounted)
    }

    /// Its memory is not of the account any more.
    pub fn disown(&mut self, slot: K) {
        if let Some(entry) = self.entries.get_mut(&slot) {
            entry.accounted = false;
        }
    }

    /// Notes where it is mapped, or that it is not any more.
    pub fn set_mapped(&mut self, slot: K, at: Option<VirtAddr>) {
        if let Some(entry) = self.entries.get_mut(&slot) {
            entry.mapped_at = at;
        }
    }

    /// Its value is gone: the reaper is to delete it. Nothing happens when no value owned it (it left before).
    pub fn bury(&mut self, slot: K) {
        let entry = self.entries.get(&slot);
        if entry.is_some_and(|entry| entry.state == State::Live) {
            let mut list = self.dead;
            self.append(&mut list, slot);
            self.dead = list;
        }
    }

    /// The slot that is dead longest, for the reaper. It must be told by [`Ledger::settle`] or [`Ledger::refuse`].
    pub fn exhume(&mut self) -> Option<Dead<K>> {
        let (first, last) = self.dead.ends?;
        let entry = self.entries.get_mut(&first)?;
        let next = match entry.state {
            State::Dead(next) => next,
            _ => None,
        };
        entry.state = State::Reaping;
        let dead = Dead {
            slot: first,
            accounted: entry.accounted,
            mapped_at: entry.mapped_at,
        };
        self.dead.ends = next.map(|next| (next, last));
        self.dead.length = self.dead.length.saturating_sub(1);
        Some(dead)
    }

    /// The slot is empty and free.
    pub fn settle(&mut self, slot: K) {
        self.entries.remove(&slot);
    }

    /// The slot could not be emptied: it waits for [`Ledger::retry`].
    pub fn refuse(&mut self, slot: K) {
        let mut list = self.refused;
        self.append(&mut list, slot);
        self.refused = list;
    }

    /// What was refused is to be tried again.
    pub fn retry(&mut self) {
        let Some((first, last)) = self.refused.ends else {
            return;
        };
        match self.dead.ends {
            None => self.dead.ends = Some((first, last)),
            Some((head, tail)) => {
                self.link(tail, Some(first));
                self.dead.ends = Some((head, last));
            }
        }
        self.dead.length += self.refused.length;
        self.refused = List {
            ends: None,
            length: 0,
        };
    }

    fn append(&mut self, list: &mut List<K>, slot: K) {
        self.link(slot, None);
        list.ends = match list.ends {
            None => Some((slot, slot)),
            Some((first, last)) => {
                self.link(last, Some(slot));
                Some((first, slot))
            }
        };
        list.length += 1;
    }

    fn link(&mut self, slot: K, next: Option<K>) {
        if let Some(entry) = self.entries.get_mut(&slot) {
            entry.state = State::Dead(next);
        }
    }

    /// Slots that values own.
    pub fn live(&self) -> usize {
        self.entries
            .len()
            .saturating_sub(self.dead.length + self.refused.length)
    }

    /// Slots that wait for the reaper.
    pub const fn dead(&self) -> usize {
        self.dead.length
    }

    /// Slots that could not be emptied so far.
    pub const fn refused(&self) -> usize {
        self.refused.length
    }
}

impl<K: Copy + Ord> Default for Ledger<K> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(ledger: &mut Ledger<u32>) -> Vec<u32> {
        core::iter::from_fn(|| ledger.exhume())
            .map(|dead| dead.slot)
            .collect()
    }

    #[test]
    fn oldest_first_and_only_once() {
        let mut ledger = Ledger::new();
        for slot in [5, 1, 3] {
            assert!(ledger.enter(slot, slot == 1));
            assert!(!ledger.enter(slot, false));
        }
        ledger.bury(3);
        ledger.bury(3);
        ledger.bury(9);
        ledger.bury(1);
        assert_eq!((ledger.live(), ledger.dead()), (1, 2));
        assert!(!ledger.enter(3, false), "dead, but not free yet");
        assert_eq!(slots(&mut ledger), [3, 1]);
        ledger.settle(3);
        ledger.settle(1);
        assert!(ledger.enter(3, false));
    }

    #[test]
    fn refused_ones_wait_until_asked_for() {
        let mut ledger = Ledger::new();
        for slot in 0..4 {
            assert!(ledger.enter(slot, false));
            ledger.bury(slot);
        }
        for slot in slots(&mut ledger) {
            ledger.refuse(slot);
        }
        assert_eq!((ledger.live(), ledger.dead(), ledger.refused()), (0, 0, 4));
        assert_eq!(slots(&mut ledger), []);
        assert!(ledger.enter(7, false));
        ledger.bury(7);
        ledger.retry();
        ledger.retry();
        assert_eq!(slots(&mut ledger), [7, 0, 1, 2, 3]);
    }

    #[test]
    fn who_left_is_not_buried() {
        let mut ledger = Ledger::new();
        assert!(ledger.enter(1, true));
        assert!(ledger.is_accounted(1));
        assert!(ledger.leave(1));
        ledger.bury(1);
        assert_eq!((ledger.live(), ledger.dead()), (0, 0));
        assert!(!ledger.leave(1));
    }
}
