//! One direction of a channel, seen from the side that sends.
//!
//! Room is lines that may be written without asking; `acked` is how many of the written ones are known to be read. Both are ours: what the other
//! side acknowledges is checked against them. That is done when the room is used up, not before: until then the last acknowledgement that came with a line
//! is only kept, in `heard`. The room up to the end of the ring is a slice, `run`, so that sending a line is taking the first of it.
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
    /// The next lines to write, for which there is room; and their lap.
    run: &'m [Slot<M>],
    lap: u64,
    /// The ring; empty when the channel is broken.
    ring: &'m [Slot<M>],
    /// Where `run` ends.
    end: usize,
    /// Room behind that.
    spare: u32,
    /// Lines of the ring.
    capacity: u32,
    /// Where the other side acknowledges.
    acks: &'m Slot<M>,
    /// The last acknowledgement that came with a line.
    pub(crate) heard: u64,
    /// Lines known to be read, modulo 2^[`Memory::COUNT_BITS`].
    acked: u32,
    /// `heard` may be older than `acked`, until more than `capacity` lines were received after `since`.
    distrust: bool,
    since: u32,
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
    const COUNT: u32 = (1 << M::COUNT_BITS) - 1;

    pub(crate) fn new(acks: &'m Slot<M>, ring: &'m [Slot<M>]) -> Self {
        let more = matches!(M::FLAW, Some(Flaw::RoomForOneMore));
        let capacity = ring.len() as u32 + u32::from(more);
        Self {
            run: &[],
            lap: 1,
            ring,
            end: 0,
            spare: capacity,
            capacity,
            acks,
            heard: 0,
            acked: 0,
            distrust: false,
            since: 0,
            first: None,
            staged: 0,
        }
    }

    /// Lines that may be written, as far as is known.
    pub(crate) const fn room(&self) -> u32 {
        self.run.len() as u32 + self.spare
    }

    /// Lines that may still be unread.
    const fn unread(&self) -> u32 {
        self.capacity - self.room()
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

    /// Makes a new run when the old one is used up.
    fn turn(&mut self) {
        if !self.run.is_empty() {
            return;
        }
        if self.end == self.ring.len() {
            self.end = 0;
            self.lap = (self.lap + 1) & LAP;
        }
        let rest = self.ring.get(self.end..).unwrap_or_default();
        self.run = rest.get(..self.spare as usize).unwrap_or(rest);
        self.end += self.run.len();
        self.spare -= self.run.len() as u32;
    }

    /// Writes a line's words, and returns its slot and what its control word will be. `None` if the run is used up.
    #[inline(always)]
    fn fill(&mut self, line: &Line, consumed: u32) -> Option<(&'m Slot<M>, u64)> {
        let (slot, rest) = self.run.split_first()?;
        for (to, from) in slot.data.iter().zip(line.all_words()) {
            to.write(*from);
        }
        let mut lap = self.lap;
        if matches!(M::FLAW, Some(Flaw::LapTooLate)) && self.end == self.run.len() && lap > 1 {
            lap -= 1;
        }
        self.run = rest;
        let acknowledged = u64::from(consumed & Self::COUNT) << ACK_SHIFT;
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

    /// Sends a line when nothing is staged; whether the receiver is to be woken. `None` if the run is used up. `consumed`: lines that this
    /// side has received, to acknowledge.
    #[inline(always)]
    pub(crate) fn send(&mut self, line: &Line, consumed: u32) -> Option<bool> {
        let (slot, control) = self.fill(line, consumed)?;
        Some(Self::hand_over(slot, control))
    }

    /// Stages a line. `None` without room.
    #[inline]
    pub(crate) fn stage(&mut self, line: &Line, consumed: u32) -> Option<()> {
        self.turn();
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

    /// Nothing is left to receive: what is received from now on was sent after everything that is known.
    ///
    /// (Who acknowledges by the word did so after it had published all lines that carry older counts, and we have read the word with
    /// acquire. So those lines are visible, and since none is left, they are received.)
    #[inline]
    pub(crate) const fn drained(&mut self) {
        if self.distrust {
            self.distrust = false;
            self.heard = (self.acked as u64) << ACK_SHIFT;
        }
    }

    /// Looks for room: first in what was heard, then, if that gives none, in the word of acknowledgement.
    ///
    /// # Errors
    /// [`Fault::Acknowledgement`].
    pub(crate) fn find_room(&mut self, consumed: u32) -> Result<bool, Fault> {
        if self.distrust && consumed.wrapping_sub(self.since) > self.capacity {
            self.distrust = false;
        }
        if !self.distrust || matches!(M::FLAW, Some(Flaw::TrustStale)) {
            let new = self.news(self.heard);
            if new > self.unread() {
                return Err(Fault::Acknowledgement);
            }
            self.adopt(new);
        }
        if self.room() == 0 {
            self.learn(consumed)?;
        }
        Ok(self.room() > 0)
    }

    /// How many lines more than we know this word acknowledges.
    fn news(&self, word: u64) -> u32 {
        ((word >> ACK_SHIFT) as u32).wrapping_sub(self.acked) & Self::COUNT
    }

    fn adopt(&mut self, new: u32) {
        self.acked = self.acked.wrapping_add(new) & Self::COUNT;
        self.spare += new;
    }

    /// Reads the word of acknowledgement, and returns it.
    ///
    /// It may be older than what came with a line, by less than a ring: then there is nothing to learn. If it is newer, then lines that are still to
    /// be received may be older than it, at most a ring full of them. When the count has come round, theirs could look new: so they are not believed.
    ///
    /// # Errors
    /// [`Fault::Acknowledgement`].
    fn learn(&mut self, consumed: u32) -> Result<u64, Fault> {
        let word = self.acks.control.load(Self::LEARN);
        let new = self.news(word);
        if new <= self.unread() {
            if new > 0 {
                self.adopt(new);
                self.distrust = true;
                self.since = consumed;
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
    pub(crate) fn wait(&mut self, consumed: u32) -> Result<bool, Fault> {
        let word = self.learn(consumed)?;
        if self.room() > 0 {
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
        if self.ring.is_empty() {
            return;
        }
        let word = self.acks.control.load(Ordering::Relaxed);
        if word & ASLEEP != 0 {
            self.acks.control.replace(word, word & !ASLEEP);
        }
    }

    /// Never touches the ring again.
    pub(crate) fn close(&mut self) {
        self.run = &[];
        self.ring = &[];
        self.end = 0;
        self.spare = 0;
        self.first = None;
        self.staged = 0;
    }
}
