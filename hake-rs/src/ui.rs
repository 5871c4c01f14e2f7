//! Progress on stderr: a spinner on a terminal, plain lines elsewhere.

use indicatif::ProgressBar;
use std::io::{IsTerminal as _, Write as _};
use std::process::Command;
use std::time::{Duration, Instant};

/// How hake speaks.
#[derive(Clone, Copy, Debug)]
pub struct Ui {
    terminal: bool,
    verbose: bool,
}

impl Ui {
    /// With exact command lines if `verbose`.
    #[must_use]
    pub fn new(verbose: bool) -> Self {
        Self {
            terminal: std::io::stderr().is_terminal(),
            verbose,
        }
    }

    /// Whether stderr is a terminal.
    #[must_use]
    pub fn terminal(self) -> bool {
        self.terminal
    }

    /// Whether `-v` was given.
    #[must_use]
    pub fn verbose(self) -> bool {
        self.verbose
    }

    /// One line for the user.
    pub fn say(self, text: &str) {
        // Nobody is left to tell if stderr is closed.
        let _ = writeln!(std::io::stderr(), "hake: {text}");
    }

    /// The exact command line, with `-v`.
    pub fn command(self, command: &Command) {
        if self.verbose {
            self.say(&command_line(command));
        }
    }

    /// Announces something that other programs report the progress of.
    #[must_use]
    pub fn step(self, what: &str) -> Step {
        self.say(what);
        Step {
            what: what.into(),
            started: Instant::now(),
            bar: None,
            ui: self,
        }
    }

    /// Announces something that is silent while it goes on.
    #[must_use]
    pub fn silent_step(self, what: &str) -> Step {
        if !self.terminal {
            return self.step(what);
        }
        let bar = ProgressBar::new_spinner().with_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        Step {
            what: what.into(),
            started: Instant::now(),
            bar: Some(bar),
            ui: self,
        }
    }
}

/// Something that takes a while. Dropping it without [`Step::done`] just takes the spinner away.
#[derive(Debug)]
pub struct Step {
    what: String,
    started: Instant,
    bar: Option<ProgressBar>,
    ui: Ui,
}

impl Step {
    /// It has ended well; says how long it took if that was noticeable.
    pub fn done(self) -> Duration {
        let took = self.started.elapsed();
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if self.bar.is_some() || took > Duration::from_secs(1) {
            self.ui
                .say(&format!("{}: {:.1} s", self.what, took.as_secs_f64()));
        }
        took
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A command line that can be pasted into a shell.
#[must_use]
pub fn command_line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let quoted = words.map(|word| {
        let word = word.to_string_lossy();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+./:,@%".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            word.into_owned()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}
