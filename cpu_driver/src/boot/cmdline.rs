//! The kernel's command line: `name=value` words; unknown ones are ignored (they may be for others).
//!
//! | Word | Meaning | Default |
//! |---|---|---|
//! | `loglevel=N` | 0 errors ... 4 everything | 2 |
//! | `timeslice=MS` | length of a time slice, 1 to 1000 ms | 80 |
//! | `nonce=TEXT` | prefix of record lines; without it there are none | none |
//! | `provoke=panic\|fault\|overflow` | kernels built with `check`: a bug of the kernel's own, to see its report | none |

use kpi::coredata::CoreData;

/// The options.
pub struct Options<'a> {
    /// How much the kernel says.
    pub loglevel: u64,
    /// Milliseconds of a time slice.
    pub timeslice_ms: u64,
    /// Nonce of records.
    pub nonce: &'a str,
    /// What to do wrong.
    #[cfg(feature = "check")]
    pub provoke: &'a str,
}

impl<'a> Options<'a> {
    /// Reads the command line; a value that makes no sense leaves the default.
    #[optimize(size)]
    pub fn parse(core_data: &'a CoreData) -> Self {
        let mut options = Self {
            loglevel: 2,
            timeslice_ms: 80,
            nonce: "",
            #[cfg(feature = "check")]
            provoke: "",
        };
        let bytes = core_data
            .cmdline
            .get(..core_data.cmdline_length as usize)
            .unwrap_or_default();
        for word in core::str::from_utf8(bytes)
            .unwrap_or_default()
            .split_ascii_whitespace()
        {
            match word.split_once('=') {
                Some(("loglevel", value)) => {
                    options.loglevel = value.parse().unwrap_or(options.loglevel)
                }
                Some(("timeslice", value)) => {
                    options.timeslice_ms = value
                        .parse()
                        .ok()
                        .filter(|ms| (1..=1000).contains(ms))
                        .unwrap_or(80);
                }
                Some(("nonce", value)) => options.nonce = value,
                #[cfg(feature = "check")]
                Some(("provoke", value)) => options.provoke = value,
                _ => {}
            }
        }
        options
    }
}
