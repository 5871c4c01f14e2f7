//! Bounded work: how much one kernel entry may still do.
//!
//! No kernel entry runs longer than 20,000 instructions. Operations that can take longer work in steps: each piece of work is
//! charged its cost here (instructions, estimated on the high side), and when the next piece does not fit, the
//! operation returns [`Step::Again`]. The kernel then runs the same system call again, with the same arguments; user space sees one
//! long call in which interrupts are taken.

/// What an operation that works in steps reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Step {
    /// Finished.
    Done,
    /// There is more to do: call again with the same arguments.
    Again,
}

/// Instructions one call may use for work that is charged; fixed costs (entry, lookup, checks) come on top.
const PER_CALL: u32 = 14_000;

/// Cost of putting an entry into the database and filling its slot.
pub(crate) const INSERT: u32 = 300;
/// Cost of taking an entry out and emptying its slot.
pub(crate) const REMOVE: u32 = 400;
/// Cost of looking at the next entry of a range.
pub(crate) const VISIT: u32 = 150;
/// Cost of zeroing 4 KiB, or a smaller object.
pub(crate) const ZERO_PAGE: u32 = 500;
/// Cost of reading or writing a page-table entry.
pub(crate) const TABLE_ENTRY: u32 = 5;
/// Cost of checking and unlocking one finished object.
pub(crate) const FINISH: u32 = 30;

/// Work left in this call.
#[derive(Debug)]
pub(crate) struct Budget(u32);

impl Budget {
    #[inline]
    pub(crate) fn new() -> Self {
        Self(PER_CALL)
    }

    /// Takes `cost`, unless it no longer fits.
    #[inline]
    #[must_use]
    pub(crate) fn spend(&mut self, cost: u32) -> bool {
        match self.0.checked_sub(cost) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }
}
