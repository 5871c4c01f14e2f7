//! The invariants, for tests.

use super::Engine;

impl<H> Engine<H> {
    /// Looks at everything.
    ///
    /// # Errors
    /// What does not agree.
    pub fn check_invariants(&self) -> Result<(), &'static str> {
        let limits = &self.limits;
        let mut names = 0_usize;
        let mut watches = 0_usize;
        for (client, account) in &self.clients {
            for name in &account.names {
                let record = self.registry.get(name).ok_or("a client's name is gone")?;
                if record.owner != *client || record.pid != account.pid || record.name != *name {
                    return Err("a client has another's name");
                }
            }
            if account.names.len() > limits.names_of_client {
                return Err("a client has too many names");
            }
            if account.names.is_empty() == self.liveness.has(*client) {
                return Err("clients with names are asked, others are not");
            }
            let of = self.subscriptions.of(*client).count();
            if of != account.watches || of > limits.watches_of_client {
                return Err("a client's watches are miscounted or too many");
            }
            if account.events.len() > limits.events_of_client.max(1) {
                return Err("a client has too many events");
            }
            names = names.saturating_add(account.names.len());
            watches = watches.saturating_add(of);
        }
        if names != self.registry.len() || names > limits.names {
            return Err("names without owner, or too many");
        }
        if watches != self.subscriptions.len() || watches > limits.watches {
            return Err("watches without client, or too many");
        }
        if self.clients.len() > limits.clients {
            return Err("too many clients");
        }
        if !self.liveness.is_consistent() || !self.subscriptions.is_consistent() {
            return Err("an index does not agree with what it is of");
        }
        Ok(())
    }
}
