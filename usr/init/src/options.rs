//! init's own arguments, from its line in the boot menu.
//!
//! | Word | Meaning |
//! |---|---|
//! | `onboot=prompt` | when the modules marked `boot` have ended, serve the prompt (default) |
//! | `onboot=serve` | serve the domains and never read the console: the prompt is a program's |
//! | `onboot=shutdown` | power the machine off then |
//! | `onboot=reboot` | reset it then |
//! | `trusted=MIB` | memory of each trusted child (default 256) |
//!
//! Other words are named on the console and ignored: the machine comes up all the same.

use crate::children::TRUSTED_BYTES;
use aos::{Args, println};

/// What comes after the modules marked `boot`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AtEnd {
    /// The prompt.
    Prompt,
    /// Only the domains.
    Serve,
    /// Power off.
    Shutdown,
    /// Reset.
    Reboot,
}

/// init's options.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What comes after the modules marked `boot`.
    pub at_end: AtEnd,
    /// Memory of each trusted child.
    pub trusted_bytes: u64,
}

impl Options {
    /// From the arguments.
    pub fn parse(args: Args) -> Self {
        let mut options = Self {
            at_end: AtEnd::Prompt,
            trusted_bytes: TRUSTED_BYTES,
        };
        for word in args.words() {
            match word {
                "onboot=prompt" => options.at_end = AtEnd::Prompt,
                "onboot=serve" => options.at_end = AtEnd::Serve,
                "onboot=shutdown" => options.at_end = AtEnd::Shutdown,
                "onboot=reboot" => options.at_end = AtEnd::Reboot,
                other => match trusted(other) {
                    Some(bytes) => options.trusted_bytes = bytes,
                    None => println!(
                        "init: argument \"{other}\" is not known (onboot=prompt, onboot=serve, onboot=shutdown, onboot=reboot, trusted=MIB are)"
                    ),
                },
            }
        }
        options
    }
}

/// `trusted=MIB` in bytes.
fn trusted(word: &str) -> Option<u64> {
    let mebibytes: u32 = word.strip_prefix("trusted=")?.parse().ok()?;
    (mebibytes > 0).then(|| u64::from(mebibytes) << 20)
}
