//! Taking children apart that have ended: all that they had comes back, and who has to know is told.

use super::child::Child;
use super::{Children, Ended, Trust};
use crate::outcome::Outcome;
use aos::println;

impl Children {
    /// Takes apart those that have ended, and their children.
    pub(super) fn reap(&mut self) {
        loop {
            let mut all = self.table.iter();
            let found = all.find_map(|process| process.value.ended());
            drop(all);
            let Some(ended) = found else { break };
            if let Some(process) = self.table.remove(ended.pid, ended) {
                self.take_apart(process.value, ended);
            }
        }
    }

    fn take_apart(&mut self, child: Child, ended: Ended) {
        self.unreleased.retain(|account| account.release().is_err());
        if child.trust == Trust::Kernel {
            child.unlock_all();
        }
        let Child {
            pid,
            parent,
            domain,
            channel,
            ..
        } = child;
        for other in self.table.values_mut() {
            if other
                .parent
                .as_ref()
                .is_some_and(|parent| parent.pid == pid)
            {
                other.outcome.get_or_insert(Outcome::Killed);
            }
        }
        self.broker.died(pid);
        let account = domain.account().clone();
        let destroyed = domain.destroy();
        if destroyed.is_err() && self.unreleased.try_reserve(1).is_ok() {
            self.unreleased.push(account);
        }
        let renewed = channel.renew().map(|()| self.spare.push(channel));
        if let Err(error) = destroyed.and(renewed) {
            println!(
                "{} (pid {pid}): could not be taken apart: {error}",
                ended.name
            );
        }
        ended.outcome.record(ended.name, pid);
        match parent {
            Some(parent) => self.tell_parent(parent, ended),
            None => self.ended.push(ended),
        }
    }
}
