//! One direction of a channel, seen from the side that receives.
//!
//! A line is there when its lap is ours. While it says the lap before, it is still to come. Any other number is a fault.
//!
//! What was received is acknowledged with each line that goes the other way, for nothing. It is *also* written to the word of acknowledgement, once for half a
//! ring and before sleeping: that is a store to a line of our own, which costs the caches nothing as long as the sender does not look at it,
//! and it does not look before it has run out of room. A sender whose own direction is full can wait for that word alone; it need not receive to learn of
//! room, so that two sides that only send do not wait for each other forever.

use crate::Fault;
use crate::control::{ACK_SHIFT, ASLEEP, LAP};
use crate::flaw::Flaw;
use crate::line::Line;
use crate::memory::{Control, Data, Memory, Slot};
use core::sync::atomic::Ordering;

/// The receiving half.
#[derive(Debug)]
pub(crate) struct Receiver<'m, M: Memory> {
    /// The next lines to read, up to the end of the ring, or up to the one after which it is time to acknowledge; and their lap.
    run: &'m [Slot<M>],
    lap: u64,
    /// What the count of received lines is behind `run`. (So that only one of the two changes with each line.)
    until: u32,
    /// The ring; empty when the channel is broken.
    ring: &'m [Slot<M>],
    /// Where `run` ends.
    end: usize,
    /// Where to acknowledge.
    acks: &'m Slot<M>,
    /// The count of received lines last written there.
    told: u32,
    /// Lines between two acknowledgements.
    every: u32,
}

/// What is in the next line's slot.
pub(crate) enum Next {
    /// A line and its control word.
    Line(Line, u64),
    /// The line before, or nothing at all.
    Nothing,
}

impl<'m, M: Memory> Receiver<'m, M> {
    const SEE: Ordering = match M::FLAW {
        Some(Flaw::SeeRelaxed) => Ordering::Relaxed,
        _ => Ordering::Acquire,
    };
    const ACKNOWLEDGE: Ordering = match M::FLAW {
        Some(Flaw::AcknowledgeRelaxed) => Ordering::Relaxed,
        _ => Ordering::Release,
    };
    const COUNT: u32 = (1 << M::COUNT_BITS) - 1;

    pub(crate) fn new(acks: &'m Slot<M>, ring: &'m [Slot<M>]) -> Self {
        Self {
            run: &[],
            lap: 1,
            until: 0,
            ring,
            end: 0,
            acks,
            told: 0,
            every: (ring.len() as u32 / 2).max(1),
        }
    }

    /// Lines received.
    #[inline(always)]
    pub(crate) const fn consumed(&self) -> u32 {
        self.until.wrapping_sub(self.run.len() as u32)
    }

    /// The next line and its control word, if it is there and there is nothing to do but to receive it.
    #[inline(always)]
    pub(crate) fn receive_quietly(&mut self) -> Option<(Line, u64)> {
        let (slot, rest) = self.run.split_first()?;
        let control = slot.control.load(Self::SEE);
        if control & LAP != self.lap {
            return None;
        }
        self.run = rest;
        let words = slot.data.each_ref().map(Data::read);
        Some((Line::received(words, control), control))
    }

    /// As [`receive_quietly`](Self::receive_quietly), whatever there is to do. Then, if [it is due](Self::is_due), it is time to acknowledge.
    ///
    /// # Errors
    /// [`Fault::Sequence`].
    pub(crate) fn receive(&mut self) -> Result<Next, Fault> {
        let Some(slot) = self.next() else {
            return Ok(Next::Nothing);
        };
        let control = slot.control.load(Self::SEE);
        if control & LAP != self.lap {
            return match self.is_before(control) {
                true => Ok(Next::Nothing),
                false => Err(Fault::Sequence),
            };
        }
        match self.run.split_first() {
            Some((_, rest)) => self.run = rest,
            None => {
                self.end += 1;
                self.until = self.until.wrapping_add(1);
            }
        }
        if matches!(M::FLAW, Some(Flaw::AcknowledgeEarly)) {
            self.acknowledge();
        }
        let words = slot.data.each_ref().map(Data::read);
        Ok(Next::Line(Line::received(words, control), control))
    }

    /// The slot of the next line. Makes a new run when the old one is used up and the next line is not the one after which to acknowledge.
    fn next(&mut self) -> Option<&'m Slot<M>> {
        if self.run.is_empty() {
            if self.end == self.ring.len() {
                self.end = 0;
                self.lap = (self.lap + 1) & LAP;
            }
            let rest = self.ring.get(self.end..).unwrap_or_default();
            let quiet = (self.every - 1).saturating_sub(self.until.wrapping_sub(self.told));
            self.run = rest.get(..quiet as usize).unwrap_or(rest);
            self.end += self.run.len();
            self.until = self.until.wrapping_add(self.run.len() as u32);
        }
        self.run.first().or_else(|| self.ring.get(self.end))
    }

    /// Whether this is the control word of the lap before.
    const fn is_before(&self, control: u64) -> bool {
        control & LAP == self.lap.wrapping_sub(1) & LAP
    }

    /// Whether it is time to acknowledge.
    pub(crate) const fn is_due(&self) -> bool {
        self.consumed().wrapping_sub(self.told) >= self.every
    }

    /// Whether there is anything to acknowledge.
    pub(crate) const fn owes(&self) -> bool {
        self.consumed() != self.told
    }

    /// Writes the word of acknowledgement; whether the sender waits for it.
    pub(crate) fn acknowledge(&mut self) -> bool {
        self.told = self.consumed();
        let word = u64::from(self.told & Self::COUNT) << ACK_SHIFT;
        if matches!(M::FLAW, Some(Flaw::AcknowledgeAfterLook)) {
            let before = self.acks.control.load(Ordering::Relaxed);
            self.acks.control.store(word, Self::ACKNOWLEDGE);
            return before & ASLEEP != 0;
        }
        self.acks.control.swap(word, Self::ACKNOWLEDGE) & ASLEEP != 0
    }

    /// Marks the next line: wake me when it comes. False if it is there already, or something else is.
    pub(crate) fn mark(&mut self) -> bool {
        let Some(slot) = self.next() else {
            return false;
        };
        let control = slot.control.load(Ordering::Relaxed);
        if !self.is_before(control) {
            return false;
        }
        match M::FLAW {
            Some(Flaw::MarkBlindly) => slot.control.store(control | ASLEEP, Ordering::Relaxed),
            Some(Flaw::MarkNothing) => {}
            _ => return slot.control.replace(control, control | ASLEEP),
        }
        true
    }

    /// Takes that mark back, if it is still there.
    pub(crate) fn unmark(&mut self) {
        if let Some(slot) = self.next() {
            let control = slot.control.load(Ordering::Relaxed);
            if self.is_before(control) && control & ASLEEP != 0 {
                slot.control.replace(control, control & !ASLEEP);
            }
        }
    }

    /// Never touches the ring again.
    pub(crate) fn close(&mut self) {
        self.told = self.consumed();
        self.until = self.told;
        self.run = &[];
        self.ring = &[];
        self.end = 0;
    }
}
