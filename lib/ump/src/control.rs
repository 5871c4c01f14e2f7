//! The control word: the last word of a line, written last, which says what the line is.
//!
//! | Bits | Field | Meaning |
//! |---|---|---|
//! | 0 to 7 | lap | how often the ring has come round, from 1; memory that was never used says 0 |
//! | 8 to 22 | acknowledged | lines that the sender of this line has itself received, modulo 2^15 |
//! | 23 to 25 | spare | bytes of the last word that are no data |
//! | 26 to 28 | words | words of data |
//! | 29 | more | the message goes on in the next line; this one is full, whatever the two fields before say |
//! | 30 | token | there is a token |
//! | 31 | asleep | written by the receiver into a line that is not there yet: wake me when it is |
//! | 32 to 63 | token | the token |
//!
//! Lap and place in the ring make the line's sequence number. The *word of acknowledgement*, alone in a line of its own before the
//! ring and written by the receiver, has the same field at bit 8, and at bit 31 the mark of a sender that waits for room.
//!
//! All fields are in one word so that they become visible together. Every value of every field means something, but for the lap: so the lap is all
//! that has to be checked when a line comes.

/// Words of data in a line.
pub const LINE_WORDS: usize = 7;

/// Bytes of data in a line.
pub const LINE_BYTES: usize = LINE_WORDS * 8;

/// The lap.
pub(crate) const LAP: u64 = 0xff;
pub(crate) const ACK_SHIFT: u32 = 8;
pub(crate) const SPARE_SHIFT: u32 = 23;
/// Of the words and the spare bytes; each.
pub(crate) const SEVEN: u64 = 7;
pub(crate) const WORDS_SHIFT: u32 = 26;
/// More follows.
pub(crate) const MORE: u64 = 1 << 29;
/// There is a token.
pub(crate) const TOKEN: u64 = 1 << 30;
/// Who reads this line, or who waits for this acknowledgement, sleeps.
pub(crate) const ASLEEP: u64 = 1 << 31;
pub(crate) const TOKEN_SHIFT: u32 = 32;
/// What belongs to the line itself, and not to its place or time.
pub(crate) const SHAPE: u64 =
    u64::MAX << TOKEN_SHIFT | TOKEN | MORE | SEVEN << WORDS_SHIFT | SEVEN << SPARE_SHIFT;

/// Bits of the count of acknowledged lines.
pub(crate) const COUNT_BITS: u32 = SPARE_SHIFT - ACK_SHIFT;
