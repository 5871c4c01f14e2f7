//! Processes: what is ordered, what is told about them, how they ended.
//!
//! An [`Order`] says what is to be started. It does not fit into a message: its bytes come before the request, in `Text` messages of up to
//! [`RECORD_CHUNK`](crate::RECORD_CHUNK) bytes. Numbers are little-endian words of 32 bits:
//!
//! | Bytes | What |
//! |---|---|
//! | 0 to 3 | how many capabilities are passed |
//! | 4 to 7 | flags: [`DETACHED`], [`NAME_SERVER`] |
//! | 8 to 15 | address and level of the endpoint that is told of the end; level 0: nobody is |
//! | 16 to 27 | address, level and used bytes of the ELF file's frame; level 0: the boot module of that name |
//! | 8 for each | the capabilities: address, level |
//! | the rest | arguments and environment, as [`kpi::args`] has them |
//!
//! Addresses are meant in the CSpace whose root comes with the request.

use crate::fault::Fault;
use kpi::args::{ArgsError, ArgsPage, write};

/// Most bytes of an order.
pub const ORDER_MAX: usize = 4096;
/// Most capabilities that are passed.
pub const CAPS_MAX: usize = 32;
/// Flag: nobody waits for it, and it outlives who started it.
pub const DETACHED: u32 = 1;
/// Flag: it may be the name server, if who started it may pass that on.
pub const NAME_SERVER: u32 = 2;

const HEAD_BYTES: usize = 28;
const CAP_BYTES: usize = 8;

/// Where a capability is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Address {
    /// Address in the CSpace that is meant.
    pub address: u32,
    /// Its level: 1 or 2.
    pub level: u8,
}

/// What is to be started.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// Whether it outlives who started it.
    pub detached: bool,
    /// Whether it may be the name server.
    pub name_server: bool,
    /// What is told of its end.
    pub notices: Option<Address>,
    /// The frame of the ELF file, and the bytes used of it.
    pub elf: Option<(Address, u32)>,
    caps: &'a [u8],
    args: ArgsPage<'a>,
}

impl<'a> Order<'a> {
    /// Writes an order down; answers how many bytes.
    ///
    /// # Errors
    /// [`ArgsError`]: too much of something.
    pub fn write<'t>(
        place: &mut [u8],
        head: &Head,
        caps: impl ExactSizeIterator<Item = Address>,
        args: impl Iterator<Item = &'t str> + Clone,
        env: impl Iterator<Item = &'t str> + Clone,
    ) -> Result<usize, ArgsError> {
        let count = caps.len();
        if count > CAPS_MAX {
            return Err(ArgsError::TooMany);
        }
        let notices = head.notices.unwrap_or_default();
        let (elf, bytes) = head.elf.unwrap_or_default();
        let flag = |is: bool, flag: u32| if is { flag } else { 0 };
        let flags = flag(head.detached, DETACHED) | flag(head.name_server, NAME_SERVER);
        let words = [
            count as u32,
            flags,
            notices.address,
            u32::from(notices.level),
            elf.address,
            u32::from(elf.level),
            bytes,
        ];
        let caps = caps.flat_map(|cap| [cap.address, u32::from(cap.level)]);
        let mut rest = place;
        for word in words.into_iter().chain(caps) {
            let (first, others) = rest.split_first_chunk_mut().ok_or(ArgsError::TooLong)?;
            *first = word.to_le_bytes();
            rest = others;
        }
        let used = write(rest, 0, args, env)?;
        Ok(HEAD_BYTES + CAP_BYTES * count + used)
    }

    /// Reads it; `None` when it is none.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let [
            count,
            flags,
            notices,
            notices_level,
            elf,
            elf_level,
            elf_bytes,
        ] = words(bytes.get(..HEAD_BYTES)?)?;
        let count = count as usize;
        if count > CAPS_MAX {
            return None;
        }
        let (caps, args) = bytes
            .get(HEAD_BYTES..)?
            .split_at_checked(CAP_BYTES * count)?;
        let elf = address(elf, elf_level)?;
        Some(Self {
            detached: flags & DETACHED != 0,
            name_server: flags & NAME_SERVER != 0,
            notices: address(notices, notices_level)?,
            elf: elf.map(|elf| (elf, elf_bytes)),
            caps,
            args: ArgsPage::parse(args).ok()?,
        })
    }

    /// The capabilities that are passed; `None` for an address that is none.
    pub fn caps(&self) -> impl Iterator<Item = Option<Address>> + Clone + use<'a> {
        let caps = self.caps.chunks_exact(CAP_BYTES);
        caps.map(|cap| words(cap).and_then(|[at, level]| address(at, level).flatten()))
    }

    /// The arguments, the program's name first.
    pub fn args(&self) -> impl Iterator<Item = &'a str> + Clone + use<'a> {
        self.args.args()
    }

    /// The environment.
    pub fn env(&self) -> impl Iterator<Item = &'a str> + Clone + use<'a> {
        self.args.env()
    }
}

/// What an order begins with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Head {
    /// As [`Order::detached`].
    pub detached: bool,
    /// As [`Order::name_server`].
    pub name_server: bool,
    /// As [`Order::notices`].
    pub notices: Option<Address>,
    /// As [`Order::elf`].
    pub elf: Option<(Address, u32)>,
}

fn words<const N: usize>(bytes: &[u8]) -> Option<[u32; N]> {
    let (chunks, _) = bytes.as_chunks::<4>();
    let mut words = [0; N];
    for (index, word) in words.iter_mut().enumerate() {
        *word = u32::from_le_bytes(*chunks.get(index)?);
    }
    Some(words)
}

/// An address, or none for level 0; no such level is no address.
fn address(address: u32, level: u32) -> Option<Option<Address>> {
    match level {
        0 => Some(None),
        1 | 2 => Some(Some(Address {
            address,
            level: level as u8,
        })),
        _ => None,
    }
}

/// What a process does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It runs, or would if something happened that it waits for.
    Running = 0,
    /// It was suspended.
    Suspended = 1,
}

/// What others may know of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct About {
    /// Its number.
    pub pid: u32,
    /// Who started it and waits for it; 0: init.
    pub parent: u32,
    /// What it does.
    pub state: State,
    /// Where it runs.
    pub core: u8,
    /// Its name, filled up with zeroes.
    pub name: [u8; 16],
}

impl About {
    /// The values of an answer.
    pub const fn encode(&self) -> [u64; 4] {
        let name = u128::from_le_bytes(self.name);
        [
            self.pid as u64 | (self.parent as u64) << 32,
            self.state as u64 | (self.core as u64) << 8,
            name as u64,
            (name >> 64) as u64,
        ]
    }

    /// What these values say; `None` for pid 0: nobody.
    pub const fn decode(values: [u64; 4]) -> Option<Self> {
        let [pids, state, low, high] = values;
        if pids as u32 == 0 {
            return None;
        }
        Some(Self {
            pid: pids as u32,
            parent: (pids >> 32) as u32,
            state: match state & 0xff {
                0 => State::Running,
                _ => State::Suspended,
            },
            core: (state >> 8) as u8,
            name: (low as u128 | (high as u128) << 64).to_le_bytes(),
        })
    }
}

/// How a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// By itself, with that status.
    Exited(u8),
    /// By a fault.
    Faulted(Fault),
    /// The kernel took it off the core, or its dispatcher was deleted.
    Stopped,
    /// Someone killed it.
    Killed,
}

impl End {
    /// Its status as a command has it.
    pub const fn status(&self) -> u8 {
        match self {
            Self::Exited(status) => *status,
            Self::Faulted(_) | Self::Stopped => crate::STATUS_FAULT,
            Self::Killed => crate::STATUS_KILLED,
        }
    }
}

impl core::fmt::Display for End {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "exit status {status}"),
            Self::Faulted(fault) => write!(f, "ended by a fault: {fault}"),
            Self::Stopped => f.write_str("stopped by the kernel"),
            Self::Killed => f.write_str("killed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Head = Head {
        detached: true,
        name_server: true,
        notices: Some(Address {
            address: 0x705,
            level: 2,
        }),
        elf: Some((
            Address {
                address: 0x900,
                level: 1,
            },
            77,
        )),
    };

    fn written(head: &Head, caps: &[Address], args: &[&str], env: &[&str]) -> Vec<u8> {
        let mut place = [0; ORDER_MAX];
        let (args, env) = (args.iter().copied(), env.iter().copied());
        let used = Order::write(&mut place, head, caps.iter().copied(), args, env).unwrap();
        place[..used].to_vec()
    }

    #[test]
    fn orders_round_trip() {
        let caps = [7, 8].map(|address| Address { address, level: 2 });
        let bytes = written(&HEAD, &caps, &["hello", "a b"], &["X=1"]);
        let order = Order::parse(&bytes).unwrap();
        assert!(order.detached && order.name_server);
        assert_eq!((order.notices, order.elf), (HEAD.notices, HEAD.elf));
        assert_eq!(order.caps().collect::<Vec<_>>(), caps.map(Some));
        assert_eq!(order.args().collect::<Vec<_>>(), ["hello", "a b"]);
        assert_eq!(order.env().collect::<Vec<_>>(), ["X=1"]);
        let bytes = written(&Head::default(), &[], &["x"], &[]);
        let order = Order::parse(&bytes).unwrap();
        assert!(
            !order.detached && !order.name_server && order.notices.is_none() && order.elf.is_none()
        );
        assert_eq!(order.caps().count(), 0);
    }

    #[test]
    fn too_much_is_refused() {
        let mut place = [0; ORDER_MAX];
        let long = "x".repeat(ORDER_MAX);
        let none = [].into_iter();
        let result = Order::write(
            &mut place,
            &HEAD,
            none,
            [&*long].into_iter(),
            [].into_iter(),
        );
        assert_eq!(result, Err(ArgsError::TooLong));
        let many = [Address::default(); CAPS_MAX + 1].into_iter();
        let result = Order::write(&mut place, &HEAD, many, ["x"].into_iter(), [].into_iter());
        assert_eq!(result, Err(ArgsError::TooMany));
    }

    #[test]
    fn damaged_orders_are_refused_or_readable() {
        let caps = [Address {
            address: 7,
            level: 2,
        }];
        let bytes = written(&HEAD, &caps, &["hello", "a b"], &["X=1"]);
        for cut in 0..bytes.len() {
            assert!(Order::parse(&bytes[..cut]).is_none());
        }
        for at in 0..bytes.len() {
            for flip in [1u8, 4, 0x80, 0xff] {
                let mut bad = bytes.clone();
                bad[at] ^= flip;
                if let Some(order) = Order::parse(&bad) {
                    let _ = (
                        order.args().count(),
                        order.env().count(),
                        order.caps().count(),
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_known_of_a_process_round_trips() {
        let about = About {
            pid: u32::MAX,
            parent: 9,
            state: State::Suspended,
            core: 3,
            name: *b"sixteen letters!",
        };
        assert_eq!(About::decode(about.encode()), Some(about));
        assert_eq!(About::decode([0; 4]), None);
    }

    #[test]
    fn an_end_has_a_status_and_words() {
        assert_eq!(End::Exited(7).status(), 7);
        assert_eq!(End::Killed.status(), 128);
        assert_eq!(End::Stopped.status(), 129);
        assert_eq!(End::Exited(7).to_string(), "exit status 7");
    }
}
