//! Accounts and what they hold.

use crate::allocation::{Allocation, Allocations};
use crate::amount::Amount;
use crate::error::Error;
use alloc::collections::{BTreeMap, BTreeSet};

/// Somebody to whom storage is charged; the server gives the numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Account(pub u64);

/// How many accounts there may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Accounts, the first included.
    pub accounts: usize,
    /// How deep they may be nested; the first alone is 1 deep.
    pub depth: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            accounts: 256,
            depth: 8,
        }
    }
}

/// What is known of an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Info {
    /// From whom it has its limit; `None` of the first.
    pub parent: Option<Account>,
    /// The most it may hold and give to sub-accounts.
    pub limit: Amount,
    /// What it holds.
    pub used: Amount,
    /// The limits of its sub-accounts together.
    pub given: Amount,
    /// Whether it, or one that it is in, is being closed.
    pub closing: bool,
}

impl Info {
    /// What it can still hold, or give to sub-accounts.
    #[must_use]
    pub const fn free(&self) -> Amount {
        self.limit.minus(self.used).minus(self.given)
    }
}

/// A charge that was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused<T> {
    /// Why.
    pub error: Error,
    /// What would have been charged.
    pub payload: T,
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) parent: Option<Account>,
    pub(crate) limit: Amount,
    pub(crate) used: Amount,
    pub(crate) given: Amount,
    pub(crate) children: BTreeSet<Account>,
    /// Where what it holds begins.
    pub(crate) held: BTreeSet<u64>,
}

impl Entry {
    const fn new(parent: Option<Account>, limit: Amount) -> Self {
        Self {
            parent,
            limit,
            used: Amount::NONE,
            given: Amount::NONE,
            children: BTreeSet::new(),
            held: BTreeSet::new(),
        }
    }

    /// Whether it could hold or give so much more.
    fn has(&self, more: Amount) -> Result<(), Error> {
        more.within(self.limit.minus(self.used).minus(self.given))
    }
}

/// All accounts, and what each holds.
#[derive(Debug)]
pub struct Accounts<T> {
    bounds: Bounds,
    pub(crate) root: Account,
    pub(crate) entries: BTreeMap<Account, Entry>,
    pub(crate) allocations: Allocations<T>,
    /// Accounts that were closed and are not empty yet.
    pub(crate) closing: BTreeSet<Account>,
}

impl<T> Accounts<T> {
    /// Only the first account, to which everything else belongs.
    #[must_use]
    pub fn new(root: Account, limit: Amount, bounds: Bounds) -> Self {
        Self {
            bounds,
            root,
            entries: BTreeMap::from([(root, Entry::new(None, limit))]),
            allocations: Allocations::new(),
            closing: BTreeSet::new(),
        }
    }

    // Accounts.

    /// Opens a sub-account, whose limit is taken from what its parent has free.
    ///
    /// # Errors
    /// `UnknownAccount`, of the parent; `Closing`; `AccountExists`, `TooManyAccounts`, `TooDeep`; `LimitBytes`, `LimitAllocations` if the parent
    /// has not that much.
    pub fn open(&mut self, account: Account, parent: Account, limit: Amount) -> Result<(), Error> {
        self.open_entry(parent)?;
        if self.entries.contains_key(&account) {
            return Err(Error::AccountExists);
        }
        if self.entries.len() >= self.bounds.accounts {
            return Err(Error::TooManyAccounts);
        }
        if self.path(parent).count() >= self.bounds.depth {
            return Err(Error::TooDeep);
        }
        let entry = self.open_entry(parent)?;
        entry.has(limit)?;
        entry.given = entry.given.plus(limit);
        entry.children.insert(account);
        self.entries
            .insert(account, Entry::new(Some(parent), limit));
        Ok(())
    }

    /// Gives an account another limit, out of what its parent has free, or back to it. The first account's changes with the machine.
    ///
    /// # Errors
    /// `UnknownAccount`, `Closing`; `InUse` if it holds or has given more; `LimitBytes`, `LimitAllocations` if the parent has not that much.
    pub fn set_limit(&mut self, account: Account, limit: Amount) -> Result<(), Error> {
        let entry = self.open_entry(account)?;
        let (old, parent) = (entry.limit, entry.parent);
        let needed = entry.used.plus(entry.given);
        needed.within(limit).map_err(|_| Error::InUse)?;
        if let Some(parent) = parent {
            let parent = self.open_entry(parent)?;
            let others = parent.given.minus(old);
            limit.within(parent.limit.minus(parent.used).minus(others))?;
            parent.given = others.plus(limit);
        }
        self.open_entry(account)?.limit = limit;
        Ok(())
    }

    /// What is known of it.
    #[must_use]
    pub fn account(&self, account: Account) -> Option<Info> {
        let entry = self.entries.get(&account)?;
        Some(Info {
            parent: entry.parent,
            limit: entry.limit,
            used: entry.used,
            given: entry.given,
            closing: self.is_closing(account),
        })
    }

    /// Its sub-accounts.
    pub fn children(&self, account: Account) -> impl Iterator<Item = Account> {
        let entry = self.entries.get(&account);
        entry.into_iter().flat_map(|entry| &entry.children).copied()
    }

    /// How many accounts there are.
    #[must_use]
    pub fn accounts(&self) -> usize {
        self.entries.len()
    }

    // Allocations.

    /// Whether so many bytes could be charged now, at an address where nobody has any.
    ///
    /// # Errors
    /// `UnknownAccount`, `Closing`, `LimitBytes`, `LimitAllocations`.
    pub fn may_charge(&self, account: Account, bytes: u64) -> Result<(), Error> {
        let entry = self.entries.get(&account).ok_or(Error::UnknownAccount)?;
        match self.is_closing(account) {
            true => Err(Error::Closing),
            false => entry.has(Amount::one(bytes)),
        }
    }

    /// Charges a range to an account.
    ///
    /// # Errors
    /// `UnknownAccount`, `Closing`, `LimitBytes`, `LimitAllocations`, `BadRange`, `Overlap`. The payload comes back.
    pub fn charge(
        &mut self,
        account: Account,
        base: u64,
        bytes: u64,
        payload: T,
    ) -> Result<(), Refused<T>> {
        let free = self.allocations.is_free(base, bytes);
        let entry = self.open_entry(account).and_then(|entry| {
            entry.has(Amount::one(bytes))?;
            free?;
            Ok(entry)
        });
        match entry {
            Ok(entry) => entry.hold(base, bytes),
            Err(error) => return Err(Refused { error, payload }),
        }
        self.allocations.insert(Allocation {
            base,
            bytes,
            account,
            payload,
        });
        Ok(())
    }

    /// An account gives an allocation back.
    ///
    /// # Errors
    /// `UnknownAccount`, `Closing`, `NoAllocation`, `NotHolder`.
    pub fn refund(&mut self, account: Account, base: u64) -> Result<Allocation<T>, Error> {
        let bytes = self.holds(account, base)?;
        self.open_entry(account)?.drop_held(base, bytes);
        self.allocations.remove(base).ok_or(Error::NoAllocation)
    }

    /// An allocation is charged to another account from now on.
    ///
    /// # Errors
    /// `UnknownAccount`, `Closing`, `NoAllocation`, `NotHolder` if it is not `from`'s; `LimitBytes`, `LimitAllocations` of `to`.
    pub fn transfer(&mut self, base: u64, from: Account, to: Account) -> Result<(), Error> {
        let bytes = self.holds(from, base)?;
        let receiver = self.open_entry(to)?;
        if from == to {
            return Ok(());
        }
        receiver.has(Amount::one(bytes))?;
        receiver.hold(base, bytes);
        self.open_entry(from)?.drop_held(base, bytes);
        if let Some(allocation) = self.allocations.get_mut(base) {
            allocation.account = to;
        }
        Ok(())
    }

    /// The allocation that begins there.
    #[must_use]
    pub fn get(&self, base: u64) -> Option<&Allocation<T>> {
        self.allocations.get(base)
    }

    /// The allocation that this address is in.
    #[must_use]
    pub fn covering(&self, address: u64) -> Option<&Allocation<T>> {
        self.allocations.covering(address)
    }

    /// All allocations, by address.
    pub fn iter(&self) -> impl Iterator<Item = &Allocation<T>> {
        self.allocations.iter()
    }

    /// What an account holds, by address.
    pub fn of(&self, account: Account) -> impl Iterator<Item = &Allocation<T>> {
        let entry = self.entries.get(&account);
        let held = entry.into_iter().flat_map(|entry| &entry.held);
        held.filter_map(|base| self.allocations.get(*base))
    }

    /// How many allocations there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.allocations.len()
    }

    /// Whether nobody holds anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    // What these have in common.

    /// The account, its parent and so on. It ends, as a parent is there before its children.
    fn path(&self, account: Account) -> impl Iterator<Item = Account> {
        let parent = |one: &Account| self.entries.get(one)?.parent;
        let first = self.entries.contains_key(&account).then_some(account);
        core::iter::successors(first, parent)
    }

    pub(crate) fn is_closing(&self, account: Account) -> bool {
        !self.closing.is_empty() && self.path(account).any(|one| self.closing.contains(&one))
    }

    pub(crate) fn open_entry(&mut self, account: Account) -> Result<&mut Entry, Error> {
        let closing = self.is_closing(account);
        match self.entries.get_mut(&account) {
            None => Err(Error::UnknownAccount),
            Some(_) if closing => Err(Error::Closing),
            Some(entry) => Ok(entry),
        }
    }

    /// The bytes of an allocation that the account holds.
    fn holds(&mut self, account: Account, base: u64) -> Result<u64, Error> {
        self.open_entry(account)?;
        let allocation = self.allocations.get(base).ok_or(Error::NoAllocation)?;
        match allocation.account == account {
            true => Ok(allocation.bytes),
            false => Err(Error::NotHolder),
        }
    }
}

impl Entry {
    fn hold(&mut self, base: u64, bytes: u64) {
        self.used = self.used.plus(Amount::one(bytes));
        self.held.insert(base);
    }

    pub(crate) fn drop_held(&mut self, base: u64, bytes: u64) {
        self.used = self.used.minus(Amount::one(bytes));
        self.held.remove(&base);
    }
}
