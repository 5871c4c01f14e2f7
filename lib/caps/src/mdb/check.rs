//! The invariants of the database, checked a few entries at a time.

use core::cmp::Ordering;

use kpi::cap::{Capability, ObjType};

use super::tree::copies;
use super::{Database, Key, MAX_DEPTH, range_end};
use crate::cte::{CteRef, Flags, Shape, SharedState};
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
    /// Per entry: it holds a capability; it comes before the next one; its children are on the right sides and know it as their
    /// parent; its sides are as high as it says; what it says about copies is true; the largest end is right; shared state is in the first copy only; nothing crosses the range of
    /// its successor.
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
        expect(node.root == key.root);
        let mut max_end = range_end(&node.cap);
        let mut heights = [0, 0];
        let children = [
            (node.links.left(), Ordering::Less),
            (node.links.right(), Ordering::Greater),
        ];
        for ((child, wrong), height) in children.into_iter().zip(&mut heights) {
            if let Some(child) = child {
                let child_node = store.cte(child);
                expect(child_node.links.parent() == Some(at));
                expect(key.order_slowly(child_node) != wrong);
                max_end = max_end.max(child_node.max_end);
                *height = height_of(store, child);
            }
        }
        let [left, right] = heights;
        let balance = match right.checked_sub(left) {
            None => Shape::LEFT,
            Some(0) => Shape::EVEN,
            Some(_) => Shape::RIGHT,
        };
        expect(node.shape.balance() == balance);
        expect(left.abs_diff(right) <= 1);
        expect(left.max(right) < MAX_DEPTH);
        expect(node.max_end == max_end);
        match node.links.parent() {
            None => expect(self.root == Some(at)),
            Some(parent) => {
                let links = store.cte(parent).links;
                expect(links.left() == Some(at) || links.right() == Some(at));
            }
        }

        let previous = self.predecessor(store, at);
        expect(node.shape.copy_before() == copies(store, previous, at));
        expect(node.shape.copy_behind() == copies(store, successor, at));
        if node.shape.copy_before() {
            expect(node.shared() == SharedState::default());
        } else if node.shape.copy_behind() {
            // What is half deleted is the last copy.
            expect(!node.flags.has(Flags::IN_DELETE));
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
}

/// Height of a subtree in which every node knows rightly which side is higher.
fn height_of<S: Store>(store: &S, top: CteRef) -> usize {
    let mut next = Some(top);
    let mut height = 0;
    while let Some(at) = next
        && height < MAX_DEPTH
    {
        let node = store.cte(at);
        next = node.links.child(node.shape.balance() != Shape::LEFT);
        height += 1;
    }
    height
}
