//! Waiting for the end of a child, which has the terminal's foreground meanwhile.

use super::{Children, Ended, Start};
use crate::input::POLL_INTERVAL;
use crate::offers;
use aos::spawn::SpawnError;
use aos::{event, println, thread, time};

/// What ends the wait for a child besides its own end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Limit {
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-C, or this counter value.
    Deadline(u64),
    /// Ctrl-C, or so many calls to the kernel on its behalf: it is killed directly behind the last of them.
    Calls(u32),
}

impl Children {
    /// Runs a program to its end.
    ///
    /// # Errors
    /// As [`Children::start`].
    pub fn run(&mut self, start: &Start<'_>, limit: Limit) -> Result<Ended, SpawnError> {
        let pid = self.start(start)?;
        Ok(self.finish(pid, limit))
    }

    /// Waits for the end of a child, which the limit makes sure of.
    pub fn finish(&mut self, pid: u32, limit: Limit) -> Ended {
        if let Limit::Calls(most) = limit
            && let Some(child) = self.table.get_mut(pid)
        {
            child.most_calls = Some(most);
        }
        self.foreground.lend(pid);
        loop {
            let snapshot = event::snapshot();
            let busy = self.tend();
            if let Some(ended) = self.take_ended(pid) {
                self.foreground.take_back();
                return ended;
            }
            let interrupted = self.look_at_console();
            if interrupted {
                println!("^C");
            }
            let over = match limit {
                Limit::Interrupt | Limit::Calls(_) => false,
                Limit::Deadline(at) => time::now() >= at,
            };
            if interrupted || over {
                self.kill(pid);
                continue;
            }
            rest(busy, snapshot, limit);
        }
    }

    /// Starts so many other cores and waits until they are up, or given up.
    pub fn start_cores(&mut self, count: usize) {
        self.cores.start_some(count);
        while self.cores.is_any_starting() {
            let snapshot = event::snapshot();
            if !self.tend() {
                event::wait_until(snapshot, self.cores.deadline());
            }
        }
    }

    /// When [`tend`](Self::tend) has something to do though nothing has come.
    pub fn deadline(&self) -> Option<u64> {
        let (kept, cores) = (self.kept_deadline(), self.cores.deadline());
        kept.into_iter().chain(cores).min()
    }

    /// Waits for the end of a child in the background; `None` when Ctrl-C ends the wait.
    pub fn wait(&mut self, pid: u32) -> Option<Ended> {
        self.foreground.lend(pid);
        let ended = self.wait_in_foreground(pid);
        self.foreground.take_back();
        ended
    }

    fn wait_in_foreground(&mut self, pid: u32) -> Option<Ended> {
        loop {
            let snapshot = event::snapshot();
            let busy = self.tend();
            if self.table.get(pid).is_none() {
                // That of another program's child is told to that.
                return self.take_ended(pid).or_else(|| self.remembered(pid));
            }
            if self.look_at_console() {
                println!("^C");
                return None;
            }
            rest(busy, snapshot, Limit::Interrupt);
        }
    }

    /// Collects what is typed, and gives the program a byte if it reads from the terminal. Answers whether Ctrl-C was typed.
    fn look_at_console(&mut self) -> bool {
        let interrupted = self.input.interrupted();
        if offers::wants()
            && let Some(byte) = self.input.take_ahead()
        {
            offers::feed(byte);
        }
        interrupted
    }
}

/// Until something happens, or it is time to look at the console again.
pub fn rest(busy: bool, snapshot: event::Snapshot, limit: Limit) {
    if busy {
        // Other threads of init first.
        thread::yield_now();
        return;
    }
    let poll = time::after(POLL_INTERVAL);
    let until = match limit {
        Limit::Deadline(at) => poll.min(at),
        _ => poll,
    };
    event::wait_until(snapshot, Some(until));
}
