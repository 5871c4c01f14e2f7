//! Local message passing: from a sender's registers into a buffer in the receiver's dispatcher frame, with at most one
//! capability. (Barrelfish: `lmp_deliver` and `lmp_transfer_cap` in `kernel/dispatch.c`.)
//!
//! The receiver may write its buffer's positions at any time, so each is read once and checked before it is used as an index.

use caps::{CteRef, DestSlot, Store, lookup};
use errors::{Error, ErrorCode};
use kpi::addr::CapAddr;
use kpi::addr::PhysAddr;
use kpi::cap::{EndPointLmp, ObjType};
use kpi::layout::KERNEL_OFFSET;
use kpi::lmp::{ENDPOINT_BUFFER_BYTES, EndpointBuffer, LMP_WORDS, LmpHeader};
use kpi::rights::CapRights;

use crate::dcb::DcbPtr;
use crate::kernel::Kernel;
use crate::say;

/// A capability on its way.
pub struct Transfer {
    /// The sender's slot.
    pub source: CteRef,
    /// Delete the sender's slot afterwards.
    pub give_away: bool,
}

/// A checked endpoint buffer in the window.
struct Buffer {
    head: *mut EndpointBuffer,
    words: *mut u64,
    length: u32,
}

/// Notes delivered in one kernel entry at most.
const NOTES_PER_ENTRY: usize = 8;

impl Kernel {
    /// Delivers a message; returns the receiver, which is runnable now.
    ///
    /// `transfer` is a function so that the sender's capability is looked up only after the receiver's side was found in
    /// order, as upstream does.
    ///
    /// # Errors
    /// LMP_NO_TARGET, LMP_EP_STATE_INVALID, LMP_BUF_OVERFLOW, LMP_CAPTRANSFER_DST_CNODE_INVALID, the sender's lookup error,
    /// LMP_CAPTRANSFER_DST_SLOT_OCCUPIED, and what copying can return.
    pub fn deliver(
        &mut self,
        endpoint: &EndPointLmp,
        payload: &[u64],
        transfer: Option<impl FnOnce(&mut Self) -> Result<Transfer, Error>>,
    ) -> Result<DcbPtr, Error> {
        // SAFETY: the address comes from an endpoint capability of the database.
        let listener = unsafe { DcbPtr::from_phys(PhysAddr(endpoint.listener)) }
            .ok_or(ErrorCode::SysLmpNoTarget)?;
        let shared = listener.shared().ok_or(ErrorCode::SysLmpNoTarget)?;
        let buffer = Buffer::check(listener, endpoint)?;
        // SAFETY: `check` found the whole buffer inside the listener's live frame; words are read once.
        let head = unsafe { buffer.head.read_volatile() };
        if head.delivered >= buffer.length || head.consumed >= buffer.length {
            return Err(ErrorCode::SysLmpEpStateInvalid.into());
        }
        let needed = payload.len().min(LMP_WORDS) as u32 + 1;
        let free = match head.consumed.wrapping_sub(head.delivered) {
            0 => buffer.length,
            _ if head.consumed > head.delivered => head.consumed - head.delivered,
            _ => buffer.length - head.delivered + head.consumed,
        };
        if free <= needed {
            return Err(ErrorCode::SysLmpBufOverflow.into());
        }
        let has_cap = transfer.is_some();
        if let Some(find) = transfer {
            self.transfer(listener, &head, find)?;
        }
        let mut at = head.delivered;
        let header = LmpHeader::new(needed as usize - 1, has_cap).0;
        for word in core::iter::once(header).chain(payload.iter().copied().take(LMP_WORDS)) {
            // SAFETY: `at` is below `length`, and the buffer is inside the frame.
            unsafe { buffer.words.add(at as usize).write_volatile(word) };
            at = if at + 1 == buffer.length { 0 } else { at + 1 };
        }
        let shared = shared.as_ptr();
        // SAFETY: the listener's live frame; single words. The position goes last: the message is whole before it shows.
        unsafe {
            (&raw mut (*buffer.head).delivered).write_volatile(at);
            let delivered = (&raw const (*shared).lmp_delivered).read_volatile();
            (&raw mut (*shared).lmp_delivered).write_volatile(delivered.wrapping_add(needed));
            (&raw mut (*shared).lmp_hint).write_volatile(endpoint.epoffset);
        }
        self.env.scheduler.cancel_wakeup(listener);
        self.env.scheduler.make_runnable(listener);
        Ok(listener)
    }

    fn transfer(
        &mut self,
        listener: DcbPtr,
        head: &EndpointBuffer,
        find: impl FnOnce(&mut Self) -> Result<Transfer, Error>,
    ) -> Result<(), Error> {
        let invalid = Error::from(ErrorCode::SysLmpCaptransferDstCnodeInvalid);
        let both = CapRights::READ.union(CapRights::WRITE);
        let root = lookup(
            &self.env,
            listener.cspace(),
            CapAddr(head.recv_cspace),
            2,
            both,
        )
        .map_err(|_| invalid)?;
        if self.env.cte(root).cap().objtype() != ObjType::L1CNode {
            return Err(invalid);
        }
        let slot = CapAddr(head.recv_slot);
        let cnode = lookup(&self.env, root, slot, 1, both).map_err(|_| invalid)?;
        if self.env.cte(cnode).cap().objtype() != ObjType::L2CNode {
            return Err(invalid);
        }
        let Transfer { source, give_away } =
            find(self).map_err(|error| error.push(ErrorCode::SysLmpCaptransferSrcLookup))?;
        self.db
            .copy(
                &mut self.env,
                DestSlot {
                    cnode,
                    index: slot.l2(),
                },
                source,
            )
            .map_err(|error| {
                if error == ErrorCode::SysSlotInUse {
                    Error::from(ErrorCode::SysLmpCaptransferDstSlotOccupied)
                } else {
                    Error::from(error)
                }
            })?;
        if give_away {
            // A copy exists now, and it is not locked: this removes a copy, at once.
            let _done = self.db.delete(&mut self.env, source)?;
        }
        Ok(())
    }

    /// Hands waiting notes to the monitor, as far as its endpoint has room.
    #[optimize(size)]
    pub fn deliver_notes(&mut self) {
        for _ in 0..NOTES_PER_ENTRY {
            let Some(note) = self.env.notes.front() else {
                return;
            };
            if !self.env.notes.is_registered() {
                return;
            }
            let slot = self.env.notes.endpoint_slot();
            let Some(endpoint) = self.env.cte(slot).cap().as_end_point_lmp() else {
                return;
            };
            match self.deliver(
                &endpoint,
                &note,
                None::<fn(&mut Self) -> Result<Transfer, Error>>,
            ) {
                Ok(_) => self.env.notes.pop(),
                Err(error) if error.code() == ErrorCode::SysLmpBufOverflow => return,
                Err(error) => {
                    let [kind, first, ..] = note;
                    say!(
                        self.env.console,
                        "note {kind} ({first:#x}) not delivered: error {:#x}",
                        error.raw()
                    );
                    self.env.notes.pop();
                }
            }
        }
    }
}

impl Buffer {
    fn check(listener: DcbPtr, endpoint: &EndPointLmp) -> Result<Self, Error> {
        if !is_in_frame(listener, endpoint) {
            return Err(ErrorCode::SysLmpNoTarget.into());
        }
        let base = listener
            .frame_base
            .get()
            .wrapping_add(KERNEL_OFFSET)
            .wrapping_add(endpoint.epoffset);
        let head = base as *mut EndpointBuffer;
        Ok(Self {
            head,
            words: (base + ENDPOINT_BUFFER_BYTES as u64) as *mut u64,
            length: endpoint.epbuflen,
        })
    }
}

/// Whether the endpoint's buffer is a part of its listener's frame.
#[inline(always)]
pub fn is_in_frame(listener: DcbPtr, endpoint: &EndPointLmp) -> bool {
    let (offset, length) = (endpoint.epoffset, endpoint.epbuflen);
    let bytes = ENDPOINT_BUFFER_BYTES as u64 + 8 * u64::from(length);
    let end = offset.checked_add(bytes);
    let is_inside = end.is_some_and(|end| end <= listener.frame_bytes.get());
    offset != 0 && offset.is_multiple_of(8) && length != 0 && is_inside
}
