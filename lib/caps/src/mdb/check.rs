//! The invariants of the database, checked a few entries at a time.

use core::cmp::Ordering;

use kpi::cap::{Capability, ObjType};

use super::tree::copies;
use super::{Database, Key, range_end};
use crate::cte::{CteRef, Flags, SharedState};
use crate::env::Store;

/// Where a check goes on. The database may change between two calls: the check then goes on behind the copies of the last entry,
/// which it remembers by value.
#[derive(Clone, Copy, Debug, Default)]
pub struct CheckCursor {
    last: Option<(Capability, CteRef)>,
    changes: u64,
}

/// Result of a part of the check.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CheckReport {
    /// Entries looked at.
    pub entries: u64,
    /// Violated invariants.
    pub violations: u64,
    /// The end was reached; the next call begins anew.
    pub done: bool,
}

impl Database {
    /// Checks up to `limit` entries from the cursor on, and moves it.
    ///
    /// Per entry: it holds a capability; it comes before the next one; copies are in its ring, and only they; shared state is in the first copy
    /// only; nothing crosses the range of its successor. Per node: its children are on the right sides, know it as their parent and have lower
    /// ranks; the largest end is right.
    pub fn check_invariants<S: Store>(
        &self,
        store: &S,
        cursor: &mut CheckCursor,
        limit: u64,
    ) -> CheckReport {
        let mut report = CheckReport::default();
        let mut next = match &cursor.last {
            None => self.first(store),
            Some((_, at)) if cursor.changes == self.changes => self.successor(store, *at),
            Some((cap, _)) => self.upper_bound(store, cap).first,
        };
        while let Some(at) = next {
            if report.entries >= limit {
                return report;
            }
            report.entries += 1;
            let successor = self.successor(store, at);
            report.violations += self.check_entry(store, at, successor);
            cursor.last = Some((store.cte(at).cap, at));
            cursor.changes = self.changes;
            next = successor;
        }
        cursor.last = None;
        report.done = true;
        report
    }

    fn check_entry<S: Store>(&self, store: &S, at: CteRef, successor: Option<CteRef>) -> u64 {
        let node = store.cte(at);
        let key = Key::of(&node.cap);
        let mut violations = 0;
        let mut expect = |holds: bool| violations += u64::from(!holds);

        expect(node.cap.objtype() != ObjType::Null);
        if node.shape.is_follower() {
            expect(node.shared() == SharedState::default());
        } else {
            violations += self.check_node(store, at);
        }
        let mut expect = |holds: bool| violations += u64::from(!holds);
        let previous = self.predecessor(store, at);
        let behind = copies(store, successor, at);
        expect(node.shape.is_follower() == copies(store, previous, at));
        expect(node.shape.has_copies() == (behind || node.shape.is_follower()));
        if node.shape.has_copies() {
            // What is half made or half deleted is alone.
            expect(!node.flags.has(Flags::UNUSABLE));
        }
        if let (Some(next), Some(previous)) = (node.next_copy(), node.previous_copy()) {
            expect(store.cte(next).previous_copy() == Some(at));
            expect(store.cte(previous).next_copy() == Some(at));
            expect(store.cte(next).shape.is_follower() == behind);
        }
        if let Some(successor) = successor {
            let next = &store.cte(successor).cap;
            expect(key.order_slowly(store.cte(successor)) != Ordering::Greater);
            let (end, next_end) = (range_end(&node.cap), range_end(next));
            let same_root = next.objtype().type_root() == key.root;
            expect(!same_root || next.address() >= end || next_end <= end || end == 0);
        }
        violations
    }

    /// What only nodes of the tree have.
    fn check_node<S: Store>(&self, store: &S, at: CteRef) -> u64 {
        let node = store.cte(at);
        let key = Key::of(&node.cap);
        let mut violations = 0;
        let mut expect = |holds: bool| violations += u64::from(!holds);
        expect(node.root == key.root);
        expect(node.shape.level() > 0);
        let mut max_end = range_end(&node.cap);
        let children = [
            (node.links.left(), Ordering::Less),
            (node.links.right(), Ordering::Greater),
        ];
        for (child, wrong) in children {
            if let Some(child) = child {
                let child_node = store.cte(child);
                expect(child_node.links.parent() == Some(at));
                expect(key.order_slowly(child_node) == wrong.reverse());
                expect(child_node.shape.level() < node.shape.level());
                max_end = max_end.max(child_node.max_end);
            }
        }
        expect(node.max_end == max_end);
        match node.links.parent() {
            None => expect(self.root == Some(at)),
            Some(parent) => {
                let links = store.cte(parent).links;
                expect(links.left() == Some(at) || links.right() == Some(at));
            }
        }
        violations
    }
}
