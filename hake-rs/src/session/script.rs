//! Typing the lines of a file.

use super::{LAST_WORDS, Prompt, Tally, not_started, show};
use crate::failure::{Exit, Failure};
use crate::guest::{Event, Guest};
use crate::ui::Ui;
use anyhow::Result;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

/// The time limit of a script if the command line gives none.
pub const DEFAULT_LIMIT: Duration = Duration::from_secs(600);

/// The lines of a script; `-` is stdin. Any bytes are allowed.
///
/// # Errors
///
/// 65 if it cannot be read.
pub fn read_lines(file: &Path) -> Result<Vec<Vec<u8>>> {
    let mut bytes = Vec::new();
    let read = if file == Path::new("-") {
        std::io::stdin().read_to_end(&mut bytes).map(drop)
    } else {
        std::fs::read(file).map(|content| bytes = content)
    };
    read.map_err(|error| {
        Failure::bad_input(format!(
            "{}:1:1: this script cannot be read: {error}",
            file.display()
        ))
    })?;
    let mut lines: Vec<Vec<u8>> = bytes.split(|&b| b == b'\n').map(<[u8]>::to_vec).collect();
    if lines.last().is_some_and(Vec::is_empty) {
        lines.pop();
    }
    Ok(lines)
}

/// Types each line when the prompt is there, then `shutdown`; the console goes to stdout.
///
/// # Errors
///
/// hake's own troubles; 64 if QEMU refuses its command line. What happens in the guest is told by the exit code: 1 if a
/// command failed or was not reached, 2 if the guest died, 3 if the time limit ended it.
pub fn run_lines(ui: Ui, guest: &mut Guest<'_>, lines: Vec<Vec<u8>>) -> Result<Exit> {
    let mut prompt = Prompt::default();
    let mut tally = Tally::default();
    let count = lines.len();
    let mut rest = lines.into_iter().chain([b"shutdown".to_vec()]);
    let mut typed = 0;
    let mut silent = true;
    loop {
        match guest.wait()? {
            Event::Text(text) => {
                silent = false;
                show(&text);
                for _ in text.iter().filter(|&&byte| prompt.push(byte)) {
                    if let Some(mut line) = rest.next() {
                        line.push(b'\r');
                        guest.send(&line);
                        typed += 1;
                    }
                }
            }
            Event::Record(json) => {
                tally.add(&json);
                if tally.death.is_some() {
                    guest.end_within(LAST_WORDS);
                }
            }
            Event::Typed(_) => {}
            Event::Interrupted => return Ok(Exit::Interrupted),
            Event::TimeOut if tally.death.is_none() => {
                ui.say(&format!(
                    "time-out after {typed} of {count} lines; give more with --timeout SECONDS"
                ));
                return Ok(Exit::TimeOut);
            }
            Event::TimeOut => break,
            Event::Ended(status) if silent && !status.success() => {
                return Err(not_started(guest));
            }
            Event::Ended(status) => {
                report(ui, guest, &tally, status.success());
                if typed < count && tally.exit(status) == Exit::Ok {
                    ui.say(&format!(
                        "the guest shut down after {typed} of {count} lines"
                    ));
                    return Ok(Exit::Failed);
                }
                return Ok(tally.exit(status));
            }
        }
    }
    report(ui, guest, &tally, true);
    Ok(Exit::GuestDied)
}

/// QEMU warns about this and that; it matters if QEMU itself failed.
fn report(ui: Ui, guest: &Guest<'_>, tally: &Tally, qemu_fine: bool) {
    if !qemu_fine && !guest.complaints().is_empty() {
        ui.say(&format!("QEMU: {}", guest.complaints()));
    }
    if let Some(death) = &tally.death {
        ui.say(death);
    } else if tally.failed() > 0 {
        ui.say(&format!(
            "{} of {} commands failed",
            tally.failed(),
            tally.statuses.len()
        ));
    }
}
