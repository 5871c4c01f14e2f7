//! The user's terminal in raw mode, so that every key reaches the guest.

use anyhow::{Context as _, Result};
use rustix::termios::{LocalModes, OptionalActions, OutputModes, Termios, tcgetattr, tcsetattr};
use std::io::IsTerminal as _;

/// Raw mode; dropping it restores what was.
#[derive(Debug)]
pub struct Terminal {
    before: Termios,
}

impl Terminal {
    /// Makes stdin's terminal raw; none if stdin or stdout is no terminal.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub fn raw() -> Result<Option<Self>> {
        if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
            return Ok(None);
        }
        let stdin = std::io::stdin();
        let before = tcgetattr(&stdin).context("the terminal does not tell its modes")?;
        let mut raw = before.clone();
        raw.make_raw();
        // Output stays cooked, so that hake's own messages keep their line ends.
        raw.output_modes |= OutputModes::OPOST | (before.output_modes & OutputModes::ONLCR);
        debug_assert!(
            !raw.local_modes.contains(LocalModes::ISIG),
            "Ctrl-C belongs to the guest"
        );
        tcsetattr(&stdin, OptionalActions::Now, &raw).context("the terminal cannot be made raw")?;
        Ok(Some(Self { before }))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A terminal that is gone needs no restoring.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.before);
    }
}
