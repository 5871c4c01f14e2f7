//! The longest entry of the kernel so far, for the suites that make it work most ([`crate::heavy`], [`crate::worst`]). It only means something
//! under a clock that counts instructions.

use crate::harness::{Failure, Harness, Outcome, equal, that};
use aos::cap::CapRef;
use aos::cap::kernel::{check_invariants, statistics};
use aos::kpi::cap::ObjType;
use aos::kpi::layout::SLOT_BYTES;
use aos::ram::{add_system_memory, object_alloc};
use aos::{Error, Status};

/// Most instructions of a kernel entry.
const LIMIT: u64 = 20_000;

/// A test and its name.
pub type Test = (&'static str, fn() -> Outcome);

/// Runs a suite of its own, which takes init's authority; the kernel is looked at behind each test.
pub fn run(suite: &'static str, tests: &[Test]) -> Status {
    let mut harness = Harness::new();
    if let Err(error) = add_system_memory() {
        aos::println!("tests: start them with `module /sbin/tests kernel {suite}`: {error}");
        return Status(1);
    }
    for (name, test) in tests {
        harness.test(suite, name, || test().and_then(|()| bounded(suite)));
    }
    harness.end()
}

/// No kernel entry took longer so far; and the database is in order.
pub fn bounded(suite: &str) -> Outcome {
    let longest = statistics()?.longest_entry;
    aos::println!("{suite}: longest kernel entry so far: {longest}");
    that(longest > 0, "a kernel that measures its entries")?;
    if longest > LIMIT {
        return Err(Failure::new(LIMIT, longest));
    }
    equal(check_invariants()?, 0)
}

/// A root CNode of so many slots for things to lie in, which nobody runs in.
pub fn space(slots: u64) -> Result<CapRef, Error> {
    object_alloc(ObjType::L1CNode, slots * SLOT_BYTES)
}
