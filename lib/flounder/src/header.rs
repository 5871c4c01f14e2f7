//! The first word of every message: what it is, and to which call it belongs.
//!
//! | Bits | What |
//! |---|---|
//! | 0 to 3 | kind |
//! | 4 | the message is the first of several |
//! | 5 to 15 | method, in the order of the trait |
//! | 16 to 18 | bytes of the last word that are no data, if the message is one by itself |
//! | 19 to 63 | number of the call |
//!
//! Barrelfish counterpart: the 16-bit message code and the 32-bit token of a Flounder message.

/// Methods that an interface can have.
pub const METHODS_MAX: u16 = 1 << 11;

const FRAGMENTED: u64 = 1 << 4;

/// Where the bytes of the last word that are no data stand. A [`Header`] leaves them out: they belong to the data.
pub(crate) const SPARE_SHIFT: u32 = 16;
pub(crate) const SPARE: u64 = 7 << SPARE_SHIFT;
pub(crate) const CALL_SHIFT: u32 = 19;

/// What a message is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Client: name and version of the interface, once, first.
    Bind = 1,
    /// Client: a call.
    Call = 2,
    /// Client: a message without an answer.
    OneWay = 3,
    /// Server: the result of a call, or that the bind is done.
    Reply = 4,
    /// Server: the error that a call or the bind ended with.
    Failed = 5,
    /// Both: what follows a message that is the first of several.
    Part = 6,
    /// Both: the rest of the message under way will not come.
    Abort = 7,
    /// Client: nobody waits for this call any more.
    Cancel = 8,
    /// Both: more of a message, in memory that both share; the next word says how many bytes.
    Slice = 9,
    /// Client: here is memory to share. Server: there should be some. It is the transport's, and may come between any two messages.
    Window = 10,
}

/// The message that a transport sends for [`Kind::Window`].
pub const WINDOW: u64 = Kind::Window as u64;

/// The number of a call: the client's choice, the server only repeats it.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct CallId(u64);

impl CallId {
    const INDEX_BITS: u32 = 12;
    const MASK: u64 = u64::MAX >> CALL_SHIFT;

    /// Calls that one connection can have under way.
    pub const CALLS_MAX: usize = 1 << Self::INDEX_BITS;

    /// Place `index` of the client's table, used for the `generation`th time.
    #[inline]
    pub(crate) fn new(index: usize, generation: u64) -> Self {
        Self(((generation << Self::INDEX_BITS) | index as u64) & Self::MASK)
    }

    #[inline]
    pub(crate) fn index(self) -> usize {
        (self.0 & (Self::CALLS_MAX as u64 - 1)) as usize
    }

    /// Whether this is an earlier use of the same place, numbers going round.
    pub(crate) fn is_before(self, other: Self) -> bool {
        let ahead = other.0.wrapping_sub(self.0) & Self::MASK;
        ahead != 0 && ahead <= Self::MASK / 2
    }

    /// The 45 bits.
    #[inline]
    pub fn raw(self) -> u64 {
        self.0
    }
}

/// The first word, taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// What the message is.
    pub kind: Kind,
    /// Whether it is the first of several.
    pub fragmented: bool,
    /// Which method, for calls and one-way messages.
    pub method: u16,
    /// Which call.
    pub call: CallId,
}

impl Header {
    /// A message that is not the first of several.
    #[inline]
    pub fn new(kind: Kind, method: u16, call: CallId) -> Self {
        Self {
            kind,
            fragmented: false,
            method,
            call,
        }
    }

    /// As a word.
    #[inline]
    pub fn to_word(self) -> u64 {
        self.kind as u64
            | if self.fragmented { FRAGMENTED } else { 0 }
            | u64::from(self.method & (METHODS_MAX - 1)) << 5
            | self.call.0 << CALL_SHIFT
    }

    /// From a word, or `None` if no message has this kind, or one of this kind is never the first of several.
    #[inline]
    pub fn from_word(word: u64) -> Option<Self> {
        let kind = match word & 0xf {
            1 => Kind::Bind,
            2 => Kind::Call,
            3 => Kind::OneWay,
            4 => Kind::Reply,
            5 => Kind::Failed,
            6 => Kind::Part,
            7 => Kind::Abort,
            8 => Kind::Cancel,
            9 => Kind::Slice,
            10 => Kind::Window,
            _ => return None,
        };
        let fragmented = word & FRAGMENTED != 0;
        if fragmented && !matches!(kind, Kind::Call | Kind::OneWay | Kind::Reply) {
            return None;
        }
        Some(Self {
            kind,
            fragmented,
            method: (word >> 5) as u16 & (METHODS_MAX - 1),
            call: CallId(word >> CALL_SHIFT),
        })
    }
}

/// The second word of a message's first fragment: how much will come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sizes {
    /// Bytes of data, of 48 bits.
    pub(crate) bytes: u64,
    /// Capabilities, of 15 bits.
    pub(crate) caps: u16,
    /// The data is not in the fragments but in memory; the capability to it comes with this fragment, before the others.
    pub(crate) packed: bool,
}

impl Sizes {
    const BYTES: u64 = (1 << 48) - 1;
    /// Capabilities that one message can have.
    pub(crate) const CAPS: u16 = (1 << 15) - 1;

    pub(crate) fn to_word(self) -> u64 {
        (self.bytes & Self::BYTES)
            | u64::from(self.caps & Self::CAPS) << 48
            | u64::from(self.packed) << 63
    }

    pub(crate) fn from_word(word: u64) -> Self {
        Self {
            bytes: word & Self::BYTES,
            caps: (word >> 48) as u16 & Self::CAPS,
            packed: word >> 63 != 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CallId, Header, METHODS_MAX, SPARE, Sizes};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn words_that_are_headers_lead_back(word: u64) {
            if let Some(header) = Header::from_word(word) {
                prop_assert_eq!(header.to_word(), word & !SPARE);
                prop_assert!(header.method < METHODS_MAX);
            }
        }

        #[test]
        fn later_uses_of_a_place_come_after(generation: u64, more in 1..1_u64 << 32) {
            let (one, other) = (CallId::new(5, generation), CallId::new(5, generation.wrapping_add(more)));
            prop_assert!(one.is_before(other) && !other.is_before(one) && !one.is_before(one));
        }

        #[test]
        fn sizes_lead_back(word: u64) {
            prop_assert_eq!(Sizes::from_word(word).to_word(), word);
        }
    }
}
