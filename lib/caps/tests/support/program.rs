//! Programs over all operations: how random ones are made, and how one is run side by side with the naive model.
//!
//! Used by `tests/programs.rs` with random numbers, and by the fuzzer (`lib/fuzz-targets`) with its bytes in their place.

use std::collections::BTreeMap;

use super::audit::{audit, entries};
use super::model::{Held, Model, State};
use super::{Call, HELD, HELD_BASE, L1, L2, RAM, RAM_BYTES, ROOT, USED_SLOTS, World, entry};
use caps::{CteRef, DestSlot, Flags, MapArgs, Range, RetypeArgs, Step, Store, lookup};
use errors::ErrorCode;
use kpi::addr::{CapAddr, CoreId, PhysAddr};
use kpi::cap::{Capability, EndPointUmp, ObjType};
use kpi::rights::CapRights;
use proptest::prelude::*;

/// Which entry an operation means: mostly the n-th that is in use, else any slot.
#[derive(Clone, Copy, Debug)]
pub enum Pick {
    Used(u32),
    Kind(ObjType, u32),
    Slot(u32),
}

#[derive(Clone, Debug)]
pub enum Op {
    Copy(Pick, Pick, u32),
    CopyIntoObject(u32, Pick),
    Release(u32),
    Mint(Pick, Pick, u32, u64, u64),
    Create(u8, Pick, u32),
    Retype {
        source: Pick,
        objtype: u8,
        bytes: u64,
        count: u64,
        offset: u64,
        cnode: Pick,
        index: u32,
        from_monitor: bool,
    },
    Delete(Pick),
    Revoke(Pick),
    CopyIntoDispatcher(Pick, u32, Pick),
    DeleteWhole(Pick),
    RevokeWhole(Pick),
    /// The model does not know these.
    DeleteLast(Pick),
    RevokeMarkTarget(Pick),
    DeleteStep,
    ClearStep,
    /// One more call of an operation that said `Again`.
    Continue(u32),
    Map {
        table: Pick,
        source: Pick,
        flags: u64,
        offset: u64,
        count: u64,
        entry: u64,
        cnode: Pick,
        index: u32,
    },
    Unmap(Pick, Pick),
    Modify(Pick, u64, u64, u64),
    ModifyEntries(Pick, u64, u64, u64),
    Destroy(Pick),
    Lock(Pick, bool),
    Owner(Pick, bool),
    Relations(Pick, u8, u8),
    Retain(Pick),
    /// L1 slot, L2 slot, level, rights.
    Lookup(u32, u32, u64, u8),
    /// What lies in a range of bytes: start in units of 512 bytes from the RAM's, length.
    Find(u32, u64),
}

/// Added to a slot number: the next free slot from there on.
const ANY_FREE: u32 = 1000;

fn pick() -> impl Strategy<Value = Pick> {
    prop_oneof![
        9 => any::<u32>().prop_map(Pick::Used),
        1 => any::<u32>().prop_map(Pick::Slot),
    ]
}

fn kind(kinds: &'static [ObjType]) -> impl Strategy<Value = Pick> {
    prop_oneof![
        6 => (prop::sample::select(kinds), any::<u32>()).prop_map(|(k, n)| Pick::Kind(k, n)),
        1 => pick(),
    ]
}

fn cnode() -> impl Strategy<Value = Pick> {
    prop_oneof![
        12 => (prop::sample::select(&[ObjType::L2CNode, ObjType::L2CNode, ObjType::L2CNode, ObjType::L2CNode, ObjType::L1CNode][..]), any::<u32>())
            .prop_map(|(k, n)| Pick::Kind(k, n)),
        1 => pick(),
    ]
}

fn index() -> impl Strategy<Value = u32> {
    prop_oneof![40 => (0..USED_SLOTS).prop_map(|n| n + ANY_FREE), 10 => 0..USED_SLOTS, 1 => 250..260u32, 1 => any::<u32>()]
}

fn bytes() -> impl Strategy<Value = u64> {
    prop_oneof![
        12 => prop::sample::select(&[4096u64, 4096, 8192, 16384, 16384, 32768, 65536][..]),
        2 => prop::sample::select(&[0u64, 100, 1024, 12288, 1 << 20, 40, 50, u64::MAX][..]),
    ]
}

/// Source, type and size of a retype: mostly such as fit.
fn retype_kinds() -> impl Strategy<Value = (Pick, u8, u64)> {
    use ObjType::{
        DevFrame, Dispatcher, Domain, EndPointLmp, EndPointUmp, Frame, IrqSrc, KernelControlBlock,
        L1CNode, L2CNode, PhysAddr, ProcessManager, Ram, VNodeAarch64L0, VNodeAarch64L1,
        VNodeAarch64L2, VNodeAarch64L3,
    };
    const PAIRS: &[(ObjType, ObjType, u64)] = &[
        (Ram, Ram, 65536),
        (Ram, Ram, 16384),
        (Ram, Frame, 4096),
        (Ram, Frame, 16384),
        (Ram, Frame, 65536),
        (Ram, Frame, 131_072),
        (Ram, L1CNode, 16384),
        (Ram, L2CNode, 16384),
        (Ram, Dispatcher, 0),
        (Ram, VNodeAarch64L0, 4096),
        (Ram, VNodeAarch64L1, 4096),
        (Ram, VNodeAarch64L2, 4096),
        (Ram, VNodeAarch64L3, 4096),
        (Ram, EndPointUmp, 8192),
        (Ram, KernelControlBlock, 0),
        (Frame, Frame, 4096),
        (Frame, Frame, 16384),
        (DevFrame, DevFrame, 4096),
        (PhysAddr, DevFrame, 8192),
        (PhysAddr, DevFrame, 4 << 20),
        (PhysAddr, DevFrame, 2 << 30),
        (PhysAddr, PhysAddr, 65536),
        (PhysAddr, Ram, 65536),
        (Dispatcher, EndPointLmp, 0),
        (IrqSrc, IrqSrc, 40),
        (ProcessManager, Domain, 0),
    ];
    let fitting = (prop::sample::select(PAIRS), any::<u32>())
        .prop_map(|((source, made, bytes), n)| (Pick::Kind(source, n), made as u8, bytes));
    let odd_size = (prop::sample::select(PAIRS), any::<u32>(), bytes())
        .prop_map(|((source, made, _), n, bytes)| (Pick::Kind(source, n), made as u8, bytes));
    prop_oneof![
        8 => fitting,
        2 => odd_size,
        1 => (pick(), 0..40u8, bytes()),
    ]
}

pub fn op() -> impl Strategy<Value = Op> {
    use ObjType::{
        DevFrame, DevFrameMapping, Dispatcher, EndPointLmp, EndPointUmp, EndPointUmpMapping, Frame,
        FrameMapping, KernelControlBlock, L1CNode, L1CNodeMapping, L2CNode, L2CNodeMapping,
        VNodeAarch64L0, VNodeAarch64L1, VNodeAarch64L1Mapping, VNodeAarch64L2,
        VNodeAarch64L2Mapping, VNodeAarch64L3, VNodeAarch64L3Mapping,
    };
    const TABLES: &[ObjType] = &[
        VNodeAarch64L3,
        VNodeAarch64L3,
        VNodeAarch64L0,
        VNodeAarch64L1,
        VNodeAarch64L2,
    ];
    const PAIRS: &[(ObjType, ObjType)] = &[
        (VNodeAarch64L3, Frame),
        (VNodeAarch64L3, Frame),
        (VNodeAarch64L3, Frame),
        (VNodeAarch64L3, DevFrame),
        (VNodeAarch64L3, EndPointUmp),
        (VNodeAarch64L2, DevFrame),
        (VNodeAarch64L1, DevFrame),
        (VNodeAarch64L3, L2CNode),
        (VNodeAarch64L3, VNodeAarch64L3),
        (VNodeAarch64L2, VNodeAarch64L3),
        (VNodeAarch64L1, VNodeAarch64L2),
        (VNodeAarch64L0, VNodeAarch64L1),
    ];
    const MAPPINGS: &[ObjType] = &[
        FrameMapping,
        FrameMapping,
        DevFrameMapping,
        EndPointUmpMapping,
        VNodeAarch64L1Mapping,
        VNodeAarch64L2Mapping,
        VNodeAarch64L3Mapping,
        L1CNodeMapping,
        L2CNodeMapping,
    ];
    let offset = prop_oneof![
        10 => (0..32u64).prop_map(|n| n * 16384), 4 => Just(0u64), 2 => (0..8u64).prop_map(|n| n * 4096),
        1 => prop::sample::select(&[1024u64, 100, 40, 1 << 40, u64::MAX - 4095][..]),
    ];
    let count =
        prop_oneof![10 => 1..5u64, 1 => prop::sample::select(&[0u64, 40, 256, 257, u64::MAX][..])];
    let retype = (retype_kinds(), count, offset, cnode(), index(), any::<u8>());
    let retype = retype.prop_map(
        |((source, objtype, bytes), count, offset, cnode, index, monitor)| {
            let first_vector = objtype == ObjType::IrqSrc as u8 && offset.is_multiple_of(16384);
            Op::Retype {
                source,
                objtype,
                bytes,
                count,
                offset: if first_vector {
                    32 + offset / 16384 % 16
                } else {
                    offset
                },
                cnode,
                index,
                from_monitor: monitor < 20,
            }
        },
    );
    let flags = || prop_oneof![10 => prop::sample::select(&[1u64, 3, 5, 9, 11][..]), 1 => 0..20u64];
    let map_offset =
        prop_oneof![6 => Just(0u64), 2 => (0..8u64).prop_map(|p| p * 4096), 1 => Just(8u64)];
    let map_count = prop_oneof![6 => Just(1u64), 3 => 1..5u64, 1 => prop::sample::select(&[0u64, 513, u64::MAX][..])];
    let table_entry = prop_oneof![8 => 0..8u64, 1 => 508..514u64];
    let fitting = (prop::sample::select(PAIRS), any::<u32>(), any::<u32>())
        .prop_map(|((table, source), n, m)| (Pick::Kind(table, n), Pick::Kind(source, m)));
    let map_kinds =
        prop_oneof![6 => fitting, 1 => (kind(TABLES), pick()), 1 => (pick(), kind(TABLES))];
    let map = (
        map_kinds,
        flags(),
        map_offset,
        map_count,
        table_entry,
        cnode(),
        index(),
    );
    let map = map.prop_map(
        |((table, source), flags, offset, count, entry, cnode, index)| Op::Map {
            table,
            source,
            flags,
            offset,
            count,
            entry,
            cnode,
            index,
        },
    );
    let endpoint_offset =
        prop::sample::select(&[0u64, 8, 0x1000, 0x1001, 0x2000, 0x7fff0, u64::MAX][..]);
    let parameter = prop::sample::select(&[0u64, 1, 2, 21, 0x7_0015, 1 << 32][..]);
    prop_oneof![
        6 => (pick(), cnode(), index()).prop_map(|(s, c, i)| Op::Copy(s, c, i)),
        2 => (any::<u32>(), pick()).prop_map(|(h, s)| Op::CopyIntoObject(h, s)),
        1 => any::<u32>().prop_map(Op::Release),
        1 => (pick(), cnode(), index(), 0..40u64, 0..2u64).prop_map(|(s, c, i, p, q)| Op::Mint(s, c, i, p, q)),
        1 => (kind(&[EndPointLmp]), cnode(), index(), endpoint_offset, parameter)
            .prop_map(|(s, c, i, p, q)| Op::Mint(s, c, i, p, q)),
        1 => (prop_oneof![Just(ObjType::Id as u8), 0..40u8], cnode(), index()).prop_map(|(t, c, i)| Op::Create(t, c, i)),
        14 => retype,
        5 => pick().prop_map(Op::Delete),
        1 => pick().prop_map(Op::Revoke),
        3 => (kind(&[Dispatcher]), 0..3u32, pick()).prop_map(|(d, n, s)| Op::CopyIntoDispatcher(d, n, s)),
        2 => kind(&[L1CNode, L2CNode, Dispatcher, KernelControlBlock]).prop_map(Op::DeleteWhole),
        1 => pick().prop_map(Op::RevokeWhole),
        8 => map,
        2 => (kind(TABLES), kind(MAPPINGS)).prop_map(|(t, m)| Op::Unmap(t, m)),
        2 => (kind(MAPPINGS), prop_oneof![3 => Just(0u64), 1 => 0..5u64], prop_oneof![3 => Just(1u64), 1 => 0..4u64], flags()).prop_map(|(m, f, p, x)| Op::Modify(m, f, p, x)),
        2 => (kind(TABLES), 0..8u64, prop_oneof![3 => Just(1u64), 1 => 0..4u64], flags()).prop_map(|(t, f, c, x)| Op::ModifyEntries(t, f, c, x)),
        1 => kind(MAPPINGS).prop_map(Op::Destroy),
        1 => (pick(), 0..3u8).prop_map(|(a, lock)| Op::Lock(a, lock == 0)),
        1 => (pick(), 0..3u8).prop_map(|(a, foreign)| Op::Owner(a, foreign == 0)),
        1 => (pick(), 0..8u8, 0..8u8).prop_map(|(a, bits, mask)| Op::Relations(a, bits & 5, mask)),
        1 => kind(&[ObjType::Ram]).prop_map(Op::Retain),
        2 => (0..5u32, 0..USED_SLOTS, prop_oneof![8 => Just(2u64), 2 => 0..4u64], prop_oneof![4 => Just(3u8), 1 => 0..32u8])
            .prop_map(|(l1, l2, level, rights)| Op::Lookup(l1, l2, level, rights)),
        1 => (0..0x3800u32, prop::sample::select(&[0u64, 1, 512, 4096, 8192, 16384, 65536, 1 << 20][..]))
            .prop_map(|(start, bytes)| Op::Find(start, bytes)),
    ]
}

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

fn as_errors<T>(result: Result<T, ErrorCode>) -> Result<(), ErrorCode> {
    result.map(|_| ())
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

    /// Runs the operation on both; returns both results.
    pub fn step(&mut self, op: &Op) -> (Result<(), ErrorCode>, Result<(), ErrorCode>) {
        let dest = |run: &Self, cnode: Pick, index: u32| {
            let cnode = run.find(cnode);
            let index = run.free_from(cnode, index);
            let slot = DestSlot {
                cnode: entry(cnode),
                index,
            };
            (slot, (cnode, index))
        };
        match *op {
            Op::Copy(source, cnode, index) => {
                let source = self.find(source);
                let (slot, place) = dest(self, cnode, index);
                let seen = self.world.copy(slot, entry(source));
                (as_errors(seen), self.model.copy(place, source))
            }
            Op::CopyIntoObject(n, source) => {
                let source = self.find(source);
                let held = HELD_BASE + 64 * (u64::from(n) % HELD);
                let World { db, env } = &mut self.world;
                let seen = db.copy_into_object(env, entry(held), entry(source));
                (seen, self.model.copy_into_object(held, source))
            }
            Op::Release(n) => {
                let held = HELD_BASE + 64 * (u64::from(n) % HELD);
                let at = entry(held);
                let seen = self.call(
                    &[at],
                    Box::new(move |db, env| db.release_from_object(env, at)),
                );
                (seen, self.model.release(held))
            }
            Op::Mint(source, cnode, index, p1, p2) => {
                let source = self.find(source);
                let (slot, place) = dest(self, cnode, index);
                let World { db, env } = &mut self.world;
                let seen = db.mint(env, slot, entry(source), p1, p2);
                (as_errors(seen), self.model.mint(place, source, p1, p2))
            }
            Op::Create(objtype, cnode, index) => {
                let (slot, place) = dest(self, cnode, index);
                let World { db, env } = &mut self.world;
                let seen = db.create(env, objtype, slot);
                (as_errors(seen), self.model.create(objtype, place))
            }
            Op::Retype {
                source,
                objtype,
                bytes,
                count,
                offset,
                cnode,
                index,
                from_monitor,
            } => {
                let source = self.find(source);
                let (slot, place) = dest(self, cnode, index);
                let kind = self.model.caps.get(&source).map(|held| held.cap.objtype());
                let args = RetypeArgs {
                    source: entry(source),
                    objtype,
                    bytes,
                    count,
                    offset,
                    dest: slot,
                    from_monitor,
                };
                // One call must at least be able to look through all results.
                self.world.env.per_call = self.world.env.per_call.max((count.min(256) * 31) as u32);
                let names = [args.source, args.dest.cnode];
                let seen = self.call(&names, Box::new(move |db, env| db.retype(env, args)));
                let expected =
                    self.model
                        .retype(source, objtype, bytes, count, offset, place, from_monitor);
                if seen.is_ok() && expected.is_ok() && !self.cut {
                    self.use_results(place, count, kind == ObjType::from_u8(objtype));
                }
                (seen, expected)
            }
            Op::Delete(at) => {
                let at = self.find(at);
                if at <= L2[0] {
                    // Without the CNodes and the RAM of the boot little can be done.
                    return (Ok(()), Ok(()));
                }
                let name = entry(at);
                let seen = self.call(&[name], Box::new(move |db, env| db.delete(env, name)));
                (seen, self.model.delete(at))
            }
            Op::Revoke(at) => {
                let at = self.find(at);
                let address = self.model.caps.get(&at).map(|held| held.cap.address());
                if address.is_some_and(|base| base == L1 || L2.contains(&base)) {
                    // As for Delete.
                    return (Ok(()), Ok(()));
                }
                let name = entry(at);
                let seen = self.call(&[name], Box::new(move |db, env| db.revoke(env, name)));
                (seen, self.model.revoke(at))
            }
            Op::CopyIntoDispatcher(dispatcher, n, source) => {
                let (dispatcher, source) = (self.find(dispatcher), self.find(source));
                let found = self.model.caps.get(&dispatcher).map(|held| held.cap);
                let Some(dcb) = found.filter(|cap| cap.objtype() == ObjType::Dispatcher) else {
                    return (Ok(()), Ok(()));
                };
                // Nobody can set up what is being deleted.
                let flags = self.world.env.cte(entry(dispatcher)).flags();
                if flags.has(Flags::IN_DELETE.with(Flags::CREATING)) {
                    return (Ok(()), Ok(()));
                }
                let held = dcb.address() + 64 * u64::from(n);
                let World { db, env } = &mut self.world;
                let seen = db.copy_into_object(env, entry(held), entry(source));
                (seen, self.model.copy_into_object(held, source))
            }
            Op::DeleteWhole(at) => {
                let at = self.find(at);
                if at <= L2[0] || !self.model.caps.contains_key(&at) {
                    return (Ok(()), Ok(()));
                }
                self.make_local();
                self.model.delete_whole(at);
                (self.world.delete_whole(entry(at)), Ok(()))
            }
            Op::RevokeWhole(at) => {
                let at = self.find(at);
                let address = self.model.caps.get(&at).map(|held| held.cap.address());
                if address.is_none_or(|base| base == L1 || L2.contains(&base)) {
                    return (Ok(()), Ok(()));
                }
                self.make_local();
                if self.model.caps[&at].cap.rights().0 & 2 == 0 {
                    return (
                        self.world.revoke_whole(entry(at)),
                        Err(ErrorCode::SysCapRights),
                    );
                }
                self.model.revoke_whole(at);
                (self.world.revoke_whole(entry(at)), Ok(()))
            }
            Op::DeleteLast(at) => {
                let at = self.find(at);
                if at <= L2[0] {
                    return (Ok(()), Ok(()));
                }
                let name = entry(at);
                let seen = self.call(&[name], Box::new(move |db, env| db.delete_last(env, name)));
                (seen, Ok(()))
            }
            Op::RevokeMarkTarget(at) => {
                let at = self.find(at);
                let address = self.model.caps.get(&at).map(|held| held.cap.address());
                if address.is_none_or(|base| base == L1 || L2.contains(&base)) {
                    return (Ok(()), Ok(()));
                }
                let name = entry(at);
                let call: Call = Box::new(move |db, env| db.revoke_mark_target(env, name));
                (self.call(&[name], call), Ok(()))
            }
            Op::DeleteStep => {
                let step = self.world.once(&mut |db, env| db.delete_step(env));
                (as_errors(step), Ok(()))
            }
            Op::ClearStep => {
                let step = self.world.once(&mut |db, env| db.clear_step(env));
                (as_errors(step), Ok(()))
            }
            Op::Continue(n) => {
                self.go_on(n);
                (Ok(()), Ok(()))
            }
            Op::Map {
                table,
                source,
                flags,
                offset,
                count,
                entry: first,
                cnode,
                index,
            } => {
                let (table, source) = (self.find(table), self.find(source));
                let (slot, place) = dest(self, cnode, index);
                let args = MapArgs {
                    source: entry(source),
                    flags,
                    offset,
                    count,
                    entry: first,
                    dest: slot,
                };
                let World { db, env } = &mut self.world;
                let seen = db.map(env, entry(table), args);
                let expected = self
                    .model
                    .map(table, source, flags, offset, count, first, place);
                (as_errors(seen), expected)
            }
            Op::Unmap(table, mapping) => {
                let (mut table, mapping) = (self.find(table), self.find(mapping));
                if let Some(fields) = self
                    .model
                    .caps
                    .get(&mapping)
                    .and_then(|m| m.cap.as_mapping())
                    && fields.pte / 8 % 4 > 0
                    && let Some(its) = self.table_at(fields.pte & !0xfff)
                {
                    table = its;
                }
                let (a, b) = (entry(table), entry(mapping));
                let seen = self.call(&[a, b], Box::new(move |db, env| db.unmap(env, a, b)));
                (seen, self.model.unmap(table, mapping))
            }
            Op::Modify(mapping, first, pages, flags) => {
                let mapping = self.find(mapping);
                let World { db, env } = &mut self.world;
                let seen = db.modify(env, entry(mapping), first, pages, flags);
                (seen, self.model.modify(mapping, first, pages, flags))
            }
            Op::ModifyEntries(table, first, count, flags) => {
                let table = self.find(table);
                let World { db, env } = &mut self.world;
                let seen = db.modify_entries(env, entry(table), first, count, flags);
                (seen, self.model.modify_entries(table, first, count, flags))
            }
            Op::Destroy(mapping) => {
                let mapping = self.find(mapping);
                let seen = self
                    .world
                    .repeat(|db, env| db.destroy_mapping(env, entry(mapping)));
                (as_errors(seen), self.model.destroy(mapping))
            }
            Op::Lock(at, locked) => {
                let at = self.find(at);
                if self.model.caps.contains_key(&at) {
                    let World { db, env } = &mut self.world;
                    db.set_locked(env, entry(at), locked);
                    self.model.share(at, |state| state.locked = locked);
                }
                (Ok(()), Ok(()))
            }
            Op::Owner(at, foreign) => {
                let at = self.find(at);
                // The entries of a foreign object are in another core's database; these have entries in this one.
                let has_entries = |held: &Held| {
                    use ObjType::{Dispatcher, L1CNode, L2CNode};
                    matches!(held.cap.objtype(), Dispatcher | L1CNode | L2CNode)
                };
                let held = self.model.caps.get(&at);
                if held.is_some_and(|held| !has_entries(held)) {
                    let World { db, env } = &mut self.world;
                    db.set_owner(env, entry(at), CoreId(u8::from(foreign)));
                    self.model.share(at, |state| state.foreign = foreign);
                }
                (Ok(()), Ok(()))
            }
            Op::Relations(at, bits, mask) => {
                let at = self.find(at);
                if self.model.caps.contains_key(&at) {
                    let flags = |bits: u8| {
                        [
                            Flags::REMOTE_COPIES,
                            Flags::REMOTE_ANCS,
                            Flags::REMOTE_DESCS,
                        ]
                        .into_iter()
                        .enumerate()
                        .filter(|(n, _)| bits >> n & 1 == 1)
                        .fold(Flags::NONE, |all, (_, flag)| all.with(flag))
                    };
                    let World { db, env } = &mut self.world;
                    db.set_relations(env, entry(at), flags(bits), flags(mask));
                    self.model.share(at, |state| {
                        if mask & 1 > 0 {
                            state.remote_copies = bits & 1 > 0;
                        }
                        if mask & 2 > 0 {
                            state.remote_ancs = bits & 2 > 0;
                        }
                        if mask & 4 > 0 {
                            state.remote_descs = bits & 4 > 0;
                        }
                    });
                }
                (Ok(()), Ok(()))
            }
            Op::Retain(at) => {
                let at = self.find(at);
                let World { db, env } = &mut self.world;
                (db.retain(env, entry(at)), self.model.retain(at))
            }
            Op::Lookup(l1, l2, level, rights) => {
                let rights = CapRights(rights);
                let name = CapAddr::new(l1, l2 as u8);
                let seen = lookup(&self.world.env, entry(ROOT), name, level, rights);
                let expected = self.model.lookup(ROOT, l1, l2, level, rights);
                if !self.stepwise {
                    let (a, b) = (seen.map(|at| at.address().0), expected);
                    assert_eq!(a, b, "{op:?}");
                }
                (as_errors(seen), as_errors(expected))
            }
            Op::Find(start, bytes) => {
                let start = RAM + 512 * u64::from(start);
                let World { db, env } = &self.world;
                let (relation, at) = db.find_range(env, PhysAddr(start), bytes, Range::Partial);
                let at = at.map(|at| unnarrowed(env.cte(at).cap()));
                let (naive, cap) = self.model.find_range(start, bytes);
                let mut cap = cap.map(|cap| unnarrowed(&cap));
                if let (Range::Partial, Some(found), Some(one)) = (relation, at, cap)
                    && one.address() >= start
                {
                    // Several may cut the end.
                    let stop = start + bytes;
                    assert!((start..stop).contains(&found.address()));
                    assert!(found.address() + found.size() > stop);
                    cap = at;
                }
                assert_eq!((relation, at), (naive, cap), "{start:#x}, {bytes} bytes");
                let covers = db.find_cap_for_address(env, PhysAddr(start));
                let (naive, cap) = self.model.find_range(start, 1);
                let cap = cap.filter(|_| naive == Range::Surrounding);
                assert_eq!(
                    covers.map(|at| unnarrowed(env.cte(at).cap())),
                    cap.map(|cap| unnarrowed(&cap))
                );
                (Ok(()), Ok(()))
            }
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

    /// New frames are zero; their owner fills them. New objects of other kinds are zero too, or their use would show it.
    fn use_results(&mut self, place: (u64, u32), count: u64, split: bool) {
        let base = self.model.caps[&place.0].cap.address();
        for index in 0..count {
            let cap = self.model.caps[&(base + 64 * (u64::from(place.1) + index))].cap;
            if !matches!(cap.objtype(), ObjType::Frame | ObjType::EndPointUmp) {
                continue;
            }
            if !split {
                assert!(
                    self.world.env.is_zero(cap.address(), cap.size()),
                    "{cap} is not zero"
                );
            }
            self.world.env.scribble(cap.address(), cap.size());
        }
    }

    /// What the database holds, as the model would.
    fn observed(&self) -> Model {
        let mut seen = Model::default();
        for (at, cap) in entries(&self.world) {
            let cte = self.world.env.cte(entry(at));
            let state = self.world.db.state_of(&self.world.env, entry(at));
            let state = State {
                foreign: state.owner != CoreId(0),
                locked: state.flags.has(Flags::LOCKED),
                remote_copies: state.flags.has(Flags::REMOTE_COPIES),
                remote_ancs: state.flags.has(Flags::REMOTE_ANCS),
                remote_descs: state.flags.has(Flags::REMOTE_DESCS),
                retained: state.flags.has(Flags::RETAINED),
            };
            let in_object = cte.flags().has(Flags::HELD);
            let held = Held {
                cap,
                in_object,
                state,
            };
            seen.caps.insert(at, held);
        }
        let (db, env) = (&self.world.db, &self.world.env);
        let mut next = db.first(env);
        while let Some(at) = next {
            seen.order.push(at.address().0);
            next = db.successor(env, at);
        }
        seen
    }

    /// In what was told since the last time, nothing lies.
    fn told_is_free(&mut self) {
        let World { db, env } = &mut self.world;
        for (base, bytes) in std::mem::take(&mut env.free) {
            let (relation, _) = db.find_range(env, PhysAddr(base), bytes, Range::Partial);
            let is_free = matches!(relation, Range::Surrounding | Range::NotFound);
            assert!(is_free, "{bytes} bytes at {base:#x}: {relation:?}");
        }
    }

    fn nothing_is_half_done(&self) {
        for at in entries(&self.world).into_keys() {
            let flags = self.world.env.cte(entry(at)).flags();
            assert!(!flags.has(Flags::CREATING.with(Flags::IN_DELETE)));
        }
    }

    fn compare(&self) {
        self.nothing_is_half_done();
        let seen = self.observed();
        for at in seen.caps.keys().chain(self.model.caps.keys()) {
            let (a, b) = (seen.caps.get(at), self.model.caps.get(at));
            assert_eq!(a, b, "entry {at:#x}: database, then model");
        }
        for (pte, value) in &self.model.entries {
            assert_eq!(self.world.env.word(*pte), *value, "entry at {pte:#x}");
        }
        let mut lost: Vec<u64> = self
            .world
            .env
            .lost
            .iter()
            .map(|(at, _)| at.address().0)
            .collect();
        let mut expected = self.model.lost.clone();
        lost.sort_unstable();
        expected.sort_unstable();
        assert_eq!(lost, expected);
        let mut free = self.world.env.free.clone();
        let mut expected = self.model.free.clone();
        free.sort_unstable();
        expected.sort_unstable();
        assert_eq!(free, expected, "told: database, then model");
        // Every question about relations, answered both ways.
        for (at, held) in &self.model.caps {
            let (db, env) = (&self.world.db, &self.world.env);
            let descendants = !self.model.behind(*at).is_empty();
            assert_eq!(
                db.has_descendants(env, &held.cap),
                descendants,
                "{}",
                held.cap
            );
            let ancestor = db.find_ancestor(env, &held.cap);
            let naive = self.model.ancestor(*at);
            assert_eq!(
                ancestor.map(|at| unnarrowed(env.cte(at).cap())),
                naive.map(|at| unnarrowed(&self.model.caps[&at].cap)),
                "{}",
                held.cap
            );
            assert_eq!(db.has_ancestors(env, &held.cap), naive.is_some());
            let name = entry(*at);
            assert_eq!(db.is_foreign(env, name), held.state.foreign);
            assert_eq!(db.has_copies(env, name), self.model.has_copies(*at));
            assert_eq!(db.identify(env, name), Ok(identified(&held.cap)));
        }
        self.model.check_forest();
    }
}

/// The capability with all rights, and as minted for no interface: which of several copies was found does not matter.
fn unnarrowed(cap: &Capability) -> Capability {
    match cap.as_end_point_ump() {
        Some(fields) => Capability::new_end_point_ump(
            EndPointUmp {
                iftype: 0,
                ..fields
            },
            CapRights::ALL,
        ),
        None => cap.with_rights(CapRights::ALL),
    }
}

/// What user space sees of a capability: no kernel address.
fn identified(cap: &Capability) -> Capability {
    let mut words = cap.to_words();
    match cap.objtype() {
        ObjType::KernelControlBlock => words[0] = 0,
        objtype if objtype.is_mapping() => {
            let mut fields = cap.as_mapping().unwrap();
            fields.pte = 0;
            return Capability::new_mapping(objtype, fields, cap.rights()).unwrap();
        }
        _ => {}
    }
    Capability::from_words(words).unwrap()
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

/// Operations for [`interleaved`].
pub fn steps() -> impl Strategy<Value = Op> {
    use ObjType::{Dispatcher, KernelControlBlock, L1CNode, L2CNode};
    prop_oneof![
        12 => op(),
        4 => kind(&[L1CNode, L2CNode, Dispatcher, KernelControlBlock]).prop_map(Op::DeleteLast),
        1 => pick().prop_map(Op::RevokeMarkTarget),
        3 => Just(Op::DeleteStep),
        2 => Just(Op::ClearStep),
        8 => any::<u32>().prop_map(Op::Continue),
    ]
}
