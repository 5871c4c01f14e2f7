//! The invariants, for tests.

use crate::amount::Amount;
use crate::ledger::Accounts;

impl<T> Accounts<T> {
    /// Looks at everything, for tests.
    ///
    /// # Errors
    /// What does not agree.
    pub fn check_invariants(&self) -> Result<(), &'static str> {
        let mut held = 0_usize;
        for (account, entry) in &self.entries {
            let sum = |sum: Amount, more: Amount| sum.plus(more);
            let used = self.of(*account).map(|one| Amount::one(one.bytes));
            if used.fold(Amount::NONE, sum) != entry.used {
                return Err("what an account holds is miscounted");
            }
            let limits = self.children(*account).filter_map(|child| {
                let child = self.entries.get(&child)?;
                (child.parent == Some(*account)).then_some(child.limit)
            });
            if limits.fold(Amount::NONE, sum) != entry.given {
                return Err("what an account has given is miscounted");
            }
            if entry.used.plus(entry.given).within(entry.limit).is_err() {
                return Err("an account has more than its limit");
            }
            if self.of(*account).any(|one| one.account != *account) {
                return Err("an account holds another's allocation");
            }
            let parent = entry.parent.and_then(|one| self.entries.get(&one));
            if parent.is_none_or(|parent| !parent.children.contains(account))
                && *account != self.root
            {
                return Err("an account is in none");
            }
            held = held.saturating_add(entry.held.len());
        }
        if held != self.len() {
            return Err("an allocation is held by nobody");
        }
        let mut before = None;
        for one in self.iter() {
            if before.is_some_and(|end| end > one.base) {
                return Err("allocations overlap");
            }
            before = Some(one.base.saturating_add(one.bytes));
        }
        Ok(())
    }
}
