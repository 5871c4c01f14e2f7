//! What came of operations.

use super::ops::Op;
use std::collections::BTreeMap;

/// What came of operations: how many of each kind succeeded, of how many.
#[derive(Default)]
pub struct Tally(pub BTreeMap<String, (u64, u64)>);

impl Tally {
    pub fn count(&mut self, op: &Op, succeeded: bool) {
        let text = format!("{op:?}");
        let name = text.split(['(', ' ']).next().unwrap_or_default();
        let entry = self.0.entry(name.into()).or_default();
        entry.0 += u64::from(succeeded);
        entry.1 += 1;
    }

    /// Percentage of those that users ask for and that succeeded.
    pub fn success(&self) -> u64 {
        // These succeed always.
        let sure = ["Continue", "Find", "Lock", "Owner", "Relations"];
        let asked = self
            .0
            .iter()
            .filter(|(name, _)| !sure.contains(&name.as_str()));
        let (good, all) = asked.fold((0, 0), |(good, all), (_, (a, b))| (good + a, all + b));
        good * 100 / all.max(1)
    }

    pub fn print(&self) {
        for (name, (good, all)) in &self.0 {
            println!("{name:20} {good:8} of {all:8}");
        }
        println!("{}% succeeded", self.success());
    }
}
