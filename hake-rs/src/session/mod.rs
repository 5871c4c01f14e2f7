//! Who types into a guest: a person, or a script.

mod interactive;
mod prompt;
mod script;
mod tally;

pub use interactive::interact;
pub use prompt::Prompt;
pub use script::{DEFAULT_LIMIT, read_lines, run_lines};
pub use tally::Tally;

use crate::failure::Failure;
use crate::guest::Guest;
use std::io::Write as _;
use std::time::Duration;

/// How long a guest may go on after it reported its own end, so that the whole report is seen.
pub const LAST_WORDS: Duration = Duration::from_secs(2);

/// Console text to stdout. A reader that has gone away is no reason to stop the guest.
pub fn show(text: &[u8]) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text).and_then(|()| stdout.flush());
}

/// The guest ended in failure and without a word: QEMU does not take what the command line wishes.
fn not_started(guest: &Guest<'_>) -> anyhow::Error {
    let complaints = guest.complaints();
    Failure::usage(format!("QEMU does not start the machine: {complaints}"))
}
