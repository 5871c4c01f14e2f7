//! Memory of a new domain: segments, arguments, dispatcher frame.

use crate::cap::owned::View;
use crate::cap::{Cap, Mapped};
use crate::error::{Error, ErrorCode, ResultExt};
use crate::exit::DomainName;
use elfload::Segment;
use kpi::addr::VirtAddr;
use kpi::args::{ARGS_HEADER_BYTES, ArgsError};
use kpi::cap::Frame;
use kpi::dispatcher::{DispatcherShared, SaveArea};
use kpi::layout::{ARGS_BASE, ARGS_BYTES, BASE_PAGE_SIZE, DISPATCHER_BASE, DISPATCHER_FRAME_BYTES};
use kpi::rights::PageFlags;

// ANCHOR: filled
/// A new frame, filled through a mapping of its first `bytes` bytes. When a step fails, what there is so far is dropped:
/// the reaper unmaps and deletes it.
fn filled(
    frame_bytes: u64,
    bytes: u64,
    fill: impl FnOnce(&mut View) -> Result<(), Error>,
) -> Result<Cap<Frame>, Error> {
    let frame = Cap::<Frame>::alloc(frame_bytes).push_err(ErrorCode::LibFrameAlloc)?;
    let mut mapped = Mapped::part(frame, bytes, PageFlags::READ_WRITE)?;
    fill(mapped.view_mut())?;
    Ok(mapped.unmap()?)
}
// ANCHOR_END: filled

/// The frame of a segment, with the file's bytes in it.
pub(super) fn segment_frame(elf: &[u8], segment: &Segment) -> Result<Cap<Frame>, Error> {
    let code = ErrorCode::SpawnElfMap;
    if segment.file.is_empty() {
        return Cap::alloc(segment.bytes).push_err(code);
    }
    let data = elf.get(segment.file.clone()).unwrap_or_default();
    let end = segment.data_offset + data.len() as u64;
    filled(segment.bytes, end, |memory| {
        if !memory.write(segment.data_offset as usize, data) {
            return Err(Error::new(ErrorCode::ElfFilesz));
        }
        if segment.flags.contains(PageFlags::EXECUTE) {
            memory.publish_code();
        }
        Ok(())
    })
    .push_err(code)
}

/// The frame of the arguments, and how many bytes of it are to be mapped.
pub(super) fn args_frame(
    pid: u32,
    args: &[&str],
    env: &[&str],
) -> Result<(Cap<Frame>, u64), Error> {
    let overflow = Error::new(ErrorCode::SpawnArgspgOverflow);
    let strings: usize = args.iter().chain(env).map(|text| text.len() + 8).sum();
    let bytes = (ARGS_HEADER_BYTES + strings) as u64;
    let bytes = bytes.next_multiple_of(BASE_PAGE_SIZE);
    if bytes > ARGS_BYTES {
        return Err(overflow);
    }
    let frame = filled(bytes, bytes, |memory| {
        // SAFETY: the frame was made above, so nobody else has a capability to it.
        let page = unsafe { memory.bytes_mut() };
        let page = page.ok_or(overflow)?;
        match kpi::args::write(page, pid, args.iter().copied(), env.iter().copied()) {
            Ok(_) => Ok(()),
            Err(ArgsError::TooMany | ArgsError::TooLong | ArgsError::Malformed) => Err(overflow),
        }
    })
    .push_err(ErrorCode::SpawnCreateArgspg)?;
    Ok((frame, bytes))
}

/// The dispatcher frame: disabled, at the program's entry, x0 = the arguments.
pub(super) fn dispatcher_frame(name: DomainName, entry: VirtAddr) -> Result<Cap<Frame>, Error> {
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
        curr_core_id: 0,
        reserved: [0; 7],
        crit_pc_low: 0,
        crit_pc_high: 0,
        got_base: 0,
        enabled_area: SaveArea::ZERO,
        disabled_area: start,
        trap_area: SaveArea::ZERO,
    };
    filled(
        DISPATCHER_FRAME_BYTES,
        BASE_PAGE_SIZE,
        |memory| match memory.write_dispatcher(&shared) {
            true => Ok(()),
            false => Err(Error::new(ErrorCode::SysDispFrameSize)),
        },
    )
    .push_err(ErrorCode::SpawnCreateDispatcherFrame)
}
