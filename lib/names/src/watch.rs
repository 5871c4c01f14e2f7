//! Subscriptions: watches, and lookups that wait.
//!
//! Both are queries with somebody to tell. A **watch** sees services appear, change and go, once or again and again. A **lookup** is answered
//! with the first service that matches, or with an error at its deadline.
//!
//! **Costs.** A query's pattern begins with labels that stand for themselves, its anchor: `a/b` for `a/b/c*`. Subscriptions are found by it, so a
//! change of `a/b/c` asks those with the anchors ``, `a`, `a/b` and `a/b/c`, and no others. How many those can be is bounded by the limit on
//! all subscriptions. Everything else is O(log n).
//!
//! Barrelfish counterpart: Octopus' triggers and `oct_wait_for`; there a change asks all triggers.

use crate::Ticks;
use crate::client::Client;
use crate::events::{Change, Reason};
use crate::name::Name;
use crate::query::Query;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Names a watch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct WatchId(pub u64);

/// Names a lookup that waits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct LookupId(pub u64);

/// What a watch is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WatchOptions {
    /// It ends with the first event.
    pub once: bool,
    /// Tells of services that appear.
    pub appeared: bool,
    /// Tells of services that change.
    pub changed: bool,
    /// Tells of services that go.
    pub gone: bool,
}

impl WatchOptions {
    /// All that happens, until it is cancelled.
    pub const ALL: Self = Self {
        once: false,
        appeared: true,
        changed: true,
        gone: true,
    };
    /// The next thing that happens.
    pub const NEXT: Self = Self {
        once: true,
        ..Self::ALL
    };

    const fn wants(&self, change: Change) -> bool {
        match change {
            Change::Appeared => self.appeared,
            Change::Changed => self.changed,
            Change::Gone(_) => self.gone,
        }
    }
}

/// What becomes of a match.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    Watch(WatchOptions),
    Lookup(Option<Ticks>),
}

/// A query with somebody to tell.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) client: Client,
    pub(crate) query: Query,
    pub(crate) purpose: Purpose,
}

/// All subscriptions. Watches and lookups have numbers of one sequence.
#[derive(Debug)]
pub(crate) struct Subscriptions {
    all: BTreeMap<u64, Subscription>,
    by_anchor: BTreeMap<String, BTreeSet<u64>>,
    by_client: BTreeSet<(Client, u64)>,
    deadlines: BTreeSet<(Ticks, u64)>,
    last: u64,
}

impl Subscriptions {
    pub(crate) const fn new() -> Self {
        Self {
            all: BTreeMap::new(),
            by_anchor: BTreeMap::new(),
            by_client: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            last: 0,
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// Adds one; its number.
    pub(crate) fn add(&mut self, subscription: Subscription) -> u64 {
        self.last = self.last.saturating_add(1);
        let id = self.last;
        let anchor = subscription.query.pattern().anchor();
        self.by_anchor.entry(anchor).or_default().insert(id);
        self.by_client.insert((subscription.client, id));
        if let Purpose::Lookup(Some(deadline)) = subscription.purpose {
            self.deadlines.insert((deadline, id));
        }
        self.all.insert(id, subscription);
        id
    }

    /// The one of that number.
    pub(crate) fn get(&self, id: u64) -> Option<&Subscription> {
        self.all.get(&id)
    }

    /// Takes one out.
    pub(crate) fn remove(&mut self, id: u64) -> Option<Subscription> {
        let subscription = self.all.remove(&id)?;
        let anchor = subscription.query.pattern().anchor();
        if let Some(ids) = self.by_anchor.get_mut(&anchor) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_anchor.remove(&anchor);
            }
        }
        self.by_client.remove(&(subscription.client, id));
        if let Purpose::Lookup(Some(deadline)) = subscription.purpose {
            self.deadlines.remove(&(deadline, id));
        }
        Some(subscription)
    }

    /// Those of a client, oldest first.
    pub(crate) fn of(&self, client: Client) -> impl Iterator<Item = u64> {
        let range = (client, 0)..=(client, u64::MAX);
        self.by_client.range(range).map(|(_, id)| *id)
    }

    /// Those whose names can include this one.
    pub(crate) fn near(&self, name: &Name) -> Vec<u64> {
        let anchors = core::iter::once("").chain(name.path());
        let mut ids: Vec<u64> = anchors
            .filter_map(|anchor| self.by_anchor.get(anchor))
            .flatten()
            .copied()
            .collect();
        // Oldest first, whatever they ask for.
        ids.sort_unstable();
        ids
    }

    /// When the next lookup has waited long enough, and which it is.
    pub(crate) fn first_deadline(&self) -> Option<(Ticks, u64)> {
        self.deadlines.first().copied()
    }

    /// Whether all indexes agree.
    pub(crate) fn is_consistent(&self) -> bool {
        let anchored: usize = self.by_anchor.values().map(BTreeSet::len).sum();
        anchored == self.all.len()
            && self.by_client.len() == self.all.len()
            && self.by_anchor.values().all(|ids| !ids.is_empty())
            && self
                .deadlines
                .iter()
                .all(|(_, id)| self.all.contains_key(id))
            && self
                .all
                .iter()
                .all(|(id, one)| self.by_client.contains(&(one.client, *id)))
    }
}

impl Subscription {
    /// What a watch with these options tells, if what matched or not before does so or not now. `change` is what happened.
    pub(crate) fn sees(before: bool, after: bool, change: Change) -> Option<Change> {
        match (before, after, change) {
            (_, true, Change::Appeared) | (false, true, Change::Changed) => Some(Change::Appeared),
            (true, true, Change::Changed) => Some(Change::Changed),
            (true, false, Change::Appeared) => Some(Change::Gone(Reason::Replaced)),
            (true, false, Change::Changed) => Some(Change::Gone(Reason::NoMatch)),
            (true, _, Change::Gone(reason)) => Some(Change::Gone(reason)),
            _ => None,
        }
    }

    /// Whether it wants to know.
    pub(crate) const fn wants(&self, change: Change) -> bool {
        match &self.purpose {
            Purpose::Watch(options) => options.wants(change),
            Purpose::Lookup(_) => matches!(change, Change::Appeared),
        }
    }
}
