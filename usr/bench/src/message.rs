//! A message that carries a capability, from a domain to another one that waits for it.
//!
//! The sender is this program once more, as a child. It reads the cycle counter and sends a capability with the flag that hands the core over;
//! the parent reads the counter as soon as its wait has returned.

use crate::interrupt;
use crate::meter::{Meter, one};
use aos::boot::Boot;
use aos::cap::{CNodeRef, CapRef, cap_delete};
use aos::kpi::layout::BASE_PAGE_SIZE;
use aos::kpi::lmp::LMP_DEFAULT_BUFFER_WORDS;
use aos::kpi::rights::PageFlags;
use aos::kpi::slots::root;
use aos::kpi::syscall::SendFlags;
use aos::lmp::{endpoint_create, send};
use aos::paging::MappedFrame;
use aos::slot::{slot_alloc, slot_free};
use aos::{Error, ErrorCode, event, ram, time};

/// The child's argument.
pub const SENDER: &str = "--sender";

/// In the shared frame: the number of the message that the parent waits for.
const WANTED: usize = 0;
/// In the shared frame: the number of the message that was sent last.
const SENT: usize = 8;
/// In the shared frame: the cycle counter just before.
const SENT_AT: usize = 16;

const SHARED: CapRef = CNodeRef::own(root::ARGCN).slot(0);
const ENDPOINT: CapRef = CNodeRef::own(root::ARGCN).slot(1);

/// The child.
///
/// # Errors
/// Those of the preparation, and of sending.
pub fn drive() -> Result<(), Error> {
    ram::add_system_memory()?;
    let shared = MappedFrame::new(SHARED, PageFlags::READ_WRITE)?;
    for message in 1.. {
        while shared.view().load(WANTED) != Some(message) {
            event::yield_now();
        }
        let before = time::cycles();
        send(ENDPOINT, &[], Some(SHARED), SendFlags::SYNC)?;
        shared.view().store(SENT_AT, before);
        shared.view().store(SENT, message);
    }
    Ok(())
}

/// Measures it, where this program may make domains.
///
/// # Errors
/// Those of making a domain, and of receiving.
pub fn run(meter: &mut Meter) -> Result<(), Error> {
    meter.suite = "caps";
    if Boot::of_trusted().is_err() {
        return Ok(());
    }
    let frame = ram::frame_alloc(BASE_PAGE_SIZE)?;
    let shared = MappedFrame::new(frame, PageFlags::READ_WRITE)?;
    let endpoint = endpoint_create(LMP_DEFAULT_BUFFER_WORDS as u32)?;
    let received = slot_alloc()?;
    let domain = interrupt::make(SENDER, frame, endpoint.cap())?;
    domain.start()?;
    let mut message = 0;
    meter.measure_by(one("message with a capability, to who waits", 700), || {
        message += 1;
        endpoint.arm(received);
        let snapshot = event::snapshot();
        shared.view().store(WANTED, message);
        event::wait_until(snapshot, None);
        let ran_at = time::cycles();
        let came = endpoint.receive().is_some_and(|message| message.has_cap());
        if !came {
            return Err(Error::new(ErrorCode::LibLmpChanRecv));
        }
        cap_delete(received)?;
        while shared.view().load(SENT) != Some(message) {
            event::yield_now();
        }
        let sent_at = shared.view().load(SENT_AT).unwrap_or(ran_at);
        Ok(ran_at.wrapping_sub(sent_at))
    })?;
    domain.destroy()?;
    slot_free(received)
}
