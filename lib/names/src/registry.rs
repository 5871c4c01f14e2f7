//! The store: records by name, and answers of a bounded size.
//!
//! Finding, adding and removing are O(log n). An enumeration begins where its pattern's names begin, looks at so many records at most and says where to go
//! on: what is there all the time comes once, whatever comes and goes between two answers.
//!
//! Barrelfish counterpart: Octopus' records in the SKB; its `get_names` answers with all names in one text.

use crate::client::{Client, Pid};
use crate::events::Registration;
use crate::name::Name;
use crate::properties::Properties;
use crate::query::Query;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Bound;
use serde::{Deserialize, Serialize};

/// A service.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Record<H> {
    /// Its name.
    pub name: Name,
    /// Who registered it.
    pub owner: Client,
    /// The process that this is.
    pub pid: Pid,
    /// Which of those that had this name.
    pub registration: Registration,
    /// What it says of itself.
    pub properties: Properties,
    /// How to reach it.
    pub handle: H,
}

impl<H> Record<H> {
    /// The same with another handle: what a message can carry, such as `()` beside a capability.
    pub fn with<T>(&self, handle: T) -> Record<T> {
        Record {
            name: self.name.clone(),
            owner: self.owner,
            pid: self.pid,
            registration: self.registration,
            properties: self.properties.clone(),
            handle,
        }
    }
}

/// A part of an enumeration.
#[derive(Debug)]
pub struct Page<'a, H> {
    /// The services, by name. There may be none although more come.
    pub records: Vec<&'a Record<H>>,
    /// Where to go on; `None` if this was the last part.
    pub next: Option<Name>,
}

/// All records.
#[derive(Debug)]
pub(crate) struct Registry<H> {
    records: BTreeMap<Name, Record<H>>,
}

impl<H> Registry<H> {
    pub(crate) const fn new() -> Self {
        Self {
            records: BTreeMap::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    pub(crate) fn get(&self, name: &Name) -> Option<&Record<H>> {
        self.records.get(name)
    }

    pub(crate) fn get_mut(&mut self, name: &Name) -> Option<&mut Record<H>> {
        self.records.get_mut(name)
    }

    /// Adds a record, and answers with the one that had this name.
    pub(crate) fn insert(&mut self, record: Record<H>) -> Option<Record<H>> {
        self.records.insert(record.name.clone(), record)
    }

    pub(crate) fn remove(&mut self, name: &Name) -> Option<Record<H>> {
        self.records.remove(name)
    }

    /// Those whose names begin with what each name of a query begins with, behind a name.
    fn range(&self, query: &Query, after: Option<&Name>) -> impl Iterator<Item = &Record<H>> {
        let exact = query.pattern().exact();
        let beginning = query.pattern().beginning();
        let from = match after {
            Some(after) if after.as_str() >= beginning.as_str() => Bound::Excluded(after.as_str()),
            _ => Bound::Included(beginning.as_str()),
        };
        let range = self.records.range::<str, _>((from, Bound::Unbounded));
        range
            .map(|(_, record)| record)
            .take_while(move |record| match &exact {
                Some(name) => record.name == *name,
                None => record.name.as_str().starts_with(&beginning),
            })
    }

    /// The first that a query means.
    pub(crate) fn first(&self, query: &Query) -> Option<&Record<H>> {
        self.range(query, None)
            .find(|record| query.matches(&record.name, &record.properties))
    }

    /// A part of those that a query means: at most `limit`, found among at most `scan` behind `after`.
    pub(crate) fn page(
        &self,
        query: &Query,
        after: Option<&Name>,
        limit: usize,
        scan: usize,
    ) -> Page<'_, H> {
        let mut records = Vec::new();
        let mut range = self.range(query, after).peekable();
        let mut next = None;
        for _ in 0..scan.max(1) {
            let Some(record) = range.next() else { break };
            if query.matches(&record.name, &record.properties) {
                records.push(record);
            }
            next = Some(record.name.clone());
            if records.len() >= limit.max(1) {
                break;
            }
        }
        if range.peek().is_none() {
            next = None;
        }
        Page { records, next }
    }
}
