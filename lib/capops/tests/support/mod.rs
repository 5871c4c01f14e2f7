//! A machine so small that a model checker can copy, compare and hash it: memory is a sorted list of the 64-byte lines that are
//! not zero.
//!
//! What boot leaves is *the driver's*: a CNode outside of RAM ([`HOME`]), with the only capability for all RAM in its slot 0. The
//! driver stands for init or a monitor; it holds the Kernel capability. Everything else is made from the RAM.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

use capops::{Call, Next, Operation};
use caps::{
    CheckCursor, Cte, CteRef, Database, DestSlot, Flags, Machine, RetypeArgs, Step, Store, Unmapped,
};
use errors::ErrorCode;
use kpi::addr::{CoreId, PhysAddr};
use kpi::cap::{Capability, L2CNode, Memory, ObjType};
use kpi::rights::CapRights;

/// The slots of the driver's CNode.
pub const HOME: u64 = 0x1000_0000;
/// The entry that holds the capability of that CNode.
pub const HOME_CNODE: u64 = 0x1001_0000;
/// RAM.
pub const RAM: u64 = 0x2000_0000;
/// Bytes of RAM.
pub const RAM_BYTES: u64 = 256 << 10;
/// The driver's slot with the RAM capability.
pub const RAM_SLOT: u64 = HOME;
/// Slots that are used in each CNode, so far apart that one call does not look at all between them.
pub const SLOTS: [u32; 3] = [0, 100, 200];
/// Instructions that one call may use: little, so that even these small objects take several calls, but enough for the largest
/// piece of work.
pub const WORK: u32 = 3_500;
/// More calls than anything here takes.
pub const MANY: u32 = 400;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(C, align(64))]
struct Line([u64; 8]);

/// What an entry looks like that nothing was written to.
static EMPTY: Cte = Cte::EMPTY;

/// The machine.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Env {
    /// By address.
    lines: Vec<(u64, Line)>,
    /// Dispatchers that run, each with the CNode in its first entry.
    pub running: BTreeSet<u64>,
}

impl Env {
    fn find(&self, address: u64) -> Result<usize, usize> {
        self.lines
            .binary_search_by_key(&(address & !63), |line| line.0)
    }

    fn word(&self, address: u64) -> u64 {
        self.find(address).map_or(0, |index| {
            self.lines[index].1.0[(address % 64 / 8) as usize]
        })
    }

    fn line_mut(&mut self, address: u64) -> &mut Line {
        let index = self.find(address).unwrap_or_else(|index| {
            self.lines.insert(index, (address & !63, Line([0; 8])));
            index
        });
        &mut self.lines[index].1
    }

    /// Forgets lines that became zero, so that equal memories are equal.
    pub fn tidy(&mut self) {
        self.lines.retain(|(_, line)| line.0 != [0; 8]);
    }

    /// Whether nothing is written there.
    pub fn is_zero(&self, base: u64, bytes: u64) -> bool {
        (self.lines.iter()).all(|(at, line)| *at < base || *at >= base + bytes || line.0 == [0; 8])
    }
}

/// A handle, as the kernel would make it.
pub fn entry(address: u64) -> CteRef {
    assert_eq!(address % 64, 0);
    // SAFETY: `Env` has an entry at each address; the checks of `World::check` find those that are used wrongly.
    unsafe { CteRef::new(PhysAddr(address)) }
}

/// Panics unless a line holds zeroes or something with a type.
fn expect_entry(line: &Line) {
    let kind = (line.0[2] >> 48) as u8;
    assert!(ObjType::from_u8(kind).is_some(), "no entry is there");
}

// SAFETY: each reference names its own line, which is reached only through `self`. `expect_entry` makes sure that its bytes are
// zeroes or were written as a `Cte`, which has no padding and whose other fields take any value.
unsafe impl Store for Env {
    fn cte(&self, at: CteRef) -> &Cte {
        match self.find(at.address().0) {
            Ok(index) => {
                let line = &self.lines[index].1;
                expect_entry(line);
                // SAFETY: as above; size and alignment of Line and Cte are the same.
                unsafe { &*(&raw const *line).cast::<Cte>() }
            }
            Err(_) => &EMPTY,
        }
    }

    fn cte_mut(&mut self, at: CteRef) -> &mut Cte {
        let line = self.line_mut(at.address().0);
        expect_entry(line);
        // SAFETY: as above.
        unsafe { &mut *(&raw mut *line).cast::<Cte>() }
    }

    fn slot(&self, cnode_base: PhysAddr, index: u32) -> CteRef {
        entry(cnode_base.0 + 64 * u64::from(index))
    }

    fn retire(&mut self, base: PhysAddr, bytes: u64) {
        // What the promise of `Store` says of the end of an object, and the model of its next life: it is written to.
        assert!(
            self.is_zero(base.0, bytes),
            "memory with something in it was given back"
        );
    }
}

impl Machine for Env {
    fn zero(&mut self, base: PhysAddr, bytes: u64) {
        (self.lines).retain(|(at, _)| *at < base.0 || *at >= base.0 + bytes);
    }

    fn is_ram(&self, base: PhysAddr, bytes: u64) -> bool {
        base.0 >= RAM && base.0 + bytes <= RAM + RAM_BYTES
    }

    fn read_entry(&self, pte: PhysAddr) -> u64 {
        self.word(pte.0)
    }

    fn write_entry(&mut self, pte: PhysAddr, value: u64) {
        self.line_mut(pte.0).0[(pte.0 % 64 / 8) as usize] = value;
    }

    fn unmapped(&mut self, _: Unmapped) {}

    fn object_lost(&mut self, holder: CteRef, cap: &Capability) {
        assert_eq!(self.cte(holder).cap(), cap, "told too late");
        self.running.remove(&(holder.address().0 & !1023));
    }

    fn dispatcher_deleted(&mut self, dcb: PhysAddr) {
        self.running.remove(&dcb.0);
    }

    fn work_per_call(&self) -> u32 {
        WORK
    }
}

/// A machine and its database.
#[derive(Clone, Debug)]
pub struct World {
    pub env: Env,
    pub db: Database,
}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.env.hash(state);
        self.db.hash(state);
    }
}

impl PartialEq for World {
    fn eq(&self, other: &Self) -> bool {
        self.env == other.env
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// The driver's CNode and the RAM.
    pub fn new() -> Self {
        let mut env = Env::default();
        let mut db = Database::new(CoreId(0));
        let all = CapRights::ALL;
        let home = L2CNode {
            cnode: HOME,
            rightsmask: all,
        };
        let ram = Memory {
            base: RAM,
            bytes: RAM_BYTES,
            pasid: 0,
        };
        db.insert_original(
            &mut env,
            entry(HOME_CNODE),
            Capability::new_l2_cnode(home, all),
        )
        .unwrap();
        let ram = Capability::new_memory(ObjType::Ram, ram, all).unwrap();
        db.insert_original(&mut env, entry(RAM_SLOT), ram).unwrap();
        Self { env, db }
    }

    /// What is in an entry.
    pub fn cap(&self, at: u64) -> Capability {
        *self.env.cte(entry(at)).cap()
    }

    /// A slot of the driver's.
    pub fn home(index: u32) -> DestSlot {
        DestSlot {
            cnode: entry(HOME_CNODE),
            index,
        }
    }

    /// Arguments that retype the RAM.
    pub fn from_ram(objtype: ObjType, bytes: u64, offset: u64, dest: DestSlot) -> RetypeArgs {
        RetypeArgs {
            source: entry(RAM_SLOT),
            objtype: objtype as u8,
            bytes,
            count: 1,
            offset,
            dest,
            from_monitor: false,
        }
    }

    /// Repeats an operation until it is done.
    pub fn repeat(
        &mut self,
        mut op: impl FnMut(&mut Database, &mut Env) -> Result<Step, ErrorCode>,
    ) -> Result<(), ErrorCode> {
        for _ in 0..MANY {
            if op(&mut self.db, &mut self.env)? == Step::Done {
                self.env.tidy();
                return Ok(());
            }
        }
        panic!("never done");
    }

    /// One kernel entry on behalf of an operation on the slot at `at`. `None`: the call goes on.
    pub fn serve(&mut self, call: Call, at: u64) -> Option<Result<(), ErrorCode>> {
        let found = self.look_up(at);
        let World { db, env } = self;
        let step = match call {
            Call::DeleteStep => db.delete_step(env),
            Call::ClearStep => db.clear_step(env),
            Call::DeleteLast => found.and_then(|at| db.delete_last(env, at)),
            Call::RevokeMarkTarget => found.and_then(|at| db.revoke_mark_target(env, at)),
            Call::Revoke => found.and_then(|at| db.revoke(env, at)),
            Call::Look => found.and_then(|at| {
                let state = db.state_of(env, at);
                let busy = state.flags.has(Flags::LOCKED.with(Flags::IN_DELETE));
                match (env.cte(at).is_empty(), busy) {
                    (true, _) => Err(ErrorCode::SysCapNotFound),
                    (false, true) => Err(ErrorCode::SysCapLocked),
                    (false, false) => Ok(Step::Done),
                }
            }),
        };
        env.tidy();
        match step {
            Ok(Step::Again) => None,
            // A step ends one object; the kernel returns and is called again.
            Ok(Step::Done) => Some(Ok(())),
            Err(error) => Some(Err(error)),
        }
    }

    /// Runs an operation on a slot to its end.
    pub fn run(&mut self, mut operation: Operation, at: u64) -> Result<(), ErrorCode> {
        let mut calls = 0;
        while let Next::Call(call) = operation.next() {
            calls += 1;
            assert!(calls < MANY, "never done");
            if let Some(answer) = self.serve(call, at) {
                operation.answered(answer)?;
            }
        }
        Ok(())
    }

    /// All entries with something in it, by address.
    pub fn entries(&self) -> BTreeMap<u64, Capability> {
        let mut found = BTreeMap::new();
        let mut next = self.db.first(&self.env);
        while let Some(at) = next {
            found.insert(at.address().0, self.cap(at.address().0));
            next = self.db.successor(&self.env, at);
        }
        found
    }

    /// Whether an address is an entry: of the driver's, or of an object that is there.
    fn is_there(&self, entries: &BTreeMap<u64, Capability>, at: u64) -> bool {
        let fixed = at == HOME_CNODE || (HOME..HOME + 16384).contains(&at);
        fixed
            || entries.iter().any(|(holder, cap)| {
                let bytes = match cap.objtype() {
                    ObjType::L1CNode | ObjType::L2CNode => cap.size(),
                    ObjType::Dispatcher => 64 * u64::from(caps::DISPATCHER_ENTRIES),
                    _ => 0,
                };
                (cap.address()..cap.address() + bytes).contains(&at)
                    && !self.flags(*holder).has(Flags::CREATING)
            })
    }

    /// Flags of an entry.
    pub fn flags(&self, at: u64) -> Flags {
        self.env.cte(entry(at)).flags()
    }

    /// Whether a capability may be used.
    pub fn is_usable(&self, at: u64) -> bool {
        !self.flags(at).has(Flags::CREATING.with(Flags::IN_DELETE))
    }

    /// The CNodes that somebody can look through, each by an entry with a capability for it: the driver's, those that lie in one that
    /// can be looked through, and those that running dispatchers have.
    pub fn cnodes(&self) -> Vec<u64> {
        let mut found = vec![HOME_CNODE];
        let mut bases = BTreeSet::from([HOME]);
        let mut add = |found: &mut Vec<u64>, at: u64, cap: &Capability| {
            if cap.objtype() == ObjType::L2CNode
                && self.is_usable(at)
                && bases.insert(cap.address())
            {
                found.push(at);
            }
        };
        let entries = self.entries();
        for dispatcher in &self.env.running {
            if let Some(cap) = entries.get(dispatcher) {
                add(&mut found, *dispatcher, cap);
            }
        }
        let mut next = 0;
        while let Some(at) = found.get(next).copied() {
            next += 1;
            let base = entries[&at].address();
            for (inner, cap) in entries.range(base..base + 16384) {
                add(&mut found, *inner, cap);
            }
        }
        found
    }

    /// The entries that can be named: those with something in them in [`Self::cnodes`].
    pub fn names(&self, cnodes: &[u64]) -> Vec<u64> {
        let entries = self.entries();
        let mut found = BTreeSet::new();
        for at in cnodes {
            let base = entries[at].address();
            found.extend(entries.range(base..base + 16384).map(|(at, _)| *at));
        }
        found.into_iter().collect()
    }

    /// What the kernel finds under the name of a slot, which may be empty, or why it finds no way to it.
    pub fn look_up(&self, at: u64) -> Result<CteRef, ErrorCode> {
        let entries = self.entries();
        let holds = |cap: &Capability| {
            cap.objtype() == ObjType::L2CNode
                && (cap.address()..cap.address() + 16384).contains(&at)
        };
        if (self.cnodes().iter()).any(|cnode| holds(&entries[cnode])) {
            Ok(entry(at))
        } else if entries.values().any(holds) {
            Err(ErrorCode::SysCapLocked)
        } else {
            Err(ErrorCode::SysCnodeNotFound)
        }
    }

    /// What must hold at any time. Says what does not.
    pub fn check(&self) -> Result<(), String> {
        let mut cursor = CheckCursor::default();
        let report = self.db.check_invariants(&self.env, &mut cursor, u64::MAX);
        if report.violations > 0 {
            return Err("the database is not in order".into());
        }
        let entries = self.entries();
        if entries.len() as u64 != self.db.count() {
            return Err("the database counts wrongly".into());
        }
        for (at, cap) in &entries {
            if !self.is_there(&entries, *at) {
                return Err(format!("{cap} is in a slot of what is gone, {at:#x}"));
            }
        }
        // No memory holds anything but entries of the database and page tables that Mappings stand for.
        for (address, line) in &self.env.lines {
            if line.0 != [0; 8] && !entries.contains_key(address) {
                let table = entries
                    .values()
                    .any(|cap| cap.objtype().is_vnode() && cap.address() == address & !0xfff);
                if !table {
                    return Err(format!("something is left at {address:#x}"));
                }
            }
        }
        let mut mapped = BTreeSet::new();
        for cap in entries.values() {
            let Some(mapping) = cap.as_mapping() else {
                continue;
            };
            mapped.insert(mapping.pte);
            let has = |wanted: &dyn Fn(&Capability) -> bool| entries.values().any(wanted);
            let frame = |cap: &Capability| {
                cap.objtype() == ObjType::Frame
                    && (cap.address()..cap.address() + cap.size()).contains(&mapping.base)
            };
            let table = |cap: &Capability| {
                cap.objtype().is_vnode() && cap.address() == mapping.pte & !0xfff
            };
            if !has(&frame) || !has(&table) || self.env.word(mapping.pte) & 1 == 0 {
                return Err(format!("{cap} maps nothing"));
            }
        }
        for cap in entries.values().filter(|cap| cap.objtype().is_vnode()) {
            let table = cap.address()..cap.address() + 4096;
            for (at, line) in self.env.lines.iter().filter(|line| table.contains(&line.0)) {
                for (pte, word) in (*at..).step_by(8).zip(line.0) {
                    if word & 1 == 1 && !mapped.contains(&pte) {
                        return Err(format!("{pte:#x} is valid without a Mapping"));
                    }
                }
            }
        }
        for dispatcher in &self.env.running {
            let there = |cap: &Capability| {
                cap.objtype() == ObjType::Dispatcher && cap.address() == *dispatcher
            };
            if !entries.contains_key(dispatcher) || !entries.values().any(there) {
                return Err(format!("dispatcher {dispatcher:#x} runs without its CNode"));
            }
        }
        Ok(())
    }

    /// Whatever was begun and left, by whomever: the driver gets all memory back, within a bounded number of calls.
    pub fn nothing_is_lost(&self) -> Result<(), String> {
        let mut world = self.clone();
        if world.cap(RAM_SLOT).objtype() != ObjType::Ram {
            return Err("the RAM capability is gone".into());
        }
        world
            .run(Operation::revoke(), RAM_SLOT)
            .map_err(|error| format!("revoking all RAM: {error}"))?;
        world.check()?;
        if let Some(cap) = (world.entries().values())
            .find(|cap| cap.objtype() != ObjType::Ram && cap.address() >= RAM)
        {
            return Err(format!("{cap} is left"));
        }
        // The next owner finds it empty, and all of it.
        if !world.env.is_zero(RAM, RAM_BYTES) {
            return Err("an entry is left in free memory".into());
        }
        let whole = Self::from_ram(ObjType::Frame, RAM_BYTES, 0, Self::home(255));
        world
            .repeat(|db, env| db.retype(env, whole))
            .map_err(|error| format!("using all RAM again: {error}"))
    }
}
