//! The messages: at most nine words.
//!
//! | Word 0, bits 7:0 | Rest |
//! |---|---|
//! | 1 Exit | word 1: status, 0 to 255 |
//! | 2 Fault | words 1 to 4: cause, ESR, FAR, PC; words 5 and 6: the thread's name |
//! | 3 Record | word 0 bits 15:8 bytes in this chunk, bit 16 last chunk; words 1 to 8: the bytes |
//! | 4 Request | see [`request`](crate::request) |
//! | 6 Text | as Record: part of what the next request is about |
//! | 7 Ended, to who started a process | word 0 bits 15:8 how, bits 63:32 its number; then the status, or as Fault from word 1 on |

use crate::fault::{Fault, FaultCause};
use crate::process::End;
use crate::request::{Request, TAG_REQUEST};
use kpi::invocation::RECORD_MAX;
use kpi::lmp::LMP_WORDS;

const TAG_EXIT: u64 = 1;
const TAG_FAULT: u64 = 2;
const TAG_RECORD: u64 = 3;
const TAG_TEXT: u64 = 6;
const TAG_ENDED: u64 = 7;
const HOW_EXITED: u64 = 0;
const HOW_FAULTED: u64 = 1;
const HOW_STOPPED: u64 = 2;
const HOW_KILLED: u64 = 3;

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
    /// Part of what the next request is about.
    Text {
        /// The bytes; the first `length` count.
        bytes: [u8; RECORD_CHUNK],
        /// How many.
        length: u8,
    },
    /// A wish.
    Request(Request),
    /// A process has ended, for who started it.
    Ended {
        /// Its number.
        pid: u32,
        /// How.
        end: End,
    },
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
                fill(&mut words, fault_words(TAG_FAULT, fault));
                (words, 7)
            }
            Self::Record {
                bytes,
                length,
                last,
            } => {
                let head = TAG_RECORD | u64::from(*last) << 16;
                let count = fill_chunk(&mut words, head, bytes, *length);
                (words, count)
            }
            Self::Text { bytes, length } => {
                let count = fill_chunk(&mut words, TAG_TEXT, bytes, *length);
                (words, count)
            }
            Self::Ended { pid, end } => {
                let head = |how: u64| TAG_ENDED | how << 8 | u64::from(*pid) << 32;
                let count = match end {
                    End::Exited(status) => {
                        fill(&mut words, [head(HOW_EXITED), u64::from(*status)]);
                        2
                    }
                    End::Faulted(fault) => {
                        fill(&mut words, fault_words(head(HOW_FAULTED), fault));
                        7
                    }
                    End::Stopped => {
                        fill(&mut words, [head(HOW_STOPPED)]);
                        1
                    }
                    End::Killed => {
                        fill(&mut words, [head(HOW_KILLED)]);
                        1
                    }
                };
                (words, count)
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
            TAG_FAULT => fault_of(words).map(Self::Fault),
            TAG_RECORD => {
                let (bytes, length) = chunk_of(words)?;
                let last = head >> 16 & 1 == 1;
                Some(Self::Record {
                    bytes,
                    length,
                    last,
                })
            }
            TAG_TEXT => chunk_of(words).map(|(bytes, length)| Self::Text { bytes, length }),
            TAG_ENDED => {
                let pid = (head >> 32) as u32;
                let end = match head >> 8 & 0xff {
                    HOW_EXITED => End::Exited(u8::try_from(*words.get(1)?).ok()?),
                    HOW_FAULTED => End::Faulted(fault_of(words)?),
                    HOW_STOPPED => End::Stopped,
                    HOW_KILLED => End::Killed,
                    _ => return None,
                };
                Some(Self::Ended { pid, end })
            }
            TAG_REQUEST => Request::decode(words).map(Self::Request),
            _ => None,
        }
    }
}

fn fault_words(head: u64, fault: &Fault) -> [u64; 7] {
    let name = u128::from_le_bytes(fault.thread);
    let (low, high) = (name as u64, (name >> 64) as u64);
    let cause = fault.cause as u64;
    [head, cause, fault.esr, fault.far, fault.pc, low, high]
}

fn fault_of(words: &[u64]) -> Option<Fault> {
    let [_, cause, esr, far, pc, low, high] = *words.first_chunk()?;
    Some(Fault {
        cause: FaultCause::from_word(cause)?,
        esr,
        far,
        pc,
        thread: (u128::from(low) | u128::from(high) << 64).to_le_bytes(),
    })
}

/// Bytes behind a word that says how many; answers how many words.
fn fill_chunk(
    words: &mut [u64; LMP_WORDS],
    head: u64,
    bytes: &[u8; RECORD_CHUNK],
    length: u8,
) -> usize {
    let (chunks, _) = bytes.as_chunks::<8>();
    let payload = chunks.iter().copied().map(u64::from_le_bytes);
    let head = head | u64::from(length) << 8;
    fill(words, core::iter::once(head).chain(payload));
    1 + usize::from(length).min(RECORD_CHUNK).div_ceil(8)
}

fn chunk_of(words: &[u64]) -> Option<([u8; RECORD_CHUNK], u8)> {
    let length = (words.first()? >> 8) as u8;
    let payload = words.get(1..=usize::from(length).div_ceil(8))?;
    let mut bytes = [0; RECORD_CHUNK];
    if usize::from(length) > RECORD_CHUNK {
        return None;
    }
    for (place, word) in bytes.chunks_exact_mut(8).zip(payload) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    Some((bytes, length))
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

/// The messages that carry what a request is about.
pub fn text_chunks(text: &[u8]) -> impl Iterator<Item = Message> + '_ {
    text.chunks(RECORD_CHUNK).map(|chunk| {
        let mut bytes = [0; RECORD_CHUNK];
        if let Some(place) = bytes.get_mut(..chunk.len()) {
            place.copy_from_slice(chunk);
        }
        let length = chunk.len() as u8;
        Message::Text { bytes, length }
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
    fn ends_and_texts_round_trip() {
        let fault = Fault {
            cause: FaultCause::Exception,
            esr: 1,
            far: 2,
            pc: 3,
            thread: [7; 16],
        };
        for end in [
            End::Exited(42),
            End::Faulted(fault),
            End::Stopped,
            End::Killed,
        ] {
            round_trip(Message::Ended { pid: u32::MAX, end });
        }
        let text: Vec<u8> = (0..200).collect();
        let mut joined: Vec<u8> = Vec::new();
        for message in text_chunks(&text) {
            round_trip(message);
            if let Message::Text { bytes, length } = message {
                joined.extend(&bytes[..length as usize]);
            }
        }
        assert_eq!(joined, text);
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
        let mut random = random::Random::new(1);
        for _ in 0..100_000 {
            let seed = random.next();
            let words = [seed & 0x1_ffff, seed >> 3, seed, seed, seed, 0, 0, 0, 0];
            let _ = Message::decode(&words[..(seed >> 40) as usize % 10]);
        }
    }
}
