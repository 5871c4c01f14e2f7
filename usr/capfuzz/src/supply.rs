//! What the parent keeps ready for the children, in the stock: memory, authorities, and a CSpace that dispatchers can run in.
//!
//! All memory comes out of one *arena* capability. A *chunk* of it is a capability of the parent's own, never given away and never whole,
//! so nobody else has a copy. A child may revoke what lies in the stock (by a copy of its own): then the chunk is revoked, and what was made
//! of it made again. That happens now and then anyway: a revoke of thousands of capabilities while others use them.
//!
//! | Chunk | What is made of it |
//! |---|---|
//! | 0 to [`PLAIN`] | two halves each, RAM: what children make things of |
//! | [`KIT`] | a CSpace, an address space with a page of code, a dispatcher's frame, a dispatcher that is set up with them |
//!
//! The code of the kit yields for ever. All dispatchers that the children set up with its CSpace run it, on the same frame: it keeps nothing
//! in registers.

use crate::arena::{self, FRAME, VSPACE};
use aos::cap::dispatcher::{Setup, dispatcher_setup};
use aos::cap::monitor::{cap_create, remote_relations};
use aos::cap::vnode::{Entries, vnode_map};
use aos::cap::{
    CNodeRef, CapRef, cap_copy, cap_delete, cap_direct_identify, cap_mint, cap_retype, cap_revoke,
};
use aos::kpi::addr::CapAddr;
use aos::kpi::cap::{Capability, IrqSrc, ObjType};
use aos::kpi::dispatcher::DispatcherShared;
use aos::kpi::layout::{BASE_PAGE_SIZE, DISPATCHER_FRAME_BYTES};
use aos::kpi::rights::{CapRights, PageFlags};
use aos::kpi::slots::{root, task};
use aos::kpi::syscall::{CallWord, Syscall};
use aos::paging::MappedFrame;
use aos::slot::slot_alloc;
use aos::{Error, ram};
use core::mem::offset_of;

/// Bytes of a chunk.
const CHUNK: u64 = 4 << 20;
/// Chunks of plain memory.
const PLAIN: usize = 4;
/// The chunk of the kit.
const KIT: usize = PLAIN;
/// Chunks in all.
const CHUNKS: usize = PLAIN + 1;
/// Memory of all chunks, and of the CNodes behind them.
pub const ARENA_BYTES: u64 = (CHUNKS as u64 + 1) * CHUNK;
/// Of what the arena is a multiple: so blocks can be mapped.
pub const ARENA_ALIGNMENT: u64 = 2 << 20;

/// Slots of the stock.
const HALVES: u32 = 0;
const AUTHORITIES: u32 = 2 * PLAIN as u32;
/// The CSpace for dispatchers.
pub const KIT_ROOT: u32 = AUTHORITIES + 8;
const KIT_DISPATCHER: u32 = KIT_ROOT + 1;
const KIT_ENDPOINT: u32 = KIT_ROOT + 2;
/// The parent's own endpoint, for messages that are taken.
pub const POST: u32 = KIT_ROOT + 3;
/// Four tables, from level 0 on.
const KIT_TABLES: u32 = KIT_ROOT + 4;
const _: () = assert!(KIT_TABLES as usize + 4 == arena::STOCK_SLOTS);

/// Root slot of the parent with the copy of the stock that children get.
pub const READABLE_STOCK: u32 = arena::STOCK + 1;

/// Address of the kit's code.
const CODE: u64 = 0x40_0000;
/// `svc #0`, and a jump to four instructions before.
const SVC: u32 = 0xd400_0001;
const BACK: u32 = 0x17ff_fffd;

const fn stock(slot: u32) -> CapRef {
    CNodeRef::own(arena::STOCK).slot(slot)
}

/// Authorities of init, of which children get copies. Revoking a copy takes all others away, init's too: see [`guard`].
const LENT: [CapRef; 5] = [
    CapRef::task(task::IRQ),
    CapRef::task(task::PERF_MON),
    CapRef::task(task::IPI),
    CapRef::task(task::PROC_MNG),
    CNodeRef::own(root::PACN).slot(0),
];

/// Makes the kernel believe that other cores have copies of what is lent, or no longer: nobody can revoke it meanwhile.
///
/// # Errors
/// The kernel's.
pub fn guard(on: bool) -> Result<(), Error> {
    /// Copies on other cores.
    const COPIES: u64 = 1;
    for lent in LENT {
        remote_relations(lent, if on { COPIES } else { 0 }, COPIES)?;
    }
    Ok(())
}

fn is_there(cap: CapRef) -> bool {
    cap_direct_identify(cap).is_ok()
}

/// The parent's capabilities to all of it.
pub struct Supply {
    arena: CapRef,
    chunks: [CapRef; CHUNKS],
    scratch: [CapRef; 2],
}

impl Supply {
    /// Takes the memory.
    pub fn new() -> Result<Self, Error> {
        let slot = || slot_alloc();
        Ok(Self {
            arena: ram::mm_alloc_aligned(ARENA_BYTES, ARENA_ALIGNMENT)?,
            chunks: [slot()?, slot()?, slot()?, slot()?, slot()?],
            scratch: [slot()?, slot()?],
        })
    }

    /// The beginning of an epoch: empty CNodes, a full stock.
    pub fn furnish(&self, post: CapRef) -> Result<(), Error> {
        let behind = CHUNKS as u64 * CHUNK;
        for (index, l1) in (arena::FIRST..=arena::STOCK).enumerate() {
            let slot = CNodeRef::ROOT.slot(l1);
            let offset = behind + ((index as u64) << 14);
            cap_retype(slot, self.arena, offset, ObjType::L2CNode, 16 << 10, 1)?;
        }
        let readable = u64::from(CapRights::READ.0);
        let (all, less) = (
            CNodeRef::ROOT.slot(arena::STOCK),
            CNodeRef::ROOT.slot(READABLE_STOCK),
        );
        cap_mint(less, all, readable, 0)?;
        for (chunk, index) in self.chunks.iter().zip(0..) {
            cap_retype(*chunk, self.arena, index * CHUNK, ObjType::Ram, CHUNK, 1)?;
            self.fill(index as usize)?;
        }
        self.authorities()?;
        cap_copy(stock(POST), post)
    }

    /// Root CNodes' slots of what children share, all there still? A child may have revoked one.
    pub fn has_cnodes(&self) -> bool {
        (arena::FIRST..=READABLE_STOCK).all(|l1| is_there(CNodeRef::ROOT.slot(l1)))
    }

    /// Makes again what was taken away. What the children do meanwhile may undo it: then it is tried another time.
    pub fn restock(&self, post: CapRef) {
        for index in 0..CHUNKS {
            if !self.is_complete(index) {
                self.renew(index);
            }
        }
        let _ = self.authorities();
        if !is_there(stock(POST)) {
            let _ = cap_copy(stock(POST), post);
        }
    }

    fn is_complete(&self, index: usize) -> bool {
        match index {
            KIT => [KIT_ROOT, KIT_DISPATCHER, KIT_ENDPOINT]
                .into_iter()
                .chain(KIT_TABLES..KIT_TABLES + 4)
                .all(|slot| is_there(stock(slot))),
            _ => [0, 1]
                .into_iter()
                .all(|half| is_there(stock(HALVES + 2 * index as u32 + half))),
        }
    }

    /// Revokes a chunk, and makes of it what belongs into the stock.
    pub fn renew(&self, index: usize) {
        let Some(chunk) = self.chunks.get(index) else {
            return;
        };
        // Refused while a child has something half made or locked there.
        if cap_revoke(*chunk).is_ok() {
            let _ = self.fill(index);
        }
    }

    /// Any chunk.
    pub fn renew_some(&self, random: &mut fastrand::Rng) {
        self.renew(random.usize(..CHUNKS));
    }

    fn fill(&self, index: usize) -> Result<(), Error> {
        let Some(&chunk) = self.chunks.get(index) else {
            return Ok(());
        };
        if index == KIT {
            return self.fill_kit(chunk);
        }
        let first = stock(HALVES + 2 * index as u32);
        cap_retype(first, chunk, 0, ObjType::Ram, CHUNK / 2, 2)
    }

    /// What is made of no memory.
    fn authorities(&self) -> Result<(), Error> {
        for (slot, authority) in (AUTHORITIES..).zip(LENT) {
            if !is_there(stock(slot)) {
                cap_copy(stock(slot), authority)?;
            }
        }
        let vectors = stock(AUTHORITIES + 5);
        if !is_there(vectors) {
            let all = IrqSrc {
                vec_start: 40,
                vec_end: 72,
            };
            let vectors_cap = Capability::new_irq_src(all, CapRights::ALL);
            cap_create(vectors, &vectors_cap, aos::core_id())?;
        }
        Ok(())
    }

    fn fill_kit(&self, chunk: CapRef) -> Result<(), Error> {
        let make = |slot, offset: u64, objtype, bytes: u64| {
            cap_retype(slot, chunk, offset, objtype, bytes, 1)
        };
        let cspace = stock(KIT_ROOT);
        make(cspace, 0, ObjType::L1CNode, 16 << 10)?;
        let inner = CNodeRef::foreign(cspace.addr(), 0);
        make(
            CNodeRef::root_of(cspace.addr()).slot(0),
            16 << 10,
            ObjType::L2CNode,
            16 << 10,
        )?;
        let tables = [
            ObjType::VNodeAarch64L0,
            ObjType::VNodeAarch64L1,
            ObjType::VNodeAarch64L2,
            ObjType::VNodeAarch64L3,
        ];
        let (vspace, frame) = (inner.slot(VSPACE.into()), inner.slot(FRAME.into()));
        for (index, objtype) in tables.into_iter().enumerate() {
            let index = index as u64;
            make(
                stock(KIT_TABLES + index as u32),
                (32 << 10) + index * BASE_PAGE_SIZE,
                objtype,
                BASE_PAGE_SIZE,
            )?;
        }
        cap_copy(vspace, stock(KIT_TABLES))?;
        let [code, shared] = self.scratch;
        for slot in self.scratch {
            if is_there(slot) {
                cap_delete(slot)?;
            }
        }
        make(code, 64 << 10, ObjType::Frame, BASE_PAGE_SIZE)?;
        make(shared, 512 << 10, ObjType::Frame, DISPATCHER_FRAME_BYTES)?;
        write_code(code)?;
        write_frame(shared)?;
        cap_copy(inner.slot(8), code)?;
        cap_copy(frame, shared)?;
        self.hang_up(inner)?;
        cap_delete(code)?;
        cap_delete(shared)?;
        let dispatcher = stock(KIT_DISPATCHER);
        make(dispatcher, 48 << 10, ObjType::Dispatcher, 1 << 10)?;
        let setup = Setup {
            cspace,
            vspace: CapAddr::new(0, VSPACE),
            frame: CapAddr::new(0, FRAME),
            run: true,
        };
        dispatcher_setup(dispatcher, &setup)?;
        let endpoint = stock(KIT_ENDPOINT);
        cap_retype(endpoint, dispatcher, 0, ObjType::EndPointLmp, 0, 1)
    }

    /// The kit's tables one in the other, and its code in the last.
    fn hang_up(&self, inner: CNodeRef) -> Result<(), Error> {
        for level in 0..4 {
            let shift = 39 - 9 * level;
            let entries = Entries {
                entry: (CODE >> shift & 511) as u16,
                count: 1,
            };
            let flags = match level {
                3 => PageFlags::READ_EXECUTE,
                _ => PageFlags::READ,
            };
            let below = match level {
                3 => inner.slot(8),
                _ => stock(KIT_TABLES + level + 1),
            };
            vnode_map(
                stock(KIT_TABLES + level),
                below,
                flags,
                0,
                entries,
                inner.slot(12 + level),
            )?;
        }
        Ok(())
    }

    /// The end of an epoch: takes everything away, and proves that nothing of it is left, for the kernel makes a frame of all the
    /// memory only then.
    pub fn clear(&self) -> Result<(), Error> {
        cap_revoke(self.arena)?;
        let [whole, ..] = self.scratch;
        cap_retype(whole, self.arena, 0, ObjType::Frame, ARENA_BYTES, 1)?;
        cap_delete(whole)
    }
}

/// `mov x0, #yield; mov x1, #0; svc #0; b .-12`.
fn write_code(frame: CapRef) -> Result<(), Error> {
    let word = CallWord::simple(Syscall::Yield, 2).0 as u32;
    let code = [0xd280_0000 | word << 5, 0xd280_0001, SVC, BACK];
    let mut mapped = MappedFrame::new(frame, PageFlags::READ_WRITE)?;
    for (index, word) in code.iter().enumerate() {
        mapped.view_mut().write(4 * index, &word.to_le_bytes());
    }
    mapped.unmap()
}

/// Upcalls and the first dispatch go to the code.
fn write_frame(frame: CapRef) -> Result<(), Error> {
    let mapped = MappedFrame::part(frame, BASE_PAGE_SIZE, PageFlags::READ_WRITE)?;
    let places = [
        offset_of!(DispatcherShared, run),
        offset_of!(DispatcherShared, disabled_area)
            + offset_of!(aos::kpi::dispatcher::SaveArea, pc),
    ];
    for place in places {
        mapped.view().store(place, CODE);
    }
    mapped.unmap()
}
