//! Ordinary programs in tight places: what they need of their monitor is needed in the middle of something else.
//!
//! Each is a program of its own, `tests --child tight-PART`: it has no memory but what it asks for.

use crate::harness::{Harness, Outcome, equal, refused, that};
use crate::parts::DONE;
use alloc::sync::Arc;
use alloc::vec::Vec;
use aos::cap::{CNodeRef, Cap, CapRef, cap_copy, cap_delete, cap_revoke};
use aos::initproto::{Address, Head, ORDER_MAX, Order, Wish};
use aos::kpi::cap::{Frame, L2CNode, ObjType};
use aos::kpi::layout::BASE_PAGE_SIZE as PAGE;
use aos::kpi::slots::task;
use aos::proc::{self, End};
use aos::ram::{
    cnode_create_l2, frame_alloc, mm_free, mm_usage, object_alloc_at, ram_alloc, ram_free,
};
use aos::slot::slot_alloc;
use aos::sync::Semaphore;
use aos::{Error, ErrorCode, monitor, println, thread};
use core::sync::atomic::{AtomicBool, Ordering};

const SUITE: &str = "tight";

const PARTS: [&str; 6] = [
    "tight-dropped",
    "tight-stack",
    "tight-books",
    "tight-vast",
    "tight-refused",
    "tight-taken",
];

/// Runs the suite.
pub fn run(harness: &mut Harness) {
    for part in PARTS {
        harness.test(SUITE, part, || {
            let child = proc::spawn(&alloc::format!("tests --child {part}"))?;
            equal(child.wait()?, End::Exited(DONE))
        });
    }
}

/// Plays a part.
pub fn play(part: &str) -> Result<(), Error> {
    let outcome = match part {
        "tight-dropped" => dropped(),
        "tight-stack" => stack(),
        "tight-books" => books(),
        "tight-vast" => vast(),
        "tight-refused" => memory_refused(),
        "tight-taken" => taken(),
        _ => return Err(Error::new(ErrorCode::SpawnGetCmdlineArgs)),
    };
    outcome.map_err(|failure| {
        println!("{part}: {failure:?}");
        Error::new(ErrorCode::SpawnRun)
    })
}

/// Something that only the monitor can delete waits to be reaped, and something else is asked of the monitor that takes it several turns.
fn dropped() -> Outcome {
    for _ in 0..4 {
        let cnode = cnode_create_l2()?;
        for slot in 0..60 {
            object_alloc_at(cnode.slot(slot), ObjType::L2CNode, 0)?;
        }
        drop(Cap::<L2CNode>::alloc(0)?);
        cap_delete(CNodeRef::ROOT.slot(cnode.cnode.l1()))?;
    }
    Ok(())
}

/// Takes all memory that is to be had.
fn drain(taken: &mut Vec<CapRef>) {
    for bytes in [1 << 20, 64 << 10, PAGE] {
        while let Ok(frame) = frame_alloc(bytes) {
            taken.push(frame);
        }
    }
}

/// Asks the monitor something, so many bytes down the stack.
#[inline(never)]
fn ask_from(depth: usize) -> bool {
    let room = core::hint::black_box([0_u8; 208]);
    let asked = match depth {
        0..256 => proc::kill(u32::MAX).is_err(),
        _ => ask_from(depth - 256),
    };
    core::hint::black_box(&room);
    asked
}

/// A stack grows in the middle of a request, when all memory is used up and there is more to be had.
fn stack() -> Outcome {
    let mut taken = Vec::with_capacity(2048);
    taken.resize(2048, CapRef::OWN_ROOT);
    // What a program has taken stays its own, so there must be some for each time.
    let mut pieces = Vec::with_capacity(16);
    for _ in 0..pieces.capacity() {
        pieces.push(ram_alloc(512 << 10, PAGE)?);
    }
    for (depth, piece) in (0..4096).step_by(256).zip(pieces) {
        taken.clear();
        let go = Arc::new(Semaphore::new(0));
        let theirs = go.clone();
        let asking = thread::spawn("asking", move || {
            theirs.wait();
            ask_from(depth)
        })?;
        thread::yield_now();
        drain(&mut taken);
        ram_free(piece)?;
        go.post();
        that(asking.join()?, "it was answered")?;
        thread::trim();
        for frame in &taken {
            mm_free(*frame)?;
        }
    }
    Ok(())
}

/// The books of owned capabilities grow when all memory is used up and there is more to be had.
fn books() -> Outcome {
    const CNODES: usize = 12;
    let mut owned = Vec::with_capacity(CNODES);
    let mut slots = Vec::with_capacity(256 * CNODES);
    for _ in 0..256 * CNODES {
        slots.push(slot_alloc()?);
    }
    for slot in slots.iter().step_by(256) {
        cap_copy(*slot, CapRef::task(task::DISPFRAME))?;
    }
    // The heap goes on where nothing was touched yet.
    let mut filled = Vec::with_capacity(64);
    for _ in 0..64 {
        filled.push(alloc::vec![1_u8; 16 << 10]);
    }
    let mut taken = Vec::with_capacity(2048);
    taken.resize(2048, CapRef::OWN_ROOT);
    taken.clear();
    let piece = ram_alloc(1 << 20, PAGE)?;
    drain(&mut taken);
    ram_free(piece)?;
    for slot in slots.iter().step_by(256) {
        owned.push(Cap::<Frame>::adopt(*slot)?);
        // All that came meanwhile, without more from the monitor.
        while mm_usage().largest > 0 && taken.len() < taken.capacity() {
            taken.push(frame_alloc(PAGE)?);
        }
    }
    drop(filled);
    Ok(())
}

/// Stacks that no address space holds. With what belongs to a stack, some of these sizes are small numbers again.
fn vast() -> Outcome {
    const SIZES: [u64; 5] = [
        u64::MAX,
        u64::MAX - 4095,
        u64::MAX - (20 << 10),
        1 << 63,
        1 << 40,
    ];
    for bytes in SIZES {
        let made = thread::Builder::new("vast").stack_bytes(bytes).spawn(|| ());
        refused(made.map(drop), ErrorCode::LibThreadCreate)?;
    }
    Ok(())
}

/// One thread is refused memory while another gets some.
fn memory_refused() -> Outcome {
    let greedy = thread::spawn("greedy", || {
        let frame = frame_alloc(100 << 20).map(drop);
        refused(frame, ErrorCode::LibRamAlloc).is_ok()
    })?;
    let mut frames = Vec::new();
    for _ in 0..64 {
        frames.push(frame_alloc(64 << 10)?);
        thread::yield_now();
    }
    that(greedy.join()?, "too much is refused")?;
    for frame in frames {
        mm_free(frame)?;
    }
    Ok(())
}

/// Orders a program from the file in a frame.
fn order(frame: CapRef, bytes: u32) -> Result<(), Error> {
    let elf = Address {
        address: frame.addr().0,
        level: frame.level() as u8,
    };
    let head = Head {
        elf: Some((elf, bytes)),
        ..Head::default()
    };
    let mut place = alloc::vec![0; ORDER_MAX];
    let (caps, env) = (core::iter::empty(), core::iter::empty());
    let used = Order::write(&mut place, &head, caps, ["file"].into_iter(), env);
    let used = used.map_err(|_| Error::new(ErrorCode::SpawnArgspgOverflow))?;
    let text = place.get(..used).unwrap_or_default();
    monitor::order(Wish::Spawn, text, Some(CapRef::OWN_ROOT)).map(drop)
}

/// A file is taken away from init while that reads it.
fn taken() -> Outcome {
    static STOP: AtomicBool = AtomicBool::new(false);
    const BYTES: u32 = 6 << 20;
    let frame = frame_alloc(BYTES.into())?;
    let revoking = thread::spawn("revoking", move || {
        let mut revoked = Ok(());
        while !STOP.load(Ordering::Relaxed) {
            revoked = revoked.and(cap_revoke(frame));
        }
        revoked
    })?;
    for _ in 0..20 {
        that(order(frame, BYTES).is_err(), "no program")?;
    }
    STOP.store(true, Ordering::Relaxed);
    revoking.join()??;
    // init is still there.
    that(!proc::list()?.is_empty(), "processes")?;
    mm_free(frame)?;
    Ok(())
}
