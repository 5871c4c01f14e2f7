//! The mapping database: every capability of this core, ordered so that relatives are neighbours.
//!
//! Order: type root, address, size (larger first), type number, `eq` fields. So a capability precedes everything
//! made from it, its copies are neighbours, and what lies inside a range is one run. Among copies a new one comes directly behind the
//! entry it was made from.
//!
//! Nothing but the entries themselves is used. **The first of several copies** is a node of a search tree with parent links; the others follow
//! it in a ring, so that copying and deleting copies touch two neighbours and no tree; if the first goes, the next takes its place. Each node has
//! the largest end address below it (of what has an address: one type root only). **The tree** is balanced by ranks when it
//! grows and never when it shrinks (`balance`): its height stays below 1.45 log2 of the insertions so far. Every query
//! visits O(log n) nodes, a change mostly a constant number; nothing allocates and nothing recurses.
//!
//! | File | What |
//! |---|---|
//! | `tree` | insert and remove |
//! | `balance` | ranks and largest ends after a change |
//! | `find` | neighbours, bounds |
//! | `range` | what overlaps a range of bytes |
//! | `relations` | copies, ancestors, descendants, shared state |
//! | `check` | invariants, for tests |
//!
//! **Laminar ranges.** The ranges of two capabilities of one type root are disjoint or nested: retype carves from inside a
//! source and refuses overlap, and [`Database::insert_original`] refuses a range that cuts through another. Range queries rely on it.
//!
//! Barrelfish counterpart: `lib/mdb` (an AA tree, recursive, with shared state in every copy).

mod balance;
mod check;
mod find;
mod range;
mod relations;
mod tree;
#[cfg(test)]
mod tree_tests;

pub use check::{CheckCursor, CheckReport};
pub(crate) use find::{neighbour, next_above};
pub use range::Range;
pub(crate) use range::begins_before;
pub(crate) use tree::Spot;

use core::cmp::Ordering;
use core::hash::{Hash, Hasher};

use kpi::addr::CoreId;
use kpi::cap::{Capability, ObjType, compare};

use crate::cte::{Cte, CteRef};
use crate::env::Store;
use crate::facts::{is_mapping, size, stores_size, type_root};
use crate::ops::{Pending, Reached, Resizing};

/// Type root of everything that has an address.
pub(crate) const MEMORY_ROOT: u8 = ObjType::PhysAddr.type_root();

/// The capabilities of one core.
///
/// Starts empty. Its methods take the environment that reaches the entries; one database belongs to one environment. Model
/// checkers copy both; what is hashed is all that decides what it will do, so not the count of changes.
#[derive(Clone, Debug)]
pub struct Database {
    pub(crate) root: Option<CteRef>,
    core: CoreId,
    count: u64,
    /// The last number given to an ID.
    pub(crate) last_id: u32,
    /// The last number given to a Domain.
    pub(crate) last_domain: u32,
    /// What is being deleted in steps.
    pub(crate) pending: Pending,
    /// Where the table took effect in which something was last unmapped.
    pub(crate) reached: Option<Reached>,
    /// Counts insertions and removals.
    pub(crate) changes: u64,
    /// How far a resize has come.
    pub(crate) resizing: Option<Resizing>,
    /// Some capability is or was retained.
    pub(crate) retains: bool,
}

impl Database {
    /// An empty database for this core.
    pub const fn new(core: CoreId) -> Self {
        Self {
            root: None,
            core,
            count: 0,
            last_id: 0,
            last_domain: 0,
            pending: Pending::NONE,
            reached: None,
            changes: 0,
            resizing: None,
            retains: false,
        }
    }

    /// An empty database whose ID and Domain numbers go on behind these: those given out before are not given again.
    pub const fn going_on(core: CoreId, last_id: u32, last_domain: u32) -> Self {
        let mut database = Self::new(core);
        database.last_id = last_id;
        database.last_domain = last_domain;
        database
    }

    /// The core it belongs to.
    #[inline]
    pub fn core(&self) -> CoreId {
        self.core
    }

    /// What the height of the tree cannot exceed: the rank of its root, plus 1.
    #[inline]
    pub(crate) fn height_bound<S: Store>(&self, store: &S) -> u8 {
        self.root.map_or(0, |root| store.cte(root).shape.level())
    }

    /// Number of live capabilities.
    #[inline]
    pub fn count(&self) -> u64 {
        self.count
    }
}

impl Hash for Database {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.root, self.core, self.count).hash(state);
        (self.last_id, self.last_domain).hash(state);
        self.pending.hash(state);
    }
}

/// A capability prepared for comparing with many nodes.
#[derive(Clone, Copy)]
pub(crate) struct Key {
    pub(crate) cap: Capability,
    pub(crate) root: u8,
    pub(crate) address: u64,
}

impl Key {
    #[inline]
    pub(crate) fn of(cap: &Capability) -> Self {
        let root = type_root(cap.objtype());
        Self {
            cap: *cap,
            root,
            address: if root == MEMORY_ROOT {
                first_word(cap)
            } else {
                0
            },
        }
    }

    /// Whether the key comes before the node, `equal` if it is neither before nor behind it. Nearly always
    /// decided by the first two sort keys, of which the first is nearly always that of memory.
    #[inline(always)]
    pub(crate) fn is_before(&self, node: &Cte, equal: bool) -> bool {
        if let Some(before) = self.is_before_quickly(node) {
            return before;
        }
        match self.order_slowly(node) {
            Ordering::Less => true,
            Ordering::Equal => equal,
            Ordering::Greater => false,
        }
    }

    #[inline(always)]
    fn is_before_quickly(&self, node: &Cte) -> Option<bool> {
        if self.root == MEMORY_ROOT && node.root == MEMORY_ROOT {
            let node_address = first_word(&node.cap);
            if self.address != node_address {
                return Some(self.address < node_address);
            }
        }
        None
    }

    /// Order relative to a node, by all keys.
    #[inline(never)]
    pub(crate) fn order_slowly(&self, node: &Cte) -> Ordering {
        match self.root.cmp(&type_root(node.cap.objtype())) {
            Ordering::Equal if self.root == MEMORY_ROOT => order_in_memory(&self.cap, &node.cap),
            Ordering::Equal if is_identical(&self.cap, &node.cap) => Ordering::Equal,
            Ordering::Equal => compare(&self.cap, &node.cap),
            order => order,
        }
    }

    /// Whether it has an address, before `end`.
    #[inline]
    pub(crate) fn is_memory_before(&self, end: u64) -> bool {
        self.root == MEMORY_ROOT && self.address < end
    }
}

/// [`compare`] of two that have addresses, in 30 instructions: many mappings of one page have one address, and a search for one of
/// them comes to this at most nodes.
#[inline]
fn order_in_memory(a: &Capability, b: &Capability) -> Ordering {
    let (kind, other) = (a.objtype(), b.objtype());
    let ([address, word, _], [other_address, other_word, _]) = (a.to_words(), b.to_words());
    if address != other_address {
        return address.cmp(&other_address);
    }
    if kind != other {
        // The larger one first.
        return size(b).cmp(&size(a)).then_with(|| kind.cmp(&other));
    }
    if stores_size(kind) {
        other_word.cmp(&word)
    } else if kind == ObjType::EndPointLmp || is_mapping(kind) {
        // Where the buffer is; the page-table entry.
        word.cmp(&other_word)
    } else {
        Ordering::Equal
    }
}

/// Whether all but the rights is the same.
#[inline]
fn is_identical(a: &Capability, b: &Capability) -> bool {
    let ([a0, a1, a2], [b0, b1, b2]) = (a.to_words(), b.to_words());
    a0 == b0 && a1 == b1 && (a2 ^ b2) << 8 == 0
}

/// Whether two capabilities of the database are copies: [`kpi::cap::is_copy`], with the common cases first.
#[inline]
pub(crate) fn is_copy(a: &Capability, b: &Capability) -> bool {
    if a.objtype() != b.objtype() {
        return false;
    }
    if is_identical(a, b) {
        return true;
    }
    if first_word(a) != first_word(b) && type_root(a.objtype()) == MEMORY_ROOT {
        return false;
    }
    is_copy_of_different(a, b)
}

#[inline(never)]
fn is_copy_of_different(a: &Capability, b: &Capability) -> bool {
    kpi::cap::is_copy(a, b)
}

/// The address of a capability that has [`MEMORY_ROOT`] (Hamlet stores it in the first word).
#[inline]
pub(crate) fn first_word(cap: &Capability) -> u64 {
    let [word, _, _] = cap.to_words();
    word
}

/// Bytes a capability with [`MEMORY_ROOT`] takes in range queries; what has size 0 lies on one byte.
#[inline]
pub(crate) fn range_bytes(cap: &Capability) -> u64 {
    size(cap).max(1)
}

/// First address behind the range of a capability; 0 if it has no address.
#[inline]
pub(crate) fn range_end(cap: &Capability) -> u64 {
    if type_root(cap.objtype()) == MEMORY_ROOT {
        first_word(cap).saturating_add(range_bytes(cap))
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_an_address_is_ordered_as_hamlet_says() {
        let words = [0, 64, 0x1000, 0x4000];
        let caps: Vec<_> = ObjType::ALL
            .into_iter()
            .filter(|objtype| objtype.has_address())
            .flat_map(|objtype| words.map(|first| words.map(|second| (objtype, first, second))))
            .flatten()
            .filter_map(|(objtype, first, second)| {
                Capability::from_words([first, second, (objtype as u64) << 48 | 0x7_0001])
            })
            .collect();
        assert!(caps.len() > 200, "{}", caps.len());
        for a in &caps {
            for b in &caps {
                assert_eq!(order_in_memory(a, b), compare(a, b), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn every_type_of_the_memory_root_has_its_address_in_the_first_word() {
        for objtype in ObjType::ALL {
            let memory = objtype.type_root() == MEMORY_ROOT;
            assert_eq!(memory, objtype.has_address(), "{objtype}");
            let word2 = (objtype as u64) << 48;
            if memory && let Some(cap) = Capability::from_words([0x1234_5000, 0, word2]) {
                assert_eq!(cap.address(), 0x1234_5000, "{objtype}");
            }
        }
    }
}
