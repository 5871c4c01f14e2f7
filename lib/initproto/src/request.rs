//! What a domain asks of its monitor (init, as long as there is no monitor), and the answer.
//!
//! A request is a message like the others, with tag 4; a wish about a capability carries a copy of the root CNode in whose CSpace the
//! address is meant. The answer comes to the first endpoint buffer of the asking domain.
//!
//! | Word 0: bits 7:0 | 15:8 | 63:32 | Words 1 and 2 |
//! |---|---|---|---|
//! | 4 | 1 Delete | number | address, level |
//! | 4 | 2 Revoke | number | address, level |
//! | 4 | 3 RAM | number | bytes, alignment |
//! | 4 | 4 free RAM | number | base, bytes |
//! | 5 answer | | number of the request | the error's raw value, 0 = done |
//!
//! **Bounds.** A domain has one request at a time; the next one is refused by the kernel, transiently, as long as the first one's root CNode
//! lies in the monitor's receive slot, or else it waits in the endpoint's buffer. So a flood stays in the flooding domain.

use kpi::lmp::LMP_WORDS;

/// Tag of a request.
pub(crate) const TAG_REQUEST: u64 = 4;
const TAG_ANSWER: u64 = 5;

/// What is wished.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wish {
    /// Delete a capability, even the last copy of what holds capabilities.
    Delete {
        /// Its address in the CSpace whose root came along.
        address: u32,
        /// Level of the address: 1 or 2.
        level: u8,
    },
    /// Revoke a capability.
    Revoke {
        /// As above.
        address: u32,
        /// As above.
        level: u8,
    },
    /// A RAM capability.
    Ram {
        /// Its size.
        bytes: u64,
        /// A power of two.
        alignment: u64,
    },
    /// Memory of such a capability back; it is deleted already.
    FreeRam {
        /// Physical address.
        base: u64,
        /// Its size.
        bytes: u64,
    },
}

/// A request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request {
    /// The asking domain's number for it.
    pub number: u32,
    /// What is wished.
    pub wish: Wish,
}

impl Request {
    /// The words of the message.
    pub const fn encode(&self) -> [u64; 3] {
        let (kind, first, second) = match self.wish {
            Wish::Delete { address, level } => (1, address as u64, level as u64),
            Wish::Revoke { address, level } => (2, address as u64, level as u64),
            Wish::Ram { bytes, alignment } => (3, bytes, alignment),
            Wish::FreeRam { base, bytes } => (4, base, bytes),
        };
        [
            TAG_REQUEST | kind << 8 | (self.number as u64) << 32,
            first,
            second,
        ]
    }

    /// The request with these words; `None` when it is none.
    pub fn decode(words: &[u64]) -> Option<Self> {
        let [head, first, second] = *words.first_chunk()?;
        if head & 0xff != TAG_REQUEST {
            return None;
        }
        let place = || Some((u32::try_from(first).ok()?, u8::try_from(second).ok()?));
        let wish = match head >> 8 & 0xff {
            1 => place().map(|(address, level)| Wish::Delete { address, level }),
            2 => place().map(|(address, level)| Wish::Revoke { address, level }),
            3 => Some(Wish::Ram {
                bytes: first,
                alignment: second,
            }),
            4 => Some(Wish::FreeRam {
                base: first,
                bytes: second,
            }),
            _ => None,
        };
        Some(Self {
            number: (head >> 32) as u32,
            wish: wish?,
        })
    }
}

/// The answer to a request. The capability that was asked for comes along.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answer {
    /// Number of the request.
    pub number: u32,
    /// 0, or a stacked error value.
    pub error: u64,
}

impl Answer {
    /// The words of the message.
    pub const fn encode(&self) -> [u64; 2] {
        [TAG_ANSWER | (self.number as u64) << 32, self.error]
    }

    /// The answer with these words; `None` when it is none.
    pub fn decode(words: &[u64]) -> Option<Self> {
        let [head, error] = *words.first_chunk()?;
        (head & 0xff == TAG_ANSWER).then_some(Self {
            number: (head >> 32) as u32,
            error,
        })
    }
}

const _: () = assert!(LMP_WORDS >= 3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_answers_round_trip() {
        let wishes = [
            Wish::Delete {
                address: 0x1234,
                level: 2,
            },
            Wish::Revoke {
                address: u32::MAX,
                level: 1,
            },
            Wish::Ram {
                bytes: u64::MAX,
                alignment: 4096,
            },
            Wish::FreeRam {
                base: 0x4000_0000,
                bytes: 4096,
            },
        ];
        for (number, wish) in (u32::MAX - 3..=u32::MAX).zip(wishes) {
            let request = Request { number, wish };
            let words = request.encode();
            assert_eq!(Request::decode(&words), Some(request));
            for cut in 0..3 {
                assert_eq!(Request::decode(&words[..cut]), None);
            }
            assert_eq!(Answer::decode(&words), None);
        }
        let answer = Answer {
            number: 7,
            error: 0x1234_5678_9abc,
        };
        assert_eq!(Answer::decode(&answer.encode()), Some(answer));
        assert_eq!(Request::decode(&[5, 0, 0]), None);
    }

    #[test]
    fn addresses_that_do_not_fit_are_refused() {
        for kind in [1u64, 2] {
            let head = TAG_REQUEST | kind << 8;
            assert_eq!(Request::decode(&[head, 1 << 32, 2]), None);
            assert_eq!(Request::decode(&[head, 1, 256]), None);
        }
        assert_eq!(Request::decode(&[TAG_REQUEST, 0, 0]), None);
        assert_eq!(Request::decode(&[TAG_REQUEST | 5 << 8, 0, 0]), None);
    }
}
