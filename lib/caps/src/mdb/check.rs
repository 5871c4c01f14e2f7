//! The invariants of the database, checked a few entries at a time.

use core::cmp::Ordering;

use kpi::cap::{Capability, ObjType};

use super::tree::{copies, first_below};
use super::{Database, Key, MAX_DEPTH, range_end};
use crate::cte::{CteRef, Flags, SharedState};
use crate::env::Store;

/// Where a check goes on. It remembers the last entry by value, so the database may change between two calls.
#[derive(Clone, Copy, Debug, Default)]
pub struct CheckCursor {
    last: Option<(Capability, CteRef)>,
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
    /// Per entry: it holds a capability; it comes before the next one; its children are on the right sides; heights differ by at
    /// most one and are right; the largest end is right; shared state is in the first copy only; nothing crosses the range of
    /// its successor.
    pub fn check_invariants<S: Store>(
        &self,
        store: &S,
        cursor: &mut CheckCursor,
        limit: u64,
    ) -> CheckReport {
        let mut report = CheckReport::default();
        let mut next = match &cursor.last {
            None => first_below(store, self.root),
            Some((cap, at)) => self.bound_behind(store, cap, *at, Ordering::is_lt).first,
        };
        while let Some(at) = next {
            if report.entries >= limit {
                return report;
            }
            report.entries += 1;
            let successor = self.successor(store, at);
            report.violations += self.check_entry(store, at, successor);
            cursor.last = Some((store.cte(at).cap, at));
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
        let children = [(node.left, Ordering::Greater), (node.right, Ordering::Less)];
        for ((child, order), height) in children.into_iter().zip(&mut heights) {
            if let Some(child) = child {
                let child_node = store.cte(child);
                expect(key.order_at(at, child_node, child) == order);
                max_end = max_end.max(child_node.max_end);
                *height = child_node.height;
            }
        }
        let [left, right] = heights;
        expect(left.abs_diff(right) <= 1);
        expect(node.height == left.max(right) + 1);
        expect(usize::from(node.height) < MAX_DEPTH);
        expect(node.max_end == max_end);

        if copies(store, self.predecessor(store, at), at) {
            expect(node.shared() == SharedState::default());
        } else if copies(store, successor, at) {
            // What is half deleted is the last copy.
            expect(!node.flags.has(Flags::IN_DELETE));
        }
        if let Some(successor) = successor {
            let next = &store.cte(successor).cap;
            expect(key.order_at(at, store.cte(successor), successor) == Ordering::Less);
            let (end, next_end) = (range_end(&node.cap), range_end(next));
            let same_root = next.objtype().type_root() == key.root;
            expect(!same_root || next.address() >= end || next_end <= end || end == 0);
        }
        violations
    }
}
