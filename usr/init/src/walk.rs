//! `walktest`: walks over every capability of the core (`NextCap`), and tries addresses that are no slots. A test command; it is here
//! because only init holds the Kernel capability.

use crate::commands::Context;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use aos::cap::kernel::{Seen, next_cap, statistics};
use aos::cap::{CapRef, cap_copy, cap_destroy, cap_direct_identify, invoke};
use aos::kpi::addr::PhysAddr;
use aos::kpi::cap::{Capability, ObjType, compare};
use aos::kpi::invocation::KernelCommand;
use aos::kpi::layout::BASE_PAGE_SIZE;
use aos::kpi::slots::task;
use aos::ram::{frame_alloc, mm_free};
use aos::slot::slot_alloc;
use aos::{Error, ErrorCode, println};

/// What was wrong.
struct Failure(String);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error.to_string())
    }
}

/// A part of the test: its name, and what it does.
type Part = (&'static str, fn() -> Result<(), Failure>);

/// The command.
pub fn walktest(_context: &mut Context<'_>) -> u8 {
    let parts: [Part; 3] = [("order", order), ("facts", facts), ("refusals", refusals)];
    for (name, part) in parts {
        if let Err(Failure(what)) = part() {
            println!("walktest: {name}: {what}");
            return 1;
        }
    }
    println!("walktest: all as it should be");
    0
}

fn that(condition: bool, wanted: &str) -> Result<(), Failure> {
    match condition {
        true => Ok(()),
        false => Err(Failure(format!("not so: {wanted}"))),
    }
}

fn refused<T>(result: Result<T, Error>, code: ErrorCode, what: &str) -> Result<(), Failure> {
    match result {
        Err(error) if error.contains(code) => Ok(()),
        Err(error) => Err(Failure(format!(
            "{what}: {error} instead of {}",
            code.name()
        ))),
        Ok(_) => Err(Failure(format!("{what}: no {}", code.name()))),
    }
}

/// All capabilities. The memory for them is taken first, so that nothing changes on the walk.
fn walk() -> Result<Vec<Seen>, Error> {
    let live = statistics()?.capabilities;
    let mut all = Vec::with_capacity(live as usize + 64);
    let mut cursor = None;
    while let Some(seen) = next_cap(cursor)? {
        cursor = Some(seen.slot);
        all.push(seen);
    }
    Ok(all)
}

fn copies_of(cap: &Capability) -> Result<Vec<Seen>, Error> {
    let mut all = walk()?;
    all.retain(|seen| seen.cap == *cap);
    Ok(all)
}

/// Each one once, in the order of the database.
fn order() -> Result<(), Failure> {
    let all = walk()?;
    that(
        all.len() as u64 == statistics()?.capabilities,
        "as many as the kernel counts",
    )?;
    let ordered = all.windows(2).all(|pair| match pair {
        [a, b] => compare(&a.cap, &b.cap).is_le(),
        _ => true,
    });
    that(ordered, "database order")?;
    let mut slots: Vec<_> = all.iter().map(|seen| seen.slot).collect();
    slots.sort_unstable();
    slots.dedup();
    that(slots.len() == all.len(), "each slot once")
}

fn facts() -> Result<(), Failure> {
    let frame = frame_alloc(BASE_PAGE_SIZE)?;
    let slot = slot_alloc()?;
    let cap = cap_direct_identify(frame)?;
    that(copies_of(&cap)?.len() == 1, "one frame")?;
    cap_copy(slot, frame)?;
    let copies = copies_of(&cap)?;
    that(copies.len() == 2, "two copies")?;
    let plain = copies.iter().all(|seen| {
        let facts = seen.facts;
        facts.owner() == 0
            && !(facts.is_held()
                || facts.is_in_delete()
                || facts.is_half_made()
                || facts.is_locked())
    });
    that(plain, "ordinary capabilities")?;
    let all = walk()?;
    let tables = all.iter().filter_map(|seen| seen.cap.as_mapping());
    that(tables.clone().count() > 0, "mappings")?;
    let known = tables
        .map(|mapping| mapping.pte & !(BASE_PAGE_SIZE - 1))
        .all(|table| {
            let mut caps = all.iter().map(|seen| &seen.cap);
            caps.any(|cap| cap.as_vnode().is_some_and(|vnode| vnode.base == table))
        });
    that(known, "mappings tell their table entry")?;
    let held = all
        .iter()
        .any(|seen| seen.facts.is_held() && seen.cap.objtype() == ObjType::VNodeAarch64L0);
    that(held, "a dispatcher holds its page table")?;
    cap_destroy(slot)?;
    Ok(mm_free(frame)?)
}

fn refusals() -> Result<(), Failure> {
    // refuses Kernel.NextCap: CAP_NOT_FOUND
    let nothing = ErrorCode::SysCapNotFound;
    let all = walk()?;
    let place = |objtype| {
        let found = all.iter().find(|seen| seen.cap.objtype() == objtype);
        found.map_or(0, |seen| seen.cap.address())
    };
    let first = all.first().map_or(0, |seen| seen.slot.0);
    // Devices, beyond the address space, inside a slot, and the words of a dispatcher behind its four slots.
    let (cnode, dcb) = (place(ObjType::L2CNode), place(ObjType::Dispatcher));
    for address in [
        1,
        64,
        0x900_0000,
        u64::MAX,
        u64::MAX - 63,
        1 << 63,
        first + 1,
        first + 8,
        cnode + 32,
        dcb + 4 * 64,
    ] {
        let what = format!("{address:#x}");
        refused(next_cap(Some(PhysAddr(address))), nothing, &what)?;
    }
    that(
        next_cap(Some(PhysAddr(dcb))).is_ok(),
        "a dispatcher's first slot",
    )?;
    // Memory that a program writes is never taken for a slot.
    let frame = frame_alloc(BASE_PAGE_SIZE)?;
    let cap = cap_direct_identify(frame)?;
    refused(
        next_cap(Some(PhysAddr(cap.address()))),
        nothing,
        "a frame's memory",
    )?;
    // A slot is known while it is full, and not when it is empty.
    let slot = slot_alloc()?;
    cap_copy(slot, frame)?;
    let copies = copies_of(&cap)?;
    cap_destroy(slot)?;
    let still = copies
        .iter()
        .filter(|seen| next_cap(Some(seen.slot)).is_ok());
    that(still.count() == 1, "an emptied slot is refused")?;
    mm_free(frame)?;
    let command = KernelCommand::NextCap as u8;
    let invalid = ErrorCode::SysInvargsSyscall;
    let kernel = CapRef::task(task::KERNELCAP);
    refused(invoke(kernel, command, 2, &[]), invalid, "too few words")?;
    refused(
        invoke(kernel, command, 4, &[0, 0]),
        invalid,
        "too many words",
    )?;
    let other = invoke(CapRef::task(task::DISPATCHER), command, 3, &[0]);
    refused(
        other,
        ErrorCode::SysIllegalInvocation,
        "without the authority",
    )
}
