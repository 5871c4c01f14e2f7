//! What a domain hears of its connections, from the broker (init, as long as there is no monitor).
//!
//! It hears at the endpoint that it gave when it exported a service (of those who want to be connected), and at its end of each connection,
//! where the other side's messages come too. No message of `flounder` has 0 in the lowest four bits of its first word; all of these have.
//!
//! | Word 0: bits 3:0 | 7:4 | 63:32 | Word 1 | Capability |
//! |---|---|---|---|---|
//! | 0 | 1 Asked | connection | the asking process | the other end |
//! | 0 | 2 Opened | connection | | the other end |
//! | 0 | 3 Closed | connection | 0 closed, 1 died, 2 rejected | |
//!
//! Who holds a connection's end can forge Closed to the other side: that is what it could have by closing.

/// The number of the service that all know without asking.
pub const NAME_SERVER: u32 = 1;

const KIND_MASK: u64 = 0xf;
const ASKED: u64 = 1 << 4;
const OPENED: u64 = 2 << 4;
const CLOSED: u64 = 3 << 4;
const WHAT_MASK: u64 = 0xffff_fff0;

/// Why a connection is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// The other side closed it.
    Closed,
    /// The other side's domain ended.
    Died,
    /// The service did not accept it.
    Rejected,
}

/// What is heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Told {
    /// To a service: a process wants to be connected. The other end comes along.
    Asked {
        /// The number to accept it by.
        connection: u32,
        /// The process.
        pid: u32,
    },
    /// To a client: the service has accepted. The other end comes along.
    Opened {
        /// The number to close it by.
        connection: u32,
    },
    /// It is over.
    Closed {
        /// Its number.
        connection: u32,
        /// Why.
        why: Why,
    },
}

impl Told {
    /// The words of the message.
    pub const fn encode(self) -> [u64; 2] {
        let (what, connection, word) = match self {
            Self::Asked { connection, pid } => (ASKED, connection, pid as u64),
            Self::Opened { connection } => (OPENED, connection, 0),
            Self::Closed { connection, why } => (
                CLOSED,
                connection,
                match why {
                    Why::Closed => 0,
                    Why::Died => 1,
                    Why::Rejected => 2,
                },
            ),
        };
        [what | (connection as u64) << 32, word]
    }

    /// Whether a message is one of these.
    #[inline]
    pub const fn is_one(first: u64) -> bool {
        first & KIND_MASK == 0
    }

    /// The message with these words; `None` when it is none.
    pub fn decode(words: &[u64]) -> Option<Self> {
        let [first, word] = *words else {
            return None;
        };
        let connection = (first >> 32) as u32;
        match first & (WHAT_MASK | KIND_MASK) {
            ASKED => Some(Self::Asked {
                connection,
                pid: u32::try_from(word).ok()?,
            }),
            OPENED if word == 0 => Some(Self::Opened { connection }),
            CLOSED => {
                let why = match word {
                    0 => Why::Closed,
                    1 => Why::Died,
                    2 => Why::Rejected,
                    _ => return None,
                };
                Some(Self::Closed { connection, why })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_round_trips() {
        let all = [
            Told::Asked {
                connection: 1,
                pid: u32::MAX,
            },
            Told::Opened {
                connection: u32::MAX,
            },
            Told::Closed {
                connection: 7,
                why: Why::Closed,
            },
            Told::Closed {
                connection: 8,
                why: Why::Died,
            },
            Told::Closed {
                connection: 9,
                why: Why::Rejected,
            },
        ];
        for told in all {
            let words = told.encode();
            assert!(Told::is_one(words[0]));
            assert_eq!(Told::decode(&words), Some(told));
            assert_eq!(Told::decode(&words[..1]), None);
            assert_eq!(Told::decode(&[words[0] | 1, words[1]]), None);
            assert_eq!(Told::decode(&[words[0], 1 << 33]), None);
        }
        assert_eq!(Told::decode(&[0, 0]), None);
    }
}
