//! Running tests and reporting them by records.

use alloc::string::{String, ToString};
use aos::testproto::{Kind, Writer};
use aos::{Error, Status, println, record};
use core::fmt::{Debug, Display};
use core::panic::Location;

/// What a test expected, what it saw, and where.
#[derive(Debug)]
pub struct Failure {
    expected: String,
    seen: String,
    place: &'static Location<'static>,
}

/// The result of a test.
pub type Outcome = Result<(), Failure>;

impl Failure {
    /// A failure at the caller.
    #[track_caller]
    pub fn new(expected: impl Display, seen: impl Display) -> Self {
        Self {
            expected: expected.to_string(),
            seen: seen.to_string(),
            place: Location::caller(),
        }
    }
}

impl From<Error> for Failure {
    #[track_caller]
    fn from(error: Error) -> Self {
        Self::new("success", error)
    }
}

impl From<aos::spawn::SpawnError> for Failure {
    #[track_caller]
    fn from(error: aos::spawn::SpawnError) -> Self {
        Self::new("success", error)
    }
}

/// Fails unless the two are equal.
#[track_caller]
pub fn equal<T: PartialEq + Debug>(seen: T, expected: T) -> Outcome {
    if seen == expected {
        Ok(())
    } else {
        Err(Failure::new(
            alloc::format!("{expected:?}"),
            alloc::format!("{seen:?}"),
        ))
    }
}

/// Fails unless the condition holds.
#[track_caller]
pub fn that(condition: bool, expected: &str) -> Outcome {
    match condition {
        true => Ok(()),
        false => Err(Failure::new(expected, "not so")),
    }
}

/// Fails unless it is that or less.
#[track_caller]
pub fn at_most<T: PartialOrd + Debug>(seen: T, most: T, what: &str) -> Outcome {
    match seen <= most {
        true => Ok(()),
        false => Err(Failure::new(
            alloc::format!("{what}: at most {most:?}"),
            alloc::format!("{seen:?}"),
        )),
    }
}

/// Fails unless the result is an error with that code in its stack.
#[track_caller]
pub fn refused<T>(result: Result<T, Error>, code: aos::ErrorCode) -> Outcome {
    match result {
        Ok(_) => Err(Failure::new(code.name(), "success")),
        Err(error) if error.contains(code) => Ok(()),
        Err(error) => Err(Failure::new(code.name(), error)),
    }
}

/// Counts and reports.
pub struct Harness {
    passed: u32,
    failed: u32,
}

impl Harness {
    /// Nothing run yet.
    pub const fn new() -> Self {
        Self {
            passed: 0,
            failed: 0,
        }
    }

    /// Runs a test.
    pub fn test(&mut self, suite: &str, name: &str, test: impl FnOnce() -> Outcome) {
        send(&mut event(suite, name, "start"));
        match test() {
            Ok(()) => {
                self.passed += 1;
                println!("{suite}: {name}: ok");
                send(&mut event(suite, name, "pass"));
            }
            Err(failure) => {
                self.failed += 1;
                let (file, line) = (failure.place.file(), failure.place.line());
                println!(
                    "{suite}: {name}: FAILED at {file}:{line}: expected {}, seen {}",
                    failure.expected, failure.seen
                );
                let mut record = event(suite, name, "fail");
                record
                    .str("expected", &failure.expected)
                    .str("seen", &failure.seen)
                    .str("file", file)
                    .int("line", line);
                send(&mut record);
            }
        }
    }

    /// Sends the last record.
    pub fn end(self) -> Status {
        let mut record = Writer::new(Kind::End);
        record
            .int("passed", self.passed)
            .int("failed", self.failed)
            .int("skipped", 0);
        send(&mut record);
        println!("{} passed, {} failed", self.passed, self.failed);
        Status(u8::from(self.failed != 0))
    }
}

fn event(suite: &str, name: &str, event: &str) -> Writer {
    let mut record = Writer::new(Kind::Test);
    record
        .str("suite", suite)
        .str("name", name)
        .str("ev", event);
    record
}

fn send(record: &mut Writer) {
    let sent = record.finish().map(record::send);
    if !matches!(sent, Ok(Ok(()))) {
        println!("tests: a record could not be sent");
    }
}
