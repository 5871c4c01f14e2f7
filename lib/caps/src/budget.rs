//! Bounded work: how much one kernel entry may still do.
//!
//! No kernel entry runs longer than 20,000 instructions. Operations that can take longer work in steps: each piece of work is
//! charged its cost here (instructions, estimated on the high side), and when the next piece does not fit, the
//! operation returns [`Step::Again`]. The kernel then runs the same system call again, with the same arguments; user space sees one
//! long call in which interrupts are taken.
//!
//! A piece that did not fit into a whole call would be repeated for ever. The largest one is the end of a Mapping of 512 entries, with the
//! searches that lead to it. In a tree of 58 levels, which takes 2^40 insertions, that is charged 20,000, and needs some 16,000: a level
//! takes at most 55 instructions where all sort keys are compared, and 10 to 25 elsewhere. So it is done even if it does not fit, when
//! the call has done nothing but go there: [`Budget::spend_on_mapping`].

/// What an operation that works in steps reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Step {
    /// Finished.
    Done,
    /// There is more to do: call again with the same arguments.
    Again,
}

/// Instructions one call may use for work that is charged; fixed costs (entry, lookup, checks, a search or two) come on top.
pub(crate) const PER_CALL: u32 = 16_000;

/// For a look at a slot or two and a table entry.
const LOOKS: u32 = 50;

/// A piece of work. The costs are those of the worst case, in instructions of the AArch64 kernel.
#[derive(Clone, Copy)]
pub(crate) enum Work {
    /// Put an entry into the database, having looked for its place, and fill its slot.
    Insert,
    /// The same for a type without addresses: at each node on the way all sort keys are compared.
    InsertByAllKeys,
    /// Make one of a run of neighbours.
    InsertOfRun,
    /// Take an entry out and empty its slot.
    Remove,
    /// Take out the last of a run of neighbours.
    RemoveOfRun,
    /// Look for an entry among such as have different addresses.
    Visit,
    /// Look for an entry where many may have the same address, as the mappings of one page have.
    Search,
    /// Look for an entry of a type without addresses: at each node on the way all sort keys are compared.
    SearchByAllKeys,
    /// Look whether memory has become free, and tell.
    Announce,
    /// Zero a page, or a smaller object.
    ZeroPage,
    /// Look at so many page-table entries.
    TableEntries(u32),
    /// Make so many page-table entries invalid.
    ClearEntries(u32),
    /// Check and unlock so many finished objects.
    Finish(u32),
}

/// Work left in this call.
#[derive(Debug)]
pub(crate) struct Budget {
    left: u32,
    /// How much it was.
    whole: u32,
    /// What the height of the tree cannot exceed: what most costs depend on.
    height: u32,
}

impl Budget {
    #[inline]
    pub(crate) fn new(height: u8, per_call: u32) -> Self {
        Self {
            left: per_call,
            whole: per_call,
            height: u32::from(height),
        }
    }

    /// Instructions for a piece of work.
    #[inline]
    pub(crate) fn cost(&self, work: Work) -> u32 {
        match work {
            Work::Insert => 350 + 40 * self.height,
            Work::InsertByAllKeys => 400 + 110 * self.height,
            Work::InsertOfRun => 250 + 15 * self.height,
            Work::Remove => 250 + 35 * self.height,
            Work::RemoveOfRun => 120 + 12 * self.height,
            Work::Visit => 50 + 20 * self.height,
            Work::Search => 100 + 55 * self.height,
            Work::SearchByAllKeys => 100 + 110 * self.height,
            Work::Announce => 200 + 40 * self.height,
            Work::ZeroPage => 300,
            Work::TableEntries(count) => count.saturating_mul(10),
            Work::ClearEntries(count) => count.saturating_mul(5),
            Work::Finish(count) => count.saturating_mul(30),
        }
    }

    /// Takes instructions, unless there are no longer so many.
    #[inline]
    #[must_use]
    pub(crate) fn spend_instructions(&mut self, cost: u32) -> bool {
        match self.left.checked_sub(cost) {
            Some(rest) => {
                self.left = rest;
                true
            }
            None => false,
        }
    }

    /// Takes what a piece of work costs, unless it no longer fits.
    #[inline]
    #[must_use]
    pub(crate) fn spend(&mut self, work: Work) -> bool {
        self.spend_instructions(self.cost(work))
    }

    /// Takes what the end of a Mapping costs. If that no longer fits, it is refused only when more was done in this call than what leads to
    /// a Mapping: two searches, and what is taken in advance for the removal of a table and for telling of its end.
    #[must_use]
    pub(crate) fn spend_on_mapping(&mut self, cost: u32) -> bool {
        if self.spend_instructions(cost) {
            return true;
        }
        let to_table = self.cost(Work::Search) + self.cost(Work::Remove);
        let to_mapping = self.cost(Work::Announce) + self.cost(Work::Search);
        if self.whole - self.left > to_table + to_mapping + LOOKS {
            return false;
        }
        self.left = 0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As measured by `capfuzz`: 1,430 instructions for each of 14 Domains, in a tree of 11 levels.
    #[test]
    fn what_has_no_address_is_charged_for_all_its_comparisons() {
        let budget = Budget::new(11, PER_CALL);
        assert!(budget.cost(Work::InsertByAllKeys) >= 1_430);
    }

    /// The other pieces that are never done in smaller ones; the largest are tried in `tests/deepest.rs`.
    #[test]
    fn one_of_each_kind_fits_into_a_call() {
        let budget = Budget::new(58, PER_CALL);
        assert!(budget.cost(Work::InsertByAllKeys) <= PER_CALL);
        // The last call of a resize.
        let exchange = 3 * (budget.cost(Work::Insert) + budget.cost(Work::Remove));
        assert!(exchange <= PER_CALL, "{exchange}");
        let in_a_cnode = 12 + budget.cost(Work::Remove) + budget.cost(Work::Announce);
        // A copy of what has no address.
        assert!(in_a_cnode + budget.cost(Work::SearchByAllKeys) <= PER_CALL);
        // One of a CNode that 255 copies in itself keep.
        let copies = 255 * 16 + budget.cost(Work::Remove);
        assert!(in_a_cnode + budget.cost(Work::Search) + copies <= PER_CALL);
    }

    #[test]
    fn only_what_comes_first_may_exceed_a_call() {
        let fresh = || Budget::new(10, 1_000);
        assert!(fresh().spend_on_mapping(5_000));
        let mut budget = fresh();
        assert!(budget.spend(Work::Search) && budget.spend_on_mapping(5_000));
        assert!(!budget.spend_instructions(1));
        let mut budget = Budget::new(10, PER_CALL);
        assert!(budget.spend_instructions(PER_CALL / 2));
        assert!(!budget.spend_on_mapping(PER_CALL));
    }

    /// Costs are estimated on the high side, so that there is room for entry and exit.
    #[test]
    fn what_exceeds_a_call_stays_below_the_limit() {
        let budget = Budget::new(58, PER_CALL);
        let way = 2 * budget.cost(Work::Search) + budget.cost(Work::Announce) + LOOKS;
        let removals = 2 * budget.cost(Work::Remove);
        let clear = budget.cost(Work::ClearEntries(512)) + 3 * budget.cost(Work::Visit);
        assert!(way + removals + clear <= 20_000);
    }
}
