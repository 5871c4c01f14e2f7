//! Waiting for what runs in the foreground.
//!
//! The process that reads what is typed gets the terminal's foreground meanwhile. Ctrl-C ends all of the pipeline; typed again before they have
//! ended, it gives up waiting: the rest goes on as a job.

use crate::running::Over;
use crate::session::Session;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::task::{Context, Poll};
use services::terminal::Mode;
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
        let waited = self.wait_for(numbers, true, &mut statuses);
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
                let left: Vec<u64> = numbers
                    .iter()
                    .copied()
                    .filter(|n| self.table.has(*n))
                    .collect();
                if let Ok(number) = self.jobs.add(text, &left) {
                    self.say(&alloc::format!("[{number}] does not end; it is a job now"));
                }
                Report::Interrupted
            }
        }
    }

    /// Waits until these have ended, or Ctrl-C, which ends them if `kills`.
    pub(crate) fn wait_for(
        &mut self,
        numbers: &[u64],
        kills: bool,
        statuses: &mut BTreeMap<u64, u8>,
    ) -> Waited {
        let os = self.shared.os.clone();
        let mut interrupted = match self.interrupted.take() {
            Some(waiting) => waiting,
            None => os.interrupted(),
        };
        let mut times = 0;
        let mut waited = Waited::Over;
        os.block_on(&mut |context: &mut Context<'_>| {
            loop {
                let over = self.table.poll(context);
                self.note(over, statuses);
                if !numbers.iter().any(|number| self.table.has(*number)) {
                    return Poll::Ready(());
                }
                if interrupted.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                interrupted = os.interrupted();
                times += 1;
                waited = if times == 1 && kills {
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

    /// Lines, with Ctrl-C as an interrupt, as long as something runs.
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
        let mut waiting = self.interrupted.take().unwrap_or_else(|| os.interrupted());
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
