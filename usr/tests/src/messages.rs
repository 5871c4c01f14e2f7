//! LMP: this domain sends to itself.

use crate::harness::{Failure, Harness, Outcome, equal, refused, that};
use aos::cap::{
    CNodeRef, CapRef, cap_copy, cap_delete, cap_destroy, cap_direct_identify, cap_mint,
};
use aos::error::{ErrorCode, is_transient};
use aos::kpi::layout::BASE_PAGE_SIZE;
use aos::kpi::lmp::EndpointBuffer;
use aos::kpi::rights::CapRights;
use aos::kpi::slots::task;
use aos::kpi::syscall::{CallWord, SendFlags, Syscall};
use aos::lmp::{self, Endpoint, endpoint_create};
use aos::ram::{cnode_create_l2, frame_alloc, mm_free};
use aos::slot::{slot_alloc, slot_free};
use aos::{Error, event, syscall, time};
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::sync::atomic::{AtomicU8, Ordering};
use core::task::Poll;
use core::time::Duration;

/// The tests are run with each of these: nothing is asked of the scheduler, or the core is handed to the receiver, and when there is no room too.
const WAYS: [(&str, SendFlags); 2] = [("lmp", NONE), ("lmp-directed", SendFlags::DEFAULT)];
const NONE: SendFlags = SendFlags(0);
/// Flags of the messages that are sent now.
static FLAGS: AtomicU8 = AtomicU8::new(0);

/// These flags, besides those of the way that is tested.
fn flags(more: SendFlags) -> SendFlags {
    SendFlags(FLAGS.load(Ordering::Relaxed) | more.0)
}

/// Runs the suite.
pub fn run(harness: &mut Harness) {
    for (suite, way) in WAYS {
        FLAGS.store(way.0, Ordering::Relaxed);
        sending(harness, suite);
    }
    FLAGS.store(NONE.0, Ordering::Relaxed);
    harness.test("lmp", "a wait ends at its deadline", deadline);
    harness.test(
        "lmp",
        "a message that came before the wait ends it",
        no_lost_wakeup,
    );
    harness.test(
        "lmp",
        "what one endpoint has not read hides nothing that another gets",
        backlog,
    );
    harness.test("lmp", "a call keeps every register but x0 to x3", registers);
}

fn sending(harness: &mut Harness, suite: &'static str) {
    harness.test(suite, "messages of every length arrive", lengths);
    harness.test(suite, "a full buffer refuses, transiently", full);
    harness.test(suite, "a capability goes along", capability);
    harness.test(suite, "giving a capability away", give_away);
    harness.test(suite, "to send a capability takes GRANT", send_needs_grant);
    harness.test(suite, "the own root is not given away", give_root_away);
    harness.test(
        suite,
        "giving away takes a writable CNode",
        give_away_needs_a_writable_cnode,
    );
    harness.test(suite, "a capability needs a receive slot", unarmed);
    harness.test(
        suite,
        "a receive slot lies in a writable CNode",
        receive_needs_a_writable_cnode,
    );
    harness.test(suite, "sending is refused where it must be", refusals);
    harness.test(
        suite,
        "a receiver may write nonsense to its buffer",
        nonsense,
    );
}

/// Who watches an endpoint is woken, though the last message came to one that had unread ones before.
fn backlog() -> Outcome {
    let (behind, watched) = (endpoint_create(64)?, endpoint_create(64)?);
    for _ in 0..3 {
        lmp::send(behind.cap(), &[1; 8], None, NONE)?;
    }
    // All that came is noticed.
    event::block_on(event::sleep_until(time::after(Duration::from_millis(1))));
    let patience = Duration::from_secs(2);
    let begin = time::now();
    let mut ready = pin!(event::ready(&watched));
    let mut sleep = pin!(event::sleep_until(time::after(patience)));
    let mut sent = None;
    event::block_on(poll_fn(|cx| {
        if ready.as_mut().poll(cx).is_ready() || sleep.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        sent.get_or_insert_with(|| {
            lmp::send(watched.cap(), &[1], None, NONE)?;
            lmp::send(behind.cap(), &[1], None, NONE)
        });
        Poll::Pending
    }));
    let took = time::now() - begin;
    while behind.receive().is_some() {}
    that(watched.receive().is_some(), "a message")?;
    that(took < time::after(patience / 2) - time::now(), "at once")?;
    sent.ok_or(Failure::new("two messages", "none"))?
        .map_err(Failure::from)
}

/// Makes a system call with every other register filled: the error, and the bits in which registers differ afterwards.
#[inline(never)]
fn differences(words: [u64; 3]) -> (u64, u64) {
    let [w0, w1, w2] = words;
    let (error, differing);
    // SAFETY: the calls made here do nothing to the program's memory but deliver a message; x19 and x29, which cannot be named as
    // clobbered, are put back, and x18 no code uses.
    unsafe {
        core::arch::asm!(
            "stp x19, x29, [sp, #-16]!",
            ".irp n,4,5,6,7,8,9,10,11,12,13,14,15,16,17,19,20,21,22,23,24,25,26,27,28,29,30",
            "mov x\\n, #\\n",
            ".endr",
            "cmp xzr, xzr",
            "svc #0",
            "cset x1, ne",
            ".irp n,4,5,6,7,8,9,10,11,12,13,14,15,16,17,19,20,21,22,23,24,25,26,27,28,29,30",
            "sub x\\n, x\\n, #\\n",
            "orr x1, x1, x\\n",
            ".endr",
            "ldp x19, x29, [sp], #16",
            inlateout("x0") w0 => error, inlateout("x1") w1 => differing, inlateout("x2") w2 => _, lateout("x3") _,
            out("x4") _, out("x5") _, out("x6") _, out("x7") _, out("x8") _, out("x9") _, out("x10") _, out("x11") _,
            out("x12") _, out("x13") _, out("x14") _, out("x15") _, out("x16") _, out("x17") _, out("x20") _, out("x21") _,
            out("x22") _, out("x23") _, out("x24") _, out("x25") _, out("x26") _, out("x27") _, out("x28") _, out("x30") _,
        );
    }
    (error, differing)
}

fn registers() -> Outcome {
    let nop = CallWord::simple(Syscall::Nop, 1);
    equal(differences([nop.0, 0, 0]), (0, 0))?;
    // A call that is refused.
    let (error, differing) = differences([15, 0, 0]);
    equal((error != 0, differing), (true, 0))?;
    // A message after which the receiver runs at once, here by an upcall: the registers go through the save area.
    let endpoint = endpoint_create(21)?;
    let (level, address) = (endpoint.cap().level() as u8, endpoint.cap().addr());
    let send = CallWord::send(level, 0, SendFlags::SYNC, 0);
    equal(differences([send.0, u64::from(address.0), 0]), (0, 0))?;
    received(&endpoint).map(|_| ())
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
        lmp::send(endpoint.cap(), words, None, flags(NONE))?;
        let message = received(&endpoint)?;
        equal(message.words(), words)?;
        that(!message.has_cap(), "no capability")?;
    }
    that(endpoint.receive().is_none(), "an empty buffer")
}

fn full() -> Outcome {
    let endpoint = endpoint_create(21)?;
    let words = [7; 9];
    // refuses Syscall.Send: LMP_BUF_OVERFLOW
    lmp::send(endpoint.cap(), &words, None, flags(NONE))?;
    lmp::send(endpoint.cap(), &words, None, flags(NONE))?;
    match lmp::send(endpoint.cap(), &[], None, flags(NONE)) {
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
    lmp::send(endpoint.cap(), &[1], None, flags(NONE))?;
    equal(received(&endpoint)?.words(), &words[..])?;
    equal(received(&endpoint)?.words(), &[1][..])
}

fn capability() -> Outcome {
    let endpoint = endpoint_create(21)?;
    let frame = frame_alloc(BASE_PAGE_SIZE)?;
    let slot = slot_alloc()?;
    endpoint.arm(slot);
    lmp::send(endpoint.cap(), &[5], Some(frame), flags(NONE))?;
    that(received(&endpoint)?.has_cap(), "a capability")?;
    equal(cap_direct_identify(slot)?, cap_direct_identify(frame)?)?;
    // The slot is used now.
    // refuses Syscall.Send: LMP_CAPTRANSFER_DST_SLOT_OCCUPIED
    refused(
        lmp::send(endpoint.cap(), &[5], Some(frame), flags(NONE)),
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
    lmp::send(endpoint.cap(), &[], Some(frame), flags(SendFlags::GIVEAWAY))?;
    refused(cap_direct_identify(frame), ErrorCode::SysCapNotFound)?;
    equal(cap_direct_identify(slot)?, before)?;
    slot_free(frame)?;
    mm_free(slot)?;
    Ok(())
}

/// A CNode that may only be read, where it is invoked through the root slot [`ReadOnly::SLOT`].
struct ReadOnly {
    /// The same CNode with all rights.
    whole: CNodeRef,
}

impl ReadOnly {
    /// Free root slot.
    const SLOT: u32 = 250;

    fn new() -> Result<Self, Error> {
        let whole = cnode_create_l2()?;
        let there = CNodeRef::ROOT.slot(whole.cnode.l1());
        let readable = CNodeRef::ROOT.slot(Self::SLOT);
        cap_mint(readable, there, CapRights::READ.0.into(), 0)?;
        Ok(Self { whole })
    }

    /// A slot, through the weak capability.
    fn slot(&self, slot: u32) -> CapRef {
        CNodeRef::own(Self::SLOT).slot(slot)
    }

    /// Gives up the weak capability.
    fn free(self) -> Result<(), Error> {
        cap_delete(CNodeRef::ROOT.slot(Self::SLOT))
    }
}

/// Giving away empties the slot, as delete does: out of a CNode that may only be read, nothing.
fn give_away_needs_a_writable_cnode() -> Outcome {
    let endpoint = endpoint_create(21)?;
    endpoint.arm(slot_alloc()?);
    let weak = ReadOnly::new()?;
    let frame = frame_alloc(BASE_PAGE_SIZE)?;
    cap_copy(weak.whole.slot(0), frame)?;
    let there = weak.slot(0);
    let sent = lmp::send(endpoint.cap(), &[], Some(there), flags(SendFlags::GIVEAWAY));
    // refuses Syscall.Send: LMP_CAPTRANSFER_SRC_LOOKUP, CNODE_RIGHTS
    refused(sent, ErrorCode::SysCnodeRights)?;
    refused(sent, ErrorCode::SysLmpCaptransferSrcLookup)?;
    that(endpoint.receive().is_none(), "no message")?;
    that(cap_direct_identify(there).is_ok(), "still there")?;
    cap_delete(weak.whole.slot(0))?;
    weak.free()?;
    mm_free(frame)?;
    Ok(())
}

/// What may not be granted on is not sent, nor given away.
fn send_needs_grant() -> Outcome {
    let endpoint = endpoint_create(21)?;
    let slot = slot_alloc()?;
    endpoint.arm(slot);
    let frame = frame_alloc(BASE_PAGE_SIZE)?;
    let weak = slot_alloc()?;
    let rights = CapRights(CapRights::ALL.0 & !CapRights::GRANT.0);
    cap_mint(weak, frame, u64::from(rights.0), 0)?;
    // refuses Syscall.Send: LMP_CAPTRANSFER_SRC_LOOKUP, CAP_RIGHTS
    for more in [NONE, SendFlags::GIVEAWAY] {
        let sent = lmp::send(endpoint.cap(), &[], Some(weak), flags(more));
        refused(sent, ErrorCode::SysCapRights)?;
        refused(sent, ErrorCode::SysLmpCaptransferSrcLookup)?;
    }
    that(endpoint.receive().is_none(), "no message")?;
    cap_destroy(weak)?;
    slot_free(slot)?;
    mm_free(frame)?;
    Ok(())
}

/// Level 0 names the root that the dispatcher holds; without it the sender would end.
fn give_root_away() -> Outcome {
    let endpoint = endpoint_create(21)?;
    let slot = slot_alloc()?;
    endpoint.arm(slot);
    let (level, address) = (endpoint.cap().level() as u8, endpoint.cap().addr());
    let root = |flags| {
        let send = CallWord::send(level, 0, flags, 0);
        differences([send.0, u64::from(address.0), 1])
    };
    // refuses Syscall.Send: LMP_CAPTRANSFER_SRC_LOOKUP, CAP_LOOKUP_DEPTH
    let depth = Error::new(ErrorCode::SysCapLookupDepth);
    let expected = depth.push(ErrorCode::SysLmpCaptransferSrcLookup).raw();
    equal(root(SendFlags::GIVEAWAY), (expected, 0))?;
    that(endpoint.receive().is_none(), "no message")?;
    // It may be sent, as any other.
    equal(root(NONE), (0, 0))?;
    received(&endpoint)?;
    equal(
        cap_direct_identify(slot)?,
        cap_direct_identify(CapRef::OWN_ROOT)?,
    )?;
    cap_destroy(slot)?;
    Ok(())
}

fn unarmed() -> Outcome {
    let endpoint = endpoint_create(21)?;
    let frame = frame_alloc(BASE_PAGE_SIZE)?;
    // refuses Syscall.Send: LMP_CAPTRANSFER_DST_CNODE_INVALID
    refused(
        lmp::send(endpoint.cap(), &[], Some(frame), flags(NONE)),
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
            flags(NONE),
        ),
        ErrorCode::SysLmpCaptransferSrcLookup,
    )?;
    slot_free(slot)?;
    mm_free(frame)?;
    Ok(())
}

fn refusals() -> Outcome {
    // No buffer behind it.
    // refuses Syscall.Send: LMP_NO_TARGET
    refused(
        lmp::send(CapRef::task(task::SELFEP), &[1], None, flags(NONE)),
        ErrorCode::SysLmpNoTarget,
    )?;
    refused(
        lmp::send(CapRef::task(task::KERNELCAP), &[1], None, flags(NONE)),
        ErrorCode::SysCapNotFound,
    )?;
    refused(endpoint_create(3), ErrorCode::LibLmpBuflenInvalid)
}

/// Nobody is harmed by positions behind the end of the buffer.
fn nonsense() -> Outcome {
    let endpoint = endpoint_create(21)?;
    let cap = cap_direct_identify(endpoint.cap())?.as_end_point_lmp();
    let offset = cap.map_or(0, |cap| cap.epoffset as usize);
    that(offset != 0, "an endpoint with a buffer")?;
    let buffer = syscall::dispatcher()
        .wrapping_byte_add(offset)
        .cast::<EndpointBuffer>();
    // SAFETY: the kernel says that the buffer is there, in the own frame, which is mapped for good; only this thread uses it.
    let places = unsafe { [&raw mut (*buffer).delivered, &raw mut (*buffer).consumed] };
    for place in places {
        for position in [21, u32::MAX] {
            // SAFETY: as above.
            let before = unsafe { place.read_volatile() };
            // SAFETY: as above.
            unsafe { place.write_volatile(position) };
            let sent = lmp::send(endpoint.cap(), &[1], None, flags(NONE));
            // SAFETY: as above.
            unsafe { place.write_volatile(before) };
            // refuses Syscall.Send: LMP_EP_STATE_INVALID
            refused(sent, ErrorCode::SysLmpEpStateInvalid)?;
        }
    }
    lmp::send(endpoint.cap(), &[1], None, flags(NONE))?;
    equal(received(&endpoint)?.words(), &[1][..])
}

/// A message fills the slot, as copying does: in a CNode that may only be read, none.
fn receive_needs_a_writable_cnode() -> Outcome {
    let endpoint = endpoint_create(21)?;
    let weak = ReadOnly::new()?;
    let frame = frame_alloc(BASE_PAGE_SIZE)?;
    endpoint.arm(weak.slot(0));
    // refuses Syscall.Send: CNODE_RIGHTS
    refused(
        lmp::send(endpoint.cap(), &[], Some(frame), flags(NONE)),
        ErrorCode::SysCnodeRights,
    )?;
    that(endpoint.receive().is_none(), "no message")?;
    weak.free()?;
    mm_free(frame)?;
    Ok(())
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
    lmp::send(endpoint.cap(), &[1], None, flags(NONE))?;
    let start = time::now();
    event::wait_until(snapshot, Some(time::after(Duration::from_secs(60))));
    let waited = time::micros(time::now() - start);
    that(waited < 30_000_000, "no wait until the deadline")?;
    equal(received(&endpoint)?.words(), &[1][..])
}
