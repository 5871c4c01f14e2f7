//! RAM from the memory server: to the limit, refused, and back; transfers; a client that is killed in the middle.

use super::{becomes_free, call, done, free_of_server, memory_channel, own, start, word};
use crate::harness::{Outcome, equal, refused, that};
use crate::parts::DONE;
use crate::processes::Test;
use crate::world::sleep;
use alloc::vec::Vec;
use aos::cap::{cap_delete, cap_direct_identify, cap_retype};
use aos::kpi::cap::ObjType;
use aos::kpi::layout::BASE_PAGE_SIZE;
use aos::kpi::rights::PageFlags;
use aos::paging::MappedFrame;
use aos::rpc::{aos_rpc_get_ram_cap, aos_rpc_process_kill};
use aos::slot::{slot_alloc, slot_free};
use aos::{Error, ErrorCode};
use core::time::Duration;
use random::Random;

pub const TESTS: &[Test] = &[
    ("get_ram_cap: sizes and alignments", sizes),
    ("RAM between two addresses", between),
    ("RAM to the limit, refused, and back", to_the_limit),
    ("what is given back is gone", gone),
    ("what makes no sense is refused", nonsense),
    ("a transfer moves the charge", transfer),
    ("a client is killed in the middle, all comes back", killed),
    ("five clients at once, some are killed", crowd),
];

/// What takes a domain of its own.
pub const OF_FULL: &[Test] = &[(
    "the memory server is killed, and serves again",
    server_killed,
)];

/// The slot of a capability that is gone, or is to go.
fn drop_slot(slot: aos::cap::CapRef) -> Outcome {
    let _ = cap_delete(slot);
    Ok(slot_free(slot)?)
}

fn sizes() -> Outcome {
    let memory = memory_channel()?;
    let before = free_of_server(&memory)?;
    for (bytes, alignment, size) in [
        (1, 1, 4096),
        (4096, 4096, 4096),
        (4097, 4096, 8192),
        (5 << 20, 2 << 20, 5 << 20),
        (4096, 1 << 20, 4096),
    ] {
        let (ram, given) = aos_rpc_get_ram_cap(&memory, bytes, alignment)?;
        let cap = cap_direct_identify(ram)?;
        equal(
            (cap.objtype(), cap.size(), given),
            (ObjType::Ram, size, size),
        )?;
        equal(cap.address() % alignment.max(4096), 0)?;
        call(memory.free(cap.address()))?;
        drop_slot(ram)?;
    }
    equal(free_of_server(&memory)?, before)
}

fn between() -> Outcome {
    let memory = memory_channel()?;
    let (first, _) = aos_rpc_get_ram_cap(&memory, 1 << 20, BASE_PAGE_SIZE)?;
    let base = cap_direct_identify(first)?.address();
    call(memory.free(base))?;
    drop_slot(first)?;
    let (low, high) = (base + (2 << 20), base + (3 << 20));
    let (cap, bytes) = call(memory.alloc_between(8192, 4096, low, high))?;
    let at = cap_direct_identify(cap.slot())?.address();
    that(low <= at && at + bytes <= high, "between the two")?;
    refused(
        call(memory.alloc_between(2 << 20, 4096, low, high)),
        ErrorCode::LibRamAlloc,
    )?;
    Ok(call(memory.free(at))?)
}

fn to_the_limit() -> Outcome {
    let memory = memory_channel()?;
    let before = free_of_server(&memory)?;
    let (limit, used, most, count) = call(memory.account())?;
    equal((used, count), (0, 0))?;
    let mut all = Vec::new();
    let refusal = loop {
        match aos_rpc_get_ram_cap(&memory, 1 << 20, BASE_PAGE_SIZE) {
            Ok((ram, _)) => all.push(ram),
            Err(error) => break error,
        }
    };
    refused::<()>(Err(refusal), ErrorCode::AccountLimitBytes)?;
    equal(all.len() as u64, limit >> 20)?;
    equal(call(memory.account())?.1, limit)?;
    // All of them are different, and usable.
    let mut places = Vec::new();
    for ram in &all {
        places.push(cap_direct_identify(*ram)?.address());
        let frame = slot_alloc()?;
        cap_retype(frame, *ram, 0, ObjType::Frame, BASE_PAGE_SIZE, 1)?;
        let mut mapped = MappedFrame::new(frame, PageFlags::READ_WRITE)?;
        that(mapped.view_mut().store(0, 7), "written")?;
        mapped.unmap()?;
        drop_slot(frame)?;
    }
    places.sort_unstable();
    let apart = places.windows(2).all(|two| match two {
        [one, next] => one + (1 << 20) <= *next,
        _ => false,
    });
    that(apart, "no two overlap")?;
    for base in places {
        call(memory.free(base))?;
    }
    for ram in all {
        drop_slot(ram)?;
    }
    // As many as there may be.
    let mut pages = Vec::new();
    let refusal = loop {
        match aos_rpc_get_ram_cap(&memory, 1, 1) {
            Ok((ram, _)) => pages.push(ram),
            Err(error) => break error,
        }
    };
    refused::<()>(Err(refusal), ErrorCode::AccountLimitAllocations)?;
    equal(pages.len() as u64, most)?;
    for ram in pages {
        call(memory.free(cap_direct_identify(ram)?.address()))?;
        drop_slot(ram)?;
    }
    equal(free_of_server(&memory)?, before)
}

fn gone() -> Outcome {
    let memory = memory_channel()?;
    let (ram, _) = aos_rpc_get_ram_cap(&memory, 64 << 10, BASE_PAGE_SIZE)?;
    let base = cap_direct_identify(ram)?.address();
    let frame = slot_alloc()?;
    cap_retype(frame, ram, 0, ObjType::Frame, BASE_PAGE_SIZE, 1)?;
    call(memory.free(base))?;
    for slot in [ram, frame] {
        refused(cap_direct_identify(slot), ErrorCode::SysCapNotFound)?;
        slot_free(slot)?;
    }
    refused(call(memory.free(base)), ErrorCode::AccountNoAllocation)
}

fn nonsense() -> Outcome {
    let memory = memory_channel()?;
    for (bytes, alignment) in [(1, 3), (u64::MAX, 1), (1, 0)] {
        let refusal = aos_rpc_get_ram_cap(&memory, bytes, alignment);
        refused(refusal, ErrorCode::AccountBadRange)?;
    }
    refused(
        aos_rpc_get_ram_cap(&memory, 4096, 1 << 45),
        ErrorCode::LibRamAlloc,
    )?;
    refused(
        aos_rpc_get_ram_cap(&memory, 1 << 40, 4096),
        ErrorCode::AccountLimitBytes,
    )?;
    refused(call(memory.free(12345)), ErrorCode::AccountNoAllocation)?;
    refused(call(memory.transfer(12345, 1)), ErrorCode::AccountUnknown)
}

fn transfer() -> Outcome {
    let memory = memory_channel()?;
    let before = free_of_server(&memory)?;
    let (ram, _) = aos_rpc_get_ram_cap(&memory, 1 << 20, BASE_PAGE_SIZE)?;
    let base = cap_direct_identify(ram)?.address();
    let taker = start("sup-taker", &[base])?;
    // Until it is a client.
    let deadline = aos::time::after(crate::services::PATIENCE);
    loop {
        match call(memory.transfer(base, taker)) {
            Ok(()) => break,
            Err(error) if error.contains(ErrorCode::AccountUnknown) => {
                that(aos::time::now() < deadline, "soon a client")?;
                sleep(Duration::from_millis(1));
            }
            Err(error) => return Err(error.into()),
        }
    }
    // It gives it back.
    done(taker)?;
    refused(cap_direct_identify(ram), ErrorCode::SysCapNotFound)?;
    slot_free(ram)?;
    equal(call(memory.account())?.1, 0)?;
    equal(free_of_server(&memory)?, before)
}

/// Gives back what it is given.
pub fn taker(base: u64) -> Result<(), Error> {
    let memory = memory_channel()?;
    let deadline = aos::time::after(crate::services::PATIENCE);
    loop {
        match call(memory.free(base)) {
            Ok(()) => return Ok(()),
            Err(error)
                if error.contains(ErrorCode::AccountNotHolder) && aos::time::now() < deadline =>
            {
                sleep(Duration::from_millis(1));
            }
            Err(error) => return Err(error),
        }
    }
}

/// Takes and gives back for ever, or with a second word so often.
pub fn holder(seed: u64) -> Result<(), Error> {
    let memory = memory_channel()?;
    let mut random = Random::new(seed);
    let mut held = Vec::new();
    let times = match word(1) {
        0 => u64::MAX,
        times => times,
    };
    for _ in 0..times {
        if held.len() > 20 || (!held.is_empty() && random.below(3) == 0) {
            let (ram, base) = held.swap_remove(random.below(held.len() as u64) as usize);
            call(memory.free(base))?;
            let _ = cap_delete(ram);
            slot_free(ram)?;
        } else {
            let bytes = 1 + random.below(200_000);
            let (ram, _) = aos_rpc_get_ram_cap(&memory, bytes, 1 << random.below(16))?;
            let cap = cap_direct_identify(ram)?;
            // Something is made of it.
            let frame = slot_alloc()?;
            cap_retype(frame, ram, 0, ObjType::Frame, BASE_PAGE_SIZE, 1)?;
            held.push((ram, cap.address()));
        }
    }
    Ok(())
}

fn killed() -> Outcome {
    let memory = memory_channel()?;
    let processes = super::process_channel()?;
    let before = free_of_server(&memory)?;
    for seed in 0..20 {
        let holder = start("sup-holder", &[seed])?;
        sleep(Duration::from_millis(2 + 3 * seed));
        aos_rpc_process_kill(&processes, holder)?;
        equal(super::status(holder)?, aos::initproto::STATUS_KILLED)?;
        becomes_free(&memory, before)?;
    }
    Ok(())
}

fn crowd() -> Outcome {
    let memory = memory_channel()?;
    let processes = super::process_channel()?;
    let before = free_of_server(&memory)?;
    let end = start("sup-holder", &[100, 200])?;
    let mut others = Vec::new();
    for seed in 101..105 {
        others.push(start("sup-holder", &[seed])?);
    }
    equal(super::status(end)?, DONE)?;
    for other in others {
        aos_rpc_process_kill(&processes, other)?;
        equal(super::status(other)?, aos::initproto::STATUS_KILLED)?;
    }
    becomes_free(&memory, before)
}

fn server_killed() -> Outcome {
    let memory = memory_channel()?;
    let before = free_of_server(&memory)?;
    let (ram, _) = aos_rpc_get_ram_cap(&memory, 1 << 20, BASE_PAGE_SIZE)?;
    super::restart::kill_and_wait("mem_serv")?;
    that(call(memory.total()).is_err(), "the old connection is lost")?;
    // All that it had given is taken back.
    refused(cap_direct_identify(ram), ErrorCode::SysCapNotFound)?;
    slot_free(ram)?;
    let memory = memory_channel()?;
    equal(free_of_server(&memory)?, before)?;
    sizes()?;
    that(own() > 0, "memory")
}
