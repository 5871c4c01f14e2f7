//! What a domain asks its monitor for: deletes, revokes, memory; and what the monitor refuses.

use crate::busy::{Operation, trees};
use crate::harness::{Harness, Outcome, equal, refused, that};
use aos::cap::{CNodeRef, CapRef, cap_copy, cap_delete, cap_direct_identify, cap_retype};
use aos::initproto::Wish;
use aos::kpi::cap::ObjType;
use aos::kpi::layout::{BASE_PAGE_SIZE, L2CNODE_BYTES};
use aos::kpi::slots::task;
use aos::kpi::syscall::SendFlags;
use aos::lmp::{self, endpoint_create};
use aos::monitor::{MONITOREP, ask};
use aos::slot::{slot_alloc, slot_free};
use aos::{Error, ErrorCode, println, ram};

const SUITE: &str = "monitor";
/// A root slot that nothing else uses.
const SCRATCH: u32 = 190;

type Test = (&'static str, fn() -> Outcome);

const TESTS: [Test; 9] = [
    ("a CNode goes with all that lies in it", whole_delete),
    ("a revoke takes CNodes and dispatchers", whole_revoke),
    ("a CNode of another CSpace", foreign),
    ("addresses that name nothing are refused", bad_addresses),
    ("a root that is no root CNode is refused", bad_roots),
    ("requests without their capability are refused", bare),
    ("memory comes and goes, up to a quota", memory),
    ("memory comes back without being freed", comes_back),
    ("a flood of nonsense harms nobody", flood),
];

/// Runs the suite.
pub fn run(harness: &mut Harness) {
    for (name, test) in TESTS {
        harness.test(SUITE, name, test);
    }
}

/// The same from an ordinary program, which has nothing but what it asks for.
pub fn plain() -> Result<(), Error> {
    for (name, test) in TESTS {
        if let Err(failure) = test() {
            println!("{name}: {failure:?}");
            return Err(Error::new(ErrorCode::LibRamAlloc));
        }
    }
    println!("asks: {} tests passed", TESTS.len());
    Ok(())
}

fn whole_delete() -> Outcome {
    for _ in 0..20 {
        trees(Operation::Delete)?;
    }
    Ok(())
}

fn whole_revoke() -> Outcome {
    for _ in 0..20 {
        trees(Operation::Revoke)?;
    }
    Ok(())
}

/// Deletes a last CNode in a CSpace whose root is in a slot of ours, at both levels.
fn foreign() -> Outcome {
    let memory = ram::ram_alloc(4 * L2CNODE_BYTES, L2CNODE_BYTES)?;
    let root = slot_alloc()?;
    cap_retype(root, memory, 0, ObjType::L1CNode, L2CNODE_BYTES, 1)?;
    let cnode = CNodeRef::root_of(root.addr()).slot(9);
    let inner = CNodeRef::foreign(root.addr(), 9).slot(7);
    let bytes = L2CNODE_BYTES;
    cap_retype(cnode, memory, bytes, ObjType::L2CNode, bytes, 1)?;
    cap_retype(inner, memory, 2 * bytes, ObjType::L2CNode, bytes, 1)?;
    cap_delete(inner)?;
    refused(cap_direct_identify(inner), ErrorCode::SysCapNotFound)?;
    cap_delete(cnode)?;
    refused(cap_direct_identify(cnode), ErrorCode::SysCapNotFound)?;
    cap_delete(root)?;
    slot_free(root)?;
    ram::ram_free(memory)?;
    Ok(())
}

fn bad_addresses() -> Outcome {
    let root = Some(CapRef::OWN_ROOT);
    let empty = slot_alloc()?;
    let at = |address, level| {
        let delete = ask(Wish::Delete { address, level }, root, None);
        let revoke = ask(Wish::Revoke { address, level }, root, None);
        (delete, revoke)
    };
    for (address, level, code) in [
        (empty.addr().0, 2, ErrorCode::SysCapNotFound),
        (0xffff_ff00, 1, ErrorCode::SysL1CnodeIndex),
        (0xffff_ffff, 2, ErrorCode::SysL1CnodeIndex),
        (200 << 8, 2, ErrorCode::SysCnodeNotFound),
        (empty.addr().0, 0, ErrorCode::SysCapLookupDepth),
        (empty.addr().0, 3, ErrorCode::SysCapLookupDepth),
    ] {
        let (delete, revoke) = at(address, level);
        refused(delete, code)?;
        refused(revoke, code)?;
    }
    slot_free(empty)?;
    Ok(())
}

fn bad_roots() -> Outcome {
    let wish = Wish::Delete {
        address: CapRef::task(task::FIRST_FREE).addr().0,
        level: 2,
    };
    for slot in [task::DISPATCHER, task::DISPFRAME, task::SELFEP] {
        let root = Some(CapRef::task(slot));
        refused(ask(wish, root, None), ErrorCode::SysCnodeNotRoot)?;
    }
    Ok(())
}

fn bare() -> Outcome {
    let (address, level) = (CapRef::OWN_ROOT.addr().0, 2);
    let code = ErrorCode::SysSourceRootcnLookup;
    refused(ask(Wish::Delete { address, level }, None, None), code)?;
    refused(ask(Wish::Revoke { address, level }, None, None), code)
}

fn memory() -> Outcome {
    const MOST: u64 = 16 << 20;
    let page = BASE_PAGE_SIZE;
    let refuse = |bytes, alignment| {
        let slot = slot_alloc()?;
        let wish = Wish::Ram { bytes, alignment };
        let result = refused(ask(wish, None, Some(slot)), ErrorCode::LibRamAlloc);
        slot_free(slot)?;
        result
    };
    refuse(MOST + 1, page)?;
    refuse(u64::MAX, page)?;
    refuse(page, 3)?;
    refuse(page, 0)?;
    refuse(page, 1 << 40)?;
    // Alignment costs memory: a page at a time, aligned to a quarter of the quota each, no more than four can be had.
    let mut aligned = alloc::vec::Vec::new();
    while let Ok(piece) = ram::ram_alloc(page, MOST / 4) {
        that(aligned.len() < 4, "no more than the quota")?;
        aligned.push(piece);
    }
    for piece in aligned {
        ram::ram_free(piece)?;
    }
    // What was taken before counts too, so by halves until nothing more comes.
    let (mut bytes, mut pieces) = (MOST, alloc::vec::Vec::new());
    while bytes >= page {
        match ram::ram_alloc(bytes, page) {
            Ok(piece) => pieces.push(piece),
            Err(_) => bytes /= 2,
        }
    }
    that(!pieces.is_empty(), "some memory")?;
    for piece in pieces {
        equal(cap_direct_identify(piece)?.objtype(), ObjType::Ram)?;
        ram::ram_free(piece)?;
    }
    // In use: it stays charged, and is not given to anybody else.
    let piece = ram::ram_alloc(4 * page, page)?;
    let base = cap_direct_identify(piece)?.address();
    let slot = slot_alloc()?;
    cap_retype(slot, piece, 0, ObjType::Frame, page, 1)?;
    cap_delete(piece)?;
    let wish = Wish::FreeRam {
        base,
        bytes: 4 * page,
    };
    refused(ask(wish, None, None), ErrorCode::SysRevokeFirst)?;
    cap_delete(slot)?;
    ask(wish, None, None)?;
    refused(ask(wish, None, None), ErrorCode::MmNotFound)?;
    slot_free(piece)?;
    slot_free(slot)?;
    Ok(())
}

/// Many times the quota, without ever freeing any: the kernel tells the monitor what has become free.
fn comes_back() -> Outcome {
    const PIECE: u64 = 1 << 20;
    let page = BASE_PAGE_SIZE;
    let slots = [slot_alloc()?, slot_alloc()?, slot_alloc()?];
    let [frame, other, cnode] = slots;
    let take = || ram::ram_alloc(PIECE, page);
    for round in 0..64 {
        let piece = take()?;
        match round % 4 {
            // The RAM itself, or first the RAM and then what was made of it.
            0 => cap_delete(piece)?,
            1 => {
                cap_retype(frame, piece, page, ObjType::Frame, page, 1)?;
                cap_retype(other, piece, 4 * page, ObjType::VNodeAarch64L2, page, 1)?;
                for cap in [piece, other, frame] {
                    cap_delete(cap)?;
                }
            }
            // A dispatcher, whose endpoint is left.
            2 => {
                cap_retype(frame, piece, 0, ObjType::Dispatcher, 1024, 1)?;
                cap_retype(other, frame, 0, ObjType::EndPointLmp, 0, 1)?;
                for cap in [piece, frame, other] {
                    cap_delete(cap)?;
                }
            }
            // In a CNode made of another piece, which goes first.
            _ => {
                let second = take()?;
                cap_retype(cnode, second, 0, ObjType::L2CNode, L2CNODE_BYTES, 1)?;
                cap_delete(second)?;
                lay_into(cnode, piece)?;
                cap_delete(cnode)?;
            }
        }
        slot_free(piece)?;
    }
    // As much as before is to be had.
    let all = [take()?, take()?, take()?, take()?];
    for piece in all {
        ram::ram_free(piece)?;
    }
    for slot in slots {
        slot_free(slot)?;
    }
    Ok(())
}

/// Moves a capability into a CNode that hangs in root slot [`SCRATCH`] meanwhile.
fn lay_into(cnode: CapRef, cap: CapRef) -> Result<(), Error> {
    let hung = CNodeRef::ROOT.slot(SCRATCH);
    cap_copy(hung, cnode)?;
    cap_copy(CNodeRef::own(SCRATCH).slot(0), cap)?;
    cap_delete(hung)?;
    cap_delete(cap)
}

/// Capabilities that nobody asked for, one of them a last copy, and requests whose answers nobody reads.
fn flood() -> Outcome {
    let endpoint = endpoint_create(21)?;
    let give = |words: &[u64], cap: CapRef, flags: u8| loop {
        match lmp::send(MONITOREP, words, Some(cap), SendFlags(flags)) {
            Err(error) if aos::error::is_transient(error) => aos::event::yield_now(),
            result => return result,
        }
    };
    for round in 0..50 {
        give(&[round], endpoint.cap(), SendFlags::DEFAULT.0)?;
        // Kind 3, memory, but a capability comes with it.
        give(
            &[4 | 3 << 8 | round << 32, 0, 0],
            CapRef::OWN_ROOT,
            SendFlags::DEFAULT.0,
        )?;
    }
    let memory = ram::ram_alloc(4 * L2CNODE_BYTES, L2CNODE_BYTES)?;
    let slot = slot_alloc()?;
    cap_retype(slot, memory, 0, ObjType::L2CNode, L2CNODE_BYTES, 1)?;
    let both = SendFlags::DEFAULT.0 | SendFlags::GIVEAWAY.0;
    give(&[], slot, both)?;
    refused(cap_direct_identify(slot), ErrorCode::SysCapNotFound)?;
    // The next request with a capability comes behind that one's end.
    let copy = slot_alloc()?;
    cap_copy(copy, CapRef::OWN_ROOT)?;
    refused(
        ask(
            Wish::Delete {
                address: slot.addr().0,
                level: 2,
            },
            Some(copy),
            None,
        ),
        ErrorCode::SysCapNotFound,
    )?;
    cap_delete(copy)?;
    slot_free(copy)?;
    slot_free(slot)?;
    ram::ram_free(memory)?;
    Ok(())
}
