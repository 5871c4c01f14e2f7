//! What a child of the tests does: `tests --child PART`.

use crate::busy;
use aos::cap::{CNodeRef, Cap, CapRef, reap};
use aos::kpi::cap::Frame;
use aos::kpi::rights::PageFlags;
use aos::kpi::slots::root;
use aos::paging::MappedFrame;
use aos::{Error, Status, ram};

/// Status of a part that did what it was to do.
pub const DONE: u8 = 42;

/// Plays a part.
pub fn play(part: &str, seed: u64) -> Status {
    let result = match part {
        "busy" => return end(part, busy::busy(seed)),
        "spawner" => return end(part, busy::spawner(seed)),
        "delete-tree" => busy::trees(busy::Operation::Delete),
        "revoke-tree" => busy::trees(busy::Operation::Revoke),
        "asks" => crate::asking::plain(),
        "exit" => Ok(()),
        "sleep" => sleep(),
        "count" => count(),
        "touch-unmapped" => touch_unmapped(),
        "touch-dropped" => touch_dropped(),
        "write-readonly" => write_readonly(),
        "execute-data" => execute_data(),
        "pattern" => pattern(),
        part if part.starts_with("paging-") => crate::paging::play(part),
        part if part.starts_with("thread-") => crate::threads::play(part),
        "write-view" => crate::tables::write_view_part(),
        _ => return Status(64),
    };
    end(part, result.map(|()| Status(DONE)))
}

fn end(part: &str, result: Result<Status, Error>) -> Status {
    result.unwrap_or_else(|error| {
        aos::println!("tests: part {part}: {error}");
        Status(1)
    })
}

/// Waits for ever, without using the core.
fn sleep() -> Result<(), Error> {
    loop {
        aos::event::wait_until(aos::event::snapshot(), None);
    }
}

const SHARED: CapRef = CNodeRef::own(root::ARGCN).slot(0);

fn shared(flags: PageFlags) -> Result<MappedFrame, Error> {
    ram::add_system_memory()?;
    MappedFrame::new(SHARED, flags)
}

/// Counts in the first word of the shared frame for ever, without ever giving the core away.
fn count() -> Result<(), Error> {
    let frame = shared(PageFlags::READ_WRITE)?;
    let mut value = 0u64;
    loop {
        value = value.wrapping_add(1);
        frame.view().store(0, value);
    }
}

/// Loads through a pointer that has no Rust value behind it any more.
pub fn load(address: u64) {
    // SAFETY: the load is expected to fault; a value would be dropped.
    unsafe {
        core::arch::asm!("ldr {0}, [{0}]", inout(reg) address => _, options(nostack, readonly))
    };
}

fn touch_unmapped() -> Result<(), Error> {
    let frame = shared(PageFlags::READ_WRITE)?;
    let address = frame.view().address().0;
    frame.view().store(0, 1);
    frame.unmap()?;
    load(address);
    Ok(())
}

/// Loads from where a frame was mapped whose value was dropped and reaped.
fn touch_dropped() -> Result<(), Error> {
    ram::add_system_memory()?;
    let mapped = Cap::<Frame>::mapped(4096, PageFlags::READ_WRITE)?;
    let address = mapped.address().0;
    drop(mapped);
    reap();
    load(address);
    Ok(())
}

fn write_readonly() -> Result<(), Error> {
    let frame = shared(PageFlags::READ)?;
    frame.view().store(0, 1);
    Ok(())
}

fn execute_data() -> Result<(), Error> {
    let frame = shared(PageFlags::READ_WRITE)?;
    // `ret`, twice.
    frame.view().store(0, 0xd65f_03c0_d65f_03c0);
    let address = frame.view().address().0;
    // SAFETY: the call is expected to fault; it would return at once otherwise.
    unsafe { core::arch::asm!("blr {}", in(reg) address, clobber_abi("C")) };
    Ok(())
}

/// Writes a pattern over the whole shared frame.
fn pattern() -> Result<(), Error> {
    let frame = shared(PageFlags::READ_WRITE)?;
    let mut offset = 0;
    while frame.view().store(offset, offset as u64 ^ 0x5555) {
        offset += 8;
    }
    Ok(())
}
