//! What the first programs of two cores, the monitors, say to each other: one line of words each, over a UMP channel.
//!
//! Pure: words to values and back. The first word is the kind; what cannot be a message is none, so a monitor that is out of its mind hurts nobody
//! but itself.
//!
//! Barrelfish counterpart: the interface `intermon`.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

/// Words of the longest message.
pub const WORDS: usize = 7;

/// What a monitor says of its core.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Load {
    /// Bytes of memory that the core has.
    pub memory: u64,
    /// Bytes of it that are free.
    pub free: u64,
    /// Capabilities of the core's kernel.
    pub capabilities: u64,
    /// Domains that could run when it was asked.
    pub runnable: u64,
}

/// A message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Message {
    /// The core is up: its number; counter values of its boot driver's first instruction, and now.
    Up {
        /// The core.
        core: u8,
        /// When it began.
        started: u64,
        /// When it was ready.
        ready: u64,
    },
    /// Is it still there? With a number that comes back.
    Ping {
        /// Any.
        number: u64,
    },
    /// It is.
    Pong {
        /// That of the ping.
        number: u64,
        /// How the core is.
        load: Load,
    },
}

impl Message {
    /// As words.
    pub fn encode(self) -> ([u64; WORDS], usize) {
        let mut words = [0; WORDS];
        let count = match self {
            Self::Up {
                core,
                started,
                ready,
            } => fill(&mut words, &[1, u64::from(core), started, ready]),
            Self::Ping { number } => fill(&mut words, &[2, number]),
            Self::Pong { number, load } => {
                let Load {
                    memory,
                    free,
                    capabilities,
                    runnable,
                } = load;
                fill(
                    &mut words,
                    &[3, number, memory, free, capabilities, runnable],
                )
            }
        };
        (words, count)
    }

    /// The message of these words; `None` if they are none.
    pub fn decode(words: &[u64]) -> Option<Self> {
        match *words {
            [1, core, started, ready] => Some(Self::Up {
                core: u8::try_from(core).ok()?,
                started,
                ready,
            }),
            [2, number] => Some(Self::Ping { number }),
            [3, number, memory, free, capabilities, runnable] => Some(Self::Pong {
                number,
                load: Load {
                    memory,
                    free,
                    capabilities,
                    runnable,
                },
            }),
            _ => None,
        }
    }
}

fn fill(words: &mut [u64; WORDS], values: &[u64]) -> usize {
    for (word, value) in words.iter_mut().zip(values) {
        *word = *value;
    }
    values.len()
}

#[cfg(test)]
mod tests {
    use super::{Load, Message, WORDS};
    use random::Random;

    fn any(random: &mut Random) -> Message {
        let mut word = || random.below(u64::MAX);
        let [a, b, c, d, e] = [word(), word(), word(), word(), word()];
        match random.below(3) {
            0 => Message::Up {
                core: a as u8,
                started: b,
                ready: c,
            },
            1 => Message::Ping { number: a },
            _ => Message::Pong {
                number: a,
                load: Load {
                    memory: b,
                    free: c,
                    capabilities: d,
                    runnable: e,
                },
            },
        }
    }

    #[test]
    fn what_is_encoded_is_decoded_again() {
        let mut random = Random::new(1);
        for _ in 0..1000 {
            let message = any(&mut random);
            let (words, count) = message.encode();
            assert_eq!(Message::decode(&words[..count]), Some(message));
        }
    }

    #[test]
    fn a_line_of_another_length_is_no_message() {
        let mut random = Random::new(2);
        for _ in 0..1000 {
            let (words, count) = any(&mut random).encode();
            for other in (0..=WORDS).filter(|other| *other != count) {
                assert_eq!(Message::decode(&words[..other]), None);
            }
        }
    }

    #[test]
    fn words_that_mean_nothing_are_no_message_or_one_that_says_the_same() {
        let mut random = Random::new(3);
        for _ in 0..10_000 {
            let words: [u64; WORDS] = core::array::from_fn(|_| match random.below(3) {
                0 => random.below(5),
                1 => random.below(300),
                _ => random.below(u64::MAX),
            });
            let count = random.below(WORDS as u64 + 1) as usize;
            if let Some(message) = Message::decode(&words[..count]) {
                let (again, again_count) = message.encode();
                assert_eq!(again[..again_count], words[..count]);
            }
        }
    }
}
