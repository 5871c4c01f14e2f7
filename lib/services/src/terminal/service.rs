//! The terminal's service: requests of processes to the engine, its actions to answers.
//!
//! Without I/O: its program gives it what the line [received](TerminalService::input) and sends what it [takes](TerminalService::take_output).
//!
//! * A client of the engine is a process. It comes with its first connection, or when the foreground is lent to it, and goes with its last
//!   connection, or when it never came and the foreground is nobody's or another's again.
//! * A write that does not fit waits here with what is left of it, and goes on as soon as there is room; those of a process in their order.
//! * A write is answered when all of it has been [taken](TerminalService::take_output) for the line. So what a program was told is written is not lost when
//!   the service ends, if the domain sends what it took before it sends the answers.
//! * Who asked for interrupts once gets them until it gives such a call up: a Ctrl-C or Ctrl-Z that comes between two calls is kept for the next.

use super::{Mode, READ_MAX, Signal, Terminal, Typed};
use crate::grading::{Grading, Silent};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use errors::{Error, ErrorCode};
use flounder::{Answer, Caller, Finished};
use terminal::{Action, Client, Input, Limits, ReadId, Until};

/// Writes of one process that wait.
const WRITES: usize = 8;

/// A process.
#[derive(Debug, Default)]
struct Process {
    connections: usize,
    /// Oldest first.
    writes: VecDeque<Write>,
    /// Writes that were taken whole, and of which not all was sent: answered when nothing of the process's waits any more.
    sending: Vec<Answer<()>>,
    /// Who is told of a Ctrl-C or Ctrl-Z.
    interrupted: Vec<Answer<Signal>>,
    /// One was typed and nobody was told.
    untold: Option<Signal>,
}

/// A write, and what of it was not taken yet.
#[derive(Debug)]
struct Write {
    answer: Answer<()>,
    rest: Vec<u8>,
}

/// The service.
pub struct TerminalService {
    /// Who is told of calls: of reads and writes of one byte, as the course's are.
    pub grading: Box<dyn Grading>,
    engine: terminal::Terminal,
    /// Whose each connection is.
    connections: BTreeMap<u64, u32>,
    processes: BTreeMap<u32, Process>,
    reads: BTreeMap<ReadId, Answer<Typed>>,
    finished: Vec<Finished>,
}

impl core::fmt::Debug for TerminalService {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("TerminalService")
            .field("engine", &self.engine)
            .field("processes", &self.processes)
            .finish_non_exhaustive()
    }
}

/// The engine's client that a process is.
const fn client_of(pid: u32) -> Client {
    Client(pid as u64)
}

const fn pid_of(client: Client) -> u32 {
    client.0 as u32
}

const fn signal_of(signal: terminal::Signal) -> Signal {
    match signal {
        terminal::Signal::Stop => Signal::Stop,
        terminal::Signal::Interrupt => Signal::Interrupt,
    }
}

fn error_of(error: terminal::Error) -> Error {
    error.code().into()
}

impl TerminalService {
    /// One that nobody uses.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            grading: Box::new(Silent),
            engine: terminal::Terminal::new(limits),
            connections: BTreeMap::new(),
            processes: BTreeMap::new(),
            reads: BTreeMap::new(),
            finished: Vec::new(),
        }
    }

    /// A process has connected.
    ///
    /// # Errors
    /// `TERMINAL_ERR_TOO_MANY_CLIENTS`; whatever comes by this connection is refused then.
    pub fn opened(&mut self, connection: u64, pid: u32) -> Result<(), Error> {
        let process = self.process(pid)?;
        process.connections = process.connections.saturating_add(1);
        self.connections.insert(connection, pid);
        Ok(())
    }

    /// The line received these bytes.
    pub fn input(&mut self, bytes: &[u8]) {
        self.engine.input(bytes);
        self.act();
    }

    /// The next bytes for the line, at most so many.
    pub fn take_output(&mut self, most: usize) -> Vec<u8> {
        let bytes = self.engine.take_output(most);
        self.act();
        self.sent();
        bytes
    }

    /// Whether there is anything for the line.
    #[must_use]
    pub fn has_output(&self) -> bool {
        self.engine.has_output()
    }

    /// The answers that are ready.
    pub fn take_finished(&mut self) -> Vec<Finished> {
        core::mem::take(&mut self.finished)
    }

    /// Processes that use it, or that the foreground was lent to.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.processes.len()
    }

    /// Who reads what is typed.
    #[must_use]
    pub fn foreground(&self) -> Option<u32> {
        self.engine.foreground().map(pid_of)
    }

    /// Whether a read of the foreground waits for something to be typed.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        let foreground = self.foreground();
        let mut reads = self.reads.values();
        foreground.is_some()
            && reads.any(|answer| {
                let connection = answer.caller().connection;
                self.connections.get(&connection).copied() == foreground
            })
    }

    /// Looks at everything, for tests.
    ///
    /// # Errors
    /// What does not agree.
    pub fn check_invariants(&self) -> Result<(), &'static str> {
        self.engine.check_invariants()?;
        let of = |pid: u32| self.connections.values().filter(|one| **one == pid).count();
        for (pid, process) in &self.processes {
            if process.connections != of(*pid) {
                return Err("connections are miscounted");
            }
            if process.connections == 0 && !self.engine.is_in_chain(client_of(*pid)) {
                return Err("a process that is gone is kept");
            }
        }
        let is_known = |answer: &Answer<Typed>| {
            let connection = answer.caller().connection;
            self.connections.contains_key(&connection)
        };
        match self.reads.values().all(is_known) {
            true => Ok(()),
            false => Err("a read of nobody waits"),
        }
    }

    /// A process, which is known from now on.
    fn process(&mut self, pid: u32) -> Result<&mut Process, Error> {
        if !self.processes.contains_key(&pid) {
            self.engine.open(client_of(pid)).map_err(error_of)?;
        }
        Ok(self.processes.entry(pid).or_default())
    }

    fn pid(&self, caller: Caller) -> Result<u32, Error> {
        let pid = self.connections.get(&caller.connection).copied();
        pid.ok_or(ErrorCode::TerminalUnknownClient.into())
    }

    /// Asks the engine on behalf of a process, then does what comes of it.
    fn ask(
        &mut self,
        caller: Caller,
        ask: impl FnOnce(&mut terminal::Terminal, Client) -> Result<(), terminal::Error>,
    ) -> Result<(), Error> {
        let pid = self.pid(caller)?;
        let result = ask(&mut self.engine, client_of(pid)).map_err(error_of);
        self.act();
        result
    }

    fn act(&mut self) {
        while let Some(action) = self.engine.next_action() {
            match action {
                Action::Answer { read, input, .. } => {
                    if let Some(answer) = self.reads.remove(&read) {
                        let Input { bytes, end } = input;
                        self.finished.push(answer.finish(Ok(Typed { bytes, end })));
                    }
                }
                Action::Interrupt { signal, to, .. } => {
                    self.interrupt(pid_of(to), signal_of(signal));
                }
                Action::Room(client) => self.go_on(pid_of(client)),
                Action::Foreground(_) => {}
            }
        }
        self.forget();
    }

    /// Answers the writes of processes of whose output nothing waits.
    fn sent(&mut self) {
        for (pid, process) in &mut self.processes {
            let is_sent = process.writes.is_empty() && self.engine.output_of(client_of(*pid)) == 0;
            if is_sent && !process.sending.is_empty() {
                let sent = process.sending.drain(..);
                self.finished
                    .extend(sent.map(|answer| answer.finish(Ok(()))));
            }
        }
    }

    fn interrupt(&mut self, pid: u32, signal: Signal) {
        let Some(process) = self.processes.get_mut(&pid) else {
            return;
        };
        if process.interrupted.is_empty() {
            process.untold = process.untold.max(Some(signal));
        }
        let told = process.interrupted.drain(..);
        self.finished
            .extend(told.map(|answer| answer.finish(Ok(signal))));
    }

    /// Writes what waits, as far as there is room.
    fn go_on(&mut self, pid: u32) {
        let Some(process) = self.processes.get_mut(&pid) else {
            return;
        };
        while let Some(write) = process.writes.front_mut() {
            let written = self.engine.write(client_of(pid), &write.rest);
            let result = match written {
                Ok(written) if written.wait => {
                    write.rest.drain(..written.accepted.min(write.rest.len()));
                    return;
                }
                Ok(_) => Ok(()),
                Err(error) => Err(error_of(error)),
            };
            let Some(write) = process.writes.pop_front() else {
                return;
            };
            match result {
                Ok(()) => process.sending.push(write.answer),
                refused => self.finished.push(write.answer.finish(refused)),
            }
        }
    }

    /// Processes that never came, and that nobody lends the foreground to any more, are none.
    fn forget(&mut self) {
        let engine = &mut self.engine;
        self.processes.retain(|pid, process| {
            let client = client_of(*pid);
            let stays = process.connections > 0 || engine.is_in_chain(client);
            if !stays {
                // It is open: that of every process is.
                let _ = engine.close(client);
            }
            stays
        });
    }

    fn later<R>(&mut self, answer: Answer<R>, error: Error) {
        self.finished.push(answer.finish(Err(error)));
    }
}

impl Terminal for TerminalService {
    fn read(&mut self, most: u32, line: bool, answer: Answer<Typed>) {
        let until = match line {
            true => Until::Line,
            false => Until::Any,
        };
        let most = (most as usize).min(READ_MAX);
        if most == 1 {
            self.grading.grading_rpc_handler_serial_getchar();
        }
        let read = self.pid(answer.caller()).and_then(|pid| {
            let read = self.engine.read(client_of(pid), most, until);
            read.map_err(error_of)
        });
        match read {
            Ok(read) => {
                self.reads.insert(read, answer);
                self.act();
            }
            Err(error) => self.later(answer, error),
        }
    }

    fn write(&mut self, bytes: &[u8], answer: Answer<()>) {
        if let [byte] = bytes {
            self.grading.grading_rpc_handler_serial_putchar(*byte);
        }
        let process = self.pid(answer.caller()).and_then(|pid| {
            let process = self.process(pid)?;
            Ok((pid, process.writes.len()))
        });
        let (pid, waiting) = match process {
            Ok(process) => process,
            Err(error) => return self.later(answer, error),
        };
        if waiting >= WRITES {
            return self.later(answer, ErrorCode::TerminalTooManyWrites.into());
        }
        let accepted = match waiting {
            0 => match self.engine.write(client_of(pid), bytes) {
                Ok(written) => written.accepted,
                Err(error) => return self.later(answer, error_of(error)),
            },
            // Those before it come first.
            _ => 0,
        };
        match bytes.get(accepted..) {
            None | Some([]) if waiting == 0 => {
                if let Some(process) = self.processes.get_mut(&pid) {
                    process.sending.push(answer);
                }
            }
            rest => {
                let rest = rest.unwrap_or_default().to_vec();
                if let Some(process) = self.processes.get_mut(&pid) {
                    process.writes.push_back(Write { answer, rest });
                }
            }
        }
        self.act();
        // Of nothing, or what another's turn has sent already.
        self.sent();
    }

    fn set_mode(&mut self, caller: Caller, mode: Mode) -> Result<(), Error> {
        let mode = match mode {
            Mode::Cooked => terminal::Mode::Cooked,
            Mode::Raw => terminal::Mode::Raw,
        };
        self.ask(caller, |engine, client| engine.set_mode(client, mode))
    }

    fn claim(&mut self, caller: Caller) -> Result<(), Error> {
        self.ask(caller, terminal::Terminal::claim)
    }

    fn lend(&mut self, caller: Caller, to: u32) -> Result<(), Error> {
        let pid = self.pid(caller)?;
        if self.foreground() != Some(pid) {
            return Err(ErrorCode::TerminalNotForeground.into());
        }
        self.process(to)?;
        self.ask(caller, |engine, client| engine.lend(client, client_of(to)))
    }

    fn take_back(&mut self, caller: Caller) -> Result<(), Error> {
        self.ask(caller, terminal::Terminal::take_back)
    }

    fn give_back(&mut self, caller: Caller) -> Result<(), Error> {
        self.ask(caller, terminal::Terminal::give_back)
    }

    fn interrupted(&mut self, answer: Answer<Signal>) {
        let process = self
            .pid(answer.caller())
            .and_then(|pid| Ok((pid, self.process(pid)?)));
        match process {
            Ok((pid, process)) => match process.untold.take() {
                Some(signal) => self.finished.push(answer.finish(Ok(signal))),
                None => {
                    process.interrupted.push(answer);
                    // It is open: that of every process is.
                    let _ = self.engine.take_interrupts(client_of(pid), true);
                }
            },
            Err(error) => self.later(answer, error),
        }
    }

    fn discard_input(&mut self, caller: Caller) -> Result<(), Error> {
        self.ask(caller, terminal::Terminal::discard_input)
    }

    fn cancelled(&mut self, caller: Caller) {
        let Ok(pid) = self.pid(caller) else {
            return;
        };
        let client = client_of(pid);
        let mut reads = self.reads.iter();
        if let Some((&read, _)) = reads.find(|(_, answer)| answer.caller() == caller) {
            self.reads.remove(&read);
            let _ = self.engine.cancel(client, read);
        }
        if let Some(process) = self.processes.get_mut(&pid) {
            process
                .writes
                .retain(|write| write.answer.caller() != caller);
            process.sending.retain(|answer| answer.caller() != caller);
            process.give_up(&mut self.engine, client, |one| one == caller);
        }
        self.act();
    }

    fn closed(&mut self, connection: u64) {
        // One too many was never known.
        let Some(pid) = self.connections.remove(&connection) else {
            return;
        };
        let client = client_of(pid);
        let is_its = |caller: Caller| caller.connection == connection;
        let engine = &mut self.engine;
        self.reads.retain(|read, answer| {
            let goes = is_its(answer.caller());
            if goes {
                let _ = engine.cancel(client, *read);
            }
            !goes
        });
        if let Some(process) = self.processes.get_mut(&pid) {
            process
                .writes
                .retain(|write| !is_its(write.answer.caller()));
            process.sending.retain(|answer| !is_its(answer.caller()));
            process.give_up(engine, client, is_its);
            process.connections = process.connections.saturating_sub(1);
            if process.connections == 0 {
                // It has gone, and the foreground with it.
                self.processes.remove(&pid);
                let _ = engine.close(client);
            }
        }
        self.finished
            .retain(|finished| finished.caller().connection != connection);
        self.act();
    }
}

impl Process {
    /// These calls do not wait for interrupts any more; with the last one, the process takes none.
    fn give_up(
        &mut self,
        engine: &mut terminal::Terminal,
        client: Client,
        is_it: impl Fn(Caller) -> bool,
    ) {
        let before = self.interrupted.len();
        self.interrupted.retain(|answer| !is_it(answer.caller()));
        if before > 0 && self.interrupted.is_empty() {
            self.untold = None;
            let _ = engine.take_interrupts(client, false);
        }
    }
}
