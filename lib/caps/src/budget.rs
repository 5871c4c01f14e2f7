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
const PER_CALL: u32 = 13_000;

/// Cost of one search, and of each level that it descends. Measured: 20 where addresses decide, up to 55 where many
/// capabilities have one address; a call that does nothing but the latter still stays below 20,000.
const SEARCH: u32 = 40;
const SEARCH_LEVEL: u32 = 30;
/// No tree is higher (2^27 entries and more); keeps the largest single piece of work below [`PER_CALL`].
const MAX_HEIGHT: u32 = 40;

/// Cost of a piece of work: searches of the tree, which cost more in a higher tree, and other instructions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) searches: u32,
    pub(crate) instructions: u32,
}

const fn cost(searches: u32, instructions: u32) -> Cost {
    Cost {
        searches,
        instructions,
    }
}

impl Cost {
    /// As much, and `instructions` more.
    #[inline]
    pub(crate) const fn and(self, instructions: u32) -> Self {
        cost(self.searches, self.instructions + instructions)
    }
}

/// Cost of putting an entry into the database and filling its slot.
pub(crate) const INSERT: Cost = cost(2, 350);
/// Cost of finding a copy or a descendant, taking it out and emptying its slot.
pub(crate) const REMOVE: Cost = cost(5, 500);
/// Cost of looking at the next entry of a range.
pub(crate) const VISIT: Cost = cost(2, 100);
/// Cost of zeroing 4 KiB, or a smaller object.
pub(crate) const ZERO_PAGE: u32 = 450;
/// Cost of reading or writing a page-table entry.
pub(crate) const TABLE_ENTRY: u32 = 5;
/// Cost of checking and unlocking one finished object.
pub(crate) const FINISH: u32 = 45;

/// Work left in this call.
#[derive(Debug)]
pub(crate) struct Budget {
    left: u32,
    search: u32,
}

impl Budget {
    /// For a call on a tree of that height.
    #[inline]
    pub(crate) fn new(height: u8) -> Self {
        Self {
            left: PER_CALL,
            search: SEARCH + SEARCH_LEVEL * u32::from(height).min(MAX_HEIGHT),
        }
    }

    /// Takes `cost`, unless it no longer fits.
    #[inline]
    #[must_use]
    pub(crate) fn spend(&mut self, cost: Cost) -> bool {
        self.spend_times(cost, 1)
    }

    /// Takes `count` times `cost`, unless it no longer fits.
    #[inline]
    #[must_use]
    pub(crate) fn spend_times(&mut self, cost: Cost, count: u64) -> bool {
        let each = u64::from(cost.searches * self.search) + u64::from(cost.instructions);
        let rest = u64::from(self.left).checked_sub(each.saturating_mul(count));
        // The rest is at most what there was.
        match rest.and_then(|rest| u32::try_from(rest).ok()) {
            Some(rest) => {
                self.left = rest;
                true
            }
            None => false,
        }
    }

    /// Takes that many instructions, unless they no longer fit.
    #[inline]
    #[must_use]
    pub(crate) fn spend_instructions(&mut self, instructions: u32) -> bool {
        self.spend(cost(0, instructions))
    }
}
