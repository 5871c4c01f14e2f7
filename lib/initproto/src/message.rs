//! The messages: at most nine words.
//!
//! | Word 0, bits 7:0 | Rest |
//! |---|---|
//! | 1 Exit | word 1: status, 0 to 255 |
//! | 2 Fault | words 1 to 4: cause, ESR, FAR, PC; words 5 and 6: the thread's name |
//! | 3 Record | word 0 bits 15:8 bytes in this chunk, bit 16 last chunk; words 1 to 8: the bytes |
//! | 4 Request | see [`request`](crate::request) |

use crate::fault::{Fault, FaultCause};
use crate::request::{Request, TAG_REQUEST};
use kpi::invocation::RECORD_MAX;
use kpi::lmp::LMP_WORDS;

const TAG_EXIT: u64 = 1;
const TAG_FAULT: u64 = 2;
const TAG_RECORD: u64 = 3;

/// Bytes of a record that one message carries.
pub const RECORD_CHUNK: usize = 64;

/// A message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Message {
    /// The domain has ended.
    Exit {
        /// Its status.
        status: u8,
    },
    /// A fault ended the domain.
    Fault(Fault),
    /// Part of a record's JSON.
    Record {
        /// The bytes; the first `length` count.
        bytes: [u8; RECORD_CHUNK],
        /// How many.
        length: u8,
        /// Whether the record is complete with it.
        last: bool,
    },
    /// A wish.
    Request(Request),
}

impl Message {
    /// The words of the message, and how many of them count.
    pub fn encode(&self) -> ([u64; LMP_WORDS], usize) {
        let mut words = [0; LMP_WORDS];
        match self {
            Self::Exit { status } => {
                fill(&mut words, [TAG_EXIT, u64::from(*status)]);
                (words, 2)
            }
            Self::Fault(fault) => {
                let name = u128::from_le_bytes(fault.thread);
                let values = [
                    TAG_FAULT,
                    fault.cause as u64,
                    fault.esr,
                    fault.far,
                    fault.pc,
                    name as u64,
                    (name >> 64) as u64,
                ];
                fill(&mut words, values);
                (words, 7)
            }
            Self::Record {
                bytes,
                length,
                last,
            } => {
                let head = TAG_RECORD | u64::from(*length) << 8 | u64::from(*last) << 16;
                let payload = bytes
                    .chunks_exact(8)
                    .map(|chunk| chunk.try_into().map_or(0, u64::from_le_bytes));
                fill(&mut words, core::iter::once(head).chain(payload));
                (
                    words,
                    1 + usize::from(*length).min(RECORD_CHUNK).div_ceil(8),
                )
            }
            Self::Request(request) => {
                fill(&mut words, request.encode());
                (words, 3)
            }
        }
    }

    /// The message with these words; `None` when it is none.
    pub fn decode(words: &[u64]) -> Option<Self> {
        let head = *words.first()?;
        match head & 0xff {
            TAG_EXIT => Some(Self::Exit {
                status: u8::try_from(*words.get(1)?).ok()?,
            }),
            TAG_FAULT => Some(Self::Fault(Fault {
                cause: FaultCause::from_word(*words.get(1)?)?,
                esr: *words.get(2)?,
                far: *words.get(3)?,
                pc: *words.get(4)?,
                thread: (u128::from(*words.get(5)?) | u128::from(*words.get(6)?) << 64)
                    .to_le_bytes(),
            })),
            TAG_RECORD => {
                let length = (head >> 8) as u8;
                let wanted = usize::from(length).div_ceil(8);
                let payload = words.get(1..=wanted)?;
                let mut bytes = [0; RECORD_CHUNK];
                if usize::from(length) > RECORD_CHUNK {
                    return None;
                }
                for (place, word) in bytes.chunks_exact_mut(8).zip(payload) {
                    place.copy_from_slice(&word.to_le_bytes());
                }
                Some(Self::Record {
                    bytes,
                    length,
                    last: head >> 16 & 1 == 1,
                })
            }
            TAG_REQUEST => Request::decode(words).map(Self::Request),
            _ => None,
        }
    }
}

fn fill(words: &mut [u64], values: impl IntoIterator<Item = u64>) {
    for (place, value) in words.iter_mut().zip(values) {
        *place = value;
    }
}

/// The messages that carry a record's JSON.
pub fn record_chunks(json: &[u8]) -> impl Iterator<Item = Message> + '_ {
    let count = json.len().div_ceil(RECORD_CHUNK);
    json.chunks(RECORD_CHUNK)
        .enumerate()
        .map(move |(index, chunk)| {
            let mut bytes = [0; RECORD_CHUNK];
            if let Some(place) = bytes.get_mut(..chunk.len()) {
                place.copy_from_slice(chunk);
            }
            Message::Record {
                bytes,
                length: chunk.len() as u8,
                last: index + 1 == count,
            }
        })
}

/// Joins the chunks of a record.
#[derive(Clone, Debug)]
pub struct RecordAssembler {
    bytes: [u8; RECORD_MAX as usize],
    length: usize,
    overflowed: bool,
}

impl Default for RecordAssembler {
    fn default() -> Self {
        Self {
            bytes: [0; RECORD_MAX as usize],
            length: 0,
            overflowed: false,
        }
    }
}

impl RecordAssembler {
    /// Takes a chunk. With the last one, hands the whole text to `done`: `None` when it was too long, no UTF-8, or held
    /// control characters (a record is one line).
    pub fn feed(&mut self, chunk: &[u8], last: bool, done: impl FnOnce(Option<&str>)) {
        let place = self.bytes.get_mut(self.length..self.length + chunk.len());
        match place {
            Some(place) => {
                place.copy_from_slice(chunk);
                self.length += chunk.len();
            }
            None => self.overflowed = true,
        }
        if last {
            let whole = self.bytes.get(..self.length).unwrap_or_default();
            let text = core::str::from_utf8(whole).ok();
            let text = text.filter(|text| !self.overflowed && !text.contains(char::is_control));
            done(text);
            self.length = 0;
            self.overflowed = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(message: Message) {
        let (words, count) = message.encode();
        assert_eq!(Message::decode(&words[..count]), Some(message));
        for cut in 0..count {
            assert_eq!(Message::decode(&words[..cut]), None);
        }
    }

    #[test]
    fn messages_round_trip() {
        round_trip(Message::Exit { status: 42 });
        round_trip(Message::Fault(Fault {
            cause: FaultCause::StackOverflow,
            esr: 0x9200_0046,
            far: 0x1234,
            pc: 0x40_1234,
            thread: *b"a worker thread\0",
        }));
    }

    #[test]
    fn requests_are_messages() {
        let wish = crate::Wish::Delete {
            address: 0x703,
            level: 2,
        };
        round_trip(Message::Request(Request { number: 9, wish }));
    }

    #[test]
    fn records_of_every_length_round_trip() {
        for length in 1..=RECORD_MAX as usize {
            let json: String = (0..length)
                .map(|i| (b'a' + (i % 26) as u8) as char)
                .collect();
            let mut assembler = RecordAssembler::default();
            let mut seen = None;
            for chunk in record_chunks(json.as_bytes()) {
                let (words, count) = chunk.encode();
                let Some(Message::Record {
                    bytes,
                    length,
                    last,
                }) = Message::decode(&words[..count])
                else {
                    panic!("no record chunk");
                };
                assembler.feed(&bytes[..length as usize], last, |text| {
                    seen = Some(text.map(str::to_owned));
                });
            }
            assert_eq!(seen, Some(Some(json)));
        }
    }

    #[test]
    fn bad_records_are_refused_and_the_next_one_works() {
        let mut assembler = RecordAssembler::default();
        for _ in 0..20 {
            assembler.feed(&[b'x'; 64], false, |_| panic!("not the last"));
        }
        assembler.feed(b"x", true, |text| assert_eq!(text, None));
        assembler.feed(b"a\nb", true, |text| assert_eq!(text, None));
        assembler.feed(b"\xff", true, |text| assert_eq!(text, None));
        assembler.feed(b"{}", true, |text| assert_eq!(text, Some("{}")));
    }

    #[test]
    fn random_words_are_harmless() {
        let mut seed = 1u64;
        for _ in 0..100_000 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let words = [seed & 0x1_ffff, seed >> 3, seed, seed, seed, 0, 0, 0, 0];
            let _ = Message::decode(&words[..(seed >> 40) as usize % 10]);
        }
    }
}
