//! Both directions together: one end of a channel.

use crate::control::LAP;
use crate::line::Line;
use crate::memory::{Memory, Real, Slot};
use crate::receiver::Receiver;
use crate::sender::Sender;
use crate::wake::{Bell, Interest};
use crate::{Fault, SendError};
use errors::ErrorCode;

/// Which end it is. The first half of the memory is what the client receives, the second half what the server receives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// Who asked for the channel.
    Client,
    /// Who took it.
    Server,
}

/// One end of a channel.
///
/// Sending and receiving are independent: neither waits for the other, and what is received may be acknowledged whether or not there is
/// room to send.
#[derive(Debug)]
pub struct Channel<'m, B, M: Memory = Real> {
    pub(crate) tx: Sender<'m, M>,
    rx: Receiver<'m, M>,
    bell: B,
    fault: Option<Fault>,
    /// A message of several lines is not finished.
    pub(crate) open: bool,
}

impl<'m, B: Bell, M: Memory> Channel<'m, B, M> {
    /// Lines that each direction can have at most.
    pub const MAX_LINES: usize = 1 << (M::COUNT_BITS - 1);

    /// An end in memory that is zeroed, or is as the other end has left it.
    ///
    /// Each half is a line for acknowledgements and a ring of the others.
    ///
    /// # Errors
    /// `UMP_BUFSIZE_INVALID`: the memory has an odd number of slots, less than four, or more than two times [`MAX_LINES`](Self::MAX_LINES) and one.
    pub fn new(memory: &'m [Slot<M>], side: Side, bell: B) -> Result<Self, ErrorCode> {
        const {
            assert!(M::COUNT_BITS <= crate::control::COUNT_BITS);
            assert!(LAP.count_ones() == 8);
        }
        let (first, second) = memory
            .split_at_checked(memory.len() / 2)
            .ok_or(ErrorCode::LibUmpBufsizeInvalid)?;
        let (inbound, outbound) = match side {
            Side::Client => (first, second),
            Side::Server => (second, first),
        };
        let ([in_acks, in_ring @ ..], [out_acks, out_ring @ ..]) = (inbound, outbound) else {
            return Err(ErrorCode::LibUmpBufsizeInvalid);
        };
        if in_ring.is_empty() || in_ring.len() != out_ring.len() || in_ring.len() > Self::MAX_LINES
        {
            return Err(ErrorCode::LibUmpBufsizeInvalid);
        }
        Ok(Self {
            tx: Sender::new(out_acks, out_ring),
            rx: Receiver::new(in_acks, in_ring),
            bell,
            fault: None,
            open: false,
        })
    }

    /// Sends a line, with all that is [staged](Self::stage), and wakes the other side if it sleeps.
    ///
    /// # Errors
    /// See [`SendError`].
    #[inline]
    pub fn send(&mut self, line: &Line) -> Result<(), SendError> {
        if self.open || self.tx.staged() > 0 {
            return self.send_staged(line);
        }
        match self.tx.send(line, self.rx.consumed()) {
            Some(false) => Ok(()),
            Some(true) => {
                self.bell.ring();
                Ok(())
            }
            None => self.send_when_room(line),
        }
    }

    #[cold]
    fn send_staged(&mut self, line: &Line) -> Result<(), SendError> {
        self.stage(line)?;
        self.publish();
        Ok(())
    }

    #[cold]
    fn send_when_room(&mut self, line: &Line) -> Result<(), SendError> {
        self.find_room()?;
        match self.tx.send(line, self.rx.consumed()) {
            Some(true) => self.bell.ring(),
            Some(false) => {}
            None => return Err(SendError::Full),
        }
        Ok(())
    }

    /// Writes a line that the other side sees only when it is [published](Self::publish): several lines cost one publication, and one wake-up.
    ///
    /// # Errors
    /// See [`SendError`]. If it is full, what is staged wants to be published: nobody can read it before.
    #[inline]
    pub fn stage(&mut self, line: &Line) -> Result<(), SendError> {
        if self.open {
            return Err(SendError::Unfinished);
        }
        self.stage_any(line)
    }

    /// As [`stage`](Self::stage), also in the middle of a message.
    #[inline]
    pub(crate) fn stage_any(&mut self, line: &Line) -> Result<(), SendError> {
        if self.tx.room() == 0 {
            self.find_room()?;
        }
        match self.tx.stage(line, self.rx.consumed()) {
            Some(()) => Ok(()),
            None => Err(SendError::Full),
        }
    }

    /// Publishes what is staged.
    #[inline]
    pub fn publish(&mut self) {
        if self.tx.publish() {
            self.bell.ring();
        }
    }

    /// Asks the other side's acknowledgement for room.
    #[cold]
    fn find_room(&mut self) -> Result<(), SendError> {
        self.check().map_err(SendError::Broken)?;
        match self.tx.learn() {
            Ok(_) if self.tx.room() > 0 => Ok(()),
            Ok(_) => Err(SendError::Full),
            Err(fault) => Err(SendError::Broken(self.fail(fault))),
        }
    }

    /// The next line, if it is there.
    ///
    /// # Errors
    /// The [`Fault`] that ended the channel, now or before.
    #[inline]
    pub fn receive(&mut self) -> Result<Option<Line>, Fault> {
        match self.rx.receive() {
            Ok(Some((line, control))) => {
                if let Err(fault) = self.tx.heard(control) {
                    return Err(self.fail(fault));
                }
                if self.rx.is_due() {
                    self.acknowledge();
                }
                Ok(Some(line))
            }
            Ok(None) => {
                self.tx.drained();
                self.check()?;
                Ok(None)
            }
            Err(fault) => Err(self.fail(fault)),
        }
    }

    /// Acknowledges what was received.
    fn acknowledge(&mut self) {
        if self.rx.acknowledge() {
            self.bell.ring();
        }
    }

    /// Asks the other side for a wake-up. True: it will [ring](Bell) when something of this may be possible, and this side can sleep. False: look
    /// again, it may be possible now.
    ///
    /// Everything staged is published before, and everything received is acknowledged.
    ///
    /// # Errors
    /// The [`Fault`] that ended the channel, now or before.
    pub fn ask_wake(&mut self, interest: Interest) -> Result<bool, Fault> {
        self.check()?;
        self.publish();
        if self.rx.owes() {
            self.acknowledge();
        }
        if interest.send && self.tx.room() > 0 || interest.receive && !self.rx.mark() {
            return Ok(false);
        }
        if interest.send {
            match self.tx.wait() {
                Ok(true) => {}
                Ok(false) => {
                    self.awake();
                    return Ok(false);
                }
                Err(fault) => return Err(self.fail(fault)),
            }
        }
        Ok(true)
    }

    /// This side is awake for another reason than a wake-up: spares the other side one that would be for nothing.
    pub fn awake(&mut self) {
        self.rx.unmark();
        self.tx.unwait();
    }

    /// What ended the channel.
    ///
    /// # Errors
    /// That, if it is ended.
    #[inline]
    pub fn check(&self) -> Result<(), Fault> {
        match self.fault {
            Some(fault) => Err(fault),
            None => Ok(()),
        }
    }

    /// Ends the channel: shared memory is not touched any more.
    #[cold]
    pub(crate) fn fail(&mut self, fault: Fault) -> Fault {
        self.tx.close();
        self.rx.close();
        *self.fault.get_or_insert(fault)
    }

    /// What wakes the other side.
    pub const fn bell(&mut self) -> &mut B {
        &mut self.bell
    }
}
