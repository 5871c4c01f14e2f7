//! What this domain asks of its monitor: to delete and revoke what the kernel alone does not, memory, processes.
//!
//! The monitor is who started the domain, if that says so ([`crate::spawn::Program::served`]): today init. The request goes to the endpoint in
//! the MONITOREP slot, with a copy of the root CNode in whose CSpace the capability is meant; the answer comes to the first buffer of
//! the dispatcher frame. One request at a time; the caller blocks until the answer is there, other messages wait in their endpoints.
//!
//! Who brings memory to a page fault asks here. So a request, while it is under way, must cause no fault that takes memory, and wait for nothing that
//! somebody in the middle of a page fault may have: its stack is touched before, and while it waits nothing is printed or reaped.
//!
//! Who is the monitor itself, init, has wishes too when it offers services: those for connections and processes go to its own loop ([`local`]).
//!
//! Barrelfish counterpart: `monitor_blocking` RPCs `remote_cap_delete`, `remote_cap_revoke`; `ram_alloc` of the memory server.

pub mod local;

use crate::arch::memory::touch_stack;
use crate::cap::{CNodeRef, CapRef, identify};
use crate::error::{self, Error, ErrorCode};
use crate::event;
use crate::lmp::{ANSWERS, send_waiting};
use crate::sync::Mutex;
use capops::Operation;
use initproto::{Answer, Request, Values, Wish, text_chunks};
use kpi::addr::CapAddr;
use kpi::slots::{self, task};

/// Where requests go.
pub const MONITOREP: CapRef = CapRef::task(task::MONITOREP);

/// Bytes of stack that a request may use.
const STACK_BYTES: usize = 6 << 10;

/// Number of the last request; locked while one is under way.
static LAST: Mutex<u32> = Mutex::new(0);

/// Whether this domain has a monitor.
pub fn is_there() -> bool {
    identify(MONITOREP).is_ok()
}

/// Has an operation done on a capability.
///
/// # Errors
/// The monitor's answer; `LIB_ERR_LMP_CHAN_SEND`.
pub(crate) fn perform(operation: Operation, cap: CapRef) -> Result<(), Error> {
    let (address, level) = (cap.addr().0, cap.level() as u8);
    let wish = match operation.revokes() {
        true => Wish::Revoke { address, level },
        false => Wish::Delete { address, level },
    };
    let croot = cap.croot();
    ask(wish, Some(CNodeRef::own(croot.l1()).slot(croot.l2())), None)
}

/// Has a RAM capability put into the empty slot.
///
/// # Errors
/// The monitor's answer: `LIB_ERR_RAM_ALLOC` when this domain may have no more, or when there is none.
pub(crate) fn ram_alloc_at(slot: CapRef, bytes: u64, alignment: u64) -> Result<(), Error> {
    ask(Wish::Ram { bytes, alignment }, None, Some(slot))
}

/// Gives memory back whose capability is deleted.
///
/// # Errors
/// The monitor's answer.
pub(crate) fn ram_free(base: u64, bytes: u64) -> Result<(), Error> {
    ask(Wish::FreeRam { base, bytes }, None, None)
}

/// Sends a wish, with a capability, and waits for the answer; a capability that comes with it goes into `slot`, which is empty. What the
/// functions of [`cap`](crate::cap) and [`ram`](crate::ram) are made of, and for tests of the monitor.
///
/// # Errors
/// The monitor's answer; `LIB_ERR_LMP_CHAN_SEND`; `FLOUNDER_ERR_RPC_MISMATCH`: no capability came, or an unexpected one.
pub fn ask(wish: Wish, cap: Option<CapRef>, slot: Option<CapRef>) -> Result<(), Error> {
    exchange(wish, &[], cap, slot).map(drop)
}

/// Has something done with processes; `text` is what the wish is about. Answers with the values that the monitor says.
///
/// # Errors
/// As [`ask`].
pub fn order(wish: Wish, text: &[u8], cap: Option<CapRef>) -> Result<Values, Error> {
    exchange(wish, text, cap, None)
}

fn exchange(
    wish: Wish,
    text: &[u8],
    cap: Option<CapRef>,
    slot: Option<CapRef>,
) -> Result<Values, Error> {
    if local::is_served() {
        return local::exchange(wish, text, cap);
    }
    touch_stack(STACK_BYTES);
    let mut last = LAST.lock();
    let number = last.wrapping_add(1);
    *last = number;
    // Answers that nobody waited for.
    while ANSWERS.receive().is_some() {}
    match slot {
        Some(slot) => ANSWERS.set_slot(slots::ROOTCN, slot.addr()),
        None => ANSWERS.set_slot(CapAddr::NULL, CapAddr::NULL),
    }
    if !text.is_empty() {
        send_text(text)?;
    }
    send_waiting(MONITOREP, &Request { number, wish }.encode(), cap)?;
    loop {
        let snapshot = event::snapshot();
        while let Some(message) = ANSWERS.receive() {
            match Answer::decode(message.words()) {
                Some(answer) if answer.number == number => {
                    error::check(answer.error)?;
                    return match slot.is_some() == message.has_cap() {
                        true => Ok(answer.values),
                        false => Err(Error::new(ErrorCode::FlounderRpcMismatch)),
                    };
                }
                _ => {}
            }
        }
        event::wait_only(snapshot, None);
    }
}

/// Sends what a wish is about. Never inlined: wishes for memory come from deep down a stack.
#[inline(never)]
fn send_text(text: &[u8]) -> Result<(), Error> {
    for part in text_chunks(text) {
        let (words, count) = part.encode();
        send_waiting(MONITOREP, words.get(..count).unwrap_or_default(), None)?;
    }
    Ok(())
}
