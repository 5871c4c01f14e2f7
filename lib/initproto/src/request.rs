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
//! | 4 | 5 spawn | number | none; the [`Order`](crate::Order) came before, the root CNode comes along |
//! | 4 | 6 kill, 7 suspend, 8 resume, 9 detach | number | the process |
//! | 4 | 10 about | number | the process before the one that is asked for |
//! | 4 | 11 export | number | 1 = as the name server; the endpoint that hears of binds comes along |
//! | 4 | 12 withdraw | number | the service |
//! | 4 | 13 bind | number | the service; the endpoint that hears of the connection comes along |
//! | 4 | 14 accept | number | the connection; the endpoint for it comes along |
//! | 4 | 15 reject, 16 close | number | the connection |
//! | 4 | 17 capability | number | the process; the position before the one that is asked for |
//! | 4 | 18 memory | number | none |
//! | 5 answer | | number of the request | the error's raw value, 0 = done; then up to four values, if any is not 0 |
//!
//! Values: for spawn the new process's number; for export that of the service, for bind that of the connection; for about what [`About`](crate::About) says;
//! for capability its position and its three words, all 0 behind the last; for memory the machine's bytes, those that are free, and of those the most in one piece.
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
    /// A process, as the order says that came before.
    Spawn,
    /// Ends a process that the asking domain started.
    Kill {
        /// Its number.
        pid: u32,
    },
    /// Has such a process stand still.
    Suspend {
        /// Its number.
        pid: u32,
    },
    /// Has it go on.
    Resume {
        /// Its number.
        pid: u32,
    },
    /// Lets go of it: it outlives the asking domain, which is not told of its end.
    Detach {
        /// Its number.
        pid: u32,
    },
    /// What is known of the process with the next number.
    About {
        /// The number before.
        pid: u32,
    },
    /// Offers a service; see [`broker`](crate::broker) for what is heard at the endpoint.
    Export {
        /// As the service that all know without asking: for who was started to be that.
        is_name_server: bool,
    },
    /// Offers it no more.
    Withdraw {
        /// Its number.
        service: u32,
    },
    /// Wants to be connected to a service. The answer comes at once, what came of it to the endpoint.
    Bind {
        /// Its number.
        service: u32,
    },
    /// Accepts a connection.
    Accept {
        /// Its number.
        connection: u32,
    },
    /// Does not accept it.
    Reject {
        /// Its number.
        connection: u32,
    },
    /// Ends a connection: this side has let go of it.
    Close {
        /// Its number.
        connection: u32,
    },
    /// The capability that a process holds first behind a position. For the process itself, who started it, and who is trusted as the kernel is.
    Capability {
        /// The process.
        pid: u32,
        /// The position, as the kernel's list has it; 0: from the start.
        behind: u64,
    },
    /// How much memory the machine has.
    Memory,
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
            Wish::Spawn => (5, 0, 0),
            Wish::Kill { pid } => (6, pid as u64, 0),
            Wish::Suspend { pid } => (7, pid as u64, 0),
            Wish::Resume { pid } => (8, pid as u64, 0),
            Wish::Detach { pid } => (9, pid as u64, 0),
            Wish::About { pid } => (10, pid as u64, 0),
            Wish::Export { is_name_server } => (11, is_name_server as u64, 0),
            Wish::Withdraw { service } => (12, service as u64, 0),
            Wish::Bind { service } => (13, service as u64, 0),
            Wish::Accept { connection } => (14, connection as u64, 0),
            Wish::Reject { connection } => (15, connection as u64, 0),
            Wish::Close { connection } => (16, connection as u64, 0),
            Wish::Capability { pid, behind } => (17, pid as u64, behind),
            Wish::Memory => (18, 0, 0),
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
        let pid = || u32::try_from(first).ok();
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
            5 => Some(Wish::Spawn),
            6 => pid().map(|pid| Wish::Kill { pid }),
            7 => pid().map(|pid| Wish::Suspend { pid }),
            8 => pid().map(|pid| Wish::Resume { pid }),
            9 => pid().map(|pid| Wish::Detach { pid }),
            10 => pid().map(|pid| Wish::About { pid }),
            11 => (first < 2).then_some(Wish::Export {
                is_name_server: first == 1,
            }),
            12 => pid().map(|service| Wish::Withdraw { service }),
            13 => pid().map(|service| Wish::Bind { service }),
            14 => pid().map(|connection| Wish::Accept { connection }),
            15 => pid().map(|connection| Wish::Reject { connection }),
            16 => pid().map(|connection| Wish::Close { connection }),
            17 => pid().map(|pid| Wish::Capability {
                pid,
                behind: second,
            }),
            18 => Some(Wish::Memory),
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
    /// What else there is to say; all 0 if nothing.
    pub values: Values,
}

/// Values of an answer.
pub type Values = [u64; 4];

const BARE_WORDS: usize = 2;

impl Answer {
    /// The words of the message, and how many of them count.
    pub fn encode(&self) -> ([u64; 6], usize) {
        let [a, b, c, d] = self.values;
        let head = TAG_ANSWER | u64::from(self.number) << 32;
        let words = [head, self.error, a, b, c, d];
        let count = match self.values {
            [0, 0, 0, 0] => BARE_WORDS,
            _ => words.len(),
        };
        (words, count)
    }

    /// The answer with these words; `None` when it is none.
    pub fn decode(words: &[u64]) -> Option<Self> {
        let [head, error] = *words.first_chunk::<BARE_WORDS>()?;
        let values = words.get(BARE_WORDS..)?.first_chunk().copied();
        (head & 0xff == TAG_ANSWER).then_some(Self {
            number: (head >> 32) as u32,
            error,
            values: values.unwrap_or_default(),
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
            Wish::Spawn,
            Wish::Kill { pid: 7 },
            Wish::Suspend { pid: u32::MAX },
            Wish::Resume { pid: 0 },
            Wish::Detach { pid: 1 },
            Wish::About { pid: 2 },
            Wish::Export {
                is_name_server: false,
            },
            Wish::Export {
                is_name_server: true,
            },
            Wish::Withdraw { service: 1 },
            Wish::Bind { service: u32::MAX },
            Wish::Accept { connection: 7 },
            Wish::Reject { connection: 0 },
            Wish::Close { connection: 3 },
            Wish::Capability {
                pid: 4,
                behind: u64::MAX,
            },
            Wish::Memory,
        ];
        for (number, wish) in (u32::MAX - 20..=u32::MAX).zip(wishes) {
            let request = Request { number, wish };
            let words = request.encode();
            assert_eq!(Request::decode(&words), Some(request));
            for cut in 0..3 {
                assert_eq!(Request::decode(&words[..cut]), None);
            }
            assert_eq!(Answer::decode(&words), None);
        }
        for values in [[0; 4], [1, 0, 0, u64::MAX]] {
            let answer = Answer {
                number: 7,
                error: 0x1234_5678_9abc,
                values,
            };
            let (words, count) = answer.encode();
            assert_eq!(Answer::decode(&words[..count]), Some(answer));
        }
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
        assert_eq!(Request::decode(&[TAG_REQUEST | 19 << 8, 0, 0]), None);
        assert_eq!(Request::decode(&[TAG_REQUEST | 11 << 8, 2, 0]), None);
        assert_eq!(Request::decode(&[TAG_REQUEST | 6 << 8, 1 << 32, 0]), None);
    }
}
