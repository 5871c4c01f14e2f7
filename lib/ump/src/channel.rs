//! Both directions together: one end of a channel.

use crate::control::LAP;
use crate::line::Line;
use crate::memory::{Memory, Real, Slot};
use crate::receiver::{Next, Receiver};
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
    open: bool,
    /// That, or something is staged.
    busy: bool,
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
            busy: false,
        })
    }

    /// Sends a line, with all that is [staged](Self::stage), and wakes the other side if it sleeps.
    ///
    /// # Errors
    /// See [`SendError`].
    #[inline]
    pub fn send(&mut self, line: &Line) -> Result<(), SendError> {
        if !self.busy
            && let Some(asleep) = self.tx.send(line, self.rx.consumed())
        {
            if asleep {
                self.bell.ring();
            }
            return Ok(());
        }
        self.send_otherwise(line)
    }

    /// There is no room, or something is staged.
    #[cold]
    #[inline(never)]
    fn send_otherwise(&mut self, line: &Line) -> Result<(), SendError> {
        self.stage(line)?;
        self.publish();
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
    pub(crate) fn stage_any(&mut self, line: &Line) -> Result<(), SendError> {
        if self.tx.room() == 0 {
            self.find_room()?;
        }
        match self.tx.stage(line, self.rx.consumed()) {
            Some(()) => {
                self.busy = true;
                Ok(())
            }
            None => Err(SendError::Full),
        }
    }

    /// Publishes what is staged.
    pub fn publish(&mut self) {
        if self.tx.publish() {
            self.bell.ring();
        }
        self.busy = self.open;
        self.acknowledge_if_due();
    }

    /// Looks for acknowledgements when there is no room.
    #[cold]
    fn find_room(&mut self) -> Result<(), SendError> {
        self.check().map_err(SendError::Broken)?;
        match self.tx.find_room(self.rx.consumed()) {
            Ok(true) => Ok(()),
            Ok(false) => Err(SendError::Full),
            Err(fault) => Err(SendError::Broken(self.fail(fault))),
        }
    }

    /// The next line, if it is there.
    ///
    /// # Errors
    /// The [`Fault`] that ended the channel, now or before.
    #[inline]
    pub fn receive(&mut self) -> Result<Option<Line>, Fault> {
        if let Some((line, control)) = self.rx.receive_quietly() {
            self.tx.heard = control;
            return Ok(Some(line));
        }
        self.receive_otherwise()
    }

    /// There is nothing, or something to do.
    #[inline(never)]
    fn receive_otherwise(&mut self) -> Result<Option<Line>, Fault> {
        match self.rx.receive() {
            Ok(Next::Line(line, control)) => {
                self.tx.heard = control;
                self.acknowledge_if_due();
                Ok(Some(line))
            }
            Ok(Next::Nothing) => {
                self.tx.drained();
                self.check()?;
                Ok(None)
            }
            Err(fault) => Err(self.fail(fault)),
        }
    }

    /// Acknowledges if it is time. Not before staged lines that carry an older count: the other side takes for granted that a line which it cannot
    /// see yet when it reads the word of acknowledgement carries no older count than that.
    fn acknowledge_if_due(&mut self) {
        if self.rx.is_due() && self.tx.staged() == 0 {
            self.acknowledge();
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
        let slept = self.mark(interest);
        match slept {
            Ok(true) => Ok(true),
            Ok(false) => {
                self.awake();
                Ok(false)
            }
            Err(fault) => Err(self.fail(fault)),
        }
    }

    /// Marks what to be woken for; false if some of it may be there already.
    fn mark(&mut self, interest: Interest) -> Result<bool, Fault> {
        let consumed = self.rx.consumed();
        if interest.send && (self.tx.room() > 0 || self.tx.find_room(consumed)?) {
            return Ok(false);
        }
        if interest.receive && !self.rx.mark() {
            return Ok(false);
        }
        Ok(!interest.send || self.tx.wait(consumed)?)
    }

    /// This side is awake for another reason than a wake-up: spares the other side one that would be for nothing.
    pub fn awake(&mut self) {
        self.rx.unmark();
        self.tx.unwait();
    }

    /// Whether a message of several lines is not finished.
    pub(crate) const fn is_open(&self) -> bool {
        self.open
    }

    /// It is, or it is not.
    pub(crate) const fn set_open(&mut self, open: bool) {
        self.open = open;
        self.busy = open || self.tx.staged() > 0;
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
