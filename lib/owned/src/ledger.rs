//! The books behind drop and reaper.
//!
//! Every slot that a value owns has an entry, from the birth of the value until the reaper is done with the slot. Memory for
//! the entries of a CNode is taken when the first of its slots gets an owner; dropping a value only turns its entry over and
//! hangs it into a list. So a drop cannot fail, allocates nothing and calls nobody: the list cannot be full, because what
//! would be added has its place in it already.
//!
//! Entries that the kernel refused to delete wait in a second list, so that the small reaping of every wait does not try them
//! again and again.
//!
//! Cost: 16 bytes for each slot of a CNode in which something is owned; a binary search among these CNodes.

use alloc::vec::Vec;
use errors::{Error, ErrorCode};
use kpi::addr::VirtAddr;

/// Names a slot in the books: the CNode in the upper 56 bits, the slot in it in the lower 8.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Key(pub u64);

/// Slots of one block of entries.
const SLOTS: usize = 256;

impl Key {
    const fn block(self) -> u64 {
        self.0 >> 8
    }

    const fn index(self) -> usize {
        self.0 as usize % SLOTS
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// No value owns the slot.
    Free,
    /// One does.
    Live,
    /// One did: in a list.
    Dead,
    /// The reaper works on it.
    Reaping,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// The next of its list; meaningless for the last.
    next: Key,
    state: State,
    accounted: bool,
}

const FREE: Entry = Entry {
    next: Key(0),
    state: State::Free,
    accounted: false,
};

/// A list through the entries, oldest first.
#[derive(Clone, Copy, Debug)]
struct List {
    first: Key,
    last: Key,
    length: usize,
}

const EMPTY: List = List {
    first: Key(0),
    last: Key(0),
    length: 0,
};

/// What the reaper has to undo.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dead {
    /// The slot.
    pub slot: Key,
    /// Its memory goes back to the account.
    pub accounted: bool,
    /// It is mapped here.
    pub mapped_at: Option<VirtAddr>,
}

/// Which slots are owned and which are dead.
#[derive(Debug)]
pub struct Ledger {
    /// By block, ascending; [`SLOTS`] entries each.
    blocks: Vec<(u64, Vec<Entry>)>,
    /// Where what is mapped is mapped, by slot, ascending.
    mapped: Vec<(Key, VirtAddr)>,
    live: usize,
    dead: List,
    refused: List,
}

impl Ledger {
    /// Nothing owned.
    pub const fn new() -> Self {
        Self {
            blocks: Vec::new(),
            mapped: Vec::new(),
            live: 0,
            dead: EMPTY,
            refused: EMPTY,
        }
    }

    fn entry(&self, slot: Key) -> Option<&Entry> {
        let at = self
            .blocks
            .binary_search_by_key(&slot.block(), |(block, _)| *block);
        self.blocks.get(at.ok()?)?.1.get(slot.index())
    }

    fn entry_mut(&mut self, slot: Key) -> Option<&mut Entry> {
        let at = self
            .blocks
            .binary_search_by_key(&slot.block(), |(block, _)| *block);
        self.blocks.get_mut(at.ok()?)?.1.get_mut(slot.index())
    }

    /// Makes room for the entries of the slot's CNode.
    fn prepare(&mut self, slot: Key) -> Result<(), Error> {
        let at = self
            .blocks
            .binary_search_by_key(&slot.block(), |(block, _)| *block);
        let Err(place) = at else {
            return Ok(());
        };
        let no_memory = |_| Error::new(ErrorCode::LibMallocFail);
        let mut entries = Vec::new();
        entries.try_reserve_exact(SLOTS).map_err(no_memory)?;
        entries.resize(SLOTS, FREE);
        self.blocks.try_reserve(1).map_err(no_memory)?;
        self.blocks.insert(place, (slot.block(), entries));
        Ok(())
    }

    /// A value owns this slot from now on. `accounted`: its memory is of the account.
    ///
    /// # Errors
    /// `LIB_ERR_CAP_OWNED` when one does already, or the reaper is not done with it. `LIB_ERR_MALLOC_FAIL`.
    pub fn enter(&mut self, slot: Key, accounted: bool) -> Result<(), Error> {
        self.prepare(slot)?;
        match self.entry_mut(slot) {
            Some(entry) if entry.state == State::Free => {
                entry.state = State::Live;
                entry.accounted = accounted;
                self.live += 1;
                Ok(())
            }
            _ => Err(Error::new(ErrorCode::LibCapOwned)),
        }
    }

    /// No value owns this slot any more, and nobody has to delete it.
    pub fn leave(&mut self, slot: Key) {
        if let Some(entry) = self.entry_mut(slot)
            && entry.state == State::Live
        {
            entry.state = State::Free;
            self.live -= 1;
        }
    }

    /// Whether its memory is of the account.
    pub fn is_accounted(&self, slot: Key) -> bool {
        self.entry(slot).is_some_and(|entry| entry.accounted)
    }

    /// Its memory is not of the account any more.
    pub fn disown(&mut self, slot: Key) {
        if let Some(entry) = self.entry_mut(slot) {
            entry.accounted = false;
        }
    }

    /// Notes where it is mapped.
    ///
    /// # Errors
    /// `LIB_ERR_MALLOC_FAIL`.
    pub fn set_mapped(&mut self, slot: Key, at: VirtAddr) -> Result<(), Error> {
        let no_memory = |_| Error::new(ErrorCode::LibMallocFail);
        self.mapped.try_reserve(1).map_err(no_memory)?;
        let place = self.mapped.partition_point(|(key, _)| *key < slot);
        self.mapped.insert(place, (slot, at));
        Ok(())
    }

    /// It is not mapped any more.
    pub fn set_unmapped(&mut self, slot: Key) {
        if let Ok(at) = self.mapped.binary_search_by_key(&slot, |(key, _)| *key) {
            self.mapped.remove(at);
        }
    }

    fn mapped_at(&self, slot: Key) -> Option<VirtAddr> {
        let at = self.mapped.binary_search_by_key(&slot, |(key, _)| *key);
        self.mapped.get(at.ok()?).map(|(_, address)| *address)
    }

    /// Its value is gone: the reaper is to delete it. Nothing happens when no value owned it (it left before).
    pub fn bury(&mut self, slot: Key) {
        let entry = self.entry(slot);
        if entry.is_some_and(|entry| entry.state == State::Live) {
            self.live -= 1;
            self.dead = self.append(self.dead, slot);
        }
    }

    /// The slot that is dead longest, for the reaper, which must then call [`Ledger::settle`] or [`Ledger::refuse`].
    pub fn exhume(&mut self) -> Option<Dead> {
        if self.dead.length == 0 {
            return None;
        }
        let slot = self.dead.first;
        let mapped_at = self.mapped_at(slot);
        let entry = self.entry_mut(slot)?;
        entry.state = State::Reaping;
        let (next, accounted) = (entry.next, entry.accounted);
        self.dead.first = next;
        self.dead.length -= 1;
        Some(Dead {
            slot,
            accounted,
            mapped_at,
        })
    }

    /// The slot is empty.
    pub fn settle(&mut self, slot: Key) {
        if let Some(entry) = self.entry_mut(slot) {
            entry.state = State::Free;
        }
    }

    /// The slot could not be emptied: it waits for [`Ledger::retry`].
    pub fn refuse(&mut self, slot: Key) {
        self.refused = self.append(self.refused, slot);
    }

    /// What was refused is to be tried again.
    pub fn retry(&mut self) {
        let refused = core::mem::replace(&mut self.refused, EMPTY);
        if refused.length == 0 {
            return;
        }
        if self.dead.length == 0 {
            self.dead = refused;
            return;
        }
        let last = self.dead.last;
        if let Some(entry) = self.entry_mut(last) {
            entry.next = refused.first;
        }
        self.dead.last = refused.last;
        self.dead.length += refused.length;
    }

    /// The list with the slot behind its end.
    fn append(&mut self, mut list: List, slot: Key) -> List {
        if list.length == 0 {
            list.first = slot;
        } else if let Some(entry) = self.entry_mut(list.last) {
            entry.next = slot;
        }
        if let Some(entry) = self.entry_mut(slot) {
            entry.state = State::Dead;
        }
        list.last = slot;
        list.length += 1;
        list
    }

    /// Slots that values own.
    pub const fn live(&self) -> usize {
        self.live
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

impl Default for Ledger {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(ledger: &mut Ledger) -> Vec<u64> {
        core::iter::from_fn(|| ledger.exhume())
            .map(|dead| dead.slot.0)
            .collect()
    }

    fn enter(ledger: &mut Ledger, slot: u64) -> bool {
        ledger.enter(Key(slot), false).is_ok()
    }

    #[test]
    fn oldest_first_and_only_once() {
        let mut ledger = Ledger::new();
        for slot in [5, 1, 3000] {
            assert!(enter(&mut ledger, slot));
            let twice = ledger.enter(Key(slot), true).map_err(Error::code);
            assert_eq!(twice, Err(ErrorCode::LibCapOwned));
        }
        for slot in [3000, 3000, 9, 1, 77_000] {
            ledger.bury(Key(slot));
        }
        assert_eq!((ledger.live(), ledger.dead()), (1, 2));
        assert!(!enter(&mut ledger, 3000), "dead, but not free yet");
        assert_eq!(slots(&mut ledger), [3000, 1]);
        ledger.settle(Key(3000));
        ledger.settle(Key(1));
        assert!(enter(&mut ledger, 3000));
        assert_eq!((ledger.live(), ledger.dead()), (2, 0));
    }

    #[test]
    fn refused_ones_wait_until_asked_for() {
        let mut ledger = Ledger::new();
        for slot in 0..4 {
            assert!(enter(&mut ledger, slot));
            ledger.bury(Key(slot));
        }
        for slot in slots(&mut ledger) {
            ledger.refuse(Key(slot));
        }
        assert_eq!((ledger.live(), ledger.dead(), ledger.refused()), (0, 0, 4));
        assert_eq!(slots(&mut ledger), []);
        assert!(enter(&mut ledger, 7));
        ledger.bury(Key(7));
        ledger.retry();
        ledger.retry();
        assert_eq!(slots(&mut ledger), [7, 0, 1, 2, 3]);
    }

    #[test]
    fn who_left_is_not_buried() {
        let mut ledger = Ledger::new();
        assert!(ledger.enter(Key(1), true).is_ok());
        assert!(ledger.is_accounted(Key(1)));
        ledger.leave(Key(1));
        ledger.leave(Key(1));
        ledger.bury(Key(1));
        assert_eq!((ledger.live(), ledger.dead()), (0, 0));
    }

    #[test]
    fn the_reaper_learns_where_it_is_mapped() {
        let mut ledger = Ledger::new();
        for slot in [4, 2, 3] {
            assert!(enter(&mut ledger, slot));
            assert!(ledger.set_mapped(Key(slot), VirtAddr(slot << 12)).is_ok());
        }
        ledger.set_unmapped(Key(3));
        for slot in [2, 3, 4] {
            ledger.bury(Key(slot));
        }
        let mapped = |ledger: &mut Ledger| ledger.exhume().and_then(|dead| dead.mapped_at);
        assert_eq!(mapped(&mut ledger), Some(VirtAddr(0x2000)));
        assert_eq!(mapped(&mut ledger), None);
        assert_eq!(mapped(&mut ledger), Some(VirtAddr(0x4000)));
    }
}
