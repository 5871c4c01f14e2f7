//! What a child of the tests does: `tests --child PART`.

use crate::busy;
use aos::cap::{CNodeRef, Cap, CapRef, cap_copy, monitor, reap, root_cnode_resize};
use aos::kpi::cap::{Frame, ObjType};
use aos::kpi::layout::{BASE_PAGE_SIZE, L2CNODE_BYTES};
use aos::kpi::rights::PageFlags;
use aos::kpi::slots::{root, task};
use aos::paging::MappedFrame;
use aos::slot::slot_alloc;
use aos::{Error, Status, ram, thread, time};

/// Status of a part that did what it was to do.
pub const DONE: u8 = 42;

/// Plays a part.
pub fn play(part: &str, seed: u64) -> Status {
    let result = match part {
        "busy" => return end(part, busy::busy(seed)),
        "spawner" => return end(part, busy::spawner(seed)),
        "delete-tree" => busy::trees(busy::Operation::Delete),
        "revoke-tree" => busy::trees(busy::Operation::Revoke),
        "give-root" => busy::give_root(),
        "asks" => crate::asking::plain(),
        "exit" => Ok(()),
        "sleep" => sleep(),
        "stop-crowd" => crate::crowd::stop(seed),
        "delete-crowd" => crate::crowd::delete(seed),
        "delete-crowd-and-self" => crate::crowd::delete_with_self(seed),
        "wide-root" => wide_root(),
        "count" => count(),
        "periodic" => periodic(),
        "touch-unmapped" => touch_unmapped(),
        "touch-dropped" => touch_dropped(),
        "write-readonly" => write_readonly(),
        "execute-data" => execute_data(),
        "pattern" => pattern(),
        "lazy-exhaust" => crate::lazy::exhaust(),
        "lazy-undefined" => crate::lazy::undefined(),
        part if part.starts_with("checks-") => crate::checks::play(part),
        part if part.starts_with("own-space") => crate::own_space::play(part),
        part if part.starts_with("proc-") => crate::processes::play(part),
        part if part.starts_with("paging-") => crate::paging::play(part),
        part if part.starts_with("sup-") => crate::supervised::play(part, seed),
        part if part.starts_with("svc-") => crate::services::play(part, seed),
        part if part.starts_with("term-") => crate::terminal::play(part, seed),
        part if part.starts_with("thread-") => crate::threads::play(part),
        part if part.starts_with("tight-") => crate::tight::play(part),
        "reply-wait" => crate::reply_wait::play(),
        "locker" => locker(),
        "write-view" => crate::tables::views::write_view_part(),
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

/// Gets a larger root CNode, uses a slot that the first one did not have, and sleeps.
fn wide_root() -> Result<(), Error> {
    ram::add_system_memory()?;
    let new = ram::object_alloc(ObjType::L1CNode, 2 * L2CNODE_BYTES)?;
    root_cnode_resize(new, slot_alloc()?)?;
    cap_copy(CNodeRef::ROOT.slot(300), CNodeRef::ROOT.slot(root::TASKCN))?;
    sleep()
}

const SHARED: CapRef = CNodeRef::own(root::ARGCN).slot(0);

fn shared(flags: PageFlags) -> Result<MappedFrame, Error> {
    ram::add_system_memory()?;
    MappedFrame::new(SHARED, flags)
}

/// Locks what it has, some made by itself, some by init.
fn locker() -> Result<(), Error> {
    ram::add_system_memory()?;
    let frame = ram::frame_alloc(BASE_PAGE_SIZE)?;
    let own = [task::SYSMEM, task::DISPATCHER, task::ROOTCN].map(CapRef::task);
    for cap in own.into_iter().chain([frame]) {
        monitor::lock(cap)?;
    }
    Ok(())
}

/// Counts in the first word of the shared frame for ever, without ever giving the core away.
fn count() -> Result<(), Error> {
    let frame = shared(PageFlags::READ_WRITE)?;
    let mut value = 0u64;
    loop {
        value = count_on(&frame, value, 1 << 20);
    }
}

/// Counts so many further, at the same speed whoever calls it.
#[inline(never)]
fn count_on(frame: &MappedFrame, mut value: u64, count: u64) -> u64 {
    for _ in 0..count {
        value = value.wrapping_add(1);
        frame.view().store(0, value);
    }
    value
}

/// Offsets in the shared frame of who works periodically, behind its count.
pub mod periodic {
    /// Microseconds of a period: told by the parent.
    pub const PERIOD: usize = 8;
    /// Counts of one job: told by the parent.
    pub const WORK: usize = 16;
    /// Jobs done.
    pub const JOBS: usize = 24;
    /// Of those, how many ended behind their period.
    pub const LATE: usize = 32;
    /// Microseconds that the last one took from its period's begin.
    pub const TOOK: usize = 40;
}

/// Counts to a given number in each period, and notes whether that was done in time.
fn periodic() -> Result<(), Error> {
    let frame = shared(PageFlags::READ_WRITE)?;
    let view = frame.view();
    let told = |at| view.load(at).unwrap_or(0);
    let period = told(periodic::PERIOD) * time::frequency() / 1_000_000;
    let work = told(periodic::WORK);
    let (mut value, mut late) = (0u64, 0);
    let mut begin = time::now();
    for jobs in 1.. {
        value = count_on(&frame, value, work);
        let now = time::now();
        late += u64::from(now > begin + period);
        view.store(periodic::LATE, late);
        view.store(periodic::TOOK, time::micros(now - begin));
        view.store(periodic::JOBS, jobs);
        begin += period;
        thread::sleep_until(begin);
    }
    Ok(())
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
