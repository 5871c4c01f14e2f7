//! Starting a pipeline.
//!
//! First all files are opened and pipes made; if one cannot be, nothing is started. Then the commands are started in the order of the line; if one
//! cannot be, those before it are ended.

use crate::io::{Gate, Io, Sink, Source};
use crate::os::{Inherited, Task};
use crate::running::{MOST, Over};
use crate::session::Session;
use crate::tools;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use errors::{Error, ErrorCode};
use services::process::Order;
use shell::ast::Mode;
use shell::expand::Values;
use shell::plan::{Action, Input, Output, Plan, Stage};
use shell::run::{Report, status};
use shell::table::{self, Kind};

/// Where files of the boot image are.
pub(crate) const BOOT: &str = "/boot/";

/// The argument that tells the shell's program to be one of its applets.
pub const APPLET: &str = "--applet";

/// A pipeline that was started.
pub(crate) struct Started {
    /// Numbers of all that runs for it, in its order.
    pub(crate) numbers: Vec<u64>,
    /// What has ended already.
    pub(crate) over: Vec<Over>,
    /// A command ended the shell.
    pub(crate) exit: Option<u8>,
    /// What became of what a command waited for, if that was not its end.
    pub(crate) cut: Option<Report>,
}

impl Started {
    fn new() -> Self {
        Self {
            numbers: Vec::new(),
            over: Vec::new(),
            exit: None,
            cut: None,
        }
    }
}

/// The streams of one command.
#[derive(Default)]
struct Streams {
    input: Option<u32>,
    output: Option<u32>,
    /// All of them, files that are just made included.
    ends: Vec<u32>,
}

impl Session {
    /// Starts what a plan says.
    ///
    /// # Errors
    /// What to tell the user, and the status.
    pub(crate) fn start(
        &mut self,
        plan: &Plan,
        values: &mut Values,
    ) -> Result<Started, (String, u8)> {
        if self.table.len() + plan.stages.len() > MOST {
            let text = alloc::format!("{MOST} commands run already; `wait` for some");
            return Err((text, status::USAGE));
        }
        let mut streams = self.open(plan)?;
        let mut started = Started::new();
        for (index, stage) in plan.stages.iter().enumerate() {
            let own = core::mem::take(streams.get_mut(index).ok_or_else(none)?);
            let result = self.start_one(plan, stage, own, values, &mut started);
            if let Err(refused) = result {
                for rest in streams {
                    self.close(rest.ends);
                }
                for number in started.numbers {
                    self.table.kill(number);
                }
                return Err(refused);
            }
        }
        Ok(started)
    }

    fn close(&self, ends: Vec<u32>) {
        let mut streams = self.shared.streams.borrow_mut();
        ends.into_iter().for_each(|end| streams.close(end));
    }

    /// Files and pipes of all commands.
    fn open(&mut self, plan: &Plan) -> Result<Vec<Streams>, (String, u8)> {
        let mut all: Vec<Streams> = Vec::new();
        let mut pipe = None;
        for (index, stage) in plan.stages.iter().enumerate() {
            let mut own = Streams::default();
            let has_next = index + 1 < plan.stages.len();
            let opened = self.open_one(stage, has_next, &mut own, &mut pipe);
            all.push(own);
            if let Err(refused) = opened {
                for opened in all {
                    self.close(opened.ends);
                }
                self.close(pipe.into_iter().collect());
                return Err(refused);
            }
        }
        Ok(all)
    }

    /// `pipe` is the reading end of the pipe from the command before, then that of the one to the next.
    fn open_one(
        &mut self,
        stage: &Stage,
        has_next: bool,
        own: &mut Streams,
        pipe: &mut Option<u32>,
    ) -> Result<(), (String, u8)> {
        let before = pipe.take();
        own.ends.extend(before);
        own.input = before;
        for (index, (mode, name)) in stage.files.iter().enumerate() {
            let opened = self.open_file(*mode, name);
            let end = opened.map_err(|error| (alloc::format!("{name}: {error}"), 1))?;
            own.ends.push(end);
            if stage.input == Input::File(index) {
                own.input = Some(end);
            }
            if stage.output == Output::File(index) {
                own.output = Some(end);
            }
        }
        // Who writes where nobody reads hears of it.
        if let (Some(before), true) = (before, own.input != before) {
            self.close(Vec::from([before]));
        }
        if has_next {
            // The next command reads a pipe whether this one writes to it or not.
            let made = self.shared.streams.borrow_mut().pipe();
            let (reader, writer) = made.map_err(|error| (error.to_string(), 1))?;
            *pipe = Some(reader);
            if stage.output == Output::Pipe {
                own.output = Some(writer);
                own.ends.push(writer);
            } else {
                self.close(Vec::from([writer]));
            }
        }
        Ok(())
    }

    fn open_file(&mut self, mode: Mode, name: &str) -> Result<u32, Error> {
        if let (Mode::Read, Some(module)) = (mode, name.strip_prefix(BOOT)) {
            let content = self.block_on(self.shared.os.module(module))?;
            return self.shared.streams.borrow_mut().reader_of(content);
        }
        let mut streams = self.shared.streams.borrow_mut();
        match mode {
            Mode::Read => streams.reader(name),
            Mode::Write => streams.writer(name, false),
            Mode::Append => streams.writer(name, true),
        }
    }

    fn start_one(
        &mut self,
        plan: &Plan,
        stage: &Stage,
        streams: Streams,
        values: &mut Values,
        started: &mut Started,
    ) -> Result<(), (String, u8)> {
        let io = Io {
            shared: Rc::clone(&self.shared),
            input: match (streams.input, self.shared.os.input()) {
                (Some(end), _) => Source::End(end),
                // In the background it would take the shell's own keys.
                (None, Inherited::Nothing) => Source::Nothing,
                (None, _) if plan.is_background => Source::Nothing,
                (None, _) => Source::Inherited,
            },
            output: streams.output.map_or(Sink::Inherited, Sink::End),
            gate: Gate::default(),
        };
        let gate = io.gate.clone();
        let name = stage.name();
        let task: Task<u8> = match stage.action {
            Action::Nothing => Box::pin(async { 0 }),
            Action::Builtin(command) if command.kind == Kind::Tool => {
                tools::task(command, stage.words.clone(), io)
            }
            Action::Builtin(command) if command.kind != Kind::Applet => {
                let (text, status) = match plan.stages.len() {
                    1 => self.own(command, &stage.words, values, started),
                    // In a pipeline it changes nothing.
                    _ => self.own(command, &stage.words, &mut values.clone(), started),
                };
                Box::pin(async move {
                    match io.print(command.name, text).await {
                        0 => status,
                        failed => failed,
                    }
                })
            }
            action => return self.start_process(stage, action, streams, values, started),
        };
        let number = self.table.add_command(name, task, streams.ends, gate);
        started.numbers.push(number);
        Ok(())
    }

    fn start_process(
        &mut self,
        stage: &Stage,
        action: Action,
        mut streams: Streams,
        values: &Values,
        started: &mut Started,
    ) -> Result<(), (String, u8)> {
        let own: Vec<(String, String)> = values
            .variables
            .iter()
            .filter(|(_, _, is_exported)| *is_exported)
            .map(|(name, value, _)| (name.into(), value.into()))
            .collect();
        let mut env = stage.environment(&own);
        let mut passing = None;
        let (input, reads) = self.input_word(&mut streams)?;
        let output = self.output_word(&mut streams, &mut passing)?;
        for (name, word) in [("STDIN", input), ("STDOUT", output)] {
            env.retain(|variable| variable.split('=').next() != Some(name));
            env.extend(word.map(|word| [name, "=", &word].concat()));
        }
        let mut args = stage.words.clone();
        if matches!(action, Action::Builtin(_)) {
            args.splice(0..0, [self.shared.os.name(), APPLET.into()]);
        }
        let order = Order {
            args,
            env,
            ..Order::default()
        };
        for end in &streams.ends {
            self.shared.streams.borrow_mut().promise(*end);
        }
        match self.block_on(self.shared.os.spawn(order)) {
            Ok(pid) => {
                for end in &streams.ends {
                    self.shared.streams.borrow_mut().allow(*end, pid);
                }
                self.table
                    .add_process(pid, stage.name(), streams.ends, reads);
                started.numbers.push(pid.into());
                if let Some(reader) = passing {
                    started.numbers.insert(0, self.pass_on(reader));
                }
                Ok(())
            }
            Err(error) => {
                streams.ends.extend(passing);
                self.close(streams.ends);
                Err(self.not_started(&stage.name(), error))
            }
        }
    }

    /// What a process reads, and whether that is what is typed.
    fn input_word(&self, streams: &mut Streams) -> Result<(Option<String>, bool), (String, u8)> {
        let end = match (streams.input, self.shared.os.input()) {
            (Some(end), _) => end,
            (None, Inherited::Same(word)) => return Ok((Some(word), true)),
            (None, _) => {
                // An empty pipe nobody writes to.
                let made = self.shared.streams.borrow_mut().pipe();
                let (reader, writer) = made.map_err(|error| (error.to_string(), 1))?;
                self.close(Vec::from([writer]));
                streams.ends.push(reader);
                reader
            }
        };
        Ok((Some(self.shared.os.stream(end)), false))
    }

    /// What it prints to; `passing` is the end of a pipe from which the shell passes it on.
    fn output_word(
        &self,
        streams: &mut Streams,
        passing: &mut Option<u32>,
    ) -> Result<Option<String>, (String, u8)> {
        let end = match (streams.output, self.shared.os.output()) {
            (Some(end), _) => end,
            (None, Inherited::Same(word)) => return Ok(Some(word)),
            (None, Inherited::Nothing) => return Ok(None),
            (None, Inherited::Passed) => {
                let made = self.shared.streams.borrow_mut().pipe();
                let (reader, writer) = made.map_err(|error| (error.to_string(), 1))?;
                *passing = Some(reader);
                streams.ends.push(writer);
                writer
            }
        };
        Ok(Some(self.shared.os.stream(end)))
    }

    /// A command that prints what comes from a pipe where the shell prints.
    fn pass_on(&mut self, reader: u32) -> u64 {
        let io = Io {
            shared: Rc::clone(&self.shared),
            input: Source::End(reader),
            output: Sink::Inherited,
            gate: Gate::default(),
        };
        let gate = io.gate.clone();
        let task = Box::pin(tools::copy(io));
        self.table
            .add_command("".into(), task, Vec::from([reader]), gate)
    }

    fn not_started(&mut self, name: &str, error: Error) -> (String, u8) {
        if error.contains(ErrorCode::SpawnFindModule) {
            let modules = self.block_on(self.shared.os.modules()).unwrap_or_default();
            let names = modules.iter().map(|(name, _)| name.as_str());
            return (table::not_found(name, names), status::NOT_FOUND);
        }
        (
            alloc::format!("{name}: could not be started: {error}"),
            NOT_STARTED,
        )
    }
}

/// Status of a program that is there and could not be started.
const NOT_STARTED: u8 = 126;

fn none() -> (String, u8) {
    ("this pipeline has no streams".into(), 1)
}
