//! What init's own services want: what any program wants that is a service, by the same books and rules, in init's own name.

use super::{Children, INIT_PID};
use aos::cap::CapRef;
use aos::monitor::local;

impl Children {
    /// Does what init's other threads have asked for.
    pub(super) fn serve_own(&mut self) {
        let mut served = false;
        while let Some(request) = local::take() {
            // What needs a capability refuses init's root, which is none of those.
            let cap = request.cap.unwrap_or(CapRef::OWN_ROOT);
            let result = self.order(INIT_PID, request.wish, &request.text, cap);
            request.answer(result);
            served = true;
        }
        if served {
            self.reap();
        }
    }
}
