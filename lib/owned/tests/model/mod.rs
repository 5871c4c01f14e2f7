//! A small capability space in memory: the kernel's rules for ranges, copies and descendants, a slot allocator, an account of
//! memory and an endpoint. Enough to run what uses `owned`; the kernel's own code is tested in `lib/caps`.
#![allow(dead_code, reason = "each test uses a part of it")]

use errors::{Error, ErrorCode};
use kpi::addr::VirtAddr;
use kpi::cap::{Capability, Memory, ObjType, is_ancestor, is_copy, is_well_founded};
use kpi::rights::{CapRights, PageFlags};
use mm::ram::{Node, Ram};
use owned::ledger::Key;
use owned::space::Cut;
use owned::{Ledger, Space};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// Slot of all the memory there is.
pub const ROOT: u32 = 0;
/// Slots there are.
pub const SLOTS: u32 = 64;
/// Bytes there are.
pub const BYTES: u64 = 1 << 20;
const BASE: u64 = 0x4000_0000;

#[derive(Default)]
struct State {
    caps: BTreeMap<u32, Capability>,
    taken: BTreeSet<u32>,
    memory: Ram<u32, Vec<arena::Slot<Node<u32>>>>,
    mapped: BTreeMap<u64, u32>,
    sent: Vec<(Vec<u64>, Capability)>,
    full: bool,
    locked: BTreeSet<u32>,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::new(State::default());
    static LEDGER: RefCell<Ledger> = const { RefCell::new(Ledger::new()) };
}

/// The space of this thread.
#[derive(Clone, Copy, Default, Debug)]
pub struct Model;

/// As programs write it.
pub type Cap<T> = owned::Cap<T, Model>;
/// As programs write it.
pub type Derived<'p, T> = owned::Derived<'p, T, Model>;
/// As programs write it.
pub type Mapped<T> = owned::Mapped<Cap<T>>;

fn error(code: ErrorCode) -> Error {
    Error::new(code)
}

fn with<R>(work: impl FnOnce(&mut State) -> R) -> R {
    STATE.with_borrow_mut(work)
}

impl Model {
    /// A new machine: all memory in one capability.
    pub fn start() -> Self {
        with(|state| {
            *state = State::default();
            let memory = Memory {
                base: BASE,
                bytes: BYTES,
                pasid: 0,
            };
            let root = Capability::new_memory(ObjType::Ram, memory, CapRights::ALL);
            state.caps.insert(ROOT, root.unwrap());
            state.taken.insert(ROOT);
            // Each hole and the region.
            let nodes = 2 + (BYTES / 4096) as usize;
            state.memory.store().resize(nodes, arena::Slot::default());
            state.memory.add(ROOT, BASE, BYTES).unwrap();
        });
        LEDGER.set(Ledger::new());
        Self
    }

    /// Capabilities in slots, the root apart.
    pub fn capabilities(self) -> usize {
        with(|state| state.caps.len() - 1)
    }

    /// Slots taken, the root apart.
    pub fn slots(self) -> usize {
        with(|state| state.taken.len() - 1)
    }

    /// Free bytes of the account.
    pub fn free_bytes(self) -> u64 {
        with(|state| state.memory.usage().free)
    }

    /// Mappings that are there.
    pub fn mappings(self) -> usize {
        with(|state| state.mapped.len())
    }

    /// Live values and dead slots, as the books say.
    pub fn books(self) -> (usize, usize) {
        self.ledger(|ledger| (ledger.live(), ledger.dead() + ledger.refused()))
    }

    /// Deletes whatever is dead.
    pub fn reap(self) -> owned::Reaped {
        owned::reap(&self, usize::MAX, owned::Which::All)
    }

    /// From now on the endpoint takes nothing, or takes again.
    pub fn endpoint_full(self, full: bool) {
        with(|state| state.full = full);
    }

    /// What the endpoint got: words and capabilities.
    pub fn received(self) -> Vec<(Vec<u64>, Capability)> {
        with(|state| std::mem::take(&mut state.sent))
    }

    /// The kernel refuses to delete this slot, or does it again.
    pub fn lock(self, slot: u32, locked: bool) {
        with(|state| match locked {
            true => state.locked.insert(slot),
            false => state.locked.remove(&slot),
        });
    }

    /// Whether a slot holds something.
    pub fn holds(self, slot: u32) -> bool {
        with(|state| state.caps.contains_key(&slot))
    }
}

impl State {
    fn find(&self, slot: u32) -> Result<Capability, Error> {
        let found = self.caps.get(&slot).copied();
        found.ok_or(error(ErrorCode::SysCapNotFound))
    }

    fn put(&mut self, slot: u32, cap: Capability) -> Result<(), Error> {
        if self.caps.contains_key(&slot) {
            return Err(error(ErrorCode::SysSlotInUse));
        }
        self.caps.insert(slot, cap);
        Ok(())
    }

    fn retype(&mut self, dest: u32, src: u32, cut: Cut) -> Result<(), Error> {
        let source = self.find(src)?;
        if !is_well_founded(source.objtype(), cut.objtype) {
            return Err(error(ErrorCode::SysInvalidRetype));
        }
        if !cut.offset.is_multiple_of(4096) {
            return Err(error(ErrorCode::SysRetypeInvalidOffset));
        }
        if cut.bytes == 0 || !cut.bytes.is_multiple_of(1024) {
            return Err(error(ErrorCode::SysInvalidSize));
        }
        let (base, bytes) = (source.address() + cut.offset, cut.bytes);
        if cut.offset + bytes > source.size() {
            return Err(error(ErrorCode::SysRetypeInvalidOffset));
        }
        let overlaps = |cap: &&Capability| cap.address() < base + bytes && base < cap.end();
        let in_use = self
            .caps
            .values()
            .filter(overlaps)
            .any(|cap| !is_copy(cap, &source) && !is_ancestor(&source, cap));
        if in_use {
            return Err(error(ErrorCode::SysRevokeFirst));
        }
        let rights = source.rights();
        let made = match cut.objtype {
            ObjType::VNodeAarch64L3 => {
                let view = kpi::cap::VNodeAarch64L3 { base };
                Capability::new_vnode_aarch64_l3(view, rights)
            }
            ObjType::Dispatcher => {
                let view = kpi::cap::Dispatcher { dcb: base };
                Capability::new_dispatcher(view, rights)
            }
            objtype => {
                let memory = Memory {
                    base,
                    bytes,
                    pasid: 0,
                };
                Capability::new_memory(objtype, memory, rights)
                    .ok_or(error(ErrorCode::SysInvalidRetype))?
            }
        };
        self.put(dest, made)
    }

    /// Takes a capability away; what it mapped goes with its last copy.
    fn remove(&mut self, slot: u32) {
        self.caps.remove(&slot);
        self.mapped.retain(|_, mapped| *mapped != slot);
    }
}

impl Space for Model {
    type Slot = u32;
    type View = Vec<u8>;

    fn ledger<R>(&self, work: impl FnOnce(&mut Ledger) -> R) -> R {
        LEDGER.with_borrow_mut(work)
    }

    fn key(&self, slot: u32) -> Result<Key, Error> {
        Ok(Key(slot.into()))
    }

    fn slot(&self, key: Key) -> u32 {
        key.0 as u32
    }

    fn slot_alloc(&self) -> Result<u32, Error> {
        with(|state| {
            let free = (0..SLOTS).find(|slot| !state.taken.contains(slot));
            let slot = free.ok_or(error(ErrorCode::LibSlotAllocNoSpace))?;
            state.taken.insert(slot);
            Ok(slot)
        })
    }

    fn slot_free(&self, slot: u32) -> Result<(), Error> {
        with(|state| {
            assert!(!state.caps.contains_key(&slot), "slot {slot} is not empty");
            match state.taken.remove(&slot) {
                true => Ok(()),
                false => Err(error(ErrorCode::LibSlotUnallocated)),
            }
        })
    }

    fn object_alloc(&self, objtype: ObjType, bytes: u64) -> Result<u32, Error> {
        let slot = self.slot_alloc()?;
        let made = with(|state| {
            let bytes = objtype.fixed_size().unwrap_or(bytes);
            let grant = state.memory.alloc(bytes, 4096);
            let grant = grant.map_err(|_| error(ErrorCode::LibRamAlloc))?;
            let cut = Cut {
                offset: grant.offset,
                objtype,
                bytes: objtype.fixed_size().unwrap_or(grant.bytes),
            };
            state.retype(slot, ROOT, cut)
        });
        match made {
            Ok(()) => Ok(slot),
            Err(error) => {
                self.slot_free(slot)?;
                Err(error)
            }
        }
    }

    fn identify(&self, slot: u32) -> Result<Capability, Error> {
        with(|state| state.find(slot))
    }

    fn copy(&self, dest: u32, src: u32) -> Result<(), Error> {
        self.mint(dest, src, CapRights::ALL)
    }

    fn mint(&self, dest: u32, src: u32, rights: CapRights) -> Result<(), Error> {
        with(|state| {
            let source = state.find(src)?;
            let rights = CapRights(source.rights().0 & rights.0);
            state.put(dest, source.with_rights(rights))
        })
    }

    fn retype(&self, dest: u32, src: u32, cut: Cut) -> Result<(), Error> {
        with(|state| state.retype(dest, src, cut))
    }

    fn revoke(&self, slot: u32) -> Result<(), Error> {
        with(|state| {
            let cap = state.find(slot)?;
            let inside = |other: &Capability| {
                !is_ancestor(&cap, other)
                    && cap.address() <= other.address()
                    && other.end() <= cap.end()
            };
            let gone: Vec<u32> = state
                .caps
                .iter()
                .filter(|(at, other)| **at != slot && (is_copy(other, &cap) || inside(other)))
                .map(|(at, _)| *at)
                .collect();
            gone.into_iter().for_each(|slot| state.remove(slot));
            Ok(())
        })
    }

    fn delete(&self, slot: u32, accounted: bool) -> Result<(), Error> {
        with(|state| {
            if state.locked.contains(&slot) {
                return Err(error(ErrorCode::SysCapLocked));
            }
            let Ok(cap) = state.find(slot) else {
                return Ok(());
            };
            state.remove(slot);
            if accounted {
                state.memory.free(cap.address(), cap.size()).unwrap();
            }
            Ok(())
        })
    }

    fn map(&self, slot: u32, bytes: u64, _: PageFlags) -> Result<(VirtAddr, Vec<u8>), Error> {
        with(|state| {
            if state.find(slot)?.size() < bytes {
                return Err(error(ErrorCode::SysVmMapSize));
            }
            let address = 0x80_0000_0000 + u64::from(slot) * BYTES;
            state.mapped.insert(address, slot);
            Ok((VirtAddr(address), vec![0; bytes as usize]))
        })
    }

    fn unmap(&self, address: VirtAddr) -> Result<(), Error> {
        with(|state| {
            state.mapped.remove(&address.0);
            Ok(())
        })
    }

    fn give(&self, _: u32, words: &[u64], slot: u32) -> Result<(), Error> {
        with(|state| {
            if state.full {
                return Err(error(ErrorCode::SysLmpBufOverflow));
            }
            let cap = state.find(slot)?;
            state.remove(slot);
            state.sent.push((words.to_vec(), cap));
            Ok(())
        })
    }
}
