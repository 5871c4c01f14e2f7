//! What a pipeline comes to: which commands the shell has itself, what programs are to be started, and who gets which stream.
//!
//! | Part | Rule |
//! |---|---|
//! | input | the last `<`; else the pipe from the command before; else what the shell reads from |
//! | output | the last `>` or `>>`; else the pipe to the next command; else what the shell prints to |
//! | other files | are opened or made all the same, in the order of the line |
//! | `time` | before the first command: the pipeline is measured |
//! | `run` | what follows is a program, whatever its name |

use crate::ast::Mode;
use crate::expand::Expanded;
use crate::run::Work;
use crate::table::{self, Command, Kind};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

/// A pipeline, ready to be started.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// Its commands.
    pub stages: Vec<Stage>,
    /// Whether the time it takes is to be told.
    pub is_timed: bool,
    /// Whether nobody waits for it.
    pub is_background: bool,
}

/// A command of a pipeline.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stage {
    /// How it runs.
    pub action: Action,
    /// The command and its arguments.
    pub words: Vec<String>,
    /// Variables for this command alone.
    pub assignments: Vec<(String, String)>,
    /// Files to open, in order: the input and output below are indexes of these.
    pub files: Vec<(Mode, String)>,
    /// What it reads.
    pub input: Input,
    /// What it writes to.
    pub output: Output,
}

/// How a command runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// There is none: only files are made.
    Nothing,
    /// The shell has it.
    Builtin(&'static Command),
    /// A program of the boot image.
    Program,
}

/// Where input comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Input {
    /// From where the shell has its own.
    Inherited,
    /// From the command before.
    Pipe,
    /// From the file of this index.
    File(usize),
}

/// Where output goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Output {
    /// To where the shell prints.
    Inherited,
    /// To the next command.
    Pipe,
    /// To the file of this index.
    File(usize),
}

/// Why a pipeline cannot run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PlanError {
    /// The command does not take that many words.
    Usage(&'static Command),
    /// It must be the only one.
    NotAlone(&'static Command),
    /// It must not run in the background.
    NotInBackground(&'static Command),
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(command) => f.write_str(&command.usage()),
            Self::NotAlone(command) => {
                write!(f, "{}: stands by itself, not in a pipeline", command.name)
            }
            Self::NotInBackground(command) => write!(
                f,
                "{}: the shell does this itself, and not in the background",
                command.name
            ),
        }
    }
}

impl core::error::Error for PlanError {}

impl Plan {
    /// What a pipeline comes to.
    ///
    /// # Errors
    /// See [`PlanError`]; nothing was started then.
    pub fn of(work: &Work<'_>) -> Result<Self, PlanError> {
        let mut is_timed = false;
        let count = work.commands.len();
        let mut stages = Vec::new();
        for (index, command) in work.commands.iter().enumerate() {
            let place = Place {
                index,
                count,
                background: work.background,
            };
            stages.push(stage(command, place, &mut is_timed)?);
        }
        Ok(Self {
            stages,
            is_timed,
            is_background: work.background,
        })
    }
}

#[derive(Clone, Copy)]
struct Place {
    index: usize,
    count: usize,
    background: bool,
}

fn stage(command: &Expanded, place: Place, is_timed: &mut bool) -> Result<Stage, PlanError> {
    let mut words = command.words.as_slice();
    while let [first, rest @ ..] = words
        && first == "time"
        && let Some(time) = table::find("time")
    {
        if place.index > 0 {
            return Err(PlanError::NotAlone(time));
        }
        if rest.is_empty() {
            return Err(PlanError::Usage(time));
        }
        *is_timed = true;
        words = rest;
    }
    let mut action = match words.first() {
        Some(name) => table::find(name).map_or(Action::Program, Action::Builtin),
        None => Action::Nothing,
    };
    if let (Action::Builtin(command), [_, rest @ ..]) = (action, words) {
        if !command.takes_count(rest) {
            return Err(PlanError::Usage(command));
        }
        if command.name == "run" {
            action = Action::Program;
            words = rest;
        }
    }
    if let Action::Builtin(command) = action {
        let is_ours = matches!(command.kind, Kind::Own | Kind::Alone);
        if is_ours && place.background {
            return Err(PlanError::NotInBackground(command));
        }
        if command.kind == Kind::Alone && place.count > 1 {
            return Err(PlanError::NotAlone(command));
        }
    }
    let files = &command.redirections;
    let last = |reads: bool| {
        files
            .iter()
            .rposition(|(mode, _)| (*mode == Mode::Read) == reads)
    };
    Ok(Stage {
        action,
        words: words.to_vec(),
        assignments: command.assignments.clone(),
        files: files.clone(),
        input: match last(true) {
            Some(file) => Input::File(file),
            None if place.index > 0 => Input::Pipe,
            None => Input::Inherited,
        },
        output: match last(false) {
            Some(file) => Output::File(file),
            None if place.index + 1 < place.count => Output::Pipe,
            None => Output::Inherited,
        },
    })
}

impl Stage {
    /// The environment of the program: `own` with the variables for this command in place of those of the same name.
    pub fn environment(&self, own: &[(String, String)]) -> Vec<String> {
        let mut all: Vec<(&str, &str)> = Vec::new();
        let both = own.iter().chain(&self.assignments);
        for (name, value) in both.map(|(name, value)| (name.as_str(), value.as_str())) {
            match all.iter_mut().find(|(other, _)| *other == name) {
                Some(place) => place.1 = value,
                None => all.push((name, value)),
            }
        }
        let joined = |(name, value): (&str, &str)| [name, "=", value].concat();
        all.into_iter().map(joined).collect()
    }

    /// The command's name, for messages.
    pub fn name(&self) -> String {
        self.words.first().map_or("", String::as_str).to_string()
    }
}
