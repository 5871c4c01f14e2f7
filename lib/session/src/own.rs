//! Commands that change the session: variables, jobs, its end. Each answers with what it prints, and its status.

use crate::foreground::{Keys, Waited};
use crate::pipeline::Started;
use crate::session::Session;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write;
use listing::{Column, Listing};
use shell::ast::Quoted;
use shell::expand::Values;
use shell::jobs::{Notice, State};
use shell::run::{Report, status};
use shell::table::Command;

type Said = (String, u8);

fn nothing() -> Said {
    (String::new(), status::SUCCESS)
}

/// What `jobs --json` says.
const JOBS: &[Column] = &[
    Column::right("JOB", 0),
    Column::left("STATE", 0),
    Column::left("LINE", 0),
];

/// init's process.
const INIT: u32 = 1;

impl Session {
    /// Does such a command.
    pub(crate) fn own(
        &mut self,
        command: &'static Command,
        words: &[String],
        values: &mut Values,
        started: &mut Started,
    ) -> Said {
        let words: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
        let words = words.as_slice();
        match command.name {
            "bg" => self.bg(words),
            "clear" => ("\x1b[H\x1b[2J".into(), status::SUCCESS),
            "env" => listing(values, true),
            "exit" => self.exit(command, words, values, started),
            "export" => self.set(words, values, true),
            "fg" => self.fg(words, started),
            "history" => self.history(command, words),
            "jobs" => self.list_jobs(words),
            "kill" => self.kill(command, words),
            "resume" => self.each(words, Act::Resume),
            "set" => self.set(words, values, false),
            "suspend" => self.each(words, Act::Suspend),
            "unset" => {
                words.iter().for_each(|name| {
                    values.variables.unset(name);
                });
                nothing()
            }
            "wait" => self.wait(words, started),
            // The table has no other.
            _ => self.wrong(command.usage()),
        }
    }

    /// A wrong use: told to the user, wherever the output goes.
    fn wrong(&mut self, text: String) -> Said {
        self.say(&text);
        (String::new(), status::USAGE)
    }

    fn failed(&mut self, text: String) -> Said {
        self.say(&text);
        (String::new(), 1)
    }

    fn set(&mut self, words: &[&str], values: &mut Values, exports: bool) -> Said {
        if words.is_empty() {
            return listing(values, exports);
        }
        for word in words {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (*word, None),
            };
            let result = match value {
                Some(value) => values.variables.set(name, value),
                None if exports => Ok(()),
                None => return self.wrong(alloc::format!("set: {word}: NAME=VALUE is needed")),
            };
            let result = match exports {
                true => result.and_then(|()| values.variables.export(name)),
                false => result,
            };
            if let Err(error) = result {
                return self.wrong(alloc::format!("{name}: {error}"));
            }
        }
        nothing()
    }

    fn exit(
        &mut self,
        command: &Command,
        words: &[&str],
        values: &Values,
        started: &mut Started,
    ) -> Said {
        let status = match words.first().map(|word| word.parse()) {
            None => values.status,
            Some(Ok(status)) => status,
            Some(Err(_)) => return self.wrong(command.usage()),
        };
        started.exit = Some(status);
        (String::new(), status)
    }

    fn history(&mut self, command: &Command, words: &[&str]) -> Said {
        let lines = self.editor.history();
        let most = match words.first().map(|word| word.parse()) {
            None => lines.len(),
            Some(Ok(most)) => most,
            Some(Err(_)) => return self.wrong(command.usage()),
        };
        let mut out = String::new();
        for index in lines.len().saturating_sub(most)..lines.len() {
            let line = lines.get(index).unwrap_or_default();
            let _ = writeln!(out, "{:>5}  {line}", index + 1);
        }
        (out, status::SUCCESS)
    }

    fn list_jobs(&mut self, words: &[&str]) -> Said {
        let mut out = String::new();
        if words.is_empty() {
            for job in self.jobs.iter() {
                let _ = writeln!(out, "{}", self.jobs.describe(job));
            }
        } else {
            let mut list = Listing::new(JOBS, true);
            for job in self.jobs.iter() {
                let Notice { state, text, .. } = self.jobs.describe(job);
                let state = state.to_string();
                list.row([(job.number as u64).into(), state.into(), text.into()]);
            }
            out = list.finish();
        }
        // What is shown here is not told again.
        self.jobs.take_notices();
        (out, status::SUCCESS)
    }

    /// The job's number.
    fn job(&mut self, words: &[&str]) -> Result<usize, Said> {
        let found = self.jobs.resolve(words.first().unwrap_or(&"%%"));
        match found.map(|job| job.number) {
            Ok(number) => Ok(number),
            Err(error) => Err(self.failed(error.to_string())),
        }
    }

    /// Has the processes of a job go on.
    fn job_goes_on(&mut self, number: usize) {
        let alive: Vec<u64> = self
            .jobs
            .get(number)
            .map(|job| job.alive().collect())
            .unwrap_or_default();
        for one in alive {
            // Who has ended meanwhile is told of as ended.
            let _ = self.go_on(one);
        }
    }

    fn bg(&mut self, words: &[&str]) -> Said {
        let number = match self.job(words) {
            Ok(number) => number,
            Err(said) => return said,
        };
        self.job_goes_on(number);
        match self.jobs.get(number) {
            Some(job) => (
                alloc::format!("{}\n", self.jobs.describe(job)),
                status::SUCCESS,
            ),
            None => nothing(),
        }
    }

    fn fg(&mut self, words: &[&str], started: &mut Started) -> Said {
        let number = match self.job(words) {
            Ok(number) => number,
            Err(said) => return said,
        };
        self.job_goes_on(number);
        let Some(job) = self.jobs.get(number) else {
            return nothing();
        };
        let (text, numbers) = (job.text.clone(), job.pids().collect::<Vec<_>>());
        self.say(&text);
        let report = self.foreground(&numbers, Vec::new(), &text);
        let state = self.jobs.get(number).map(|job| job.state());
        // What did not end stays a job.
        if matches!(state, Some(State::Done(_))) {
            self.jobs.remove(number);
        }
        let status = match (report, state) {
            (Report::Stopped | Report::Interrupted, _) => {
                started.cut = Some(report);
                status::KILLED
            }
            (_, Some(State::Done(status))) => status,
            (_, _) => status::SUCCESS,
        };
        (String::new(), status)
    }

    /// The processes that a word names.
    fn numbers(&mut self, word: &str) -> Result<Vec<u64>, Said> {
        if word.starts_with('%') {
            let found = self.jobs.resolve(word).map(|job| job.alive().collect());
            return found.map_err(|error| self.failed(error.to_string()));
        }
        match word.parse() {
            Ok(number) => Ok(Vec::from([number])),
            Err(_) => Err(self.wrong(alloc::format!(
                "{}: neither a process nor a job",
                Quoted(word)
            ))),
        }
    }

    fn wait(&mut self, words: &[&str], started: &mut Started) -> Said {
        let mut all = Vec::new();
        if words.is_empty() {
            all.extend(self.jobs.iter().flat_map(|job| job.pids()));
        }
        for word in words {
            let resolved = self
                .jobs
                .resolve(word)
                .map(|job| job.pids().collect::<Vec<_>>());
            let is_job = word.starts_with('%');
            let numbers = match (resolved, self.numbers(word)) {
                (Ok(numbers), _) if is_job => numbers,
                (_, Ok(numbers)) => numbers,
                (_, Err(said)) => return said,
            };
            let known = |number: &u64| {
                self.table.has(*number)
                    || self
                        .jobs
                        .iter()
                        .any(|job| job.pids().any(|pid| pid == *number))
            };
            if !numbers.iter().all(known) {
                let text = alloc::format!("wait: {word} is no process of this shell's that runs");
                self.say(&text);
                return (String::new(), status::NOT_FOUND);
            }
            all.extend(numbers);
        }
        self.cook();
        let mut statuses = BTreeMap::new();
        let waited = self.wait_for(&all, Keys::Watched, &mut statuses);
        if waited == Waited::GivenUp {
            started.cut = Some(Report::Interrupted);
            return (String::new(), status::KILLED);
        }
        let last = all.last().copied();
        let known = last.and_then(|last| statuses.get(&last).copied());
        let of_job = || {
            let job = self
                .jobs
                .iter()
                .find(|job| job.pids().any(|pid| Some(pid) == last))?;
            match job.state() {
                State::Done(status) => Some(status),
                _ => None,
            }
        };
        let status = match words {
            [] => status::SUCCESS,
            _ => known.or_else(of_job).unwrap_or(status::SUCCESS),
        };
        (String::new(), status)
    }

    fn kill(&mut self, command: &Command, words: &[&str]) -> Said {
        let is_forced = words.first() == Some(&"-f");
        let words = words.get(usize::from(is_forced)..).unwrap_or_default();
        if words.is_empty() {
            return self.wrong(command.usage());
        }
        self.each(words, Act::Kill { is_forced })
    }

    /// Does something to processes.
    fn each(&mut self, words: &[&str], act: Act) -> Said {
        let mut worst = status::SUCCESS;
        for word in words {
            let numbers = match self.numbers(word) {
                Ok(numbers) => numbers,
                Err(said) => return said,
            };
            for number in numbers {
                if let Err(text) = self.act(number, act) {
                    self.say(&text);
                    worst = 1;
                }
            }
        }
        (String::new(), worst)
    }

    fn act(&mut self, number: u64, act: Act) -> Result<(), String> {
        let Ok(pid) = u32::try_from(number) else {
            if !self.table.has(number) {
                return Err(alloc::format!(
                    "{number}: no such process; `ps` lists those there are"
                ));
            }
            match act {
                Act::Kill { .. } => {
                    let over = self.table.kill(number);
                    self.note(over, &mut BTreeMap::new());
                    return Ok(());
                }
                Act::Suspend => self.stand_still(number),
                Act::Resume => self.go_on(number),
            }
            .map_err(|error| error.to_string())?;
            return Ok(());
        };
        if pid == INIT {
            return Err(
                "init cannot be ended nor stopped; `shutdown` powers the machine off".into(),
            );
        }
        let is_forced = matches!(act, Act::Kill { is_forced: true } | Act::Resume);
        if !is_forced && let Ok(Some(why)) = self.block_on(self.shared.os.essential(pid)) {
            return Err(alloc::format!("{pid}: {why}"));
        }
        match act {
            Act::Kill { .. } => self.block_on(self.shared.os.kill(pid)),
            Act::Suspend => self.stand_still(number),
            Act::Resume => self.go_on(number),
        }
        .map_err(|error| alloc::format!("{pid}: {error}"))?;
        if matches!(act, Act::Kill { .. }) && self.table.has(number) {
            // So that its end is told with this command.
            self.wait_for(&[number], Keys::Watched, &mut BTreeMap::new());
        }
        Ok(())
    }
}

/// What is done to a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Act {
    Kill { is_forced: bool },
    Suspend,
    Resume,
}

/// Variables, as they could be typed.
fn listing(values: &Values, exported_only: bool) -> Said {
    let mut out = String::new();
    for (name, value, is_exported) in values.variables.iter() {
        if is_exported || !exported_only {
            let _ = writeln!(out, "{name}={}", Quoted(value));
        }
    }
    (out, status::SUCCESS)
}
