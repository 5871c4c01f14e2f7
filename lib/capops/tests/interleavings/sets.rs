//! What there is to begin with: every set of so many capabilities, and a machine that has it.

use crate::support::{HOME, RAM, SLOTS, World, entry};
use caps::{DestSlot, Store};
use kpi::cap::ObjType;

/// What capabilities are for, and where it lies in RAM.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Object {
    A,
    B,
    Dispatcher,
    Frame,
    Table,
}

pub use Object::{A, B};

pub const OBJECTS: [Object; 5] = [A, B, Object::Dispatcher, Object::Frame, Object::Table];

impl Object {
    pub fn kind(self) -> (ObjType, u64, u64) {
        match self {
            A => (ObjType::L2CNode, 16384, 0),
            B => (ObjType::L2CNode, 16384, 0x4000),
            Self::Dispatcher => (ObjType::Dispatcher, 0, 0x8000),
            Self::Frame => (ObjType::Frame, 4096, 0x9000),
            Self::Table => (ObjType::VNodeAarch64L3, 4096, 0xa000),
        }
    }

    pub fn base(self) -> u64 {
        RAM + self.kind().2
    }
}

/// Whose slots a capability lies in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Holder {
    Driver,
    In(Object),
}

pub const HOLDERS: [Holder; 4] = [
    Holder::Driver,
    Holder::In(A),
    Holder::In(B),
    Holder::In(Object::Dispatcher),
];

/// Capabilities to begin with.
pub type Set = Vec<(Object, Holder)>;

/// All sets of a size that can be, those apart that differ only in which CNode is called A.
pub fn sets(size: usize) -> Vec<Set> {
    let all: Vec<(Object, Holder)> = OBJECTS
        .iter()
        .flat_map(|object| HOLDERS.map(|holder| (*object, holder)))
        .collect();
    let mut found = Vec::new();
    let mut chosen = Vec::new();
    choose(&all, size, &mut chosen, &mut found);
    found.retain(|set: &Set| {
        let there = |object: Object| set.iter().any(|(one, _)| *one == object);
        let swap = |object| match object {
            A => B,
            B => A,
            other => other,
        };
        let mut swapped: Set = set
            .iter()
            .map(|(object, holder)| match holder {
                Holder::Driver => (swap(*object), *holder),
                Holder::In(cnode) => (swap(*object), Holder::In(swap(*cnode))),
            })
            .collect();
        swapped.sort();
        set.iter().all(|(_, holder)| match holder {
            Holder::Driver => true,
            Holder::In(object) => there(*object),
        }) && *set <= swapped
    });
    found
}

fn choose<T: Copy>(from: &[T], size: usize, chosen: &mut Vec<T>, found: &mut Vec<Vec<T>>) {
    if size == 0 {
        found.push(chosen.clone());
        return;
    }
    for (index, one) in from.iter().enumerate() {
        chosen.push(*one);
        choose(&from[index + 1..], size - 1, chosen, found);
        chosen.pop();
    }
}

/// A machine with these capabilities. `None` if somewhere is no room.
pub fn build(set: &Set) -> Option<World> {
    let mut world = World::new();
    let mut objects: Vec<Object> = set.iter().map(|(object, _)| *object).collect();
    objects.dedup();
    let scratch = |object: Object| 240 + object as u32;
    for object in &objects {
        let (objtype, bytes, offset) = object.kind();
        let args = World::from_ram(objtype, bytes, offset, World::home(scratch(*object)));
        world.repeat(|db, env| db.retype(env, args)).unwrap();
    }
    let mut used = [0; 4];
    for (object, holder) in set {
        let source = entry(HOME + 64 * u64::from(scratch(*object)));
        let place = HOLDERS.iter().position(|one| one == holder).unwrap();
        let index = used[place];
        used[place] += 1;
        let World { db, env } = &mut world;
        match holder {
            Holder::Driver => {
                db.copy(env, World::home(1 + index), source).unwrap();
            }
            Holder::In(Object::Dispatcher) => {
                let at = Object::Dispatcher.base() + 64 * u64::from(index);
                let slot = (index < caps::DISPATCHER_ENTRIES).then(|| entry(at))?;
                db.copy_into_object(env, slot, source).unwrap();
                if index == 0 && env.cte(slot).cap().objtype() == ObjType::L2CNode {
                    env.running.insert(at);
                }
            }
            Holder::In(cnode) => {
                let dest = DestSlot {
                    cnode: entry(HOME + 64 * u64::from(scratch(*cnode))),
                    index: *SLOTS.get(index as usize)?,
                };
                db.copy(env, dest, source).unwrap();
            }
        }
    }
    for object in objects {
        let at = entry(HOME + 64 * u64::from(scratch(object)));
        world.repeat(|db, env| db.delete(env, at)).unwrap();
    }
    world.env.tidy();
    world.check().unwrap();
    Some(world)
}
