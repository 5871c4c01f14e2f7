//! The records of a run: capabilities and domains.

use core::fmt;

use capgraph::Entry;
use testproto::{Kind, Record};

/// A domain that the guest named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// Its number.
    pub pid: u64,
    /// Its name.
    pub name: String,
    /// Physical address of its dispatcher.
    pub dispatcher: u64,
}

/// What a guest reported: the last whole list counts.
#[derive(Clone, Debug, Default)]
pub struct Dump {
    /// The capabilities, in database order.
    pub entries: Vec<Entry>,
    /// The domains.
    pub domains: Vec<Domain>,
    total: usize,
    broken: bool,
}

/// Why a dump is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incomplete {
    /// No capabilities at all.
    Nothing,
    /// Some are missing.
    Missing {
        /// How many came.
        seen: usize,
        /// How many there are.
        total: usize,
    },
    /// A record could not be read: guest and host tool are of different versions.
    Unreadable,
}

impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => write!(f, "the guest listed no capabilities"),
            Self::Missing { seen, total } => {
                write!(f, "the guest listed {seen} of {total} capabilities")
            }
            Self::Unreadable => write!(
                f,
                "the guest's list of capabilities cannot be read: build guest and hake from one source"
            ),
        }
    }
}

impl core::error::Error for Incomplete {}

impl Dump {
    /// A dump of these.
    #[must_use]
    pub fn new(entries: Vec<Entry>, domains: Vec<Domain>) -> Self {
        let total = entries.len();
        Self {
            entries,
            domains,
            total,
            broken: false,
        }
    }

    /// Takes a record's JSON; those of other kinds are ignored. A list that begins anew replaces what was there.
    pub fn add(&mut self, json: &str) {
        let Ok(record) = Record::parse(json) else {
            return;
        };
        let number = |name| record.int(name).and_then(|n| u64::try_from(n).ok());
        match record.kind {
            Kind::Domain => {
                let Some((pid, dispatcher)) = number("pid").zip(number("dispatcher")) else {
                    return;
                };
                let name = record.str("name").map(|name| name.to_string());
                self.domains
                    .retain(|domain| domain.dispatcher != dispatcher);
                self.domains.push(Domain {
                    pid,
                    name: name.unwrap_or_default(),
                    dispatcher,
                });
            }
            Kind::Cap => {
                if number("first") == Some(0) {
                    self.entries.clear();
                    self.broken = false;
                }
                self.total = number("total").and_then(|n| n.try_into().ok()).unwrap_or(0);
                let text = record.str("caps").map(|caps| caps.to_string());
                self.broken |= number("first") != Some(self.entries.len() as u64);
                for entry in Entry::read_all(&text.unwrap_or_default()) {
                    match entry {
                        Some(entry) => self.entries.push(entry),
                        None => self.broken = true,
                    }
                }
            }
            _ => {}
        }
    }

    /// Whether everything came that the guest announced.
    ///
    /// # Errors
    /// What is missing.
    pub fn check(&self) -> Result<(), Incomplete> {
        let (seen, total) = (self.entries.len(), self.total);
        if total == 0 {
            Err(Incomplete::Nothing)
        } else if seen < total {
            Err(Incomplete::Missing { seen, total })
        } else if self.broken || seen > total {
            Err(Incomplete::Unreadable)
        } else {
            Ok(())
        }
    }
}
