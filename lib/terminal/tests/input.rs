//! Random typing and random clients, compared with a model that reads everything typed from the start each time.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use proptest::prelude::*;
use std::collections::BTreeMap;
use terminal::{Action, Client, Error, Input, Limits, Mode, ReadId, Signal, Terminal, Until};

const LIMITS: Limits = Limits {
    clients: 3,
    reads_of_client: 2,
    type_ahead: 8,
    piece: 64,
    output_of_client: 64,
    output_shared: 0,
    echo: 64,
};

#[derive(Clone, Debug)]
enum Step {
    Open(Client),
    Close(Client),
    Mode(Client, Mode),
    Interrupts(Client, bool),
    Claim(Client),
    Lend(Client, Client),
    GiveBack(Client),
    TakeBack(Client),
    Read(Client, usize, Until),
    /// The read made that many before the last one.
    Cancel(Client, u64),
    Discard(Client),
    Type(Vec<u8>),
}

const fn signal_of(byte: u8) -> Option<Signal> {
    match byte {
        3 => Some(Signal::Interrupt),
        0x1a => Some(Signal::Stop),
        _ => None,
    }
}

fn client() -> impl Strategy<Value = Client> {
    (1..5_u64).prop_map(Client)
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        8 => prop::sample::select(b"abc \t\x01".as_slice()),
        1 => prop::sample::select("öß€".as_bytes()),
        4 => prop::sample::select(b"\r\n".as_slice()),
        4 => prop::sample::select(b"\x04\x08\x7f\x15\x17".as_slice()),
        1 => prop::sample::select(b"\x03\x1a".as_slice()),
        1 => any::<u8>(),
    ];
    prop::collection::vec(byte, 0..7)
}

fn step() -> impl Strategy<Value = Step> {
    let mode = prop_oneof![Just(Mode::Cooked), Just(Mode::Raw)];
    let until = prop_oneof![Just(Until::Any), Just(Until::Line)];
    prop_oneof![
        4 => client().prop_map(Step::Open),
        1 => client().prop_map(Step::Close),
        2 => (client(), mode).prop_map(|(client, mode)| Step::Mode(client, mode)),
        2 => (client(), any::<bool>()).prop_map(|(client, takes)| Step::Interrupts(client, takes)),
        4 => client().prop_map(Step::Claim),
        4 => (client(), client()).prop_map(|(from, to)| Step::Lend(from, to)),
        2 => client().prop_map(Step::GiveBack),
        1 => client().prop_map(Step::TakeBack),
        9 => (client(), 0..10_usize, until).prop_map(|(client, max, until)| Step::Read(client, max, until)),
        2 => (client(), 0..4_u64).prop_map(|(client, back)| Step::Cancel(client, back)),
        1 => client().prop_map(Step::Discard),
        16 => bytes().prop_map(Step::Type),
    ]
}

/// What may be read of cooked bytes: bytes, or a Ctrl-D where it was typed.
type Units = Vec<u8>;

/// Reads all of it: what can be read, and the characters of the line behind that.
fn cook(typed: &[u8]) -> (Units, Vec<Vec<u8>>) {
    let mut units = Units::new();
    let mut line: Vec<Vec<u8>> = Vec::new();
    for &byte in typed {
        match byte {
            b'\r' | b'\n' | 4 => {
                units.extend(line.concat());
                units.push(if byte == 4 { 4 } else { b'\n' });
                line.clear();
            }
            8 | 0x7f => {
                line.pop();
            }
            0x15 => line.clear(),
            0x17 => {
                let blank = |one: &Vec<u8>| one.iter().all(u8::is_ascii_whitespace);
                let end = line
                    .iter()
                    .rposition(|one| !blank(one))
                    .map_or(0, |at| at + 1);
                let start = line[..end].iter().rposition(blank).map_or(0, |at| at + 1);
                line.truncate(start);
            }
            0x80..0xc0 if !line.is_empty() => line.last_mut().unwrap().push(byte),
            _ => line.push(vec![byte]),
        }
    }
    (units, line)
}

#[derive(Default)]
struct Session {
    raw: bool,
    takes: bool,
    reads: Vec<(u64, usize, Until)>,
}

/// Everything that was typed and kept since the last interrupt, and how much of it was read.
#[derive(Default)]
struct Model {
    sessions: BTreeMap<Client, Session>,
    chain: Vec<Client>,
    raw: bool,
    typed: Vec<u8>,
    read: usize,
    last: u64,
    actions: Vec<Action>,
}

impl Model {
    fn new() -> Self {
        Self {
            raw: true,
            ..Self::default()
        }
    }

    fn unread(&self) -> (Units, Vec<u8>) {
        let (units, line) = match self.raw {
            true => (self.typed.clone(), Vec::new()),
            false => cook(&self.typed),
        };
        (units[self.read..].to_vec(), line.concat())
    }

    fn session(&mut self, client: Client) -> Result<&mut Session, Error> {
        self.sessions.get_mut(&client).ok_or(Error::UnknownClient)
    }

    fn step(&mut self, step: &Step) -> Result<(), Error> {
        let before = self.chain.last().copied();
        let has = |model: &Self, client: &Client| model.chain.last() == Some(client);
        match step {
            Step::Open(client) if self.sessions.contains_key(client) => {
                return Err(Error::ClientExists);
            }
            Step::Open(_) if self.sessions.len() == LIMITS.clients => {
                return Err(Error::TooManyClients);
            }
            Step::Open(client) => {
                self.sessions.insert(*client, Session::default());
            }
            Step::Close(client) => {
                self.session(*client)?;
                self.sessions.remove(client);
                self.chain.retain(|one| one != client);
            }
            Step::Mode(client, mode) => self.session(*client)?.raw = *mode == Mode::Raw,
            Step::Interrupts(client, takes) => self.session(*client)?.takes = *takes,
            Step::Claim(client) => {
                self.session(*client)?;
                if has(self, client) {
                    return Err(Error::HasForeground);
                }
                if !self.chain.is_empty() {
                    return Err(Error::NotForeground);
                }
                self.chain.push(*client);
            }
            Step::Lend(from, to) => {
                self.session(*from)?;
                self.session(*to)?;
                if !has(self, from) {
                    return Err(Error::NotForeground);
                }
                if self.chain.contains(to) {
                    return Err(Error::HasForeground);
                }
                self.chain.push(*to);
            }
            Step::GiveBack(client) => {
                self.session(*client)?;
                if !has(self, client) {
                    return Err(Error::NotForeground);
                }
                self.chain.pop();
            }
            Step::TakeBack(client) => {
                self.session(*client)?;
                if !self.chain.contains(client) {
                    return Err(Error::NotLent);
                }
                while !has(self, client) {
                    self.chain.pop();
                }
            }
            Step::Read(client, max, until) => {
                let id = self.last + 1;
                let session = self.session(*client)?;
                if *max == 0 {
                    return Err(Error::EmptyRead);
                }
                if session.reads.len() == LIMITS.reads_of_client {
                    return Err(Error::TooManyReads);
                }
                session.reads.push((id, *max, *until));
                self.last = id;
            }
            Step::Cancel(client, back) => {
                let id = self.last.wrapping_sub(*back);
                let reads = &mut self.session(*client)?.reads;
                let at = reads.iter().position(|read| read.0 == id);
                reads.remove(at.ok_or(Error::NoRead)?);
            }
            Step::Discard(client) => {
                self.session(*client)?;
                if !has(self, client) {
                    return Err(Error::NotForeground);
                }
                self.typed.clear();
                self.read = 0;
            }
            Step::Type(bytes) => {
                for byte in bytes {
                    self.type_byte(*byte);
                    self.serve();
                }
            }
        }
        if let Some(now) = self.chain.last()
            && Some(*now) != before
        {
            self.actions.push(Action::Foreground(*now));
        }
        let raw = self
            .chain
            .last()
            .is_none_or(|client| self.sessions[client].raw);
        if raw != self.raw {
            let (units, line) = self.unread();
            self.raw = raw;
            self.read = 0;
            self.typed.clear();
            let mut signal = None;
            for byte in [units, line].concat() {
                let actions = self.actions.len();
                self.type_byte(byte);
                signal = signal.max(signal_of(byte));
                self.actions.truncate(actions);
            }
            if let Some(signal) = signal.filter(|_| !self.raw) {
                self.interrupt(signal);
            }
        }
        self.serve();
        Ok(())
    }

    fn type_byte(&mut self, byte: u8) {
        let (units, line) = self.unread();
        let len = units.len() + line.len();
        let keep = match byte {
            _ if self.raw => len < LIMITS.type_ahead,
            3 | 0x1a => {
                self.typed.clear();
                self.read = 0;
                self.interrupt(signal_of(byte).unwrap());
                false
            }
            b'\r' | b'\n' | 4 => len < LIMITS.type_ahead,
            8 | 0x7f | 0x15 | 0x17 => true,
            _ => len + 1 < LIMITS.type_ahead,
        };
        if keep {
            self.typed.push(byte);
        }
    }

    fn interrupt(&mut self, signal: Signal) {
        let to = self.chain.iter().rev().find(|one| self.sessions[one].takes);
        if let Some(&to) = to {
            let foreground = *self.chain.last().unwrap();
            let action = Action::Interrupt {
                signal,
                to,
                foreground,
            };
            if self.actions.last() != Some(&action) {
                self.actions.push(action);
            }
        }
    }

    fn serve(&mut self) {
        while let Some(&client) = self.chain.last()
            && let Some(&(id, max, until)) = self.sessions[&client].reads.first()
        {
            let (units, _) = self.unread();
            let input = match self.raw {
                true => self.take_raw(&units, max, until),
                false => self.take_cooked(&units, max),
            };
            let Some(input) = input else { return };
            self.session(client).unwrap().reads.remove(0);
            self.actions.push(Action::Answer {
                client,
                read: ReadId(id),
                input,
            });
        }
    }

    fn take_raw(&mut self, units: &[u8], max: usize, until: Until) -> Option<Input> {
        let most = max.min(units.len());
        let line = units[..most].iter().position(|b| b"\r\n".contains(b));
        let count = match (until, line) {
            (_, Some(at)) => at + 1,
            (Until::Any, None) => most,
            (Until::Line, None) if most == max || units.len() == LIMITS.type_ahead => most,
            (Until::Line, None) => 0,
        };
        self.read += count;
        let bytes = units[..count].to_vec();
        (count > 0).then_some(Input { bytes, end: false })
    }

    fn take_cooked(&mut self, units: &[u8], max: usize) -> Option<Input> {
        let stop = units.iter().position(|unit| matches!(unit, b'\n' | 4))?;
        let (bytes, end) = match units[stop] {
            4 => (&units[..stop.min(max)], stop == 0),
            _ => (&units[..max.min(stop + 1)], false),
        };
        self.read += bytes.len();
        if units.get(bytes.len()) == Some(&4) && bytes.len() == stop {
            self.read += 1;
        }
        let bytes = bytes.to_vec();
        Some(Input { bytes, end })
    }
}

fn play(terminal: &mut Terminal, step: &Step, last: &mut u64) -> Result<(), Error> {
    match step {
        Step::Open(client) => terminal.open(*client),
        Step::Close(client) => terminal.close(*client),
        Step::Mode(client, mode) => terminal.set_mode(*client, *mode),
        Step::Interrupts(client, takes) => terminal.take_interrupts(*client, *takes),
        Step::Claim(client) => terminal.claim(*client),
        Step::Lend(from, to) => terminal.lend(*from, *to),
        Step::GiveBack(client) => terminal.give_back(*client),
        Step::TakeBack(client) => terminal.take_back(*client),
        Step::Read(client, max, until) => {
            *last = terminal.read(*client, *max, *until)?.0;
            Ok(())
        }
        Step::Cancel(client, back) => terminal.cancel(*client, ReadId(last.wrapping_sub(*back))),
        Step::Discard(client) => terminal.discard_input(*client),
        Step::Type(bytes) => {
            terminal.input(bytes);
            Ok(())
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn the_terminal_does_what_the_model_does(steps in prop::collection::vec(step(), 0..60)) {
        let mut terminal = Terminal::new(LIMITS);
        let mut model = Model::new();
        let mut last = 0;
        for step in &steps {
            let done = play(&mut terminal, step, &mut last);
            prop_assert_eq!(done, model.step(step), "{:?}", step);
            prop_assert_eq!(terminal.check_invariants(), Ok(()), "{:?}", step);
            let actions: Vec<_> = std::iter::from_fn(|| terminal.next_action()).collect();
            prop_assert_eq!(actions, std::mem::take(&mut model.actions), "{:?}", step);
            prop_assert_eq!(terminal.foreground(), model.chain.last().copied());
            let (units, line) = model.unread();
            prop_assert_eq!(terminal.unread(), units.len() + line.len());
            while !terminal.take_output(100).is_empty() {}
        }
    }

    /// The screen shows the line as it is: a terminal that knows BS and space has the same text as the line.
    #[test]
    fn the_echo_shows_the_line(typed in prop::collection::vec(prop::sample::select(b"abc \t\x01\x1b\x08\x7f\x15\x17".as_slice()), 0..40)) {
        let mut terminal = Terminal::new(Limits::default());
        terminal.open(Client(1)).unwrap();
        terminal.claim(Client(1)).unwrap();
        terminal.input(&typed);
        let mut screen = Vec::new();
        let mut cursor = 0_usize;
        for byte in terminal.take_output(usize::MAX) {
            match byte {
                8 => cursor = cursor.checked_sub(1).unwrap(),
                _ => {

                    match screen.get_mut(cursor) {
                        Some(place) => *place = byte,
                        None => screen.push(byte),
                    }
                    cursor += 1;
                }
            }
        }
        prop_assert!(screen[cursor..].iter().all(|byte| *byte == b' '));
        let line = cook(&typed).1.concat();
        let expected: Vec<u8> = line.iter().flat_map(|byte| match byte {
            b'\t' => vec![b' '],
            0..0x20 => vec![b'^', byte + 0x40],
            _ => vec![*byte],
        }).collect();
        prop_assert_eq!(&screen[..cursor], expected.as_slice());
    }
}
