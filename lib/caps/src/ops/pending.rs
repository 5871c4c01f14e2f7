//! What is being deleted in steps: the list of what is marked, the one that is worked on, and the list of what only has to be cleared.
//!
//! Only last copies of what holds entries itself are here (CNodes, Dispatchers, KernelControlBlocks), flagged
//! [`Flags::IN_DELETE`](crate::Flags::IN_DELETE). Both lists are threaded through the entries' `link`; nothing is allocated. An
//! entry stays where it is while it is marked; no such entry can be removed but by the steps, so the links cannot dangle.

use core::hash::{Hash, Hasher};

use kpi::cap::Capability;

use crate::cte::CteRef;
use crate::env::Store;

/// The lists' heads.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Pending {
    /// First of the delete list: marked, first come first served.
    first: Option<CteRef>,
    /// Last of the delete list.
    last: Option<CteRef>,
    /// Taken off the delete list; its contents are being marked.
    pub(super) working: Option<CteRef>,
    /// The first that could not go on since the last one was settled.
    pub(super) stuck: Option<CteRef>,
    /// All that is marked waits for other cores, and nothing was marked since that was found.
    pub(super) all_wait: bool,
    /// First of the clear list: empty objects, each with its own capability in one of its own entries.
    cleared: Option<CteRef>,
    /// How far a revocation has come: its target, and the last capability that it left behind marked.
    pub(super) revoking: Option<Revoking>,
}

/// Progress of [`Database::revoke_mark_target`](crate::Database::revoke_mark_target) or of
/// [`revoke_mark_relations`](crate::Database::revoke_mark_relations).
#[derive(Clone, Copy, Debug)]
pub(super) struct Revoking {
    /// The target's entry; none when another core began it.
    pub(super) at: Option<CteRef>,
    pub(super) target: Capability,
    pub(super) passed: Capability,
}

impl Hash for Revoking {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.at, self.target.to_words(), self.passed.to_words()).hash(state);
    }
}

impl Pending {
    /// Nothing.
    pub(crate) const NONE: Self = Self {
        first: None,
        last: None,
        working: None,
        stuck: None,
        all_wait: false,
        cleared: None,
        revoking: None,
    };

    /// Whether something is marked and not yet worked through.
    pub(super) fn has_marked(&self) -> bool {
        self.working.is_some() || self.first.is_some()
    }

    /// Puts an entry at the end of the delete list.
    pub(super) fn push<S: Store>(&mut self, store: &mut S, at: CteRef) {
        let entry = store.cte_mut(at);
        entry.page = 0;
        entry.set_next_staged(None);
        match self.last.replace(at) {
            None => self.first = Some(at),
            Some(last) => store.cte_mut(last).set_next_staged(Some(at)),
        }
    }

    /// Takes the first of the delete list.
    pub(super) fn pop<S: Store>(&mut self, store: &mut S) -> Option<CteRef> {
        let at = self.first?;
        let entry = store.cte_mut(at);
        self.first = entry.next_staged();
        entry.set_next_staged(None);
        if self.first.is_none() {
            self.last = None;
        }
        Some(at)
    }

    /// Puts an entry on the clear list.
    pub(super) fn push_cleared<S: Store>(&mut self, store: &mut S, at: CteRef) {
        let entry = store.cte_mut(at);
        entry.page = 0;
        entry.set_next_staged(self.cleared);
        self.cleared = Some(at);
    }

    /// The first of the clear list.
    pub(super) fn first_cleared(&self) -> Option<CteRef> {
        self.cleared
    }

    /// Takes that off the clear list.
    pub(super) fn drop_cleared<S: Store>(&mut self, store: &S, first: CteRef) {
        self.cleared = store.cte(first).next_staged();
    }
}
