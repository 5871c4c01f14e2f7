//! Trees against `BTreeMap`, and their shape.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use arena::{Arena, Id, Link, MAX_DEPTH, Order, Slot, Tree};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, Default)]
struct Node {
    key: u16,
    weight: u32,
    by_key: Link,
    by_weight: Link,
    /// Sum of weights below, in the tree by key.
    total: u64,
    /// The greatest of them.
    most: u32,
}

#[derive(Debug)]
struct ByKey;

impl Order for ByKey {
    type Node = Node;
    type Sum = (u64, u32);
    type Key = u16;

    fn key(node: &Node) -> u16 {
        node.key
    }
    fn link(node: &Node) -> &Link {
        &node.by_key
    }
    fn link_mut(node: &mut Node) -> &mut Link {
        &mut node.by_key
    }
    fn sum(node: &Node) -> (u64, u32) {
        (node.total, node.most)
    }
    fn keep_sum(node: &mut Node, left: Option<(u64, u32)>, right: Option<(u64, u32)>) {
        let below = [left, right].into_iter().flatten();
        node.total = u64::from(node.weight) + below.clone().map(|sum| sum.0).sum::<u64>();
        node.most = below.map(|sum| sum.1).fold(node.weight, u32::max);
    }
}

#[derive(Debug)]
struct ByWeight;

impl Order for ByWeight {
    type Node = Node;
    type Sum = ();
    type Key = (u32, u16);

    fn key(node: &Node) -> (u32, u16) {
        (node.weight, node.key)
    }
    fn link(node: &Node) -> &Link {
        &node.by_weight
    }
    fn link_mut(node: &mut Node) -> &mut Link {
        &mut node.by_weight
    }
    fn sum(_: &Node) {}
}

type Memory = Vec<Slot<Node>>;

struct World {
    arena: Arena<Node, Memory>,
    keys: Tree<ByKey>,
    weights: Tree<ByWeight>,
    model: BTreeMap<u16, u32>,
}

impl World {
    fn new(room: usize) -> Self {
        Self {
            arena: Arena::new(vec![Slot::default(); room]),
            keys: Tree::new(),
            weights: Tree::new(),
            model: BTreeMap::new(),
        }
    }

    fn insert(&mut self, key: u16, weight: u32) {
        let node = Node {
            key,
            weight,
            ..Node::default()
        };
        let Some(id) = self.arena.insert(node) else {
            assert_eq!(self.arena.free(), 0);
            return;
        };
        let added = self.keys.insert(&mut self.arena, id);
        assert_eq!(added, !self.model.contains_key(&key));
        if added {
            assert!(self.weights.insert(&mut self.arena, id));
            self.model.insert(key, weight);
        } else {
            self.arena.remove(id).unwrap();
        }
    }

    fn remove(&mut self, key: u16) {
        let removed = self.keys.remove(&mut self.arena, &key);
        assert_eq!(removed.is_some(), self.model.remove(&key).is_some());
        if let Some(id) = removed {
            let weight = self.arena.get(id).unwrap().weight;
            assert_eq!(
                self.weights.remove(&mut self.arena, &(weight, key)),
                Some(id)
            );
            assert_eq!(self.arena.remove(id).unwrap().key, key);
        }
    }

    fn change(&mut self, key: u16, weight: u32) {
        if let Some(id) = self.keys.find(&self.arena, &key) {
            let old = self.arena.get(id).unwrap().weight;
            self.weights.remove(&mut self.arena, &(old, key)).unwrap();
            self.arena.get_mut(id).unwrap().weight = weight;
            self.keys.changed(&mut self.arena, id);
            assert!(self.weights.insert(&mut self.arena, id));
            self.model.insert(key, weight);
        }
    }

    fn key(&self, id: Option<Id>) -> Option<u16> {
        id.map(|id| self.arena.get(id).unwrap().key)
    }

    fn look(&self, key: u16) {
        let (arena, model) = (&self.arena, &self.model);
        assert_eq!(
            self.keys.find(arena, &key).is_some(),
            model.contains_key(&key)
        );
        let below = model.range(..=key).next_back().map(|(key, _)| *key);
        assert_eq!(self.key(self.keys.at_most(arena, &key)), below);
        let above = model.range(key..).next().map(|(key, _)| *key);
        assert_eq!(self.key(self.keys.at_least(arena, &key)), above);
        assert_eq!(
            self.key(self.keys.first(arena)),
            model.keys().next().copied()
        );
        for least in [0, 300, 900] {
            let heavy = model.range(key..).find(|(_, weight)| **weight >= least);
            let found = self.keys.first_with(
                arena,
                &key,
                |node| node.most >= least,
                |node| node.weight >= least,
            );
            assert_eq!(self.key(found), heavy.map(|(key, _)| *key));
        }
    }

    fn check(&self) {
        assert_eq!(self.arena.used(), self.model.len());
        let depth = self.walk(self.keys.root());
        let perfect = usize::BITS - self.model.len().leading_zeros();
        assert!(depth <= (2 * perfect).min(MAX_DEPTH), "{depth} levels");
        let total = self
            .arena
            .get(self.keys.root())
            .map_or(0, |node| node.total);
        assert_eq!(
            total,
            self.model
                .values()
                .map(|weight| u64::from(*weight))
                .sum::<u64>()
        );
        let mut ascending: Vec<_> = self
            .model
            .iter()
            .map(|(key, weight)| (*weight, *key))
            .collect();
        ascending.sort_unstable();
        let mut key = (0, 0);
        for expected in ascending {
            let id = self.weights.at_least(&self.arena, &key).unwrap();
            let node = self.arena.get(id).unwrap();
            assert_eq!((node.weight, node.key), expected);
            key = (node.weight, node.key + 1);
        }
    }

    /// Depth; sums and order are right.
    fn walk(&self, id: Id) -> u32 {
        let Some(node) = self.arena.get(id) else {
            return 0;
        };
        let (left, right) = Tree::<ByKey>::children(&self.arena, id);
        let of = |id| self.arena.get(id);
        let below = [left, right].into_iter().filter_map(of);
        let total = below.map(|node| node.total).sum::<u64>() + u64::from(node.weight);
        assert_eq!(node.total, total);
        assert!(of(left).is_none_or(|left| left.key < node.key));
        assert!(of(right).is_none_or(|right| right.key > node.key));
        1 + self.walk(left).max(self.walk(right))
    }
}

#[derive(Clone, Debug)]
enum Op {
    Insert(u16, u32),
    Remove(u16),
    Change(u16, u32),
    Look(u16),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let key = 0u16..64;
    let op = prop_oneof![
        3 => (key.clone(), 0u32..1000).prop_map(|(key, weight)| Op::Insert(key, weight)),
        2 => key.clone().prop_map(Op::Remove),
        1 => (key.clone(), 0u32..1000).prop_map(|(key, weight)| Op::Change(key, weight)),
        1 => key.prop_map(Op::Look),
    ];
    prop::collection::vec(op, 0..400)
}

proptest! {
    #[test]
    fn like_a_map(ops in ops()) {
        let mut world = World::new(40);
        for op in ops {
            match op {
                Op::Insert(key, weight) => world.insert(key, weight),
                Op::Remove(key) => world.remove(key),
                Op::Change(key, weight) => world.change(key, weight),
                Op::Look(key) => world.look(key),
            }
            world.check();
        }
    }
}

#[test]
fn what_is_there_is_not_added_and_what_is_gone_not_removed() {
    let mut world = World::new(8);
    for key in [3, 1, 2, 5, 4] {
        world.insert(key, 7);
    }
    let id = world.keys.find(&world.arena, &3).unwrap();
    assert!(!world.keys.insert(&mut world.arena, id));
    world.check();
    world.remove(3);
    assert!(world.arena.remove(id).is_none());
    world.check();
    world.insert(6, 1);
    world.insert(7, 1);
    world.check();
}

#[test]
fn in_order_and_backwards() {
    for keys in [(0..5000).collect::<Vec<u16>>(), (0..5000).rev().collect()] {
        let mut world = World::new(5000);
        for &key in &keys {
            world.insert(key, u32::from(key) % 7);
        }
        assert_eq!(world.arena.free(), 0);
        world.check();
        for &key in &keys {
            world.remove(key);
            if key % 500 == 0 {
                world.check();
            }
        }
        assert_eq!(world.arena.free(), 5000);
    }
}
