//! One QEMU test: a boot, watched and perhaps typed into.

use super::plan::{Input, Plan, Step};
use super::report::Case;
use crate::failure::Exit;
use crate::guest::{Event, Guest};
use crate::session::{LAST_WORDS, Prompt, Tally};
use anyhow::Result;
use random::Random;
use std::collections::VecDeque;
use std::process::ExitStatus;
use std::time::{Duration, Instant};
use testproto::{Kind, Record};

/// How many lines of console output a failure shows.
const SHOWN_LINES: usize = 40;
/// After a block of random bytes: Ctrl-C to clear the line, then something whose echo shows where the guest is.
const SYNC: &[u8] = b"\x03hake-sync\r";
const SYNC_ECHO: &[u8] = b"hake-sync";

/// How a boot went.
#[derive(Debug)]
pub struct Outcome {
    /// The boot's own result first, then those that the guest reported.
    pub cases: Vec<Case>,
    /// Whether the user wants to stop.
    pub interrupted: bool,
}

/// Runs a started guest to its end.
///
/// # Errors
///
/// hake's own troubles.
pub fn watch(plan: &Plan, guest: &mut Guest<'_>) -> Result<Outcome> {
    let started = Instant::now();
    let mut watch = Watch::new(plan);
    let exit = loop {
        match guest.wait()? {
            Event::Text(text) => {
                for byte in text {
                    if let Some(typed) = watch.byte(byte) {
                        guest.send(&typed);
                    }
                }
            }
            Event::Record(json) => {
                watch.record(&json);
                // A guest that said that it is done may take a moment to shut down, but not for ever.
                if watch.tally.death.is_some() || (watch.tally.ended && plan.steps.is_none()) {
                    guest.end_within(LAST_WORDS);
                }
            }
            Event::Typed(_) => {}
            Event::Interrupted => {
                return Ok(Outcome {
                    cases: Vec::new(),
                    interrupted: true,
                });
            }
            Event::TimeOut if watch.tally.death.is_some() => break Exit::GuestDied,
            Event::TimeOut if watch.tally.ended && plan.steps.is_none() => break Exit::Ok,
            Event::TimeOut => break Exit::TimeOut,
            Event::Ended(status) => break watch.exit(status),
        }
    };
    // QEMU warns about this and that; it matters if the run failed.
    if exit == Exit::GuestDied && !guest.complaints().is_empty() {
        watch.failures.push(format!("QEMU: {}", guest.complaints()));
    }
    Ok(Outcome {
        cases: watch.finish(exit, started.elapsed()),
        interrupted: false,
    })
}

/// What is known about a running test.
struct Watch<'p> {
    plan: &'p Plan,
    /// The steps that are still to come, repetitions laid out.
    rest: VecDeque<&'p Step>,
    current: Option<&'p Step>,
    /// In a block of random lines: waiting for the echo that ends it.
    syncing: bool,
    prompt: Prompt,
    tally: Tally,
    /// The console since the current step began.
    output: Vec<u8>,
    /// The whole console's last lines, for failures.
    tail: VecDeque<u8>,
    /// Texts of the plan that were not seen yet.
    missing: Vec<&'p str>,
    /// Commands that had ended when the current step began.
    statuses_before: usize,
    random: Random,
    failures: Vec<String>,
    reported: Vec<Case>,
    running: Option<String>,
    counts: Option<(i128, i128)>,
}

impl<'p> Watch<'p> {
    fn new(plan: &'p Plan) -> Self {
        let steps = plan.steps.as_deref().unwrap_or(&[]);
        let mut rest: VecDeque<&Step> = steps
            .iter()
            .flat_map(|step| std::iter::repeat_n(step, step.repeat))
            .collect();
        Self {
            plan,
            current: rest.pop_front(),
            rest,
            syncing: false,
            prompt: Prompt::default(),
            tally: Tally::default(),
            output: Vec::new(),
            tail: VecDeque::new(),
            missing: plan.expect.iter().map(String::as_str).collect(),
            statuses_before: 0,
            random: Random::new(plan.wishes.seed.unwrap_or(1)),
            failures: Vec::new(),
            reported: Vec::new(),
            running: None,
            counts: None,
        }
    }

    /// Takes a byte of the console; gives what to type now.
    fn byte(&mut self, byte: u8) -> Option<Vec<u8>> {
        self.tail.push_back(byte);
        if self.tail.len() > 16 << 10 {
            self.tail.pop_front();
        }
        self.output.push(byte);
        if byte == b'\n' && !self.missing.is_empty() {
            let line = String::from_utf8_lossy(last_line(&self.output)).into_owned();
            self.missing.retain(|text| !line.contains(text));
        }
        let at_prompt = self.prompt.push(byte);
        if !at_prompt || self.plan.steps.is_none() {
            return None;
        }
        if self.syncing {
            let synced = self
                .output
                .windows(SYNC_ECHO.len())
                .any(|window| window == SYNC_ECHO);
            if !synced {
                return None;
            }
            self.syncing = false;
            self.current = None;
        }
        self.finish_step();
        self.next_step()
    }

    fn next_step(&mut self) -> Option<Vec<u8>> {
        let was_random = self.current.is_some_and(|step| step.input == Input::Random);
        let random_goes_on = self
            .rest
            .front()
            .is_some_and(|step| step.input == Input::Random);
        self.output.clear();
        self.statuses_before = self.tally.statuses.len();
        if was_random && !random_goes_on {
            self.syncing = true;
            return Some(SYNC.to_vec());
        }
        self.current = self.rest.pop_front();
        match self.current.map(|step| &step.input) {
            Some(Input::Bytes(bytes, enter)) => {
                let mut bytes = bytes.clone();
                bytes.extend(enter.then_some(b'\r'));
                Some(bytes)
            }
            Some(Input::Random) => Some(self.random_line()),
            Some(Input::Nothing) | None => Some(b"shutdown\r".to_vec()),
        }
    }

    /// Up to 100 random bytes.
    fn random_line(&mut self) -> Vec<u8> {
        let mut next = || self.random.next() as u8;
        let len = next() % 100;
        let mut line: Vec<u8> = (0..len)
            .map(|_| next())
            .filter(|byte| !b"\r\n".contains(byte))
            .collect();
        line.push(b'\r');
        line
    }

    /// Compares the output of the current step to what the script expects.
    fn finish_step(&mut self) {
        let Some(step) = self.current else { return };
        if step.input == Input::Random {
            return;
        }
        let output = String::from_utf8_lossy(&self.output).replace('\r', "");
        // The first line is the echo of what was typed.
        let skip = usize::from(matches!(step.input, Input::Bytes(_, true)));
        let lines: Vec<&str> = output.lines().skip(skip).collect();
        let mut faults = Vec::new();
        let mut unseen = lines.iter();
        for pattern in &step.expect {
            if !unseen.any(|line| pattern.is_in(line)) {
                faults.push(format!("{pattern} is not in the output"));
                break;
            }
        }
        for pattern in step
            .refuse
            .iter()
            .filter(|pattern| lines.iter().any(|line| pattern.is_in(line)))
        {
            faults.push(format!("{pattern} is in the output"));
        }
        let statuses = self
            .tally
            .statuses
            .get(self.statuses_before..)
            .unwrap_or(&[]);
        match (step.status, statuses.last()) {
            (None, Some(0) | None) => {}
            (Some(wanted), Some(seen)) if wanted == *seen => {}
            (wanted, Some(seen)) => {
                faults.push(format!("status {seen}, expected {}", wanted.unwrap_or(0)))
            }
            (Some(wanted), None) => faults.push(format!("no status, expected {wanted}")),
        }
        if let [_, ..] = faults.as_slice() {
            let what = faults.join("; ");
            self.failures.push(format!(
                "line {}: {what}; the output was:\n{}",
                step.line,
                last_lines(&output)
            ));
        }
    }

    fn record(&mut self, json: &str) {
        self.tally.add(json);
        let Ok(record) = Record::parse(json) else {
            return;
        };
        let text = |name| {
            record
                .str(name)
                .map(|text| text.to_string())
                .unwrap_or_default()
        };
        match record.kind {
            Kind::Test => {
                let name = format!(
                    "qemu::{}::{}::{}",
                    self.plan.name,
                    text("suite"),
                    text("name")
                );
                let failure = match text("ev").as_str() {
                    "start" => {
                        self.running = Some(name);
                        return;
                    }
                    "pass" => None,
                    "fail" => {
                        let line = record.int("line").unwrap_or(0);
                        let place = format!("{}:{line}", text("file"));
                        Some(format!(
                            "expected {}, seen {} at {place}",
                            text("expected"),
                            text("seen")
                        ))
                    }
                    other => Some(format!("not run: {other}")),
                };
                self.running = None;
                self.reported.push(Case {
                    name,
                    took: None,
                    failure,
                    by_guest: true,
                });
            }
            Kind::End => self.counts = record.int("passed").zip(record.int("failed")),
            _ => {}
        }
    }

    fn exit(&self, status: ExitStatus) -> Exit {
        match self.tally.exit(status) {
            // In a script each status is compared by itself; without one, there are no commands.
            Exit::Failed => Exit::Ok,
            exit => exit,
        }
    }

    fn finish(mut self, exit: Exit, took: Duration) -> Vec<Case> {
        if exit as u8 != self.plan.exit {
            let why = match exit {
                Exit::TimeOut => format!("time-out after {} s", self.plan.limit.as_secs()),
                Exit::GuestDied => self
                    .tally
                    .death
                    .clone()
                    .unwrap_or("the guest crashed".into()),
                exit => format!("exit code {}", exit as u8),
            };
            let wanted = match self.plan.exit {
                0 => String::new(),
                code => format!(" (expected: exit code {code})"),
            };
            self.failures.push(format!(
                "{why}{wanted}; the last output:\n{}",
                self.last_output()
            ));
        } else if self.plan.steps.is_some() {
            self.finish_step();
            if let Some(step) = self.rest.front().filter(|_| exit == Exit::Ok) {
                self.failures.push(format!(
                    "the guest ended before line {} was typed",
                    step.line
                ));
            }
        } else if exit == Exit::Ok {
            let seen = (self.reported.len() as i128, 0);
            match self.counts {
                None => {
                    let output = self.last_output();
                    self.failures.push(format!(
                        "it ended without an `end` record; the last output:\n{output}"
                    ));
                }
                Some((passed, failed)) if passed + failed != seen.0 => self.failures.push(format!(
                    "the guest counted {} tests, but reported {}",
                    passed + failed,
                    seen.0
                )),
                Some(_) => {}
            }
        }
        if let Some(name) = self.running.take() {
            self.reported.push(Case::new(
                name,
                None,
                Some(format!(
                    "it did not end; the last output:\n{}",
                    self.last_output()
                )),
            ));
        }
        self.failures.extend(
            self.missing
                .iter()
                .map(|text| format!("`{text}` is not on the console")),
        );
        let failure = (!self.failures.is_empty()).then(|| self.failures.join("\n"));
        let mut cases = vec![Case::new(
            format!("qemu::{}", self.plan.name),
            Some(took),
            failure,
        )];
        cases.append(&mut self.reported);
        cases
    }

    fn last_output(&self) -> String {
        let bytes: Vec<u8> = self.tail.iter().copied().collect();
        last_lines(&String::from_utf8_lossy(&bytes).replace('\r', ""))
    }
}

fn last_line(output: &[u8]) -> &[u8] {
    let line = output.strip_suffix(b"\n").unwrap_or(output);
    line.rsplit(|&byte| byte == b'\n').next().unwrap_or(line)
}

fn last_lines(output: &str) -> String {
    let lines: Vec<&str> = output.lines().collect();
    let start = lines.len().saturating_sub(SHOWN_LINES);
    lines.get(start..).unwrap_or(&[]).join("\n")
}

#[cfg(test)]
mod tests;
