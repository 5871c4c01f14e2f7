//! What the tests need: a simulated kernel, a naive model, random numbers, memory for nodes.
#![allow(dead_code, reason = "not every test needs everything")]

pub mod kernel;
pub mod model;
pub mod small;
pub mod steps;
pub mod world;

use arena::{Slot, Store};
use vspace::Node;

/// Names capabilities.
pub type Cap = u32;

/// Memory for nodes.
#[derive(Debug, Default)]
pub struct Memory(Vec<Slot<Node<Cap>>>);

impl Memory {
    pub fn with(nodes: usize) -> Self {
        Self(vec![Slot::default(); nodes])
    }

    pub fn grow(&mut self, nodes: usize) {
        let nodes = self.0.len() + nodes;
        self.0.resize(nodes, Slot::default());
    }
}

impl Store<Node<Cap>> for Memory {
    fn slots(&self) -> &[Slot<Node<Cap>>] {
        &self.0
    }
    fn slots_mut(&mut self) -> &mut [Slot<Node<Cap>>] {
        &mut self.0
    }
}

pub type Space = vspace::Space<Cap, Memory>;
