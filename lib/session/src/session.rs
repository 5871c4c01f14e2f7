//! A session: lines, one after the other.

use crate::foreground::{Keys, Waited};
use crate::io::{Shared, SharedStreams};
use crate::os::{Asked, Os, Task};
use crate::running::Table;
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::Cell;
use core::fmt;
use core::task::{Context, Poll};
use errors::{Error, ErrorCode};
use lineedit::Editor;
use services::process::Order;
use services::terminal::Signal;
use shell::ast::Chain;
use shell::expand::Values;
use shell::jobs::Jobs;
use shell::limits;
use shell::plan::Plan;
use shell::run::{self, Host, Report, Work, status};

/// The prompt (docs: contracts).
pub const PROMPT: &str = "barreleye> ";
/// Bytes of history.
const HISTORY_BYTES: usize = 64 << 10;

/// A session, see the [module](self).
pub struct Session {
    pub(crate) shared: Rc<Shared>,
    pub(crate) table: Table,
    pub(crate) jobs: Jobs,
    pub(crate) values: Values,
    pub(crate) editor: Editor,
    /// Bytes that were read and not used yet.
    pub(crate) typed: Vec<u8>,
    /// Why processes ended, not told yet.
    pub(crate) causes: Vec<String>,
    pub(crate) is_raw: bool,
    /// It serves a prompt, and so decides what Ctrl-C and Ctrl-Z do.
    pub(crate) is_interactive: bool,
    /// The request for the next of these, which waits all the time.
    pub(crate) interrupted: Option<Task<Signal>>,
    /// The terminal was asked for its width.
    pub(crate) has_asked: bool,
    /// The user was told that jobs run.
    pub(crate) is_warned: bool,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("jobs", &self.jobs)
            .finish_non_exhaustive()
    }
}

/// How a session ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// With this status.
    Exit(u8),
    /// There is no terminal any more.
    Lost(Error),
}

impl Session {
    /// A session; `env` are the variables that it hands on, `NAME=value`.
    pub fn new<'a>(
        os: Rc<dyn Os>,
        streams: SharedStreams,
        env: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut values = Values {
            own: os.pid().into(),
            ..Values::default()
        };
        for (name, value) in env.into_iter().filter_map(|text| text.split_once('=')) {
            let is_own = matches!(name, "STDIN" | "STDOUT");
            // What is no variable here cannot be handed on.
            if !is_own && values.variables.set(name, value).is_ok() {
                let _ = values.variables.export(name);
            }
        }
        let shared = Rc::new(Shared {
            os,
            streams,
            is_disturbed: Cell::new(false),
        });
        Self {
            table: Table::new(shared.clone()),
            shared,
            jobs: Jobs::new(),
            values,
            editor: Editor::new(limits::LINE_BYTES, HISTORY_BYTES),
            typed: Vec::new(),
            causes: Vec::new(),
            is_raw: false,
            is_interactive: false,
            interrupted: None,
            has_asked: false,
            is_warned: false,
        }
    }

    /// Serves the prompt until the user leaves.
    pub fn interact(&mut self) -> End {
        self.is_interactive = true;
        loop {
            let line = match self.prompt() {
                Ok(Some(line)) => line,
                Ok(None) => match self.leave(self.values.status) {
                    Some(end) => return end,
                    None => continue,
                },
                Err(error) => return End::Lost(error),
            };
            if line.trim().is_empty() {
                continue;
            }
            let was_warned = self.is_warned;
            if let Some(End::Exit(status)) = self.line(&line)
                && let Some(end) = self.leave(status)
            {
                return end;
            }
            // The warning holds for the very next line.
            self.is_warned &= !was_warned;
            let status = self.values.status;
            self.tell_causes();
            let concluded = self.shared.os.concluded(&line, status);
            let _ = self.block_on::<()>(alloc::boxed::Box::pin(async move {
                concluded.await;
                Ok(())
            }));
            // That it stopped is told before the next prompt, with its job.
            if !matches!(status, status::SUCCESS | status::STOPPED) {
                self.say(&alloc::format!("[status {status}]"));
            }
        }
    }

    /// Runs the lines of its input.
    pub fn batch(&mut self) -> End {
        loop {
            match self.plain_line() {
                Ok(Some(line)) => {
                    if let Some(end) = self.line(&line) {
                        return end;
                    }
                }
                Ok(None) => return End::Exit(self.values.status),
                Err(error) => return End::Lost(error),
            }
        }
    }

    /// Runs one line and all it has started.
    pub fn once(&mut self, line: &str) -> End {
        let end = self.line(line);
        end.unwrap_or(End::Exit(self.values.status))
    }

    /// Runs a line. Answers if it ended the session.
    fn line(&mut self, line: &str) -> Option<End> {
        let list = match shell::parse(line) {
            Ok(list) => list,
            Err(error) => {
                self.say(&error.to_string());
                self.values.status = status::USAGE;
                return None;
            }
        };
        let mut values = core::mem::take(&mut self.values);
        let end = run::run(&list, &mut values, self);
        self.values = values;
        match end {
            run::End::Exit(status) => Some(End::Exit(status)),
            run::End::Done | run::End::Dropped => None,
        }
    }

    /// The user wants to leave: asks once if jobs run, and ends them the second time.
    fn leave(&mut self, status: u8) -> Option<End> {
        let alive: Vec<u64> = self.jobs.iter().flat_map(|job| job.alive()).collect();
        if !alive.is_empty() && !self.is_warned {
            self.is_warned = true;
            self.say("jobs run: once more ends them and the shell; `jobs` lists them");
            return None;
        }
        for number in &alive {
            self.table.kill(*number);
        }
        self.cook();
        // They end with the shell anyway, so Ctrl-C is no reason to stay.
        let (Waited::Over | Waited::Interrupted | Waited::GivenUp | Waited::Stopped) =
            self.wait_for(&alive, Keys::Watched, &mut BTreeMap::new());
        Some(End::Exit(status))
    }

    /// Waits for an answer; what runs goes on meanwhile.
    ///
    /// # Errors
    /// The request's.
    pub(crate) fn block_on<T>(&mut self, mut asked: Asked<T>) -> Result<T, Error> {
        let os = self.shared.os.clone();
        let mut result = Err(Error::new(ErrorCode::FlounderInvalidState));
        os.block_on(&mut |context: &mut Context<'_>| {
            if let Poll::Ready(answer) = asked.as_mut().poll(context) {
                result = answer;
                return Poll::Ready(());
            }
            let over = self.table.poll(context);
            self.note(over, &mut BTreeMap::new());
            Poll::Pending
        });
        result
    }
}

impl Host for Session {
    fn pipeline(&mut self, work: &Work<'_>, values: &mut Values) -> Report {
        let plan = match Plan::of(work) {
            Ok(plan) => plan,
            Err(error) => {
                self.say(&error.to_string());
                return Report::Status(status::USAGE);
            }
        };
        let begun = self.shared.os.micros();
        let text = work.source.to_string();
        // Programs shall find the terminal as they expect it, whatever they print first.
        self.cook();
        let started = match self.start(&plan, values) {
            Ok(started) => started,
            Err((text, status)) => {
                self.say(&text);
                return Report::Status(status);
            }
        };
        if work.background {
            return self.background(&text, &started.numbers);
        }
        let report = self.foreground(&started.numbers, started.over, &text);
        if plan.is_timed && report != Report::Stopped {
            let micros = self.shared.os.micros().saturating_sub(begun);
            let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
            self.say(&alloc::format!("real {seconds}.{rest:06} s"));
        }
        match (started.exit, report) {
            (Some(status), _) => Report::Exit(status),
            (None, report) => started.cut.unwrap_or(report),
        }
    }

    fn background_chain(&mut self, chain: &Chain, values: &mut Values) -> Report {
        let text = chain.to_string();
        let env = values.variables.iter();
        let env = env.filter(|(_, _, is_exported)| *is_exported);
        let mut env: Vec<String> = env
            .map(|(name, value, _)| [name, "=", value].concat())
            .collect();
        if let crate::os::Inherited::Same(word) = self.shared.os.output() {
            env.push(["STDOUT=", &word].concat());
        }
        let order = Order {
            args: Vec::from([self.shared.os.name(), "-c".to_string(), text.clone()]),
            env,
            ..Order::default()
        };
        match self.block_on(self.shared.os.spawn(order)) {
            Ok(pid) => {
                self.table.add_process(pid, text.clone(), Vec::new(), false);
                self.background(&text, &[pid.into()])
            }
            Err(error) => {
                self.say(&alloc::format!("could not be started: {error}"));
                Report::Status(1)
            }
        }
    }

    fn complain(&mut self, message: &dyn fmt::Display) {
        self.say(&message.to_string());
    }
}

impl Session {
    /// What was started is a job.
    fn background(&mut self, text: &str, numbers: &[u64]) -> Report {
        let last = numbers.last().copied().unwrap_or_default();
        match self.jobs.add(text, numbers) {
            Ok(number) => {
                let shown = match u32::try_from(last) {
                    Ok(pid) => alloc::format!("[{number}] {pid}"),
                    Err(_) => alloc::format!("[{number}]"),
                };
                self.say(&shown);
                Report::Started(last)
            }
            Err(error) => {
                self.say(&error.to_string());
                for number in numbers {
                    self.table.kill(*number);
                }
                Report::Status(1)
            }
        }
    }
}
