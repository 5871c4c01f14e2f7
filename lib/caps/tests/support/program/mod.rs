//! Programs over all operations: how random ones are made, and how one is run side by side with the naive model.
//!
//! Used by `tests/programs.rs` with random numbers, and by the fuzzer (`lib/fuzz-targets`) with its bytes in their place.

mod compare;
pub mod ops;
mod step;
mod tally;

pub use tally::Tally;

use super::audit::{audit, entries};
use super::model::{Held, Model, State};
use super::{Call, L1, L2, RAM, RAM_BYTES, USED_SLOTS, World, entry};
use caps::{CteRef, Flags, Step, Store};
use errors::ErrorCode;
use kpi::addr::CoreId;
use kpi::cap::ObjType;
use ops::{ANY_FREE, Op, Pick};

/// An operation that has more to do.
struct Unfinished {
    /// The entries it names.
    names: Vec<CteRef>,
    call: Call,
}

/// The database and the model, in the same state.
pub struct Run {
    pub world: World,
    model: Model,
    /// Operations are left after each call and go on with [`Op::Continue`]; the model does not count then.
    stepwise: bool,
    unfinished: Vec<Unfinished>,
    /// The last operation is unfinished.
    cut: bool,
}

impl Default for Run {
    fn default() -> Self {
        Self::new()
    }
}

impl Run {
    pub fn new() -> Self {
        let world = World::new();
        let mut model = Model::default();
        for (at, cap) in entries(&world) {
            model.put(at, cap, false, State::default());
        }
        model.order.clear();
        let mut next = world.db.first(&world.env);
        while let Some(at) = next {
            model.order.push(at.address().0);
            next = world.db.successor(&world.env, at);
        }
        let mut run = Self {
            world,
            model,
            stepwise: false,
            unfinished: Vec::new(),
            cut: false,
        };
        // Something of every kind that operations need.
        let mut slot = 12;
        let mut offset = 5 << 20;
        let mut make = |objtype, bytes, count| {
            let op = Op::Retype {
                source: Pick::Slot(0),
                objtype: objtype as u8,
                bytes,
                count,
                offset,
                cnode: Pick::Kind(ObjType::L2CNode, 0),
                index: slot,
                from_monitor: false,
            };
            assert_eq!(run.step(&op), (Ok(()), Ok(())));
            slot += count as u32;
            offset += 0x4_0000;
        };
        make(ObjType::VNodeAarch64L0, 4096, 1);
        make(ObjType::VNodeAarch64L1, 4096, 2);
        make(ObjType::VNodeAarch64L2, 4096, 2);
        make(ObjType::VNodeAarch64L3, 4096, 3);
        make(ObjType::Dispatcher, 1024, 1);
        make(ObjType::Frame, 16384, 3);
        make(ObjType::Ram, 65536, 2);
        make(ObjType::EndPointUmp, 8192, 1);
        let others = [
            (Pick::Slot(1), ObjType::DevFrame, 8192, 30),
            (Pick::Slot(11), ObjType::DevFrame, 2 << 30, 31),
            (
                Pick::Kind(ObjType::Dispatcher, 0),
                ObjType::EndPointLmp,
                0,
                32,
            ),
        ];
        for (source, objtype, bytes, index) in others {
            let op = Op::Retype {
                source,
                objtype: objtype as u8,
                bytes,
                count: 1,
                offset: 0,
                cnode: Pick::Kind(ObjType::L2CNode, 0),
                index,
                from_monitor: false,
            };
            assert_eq!(run.step(&op), (Ok(()), Ok(())));
        }
        run
    }

    fn find(&self, pick: Pick) -> u64 {
        // Entries in kernel objects cannot be named by users.
        let named: Vec<u64> = self
            .model
            .caps
            .keys()
            .copied()
            .filter(|at| *at >= L1 && !self.model.caps[at].in_object)
            .collect();
        let any_slot = |n: u32| L2[(n / USED_SLOTS) as usize % 3] + 64 * u64::from(n % USED_SLOTS);
        match pick {
            Pick::Slot(n) => any_slot(n),
            Pick::Used(n) if named.is_empty() => any_slot(n),
            Pick::Used(n) => named[n as usize % named.len()],
            Pick::Kind(kind, n) => {
                let fitting: Vec<u64> = named
                    .iter()
                    .copied()
                    .filter(|at| self.model.caps[at].cap.objtype() == kind)
                    .collect();
                if fitting.is_empty() {
                    any_slot(n)
                } else {
                    fitting[n as usize % fitting.len()]
                }
            }
        }
    }

    fn table_at(&self, base: u64) -> Option<u64> {
        let mut caps = self.model.caps.iter();
        let found =
            caps.find(|(_, held)| held.cap.objtype().is_vnode() && held.cap.address() == base);
        found.map(|(at, _)| *at)
    }

    fn free_from(&self, cnode: u64, index: u32) -> u32 {
        if !(ANY_FREE..ANY_FREE + USED_SLOTS).contains(&index) {
            return index;
        }
        let base = self
            .model
            .caps
            .get(&cnode)
            .map_or(0, |held| held.cap.address());
        let used = |slot: u32| self.model.caps.contains_key(&(base + 64 * u64::from(slot)));
        (index - ANY_FREE..256)
            .find(|slot| !used(*slot))
            .unwrap_or(0)
    }

    /// Runs a call to its end, or once.
    fn call(&mut self, names: &[CteRef], mut call: Call) -> Result<(), ErrorCode> {
        if !self.stepwise {
            return self.world.repeat(call).map(|_| ());
        }
        if self.world.once(&mut call)? == Step::Again {
            self.cut = true;
            let names = names.to_vec();
            self.unfinished.push(Unfinished { names, call });
        }
        Ok(())
    }

    /// Goes on with one of the unfinished operations, unless what it names is gone: the kernel looks it up anew each time.
    fn go_on(&mut self, n: u32) {
        if self.unfinished.is_empty() {
            return;
        }
        let index = n as usize % self.unfinished.len();
        let mut op = self.unfinished.swap_remove(index);
        let there = entries(&self.world);
        if op
            .names
            .iter()
            .all(|at| there.contains_key(&at.address().0))
            && self.world.once(&mut op.call) == Ok(Step::Again)
        {
            self.unfinished.push(op);
        }
    }

    /// No other core has a say in anything.
    fn make_local(&mut self) {
        for (at, held) in &mut self.model.caps {
            let World { db, env } = &mut self.world;
            db.set_locked(env, entry(*at), false);
            db.set_owner(env, entry(*at), CoreId(0));
            db.set_relations(env, entry(*at), Flags::NONE, Flags::REMOTE);
            held.state = State {
                retained: held.state.retained,
                ..State::default()
            };
        }
    }
}

/// Runs a program on both, and compares after each operation. `per_call`: how much a call may do.
pub fn program(ops: &[Op], per_call: u32, tally: &mut Tally) {
    let mut run = Run::new();
    run.world.env.per_call = per_call;
    for op in ops {
        let (seen, expected) = run.step(op);
        assert_eq!(seen, expected, "{op:?}");
        tally.count(op, seen.is_ok());
        run.compare();
        audit(&run.world);
    }
}

/// Single calls of operations among each other: what must hold holds after each, and in the end everything goes.
pub fn interleaved(ops: &[Op], per_call: u32, tally: &mut Tally) {
    let mut run = Run::new();
    run.world.env.per_call = per_call;
    run.stepwise = true;
    for op in ops {
        run.cut = false;
        let (seen, _) = run.step(op);
        tally.count(op, seen.is_ok());
        audit(&run.world);
        run.told_is_free();
        run.model = run.observed();
    }
    run.make_local();
    // Mappings and the like that are half deleted are still to be deleted by whoever began; RAM's revocation does it here.
    run.world.drain(audit).unwrap();
    let is_ram = |held: &&Held| held.cap == super::memory(ObjType::Ram, RAM, RAM_BYTES);
    let all_ram = run.observed();
    let all_ram = all_ram.caps.iter().find(|(_, held)| is_ram(held));
    let Some(ram) = all_ram.map(|(at, _)| entry(*at)) else {
        // It was revoked through a capability that is gone.
        return;
    };
    run.world.revoke_whole(ram).unwrap();
    audit(&run.world);
    // What is half made or half deleted elsewhere can be deleted by whoever has it.
    for at in entries(&run.world).into_keys() {
        let half = Flags::CREATING.with(Flags::IN_DELETE);
        if run.world.env.cte(entry(at)).flags().has(half) {
            run.world.delete(entry(at)).unwrap();
        }
    }
    run.nothing_is_half_done();
    let (db, env) = (&run.world.db, &run.world.env);
    assert!(!db.has_descendants(env, env.cte(ram).cap()));
    // None of its memory is lost.
    if ram.address().0 == L2[0] {
        let whole = super::from_ram(ObjType::Frame, RAM_BYTES, 1, 0, super::slot(2, 255));
        let _ = run.world.delete(super::at(2, 255));
        run.world.retype(whole).unwrap();
    }
}
