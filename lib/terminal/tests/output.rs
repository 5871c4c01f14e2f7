//! Random writers against a slow line: nothing is lost, mixed up, kept for ever or more than it may be.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use proptest::prelude::*;
use std::collections::BTreeMap;
use terminal::{Action, Client, Limits, Mode, Terminal};

const PIECE: usize = 12;
const CLIENTS: usize = 4;
const LIMITS: Limits = Limits {
    clients: CLIENTS,
    reads_of_client: 1,
    type_ahead: 16,
    piece: PIECE,
    output_of_client: 30,
    output_shared: 40,
    echo: 20,
};

#[derive(Clone, Debug)]
enum Step {
    Write(u64, Vec<u8>),
    Mode(u64, Mode),
    Close(u64),
    Type(u8),
    Take(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let client = 0..CLIENTS as u64;
    let byte = prop_oneof![
        8 => prop::sample::select("abcö€".as_bytes()),
        3 => Just(b'\n'),
        1 => Just(b'\r'),
    ];
    let bytes = prop_oneof![
        3 => prop::collection::vec(byte.clone(), 0..6),
        2 => prop::collection::vec(byte, 0..50),
    ];
    let mode = prop_oneof![Just(Mode::Cooked), Just(Mode::Raw)];
    prop_oneof![
        8 => (client.clone(), bytes).prop_map(|(client, bytes)| Step::Write(client, bytes)),
        1 => (client.clone(), mode).prop_map(|(client, mode)| Step::Mode(client, mode)),
        1 => client.prop_map(Step::Close),
        4 => prop::sample::select(b"xyz\x08\x01".as_slice()).prop_map(Step::Type),
        6 => (1..40_usize).prop_map(Step::Take),
    ]
}

/// As a cooked client's bytes are sent.
fn cooked(bytes: &[u8], last: Option<&u8>) -> Vec<u8> {
    let mut sent: Vec<u8> = last.into_iter().copied().collect();
    for &byte in bytes {
        if byte == b'\n' && sent.last() != Some(&b'\r') {
            sent.push(b'\r');
        }
        sent.push(byte);
    }
    sent.split_off(usize::from(last.is_some()))
}

/// What one client, of all that had its number one after the other, has written and what of it was sent.
#[derive(Default)]
struct Written {
    raw: bool,
    gone: bool,
    bytes: Vec<u8>,
    sent: usize,
    /// Writes that are a piece, as ranges of bytes.
    whole: Vec<(usize, usize)>,
    waits: bool,
    /// Bytes sent since it has output and had no turn.
    patience: usize,
}

#[derive(Default)]
struct World {
    clients: BTreeMap<u64, Written>,
    /// Who sent the last byte; `None` for echo.
    last: Option<u64>,
}

impl World {
    /// Takes one byte from the terminal, and finds whose it was.
    fn take(&mut self, terminal: &mut Terminal) -> bool {
        let before: Vec<(u64, usize)> = self
            .clients
            .keys()
            .map(|client| (*client, terminal.output_of(Client(*client))))
            .collect();
        let taken = terminal.take_output(1);
        let Some(&byte) = taken.first() else {
            assert!(!terminal.has_output());
            return false;
        };
        let whose: Vec<u64> = before
            .iter()
            .filter(|(client, len)| terminal.output_of(Client(*client)) < *len)
            .map(|(client, _)| *client)
            .collect();
        assert!(whose.len() <= 1, "one byte of two clients");
        let whose = whose.first().copied();
        if whose != self.last
            && let Some(last) = self.last.and_then(|last| self.clients.get(&last))
        {
            let cut = |(start, end): &(usize, usize)| *start < last.sent && last.sent < *end;
            assert!(!last.whole.iter().any(cut), "something came in between");
        }
        self.last = whose;
        for (client, written) in &mut self.clients {
            if whose == Some(*client) {
                assert_eq!(written.bytes[written.sent], byte);
                written.sent += 1;
                written.patience = 0;
            } else if written.sent < written.bytes.len() {
                written.patience += 1;
                // Each other one a piece, and echo between, and whatever of its own piece is over.
                assert!(written.patience <= 2 * CLIENTS * PIECE, "{client} starves");
            }
        }
        self.clients
            .retain(|_, written| !(written.gone && written.sent == written.bytes.len()));
        self.actions(terminal);
        true
    }

    fn actions(&mut self, terminal: &mut Terminal) {
        terminal.check_invariants().unwrap();
        while let Some(action) = terminal.next_action() {
            if let Action::Room(client) = action {
                let written = self.clients.get_mut(&client.0).unwrap();
                assert!(written.waits && !written.gone);
                written.waits = false;
            }
        }
    }

    fn play(&mut self, terminal: &mut Terminal, step: &Step) {
        match step {
            Step::Write(client, bytes) => self.write(terminal, *client, bytes),
            Step::Mode(client, mode) => {
                if terminal.set_mode(Client(*client), *mode).is_ok() {
                    self.clients.get_mut(client).unwrap().raw = *mode == Mode::Raw;
                }
            }
            Step::Close(client) => {
                if terminal.close(Client(*client)).is_ok() {
                    let written = self.clients.get_mut(client).unwrap();
                    (written.gone, written.waits) = (true, false);
                    if written.sent == written.bytes.len() {
                        self.clients.remove(client);
                    }
                }
            }
            Step::Type(byte) => terminal.input(&[*byte]),
            Step::Take(count) => {
                for _ in 0..*count {
                    self.take(terminal);
                }
            }
        }
        self.actions(terminal);
        let all: usize = (0..CLIENTS as u64)
            .map(|client| terminal.output_of(Client(client)))
            .sum();
        assert!(all <= CLIENTS * PIECE + LIMITS.output_shared);
    }

    fn write(&mut self, terminal: &mut Terminal, client: u64, bytes: &[u8]) {
        if terminal.open(Client(client)).is_ok() {
            let _ = terminal.claim(Client(client));
            // What it wrote before it was gone is still sent, before what it writes now.
            let written = self.clients.entry(client).or_default();
            (written.gone, written.raw) = (false, false);
        }
        let waits_for = terminal.output_of(Client(client));
        let Ok(done) = terminal.write(Client(client), bytes) else {
            assert!(self.clients[&client].gone);
            return;
        };
        let written = self.clients.get_mut(&client).unwrap();
        assert_eq!(done.wait, done.accepted < bytes.len());
        let expand = |bytes: &[u8]| match written.raw {
            true => bytes.to_vec(),
            false => cooked(bytes, written.bytes.last()),
        };
        let all = expand(bytes);
        let sent = expand(&bytes[..done.accepted]);
        if all.len() <= PIECE {
            assert!(done.accepted == 0 || !done.wait, "a part of a piece");
            let start = written.bytes.len();
            written.whole.push((start, start + sent.len()));
        }
        if waits_for == 0 && !bytes.is_empty() {
            assert!(done.accepted > 0, "each client can have a piece waiting");
        }
        if std::str::from_utf8(bytes).is_ok() {
            let accepted = std::str::from_utf8(&bytes[..done.accepted]);
            assert!(accepted.is_ok(), "cut within a character");
        }
        if waits_for == 0 {
            written.patience = 0;
        }
        written.bytes.extend(sent);
        written.waits |= done.wait;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_mixed_up_or_starved(steps in prop::collection::vec(step(), 0..60)) {
        let mut terminal = Terminal::new(LIMITS);
        let mut world = World::default();
        for step in &steps {
            world.play(&mut terminal, step);
        }
        while world.take(&mut terminal) {}
        for (client, written) in &world.clients {
            prop_assert_eq!(written.sent, written.bytes.len(), "{} has output left", client);
            prop_assert!(!written.waits, "{} was not told", client);
        }
    }

    /// However the line takes it, it takes the same.
    #[test]
    fn how_much_is_taken_at_once_makes_no_difference(
        steps in prop::collection::vec(step(), 0..30),
        counts in prop::collection::vec(1..40_usize, 1..10),
    ) {
        let filled = || {
            let mut terminal = Terminal::new(LIMITS);
            let mut world = World::default();
            for step in steps.iter().filter(|step| !matches!(step, Step::Take(_))) {
                world.play(&mut terminal, step);
            }
            terminal
        };
        let all = filled().take_output(usize::MAX);
        let mut terminal = filled();
        let mut parts = Vec::new();
        for count in counts.iter().cycle() {
            let part = terminal.take_output(*count);
            prop_assert!(part.len() <= *count);
            if part.is_empty() {
                break;
            }
            parts.extend(part);
        }
        prop_assert_eq!(parts, all);
    }
}
