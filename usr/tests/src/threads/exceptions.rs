//! Exceptions that threads handle, and locks in a page that comes and goes.

use super::yields;
use crate::harness::{Outcome, equal, that};
use alloc::vec::Vec;
use aos::cap::CapRef;
use aos::kpi::addr::VirtAddr;
use aos::kpi::layout::BASE_PAGE_SIZE;
use aos::kpi::rights::PageFlags;
use aos::paging::{OWN_START, paging_map_fixed_attr, paging_unmap};
use aos::sync::{Condvar, Mutex, Semaphore};
use aos::thread;
use aos::thread::exception::{Exception, Kind, Outcome as Handled, set_handler};
use aos::{Error, ram, time};
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use random::Random;

/// Runs an undefined instruction: 1 if it was skipped.
pub(super) fn undefined() -> u64 {
    let value: u64;
    // SAFETY: raises an exception; the handler goes on behind it.
    unsafe {
        core::arch::asm!("mov {0}, #0", "udf #0", "mov {0}, #1", out(reg) value, options(nostack))
    };
    value
}

/// Loads from an address in x9, which a handler changes.
pub(super) fn load(address: u64) -> u64 {
    let value: u64;
    // SAFETY: faults; the handler sets x9 to an address that can be read.
    unsafe {
        core::arch::asm!("ldr {0}, [x9]", out(reg) value, inout("x9") address => _, options(nostack, readonly));
    };
    value
}

pub(super) static GOOD: u64 = 0x600d;

pub(super) fn mend(exception: &mut Exception<'_>) -> Handled {
    match exception.kind() {
        // SAFETY: the only undefined instruction is that of `undefined`, which goes on behind it.
        Kind::Undefined => unsafe { exception.skip() },
        Kind::PageFault { address: 0x10, .. } => {
            // SAFETY: `load` says that x9 has the address, and changes.
            unsafe { exception.set_x(9, core::ptr::from_ref(&GOOD) as u64) };
        }
        _ => return Handled::Unhandled,
    }
    Handled::Resume
}

pub(super) fn exceptions() -> Outcome {
    that(set_handler(Some(mend)).is_none(), "no handler yet")?;
    equal(undefined(), 1)?;
    equal(load(0x10), GOOD)?;
    let threads: Result<Vec<_>, Error> = (0..4)
        .map(|_| {
            thread::spawn("faulting", || {
                set_handler(Some(mend));
                (0..50).all(|round| {
                    if round % 7 == 0 {
                        thread::yield_now();
                    }
                    undefined() == 1 && load(0x10) == GOOD
                })
            })
        })
        .collect();
    for thread in threads? {
        that(thread.join()?, "every fault is handled")?;
    }
    that(set_handler(None).is_some(), "the handler")
}

static AWAITED: Mutex<u32> = Mutex::new(0);

fn wait_and_mend(exception: &mut Exception<'_>) -> Handled {
    *AWAITED.lock() += 1;
    thread::yield_now();
    mend(exception)
}

pub(super) fn waiting_handler() -> Outcome {
    *AWAITED.lock() = 0;
    let holder = thread::spawn("holder", || {
        for _ in 0..20 {
            let guard = AWAITED.lock();
            yields(3);
            drop(guard);
            thread::yield_now();
        }
    })?;
    let threads: Result<Vec<_>, Error> = (0..3)
        .map(|_| {
            thread::spawn("faulting", || {
                set_handler(Some(wait_and_mend));
                (0..20).all(|_| undefined() == 1 && load(0x10) == GOOD)
            })
        })
        .collect();
    for thread in threads? {
        that(thread.join()?, "every fault is handled")?;
    }
    holder.join()?;
    equal(*AWAITED.lock(), 3 * 20 * 2)
}

/// What lies in a page that comes and goes.
struct Paged {
    count: Mutex<u64>,
    tickets: Semaphore,
    changed: Condvar,
}

/// Where, far from all other mappings.
const PAGED: VirtAddr = VirtAddr(OWN_START.0 + (1 << 38));
/// The page's frame, and whether it is mapped.
static PAGE: Mutex<(Option<CapRef>, bool)> = Mutex::new((None, false));

/// Maps the page if it is not.
fn page_in() -> Result<(), Error> {
    let mut page = PAGE.lock();
    if let (Some(frame), false) = *page {
        paging_map_fixed_attr(PAGED, frame, BASE_PAGE_SIZE, PageFlags::READ_WRITE)?;
        page.1 = true;
    }
    Ok(())
}

fn page_out() -> Result<(), Error> {
    let mut page = PAGE.lock();
    if core::mem::replace(&mut page.1, false) {
        // SAFETY: whoever uses it faults and brings it back as it was.
        unsafe { paging_unmap(PAGED) }?;
    }
    Ok(())
}

static PAGED_IN: AtomicU32 = AtomicU32::new(0);

fn pager(exception: &mut Exception<'_>) -> Handled {
    let Kind::PageFault { address, .. } = exception.kind() else {
        return Handled::Unhandled;
    };
    PAGED_IN.fetch_add(1, Ordering::Relaxed);
    match VirtAddr(address).align_down(BASE_PAGE_SIZE) == PAGED && page_in().is_ok() {
        true => Handled::Resume,
        false => Handled::Unhandled,
    }
}

fn use_paged(number: u64) {
    set_handler(Some(pager));
    let address: *const Paged = core::ptr::with_exposed_provenance(PAGED.0 as usize);
    // SAFETY: written before the threads began, and brought back whenever it is not there.
    let paged = unsafe { &*address };
    let mut random = Random::new(number + 77);
    for _ in 0..60 {
        paged.tickets.wait();
        let mut count = paged.count.lock();
        let before = *count;
        yields(random.below(3) as u32);
        *count = before + 1;
        drop(count);
        paged.tickets.post();
        paged.changed.notify_all();
        let deadline = time::after(Duration::from_micros(random.below(100)));
        let mut count = paged.count.lock();
        paged.changed.wait_until(&mut count, Some(deadline));
    }
}

pub(super) fn faulting_locks() -> Outcome {
    static DONE: AtomicU32 = AtomicU32::new(0);
    const THREADS: u32 = 5;
    PAGE.lock().0 = Some(ram::frame_alloc(BASE_PAGE_SIZE)?);
    page_in()?;
    let paged: *mut Paged = core::ptr::with_exposed_provenance_mut(PAGED.0 as usize);
    let fresh = Paged {
        count: Mutex::new(0),
        tickets: Semaphore::new(2),
        changed: Condvar::new(),
    };
    // SAFETY: just mapped.
    unsafe { paged.write(fresh) };
    let threads: Result<Vec<_>, Error> = (0..u64::from(THREADS))
        .map(|number| {
            thread::spawn("paged", move || {
                use_paged(number);
                DONE.fetch_add(1, Ordering::Relaxed);
            })
        })
        .collect();
    let threads = threads?;
    let mut random = Random::new(5);
    while DONE.load(Ordering::Relaxed) < THREADS {
        page_out()?;
        match random.below(8) {
            0 => thread::sleep(Duration::from_micros(random.below(50))),
            turns => yields(turns as u32),
        }
    }
    for thread in threads {
        thread.join()?;
    }
    page_in()?;
    // SAFETY: mapped, and the threads have ended.
    let count = *unsafe { &*paged }.count.lock();
    equal(count, u64::from(THREADS) * 60)?;
    that(PAGED_IN.load(Ordering::Relaxed) > 100, "a hundred faults")?;
    page_out()?;
    let frame = PAGE.lock().0.take();
    frame.map_or(Ok(()), ram::mm_free).map_err(Into::into)
}
