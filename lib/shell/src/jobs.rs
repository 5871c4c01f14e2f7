//! The table of jobs: pipelines that run in the background or are stopped.
//!
//! A job has a number from 1, the smallest that is free, and the processes of its pipeline. It is *running* while a process
//! runs, *stopped* when those that are left are stopped, and *done* when all have ended; its status is then that of the last
//! process of the pipeline. A job that is done stays until its end was told ([`Jobs::take_notices`]) or somebody removed it.
//!
//! | Name | Job |
//! |---|---|
//! | `%3` | number 3 |
//! | `%%`, `%+`, `%` | the current one: stopped last, or else put in the background last |
//! | `%-` | the one before the current one |
//! | `%text` | the only one whose command line begins with `text` |
//! | `%?text` | the only one whose command line contains `text` |

use crate::limits;
use crate::run::status;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

/// A job.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Job {
    /// Its number.
    pub number: usize,
    /// The command line, shortened to [`limits::JOB_TEXT_BYTES`].
    pub text: String,
    processes: Vec<Process>,
    /// When it was last stopped or put in the background.
    order: u64,
    told: Option<State>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Process {
    pid: u64,
    state: State,
}

/// What a job or a process does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It runs.
    Running,
    /// It is suspended.
    Stopped,
    /// It has ended with a status.
    Done(u8),
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Running => f.pad("Running"),
            Self::Stopped => f.pad("Stopped"),
            Self::Done(status::SUCCESS) => f.pad("Done"),
            Self::Done(status::NOT_FOUND) => f.pad("Not found"),
            Self::Done(status::KILLED) => f.pad("Killed"),
            Self::Done(status::FAULT) => f.pad("Fault"),
            Self::Done(status) => f.pad(&alloc::format!("Exit {status}")),
        }
    }
}

/// Why there is no such job.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum JobError {
    /// No job has this name.
    Unknown(String),
    /// Several jobs begin with, or contain, this text.
    Ambiguous(String),
    /// The table is full.
    Full,
    /// A job has between one process and as many as a pipeline has commands.
    BadProcesses,
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) if matches!(name.as_str(), "%%" | "%+" | "%") => {
                f.write_str("nothing runs in the background, and nothing is stopped")
            }
            Self::Unknown(name) => write!(f, "there is no job {name}: `jobs` lists them"),
            Self::Ambiguous(name) => {
                write!(f, "several jobs match {name}: use the number, as in %1")
            }
            Self::Full => write!(
                f,
                "there are {} jobs already: wait for one with `wait`, or end one with `kill`",
                limits::JOBS
            ),
            Self::BadProcesses => write!(f, "a job has 1 to {} processes", limits::PIPELINE),
        }
    }
}

impl core::error::Error for JobError {}

/// A line about a job: `[1]+ Done         sleep 5 &`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notice {
    /// Its number.
    pub number: usize,
    /// `+` for the current job, `-` for the one before, else a blank.
    pub mark: char,
    /// Its state.
    pub state: State,
    /// Its command line.
    pub text: String,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ampersand = if self.state == State::Running {
            " &"
        } else {
            ""
        };
        let Self {
            number,
            mark,
            state,
            text,
        } = self;
        write!(f, "[{number}]{mark} {state:<10} {text}{ampersand}")
    }
}

impl Job {
    /// What it does.
    pub fn state(&self) -> State {
        let mut states = self.processes.iter().map(|process| process.state);
        if states.clone().any(|state| state == State::Running) {
            State::Running
        } else if states.clone().any(|state| state == State::Stopped) {
            State::Stopped
        } else {
            states.next_back().unwrap_or(State::Done(status::SUCCESS))
        }
    }

    /// Those of its processes that have not ended, in the order of the pipeline.
    pub fn alive(&self) -> impl Iterator<Item = u64> {
        self.processes
            .iter()
            .filter(|process| !matches!(process.state, State::Done(_)))
            .map(|process| process.pid)
    }

    /// All of its processes, in the order of the pipeline.
    pub fn pids(&self) -> impl Iterator<Item = u64> {
        self.processes.iter().map(|process| process.pid)
    }
}

/// The table, at most [`limits::JOBS`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Jobs {
    /// By number.
    jobs: Vec<Job>,
    clock: u64,
}

impl Jobs {
    /// No jobs.
    pub const fn new() -> Self {
        Self {
            jobs: Vec::new(),
            clock: 0,
        }
    }

    /// Adds a running job, which becomes the current one unless one is stopped; answers its number.
    ///
    /// # Errors
    /// [`JobError::Full`], [`JobError::BadProcesses`].
    pub fn add(&mut self, text: &str, pids: &[u64]) -> Result<usize, JobError> {
        if pids.is_empty() || pids.len() > limits::PIPELINE {
            return Err(JobError::BadProcesses);
        }
        if self.jobs.len() >= limits::JOBS {
            return Err(JobError::Full);
        }
        let is_gap = |(index, job): &(usize, &Job)| job.number != index + 1;
        let index = self
            .jobs
            .iter()
            .enumerate()
            .find(is_gap)
            .map_or(self.jobs.len(), |(index, _)| index);
        let number = index + 1;
        let state = State::Running;
        let processes = pids.iter().map(|&pid| Process { pid, state }).collect();
        let job = Job {
            number,
            text: shortened(text),
            processes,
            order: self.tick(),
            told: Some(state),
        };
        self.jobs.insert(index, job);
        Ok(number)
    }

    /// The jobs by number.
    pub fn iter(&self) -> impl Iterator<Item = &Job> {
        self.jobs.iter()
    }

    /// The job of this number.
    pub fn get(&self, number: usize) -> Option<&Job> {
        self.jobs.iter().find(|job| job.number == number)
    }

    /// Takes a job out, whatever it does: its end is told otherwise, or it goes to the foreground for good.
    pub fn remove(&mut self, number: usize) -> Option<Job> {
        let index = self.jobs.iter().position(|job| job.number == number)?;
        Some(self.jobs.remove(index))
    }

    /// A process has ended; answers the job if this ended it.
    pub fn ended(&mut self, pid: u64, status: u8) -> Option<usize> {
        let job = self.change(pid, State::Done(status))?;
        matches!(job.state(), State::Done(_)).then_some(job.number)
    }

    /// A process is suspended; answers the job if this stopped it. It is the current one then.
    pub fn stopped(&mut self, pid: u64) -> Option<usize> {
        let now = self.tick();
        let job = self.change(pid, State::Stopped)?;
        (job.state() == State::Stopped).then(|| {
            job.order = now;
            job.number
        })
    }

    /// A process goes on; answers its job.
    pub fn resumed(&mut self, pid: u64) -> Option<usize> {
        let now = self.tick();
        let job = self.change(pid, State::Running)?;
        job.order = now;
        // Who resumes a job knows; its next stop is news again.
        job.told = Some(State::Running);
        Some(job.number)
    }

    /// Changes a process that has not ended.
    fn change(&mut self, pid: u64, state: State) -> Option<&mut Job> {
        self.jobs.iter_mut().find_map(|job| {
            let process = job
                .processes
                .iter_mut()
                .find(|process| process.pid == pid && !matches!(process.state, State::Done(_)))?;
            process.state = state;
            Some(job)
        })
    }

    /// The current job and the one before it.
    fn current(&self) -> (Option<&Job>, Option<&Job>) {
        let rank = |job: &&Job| (job.state() == State::Stopped, job.order);
        let current = self.jobs.iter().max_by_key(rank);
        let number = current.map(|job| job.number);
        let others = self.jobs.iter().filter(|job| Some(job.number) != number);
        (current, others.max_by_key(rank))
    }

    /// The job that a name such as `%1` or `%%` stands for; without a `%`, a number.
    ///
    /// # Errors
    /// [`JobError::Unknown`], [`JobError::Ambiguous`].
    pub fn resolve(&self, name: &str) -> Result<&Job, JobError> {
        let unknown = || JobError::Unknown(name.to_string());
        let text = name.strip_prefix('%').unwrap_or(name);
        let has_mark = text.len() < name.len();
        match text {
            "" | "%" | "+" if has_mark => return self.current().0.ok_or_else(unknown),
            "-" if has_mark => return self.current().1.ok_or_else(unknown),
            _ => {}
        }
        if let Ok(number) = text.parse() {
            return self.get(number).ok_or_else(unknown);
        }
        if !has_mark {
            return Err(unknown());
        }
        let matches = |job: &&Job| match text.strip_prefix('?') {
            Some(part) => job.text.contains(part),
            None => job.text.starts_with(text),
        };
        let mut found = self.jobs.iter().filter(matches);
        match (found.next(), found.next()) {
            (Some(job), None) => Ok(job),
            (None, _) => Err(unknown()),
            (Some(_), Some(_)) => Err(JobError::Ambiguous(name.to_string())),
        }
    }

    /// What `jobs` prints of a job.
    pub fn describe(&self, job: &Job) -> Notice {
        let (current, previous) = self.current();
        let is = |other: Option<&Job>| other.is_some_and(|other| other.number == job.number);
        Notice {
            number: job.number,
            mark: match (is(current), is(previous)) {
                (true, _) => '+',
                (_, true) => '-',
                _ => ' ',
            },
            state: job.state(),
            text: job.text.clone(),
        }
    }

    /// What the user has not been told yet: jobs that stopped or ended, by number. Those that ended leave the table.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        let is_news = |job: &&Job| {
            let state = job.state();
            state != State::Running && job.told != Some(state)
        };
        let notices = self.jobs.iter().filter(is_news);
        let notices = notices.map(|job| self.describe(job)).collect();
        for job in &mut self.jobs {
            job.told = Some(job.state());
        }
        self.jobs
            .retain(|job| !matches!(job.state(), State::Done(_)));
        notices
    }

    fn tick(&mut self) -> u64 {
        self.clock = self.clock.saturating_add(1);
        self.clock
    }
}

fn shortened(text: &str) -> String {
    if text.len() <= limits::JOB_TEXT_BYTES {
        return text.to_string();
    }
    let mut end = limits::JOB_TEXT_BYTES;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut short = text.get(..end).unwrap_or_default().to_string();
    short.push('…');
    short
}
