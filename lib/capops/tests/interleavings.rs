//! Model checking of deletion and revocation in steps: every interleaving of their kernel entries with what others may do between
//! two of them. The code is the real one, `capops` and `caps`; a state is the machine, copied and hashed.
//!
//! From every set of up to so many capabilities (CNodes, a dispatcher, a frame, a page table; each in the driver's CNode, in one of
//! the CNodes, or held by the dispatcher), for every capability, its deletion and its revocation are begun. Then, in any order:
//! the next kernel entry of the operation; up to so many acts of others (copy, delete, revoke, retype also of memory that was just
//! freed, map, start of a dispatcher, a second whole delete or revoke), each of which may also be continued entry by entry, or never.
//!
//! In every state: the database and the page tables are in order, no capability lies in freed memory, no dispatcher runs without
//! its CNode. If whoever works stopped for ever here (was killed), one revocation of all RAM would bring all memory back. An
//! operation ends within a bounded number of entries; when a revocation has ended, nobody else has access.
//!
//! `./hake.sh test` checks the small sets, `--long` (`BARRELEYE_LONG`) all up to four capabilities.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod support;

use std::time::Instant;

use capops::{Next, Operation};
use caps::{DestSlot, Flags, MapArgs, RetypeArgs, Step, Store};
use errors::ErrorCode as E;
use kpi::cap::{ObjType, compare, is_copy};
use stateright::{Checker, Model, Property};
use support::{HOME, HOME_CNODE, RAM, RAM_SLOT, SLOTS, World, entry};

/// What capabilities are for, and where it lies in RAM.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Object {
    A,
    B,
    Dispatcher,
    Frame,
    Table,
}

use Object::{A, B};

const OBJECTS: [Object; 5] = [A, B, Object::Dispatcher, Object::Frame, Object::Table];

impl Object {
    fn kind(self) -> (ObjType, u64, u64) {
        match self {
            A => (ObjType::L2CNode, 16384, 0),
            B => (ObjType::L2CNode, 16384, 0x4000),
            Self::Dispatcher => (ObjType::Dispatcher, 0, 0x8000),
            Self::Frame => (ObjType::Frame, 4096, 0x9000),
            Self::Table => (ObjType::VNodeAarch64L3, 4096, 0xa000),
        }
    }

    fn base(self) -> u64 {
        RAM + self.kind().2
    }
}

/// Whose slots a capability lies in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Holder {
    Driver,
    In(Object),
}

const HOLDERS: [Holder; 4] = [
    Holder::Driver,
    Holder::In(A),
    Holder::In(B),
    Holder::In(Object::Dispatcher),
];

/// Capabilities to begin with.
type Set = Vec<(Object, Holder)>;

/// All sets of a size that can be, those apart that differ only in which CNode is called A.
fn sets(size: usize) -> Vec<Set> {
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
fn build(set: &Set) -> Option<World> {
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

/// Somebody's operation.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Work {
    operation: Operation,
    revokes: bool,
    at: u64,
}

/// What others do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Act {
    Copy {
        from: u64,
        cnode: u64,
        index: u32,
    },
    Delete(u64),
    Revoke(u64),
    Retype {
        kind: Kind,
        cnode: u64,
        index: u32,
    },
    Map {
        table: u64,
        frame: u64,
        cnode: u64,
        index: u32,
    },
    Unmap {
        table: u64,
        mapping: u64,
    },
    Start {
        dispatcher: u64,
        cnode: u64,
    },
    /// A second delete or revoke by way of `capops`.
    DeleteWhole(u64),
    RevokeWhole(u64),
}

/// What others make: new things, and such as lie where others lay.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Kind {
    Frame,
    CNodeAtA,
    FrameAtA,
    DispatcherAgain,
}

impl Kind {
    fn what(self) -> (ObjType, u64, u64) {
        match self {
            Self::Frame => (ObjType::Frame, 4096, 0xb000),
            Self::CNodeAtA => A.kind(),
            Self::FrameAtA => (ObjType::Frame, 8192, 0),
            Self::DispatcherAgain => Object::Dispatcher.kind(),
        }
    }
}

#[derive(Clone, Hash, Debug, PartialEq)]
struct State {
    world: World,
    works: [Option<Work>; 2],
    /// An act that has more to do.
    unfinished: Option<Act>,
    /// How many acts may come.
    left: u8,
    /// Kernel entries since the beginning.
    entries: u16,
    /// What went wrong between two states.
    fault: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Action {
    /// The next kernel entry of an operation.
    Step(usize),
    Act(Act),
    /// The next kernel entry of an unfinished act.
    Continue,
}

/// The model: sets of capabilities, and how many acts come between.
struct Interleavings {
    sets: Vec<Set>,
    acts: u8,
}

/// More kernel entries than the operations, and the acts between, take together.
const MOST: u16 = 200;

impl State {
    /// One entry of an act; whether it has more to do.
    fn perform(&mut self, act: Act) -> bool {
        let World { db, env } = &mut self.world;
        let dest = |cnode: u64, index: u32| DestSlot {
            cnode: entry(cnode),
            index,
        };
        let step = match act {
            Act::Copy { from, cnode, index } => db
                .copy(env, dest(cnode, index), entry(from))
                .map(|_| Step::Done),
            Act::Delete(at) => db.delete(env, entry(at)),
            Act::Revoke(at) => db.revoke(env, entry(at)),
            Act::Retype { kind, cnode, index } => {
                let (objtype, bytes, offset) = kind.what();
                let args: RetypeArgs = World::from_ram(objtype, bytes, offset, dest(cnode, index));
                db.retype(env, args)
            }
            Act::Map {
                table,
                frame,
                cnode,
                index,
            } => {
                let args = MapArgs {
                    source: entry(frame),
                    flags: 1,
                    offset: 0,
                    count: 1,
                    entry: 7,
                    dest: dest(cnode, index),
                };
                db.map(env, entry(table), args).map(|_| Step::Done)
            }
            Act::Unmap { table, mapping } => db.unmap(env, entry(table), entry(mapping)),
            Act::Start { dispatcher, cnode } => {
                // As the kernel: what is being deleted is found locked.
                let dcb = env.cte(entry(dispatcher)).cap().address();
                let usable = !env
                    .cte(entry(dispatcher))
                    .flags()
                    .has(Flags::IN_DELETE.with(Flags::CREATING));
                if usable && db.copy_into_object(env, entry(dcb), entry(cnode)).is_ok() {
                    env.running.insert(dcb);
                }
                Ok(Step::Done)
            }
            Act::DeleteWhole(at) => {
                self.works[1] = Some(Work {
                    operation: Operation::delete(),
                    revokes: false,
                    at,
                });
                Ok(Step::Done)
            }
            Act::RevokeWhole(at) => {
                self.works[1] = Some(Work {
                    operation: Operation::revoke(),
                    revokes: true,
                    at,
                });
                Ok(Step::Done)
            }
        };
        self.world.env.tidy();
        step == Ok(Step::Again)
    }

    /// One kernel entry of an operation.
    fn step(&mut self, index: usize) {
        let Some(work) = &mut self.works[index] else {
            return;
        };
        let Next::Call(call) = work.operation.next() else {
            return;
        };
        let Some(answer) = self.world.serve(call, work.at) else {
            return;
        };
        let result = work.operation.answered(answer);
        let marked =
            |at: u64| self.world.cap(at).objtype() == ObjType::Null || !self.world.is_usable(at);
        if call == capops::Call::DeleteLast && result.is_ok() && !marked(work.at) {
            self.fault = Some("deleted, and still there".into());
        }
        if let Err(error) = result {
            // Others took the name away, or are at it themselves.
            if !matches!(
                error,
                E::SysCapNotFound | E::SysCnodeNotFound | E::SysCapLocked
            ) {
                self.fault = Some(format!("{error:?} ended {work:?}"));
            }
            self.works[index] = None;
        } else if work.operation.next() == Next::Done {
            let (at, revokes) = (work.at, work.revokes);
            self.works[index] = None;
            self.ended(at, revokes);
        }
    }

    /// An operation has ended without error.
    fn ended(&mut self, at: u64, revokes: bool) {
        let entries = self.world.entries();
        let there = entries.get(&at);
        let Some(cap) = there.filter(|_| revokes) else {
            return;
        };
        let others = entries.iter().filter(|(place, _)| **place != at);
        for (place, other) in others {
            let made_from_it = other.objtype().has_address()
                && compare(other, cap).is_gt()
                && (cap.address()..cap.address() + cap.size()).contains(&other.address());
            if is_copy(other, cap) || made_from_it {
                self.fault = Some(format!("{other} at {place:#x} survived the revocation"));
            }
        }
    }

    /// Everything that others can do.
    fn acts(&self) -> Vec<Act> {
        let world = &self.world;
        let cnodes = world.cnodes();
        let names = world.names(&cnodes);
        let entries = world.entries();
        let kind = |at: &u64| entries[at].objtype();
        // The first free slot of each CNode; in the driver's, one that nothing else uses.
        let free: Vec<(u64, u32)> = cnodes
            .iter()
            .filter_map(|cnode| {
                let base = entries[cnode].address();
                let slots: &[u32] = if *cnode == HOME_CNODE { &[9] } else { &SLOTS };
                let free = |slot: &&u32| !entries.contains_key(&(base + 64 * u64::from(**slot)));
                slots.iter().find(free).map(|slot| (*cnode, *slot))
            })
            .collect();
        let mut acts = Vec::new();
        for at in names.iter().filter(|at| **at != RAM_SLOT) {
            acts.extend([Act::Delete(*at), Act::Revoke(*at)]);
            if self.works[1].is_none() {
                acts.extend([Act::DeleteWhole(*at), Act::RevokeWhole(*at)]);
            }
            for (cnode, index) in &free {
                acts.push(Act::Copy {
                    from: *at,
                    cnode: *cnode,
                    index: *index,
                });
            }
        }
        if self.works[1].is_none() {
            acts.push(Act::RevokeWhole(RAM_SLOT));
        }
        for (cnode, index) in &free {
            let kinds = [
                Kind::Frame,
                Kind::CNodeAtA,
                Kind::FrameAtA,
                Kind::DispatcherAgain,
            ];
            acts.extend(kinds.map(|kind| Act::Retype {
                kind,
                cnode: *cnode,
                index: *index,
            }));
        }
        let of =
            |wanted: fn(ObjType) -> bool| names.iter().copied().filter(move |at| wanted(kind(at)));
        for table in of(ObjType::is_vnode) {
            for frame in of(|objtype| objtype == ObjType::Frame) {
                let Some((cnode, index)) = free.first().copied() else {
                    break;
                };
                acts.push(Act::Map {
                    table,
                    frame,
                    cnode,
                    index,
                });
            }
            for mapping in of(ObjType::is_mapping) {
                acts.push(Act::Unmap { table, mapping });
            }
        }
        for dispatcher in of(|objtype| objtype == ObjType::Dispatcher) {
            for cnode in of(|objtype| objtype == ObjType::L2CNode) {
                acts.push(Act::Start { dispatcher, cnode });
            }
        }
        acts
    }
}

impl Model for Interleavings {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut states = Vec::new();
        for world in self.sets.iter().filter_map(build) {
            for at in world.names(&world.cnodes()) {
                for revokes in [false, true] {
                    if at == RAM_SLOT && !revokes {
                        continue;
                    }
                    let operation = if revokes {
                        Operation::revoke()
                    } else {
                        Operation::delete()
                    };
                    let work = Work {
                        operation,
                        revokes,
                        at,
                    };
                    states.push(State {
                        world: world.clone(),
                        works: [Some(work), None],
                        unfinished: None,
                        left: self.acts,
                        entries: 0,
                        fault: None,
                    });
                }
            }
        }
        states
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (index, work) in state.works.iter().enumerate() {
            if work.is_some() {
                actions.push(Action::Step(index));
            }
        }
        if state.unfinished.is_some() {
            actions.push(Action::Continue);
        }
        // After the first operation has ended nothing of interest can be disturbed.
        if state.left > 0 && state.works[0].is_some() && state.unfinished.is_none() {
            actions.extend(state.acts().into_iter().map(Action::Act));
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        state.entries += 1;
        match action {
            Action::Step(index) => state.step(index),
            Action::Act(act) => {
                state.left -= 1;
                if state.perform(act) {
                    state.unfinished = Some(act);
                }
            }
            Action::Continue => {
                if let Some(act) = state.unfinished.take()
                    && state.can_name(act)
                    && state.perform(act)
                {
                    state.unfinished = Some(act);
                }
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("what must hold holds", |_, state: &State| {
                report(state.world.check())
            }),
            Property::always("no memory is lost", |_, state: &State| {
                report(state.world.nothing_is_lost())
            }),
            Property::always("operations do what they say", |_, state: &State| {
                report(state.fault.clone().map_or(Ok(()), Err))
            }),
            Property::always("operations end", |_, state: &State| state.entries < MOST),
        ]
    }
}

fn report(result: Result<(), String>) -> bool {
    if let Err(why) = &result {
        println!("{why}");
    }
    result.is_ok()
}

impl State {
    /// Whether the slots that an act names can still be named: the kernel looks them up at each entry.
    fn can_name(&self, act: Act) -> bool {
        let there = |at: u64| at == HOME_CNODE || self.world.look_up(at).is_ok();
        let cnode = |at: u64| self.world.cnodes().contains(&at);
        match act {
            Act::Delete(at) | Act::Revoke(at) => there(at),
            Act::Retype { cnode: at, .. } => cnode(at),
            Act::Unmap { table, mapping } => there(table) && there(mapping),
            // These take one entry.
            Act::Copy { .. } | Act::Map { .. } | Act::Start { .. } => false,
            Act::DeleteWhole(_) | Act::RevokeWhole(_) => false,
        }
    }
}

/// KiB that this process had at most, where the host tells.
fn most_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

fn check(sizes: &[usize], acts: u8) {
    let started = Instant::now();
    let sets: Vec<Set> = sizes.iter().flat_map(|size| sets(*size)).collect();
    let count = sets.len();
    let checker = Interleavings { sets, acts }
        .checker()
        .threads(2)
        .spawn_dfs()
        .join();
    println!(
        "{count} sets of {sizes:?} capabilities, {acts} acts: {} states, {} of them different, {} s",
        checker.state_count(),
        checker.unique_state_count(),
        started.elapsed().as_secs()
    );
    if let Some(kib) = most_memory() {
        println!("at most {} MiB of memory so far", kib >> 10);
        assert!(kib < 8 << 20, "more than 8 GiB");
    }
    if let Some((name, path)) = checker.discoveries().into_iter().next() {
        panic!(
            "{name}: {:#?}\n{:#?}",
            path.last_state(),
            path.clone().into_actions()
        );
    }
}

#[test]
fn small_sets_of_capabilities_in_every_order() {
    check(&[1, 2], 2);
    check(&[3], 1);
}

#[test]
fn all_sets_of_up_to_four_capabilities_in_every_order() {
    if std::env::var_os("BARRELEYE_LONG").is_some() {
        check(&[1, 2, 3], 2);
        check(&[4], 1);
    }
}
