//! Device interrupts: who is told of which, and telling them.
//!
//! The table has one entry for each interrupt that the controller has, in memory taken at boot; an entry holds a copy of the
//! receiver's endpoint, as part of the capability database. So whoever deletes or revokes the endpoint takes the interrupt away
//! from it, and it is masked. A dispatcher that is deleted leaves its endpoints behind; those that lie here are given up at the next step of
//! deletion, so that they do not keep its memory in use. A delivered interrupt is masked until the driver acknowledges it: nothing that a device or driver does
//! can keep the core here. (Barrelfish: 1024 entries in the kernel control block, never masked by the kernel.)

use caps::{CteRef, Step, Store};
use errors::{Error, ErrorCode};
use hal::gic::InterruptId;
use kpi::addr::PhysAddr;
use kpi::invocation::NOTIFICATION;
use kpi::layout::SLOT_BYTES;

use crate::dcb::{DcbPtr, DcbState};
use crate::env::Env;
use crate::kernel::Kernel;
use crate::lmp::Transfer;

/// First interrupt that is not software-generated.
const FIRST: u32 = 16;
/// Entries of the table that one step of deletion looks at, and gives up, at most.
const LOOKS: u32 = 128;
const RELEASES: u32 = 8;

/// Receivers of interrupts.
#[derive(Default)]
pub struct Receivers {
    base: u64,
    count: u32,
    /// A dispatcher was deleted: what it received is looked for, from this interrupt on.
    looking: Option<u32>,
}

impl Receivers {
    /// Bytes of a table for so many interrupts.
    pub fn bytes(count: u32) -> u64 {
        u64::from(count) * SLOT_BYTES
    }

    /// An empty table in zeroed memory that is the kernel's alone, of [`Self::bytes`] for that count.
    pub fn new(base: PhysAddr, count: u32) -> Self {
        Self {
            base: base.0,
            count,
            looking: None,
        }
    }

    /// A dispatcher was deleted.
    pub fn listener_deleted(&mut self) {
        self.looking = Some(NOTIFICATION);
    }

    /// The vector whose entry this is.
    pub fn vector_of(&self, holder: CteRef) -> Option<InterruptId> {
        let offset = holder.address().0.checked_sub(self.base)?;
        let vector = offset / SLOT_BYTES;
        (vector < u64::from(self.count)).then_some(InterruptId(vector as u32))
    }
}

impl Env {
    /// The slot at that address, if it is one of the kernel's own: those of receivers and of the monitor's endpoint.
    pub fn own_slot(&self, address: PhysAddr) -> Option<CteRef> {
        let endpoint = self.notes.endpoint_slot();
        if endpoint.address() == address {
            return Some(endpoint);
        }
        let offset = address.0.checked_sub(self.receivers.base)?;
        let number = u32::try_from(offset / SLOT_BYTES).ok()?;
        let is_entry = offset.is_multiple_of(SLOT_BYTES) && number < self.receivers.count;
        is_entry.then(|| self.slot(PhysAddr(self.receivers.base), number))
    }

    /// The table's entry for an interrupt that can have a receiver.
    pub fn receiver_of(&self, vector: u64) -> Option<(InterruptId, CteRef)> {
        let number = u32::try_from(vector).ok()?;
        let is_software = number < FIRST && number != NOTIFICATION;
        let is_ours = is_software || number == self.devices.timer_interrupt;
        if is_ours || number >= self.receivers.count {
            return None;
        }
        let entry = self.slot(PhysAddr(self.receivers.base), number);
        Some((InterruptId(number), entry))
    }
}

/// None, of that type.
fn none_of<T>(_: T) -> Option<T> {
    None
}

impl Kernel {
    /// Masks a device interrupt and tells its receiver, who may run at once.
    #[inline(never)]
    pub fn deliver_interrupt(&mut self, interrupt: InterruptId) -> Option<DcbPtr> {
        // One that nobody asked for is not masked yet only if somebody lost it a moment ago.
        let _ = self.env.devices.gic.disable(interrupt);
        let (_, entry) = self.env.receiver_of(u64::from(interrupt.0))?;
        let endpoint = self.env.cte(entry).cap().as_end_point_lmp()?;
        let sent = self.deliver(&endpoint, &[], none_of(Self::no_transfer));
        match sent {
            // One that is stopped finds the message when it is resumed.
            Ok(listener) => (listener.state.get() == DcbState::Ready).then_some(listener),
            // Lost; a level-triggered one comes again when it is acknowledged.
            Err(error) if error.code() == ErrorCode::SysLmpBufOverflow => None,
            Err(_) => {
                // The receiver is gone for good.
                let _ = self.db.release_from_object(&mut self.env, entry);
                None
            }
        }
    }

    /// Gives up the endpoints of deleted dispatchers that interrupts and notes go to, some in each call. Answers whether there was a reason to
    /// look: then that was enough for one kernel entry.
    #[cold]
    #[inline(never)]
    #[optimize(size)]
    pub fn release_orphans(&mut self) -> bool {
        let Some(first) = self.env.receivers.looking else {
            return false;
        };
        let mut released = 0;
        for vector in first..self.env.receivers.count {
            if vector - first == LOOKS || released == RELEASES {
                self.env.receivers.looking = Some(vector);
                return true;
            }
            if let Some((interrupt, entry)) = self.env.receiver_of(u64::from(vector))
                && self.is_orphan(entry)
            {
                let _ = self.env.devices.gic.disable(interrupt);
                let _ = self.db.release_from_object(&mut self.env, entry);
                released += 1;
            }
        }
        self.env.receivers.looking = None;
        let notes = self.env.notes.endpoint_slot();
        if self.is_orphan(notes) {
            let _ = self.db.release_from_object(&mut self.env, notes);
            self.env.notes.endpoint_lost();
        }
        true
    }

    /// Whether an entry holds the endpoint of a dispatcher that was deleted. Its memory is in use as long as the endpoint is there.
    fn is_orphan(&self, entry: CteRef) -> bool {
        let endpoint = self.env.cte(entry).cap().as_end_point_lmp();
        // SAFETY: the address comes from an endpoint capability of the database.
        let listener =
            endpoint.and_then(|cap| unsafe { DcbPtr::from_phys(PhysAddr(cap.listener)) });
        listener.is_some_and(|dcb| dcb.state.get() == DcbState::Deleted)
    }

    /// Is never called: its type makes [`Self::deliver`] one of its own here, with nothing but what an empty message takes.
    fn no_transfer(&mut self) -> Result<Transfer, Error> {
        Err(ErrorCode::SysLmpNoTarget.into())
    }

    /// Makes an endpoint the receiver in an entry; a former one gives way.
    pub fn connect_interrupt(&mut self, entry: CteRef, endpoint: CteRef) -> Result<(), ErrorCode> {
        if !self.env.cte(entry).is_empty() {
            // An endpoint holds nothing: its copies go in one step.
            let step = self.db.release_from_object(&mut self.env, entry)?;
            debug_assert!(step == Step::Done);
        }
        self.db.copy_into_object(&mut self.env, entry, endpoint)
    }
}
