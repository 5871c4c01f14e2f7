//! Address-space identifiers: given out at dispatch, all taken back at once when they run out.
//!
//! A dispatcher's tag holds the number and the generation it was given in. A tag of an older generation is worthless: at the
//! next dispatch a new number is given. Starting a generation flushes every translation of this core, so a number never finds
//! another space's leftovers. Number 0 belongs to the empty table.

/// What a dispatcher keeps.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct AsidTag {
    generation: u64,
    number: u16,
}

/// The allocator of this core.
pub struct Asids {
    generation: u64,
    next: u32,
    limit: u32,
}

/// What the caller of [`Asids::assign`] has to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Assigned {
    /// To keep in the dispatcher.
    pub tag: AsidTag,
    /// The number to run with.
    pub number: u16,
    /// A new generation began: flush every translation of this core first.
    pub flush_all: bool,
}

impl Asids {
    /// Numbers of `bits` bits (8 or 16).
    pub const fn new(bits: u32) -> Self {
        Self {
            generation: 1,
            next: 1,
            limit: 1 << bits,
        }
    }

    /// The number for a dispatcher that holds `tag`.
    #[inline]
    pub fn assign(&mut self, tag: AsidTag) -> Assigned {
        if tag.generation == self.generation {
            return Assigned {
                tag,
                number: tag.number,
                flush_all: false,
            };
        }
        let flush_all = self.next == self.limit;
        if flush_all {
            self.generation += 1;
            self.next = 1;
        }
        let number = self.next as u16;
        self.next += 1;
        Assigned {
            tag: AsidTag {
                generation: self.generation,
                number,
            },
            number,
            flush_all,
        }
    }

    /// The number that `tag` stands for now, if any translation may still carry it.
    #[inline]
    pub fn live_number(&self, tag: AsidTag) -> Option<u16> {
        (tag.generation == self.generation).then_some(tag.number)
    }
}
