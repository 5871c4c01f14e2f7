//! Memory that the two sides of a connection share, through which long messages go in slices.
//!
//! It is a frame of the client's: charged to it, and made when either side first has much to send. The client sends through the first half, the
//! service through the second. The one who sends writes a slice, and says by a message how long it is; who receives copies it out and counts it
//! in the half's first word. The next slice is written when that has counted the last one, so nobody waits for an answer, and nothing that is
//! being copied changes, if both keep to this.
//!
//! Neither side trusts the other. How much is copied is checked by who copies, and decoded is the copy only. The client, or who has its memory, may
//! revoke the frame at any time, and so may a service its copy of the capability: then an access fails, which is the end of the connection
//! ([`Mapped::read_shared`](crate::arch::memory::Mapped::read_shared)). A wrong count harms who sends nothing but messages of this connection.

use crate::cap::{AnyCap, Cap, CapRef, cap_direct_identify, cap_revoke};
use crate::error::{Error, ErrorCode};
use crate::paging::MappedFrame;
use crate::ram::{frame_alloc, memory_free, mm_free};
use crate::slot::slot_free;
use alloc::vec::Vec;
use kpi::cap::Frame;
use kpi::rights::PageFlags;

/// Bytes of one direction.
const HALF: usize = 64 << 10;
/// Bytes of the frame.
const BYTES: usize = 2 * HALF;
/// Where the data begins in a half; before it is the count.
const DATA: usize = 64;
/// Bytes of the longest slice: whole words.
pub(super) const SLICE: usize = HALF - DATA;

/// Which side of a connection this is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    /// Who bound.
    Client,
    /// Who accepted.
    Service,
}

/// What there is of it.
#[derive(Debug)]
pub(super) enum State {
    /// Nobody has needed it.
    None,
    /// The service has asked for it.
    Wanted,
    /// The client has made it, and its capability is not sent yet.
    Made(Window),
    /// Both have it.
    Open(Window),
    /// There is none, for lack of memory.
    Without,
}

impl State {
    /// The window, if there is one, to be closed.
    pub(super) fn take(&mut self) -> Option<Window> {
        match core::mem::replace(self, Self::Without) {
            Self::Made(window) | Self::Open(window) => Some(window),
            _ => None,
        }
    }
}

/// The memory, mapped.
#[derive(Debug)]
pub(crate) struct Window {
    memory: MappedFrame,
    owner: Owner,
    /// Slices sent, and received.
    sent: u64,
    received: u64,
}

#[derive(Debug)]
enum Owner {
    /// This domain: the capability, and where the memory is.
    Own { frame: CapRef, base: u64 },
    /// The client: a copy of the capability.
    Client { _frame: Cap<Frame> },
}

const FLAGS: PageFlags = PageFlags::READ.union(PageFlags::WRITE);

fn gone() -> Error {
    Error::new(ErrorCode::MonPeerDied)
}

impl Window {
    /// Makes one.
    pub(super) fn make() -> Result<Self, Error> {
        let frame = frame_alloc(BYTES as u64)?;
        let made = cap_direct_identify(frame).and_then(|capability| {
            let memory = MappedFrame::part(frame, BYTES as u64, FLAGS)?;
            Ok((memory, capability.address()))
        });
        match made {
            Ok((memory, base)) => Ok(Self {
                memory,
                owner: Owner::Own { frame, base },
                sent: 0,
                received: 0,
            }),
            Err(error) => {
                let _ = mm_free(frame);
                Err(error)
            }
        }
    }

    /// The capability for the other side.
    pub(super) fn copy(&self) -> Result<AnyCap, Error> {
        match &self.owner {
            Owner::Own { frame, .. } => AnyCap::copy_of(*frame),
            Owner::Client { .. } => Err(Error::new(ErrorCode::FlounderInvalidState)),
        }
    }

    /// The client's.
    ///
    /// # Errors
    /// It is none, or too small; no memory for tables.
    pub(super) fn of_client(cap: AnyCap) -> Result<Self, Error> {
        let frame = cap.into_cap::<Frame>()?;
        if cap_direct_identify(frame.slot())?.size() < BYTES as u64 {
            return Err(Error::new(ErrorCode::FlounderRxInvalidLength));
        }
        let memory = MappedFrame::part(frame.slot(), BYTES as u64, FLAGS)?;
        Ok(Self {
            memory,
            owner: Owner::Client { _frame: frame },
            sent: 0,
            received: 0,
        })
    }

    /// Where this side's slices go, and where the other's come.
    fn halves(&self) -> (usize, usize) {
        match self.owner {
            Owner::Own { .. } => (0, HALF),
            Owner::Client { .. } => (HALF, 0),
        }
    }

    /// Writes the first bytes of these, at most [`SLICE`], if the last slice is taken. Answers how many.
    ///
    /// # Errors
    /// The memory is gone.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<Option<usize>, Error> {
        let (half, _) = self.halves();
        let mut count = [0; 8];
        if !self.memory.view().read_shared(half, &mut count) {
            return Err(gone());
        }
        if u64::from_le_bytes(count) != self.sent {
            return Ok(None);
        }
        let slice = bytes.get(..SLICE).unwrap_or(bytes);
        match self.memory.view_mut().write_shared(half + DATA, slice) {
            true => Ok(Some(slice.len())),
            false => Err(gone()),
        }
    }

    /// The other side was told of what was written.
    pub(super) fn told(&mut self) {
        self.sent += 1;
    }

    /// Appends a slice of so many bytes.
    ///
    /// # Errors
    /// It cannot be so long, there is no memory for it, or the memory is gone.
    pub(super) fn read(&mut self, bytes: usize, into: &mut Vec<u8>) -> Result<(), Error> {
        let (_, half) = self.halves();
        if bytes > SLICE {
            return Err(Error::new(ErrorCode::FlounderRxInvalidLength));
        }
        self.received += 1;
        let count = self.received.to_le_bytes();
        let view = self.memory.view_mut();
        match view.append_shared(half + DATA, bytes, into) && view.write_shared(half, &count) {
            true => Ok(()),
            false => Err(gone()),
        }
    }

    /// Gives it back. If it is the own one, the other side loses it.
    pub(super) fn close(self) {
        let unmapped = self.memory.unmap();
        let Owner::Own { frame, base } = self.owner else {
            return;
        };
        // The other side may have revoked it; then the capability is gone, and with it what was mapped.
        let _ = cap_revoke(frame);
        if unmapped.is_ok() && mm_free(frame).is_err() {
            let _ = slot_free(frame).and_then(|()| memory_free(base, BYTES as u64));
        }
    }
}
