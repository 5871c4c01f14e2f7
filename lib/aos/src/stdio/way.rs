//! Where a standard stream leads, as the environment says.

use crate::args::Args;
use crate::sync::Once;
use core::fmt;

/// The variable of the input.
pub const STDIN: &str = "STDIN";
/// The variable of the output.
pub const STDOUT: &str = "STDOUT";

static INPUT: Once<Way> = Once::new();
static OUTPUT: Once<Way> = Once::new();

/// Where a standard stream leads. Printed, it is the value of the variable that says so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// To the kernel's console: the variable is not set, or says something else.
    Bootstrap,
    /// To the terminal.
    Terminal,
    /// To a stream that a service keeps.
    Stream {
        /// The service, by its number.
        service: u32,
        /// Which of its streams.
        number: u32,
    },
}

impl Way {
    /// What the variable's value means.
    pub fn parse(text: &str) -> Self {
        if text == "terminal" {
            return Self::Terminal;
        }
        let stream = || {
            let (service, number) = text.strip_prefix("stream:")?.split_once(':')?;
            Some(Self::Stream {
                service: service.parse().ok()?,
                number: number.parse().ok()?,
            })
        };
        stream().unwrap_or(Self::Bootstrap)
    }

    fn of(variable: &str) -> Self {
        Args::own()
            .var(variable)
            .map_or(Self::Bootstrap, Self::parse)
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bootstrap => f.write_str("bootstrap"),
            Self::Terminal => f.write_str("terminal"),
            Self::Stream { service, number } => write!(f, "stream:{service}:{number}"),
        }
    }
}

/// Where this program's input comes from.
pub fn input() -> Way {
    *INPUT.call_once(|| Way::of(STDIN))
}

/// Where this program's output goes.
pub fn output() -> Way {
    *OUTPUT.call_once(|| Way::of(STDOUT))
}
