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
//! | `services` | init offers the [services](crate::offers) itself |
//! | `ram=MIB`, `limit=MIB` | of its memory server: all clients together, each of them |
//! | `operator=NAME` | of its process server: a module marked `boot` that may manage all processes |
//! | `grading` | a line for each call of the course |
//!
//! Other words are named on the console and ignored: the machine comes up all the same.

use crate::children::TRUSTED_BYTES;
use crate::offers::Offer;
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
#[derive(Clone, Debug)]
pub struct Options {
    /// What comes after the modules marked `boot`.
    pub at_end: AtEnd,
    /// Memory of each trusted child.
    pub trusted_bytes: u64,
    /// How many further cores are started.
    pub cores: usize,
    /// What init offers itself.
    pub offer: Offer,
}

impl Options {
    /// From the arguments.
    pub fn parse(args: Args) -> Self {
        let mut options = Self {
            at_end: AtEnd::Prompt,
            trusted_bytes: TRUSTED_BYTES,
            cores: 0,
            offer: Offer::default(),
        };
        for word in args.words() {
            match word {
                "onboot=prompt" => options.at_end = AtEnd::Prompt,
                "onboot=serve" => options.at_end = AtEnd::Serve,
                "onboot=shutdown" => options.at_end = AtEnd::Shutdown,
                "onboot=reboot" => options.at_end = AtEnd::Reboot,
                "services" => options.offer.is_made = true,
                "grading" => options.offer.grading = true,
                other => {
                    if !options.take_value(other) {
                        println!(
                            "init: argument \"{other}\" is not known (onboot=prompt, onboot=serve, onboot=shutdown, onboot=reboot, cores=N, cores=all, trusted=MIB, services, ram=MIB, limit=MIB, operator=NAME, grading are)"
                        );
                    }
                }
            }
        }
        options
    }
    /// `NAME=VALUE`; false if it is none that is known.
    fn take_value(&mut self, word: &'static str) -> bool {
        let Some((name, value)) = word.split_once('=') else {
            return false;
        };
        let mebibytes = value.parse::<u32>().ok().filter(|number| *number > 0);
        match (name, mebibytes) {
            ("trusted", Some(mebibytes)) => self.trusted_bytes = u64::from(mebibytes) << 20,
            ("ram", Some(mebibytes)) => self.offer.ram_mib = Some(mebibytes),
            ("limit", Some(mebibytes)) => self.offer.limit_mib = Some(mebibytes),
            ("cores", _) if value == "all" => self.cores = usize::MAX,
            ("cores", Some(number)) => self.cores = number as usize,
            ("operator", _) => self.offer.operators.0.push(value),
            _ => return false,
        }
        true
    }
}
