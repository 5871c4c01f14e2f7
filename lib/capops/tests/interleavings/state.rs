//! A state, and what leads to the next: kernel entries of the operations, and what others may do between two of them.

use super::sets::{A, Object};
use crate::support::{HOME_CNODE, RAM_SLOT, SLOTS, World, entry};
use capops::{Next, Operation};
use caps::{DestSlot, Flags, MapArgs, RetypeArgs, Step, Store};
use errors::ErrorCode as E;
use kpi::cap::{ObjType, compare, is_copy};

/// Somebody's operation.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Work {
    pub operation: Operation,
    pub revokes: bool,
    pub at: u64,
}

/// What others do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Act {
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
pub enum Kind {
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
pub struct State {
    pub world: World,
    pub works: [Option<Work>; 2],
    /// An act that has more to do.
    pub unfinished: Option<Act>,
    /// How many acts may come.
    pub left: u8,
    /// Kernel entries since the beginning.
    pub entries: u16,
    /// What went wrong between two states.
    pub fault: Option<String>,
}

impl State {
    /// One entry of an act; whether it has more to do.
    pub fn perform(&mut self, act: Act) -> bool {
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
    pub fn step(&mut self, index: usize) {
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
    pub fn acts(&self) -> Vec<Act> {
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

    /// Whether the slots that an act names can still be named: the kernel looks them up at each entry.
    pub fn can_name(&self, act: Act) -> bool {
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
