//! Allocations by address. No two overlap, so that each address belongs to one holder.

use crate::error::Error;
use crate::ledger::Account;
use alloc::collections::BTreeMap;

/// A range of addresses that somebody holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Allocation<T> {
    /// Its first address.
    pub base: u64,
    /// Its length, at least one.
    pub bytes: u64,
    /// To whom it is charged.
    pub account: Account,
    /// What it is besides.
    pub payload: T,
}

impl<T> Allocation<T> {
    /// Its last address.
    const fn last(&self) -> u64 {
        self.base.saturating_add(self.bytes.saturating_sub(1))
    }
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Allocations<T>(BTreeMap<u64, Allocation<T>>);

impl<T> Allocations<T> {
    pub(crate) const fn new() -> Self {
        Self(BTreeMap::new())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn get(&self, base: u64) -> Option<&Allocation<T>> {
        self.0.get(&base)
    }

    pub(crate) fn get_mut(&mut self, base: u64) -> Option<&mut Allocation<T>> {
        self.0.get_mut(&base)
    }

    /// The one that has this address.
    pub(crate) fn covering(&self, address: u64) -> Option<&Allocation<T>> {
        let (_, before) = self.0.range(..=address).next_back()?;
        (before.last() >= address).then_some(before)
    }

    /// Whether nobody has any of this range.
    pub(crate) fn is_free(&self, base: u64, bytes: u64) -> Result<(), Error> {
        let more = bytes.checked_sub(1).ok_or(Error::BadRange)?;
        let last = base.checked_add(more).ok_or(Error::BadRange)?;
        match self.0.range(..=last).next_back() {
            Some((_, before)) if before.last() >= base => Err(Error::Overlap),
            _ => Ok(()),
        }
    }

    pub(crate) fn insert(&mut self, allocation: Allocation<T>) {
        self.0.insert(allocation.base, allocation);
    }

    pub(crate) fn remove(&mut self, base: u64) -> Option<Allocation<T>> {
        self.0.remove(&base)
    }

    /// By address.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Allocation<T>> {
        self.0.values()
    }
}
