//! What the spawner has mapped for a program, which the program looks at, protects and unmaps itself.

use crate::harness::{Failure, Outcome, equal, refused};
use crate::parts::{DONE, load};
use alloc::format;
use aos::cap::cap_direct_identify;
use aos::initproto::Fault;
use aos::kpi::addr::VirtAddr;
use aos::kpi::cap::ObjType;
use aos::kpi::layout::{ARGS_BASE, BASE_PAGE_SIZE, DISPATCHER_BASE, DISPATCHER_FRAME_BYTES};
use aos::kpi::rights::PageFlags;
use aos::paging::{OWN_START, program_lookup, program_protect, program_unmap};
use aos::proc::{self, End};
use aos::{Error, ErrorCode, println};
use core::sync::atomic::{AtomicU64, Ordering};

const PAGES: usize = 4;
const WORDS: usize = 512;

/// Pages of the program's data that nothing else uses.
#[repr(align(4096))]
struct Pages([[AtomicU64; WORDS]; PAGES]);

static DATA: Pages = Pages([const { [const { AtomicU64::new(0) }; WORDS] }; PAGES]);

/// The first word of a page.
fn word(page: usize) -> &'static AtomicU64 {
    static NONE: AtomicU64 = AtomicU64::new(0);
    let page = DATA.0.get(page);
    page.and_then(|page| page.first()).unwrap_or(&NONE)
}

fn address(page: usize) -> VirtAddr {
    VirtAddr(word(page).as_ptr() as u64)
}

/// Runs the children, and looks how they end.
pub fn test() -> Outcome {
    let end = |part: &str| proc::spawn(&format!("tests --child {part}"))?.wait();
    equal(end("own-space")?, End::Exited(DONE))?;
    for (part, name) in [("own-space-read", "read"), ("own-space-write", "write")] {
        let end = end(part)?;
        let End::Faulted(fault) = end else {
            return Err(Failure::new(name, format!("{end:?}")));
        };
        equal(Fault::name(&fault), name)?;
    }
    Ok(())
}

/// The children.
pub fn play(part: &str) -> Result<(), Error> {
    match part {
        "own-space" => looks().map_err(|failure| {
            println!("own-space: {failure:?}");
            Error::new(ErrorCode::LibVspaceCurrentInit)
        }),
        "own-space-read" => {
            unmap(2)?;
            load(address(2).0);
            Ok(())
        }
        _ => {
            protect(1, PageFlags::READ)?;
            word(1).store(1, Ordering::Relaxed);
            Ok(())
        }
    }
}

fn protect(page: usize, flags: PageFlags) -> Result<(), Error> {
    // SAFETY: nobody else uses the page, and who does not keep to the flags is to fault.
    unsafe { program_protect(address(page), BASE_PAGE_SIZE, flags) }
}

fn unmap(page: usize) -> Result<(), Error> {
    // SAFETY: nobody uses the page any more but who is to fault.
    unsafe { program_unmap(address(page), BASE_PAGE_SIZE) }
}

fn looks() -> Outcome {
    let nothing = ErrorCode::LibPmapNotMapped;
    let code = program_lookup(VirtAddr(looks as *const () as u64))?;
    equal(code.flags, PageFlags::READ_EXECUTE)?;
    let capability = cap_direct_identify(code.frame)?;
    equal(capability.objtype(), ObjType::Frame)?;
    equal(capability.size() >= code.bytes, true)?;
    equal(program_lookup(ARGS_BASE)?.flags, PageFlags::READ)?;
    let dispatcher = program_lookup(DISPATCHER_BASE)?;
    equal(dispatcher.flags, PageFlags::READ_WRITE)?;
    equal(dispatcher.start, DISPATCHER_BASE)?;
    equal(dispatcher.bytes, DISPATCHER_FRAME_BYTES)?;
    refused(program_lookup(VirtAddr(0)), nothing)?;
    refused(program_lookup(OWN_START), nothing)?;

    let flags = |page| program_lookup(address(page)).map(|page| page.flags);
    let offset = |page| program_lookup(address(page)).map(|page| page.offset);
    equal(offset(1)?, offset(0)? + BASE_PAGE_SIZE)?;
    for (page, value) in (0..PAGES).zip(10..) {
        word(page).store(value, Ordering::Relaxed);
    }
    protect(1, PageFlags::READ)?;
    equal(word(1).load(Ordering::Relaxed), 11)?;
    equal(flags(0)?, PageFlags::READ_WRITE)?;
    equal(flags(1)?, PageFlags::READ)?;
    equal(flags(2)?, PageFlags::READ_WRITE)?;
    protect(1, PageFlags::READ_WRITE)?;
    word(1).store(21, Ordering::Relaxed);
    unmap(2)?;
    refused(flags(2), nothing)?;
    refused(unmap(2), nothing)?;
    equal(word(1).load(Ordering::Relaxed), 21)?;
    equal(word(3).load(Ordering::Relaxed), 13)?;
    // What the program runs on.
    let here = 0_u8;
    let stack = (&raw const here) as u64 & !(BASE_PAGE_SIZE - 1);
    for address in [VirtAddr(stack), code.start, DISPATCHER_BASE] {
        // SAFETY: refused.
        let unmapped = unsafe { program_unmap(address, BASE_PAGE_SIZE) };
        refused(unmapped, ErrorCode::LibPmapUnmap)?;
    }
    Ok(())
}
