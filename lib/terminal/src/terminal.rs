//! The terminal: requests and typed bytes in; answers, events and output out.
//!
//! After each call the service takes actions until there are none. Those that wait are what the calls since then made: at most one for each read
//! that waited, one for each client that waited for room, and for each call one change of the foreground and one interrupt.

use crate::client::{Client, Limits, Mode};
use crate::discipline::{Discipline, Input, Signal, Until};
use crate::error::Error;
use crate::foreground::Foreground;
use crate::output::{Output, Written};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

/// A read that waits. Numbers are never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ReadId(pub u64);

/// What the service is to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Answer a read.
    Answer {
        /// Whose.
        client: Client,
        /// Which.
        read: ReadId,
        /// What was read.
        input: Input,
    },
    /// Ctrl-C or Ctrl-Z was typed.
    Interrupt {
        /// Which.
        signal: Signal,
        /// Who decides what becomes of it: of the foreground and those who lent it, the nearest who [takes interrupts](Terminal::take_interrupts).
        to: Client,
        /// Who has the foreground.
        foreground: Client,
    },
    /// Tell the client that it has the foreground now.
    Foreground(Client),
    /// Tell the client that there is room for what it could not write.
    Room(Client),
}

#[derive(Clone, Copy, Debug)]
struct Read {
    id: ReadId,
    max: usize,
    until: Until,
}

#[derive(Debug, Default)]
struct Session {
    mode: Mode,
    takes_interrupts: bool,
    /// Oldest first.
    reads: VecDeque<Read>,
}

/// The serial service without its messages and its device.
#[derive(Debug)]
pub struct Terminal {
    limits: Limits,
    sessions: BTreeMap<Client, Session>,
    foreground: Foreground,
    discipline: Discipline,
    output: Output,
    last: u64,
    actions: VecDeque<Action>,
}

impl Terminal {
    /// One that nobody has opened.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let limits = limits.raised();
        Self {
            limits,
            sessions: BTreeMap::new(),
            foreground: Foreground::default(),
            discipline: Discipline::new(limits.type_ahead),
            output: Output::new(limits),
            last: 0,
            actions: VecDeque::new(),
        }
    }

    /// The next thing to do, oldest first.
    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    // Clients.

    /// A client comes; it is cooked and in the background. One that is gone may come again while its output is still sent.
    ///
    /// # Errors
    /// `ClientExists`, `TooManyClients`.
    pub fn open(&mut self, client: Client) -> Result<(), Error> {
        if self.sessions.contains_key(&client) {
            return Err(Error::ClientExists);
        }
        let is_back = self.output.has_client(client);
        if !is_back && self.output.clients() >= self.limits.clients {
            return Err(Error::TooManyClients);
        }
        self.output.open(client);
        self.sessions.insert(client, Session::default());
        Ok(())
    }

    /// A client goes, or has died: its reads go without an answer, the foreground goes back to who lent it, its output is still sent.
    ///
    /// # Errors
    /// `UnknownClient`.
    pub fn close(&mut self, client: Client) -> Result<(), Error> {
        let before = self.foreground();
        self.sessions.remove(&client).ok_or(Error::UnknownClient)?;
        self.output.close(client);
        self.foreground.remove(client);
        self.changed(before);
        Ok(())
    }

    /// Sets how a client reads and writes.
    ///
    /// # Errors
    /// `UnknownClient`.
    pub fn set_mode(&mut self, client: Client, mode: Mode) -> Result<(), Error> {
        self.session(client)?.mode = mode;
        self.retune();
        Ok(())
    }

    /// Whether interrupts of this client, and of those it lent the foreground to, are for it to decide; at first they are not.
    ///
    /// # Errors
    /// `UnknownClient`.
    pub fn take_interrupts(&mut self, client: Client, takes: bool) -> Result<(), Error> {
        self.session(client)?.takes_interrupts = takes;
        Ok(())
    }

    // Foreground.

    /// Who reads what is typed.
    #[must_use]
    pub fn foreground(&self) -> Option<Client> {
        self.foreground.holder()
    }

    /// Whether the client has the foreground, or has lent it.
    #[must_use]
    pub fn is_in_chain(&self, client: Client) -> bool {
        self.foreground.chain().any(|one| one == client)
    }

    /// Takes the foreground if nobody has it.
    ///
    /// # Errors
    /// `UnknownClient`; `HasForeground`; `NotForeground` if another client has it.
    pub fn claim(&mut self, client: Client) -> Result<(), Error> {
        self.session(client)?;
        self.change(|foreground| foreground.claim(client))
    }

    /// Lends the foreground to another client.
    ///
    /// # Errors
    /// `UnknownClient`; `NotForeground`; `HasForeground` if `to` has it or lent it.
    pub fn lend(&mut self, from: Client, to: Client) -> Result<(), Error> {
        self.session(from)?;
        self.session(to)?;
        self.change(|foreground| foreground.lend(from, to))
    }

    /// Gives the foreground back to who lent it; nobody has it if it was claimed.
    ///
    /// # Errors
    /// `UnknownClient`, `NotForeground`.
    pub fn give_back(&mut self, client: Client) -> Result<(), Error> {
        self.session(client)?;
        self.change(|foreground| foreground.give_back(client))
    }

    /// Takes the foreground back from whom it was lent to, and lent on.
    ///
    /// # Errors
    /// `UnknownClient`, `NotLent`.
    pub fn take_back(&mut self, client: Client) -> Result<(), Error> {
        self.session(client)?;
        self.change(|foreground| foreground.take_back(client))
    }

    fn change(
        &mut self,
        change: impl FnOnce(&mut Foreground) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let before = self.foreground();
        change(&mut self.foreground)?;
        self.changed(before);
        Ok(())
    }

    fn changed(&mut self, before: Option<Client>) {
        let now = self.foreground();
        if now != before
            && let Some(client) = now
        {
            self.actions.push_back(Action::Foreground(client));
        }
        self.retune();
    }

    /// The discipline follows the foreground. Nobody's input is kept as it is.
    fn retune(&mut self) {
        let session = self
            .foreground()
            .and_then(|client| self.sessions.get(&client));
        let cooked = session.is_some_and(|session| session.mode == Mode::Cooked);
        if let Some(signal) = self.discipline.retune(cooked, &mut self.output) {
            self.interrupt(signal);
        }
        self.serve();
    }

    // Input.

    /// The line received these bytes.
    pub fn input(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if let Some(signal) = self.discipline.feed(byte, &mut self.output) {
                self.interrupt(signal);
            }
            self.serve();
        }
    }

    fn interrupt(&mut self, signal: Signal) {
        let takes = |client: &Client| {
            let session = self.sessions.get(client);
            session.is_some_and(|session| session.takes_interrupts)
        };
        if let Some(foreground) = self.foreground()
            && let Some(to) = self.foreground.chain().find(takes)
        {
            let action = Action::Interrupt {
                signal,
                to,
                foreground,
            };
            // One that has not been looked at yet says the same.
            if self.actions.back() != Some(&action) {
                self.actions.push_back(action);
            }
        }
    }

    /// Reads at most so many bytes; of a cooked client, at most a line. An [`Action::Answer`] follows, at once or when the client has the foreground
    /// and there is something to read. Reads of a client are answered in their order.
    ///
    /// # Errors
    /// `UnknownClient`, `EmptyRead`, `TooManyReads`.
    pub fn read(&mut self, client: Client, max: usize, until: Until) -> Result<ReadId, Error> {
        let limit = self.limits.reads_of_client;
        let id = ReadId(self.last.saturating_add(1));
        let session = self.session(client)?;
        if max == 0 {
            return Err(Error::EmptyRead);
        }
        if session.reads.len() >= limit {
            return Err(Error::TooManyReads);
        }
        session.reads.push_back(Read { id, max, until });
        self.last = id.0;
        self.serve();
        Ok(id)
    }

    /// Reads one byte, as the course's `getchar` does: [`Input::char`] is its answer.
    ///
    /// # Errors
    /// Those of [`read`](Self::read).
    pub fn getchar(&mut self, client: Client) -> Result<ReadId, Error> {
        self.read(client, 1, Until::Any)
    }

    /// Waits no longer. No answer follows.
    ///
    /// # Errors
    /// `UnknownClient`, `NoRead`.
    pub fn cancel(&mut self, client: Client, read: ReadId) -> Result<(), Error> {
        let reads = &mut self.session(client)?.reads;
        let place = reads.iter().position(|one| one.id == read);
        let place = place.ok_or(Error::NoRead)?;
        reads.remove(place);
        // The one behind it may ask for less.
        self.serve();
        Ok(())
    }

    /// Forgets what was typed and not read.
    ///
    /// # Errors
    /// `UnknownClient`, `NotForeground`.
    pub fn discard_input(&mut self, client: Client) -> Result<(), Error> {
        self.session(client)?;
        if self.foreground() != Some(client) {
            return Err(Error::NotForeground);
        }
        self.discipline.clear();
        Ok(())
    }

    /// Bytes typed and not read.
    #[must_use]
    pub fn unread(&self) -> usize {
        self.discipline.len()
    }

    /// Answers what reads of the foreground can be answered.
    fn serve(&mut self) {
        let Some(client) = self.foreground() else {
            return;
        };
        let Some(session) = self.sessions.get_mut(&client) else {
            return;
        };
        if !session.reads.is_empty() {
            self.discipline.show(&mut self.output);
        }
        while let Some(read) = session.reads.front()
            && let Some(input) = self.discipline.take(read.max, read.until)
        {
            let read = read.id;
            session.reads.pop_front();
            self.actions.push_back(Action::Answer {
                client,
                read,
                input,
            });
        }
    }

    // Output.

    /// Writes, from wherever the client is. What fits into a piece is taken whole or not at all, a longer write perhaps in part.
    ///
    /// # Errors
    /// `UnknownClient`.
    pub fn write(&mut self, client: Client, bytes: &[u8]) -> Result<Written, Error> {
        let mode = self.session(client)?.mode;
        Ok(self.output.write(client, bytes, mode))
    }

    /// Writes one byte, as the course's `putchar` does.
    ///
    /// # Errors
    /// Those of [`write`](Self::write).
    pub fn putchar(&mut self, client: Client, byte: u8) -> Result<Written, Error> {
        self.write(client, &[byte])
    }

    /// The next bytes for the line, at most so many.
    pub fn take_output(&mut self, max: usize) -> Vec<u8> {
        let bytes = self.output.take(max);
        while let Some(client) = self.output.next_with_room() {
            self.actions.push_back(Action::Room(client));
        }
        bytes
    }

    /// Whether there is anything for the line.
    #[must_use]
    pub fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// Bytes of a client that wait for the line.
    #[must_use]
    pub fn output_of(&self, client: Client) -> usize {
        self.output.len_of(client)
    }

    fn session(&mut self, client: Client) -> Result<&mut Session, Error> {
        self.sessions.get_mut(&client).ok_or(Error::UnknownClient)
    }

    /// Looks at everything, for tests.
    ///
    /// # Errors
    /// What does not agree.
    pub fn check_invariants(&self) -> Result<(), &'static str> {
        self.discipline.check()?;
        self.output.check()?;
        if self.output.clients() > self.limits.clients {
            return Err("too many clients");
        }
        let open = |client: Client| self.sessions.contains_key(&client);
        if !self.foreground.chain().all(open) {
            return Err("who is gone has the foreground, or lent it");
        }
        for (client, session) in &self.sessions {
            if !self.output.has_client(*client) {
                return Err("a client has no output");
            }
            if session.reads.len() > self.limits.reads_of_client {
                return Err("a client has too many reads");
            }
        }
        Ok(())
    }
}
