//! Memory of a new domain: segments, arguments, dispatcher frame.

use crate::account::Account;
use crate::cap::CapRef;
use crate::error::{Error, ErrorCode, ResultExt};
use crate::exit::DomainName;
use crate::paging::MappedFrame;
use elfload::Segment;
use kpi::addr::VirtAddr;
use kpi::args::{ARGS_HEADER_BYTES, ArgsError, PAGING_ITEM_BYTES, PagingItem, write, write_paging};
use kpi::cap::ObjType;
use kpi::dispatcher::{DispatcherShared, SaveArea};
use kpi::layout::{ARGS_BASE, ARGS_BYTES, BASE_PAGE_SIZE, DISPATCHER_BASE, DISPATCHER_FRAME_BYTES};
use kpi::rights::PageFlags;

/// A new frame, filled through a mapping of its first `bytes` bytes.
fn filled(
    account: &Account,
    frame_bytes: u64,
    bytes: u64,
    work: impl FnOnce(&mut MappedFrame) -> Result<(), Error>,
) -> Result<CapRef, Error> {
    let frame = frame_alloc(account, frame_bytes)?;
    fill(frame, bytes, work)?;
    Ok(frame)
}

/// Fills a frame through a mapping of its first `bytes` bytes.
fn fill(
    frame: CapRef,
    bytes: u64,
    work: impl FnOnce(&mut MappedFrame) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut mapped = MappedFrame::part(frame, bytes, PageFlags::READ_WRITE)?;
    let result = work(&mut mapped);
    mapped.unmap().and(result)
}

fn frame_alloc(account: &Account, bytes: u64) -> Result<CapRef, Error> {
    account
        .object(ObjType::Frame, bytes)
        .push_err(ErrorCode::LibFrameAlloc)
}

/// The frame of a segment, with the file's bytes in it.
pub(super) fn segment_frame(
    account: &Account,
    elf: &[u8],
    segment: &Segment,
) -> Result<CapRef, Error> {
    let code = ErrorCode::SpawnElfMap;
    if segment.file.is_empty() {
        return frame_alloc(account, segment.bytes).push_err(code);
    }
    let data = elf.get(segment.file.clone()).unwrap_or_default();
    let end = segment.data_offset + data.len() as u64;
    filled(account, segment.bytes, end, |mapped| {
        if !mapped.view_mut().write(segment.data_offset as usize, data) {
            return Err(Error::new(ErrorCode::ElfFilesz));
        }
        if segment.flags.contains(PageFlags::EXECUTE) {
            mapped.view().publish_code();
        }
        Ok(())
    })
    .push_err(code)
}

/// A frame for the arguments and so many items of the address space's books, and how many bytes of it are to be mapped.
pub(super) fn args_frame(
    account: &Account,
    args: &[&str],
    env: &[&str],
    items: usize,
) -> Result<(CapRef, u64), Error> {
    let strings: usize = args.iter().chain(env).map(|text| text.len() + 8).sum();
    let bytes = (ARGS_HEADER_BYTES + strings + 8 + items * PAGING_ITEM_BYTES) as u64;
    let bytes = bytes.next_multiple_of(BASE_PAGE_SIZE);
    if bytes > ARGS_BYTES {
        return Err(Error::new(ErrorCode::SpawnArgspgOverflow));
    }
    let frame = frame_alloc(account, bytes).push_err(ErrorCode::SpawnCreateArgspg)?;
    Ok((frame, bytes))
}

/// Fills it.
pub(super) fn fill_args(
    frame: CapRef,
    bytes: u64,
    pid: u32,
    args: &[&str],
    env: &[&str],
    items: &[PagingItem],
) -> Result<(), Error> {
    fill(frame, bytes, |mapped| {
        // SAFETY: made by `args_frame` for a child that does not run yet; nobody else has mapped it to be written, and its own mapping is not in use.
        let page = unsafe { mapped.view_mut().bytes_mut() };
        let (args, env) = (args.iter().copied(), env.iter().copied());
        let written = write(page, pid, args, env)
            .and_then(|used| write_paging(page, used, items.iter().copied()));
        match written {
            Ok(_) => Ok(()),
            Err(ArgsError::TooMany | ArgsError::TooLong | ArgsError::Malformed) => {
                Err(Error::new(ErrorCode::SpawnArgspgOverflow))
            }
        }
    })
    .push_err(ErrorCode::SpawnCreateArgspg)
}

/// The dispatcher frame: disabled, at the program's entry, x0 = the arguments.
pub(super) fn dispatcher_frame(
    account: &Account,
    name: DomainName,
    entry: VirtAddr,
) -> Result<CapRef, Error> {
    let mut start = SaveArea::ZERO;
    start.pc = entry.0;
    let [x0, ..] = &mut start.x;
    *x0 = ARGS_BASE.0;
    let shared = DispatcherShared {
        disabled: 1,
        haswork: 0,
        udisp: DISPATCHER_BASE.0,
        lmp_delivered: 0,
        lmp_seen: 0,
        lmp_hint: 0,
        run: 0,
        lrpc: 0,
        pagefault: 0,
        pagefault_disabled: 0,
        trap: 0,
        systime: 0,
        wakeup: 0,
        name: name.to_bytes(),
        systime_frequency: 0,
        curr_core_id: crate::core_id().0,
        reserved: [0; 7],
        crit_pc_low: 0,
        crit_pc_high: 0,
        got_base: 0,
        enabled_area: SaveArea::ZERO,
        disabled_area: start,
        trap_area: SaveArea::ZERO,
    };
    filled(
        account,
        DISPATCHER_FRAME_BYTES,
        BASE_PAGE_SIZE,
        |mapped| match mapped.view_mut().write_dispatcher(&shared) {
            true => Ok(()),
            false => Err(Error::new(ErrorCode::SysDispFrameSize)),
        },
    )
    .push_err(ErrorCode::SpawnCreateDispatcherFrame)
}
