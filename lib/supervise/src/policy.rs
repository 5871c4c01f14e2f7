//! Whether a service is restarted when it ended by itself, how often, and how soon.
//!
//! Restarts are counted in a window that slides: those that happened less than [`window`](Policy::window) ago. The first one in the window waits for
//! [`base`](Policy::base), each further one twice as long as the one before, at most for [`cap`](Policy::cap). When there are
//! [`restarts`](Policy::restarts) in the window and the service ends again, it has failed. A service that runs well for a whole window begins anew.
//!
//! What the supervisor ends itself because of what a service needs is not counted: that is bounded by the restarts of what is needed.

use crate::Ticks;
use alloc::collections::VecDeque;

/// After which ends a service is restarted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Restart {
    /// After none.
    Never,
    /// When it failed.
    #[default]
    OnFailure,
    /// Whenever it ended.
    Always,
}

/// How a service is restarted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Policy {
    /// After which ends.
    pub restart: Restart,
    /// At most so often in a window.
    pub restarts: u8,
    /// The window; none at all bounds nothing.
    pub window: Ticks,
    /// So long to wait before the first restart of a window.
    pub base: Ticks,
    /// At most so long before a further one.
    pub cap: Ticks,
    /// So long after its start a service has to be ready, or it is killed and has failed.
    pub ready_within: Option<Ticks>,
}

/// The restarts in the window; never more than the policy allows.
#[derive(Debug)]
pub(crate) struct History(VecDeque<Ticks>);

impl History {
    pub(crate) const fn new() -> Self {
        Self(VecDeque::new())
    }

    fn slide(&mut self, policy: &Policy, now: Ticks) {
        while let Some(oldest) = self.0.front()
            && oldest.after(policy.window) <= now
        {
            self.0.pop_front();
        }
    }

    /// How long to wait before the next restart, if there may be one.
    pub(crate) fn delay(&mut self, policy: &Policy, now: Ticks) -> Option<Ticks> {
        self.slide(policy, now);
        let count = u8::try_from(self.0.len()).unwrap_or(u8::MAX);
        if count >= policy.restarts {
            return None;
        }
        let factor = 1_u64.checked_shl(u32::from(count)).unwrap_or(u64::MAX);
        let delay = policy.base.0.saturating_mul(factor);
        Some(Ticks(delay.min(policy.cap.0)))
    }

    /// There is one now.
    pub(crate) fn restarted(&mut self, policy: &Policy, now: Ticks) {
        self.slide(policy, now);
        self.0.push_back(now);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
