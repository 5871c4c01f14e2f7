//! How much memory all clients of a service may hold there together: long messages that are coming, and answers that they have not taken.
//!
//! Half of it is divided among the clients that there may be: each has its *share*, whatever the others do. The other half is for whoever comes
//! first. A message counts from its announcement on, with all its bytes. One that does not fit is refused with an error, an answer likewise; and
//! who has more than his share in answers while nothing is free is not read from until he takes some.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};

/// The memory of all.
#[derive(Debug)]
pub(crate) struct Budget {
    share: usize,
    /// What is free of the common half.
    free: AtomicUsize,
}

impl Budget {
    pub(crate) fn new(bytes: usize, clients: usize) -> Arc<Self> {
        Arc::new(Self {
            share: bytes / 2 / clients.max(1),
            free: AtomicUsize::new(bytes - bytes / 2),
        })
    }

    /// What is free for anybody.
    pub(crate) fn free(&self) -> usize {
        self.free.load(Ordering::Relaxed)
    }

    pub(crate) fn share(&self) -> usize {
        self.share
    }
}

/// What one client holds.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// None: there is no bound but the limits of the connection.
    budget: Option<Arc<Budget>>,
    held: usize,
}

impl Account {
    pub(crate) fn of(budget: Option<Arc<Budget>>) -> Self {
        Self { budget, held: 0 }
    }

    /// Holds so many bytes from now on. `false`: they do not fit, and what was held is held still.
    #[inline]
    pub(crate) fn set(&mut self, bytes: usize) -> bool {
        let Some(budget) = &self.budget else {
            return true;
        };
        let over = |bytes: usize| bytes.saturating_sub(budget.share);
        let (before, now) = (over(self.held), over(bytes));
        if now > before {
            let taken = budget
                .free
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| {
                    free.checked_sub(now - before)
                });
            if taken.is_err() {
                return false;
            }
        } else if now < before {
            budget.free.fetch_add(before - now, Ordering::Relaxed);
        }
        self.held = bytes;
        true
    }

    /// Whether who has so much in answers may ask for more: he is within his share, or something is free.
    pub(crate) fn may_more(&self, bytes: usize) -> bool {
        (self.budget.as_ref()).is_none_or(|budget| bytes <= budget.share() || budget.free() > 0)
    }

    pub(crate) fn held(&self) -> usize {
        self.held
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.set(0);
    }
}
