//! A running guest: QEMU, what it prints, what is typed into it.
//!
//! [`Guest::wait`] waits for whatever comes next: console text (symbolised, records cut out), a record, a byte typed by the
//! user, a signal, the time limit, the end of QEMU. Whoever drives the guest is a loop over these [`Event`]s.
//!
//! # Invariants
//!
//! Dropping a [`Guest`] ends QEMU. QEMU ends too when hake is killed: the kernel sends it the parent-death signal.

mod filter;
mod qemu;
mod signals;
mod terminal;

pub use filter::{Filter, Piece};
pub use qemu::{Machine, Wishes, command};
pub use signals::Signals;
pub use terminal::Terminal;

use crate::failure::{Exit, Failure};
use crate::symbolise::Symboliser;
use crate::ui::Ui;
use anyhow::{Context as _, Result};
use random::Random;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, Instant};
use testproto::Nonce;

/// Something that happened.
#[derive(Debug)]
pub enum Event {
    /// The console printed this.
    Text(Vec<u8>),
    /// A record, checked.
    Record(String),
    /// The user typed this; empty at the end of the input.
    Typed(Vec<u8>),
    /// hake was asked to stop.
    Interrupted,
    /// The time limit is over.
    TimeOut,
    /// QEMU has ended; nothing comes after this.
    Ended(ExitStatus),
}

/// Where copies of the output go.
#[derive(Debug, Default)]
pub struct Copies {
    /// Everything, raw.
    pub log: Option<File>,
    /// The records, one a line.
    pub json: Option<File>,
}

impl Copies {
    /// Opens the files.
    ///
    /// # Errors
    ///
    /// 65 if one cannot be written.
    pub fn open(log: Option<&PathBuf>, json: Option<&PathBuf>) -> Result<Self> {
        let open = |file: Option<&PathBuf>| {
            let open = |file: &PathBuf| {
                File::create(file).map_err(|error| {
                    Failure::bad_input(format!("{} cannot be written: {error}", file.display()))
                })
            };
            file.map(open).transpose()
        };
        Ok(Self {
            log: open(log)?,
            json: open(json)?,
        })
    }
}

/// A running guest.
pub struct Guest<'c> {
    qemu: qemu::Qemu,
    filter: Filter,
    symbols: Symboliser,
    copies: &'c mut Copies,
    signals: &'c Signals,
    deadline: Option<Instant>,
    listen: bool,
    show_records: bool,
    events: std::collections::VecDeque<Event>,
    on_record: Option<RecordHook>,
}

/// Sees each record before whoever drives the guest.
pub type RecordHook = Box<dyn Fn(&str)>;

/// How long a possible beginning of a record or address is kept back before it is shown as it is.
const KEEP_BACK: Duration = Duration::from_millis(300);

impl<'c> Guest<'c> {
    /// Starts QEMU.
    ///
    /// # Errors
    ///
    /// 69 if it does not start.
    pub fn start(
        ui: Ui,
        machine: &Machine,
        symbols: Symboliser,
        signals: &'c Signals,
        copies: &'c mut Copies,
        limit: Option<Duration>,
    ) -> Result<Self> {
        Ok(Self {
            qemu: qemu::Qemu::start(ui, machine)?,
            filter: Filter::new(machine.nonce),
            symbols,
            copies,
            signals,
            deadline: limit.map(|limit| Instant::now() + limit),
            listen: false,
            show_records: ui.verbose(),
            events: std::collections::VecDeque::new(),
            on_record: None,
        })
    }

    /// Has this called for each record.
    pub fn on_record(&mut self, hook: RecordHook) {
        self.on_record = Some(hook);
    }

    /// Whether to report what the user types.
    pub fn listen(&mut self, listen: bool) {
        self.listen = listen;
    }

    /// Brings the time limit forward, if it is not nearer already.
    pub fn end_within(&mut self, limit: Duration) {
        let wanted = Instant::now() + limit;
        self.deadline = Some(
            self.deadline
                .map_or(wanted, |deadline| deadline.min(wanted)),
        );
    }

    /// Types into the guest. It takes the bytes when it is ready for them.
    pub fn send(&mut self, bytes: &[u8]) {
        self.qemu.queue(bytes);
    }

    /// What QEMU said on stderr.
    #[must_use]
    pub fn complaints(&self) -> &str {
        self.qemu.complaints()
    }

    /// Waits for what comes next.
    ///
    /// # Errors
    ///
    /// The operating system's, when reading or writing a pipe fails.
    pub fn wait(&mut self) -> Result<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            if self.qemu.finished() {
                self.flush();
                if let Some(event) = self.events.pop_front() {
                    return Ok(event);
                }
                return Ok(Event::Ended(self.qemu.wait()?));
            }
            if self.signals.raised() {
                return Ok(Event::Interrupted);
            }
            let now = Instant::now();
            if self.deadline.is_some_and(|deadline| deadline <= now) {
                return Ok(Event::TimeOut);
            }
            let left = self.deadline.map(|deadline| deadline - now);
            let keep_back = self.filter.holds().then_some(KEEP_BACK);
            let wait = left.into_iter().chain(keep_back).min();
            if !self.poll(wait)? && keep_back.is_some() {
                self.flush();
            }
        }
    }

    /// Waits for a file descriptor and handles what is ready; false if nothing was.
    fn poll(&mut self, wait: Option<Duration>) -> Result<bool> {
        let stdin = std::io::stdin();
        let mut ready = [PollFlags::empty(); 5];
        {
            let mut fds = vec![
                PollFd::from_borrowed_fd(self.signals.fd(), PollFlags::IN),
                PollFd::from_borrowed_fd(self.qemu.output_fd(), PollFlags::IN),
            ];
            let mut positions = vec![0, 1];
            if let Some(fd) = self.qemu.complaints_fd() {
                fds.push(PollFd::from_borrowed_fd(fd, PollFlags::IN));
                positions.push(2);
            }
            if let Some(fd) = self.qemu.input_fd() {
                fds.push(PollFd::from_borrowed_fd(fd, PollFlags::OUT));
                positions.push(3);
            }
            if self.listen {
                fds.push(PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::IN));
                positions.push(4);
            }
            let timeout = wait.map(|wait| Timespec {
                tv_sec: wait.as_secs().try_into().unwrap_or(i64::MAX),
                tv_nsec: wait.subsec_nanos().into(),
            });
            match poll(&mut fds, timeout.as_ref()) {
                Ok(0) => return Ok(false),
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => return Ok(true),
                Err(error) => return Err(error).context("waiting for QEMU failed"),
            }
            for (fd, position) in fds.iter().zip(positions) {
                if let Some(slot) = ready.get_mut(position) {
                    *slot = fd.revents();
                }
            }
        }
        let [_, output, complaints, input, typed] = ready;
        if !complaints.is_empty() {
            self.qemu.read_complaints()?;
        }
        if !input.is_empty() {
            self.qemu.write_queued()?;
        }
        if !typed.is_empty() {
            let mut buffer = [0; 4096];
            let n = rustix::io::read(&stdin, &mut buffer).unwrap_or(0);
            self.listen = n > 0;
            self.events
                .push_back(Event::Typed(buffer.get(..n).unwrap_or(&[]).to_vec()));
        }
        if !output.is_empty() {
            let bytes = self.qemu.read_output()?;
            if let Some(log) = &mut self.copies.log {
                log.write_all(&bytes)
                    .context("the console log cannot be written")?;
            }
            let pieces = self.filter.push(&bytes);
            self.take(pieces)?;
        }
        Ok(true)
    }

    fn flush(&mut self) {
        if let Some(text) = self.filter.flush() {
            self.events
                .push_back(Event::Text(self.symbols.annotate(&text)));
        }
    }

    fn take(&mut self, pieces: Vec<Piece>) -> Result<()> {
        for piece in pieces {
            match piece {
                Piece::Text(text) => self
                    .events
                    .push_back(Event::Text(self.symbols.annotate(&text))),
                Piece::Record { raw, json } => {
                    if self.show_records {
                        self.events.push_back(Event::Text(raw));
                    }
                    if let Some(file) = &mut self.copies.json {
                        writeln!(file, "{json}").context("the file of --json cannot be written")?;
                    }
                    if let Some(hook) = &self.on_record {
                        hook(&json);
                    }
                    self.events.push_back(Event::Record(json));
                }
            }
        }
        Ok(())
    }
}

/// The exit code for a guest that ended by itself, if no record says otherwise.
#[must_use]
pub fn exit_of(status: ExitStatus) -> Exit {
    if status.success() {
        Exit::Ok
    } else {
        Exit::GuestDied
    }
}

/// A nonce for a run: from the seed if there is one, else from the system's random numbers.
///
/// # Errors
///
/// The system has no random numbers.
pub fn new_nonce(seed: Option<u64>) -> Result<Nonce> {
    let bits = match seed {
        // Near seeds have unlike nonces.
        Some(seed) => Random::new(seed).next(),
        None => {
            let mut bytes = [0; 8];
            let mut file = File::open("/dev/urandom").context("no random numbers")?;
            std::io::Read::read_exact(&mut file, &mut bytes).context("no random numbers")?;
            u64::from_le_bytes(bytes)
        }
    };
    Ok(Nonce::new(bits))
}
