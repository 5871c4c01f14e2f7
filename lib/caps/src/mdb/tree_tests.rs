//! The tree under random changes: after each, what is in it is what a list says, and every largest end is exact.
//!
//! Runs are removed as `revoke` does it: the last first, some entries as one of a run and some for good, as far as it comes.

use super::*;
use crate::code;
use crate::cte::{Flags, SharedState};
use kpi::addr::PhysAddr;
use kpi::cap::{Id, Mapping, Memory};
use kpi::rights::CapRights;
use proptest::prelude::*;
use std::vec::Vec;

/// Entries at addresses 64, 128 and so on.
struct Slots(Vec<Cte>);

#[expect(
    unsafe_code,
    reason = "references are unsafe to make; here they are indices"
)]
fn at(index: usize) -> CteRef {
    // SAFETY: `Slots` checks the index.
    unsafe { CteRef::new(PhysAddr(64 * (index as u64 + 1))) }
}

fn index(at: CteRef) -> usize {
    (at.address().0 / 64 - 1) as usize
}

#[expect(
    unsafe_code,
    reason = "the trait is unsafe; here entries are a vector's"
)]
// SAFETY: an entry is reached through its vector only, and a reference is its index.
unsafe impl Store for Slots {
    fn cte(&self, at: CteRef) -> &Cte {
        &self.0[index(at)]
    }

    fn cte_mut(&mut self, at: CteRef) -> &mut Cte {
        &mut self.0[index(at)]
    }

    fn slot(&self, _: PhysAddr, _: u32) -> CteRef {
        unreachable!("there are no CNodes")
    }

    fn retire(&mut self, _: PhysAddr, _: u64) {}
}

/// Pages of memory.
const PAGES: u64 = 64;

#[derive(Clone, Copy, Debug)]
enum What {
    /// `1 << level` pages, the n-th so large.
    Memory(u32, u64),
    /// A Mapping of a page, in that page-table entry.
    Mapping(u64, u64),
    /// Behind all memory, without address.
    Token(u32),
}

impl What {
    fn cap(self) -> Capability {
        let all = CapRights::ALL;
        match self {
            Self::Memory(level, n) => {
                let pages = 1 << level;
                let memory = Memory {
                    base: n % (PAGES / pages) * pages * 4096,
                    bytes: pages * 4096,
                    pasid: 0,
                };
                Capability::new_memory(ObjType::Ram, memory, all).unwrap()
            }
            Self::Mapping(page, entry) => {
                let mapping = Mapping {
                    base: page * 4096,
                    pte: 0x8000_0000 + 8 * entry,
                    source_pages: 1,
                    pte_count: 1,
                };
                Capability::new_mapping(ObjType::FrameMapping, mapping, all).unwrap()
            }
            Self::Token(number) => {
                let id = Id {
                    coreid: 0,
                    core_local_id: number,
                };
                Capability::new_id(id, all)
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Change {
    /// Of an owner, if there are no copies.
    Insert(What, Way, u8),
    /// A copy of the n-th that is there, directly behind it.
    Copy(usize),
    /// The n-th that is there.
    Remove(usize),
    /// What is in the range of the n-th that is there, the last first, as far as these turns bring it.
    RemoveRun(usize, Vec<Turn>),
}

/// How a place for something new is found.
#[derive(Clone, Copy, Debug)]
enum Way {
    Search,
    BetweenNeighbours,
    Behind,
    InFront,
    /// As the right child of what encloses it, as a Mapping of its frame: it is this core's.
    Inside,
}

/// The database's core.
const HERE: CoreId = CoreId(1);

/// What `revoke` does next.
#[derive(Clone, Copy, Debug)]
enum Turn {
    /// Removes the last, of whose kind are the others of the run.
    OfRun,
    /// Removes the last for good.
    Alone,
    /// Removes another, as with a table the Mappings in it go.
    Elsewhere(usize),
}

fn change() -> impl Strategy<Value = Change> {
    let what = prop_oneof![
        4 => (0..4u32, 0..PAGES).prop_map(|(level, n)| What::Memory(level, n)),
        1 => (4..7u32, 0..PAGES).prop_map(|(level, n)| What::Memory(level, n)),
        2 => (0..PAGES, 0..4u64).prop_map(|(page, entry)| What::Mapping(page, entry)),
        4 => (0..200u32).prop_map(What::Token),
    ];
    let way = prop_oneof![
        2 => Just(Way::Search),
        2 => Just(Way::BetweenNeighbours),
        1 => Just(Way::Behind),
        1 => Just(Way::InFront),
        2 => Just(Way::Inside),
    ];
    let turn = prop_oneof![
        5 => Just(Turn::OfRun),
        2 => Just(Turn::Alone),
        1 => any::<usize>().prop_map(Turn::Elsewhere),
    ];
    let turns = prop_oneof![
        prop::collection::vec(turn, 0..40),
        Just(vec![Turn::OfRun; 100]),
    ];
    prop_oneof![
        10 => (what, way, 0..3u8).prop_map(|(what, way, owner)| Change::Insert(what, way, owner)),
        2 => any::<usize>().prop_map(Change::Copy),
        2 => any::<usize>().prop_map(Change::Remove),
        1 => (any::<usize>(), turns).prop_map(|(n, turns)| Change::RemoveRun(n, turns)),
    ]
}

struct Tree {
    db: Database,
    slots: Slots,
    /// Indices of the entries that are in the database, as they were put in.
    there: Vec<usize>,
    /// Who owns which, and has owned what went.
    owners: Vec<(Capability, CoreId)>,
}

impl Tree {
    fn new(entries: usize) -> Self {
        Self {
            db: Database::new(HERE),
            slots: Slots((0..entries).map(|_| Cte::EMPTY).collect()),
            there: Vec::new(),
            owners: Vec::new(),
        }
    }

    fn free(&self) -> usize {
        self.slots.0.iter().position(Cte::is_empty).unwrap()
    }

    fn insert(&mut self, what: What, way: Way, owner: u8) -> CteRef {
        let free = self.free();
        let (new, cap, mut owner) = (at(free), what.cap(), CoreId(owner));
        let changes = self.db.changes;
        let bound = self.db.lower_bound(&self.slots, &cap);
        let is_first = self.db.find_equal(&self.slots, &cap).is_none();
        let spot = match (way, bound.before, bound.first) {
            _ if !is_first => None,
            (Way::BetweenNeighbours, before, behind) => {
                Some(Spot::between(&self.slots, before, behind))
            }
            (Way::Behind, Some(before), _) => Some(Spot::behind(&self.slots, before)),
            (Way::InFront, _, Some(behind)) => Some(Spot::between(&self.slots, None, Some(behind))),
            _ => None,
        };
        let end = range_end(&cap);
        if let (Way::Inside, true, Some(parent)) = (way, is_first, bound.before)
            && end > 0
            && range_end(&self.slots.cte(parent).cap) >= end
            && self.slots.cte(parent).links.right().is_none()
        {
            owner = HERE;
            self.db.write_leaf(&mut self.slots, new, cap, end);
            self.db.attach_inside(&mut self.slots, new, parent);
        } else {
            let entry = self.slots.cte_mut(new);
            entry.cap = cap;
            entry.set_shared(SharedState {
                owner,
                flags: Flags::NONE,
            });
            if let Some(spot) = spot {
                let root = type_root(cap.objtype());
                self.db.attach(&mut self.slots, new, spot, root, end);
            } else {
                self.db.insert(&mut self.slots, new).unwrap();
            }
        }
        if is_first {
            self.owners.retain(|(other, _)| !is_copy(other, &cap));
            self.owners.push((cap, owner));
        }
        if !is_first {
            // Behind all copies.
            let next = self.db.successor(&self.slots, new);
            assert!(next.is_none_or(|next| !is_copy(&self.slots.cte(next).cap, &cap)));
        }
        assert_ne!(self.db.changes, changes);
        self.there.push(free);
        new
    }

    fn copy(&mut self, source: CteRef) {
        let free = self.free();
        let cap = self.slots.cte(source).cap;
        let new = at(free);
        self.db
            .fill_follower(&mut self.slots, new, source, cap, Flags::NONE);
        assert_eq!(self.db.successor(&self.slots, source), Some(new));
        assert_eq!(self.db.predecessor(&self.slots, new), Some(source));
        self.there.push(free);
    }

    /// Empties an entry that was taken out of the tree.
    fn clear(&mut self, gone: CteRef) {
        self.slots.cte_mut(gone).clear();
        self.there.retain(|one| *one != index(gone));
    }

    fn remove(&mut self, one: CteRef) {
        let changes = self.db.changes;
        let is_alone = !self.db.has_copies(&self.slots, one);
        if !(is_alone && self.db.remove_leaf(&mut self.slots, one)) {
            self.db.remove(&mut self.slots, one);
        }
        assert!(!self.slots.cte(one).shape.in_database());
        assert_ne!(self.db.changes, changes);
        self.clear(one);
    }

    /// The n-th that is there.
    fn nth(&self, n: usize) -> Option<CteRef> {
        let one = n.checked_rem(self.there.len())?;
        Some(at(self.there[one]))
    }

    fn remove_run(&mut self, target: CteRef, turns: &[Turn]) {
        let cap = self.slots.cte(target).cap;
        if !cap.objtype().has_address() || cap.objtype().is_mapping() {
            return;
        }
        let end = range_end(&cap);
        while let Some(other) = self.db.other_copy(&self.slots, target) {
            self.remove(other);
        }
        let last = |tree: &Self| tree.db.last_before(&tree.slots, end).unwrap();
        let mut first = last(self);
        for turn in turns {
            if let Turn::Elsewhere(n) = turn {
                if let Some(other) = self.nth(*n).filter(|other| *other != target) {
                    self.remove(other);
                    first = last(self);
                }
                continue;
            }
            if first == target {
                break;
            }
            if let Some(last) = self.slots.cte(first).previous_copy() {
                self.remove(last);
                continue;
            }
            let before = neighbour(&self.slots, first, false).unwrap();
            if matches!(turn, Turn::OfRun) {
                self.db.remove_of_run(&mut self.slots, first);
                self.clear(first);
            } else {
                self.remove(first);
            }
            first = before;
        }
        self.db.settle_gap(&mut self.slots, first, end);
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::Insert(what, way, owner) => {
                self.insert(what, way, owner);
            }
            Change::Copy(n) => {
                if let Some(source) = self.nth(n) {
                    self.copy(source);
                }
            }
            Change::Remove(n) => {
                if let Some(one) = self.nth(n) {
                    self.remove(one);
                }
            }
            Change::RemoveRun(n, turns) => {
                if let Some(target) = self.nth(n) {
                    self.remove_run(target, &turns);
                }
            }
        }
    }

    fn check(&self) {
        let mut found = Vec::new();
        let mut next = self.db.first(&self.slots);
        while let Some(one) = next {
            found.push(index(one));
            assert!(found.len() <= self.there.len(), "a circle");
            next = self.db.successor(&self.slots, one);
        }
        found.sort_unstable();
        let mut there = self.there.clone();
        there.sort_unstable();
        assert_eq!(found, there);
        assert_eq!(self.db.count(), there.len() as u64);
        for one in &self.there {
            let cap = self.slots.0[*one].cap;
            let mut owners = self.owners.iter();
            let owner = owners.find(|(other, _)| is_copy(other, &cap));
            let state = self.db.state_of(&self.slots, at(*one));
            assert_eq!(owner.map(|(_, owner)| *owner), Some(state.owner));
        }
        let mut cursor = CheckCursor::default();
        let report = self.db.check_invariants(&self.slots, &mut cursor, u64::MAX);
        assert_eq!((report.violations, report.done), (0, true));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_largest_end_is_exact_after_every_change(changes in prop::collection::vec(change(), 1..150)) {
        let mut tree = Tree::new(200);
        for change in changes {
            tree.change(change);
            tree.check();
        }
    }
}

/// Inserts these, each a child of one before, so that nothing is rotated; and removes a run from the target.
fn run(whats: &[What], turns: &[Turn]) {
    let mut tree = Tree::new(whats.len());
    let entries: Vec<CteRef> = whats
        .iter()
        .map(|what| tree.insert(*what, Way::Search, 0))
        .collect();
    tree.check();
    let is_target = |one: &&CteRef| tree.slots.cte(**one).cap == TARGET.cap();
    let target = entries.iter().find(is_target);
    tree.remove_run(*target.unwrap(), turns);
    tree.check();
}

/// Page 0, before the target.
const BEFORE: What = page(0);

/// Pages 32 to 63.
const TARGET: What = What::Memory(5, 1);

const fn page(n: u64) -> What {
    What::Memory(0, n)
}

/// Token 2 is above the last page, and not above the target.
#[test]
fn what_is_behind_a_run_ends_nowhere_when_it_is_gone() {
    run(&[TARGET, BEFORE, What::Token(2), page(40)], &[Turn::OfRun]);
}

/// The run ends early: page 40 is above page 41.
#[test]
fn what_is_left_of_a_run_ends_where_it_ends() {
    run(&[TARGET, BEFORE, page(40), page(41)], &[Turn::OfRun]);
}

/// Token 1 takes the place of page 40, from below token 2, where page 41 was above it. So token 2 is no longer above what is behind
/// the target, whichever way page 40 goes.
#[test]
fn an_heir_leaves_nothing_of_a_run_behind() {
    for turn in [Turn::OfRun, Turn::Alone] {
        let [one, two, three] = [1, 2, 3].map(What::Token);
        let whats = [page(40), page(39), two, TARGET, page(41), three, one];
        run(&whats, &[Turn::OfRun, turn, Turn::OfRun]);
    }
}

#[test]
fn nothing_is_in_the_tree_twice() {
    let mut tree = Tree::new(2);
    let one = tree.insert(TARGET, Way::Search, 0);
    let again = tree.db.insert(&mut tree.slots, one);
    assert_eq!(again, Err(code::MDB_DUPLICATE_ENTRY));
    tree.check();
}

/// As long as nothing is removed the tree is an AVL tree, whatever the order: of n entries it has at most 1.4405 log2(n + 2) levels.
#[test]
fn the_tree_grows_as_little_as_it_can() {
    for order in [
        |n| n,
        |n| 1999 - n,
        |n| n * 777 % 2000,
        |n| n / 2 + n % 2 * (1999 - n),
    ] {
        let mut tree = Tree::new(2000);
        for n in 0..2000u32 {
            tree.insert(What::Token(order(n)), Way::Search, 0);
            let most = 1.4405 * f64::from(n + 3).log2();
            assert!(f64::from(tree.db.height_bound(&tree.slots)) <= most, "{n}");
        }
    }
}
