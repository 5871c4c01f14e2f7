//! The derivation forest while the list is being read, without keeping the list: for consoles.
//!
//! Same rules as [`Graph`](crate::Graph), which is what the tests compare it to; memory for what encloses the present place only.

use alloc::vec::Vec;

use kpi::cap::{Capability, is_copy};

use crate::forest::{is_source, stays_around};

/// Where the walk is.
#[derive(Debug, Default)]
pub struct Walk {
    /// What encloses the present address, outermost first, and how deep each is.
    around: Vec<(Capability, u32)>,
    last: Option<Capability>,
}

/// What the next capability is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// A copy of the one before.
    Copy,
    /// Another one, with so many ancestors.
    Node {
        /// The number of ancestors.
        depth: u32,
    },
}

impl Walk {
    /// At the start of the list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next capability in database order.
    pub fn next(&mut self, cap: &Capability) -> Step {
        if self.last.as_ref().is_some_and(|last| is_copy(last, cap)) {
            return Step::Copy;
        }
        self.last = Some(*cap);
        while self
            .around
            .last()
            .is_some_and(|(top, _)| !stays_around(cap, top))
        {
            self.around.pop();
        }
        let mut enclosing = self.around.iter().rev();
        let parent = enclosing.find(|(top, _)| is_source(cap, top));
        let depth = parent.map_or(0, |(_, depth)| depth + 1);
        // Neither mappings nor endpoints have anything in them.
        if !cap.objtype().has_address() || cap.size() > 1 {
            self.around.push((*cap, depth));
        }
        Step::Node { depth }
    }
}
