//! A machine for tests: physical memory as one block, in which CNodes, page tables and kernel objects lie.
#![allow(dead_code, reason = "each test binary uses its part")]

pub mod audit;
pub mod model;
pub mod program;

use std::cell::Cell;

use caps::{Cte, CteRef, Database, DestSlot, Machine, Reach, RetypeArgs, Step, Store, Unmapped};
use errors::ErrorCode;
use kpi::addr::{CoreId, PhysAddr};
use kpi::cap::{Capability, IrqSrc, L1CNode, L2CNode, Memory, ObjType};
use kpi::rights::CapRights;

/// First address of memory.
pub const BASE: u64 = 0x4000_0000;
/// Bytes of memory.
pub const BYTES: u64 = 8 << 20;
/// Slots of each L2CNode that tests use: few, so that they collide.
pub const USED_SLOTS: u32 = 40;
/// Entries in kernel objects.
pub const HELD: u64 = 8;

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u64; 8]);

/// One call of an operation that works in steps.
pub type Call = Box<dyn FnMut(&mut Database, &mut Env) -> Result<Step, ErrorCode>>;

/// The machine.
pub struct Env {
    memory: Box<[Line]>,
    /// Instructions that one call may use for work in pieces.
    pub per_call: u32,
    /// Pages that one call may make uncached.
    pub most_uncached: u64,
    /// Calls of `cte` and `cte_mut`.
    pub visits: Cell<u64>,
    /// Page-table entries read and written.
    pub table_entries: Cell<u64>,
    /// What was unmapped since it was last cleared.
    pub unmapped: Vec<Unmapped>,
    /// Objects that lost a capability.
    pub lost: Vec<(CteRef, Capability)>,
    /// Dispatchers that were deleted.
    pub deleted: Vec<PhysAddr>,
    /// Bytes zeroed.
    pub zeroed: u64,
    /// Ranges retired.
    pub retired: Vec<(PhysAddr, u64)>,
    /// Ranges that have become free below retained capabilities.
    pub free: Vec<(u64, u64)>,
}

impl Env {
    pub fn new() -> Self {
        let lines = ((BYTES + DEVICE_BYTES) / 64) as usize;
        // SAFETY: a Line is numbers only: zeroes are one.
        let memory = unsafe { Box::<[Line]>::new_zeroed_slice(lines).assume_init() };
        Self {
            memory,
            per_call: 9_000,
            most_uncached: u64::MAX,
            visits: Cell::new(0),
            table_entries: Cell::new(0),
            unmapped: Vec::new(),
            lost: Vec::new(),
            deleted: Vec::new(),
            zeroed: 0,
            retired: Vec::new(),
            free: Vec::new(),
        }
    }

    fn line(&self, address: u64) -> usize {
        // Device memory is kept behind the RAM.
        if (DEVICE..DEVICE + DEVICE_BYTES).contains(&address) {
            return ((BYTES + address - DEVICE) / 64) as usize;
        }
        assert!(
            (BASE..BASE + BYTES).contains(&address),
            "{address:#x} is no memory"
        );
        ((address - BASE) / 64) as usize
    }

    pub fn word(&self, address: u64) -> u64 {
        self.memory[self.line(address)].0[(address % 64 / 8) as usize]
    }

    pub fn set_word(&mut self, address: u64, value: u64) {
        let line = self.line(address);
        self.memory[line].0[(address % 64 / 8) as usize] = value;
    }

    /// What a user who can write a frame does with it.
    pub fn scribble(&mut self, base: u64, bytes: u64) {
        for address in (base..base + bytes).step_by(8) {
            self.set_word(address, 0xdead_beef_dead_beef);
        }
    }

    pub fn is_zero(&self, base: u64, bytes: u64) -> bool {
        (base..base + bytes).step_by(8).all(|a| self.word(a) == 0)
    }

    /// Panics unless the line holds zeroes or something with a type: the store's promise about `Cte`s.
    fn expect_entry(&self, line: usize, at: CteRef) {
        let kind = self.memory[line].0[2] >> 48 & 0xff;
        assert!(
            ObjType::from_u8(kind as u8).is_some(),
            "{at:?} was used as an entry but holds something else"
        );
        self.visits.set(self.visits.get() + 1);
    }
}

/// A handle, as the kernel would make it.
pub fn entry(address: u64) -> CteRef {
    assert_eq!(address % 64, 0);
    // SAFETY: tests name only slots of live CNodes, and the entries reserved for kernel objects; `Env` checks each access.
    unsafe { CteRef::new(PhysAddr(address)) }
}

// SAFETY: each reference names its own line of `memory`, which is reached only through `self`; the borrow checker does the rest.
// `expect_entry` makes sure that the bytes are zeroes or were written as a `Cte`: `Cte` has no padding, its options over
// non-zero numbers take any value, and its one enumeration is checked.
unsafe impl Store for Env {
    fn cte(&self, at: CteRef) -> &Cte {
        let line = self.line(at.address().0);
        self.expect_entry(line, at);
        // SAFETY: as above; size and alignment of Line and Cte are the same.
        unsafe { &*(&raw const self.memory[line]).cast::<Cte>() }
    }

    fn cte_mut(&mut self, at: CteRef) -> &mut Cte {
        let line = self.line(at.address().0);
        self.expect_entry(line, at);
        // SAFETY: as above.
        unsafe { &mut *(&raw mut self.memory[line]).cast::<Cte>() }
    }

    fn slot(&self, cnode_base: PhysAddr, index: u32) -> CteRef {
        entry(cnode_base.0 + 64 * u64::from(index))
    }

    fn retire(&mut self, base: PhysAddr, bytes: u64) {
        self.retired.push((base, bytes));
    }
}

impl Machine for Env {
    fn zero(&mut self, base: PhysAddr, bytes: u64) {
        assert!(bytes <= 64 << 10, "zeroes {bytes} at once");
        self.zeroed += bytes;
        for address in (base.0..base.0 + bytes).step_by(8) {
            self.set_word(address, 0);
        }
    }

    fn is_ram(&self, base: PhysAddr, bytes: u64) -> bool {
        base.0 >= BASE && base.0 + bytes <= BASE + BYTES
    }

    fn read_entry(&self, pte: PhysAddr) -> u64 {
        self.table_entries.set(self.table_entries.get() + 1);
        self.word(pte.0)
    }

    fn write_entry(&mut self, pte: PhysAddr, value: u64) {
        self.table_entries.set(self.table_entries.get() + 1);
        self.set_word(pte.0, value);
    }

    fn unmapped(&mut self, what: Unmapped) {
        assert!(matches!(what.reach, Reach::Many) || what.count <= 32);
        assert!(what.count > 0 && u64::from(what.first) + u64::from(what.count) <= 512);
        self.unmapped.push(what);
    }

    fn object_lost(&mut self, holder: CteRef, cap: &Capability) {
        let held = *self.cte(holder).cap();
        assert_eq!(held, *cap, "told too late");
        self.lost.push((holder, held));
    }

    fn dispatcher_deleted(&mut self, dcb: PhysAddr) {
        self.deleted.push(dcb);
    }

    fn memory_free(&mut self, base: PhysAddr, bytes: u64) {
        self.free.push((base.0, bytes));
    }

    fn most_uncached_pages(&self) -> u64 {
        self.most_uncached
    }

    fn work_per_call(&self) -> u32 {
        self.per_call
    }
}

/// A machine with a database and what boot puts in it.
pub struct World {
    pub env: Env,
    pub db: Database,
}

/// Entry of the kernel that holds the root CNode.
pub const ROOT: u64 = BASE;
/// First of the entries in kernel objects.
pub const HELD_BASE: u64 = BASE + 0x1000;
/// The root CNode's slots.
pub const L1: u64 = BASE + 0x4000;
/// The L2CNodes' slots.
pub const L2: [u64; 3] = [BASE + 0x8000, BASE + 0xc000, BASE + 0x1_0000];
/// RAM.
pub const RAM: u64 = BASE + 0x10_0000;
/// Bytes of RAM.
pub const RAM_BYTES: u64 = 7 << 20;
/// Device memory.
pub const DEVICE: u64 = 0x900_0000;
/// Bytes of device memory.
pub const DEVICE_BYTES: u64 = 0x10_0000;
/// Device memory large enough for blocks; nobody reads or writes it.
pub const LARGE: u64 = 0x10_0000_0000;
/// Bytes of it.
pub const LARGE_BYTES: u64 = 4 << 30;

pub fn memory(objtype: ObjType, base: u64, bytes: u64) -> Capability {
    let memory = Memory {
        base,
        bytes,
        pasid: 0,
    };
    Capability::new_memory(objtype, memory, CapRights::ALL).unwrap()
}

impl World {
    /// Root CNode, three L2CNodes in its slots 0 to 2. In the first: 0 RAM, 1 device PhysAddr, 2 Kernel, 3 ProcessManager, 4 IRQSrc, 5 IPI,
    /// 6 to 8 the L2CNodes again, 9 the root CNode, 10 DeviceIDManager, 11 large device PhysAddr.
    pub fn new() -> Self {
        let mut world = Self::bare();
        let all = CapRights::ALL;
        let irq = IrqSrc {
            vec_start: 32,
            vec_end: 63,
        };
        let originals = [
            memory(ObjType::Ram, RAM, RAM_BYTES),
            memory(ObjType::PhysAddr, DEVICE, DEVICE_BYTES),
            Capability::new_kernel(all),
            Capability::new_process_manager(all),
            Capability::new_irq_src(irq, all),
            Capability::new_ipi(all),
        ];
        for (index, cap) in originals.into_iter().enumerate() {
            let slot = entry(L2[0] + 64 * index as u64);
            world.db.insert_original(&mut world.env, slot, cap).unwrap();
        }
        for (index, cnode) in [L1, L1 + 64, L1 + 128, ROOT].into_iter().enumerate() {
            world.copy(slot(0, 6 + index as u32), entry(cnode)).unwrap();
        }
        let others = [
            (10, Capability::new_device_id_manager(all)),
            (11, memory(ObjType::PhysAddr, LARGE, LARGE_BYTES)),
        ];
        for (index, cap) in others {
            let place = entry(L2[0] + 64 * index);
            world
                .db
                .insert_original(&mut world.env, place, cap)
                .unwrap();
        }
        world
    }

    /// Only the CNodes.
    pub fn bare() -> Self {
        let mut env = Env::new();
        let mut db = Database::new(CoreId(0));
        let all = CapRights::ALL;
        let root = L1CNode {
            cnode: L1,
            rightsmask: all,
            allocated_bytes: 16384,
        };
        db.insert_original(&mut env, entry(ROOT), Capability::new_l1_cnode(root, all))
            .unwrap();
        for (index, cnode) in L2.into_iter().enumerate() {
            let cap = L2CNode {
                cnode,
                rightsmask: all,
            };
            let slot = entry(L1 + 64 * index as u64);
            db.insert_original(&mut env, slot, Capability::new_l2_cnode(cap, all))
                .unwrap();
        }
        Self { env, db }
    }

    pub fn cap(&self, at: CteRef) -> Capability {
        *self.env.cte(at).cap()
    }

    pub fn copy(&mut self, dest: DestSlot, source: CteRef) -> Result<CteRef, ErrorCode> {
        self.db.copy(&mut self.env, dest, source)
    }

    /// Repeats an operation until it is done; returns the number of calls.
    pub fn repeat(
        &mut self,
        mut op: impl FnMut(&mut Database, &mut Env) -> Result<Step, ErrorCode>,
    ) -> Result<u32, ErrorCode> {
        for calls in 1..10_000 {
            if self.once(&mut op)? == Step::Done {
                return Ok(calls);
            }
        }
        panic!("never done");
    }

    /// One call of an operation.
    pub fn once(
        &mut self,
        op: &mut dyn FnMut(&mut Database, &mut Env) -> Result<Step, ErrorCode>,
    ) -> Result<Step, ErrorCode> {
        let before = self.env.zeroed;
        self.env.visits.set(0);
        self.env.table_entries.set(0);
        let step = op(&mut self.db, &mut self.env)?;
        assert!(self.env.zeroed - before <= 64 << 10);
        // Measured on the board: an access to an entry stands for some 10 instructions, a page-table entry for 4.
        let (visits, entries) = (self.env.visits.get(), self.env.table_entries.get());
        assert!(
            visits * 10 + entries * 4 < 20_000,
            "{visits} entries and {entries} page-table entries visited in one call"
        );
        Ok(step)
    }

    pub fn retype(&mut self, args: RetypeArgs) -> Result<u32, ErrorCode> {
        self.repeat(|db, env| db.retype(env, args))
    }

    pub fn delete(&mut self, at: CteRef) -> Result<u32, ErrorCode> {
        self.repeat(|db, env| db.delete(env, at))
    }

    pub fn revoke(&mut self, at: CteRef) -> Result<u32, ErrorCode> {
        self.repeat(|db, env| db.revoke(env, at))
    }

    /// Runs the steps of deletion to the end, `between` after each.
    pub fn drain(&mut self, mut between: impl FnMut(&Self)) -> Result<(), ErrorCode> {
        loop {
            match self.repeat(|db, env| db.delete_step(env)) {
                Ok(_) => between(self),
                Err(ErrorCode::SysCapNotFound) => break,
                Err(error) => return Err(error),
            }
        }
        loop {
            match self.repeat(|db, env| db.clear_step(env)) {
                Ok(_) => between(self),
                Err(ErrorCode::SysCapNotFound) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Deletes a capability with all that goes with it.
    pub fn delete_whole(&mut self, at: CteRef) -> Result<(), ErrorCode> {
        self.repeat(|db, env| db.delete_last(env, at))?;
        self.drain(|_| {})
    }

    /// Revokes a capability with all that goes with it.
    pub fn revoke_whole(&mut self, at: CteRef) -> Result<(), ErrorCode> {
        // Once more if the first goes on where an earlier one was left, behind what was made since.
        for _ in 0..2 {
            self.repeat(|db, env| db.revoke_mark_target(env, at))?;
            self.drain(|_| {})?;
            match self.revoke(at) {
                // It lay in something made from it.
                Ok(_) | Err(ErrorCode::SysCapNotFound) => return Ok(()),
                Err(ErrorCode::SysRetryThroughMonitor) => {}
                Err(error) => return Err(error),
            }
        }
        Err(ErrorCode::SysRetryThroughMonitor)
    }
}

/// Slot `index` of L2CNode `cnode`, as a destination.
pub fn slot(cnode: usize, index: u32) -> DestSlot {
    DestSlot {
        cnode: entry(L1 + 64 * cnode as u64),
        index,
    }
}

/// The same, as an entry.
pub fn at(cnode: usize, index: u32) -> CteRef {
    entry(L2[cnode] + 64 * u64::from(index))
}

/// Arguments that retype the RAM.
pub fn from_ram(
    objtype: ObjType,
    bytes: u64,
    count: u64,
    offset: u64,
    dest: DestSlot,
) -> RetypeArgs {
    RetypeArgs {
        source: at(0, 0),
        objtype: objtype as u8,
        bytes,
        count,
        offset,
        dest,
        from_monitor: false,
    }
}
