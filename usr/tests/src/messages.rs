//! LMP: this domain sends to itself.

use crate::harness::{Failure, Harness, Outcome, equal, refused, that};
use aos::cap::{CapRef, cap_destroy, cap_direct_identify};
use aos::error::{ErrorCode, is_transient};
use aos::event;
use aos::kpi::layout::BASE_PAGE_SIZE;
use aos::kpi::slots::task;
use aos::kpi::syscall::SendFlags;
use aos::lmp::{self, Endpoint, endpoint_create};
use aos::ram::{frame_alloc, mm_free};
use aos::slot::{slot_alloc, slot_free};
use aos::time;
use core::time::Duration;

const SUITE: &str = "lmp";
const NONE: SendFlags = SendFlags(0);

/// Runs the suite.
pub fn run(harness: &mut Harness) {
    harness.test(SUITE, "messages of every length arrive", lengths);
    harness.test(SUITE, "a full buffer refuses, transiently", full);
    harness.test(SUITE, "a capability goes along", capability);
    harness.test(SUITE, "giving a capability away", give_away);
    harness.test(SUITE, "a capability needs a receive slot", unarmed);
    harness.test(SUITE, "sending is refused where it must be", refusals);
    harness.test(SUITE, "a wait ends at its deadline", deadline);
    harness.test(
        SUITE,
        "a message that came before the wait ends it",
        no_lost_wakeup,
    );
}

fn received(endpoint: &Endpoint) -> Result<lmp::Received, Failure> {
    endpoint
        .receive()
        .ok_or_else(|| Failure::new("a message", "none"))
}

fn lengths() -> Outcome {
    let endpoint = endpoint_create(21)?;
    let payload = [1, 2, 3, 4, 5, 6, 7, 8, u64::MAX];
    // Often enough that messages wrap at every place of the buffer.
    for round in 0..50 {
        let length = round % 10;
        let words = payload.get(..length).unwrap_or_default();
        lmp::send(endpoint.cap(), words, None, NONE)?;
        let message = received(&endpoint)?;
        equal(message.words(), words)?;
        that(!message.has_cap(), "no capability")?;
    }
    that(endpoint.receive().is_none(), "an empty buffer")
}

fn full() -> Outcome {
    let endpoint = endpoint_create(21)?;
    let words = [7; 9];
    lmp::send(endpoint.cap(), &words, None, NONE)?;
    lmp::send(endpoint.cap(), &words, None, NONE)?;
    match lmp::send(endpoint.cap(), &[], None, NONE) {
        Err(error) => {
            that(
                error.contains(ErrorCode::SysLmpBufOverflow),
                "SYS_ERR_LMP_BUF_OVERFLOW",
            )?;
            that(is_transient(error), "a transient error")?;
        }
        Ok(()) => return Err(Failure::new("a full buffer", "success")),
    }
    received(&endpoint)?;
    lmp::send(endpoint.cap(), &[1], None, NONE)?;
    equal(received(&endpoint)?.words(), &words[..])?;
    equal(received(&endpoint)?.words(), &[1][..])
}

fn capability() -> Outcome {
    let endpoint = endpoint_create(21)?;
    let frame = frame_alloc(BASE_PAGE_SIZE)?;
    let slot = slot_alloc()?;
    endpoint.arm(slot);
    lmp::send(endpoint.cap(), &[5], Some(frame), NONE)?;
    that(received(&endpoint)?.has_cap(), "a capability")?;
    equal(cap_direct_identify(slot)?, cap_direct_identify(frame)?)?;
    // The slot is used now.
    refused(
        lmp::send(endpoint.cap(), &[5], Some(frame), NONE),
        ErrorCode::SysLmpCaptransferDstSlotOccupied,
    )?;
    cap_destroy(slot)?;
    mm_free(frame)?;
    Ok(())
}

fn give_away() -> Outcome {
    let endpoint = endpoint_create(21)?;
    let frame = frame_alloc(BASE_PAGE_SIZE)?;
    let before = cap_direct_identify(frame)?;
    let slot = slot_alloc()?;
    endpoint.arm(slot);
    lmp::send(endpoint.cap(), &[], Some(frame), SendFlags::GIVEAWAY)?;
    refused(cap_direct_identify(frame), ErrorCode::SysCapNotFound)?;
    equal(cap_direct_identify(slot)?, before)?;
    slot_free(frame)?;
    mm_free(slot)?;
    Ok(())
}

fn unarmed() -> Outcome {
    let endpoint = endpoint_create(21)?;
    let frame = frame_alloc(BASE_PAGE_SIZE)?;
    refused(
        lmp::send(endpoint.cap(), &[], Some(frame), NONE),
        ErrorCode::SysLmpCaptransferDstCnodeInvalid,
    )?;
    that(endpoint.receive().is_none(), "no message")?;
    let slot = slot_alloc()?;
    endpoint.arm(slot);
    refused(
        lmp::send(
            endpoint.cap(),
            &[],
            Some(CapRef::task(task::KERNELCAP)),
            NONE,
        ),
        ErrorCode::SysLmpCaptransferSrcLookup,
    )?;
    slot_free(slot)?;
    mm_free(frame)?;
    Ok(())
}

fn refusals() -> Outcome {
    // No buffer behind it.
    refused(
        lmp::send(CapRef::task(task::SELFEP), &[1], None, NONE),
        ErrorCode::SysLmpNoTarget,
    )?;
    refused(
        lmp::send(CapRef::task(task::KERNELCAP), &[1], None, NONE),
        ErrorCode::SysCapNotFound,
    )?;
    refused(endpoint_create(3), ErrorCode::LibLmpBuflenInvalid)
}

fn deadline() -> Outcome {
    let wanted = Duration::from_millis(20);
    let deadline = time::after(wanted);
    while time::now() < deadline {
        event::wait_until(event::snapshot(), Some(deadline));
    }
    let late = time::micros(time::now() - deadline);
    that(late < 1_000_000, "less than a second late")
}

fn no_lost_wakeup() -> Outcome {
    let endpoint = endpoint_create(21)?;
    let snapshot = event::snapshot();
    lmp::send(endpoint.cap(), &[1], None, NONE)?;
    let start = time::now();
    event::wait_until(snapshot, Some(time::after(Duration::from_secs(60))));
    let waited = time::micros(time::now() - start);
    that(waited < 30_000_000, "no wait until the deadline")?;
    equal(received(&endpoint)?.words(), &[1][..])
}
