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
    /// The ring; empty when the channel is broken.
    slots: &'m [Slot<M>],
    /// Where to acknowledge.
    acks: &'m Slot<M>,
    /// The next line to read, and its lap.
    index: usize,
    lap: u64,
    /// Lines received.
    consumed: u32,
    /// Lines to receive until the word of acknowledgement is written; of so many.
    due: u32,
    every: u32,
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

    pub(crate) fn new(acks: &'m Slot<M>, slots: &'m [Slot<M>]) -> Self {
        let every = (slots.len() as u32 / 2).max(1);
        Self {
            slots,
            acks,
            index: 0,
            lap: 1,
            consumed: 0,
            due: every,
            every,
        }
    }

    /// Lines received, at least modulo 2^[`Memory::COUNT_BITS`].
    #[inline(always)]
    pub(crate) const fn consumed(&self) -> u32 {
        self.consumed
    }

    /// The next line, if it is there, and its control word, for the acknowledgement in it.
    ///
    /// # Errors
    /// [`Fault::Sequence`], [`Fault::Length`].
    #[inline(always)]
    pub(crate) fn receive(&mut self) -> Result<Option<(Line, u64)>, Fault> {
        let Some(slot) = self.slots.get(self.index) else {
            return Ok(None);
        };
        let control = slot.control.load(Self::SEE);
        if control & LAP != self.lap {
            return match self.is_before(control) {
                true => Ok(None),
                false => Err(Fault::Sequence),
            };
        }
        if matches!(M::FLAW, Some(Flaw::AcknowledgeEarly)) {
            self.consumed = self.consumed.wrapping_add(1);
            self.acknowledge();
            self.consumed = self.consumed.wrapping_sub(1);
        }
        let line = Line::received(slot.data.each_ref().map(Data::read), control)?;
        self.index += 1;
        if self.index == self.slots.len() {
            self.index = 0;
            self.lap = (self.lap + 1) & LAP;
        }
        self.consumed = self.consumed.wrapping_add(1);
        self.due -= 1;
        Ok(Some((line, control)))
    }

    /// Whether this is the control word of the lap before.
    #[inline(always)]
    const fn is_before(&self, control: u64) -> bool {
        control & LAP == self.lap.wrapping_sub(1) & LAP
    }

    /// Whether it is time to acknowledge.
    #[inline(always)]
    pub(crate) const fn is_due(&self) -> bool {
        self.due == 0
    }

    /// Whether there is anything to acknowledge.
    #[inline]
    pub(crate) const fn owes(&self) -> bool {
        self.due != self.every
    }

    /// Writes the word of acknowledgement; whether the sender waits for it.
    #[inline(never)]
    pub(crate) fn acknowledge(&mut self) -> bool {
        self.due = self.every;
        let word = u64::from(self.consumed & Self::COUNT) << ACK_SHIFT;
        if matches!(M::FLAW, Some(Flaw::AcknowledgeAfterLook)) {
            let before = self.acks.control.load(Ordering::Relaxed);
            self.acks.control.store(word, Self::ACKNOWLEDGE);
            return before & ASLEEP != 0;
        }
        self.acks.control.swap(word, Self::ACKNOWLEDGE) & ASLEEP != 0
    }

    /// Marks the next line: wake me when it comes. False if it is there already, or something else is.
    pub(crate) fn mark(&self) -> bool {
        let Some(slot) = self.slots.get(self.index) else {
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
    pub(crate) fn unmark(&self) {
        if let Some(slot) = self.slots.get(self.index) {
            let control = slot.control.load(Ordering::Relaxed);
            if self.is_before(control) && control & ASLEEP != 0 {
                slot.control.replace(control, control & !ASLEEP);
            }
        }
    }

    /// Never touches the ring again.
    pub(crate) fn close(&mut self) {
        self.slots = &[];
    }
}
