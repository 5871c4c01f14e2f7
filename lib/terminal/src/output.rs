//! Output that waits for the line: whose comes next, and who has to wait.
//!
//! What a client writes is kept in *pieces*: a write that fits into one is one, and a longer one is cut behind the last end of a line that fits,
//! else behind a whole character. A piece is sent without anything in between. A piece that does not end a line is lengthened by the client's
//! next write, if that fits and its turn has not begun: so lines made of single characters stay together. Pieces are sent by turns, one of each
//! client that has some; between two turns, at most a piece of echo.
//!
//! **Full.** Each client may have a piece waiting whatever the others do. What is beyond that comes out of a part for all, and each client has
//! a bound of its own. A piece that finds no room is refused whole, its writer waits, and is told as soon as there is room for that piece. When
//! a client goes, its output is still sent; until then it counts as a client. Echo that finds no room is not shown.

use crate::client::{Client, Limits, Mode};
use crate::discipline::Echo;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

/// How much of a write was taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Written {
    /// Bytes taken, from the first on.
    pub accepted: usize,
    /// The rest is to be written again after [`Action::Room`](crate::Action::Room).
    pub wait: bool,
}

#[derive(Debug, Default)]
struct Queue {
    bytes: VecDeque<u8>,
    /// The lengths of the pieces that the bytes are.
    pieces: VecDeque<usize>,
    /// The last byte written was a carriage return.
    after_return: bool,
    /// The shortest piece that found no room is so long.
    wanted: Option<usize>,
    /// The client is gone.
    leaving: bool,
}

/// The next piece of a write.
struct Piece {
    /// So many bytes of the write.
    taken: usize,
    /// As they are sent.
    sent: Vec<u8>,
}

/// The output of all clients.
#[derive(Debug)]
pub(crate) struct Output {
    limits: Limits,
    queues: BTreeMap<Client, Queue>,
    /// Who has output, next first; without whose turn it is.
    rotation: VecDeque<Client>,
    /// Whose piece is being sent.
    turn: Option<Client>,
    waiting: BTreeSet<Client>,
    /// Bytes that wait beyond each client's first piece.
    shared: usize,
    echo: VecDeque<u8>,
    /// So much echo may still be sent before the next turn.
    echo_left: usize,
}

impl Echo for Output {
    fn echo(&mut self, bytes: &[u8]) {
        if self.echo.len().saturating_add(bytes.len()) <= self.limits.echo {
            self.echo.extend(bytes);
        }
    }
}

impl Output {
    pub(crate) const fn new(limits: Limits) -> Self {
        Self {
            limits,
            queues: BTreeMap::new(),
            rotation: VecDeque::new(),
            turn: None,
            waiting: BTreeSet::new(),
            shared: 0,
            echo: VecDeque::new(),
            echo_left: limits.piece,
        }
    }

    /// Clients, those included that are gone but whose output is not.
    pub(crate) fn clients(&self) -> usize {
        self.queues.len()
    }

    pub(crate) fn has_client(&self, client: Client) -> bool {
        self.queues.contains_key(&client)
    }

    pub(crate) fn open(&mut self, client: Client) {
        self.queues.entry(client).or_default().leaving = false;
    }

    pub(crate) fn close(&mut self, client: Client) {
        self.waiting.remove(&client);
        if let Some(queue) = self.queues.get_mut(&client) {
            queue.wanted = None;
            queue.leaving = true;
            if queue.bytes.is_empty() {
                self.queues.remove(&client);
            }
        }
    }

    /// Whether there is anything to send.
    pub(crate) fn is_empty(&self) -> bool {
        self.turn.is_none() && self.rotation.is_empty() && self.echo.is_empty()
    }

    /// Bytes of a client that wait.
    pub(crate) fn len_of(&self, client: Client) -> usize {
        self.queues
            .get(&client)
            .map_or(0, |queue| queue.bytes.len())
    }

    /// What a queue of this length has of the part for all.
    const fn share(&self, len: usize) -> usize {
        len.saturating_sub(self.limits.piece)
    }

    fn has_room(&self, queue: &Queue, bytes: usize) -> bool {
        let before = queue.bytes.len();
        let after = before.saturating_add(bytes);
        let more = self.share(after).saturating_sub(self.share(before));
        after <= self.limits.output_of_client
            && self.shared.saturating_add(more) <= self.limits.output_shared
    }

    pub(crate) fn write(&mut self, client: Client, mut bytes: &[u8], mode: Mode) -> Written {
        let mut accepted = 0_usize;
        while !bytes.is_empty() {
            let Some(queue) = self.queues.get(&client) else {
                break;
            };
            let piece = cut(bytes, mode, queue.after_return, self.limits.piece);
            let room = self.has_room(queue, piece.sent.len());
            let Some(queue) = self.queues.get_mut(&client) else {
                break;
            };
            if !room {
                // Another write of this client may wait already, for more or less.
                let wanted = queue.wanted.unwrap_or(usize::MAX);
                queue.wanted = Some(wanted.min(piece.sent.len()));
                self.waiting.insert(client);
                break;
            }
            let before = queue.bytes.len();
            if before == 0 {
                self.rotation.push_back(client);
            }
            let begun = self.turn == Some(client) && queue.pieces.len() == 1;
            let open = !begun && queue.bytes.back().is_some_and(|last| *last != b'\n');
            match queue.pieces.back_mut() {
                Some(last)
                    if open && last.saturating_add(piece.sent.len()) <= self.limits.piece =>
                {
                    *last = last.saturating_add(piece.sent.len());
                }
                _ => queue.pieces.push_back(piece.sent.len()),
            }
            queue.bytes.extend(&piece.sent);
            let after = queue.bytes.len();
            queue.after_return = piece.sent.last() == Some(&b'\r');
            let more = self.share(after).saturating_sub(self.share(before));
            self.shared = self.shared.saturating_add(more);
            accepted = accepted.saturating_add(piece.taken);
            bytes = bytes.get(piece.taken..).unwrap_or_default();
        }
        Written {
            accepted,
            wait: !bytes.is_empty(),
        }
    }

    /// The next bytes for the line, at most so many.
    pub(crate) fn take(&mut self, max: usize) -> Vec<u8> {
        let mut taken = Vec::new();
        while taken.len() < max {
            let left = max.saturating_sub(taken.len());
            if let Some(client) = self.turn {
                self.go_on(client, left, &mut taken);
                continue;
            }
            let echo = left.min(self.echo_left).min(self.echo.len());
            if echo > 0 {
                taken.extend(self.echo.drain(..echo));
                self.echo_left = self.echo_left.saturating_sub(echo);
                continue;
            }
            self.turn = self.rotation.pop_front();
            if self.turn.is_none() {
                if self.echo.is_empty() {
                    break;
                }
                self.echo_left = self.limits.piece;
            }
        }
        taken
    }

    /// Sends some of the piece whose turn it is.
    fn go_on(&mut self, client: Client, max: usize, taken: &mut Vec<u8>) {
        let Some(queue) = self.queues.get_mut(&client) else {
            self.turn = None;
            return;
        };
        let before = queue.bytes.len();
        let piece = queue.pieces.front().copied().unwrap_or(0);
        let count = piece.min(max).min(before);
        taken.extend(queue.bytes.drain(..count));
        let after = queue.bytes.len();
        if let Some(first) = queue.pieces.front_mut() {
            *first = first.saturating_sub(count);
        }
        if count == piece {
            queue.pieces.pop_front();
            self.turn = None;
            self.echo_left = self.limits.piece;
            match (after, queue.leaving) {
                (0, true) => {
                    self.queues.remove(&client);
                }
                (0, false) => {}
                _ => self.rotation.push_back(client),
            }
        }
        let less = self.share(before).saturating_sub(self.share(after));
        self.shared = self.shared.saturating_sub(less);
    }

    /// Somebody who waited and has room now. It waits no longer.
    pub(crate) fn next_with_room(&mut self) -> Option<Client> {
        let client = self.waiting.iter().copied().find(|client| {
            let queue = self.queues.get(client);
            queue.is_some_and(|queue| self.has_room(queue, queue.wanted.unwrap_or(0)))
        })?;
        self.waiting.remove(&client);
        if let Some(queue) = self.queues.get_mut(&client) {
            queue.wanted = None;
        }
        Some(client)
    }

    /// What is wrong with it, if anything.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        let mut shared = 0_usize;
        for (client, queue) in &self.queues {
            let pieces: usize = queue.pieces.iter().sum();
            if pieces != queue.bytes.len() || queue.pieces.contains(&0) {
                return Err("pieces are not the bytes");
            }
            if queue.pieces.iter().any(|piece| *piece > self.limits.piece) {
                return Err("a piece is too long");
            }
            if queue.bytes.len() > self.limits.output_of_client {
                return Err("a client has too much output");
            }
            let turns = self.rotation.iter().chain(&self.turn);
            let turns = turns.filter(|one| *one == client).count();
            if turns != usize::from(!queue.bytes.is_empty()) {
                return Err("who has output has one turn coming, others none");
            }
            if queue.leaving && queue.bytes.is_empty() {
                return Err("a client is gone and so is its output");
            }
            if queue.wanted.is_some() != self.waiting.contains(client) {
                return Err("who waits is not known");
            }
            if let Some(wanted) = queue.wanted
                && self.has_room(queue, wanted)
            {
                return Err("a client waits though there is room");
            }
            shared = shared.saturating_add(self.share(queue.bytes.len()));
        }
        if shared != self.shared || shared > self.limits.output_shared {
            return Err("the part for all is miscounted or exceeded");
        }
        if self.echo.len() > self.limits.echo {
            return Err("too much echo");
        }
        Ok(())
    }
}

/// The first piece of a write.
fn cut(bytes: &[u8], mode: Mode, mut after_return: bool, max: usize) -> Piece {
    let mut sent = Vec::new();
    let mut line = None;
    for (at, &byte) in bytes.iter().enumerate() {
        let expand = mode == Mode::Cooked && byte == b'\n' && !after_return;
        let len = if expand { 2_usize } else { 1 };
        if sent.len().saturating_add(len) > max {
            return cut_here(bytes, at, sent, line);
        }
        if expand {
            sent.push(b'\r');
        }
        sent.push(byte);
        after_return = byte == b'\r';
        if byte == b'\n' {
            line = Some((at.saturating_add(1), sent.len()));
        }
    }
    Piece {
        taken: bytes.len(),
        sent,
    }
}

/// The write does not fit: `sent` is its first `at` bytes, and `line` where the last line ends in both.
fn cut_here(bytes: &[u8], at: usize, mut sent: Vec<u8>, line: Option<(usize, usize)>) -> Piece {
    let (taken, len) = line.unwrap_or_else(|| {
        // Not within a character, whose later bytes are 0b10xx_xxxx and at most three.
        let later = |at: &usize| bytes.get(*at).is_some_and(|byte| byte & 0xc0 == 0x80);
        let back = (0..4_usize).find(|back| !later(&at.saturating_sub(*back)));
        let back = back.unwrap_or(0);
        (at.saturating_sub(back), sent.len().saturating_sub(back))
    });
    sent.truncate(len);
    Piece { taken, sent }
}
