//! What a list does: which pipelines run, in which order, with which `$?`.
//!
//! | Written | Meaning |
//! |---|---|
//! | `a; b` | `b` runs when `a` has ended |
//! | `a && b`, `a \|\| b` | `b` runs if the status so far is 0, or is not 0; from left to right |
//! | `a &` | `a` starts and nobody waits; `$?` is 0 and `$!` its process |
//! | `a && b &` | the whole chain goes to the background: [`Host::background_chain`] |
//! | `NAME=value` | sets the shell's variable |
//! | `NAME=value a` | sets it for `a` alone |
//!
//! Ctrl-C ends the pipeline that runs and drops the rest of the line; Ctrl-Z stops it and drops the rest, and so does a command that cannot be expanded.

use crate::ast::{Chain, Connector, List, Pipeline};
use crate::expand::{Expanded, Values};
use alloc::vec::Vec;
use core::fmt;

/// What a status means beyond "0 is success".
pub mod status {
    /// All went well.
    pub const SUCCESS: u8 = 0;
    /// The command was used wrongly.
    pub const USAGE: u8 = 64;
    /// There is no such command.
    pub const NOT_FOUND: u8 = 127;
    /// Killed, also by Ctrl-C.
    pub const KILLED: u8 = 128;
    /// Ended by a fault.
    pub const FAULT: u8 = 129;
    /// Stopped by Ctrl-Z, as `sh` has it; no program can end with it.
    pub const STOPPED: u8 = 148;
}

/// What became of a pipeline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Report {
    /// It ended, or was refused; its status is that of its last command.
    Status(u8),
    /// It was started in the background; the process of its last command.
    Started(u64),
    /// Ctrl-C ended it.
    Interrupted,
    /// Ctrl-Z stopped it.
    Stopped,
    /// It was `exit`: the shell shall end with this status.
    Exit(u8),
}

/// How a list ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// The shell goes on.
    Done,
    /// The rest of the line was dropped.
    Dropped,
    /// The shell shall end with this status.
    Exit(u8),
}

/// A pipeline ready to be run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Work<'a> {
    /// As it was typed: its `Display` is what a job is called.
    pub source: &'a Pipeline,
    /// Its commands, at least one. One without words only makes or opens the files of its redirections.
    pub commands: Vec<Expanded>,
    /// Whether nobody waits for it.
    pub background: bool,
}

/// Who starts programs, runs builtin commands and talks to the user.
pub trait Host {
    /// Runs a pipeline: waits for it, unless it goes to the background. `values` are the shell's own: builtin commands may
    /// change the variables.
    fn pipeline(&mut self, work: &Work<'_>, values: &mut Values) -> Report;

    /// Starts a chain of several pipelines in the background; its `Display` is the text for another shell.
    fn background_chain(&mut self, chain: &Chain, values: &mut Values) -> Report;

    /// Tells the user what is wrong.
    fn complain(&mut self, message: &dyn fmt::Display);
}

/// Runs a list.
pub fn run(list: &List, values: &mut Values, host: &mut impl Host) -> End {
    for item in &list.items {
        let chain = &item.chain;
        let end = if item.background && !chain.rest.is_empty() {
            let report = host.background_chain(chain, values);
            conclude(report, values)
        } else {
            self::chain(chain, item.background, values, host)
        };
        if end != End::Done {
            return end;
        }
    }
    End::Done
}

fn chain(chain: &Chain, background: bool, values: &mut Values, host: &mut impl Host) -> End {
    let mut end = pipeline(&chain.first, background, values, host);
    for (connector, next) in &chain.rest {
        if end != End::Done {
            return end;
        }
        let wanted = match connector {
            Connector::And => values.status == status::SUCCESS,
            Connector::Or => values.status != status::SUCCESS,
        };
        if wanted {
            end = pipeline(next, background, values, host);
        }
    }
    end
}

fn pipeline(
    pipeline: &Pipeline,
    background: bool,
    values: &mut Values,
    host: &mut impl Host,
) -> End {
    let commands = pipeline
        .commands
        .iter()
        .map(|command| values.command(command))
        .collect::<Result<Vec<Expanded>, _>>();
    let commands = match commands {
        Ok(commands) => commands,
        Err(error) => {
            host.complain(&error);
            values.status = status::USAGE;
            return End::Dropped;
        }
    };
    if let [only] = commands.as_slice()
        && only.words.is_empty()
        && !background
    {
        for (name, value) in &only.assignments {
            if let Err(error) = values.variables.set(name, value) {
                host.complain(&format_args!("{name}: {error}"));
                values.status = status::USAGE;
                return End::Dropped;
            }
        }
        if only.redirections.is_empty() {
            values.status = status::SUCCESS;
            return End::Done;
        }
    }
    let work = Work {
        source: pipeline,
        commands,
        background,
    };
    let report = host.pipeline(&work, values);
    conclude(report, values)
}

fn conclude(report: Report, values: &mut Values) -> End {
    match report {
        Report::Status(status) => {
            values.status = status;
            End::Done
        }
        Report::Started(pid) => {
            values.background = Some(pid);
            values.status = status::SUCCESS;
            End::Done
        }
        Report::Interrupted => {
            values.status = status::KILLED;
            End::Dropped
        }
        Report::Stopped => {
            values.status = status::STOPPED;
            End::Dropped
        }
        Report::Exit(status) => {
            values.status = status;
            End::Exit(status)
        }
    }
}
