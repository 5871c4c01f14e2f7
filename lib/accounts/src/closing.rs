//! Closing an account: all that it and its sub-accounts hold comes back, as a list for the server to free, in steps of bounded length.
//!
//! From the moment it is closed, nothing can be charged to it or to the accounts in it, refunded or transferred, and no account opened in it. So
//! what comes back is what was charged then, each allocation once. Accounts go from the inside out, each when it is empty; with the account that
//! was closed, its limit is free again for its parent.

use crate::allocation::Allocation;
use crate::error::Error;
use crate::ledger::{Account, Accounts};
use alloc::vec::Vec;

/// What one step gave back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step<T> {
    /// To be freed.
    pub released: Vec<Allocation<T>>,
    /// These accounts are no more.
    pub closed: Vec<Account>,
}

impl<T> Accounts<T> {
    /// Begins to close an account and all that are in it.
    ///
    /// # Errors
    /// `UnknownAccount`; `Root`; `Closing` if that has begun.
    pub fn close(&mut self, account: Account) -> Result<(), Error> {
        self.open_entry(account)?;
        if account == self.root {
            return Err(Error::Root);
        }
        self.closing.insert(account);
        Ok(())
    }

    /// Whether a [`step`](Self::step) has anything to do.
    #[must_use]
    pub fn has_closing(&self) -> bool {
        !self.closing.is_empty()
    }

    /// Goes on closing: releases allocations and removes accounts, together at most so many.
    #[must_use = "what is released is to be freed"]
    pub fn step(&mut self, max: usize) -> Step<T> {
        let mut step = Step {
            released: Vec::new(),
            closed: Vec::new(),
        };
        for _ in 0..max {
            let Some(account) = self.next_to_close() else {
                break;
            };
            match self.release_one(account) {
                Some(allocation) => step.released.push(allocation),
                None => {
                    self.remove(account);
                    step.closed.push(account);
                }
            }
        }
        step
    }

    /// An account that is to be closed and has none in it.
    fn next_to_close(&self) -> Option<Account> {
        let mut account = self.closing.first().copied()?;
        while let Some(child) = self.children(account).next() {
            account = child;
        }
        Some(account)
    }

    fn release_one(&mut self, account: Account) -> Option<Allocation<T>> {
        let entry = self.entries.get_mut(&account)?;
        let base = entry.held.first().copied()?;
        let allocation = self.allocations.remove(base);
        let bytes = allocation.as_ref().map_or(0, |one| one.bytes);
        entry.drop_held(base, bytes);
        allocation
    }

    fn remove(&mut self, account: Account) {
        self.closing.remove(&account);
        if let Some(entry) = self.entries.remove(&account)
            && let Some(parent) = entry.parent.and_then(|one| self.entries.get_mut(&one))
        {
            parent.given = parent.given.minus(entry.limit);
            parent.children.remove(&account);
        }
    }
}
