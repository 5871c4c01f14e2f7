//! What the records of a run add up to.

use crate::failure::Exit;
use crate::guest::exit_of;
use std::process::ExitStatus;
use testproto::{Kind, Record};

/// The number of init, the domain that everything stands on: with it the system ends. Its name is no help, as any program
/// may be called so, and init itself can be started from the prompt.
const INIT: i128 = 1;

/// What a run reported so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Statuses of the commands that ended, in order.
    pub statuses: Vec<i128>,
    /// Why the guest is done for, if it said so.
    pub death: Option<String>,
    /// Whether the guest's test runner came to its end.
    pub ended: bool,
}

impl Tally {
    /// Takes a record that the console gave.
    pub fn add(&mut self, json: &str) {
        let Ok(record) = Record::parse(json) else {
            return;
        };
        match record.kind {
            Kind::Cmd => self.statuses.extend(record.int("status")),
            Kind::Panic => {
                let text = |name| {
                    record
                        .str(name)
                        .map(|text| text.to_string())
                        .unwrap_or_default()
                };
                let line = record.int("line").unwrap_or(0);
                self.death = Some(format!(
                    "the kernel panicked ({}, {}:{line}): its message is on the console above",
                    text("invariant"),
                    text("file")
                ));
            }
            Kind::Fault if record.int("pid") == Some(INIT) => {
                let kind = record
                    .str("kind")
                    .map(|text| text.to_string())
                    .unwrap_or_default();
                self.death = Some(format!("init took a fault: {kind}"));
            }
            Kind::End => self.ended = true,
            _ => {}
        }
    }

    /// How many commands ended with another status than 0.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.statuses.iter().filter(|status| **status != 0).count()
    }

    /// The exit code of a run whose QEMU ended with `status`.
    #[must_use]
    pub fn exit(&self, status: ExitStatus) -> Exit {
        match exit_of(status) {
            _ if self.death.is_some() => Exit::GuestDied,
            Exit::Ok if self.failed() > 0 => Exit::Failed,
            exit => exit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;

    fn exit(records: &[&str], status: i32) -> Exit {
        let mut tally = Tally::default();
        records.iter().for_each(|json| tally.add(json));
        tally.exit(ExitStatus::from_raw(status << 8))
    }

    #[test]
    fn records_decide_the_exit_code() {
        let good = r#"{"t":"cmd","line":"hello","status":0}"#;
        let bad = r#"{"t":"cmd","line":"nope","status":127}"#;
        let panic = r#"{"t":"panic","core":0,"invariant":"x","file":"a.rs","line":1}"#;
        let fault = |domain, pid| {
            format!(
                r#"{{"t":"fault","domain":"{domain}","pid":{pid},"core":0,"kind":"k","esr":0,"far":0,"pc":0}}"#
            )
        };
        assert_eq!(exit(&[good], 0), Exit::Ok);
        assert_eq!(exit(&[good, bad, good], 0), Exit::Failed);
        assert_eq!(exit(&[bad, panic], 0), Exit::GuestDied);
        assert_eq!(exit(&[&fault("init", 1)], 0), Exit::GuestDied);
        assert_eq!(exit(&[&fault("init", 2)], 0), Exit::Ok, "not the init");
        assert_eq!(exit(&[&fault("crash", 2)], 0), Exit::Ok);
        assert_eq!(exit(&[good], 1), Exit::GuestDied);
    }
}
