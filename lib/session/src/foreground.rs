//! Waiting for what runs in the foreground.
//!
//! The process that reads what is typed gets the terminal's foreground meanwhile. Ctrl-C ends all of the pipeline; typed again before they have
//! ended, it gives up waiting: the rest goes on as a job. Ctrl-Z has all of it stand still, as a job.

use crate::os::Task;
use crate::running::Over;
use crate::session::Session;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::future::pending;
use core::task::{Context, Poll};
use errors::Error;
use services::terminal::{Mode, Signal};
use shell::run::{Report, status};

/// How waiting ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Waited {
    /// All have ended.
    Over,
    /// Ctrl-C; all have ended.
    Interrupted,
    /// Ctrl-C again; not all have.
    GivenUp,
    /// Ctrl-Z; not all have.
    Stopped,
}

/// What keys do to what one waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Keys {
    /// Ctrl-C ends it, Ctrl-Z stops it.
    Obeyed,
    /// Ctrl-C ends only the waiting.
    Watched,
}

impl Session {
    /// Waits until these have ended; `over` are those that have already. Answers with the status of the last one.
    pub(crate) fn foreground(&mut self, numbers: &[u64], over: Vec<Over>, text: &str) -> Report {
        let mut statuses = BTreeMap::new();
        self.note(over, &mut statuses);
        self.cook();
        let reader = self.table.reader(numbers);
        if let Some(pid) = reader {
            // Without it the process waits for what is typed, and Ctrl-C is heard here all the same.
            let _ = self.block_on(self.shared.os.lend(pid));
        }
        self.table.set_foreground(numbers, true);
        let waited = self.wait_for(numbers, Keys::Obeyed, &mut statuses);
        self.table.set_foreground(numbers, false);
        if waited == Waited::Stopped {
            self.stop(numbers, text, &mut statuses);
        }
        if reader.is_some() {
            // It has come back already if the process has ended.
            let _ = self.block_on(self.shared.os.take_back());
        }
        let last = numbers.last().and_then(|last| statuses.get(last)).copied();
        self.tell_causes();
        match waited {
            Waited::Over => Report::Status(last.unwrap_or(status::SUCCESS)),
            Waited::Interrupted => Report::Interrupted,
            Waited::GivenUp => {
                if let Some(number) = self.as_job(numbers, text) {
                    self.say(&alloc::format!("[{number}] does not end; it is a job now"));
                }
                Report::Interrupted
            }
            Waited::Stopped => Report::Stopped,
        }
    }

    /// Those that have not ended are a job from now on, if they are not one already.
    fn as_job(&mut self, numbers: &[u64], text: &str) -> Option<usize> {
        let left = numbers.iter().copied().filter(|n| self.table.has(*n));
        let left: Vec<u64> = left.collect();
        let is_it = |number: &usize| {
            let job = self.jobs.get(*number);
            job.is_some_and(|job| job.pids().any(|pid| left.contains(&pid)))
        };
        let present = self.jobs.iter().map(|job| job.number).find(is_it);
        match present {
            Some(number) => Some(number),
            None if left.is_empty() => None,
            None => match self.jobs.add(text, &left) {
                Ok(number) => Some(number),
                Err(error) => {
                    self.say(&error.to_string());
                    for number in left {
                        self.table.kill(number);
                    }
                    None
                }
            },
        }
    }

    /// Has what was in the foreground stand still, as a job, of which the next prompt tells.
    fn stop(&mut self, numbers: &[u64], text: &str, statuses: &mut BTreeMap<u64, u8>) {
        let os = self.shared.os.clone();
        // Who reads what is typed lets go of it.
        os.block_on(&mut |context: &mut Context<'_>| {
            let over = self.table.poll(context);
            self.note(over, statuses);
            Poll::Ready(())
        });
        if self.as_job(numbers, text).is_none() {
            return;
        }
        for number in numbers {
            if self.table.has(*number) {
                // Who has ended meanwhile is told of as ended.
                let _ = self.stand_still(*number);
            }
        }
    }

    /// Has a process or a command stand still.
    ///
    /// # Errors
    /// The system's; the process goes on.
    pub(crate) fn stand_still(&mut self, number: u64) -> Result<(), Error> {
        match u32::try_from(number) {
            Ok(pid) => self.block_on(self.shared.os.suspend(pid))?,
            Err(_) => self.table.set_stopped(number, true),
        }
        self.jobs.stopped(number);
        Ok(())
    }

    /// Has it go on.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn go_on(&mut self, number: u64) -> Result<(), Error> {
        match u32::try_from(number) {
            Ok(pid) => self.block_on(self.shared.os.resume(pid))?,
            Err(_) => self.table.set_stopped(number, false),
        }
        self.jobs.resumed(number);
        Ok(())
    }

    /// The next Ctrl-C or Ctrl-Z. They are for who serves the prompt; other shells end, and stand still, with what they run.
    fn signals(&mut self) -> Task<Signal> {
        match self.interrupted.take() {
            Some(waiting) => waiting,
            None if self.is_interactive => self.shared.os.interrupted(),
            None => Box::pin(pending()),
        }
    }

    /// Waits until these have ended, or for a key.
    pub(crate) fn wait_for(
        &mut self,
        numbers: &[u64],
        keys: Keys,
        statuses: &mut BTreeMap<u64, u8>,
    ) -> Waited {
        let os = self.shared.os.clone();
        let mut interrupted = self.signals();
        let mut times = 0;
        let mut waited = Waited::Over;
        os.block_on(&mut |context: &mut Context<'_>| {
            loop {
                let over = self.table.poll(context);
                self.note(over, statuses);
                if !numbers.iter().any(|number| self.table.has(*number)) {
                    return Poll::Ready(());
                }
                let Poll::Ready(signal) = interrupted.as_mut().poll(context) else {
                    return Poll::Pending;
                };
                interrupted = os.interrupted();
                if signal == Signal::Stop {
                    if keys == Keys::Obeyed && times == 0 {
                        waited = Waited::Stopped;
                        return Poll::Ready(());
                    }
                    continue;
                }
                times += 1;
                waited = if times == 1 && keys == Keys::Obeyed {
                    Waited::Interrupted
                } else {
                    Waited::GivenUp
                };
                if waited == Waited::GivenUp {
                    return Poll::Ready(());
                }
                let left = numbers
                    .iter()
                    .copied()
                    .filter(|number| self.table.has(*number));
                for number in left.collect::<Vec<_>>() {
                    let over = self.table.kill(number);
                    self.note(over, statuses);
                }
            }
        });
        self.interrupted = Some(interrupted);
        waited
    }

    /// Takes note of what has ended.
    pub(crate) fn note(
        &mut self,
        over: impl IntoIterator<Item = Over>,
        statuses: &mut BTreeMap<u64, u8>,
    ) {
        for one in over {
            statuses.insert(one.number, one.status);
            self.jobs.ended(one.number, one.status);
            self.causes.extend(one.why);
        }
    }

    /// Tells why processes ended.
    pub(crate) fn tell_causes(&mut self) {
        for cause in core::mem::take(&mut self.causes) {
            self.say(&cause);
        }
        for news in self.shared.os.news() {
            self.say(&alloc::format!("shell: {news}"));
        }
    }

    /// Lines, with Ctrl-C and Ctrl-Z as what they mean, as long as something runs.
    pub(crate) fn cook(&mut self) {
        if core::mem::replace(&mut self.is_raw, false) {
            self.listen();
            // The next write tells if the terminal is gone.
            let _ = self.block_on(self.shared.os.set_mode(Mode::Cooked));
        }
    }

    /// Takes interrupts from now on: asks for the next one before there can be any, so that none is lost. One from before is stale.
    fn listen(&mut self) {
        let os = self.shared.os.clone();
        let mut waiting = self.signals();
        os.block_on(&mut |context: &mut Context<'_>| {
            while waiting.as_mut().poll(context).is_ready() {
                waiting = os.interrupted();
            }
            Poll::Ready(())
        });
        self.interrupted = Some(waiting);
    }

    /// Keys as they come, for the line editor.
    pub(crate) fn uncook(&mut self) {
        if !core::mem::replace(&mut self.is_raw, true) {
            let _ = self.block_on(self.shared.os.set_mode(Mode::Raw));
        }
    }

    /// A line to the user.
    pub(crate) fn say(&mut self, text: &str) {
        let mut line = String::from(text);
        line.push('\n');
        // If the user cannot be told, nobody can.
        let _ = self.block_on(self.shared.os.write(line.into_bytes()));
    }
}
