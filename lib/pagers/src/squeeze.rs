//! A region that is larger than the memory behind it: pages that are not used lie compressed on the heap.
//!
//! The memory is a number of slots. A page that is touched gets one; if none is free, the [`Clock`] chooses whose page to compress. Whether a
//! page was used is found out by taking it away: it *rests* in its slot then, and comes back by a fault if it is used.
//!
//! A page that is all zero takes no memory; one that does not get smaller by compression is kept as it is.
//!
//! Errors are those of [`Frames`]; then nothing is lost, but pages may rest that did not before.

use crate::PAGE;
use crate::clock::{Clock, Seen};
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

/// The slots, and the pages that they can be put behind.
pub trait Frames {
    /// Why something could not be done.
    type Error;

    /// What is in a slot. It is asked for only while no page is there with it: before it is given to one, or when that was taken away.
    fn slot(&mut self, slot: usize) -> &mut [u8; PAGE];

    /// Takes a page away, that is there: from now on an access to it is a fault.
    ///
    /// # Errors
    /// It is still there.
    fn take(&mut self, page: usize) -> Result<(), Self::Error>;
}

/// Where a page is.
#[derive(Debug)]
enum Place {
    /// Nowhere: it is all zero.
    Zero,
    /// In a slot, and there.
    There(usize),
    /// In a slot, and not there since the hand came by.
    Resting(usize),
    /// Compressed.
    Packed(Box<[u8]>),
    /// As it is, since it does not get smaller.
    Plain(Box<[u8; PAGE]>),
}

/// What was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Statistics {
    /// Pages that came back from resting.
    pub woken: u64,
    /// Pages that were compressed, or found to be zero.
    pub packed: u64,
    /// Pages that were restored.
    pub restored: u64,
}

/// The pages of a region and the slots behind them.
#[derive(Debug)]
pub struct Squeezer {
    pages: Vec<Place>,
    /// Whose page each slot has.
    slots: Vec<Option<usize>>,
    clock: Clock,
    statistics: Statistics,
    output: Box<[u8]>,
    packed_bytes: usize,
}

impl Squeezer {
    /// So many pages, all zero, and so many slots, all free.
    #[must_use]
    pub fn new(pages: usize, slots: usize) -> Self {
        let zero = || Place::Zero;
        Self {
            pages: core::iter::repeat_with(zero).take(pages).collect(),
            slots: vec![None; slots],
            clock: Clock::new(),
            statistics: Statistics::default(),
            output: vec![0; lz4_flex::block::get_maximum_output_size(PAGE)].into_boxed_slice(),
            packed_bytes: 0,
        }
    }

    /// A page was touched that is not there. Answers in which slot it is now; the caller puts it there. `None`: there is no such page, or no slot.
    ///
    /// # Errors
    /// A page could not be taken away.
    pub fn fault<F: Frames>(
        &mut self,
        page: usize,
        frames: &mut F,
    ) -> Result<Option<usize>, F::Error> {
        match self.pages.get_mut(page) {
            None => return Ok(None),
            Some(Place::There(slot)) => return Ok(Some(*slot)),
            Some(place @ Place::Resting(_)) => {
                let Place::Resting(slot) = *place else {
                    return Ok(None);
                };
                *place = Place::There(slot);
                self.statistics.woken += 1;
                return Ok(Some(slot));
            }
            Some(_) => {}
        }
        let Some(slot) = self.free_slot(frames)? else {
            return Ok(None);
        };
        let Some(place) = self.pages.get_mut(page) else {
            return Ok(None);
        };
        let content = frames.slot(slot);
        match core::mem::replace(place, Place::There(slot)) {
            Place::Packed(packed) => {
                // What was compressed here can be restored here.
                let restored = lz4_flex::block::decompress_into(&packed, content);
                debug_assert_eq!(restored.ok(), Some(PAGE));
                self.packed_bytes -= packed.len();
                self.statistics.restored += 1;
            }
            Place::Plain(plain) => {
                *content = *plain;
                self.packed_bytes -= PAGE;
                self.statistics.restored += 1;
            }
            _ => content.fill(0),
        }
        if let Some(owner) = self.slots.get_mut(slot) {
            *owner = Some(page);
        }
        Ok(Some(slot))
    }

    /// A slot without a page: a free one, or one whose page is compressed now.
    fn free_slot<F: Frames>(&mut self, frames: &mut F) -> Result<Option<usize>, F::Error> {
        if let Some(free) = self.slots.iter().position(Option::is_none) {
            return Ok(Some(free));
        }
        let (pages, slots) = (&mut self.pages, &self.slots);
        let chosen = self.clock.choose(slots.len(), |slot| {
            let page = slots.get(slot).copied().flatten();
            let place = page.and_then(|page| Some((page, pages.get_mut(page)?)));
            match place {
                Some((page, place @ Place::There(_))) => {
                    frames.take(page)?;
                    *place = Place::Resting(slot);
                    Ok(Seen::Used)
                }
                _ => Ok(Seen::Idle),
            }
        })?;
        if let Some(slot) = chosen {
            self.pack(slot, frames);
        }
        Ok(chosen)
    }

    /// Compresses the page of a slot, which rests.
    fn pack<F: Frames>(&mut self, slot: usize, frames: &mut F) {
        let owner = self.slots.get_mut(slot).and_then(Option::take);
        let Some(place) = owner.and_then(|page| self.pages.get_mut(page)) else {
            return;
        };
        let content = frames.slot(slot);
        self.statistics.packed += 1;
        if content.iter().all(|byte| *byte == 0) {
            *place = Place::Zero;
            return;
        }
        let packed = lz4_flex::block::compress_into(content, &mut self.output);
        let packed = packed.ok().filter(|bytes| *bytes < PAGE);
        *place = match packed.and_then(|bytes| self.output.get(..bytes)) {
            Some(packed) => Place::Packed(packed.into()),
            None => Place::Plain(Box::new(*content)),
        };
        self.packed_bytes += packed.unwrap_or(PAGE);
    }

    /// What was done so far.
    #[must_use]
    pub const fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// Bytes that compressed pages take.
    #[must_use]
    pub const fn packed_bytes(&self) -> usize {
        self.packed_bytes
    }
}
