//! A person at the console.

use super::{LAST_WORDS, Prompt, Tally, not_started, show};
use crate::failure::Exit;
use crate::guest::{Event, Guest, Terminal};
use crate::ui::Ui;
use anyhow::Result;

/// Ctrl-A, which starts a command to hake.
const ESCAPE: u8 = 1;

/// Passes bytes both ways until the guest ends or the user leaves by Ctrl-A x.
///
/// Without a terminal, input is held back until the first prompt, and its line ends are typed as the Enter key.
///
/// # Errors
///
/// hake's own troubles; 64 if QEMU refuses its command line.
pub fn interact(ui: Ui, guest: &mut Guest<'_>) -> Result<Exit> {
    let terminal = Terminal::raw()?;
    let mut keys = Keys::default();
    let mut prompt = Prompt::default();
    let mut tally = Tally::default();
    let mut silent = true;
    if terminal.is_some() {
        ui.say("Ctrl-A x ends QEMU; all other keys go to the guest");
    }
    guest.listen(terminal.is_some());
    loop {
        match guest.wait()? {
            Event::Text(text) => {
                silent = false;
                show(&text);
                if terminal.is_none() && text.iter().filter(|&&byte| prompt.push(byte)).count() > 0
                {
                    guest.listen(true);
                }
            }
            Event::Record(json) => {
                tally.add(&json);
                if tally.death.is_some() {
                    guest.end_within(LAST_WORDS);
                }
            }
            Event::Typed(bytes) if terminal.is_none() => {
                let enter = |byte: &u8| if *byte == b'\n' { b'\r' } else { *byte };
                guest.send(&bytes.iter().map(enter).collect::<Vec<_>>());
            }
            Event::Typed(bytes) => match keys.press(&bytes) {
                Some(bytes) => guest.send(&bytes),
                None => return Ok(Exit::Ok),
            },
            Event::Interrupted => return Ok(Exit::Interrupted),
            Event::TimeOut => {
                drop(terminal);
                ui.say(tally.death.as_deref().unwrap_or("time-out"));
                return Ok(if tally.death.is_some() {
                    Exit::GuestDied
                } else {
                    Exit::TimeOut
                });
            }
            Event::Ended(status) => {
                drop(terminal);
                if silent && !status.success() {
                    return Err(not_started(guest));
                }
                let complaints = guest.complaints();
                if !status.success() && !complaints.is_empty() {
                    ui.say(&format!("QEMU: {complaints}"));
                }
                if let Some(death) = &tally.death {
                    ui.say(death);
                }
                // A person has seen which commands failed.
                tally.statuses.clear();
                return Ok(tally.exit(status));
            }
        }
    }
}

/// Finds Ctrl-A x among the keys.
#[derive(Clone, Debug, Default)]
struct Keys {
    escaped: bool,
}

impl Keys {
    /// What to send to the guest; none to leave. Ctrl-A twice sends one.
    fn press(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        for &byte in bytes {
            match (self.escaped, byte) {
                (false, ESCAPE) => self.escaped = true,
                (true, b'x' | b'X') => return None,
                (true, ESCAPE) => {
                    self.escaped = false;
                    out.push(ESCAPE);
                }
                (true, other) => {
                    self.escaped = false;
                    out.extend([ESCAPE, other]);
                }
                (false, other) => out.push(other),
            }
        }
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ctrl_a_x_leaves_and_all_else_passes() {
        let mut keys = Keys::default();
        assert_eq!(keys.press(b"ab\x03"), Some(b"ab\x03".to_vec()));
        assert_eq!(keys.press(b"\x01\x01x\x01q"), Some(b"\x01x\x01q".to_vec()));
        assert_eq!(keys.press(b"\x01"), Some(Vec::new()));
        assert_eq!(keys.press(b"x"), None);
    }
}
