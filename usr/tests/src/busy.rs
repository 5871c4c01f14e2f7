//! A child that does everything that can be interrupted, for tests that kill it: `tests --child busy SEED`.
//!
//! It first waits for a random part of a time slice: init looks at the end of one, so the kill comes at any place of what follows.

use aos::account::Account;
use aos::cap::{CNodeRef, CapRef, cap_copy, cap_delete, cap_revoke};
use aos::initproto::{Message, Request, Wish};
use aos::kpi::cap::ObjType;
use aos::kpi::layout::{BASE_PAGE_SIZE, L2CNODE_BYTES};
use aos::kpi::lmp::LMP_DEFAULT_BUFFER_WORDS;
use aos::kpi::rights::PageFlags;
use aos::kpi::syscall::SendFlags;
use aos::lmp::endpoint_create;
use aos::monitor::MONITOREP;
use aos::paging::MappedFrame;
use aos::spawn::{Program, spawn_load_with_caps};
use aos::{Error, Status, event, lmp, ram, slot, time};
use core::hint::black_box;
use random::Random;

/// Memory to play with.
const PLAY_BYTES: u64 = 256 << 10;
/// Instructions of a wait at most, in rounds of the loop.
const MOST_ROUNDS: u64 = 400_000;

fn spin(rounds: u64) {
    for round in 0..rounds {
        black_box(round);
    }
}

/// Is busy until it is killed; or ends soon, in one of several ways.
pub fn busy(seed: u64) -> Result<Status, Error> {
    let mut random = Random::new(seed);
    spin(random.below(MOST_ROUNDS));
    let kind = random.below(9);
    if kind == 0 {
        // A null pointer; the fault is told to init by a message.
        crate::parts::load(0);
    }
    if kind == 1 {
        return Ok(Status((seed & 0xff) as u8));
    }
    loop {
        work(kind - 2, &mut random)?;
    }
}

/// Does a piece of work of one of seven kinds.
pub fn work(kind: u64, random: &mut Random) -> Result<(), Error> {
    match kind {
        0 => zeroing(),
        1 => trees(Operation::Delete),
        2 => trees(Operation::Revoke),
        3 => mapping(),
        4 => {
            sending(random);
            Ok(())
        }
        5 => slots(),
        _ => memory(random),
    }
}

/// How a tree of CNodes goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Its root is deleted, the last copy.
    Delete,
    /// The memory that all of it is made of is revoked.
    Revoke,
}

/// A retype that takes many kernel entries.
fn zeroing() -> Result<(), Error> {
    let frame = ram::frame_alloc(PLAY_BYTES)?;
    ram::mm_free(frame)
}

/// Makes a CSpace with CNodes, frames, a dispatcher and cycles in it, and has it deleted in steps, by the monitor.
pub fn trees(operation: Operation) -> Result<(), Error> {
    let memory = ram::ram_alloc(PLAY_BYTES, BASE_PAGE_SIZE)?;
    let root = slot::slot_alloc()?;
    let mut next = 0;
    let mut make = |dest: CapRef, objtype, bytes: u64| {
        let offset = u64::next_multiple_of(next, L2CNODE_BYTES);
        next = offset + bytes;
        aos::cap::cap_retype(dest, memory, offset, objtype, bytes, 1)
    };
    make(root, ObjType::L1CNode, L2CNODE_BYTES)?;
    for l1 in 0..4 {
        let cnode = CNodeRef::root_of(root.addr()).slot(l1);
        make(cnode, ObjType::L2CNode, L2CNODE_BYTES)?;
        let inside = CNodeRef::foreign(root.addr(), l1);
        make(inside.slot(0), ObjType::Frame, BASE_PAGE_SIZE)?;
        make(inside.slot(1), ObjType::Dispatcher, 1024)?;
        cap_copy(inside.slot(2), cnode)?;
        cap_copy(inside.slot(3), inside.slot(0))?;
    }
    match operation {
        Operation::Delete => cap_delete(root)?,
        Operation::Revoke => cap_revoke(memory)?,
    }
    slot::slot_free(root)?;
    ram::ram_free(memory)
}

/// Asks for a delete in a CSpace, gives that away with the request, and waits until the monitor is done: all that lies in it goes.
pub fn give_root() -> Result<(), Error> {
    let memory = ram::ram_alloc(PLAY_BYTES, BASE_PAGE_SIZE)?;
    let root = slot::slot_alloc()?;
    let mut offset = 0;
    let mut make = |dest, objtype, bytes| {
        let made = aos::cap::cap_retype(dest, memory, offset, objtype, bytes, 1);
        offset += bytes;
        made
    };
    make(root, ObjType::L1CNode, L2CNODE_BYTES)?;
    for l1 in 0..4 {
        let cnode = CNodeRef::root_of(root.addr()).slot(l1);
        make(cnode, ObjType::L2CNode, L2CNODE_BYTES)?;
    }
    let address = CNodeRef::foreign(root.addr(), 3).slot(9).addr().0;
    let wish = Wish::Delete { address, level: 2 };
    let request = Request { number: 77, wish };
    lmp::send(
        MONITOREP,
        &request.encode(),
        Some(root),
        SendFlags::GIVEAWAY,
    )?;
    // Served behind it.
    ram::ram_free(memory)
}

fn mapping() -> Result<(), Error> {
    let frame = ram::frame_alloc(16 * BASE_PAGE_SIZE)?;
    let mut mapped = MappedFrame::new(frame, PageFlags::READ_WRITE)?;
    mapped.view_mut().fill(1);
    mapped.unmap()?;
    ram::mm_free(frame)
}

/// Messages that mean nothing, capabilities that nobody wants, requests with random words.
fn sending(random: &mut Random) {
    let words = [random.below(8), random.below(1 << 40), random.below(8)];
    let count = random.below(4) as usize;
    let words = words.get(..count).unwrap_or_default();
    // An end or a fault would end it, and a record is no business of an ordinary program.
    if matches!(Message::decode(words), Some(Message::Exit { .. })) {
        return;
    }
    let cap = match random.below(4) {
        0 => Some(CapRef::OWN_ROOT),
        1 => Some(MONITOREP),
        _ => None,
    };
    if lmp::send(MONITOREP, words, cap, SendFlags::DEFAULT).is_err() {
        event::yield_now();
    }
}

/// Many slots, so that the allocator takes CNodes.
fn slots() -> Result<(), Error> {
    let mut taken = alloc::vec::Vec::new();
    for _ in 0..1000 {
        taken.push(slot::slot_alloc()?);
    }
    taken.into_iter().try_for_each(slot::slot_free)
}

/// Memory from the monitor, and back.
fn memory(random: &mut Random) -> Result<(), Error> {
    let bytes = (random.below(64) + 1) * BASE_PAGE_SIZE;
    let ram = ram::ram_alloc(bytes, BASE_PAGE_SIZE << random.below(4))?;
    ram::ram_free(ram)
}

/// Makes domains and takes them apart, for ever: `tests --child spawner SEED`, with memory and modules.
pub fn spawner(seed: u64) -> Result<Status, Error> {
    let mut random = Random::new(seed);
    ram::add_system_memory()?;
    let boot = aos::boot::Boot::of_trusted()?;
    let module = boot.module("tests")?;
    let elf = module.open()?;
    let endpoint = endpoint_create(LMP_DEFAULT_BUFFER_WORDS as u32)?;
    spin(random.below(MOST_ROUNDS));
    loop {
        let account = Account::new();
        let domain = spawn_load_with_caps(&Program {
            name: "grandchild",
            elf: &elf,
            args: &["tests", "--child", "exit"],
            env: &[],
            pid: 1,
            report_to: Some(endpoint.cap()),
            served: false,
            grants: &[],
            account: &account,
        })?;
        domain.start()?;
        event::wait_until(
            event::snapshot(),
            Some(time::now().saturating_add(random.below(5_000))),
        );
        domain.destroy()?;
        endpoint.renew()?;
    }
}
