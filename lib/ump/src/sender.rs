//! One direction of a channel, seen from the side that sends.
//!
//! `room` lines may be written without asking; `acked` is how many of the written ones are known to be read. Both are ours: what the other
//! side acknowledges is checked against them.
//!
//! Lines can be *staged*: written, with their control words, except for the first one's. The receiver waits at the first one, so it sees none of them
//! until that is published.

use crate::Fault;
use crate::control::{ACK_SHIFT, ASLEEP, LAP};
use crate::flaw::Flaw;
use crate::line::Line;
use crate::memory::{Control, Data, Memory, Slot};
use core::sync::atomic::Ordering;

/// The sending half.
#[derive(Debug)]
pub(crate) struct Sender<'m, M: Memory> {
    /// The ring; empty when the channel is broken.
    slots: &'m [Slot<M>],
    /// Where the other side acknowledges.
    acks: &'m Slot<M>,
    /// Lines of the ring.
    capacity: u32,
    /// The next line to write, and its lap.
    index: usize,
    lap: u64,
    /// Lines that may be written.
    room: u32,
    /// Lines known to be read, modulo 2^[`Memory::COUNT_BITS`].
    acked: u32,
    /// So many lines received from now on may carry acknowledgements older than `acked`.
    stale: u32,
    /// The first staged line and its control word.
    first: Option<(&'m Slot<M>, u64)>,
    /// Staged lines.
    staged: u32,
}

impl<'m, M: Memory> Sender<'m, M> {
    const PUBLISH: Ordering = match M::FLAW {
        Some(Flaw::PublishRelaxed) => Ordering::Relaxed,
        _ => Ordering::Release,
    };
    const LEARN: Ordering = match M::FLAW {
        Some(Flaw::LearnRelaxed) => Ordering::Relaxed,
        _ => Ordering::Acquire,
    };
    pub(crate) const COUNT: u32 = (1 << M::COUNT_BITS) - 1;

    pub(crate) fn new(acks: &'m Slot<M>, slots: &'m [Slot<M>]) -> Self {
        let more = matches!(M::FLAW, Some(Flaw::RoomForOneMore));
        let capacity = slots.len() as u32 + u32::from(more);
        Self {
            slots,
            acks,
            capacity,
            index: 0,
            lap: 1,
            room: capacity,
            acked: 0,
            stale: 0,
            first: None,
            staged: 0,
        }
    }

    /// Lines that may be written, as far as is known.
    #[inline(always)]
    pub(crate) const fn room(&self) -> u32 {
        self.room
    }

    /// Lines of the ring.
    #[inline]
    pub(crate) const fn capacity(&self) -> u32 {
        self.capacity
    }

    /// Lines that are staged.
    #[inline(always)]
    pub(crate) const fn staged(&self) -> u32 {
        self.staged
    }

    /// Writes a line's words, and returns its slot and what its control word will be. `None` without room.
    #[inline(always)]
    fn fill(&mut self, line: &Line, consumed: u32) -> Option<(&'m Slot<M>, u64)> {
        if self.room == 0 {
            return None;
        }
        let slot = self.slots.get(self.index)?;
        for (to, from) in slot.data.iter().zip(line.all_words()) {
            to.write(*from);
        }
        let mut lap = self.lap;
        if matches!(M::FLAW, Some(Flaw::LapTooLate)) && self.index == 0 && lap > 1 {
            lap -= 1;
        }
        let acknowledged = u64::from(consumed & Self::COUNT) << ACK_SHIFT;
        self.room -= 1;
        self.index += 1;
        if self.index == self.slots.len() {
            self.index = 0;
            self.lap = (self.lap + 1) & LAP;
        }
        Some((slot, line.shape() | acknowledged | lap))
    }

    /// Makes a line, and all that is staged behind it, the receiver's; whether that sleeps.
    #[inline(always)]
    fn hand_over(slot: &Slot<M>, control: u64) -> bool {
        if matches!(M::FLAW, Some(Flaw::PublishAfterLook)) {
            let before = slot.control.load(Ordering::Relaxed);
            slot.control.store(control, Self::PUBLISH);
            return before & ASLEEP != 0;
        }
        // What is replaced is our own word of the lap before, and perhaps the receiver's mark. Nothing else in it is believed.
        slot.control.swap(control, Self::PUBLISH) & ASLEEP != 0
    }

    /// Sends a line when nothing is staged; whether the receiver is to be woken. `None` without room. `consumed`: lines that this
    /// side has received, to acknowledge.
    #[inline(always)]
    pub(crate) fn send(&mut self, line: &Line, consumed: u32) -> Option<bool> {
        let (slot, control) = self.fill(line, consumed)?;
        Some(Self::hand_over(slot, control))
    }

    /// Stages a line. `None` without room.
    #[inline]
    pub(crate) fn stage(&mut self, line: &Line, consumed: u32) -> Option<()> {
        let (slot, control) = self.fill(line, consumed)?;
        if self.staged > 0 {
            slot.control.store(control, Ordering::Relaxed);
        } else if matches!(M::FLAW, Some(Flaw::BatchForward)) {
            Self::hand_over(slot, control);
        } else {
            self.first = Some((slot, control));
        }
        self.staged += 1;
        Some(())
    }

    /// Publishes what is staged; whether the receiver is to be woken.
    #[inline]
    pub(crate) fn publish(&mut self) -> bool {
        self.staged = 0;
        match self.first.take() {
            Some((slot, control)) => Self::hand_over(slot, control),
            None => false,
        }
    }

    /// An acknowledgement came with a received line.
    ///
    /// # Errors
    /// [`Fault::Acknowledgement`].
    #[inline(always)]
    pub(crate) fn heard(&mut self, control: u64) -> Result<(), Fault> {
        if self.stale > 0 && !matches!(M::FLAW, Some(Flaw::TrustStale)) {
            self.stale -= 1;
            return Ok(());
        }
        let new = ((control >> ACK_SHIFT) as u32).wrapping_sub(self.acked) & Self::COUNT;
        if new > self.capacity - self.room {
            return Err(Fault::Acknowledgement);
        }
        self.adopt(new);
        Ok(())
    }

    /// Nothing is left to receive: what is received from now on was sent after everything that is known.
    ///
    /// (Who acknowledges by the word did so after it had published all lines that carry older counts, and we have read the word with
    /// acquire. So those lines are visible, and since none is left, they are received.)
    #[inline(always)]
    pub(crate) const fn drained(&mut self) {
        self.stale = 0;
    }

    #[inline(always)]
    const fn adopt(&mut self, new: u32) {
        self.acked = self.acked.wrapping_add(new) & Self::COUNT;
        self.room += new;
    }

    /// Reads the word of acknowledgement, and returns it.
    ///
    /// It may be older than what came with a line: then there is nothing to learn. If it is newer, then lines that are still to
    /// be received may be older than it, at most a ring full of them. A count that has come round by then would look new, so these lines are not heard.
    ///
    /// # Errors
    /// [`Fault::Acknowledgement`].
    pub(crate) fn learn(&mut self) -> Result<u64, Fault> {
        let word = self.acks.control.load(Self::LEARN);
        let new = ((word >> ACK_SHIFT) as u32).wrapping_sub(self.acked) & Self::COUNT;
        if new <= self.capacity - self.room {
            if new > 0 {
                self.adopt(new);
                self.stale = self.capacity;
            }
        } else if new <= Self::COUNT - self.capacity {
            return Err(Fault::Acknowledgement);
        }
        Ok(word)
    }

    /// Marks the word of acknowledgement: wake me when it changes. False if there is room, or there may be.
    ///
    /// # Errors
    /// [`Fault::Acknowledgement`].
    pub(crate) fn wait(&mut self) -> Result<bool, Fault> {
        let word = self.learn()?;
        if self.room > 0 {
            return Ok(false);
        }
        if matches!(M::FLAW, Some(Flaw::WaitBlindly)) {
            self.acks.control.store(word | ASLEEP, Ordering::Relaxed);
            return Ok(true);
        }
        Ok(self.acks.control.replace(word, word | ASLEEP))
    }

    /// Takes that mark back, if it is still there.
    pub(crate) fn unwait(&self) {
        let word = self.acks.control.load(Ordering::Relaxed);
        if word & ASLEEP != 0 {
            self.acks.control.replace(word, word & !ASLEEP);
        }
    }

    /// Never touches the ring again.
    pub(crate) fn close(&mut self) {
        self.slots = &[];
        self.first = None;
        self.staged = 0;
        self.room = 0;
    }
}
