//! init's own arguments, from its line in the boot menu.
//!
//! | Word | Meaning |
//! |---|---|
//! | `onboot=prompt` | when the modules marked `boot` have ended, serve the prompt (default) |
//! | `onboot=serve` | serve the domains and never read the console: the prompt is a program's |
//! | `onboot=shutdown` | power the machine off then |
//! | `onboot=reboot` | reset it then |
//! | `cores=N`, `cores=all` | start so many further cores, or all, before the modules marked `boot` (default: none) |
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
    /// How many further cores are started.
    pub cores: usize,
}

impl Options {
    /// From the arguments.
    pub fn parse(args: Args) -> Self {
        let mut options = Self {
            at_end: AtEnd::Prompt,
            trusted_bytes: TRUSTED_BYTES,
            cores: 0,
        };
        for word in args.words() {
            match word {
                "onboot=prompt" => options.at_end = AtEnd::Prompt,
                "onboot=serve" => options.at_end = AtEnd::Serve,
                "onboot=shutdown" => options.at_end = AtEnd::Shutdown,
                "onboot=reboot" => options.at_end = AtEnd::Reboot,
                other => {
                    if let Some(bytes) = trusted(other) {
                        options.trusted_bytes = bytes;
                    } else if let Some(count) = cores(other) {
                        options.cores = count;
                    } else {
                        println!(
                            "init: argument \"{other}\" is not known (onboot=prompt, onboot=serve, onboot=shutdown, onboot=reboot, cores=N, cores=all, trusted=MIB are)"
                        );
                    }
                }
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

/// `cores=N` or `cores=all`.
fn cores(word: &str) -> Option<usize> {
    match word.strip_prefix("cores=")? {
        "all" => Some(usize::MAX),
        number => number.parse().ok(),
    }
}
